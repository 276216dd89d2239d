"""Windows' facts about code made at run time: HVCI of the machine, ACG of this process.

Written from the documentation and tested with made answers; it has not run on Windows yet.
Sources: NtQuerySystemInformation, SYSTEM_CODEINTEGRITY_INFORMATION (learn.microsoft.com/windows/win32/api/winternl);
GetProcessMitigationPolicy, PROCESS_MITIGATION_DYNAMIC_CODE_POLICY (…/api/processthreadsapi, …/api/winnt).
"""

from __future__ import annotations

import ctypes
import struct
from typing import Any, Protocol

from tracerd.vm.facts import ACG, HVCI, UNREADABLE, Fact

SYSTEM_CODE_INTEGRITY = 103          # SYSTEM_INFORMATION_CLASS
TEST_SIGNING, HVCI_ON, HVCI_AUDIT, HVCI_STRICT = 0x02, 0x400, 0x800, 0x1000
PROCESS_DYNAMIC_CODE_POLICY = 2      # PROCESS_MITIGATION_POLICY
PROHIBIT_DYNAMIC_CODE, AUDIT_PROHIBIT_DYNAMIC_CODE = 0x1, 0x8


class Calls(Protocol):
    """The three system calls, so that the reader can be tested anywhere. All raise OSError."""

    def code_integrity_options(self) -> int: ...
    def dynamic_code_policy(self) -> int: ...
    def prohibit_dynamic_code(self) -> None: ...


class WindowsFacts:
    """HVCI running or ACG on decide; audit modes and test signing are shown."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def read(self) -> tuple[Fact, ...]:
        return (*self._machine(), *self._process())

    def lock(self) -> None:
        self._calls.prohibit_dynamic_code()

    def _machine(self) -> tuple[Fact, ...]:
        source = f"NtQuerySystemInformation({SYSTEM_CODE_INTEGRITY})"
        try:
            options = self._calls.code_integrity_options()
        except OSError as error:
            return (Fact(HVCI, f"{UNREADABLE}: {error}", source, None),)
        running = bool(options & (HVCI_ON | HVCI_STRICT))
        value = "off"
        for bit, name in ((HVCI_STRICT, "running, strict"), (HVCI_ON, "running"), (HVCI_AUDIT, "audit only")):
            if options & bit:
                value = name
                break
        signing = "on" if options & TEST_SIGNING else "off"
        return (
            Fact(HVCI, value, source, running),
            Fact("test signing", signing, source, None, decides=False),
        )

    def _process(self) -> tuple[Fact, ...]:
        source = f"GetProcessMitigationPolicy({PROCESS_DYNAMIC_CODE_POLICY})"
        try:
            flags = self._calls.dynamic_code_policy()
        except OSError as error:
            return (Fact(ACG, f"{UNREADABLE}: {error}", source, None),)
        if flags & PROHIBIT_DYNAMIC_CODE:
            return (Fact(ACG, "on", source, True),)
        return (Fact(ACG, "audit" if flags & AUDIT_PROHIBIT_DYNAMIC_CODE else "off", source, False),)


class WindowsCalls:
    """The calls themselves, through ntdll and kernel32."""

    def code_integrity_options(self) -> int:
        # struct { ULONG Length; ULONG CodeIntegrityOptions; }
        buffer = ctypes.create_string_buffer(struct.pack("<II", 8, 0), 8)
        returned = ctypes.c_ulong()
        status = _library("ntdll").NtQuerySystemInformation(
            SYSTEM_CODE_INTEGRITY, buffer, ctypes.c_ulong(8), ctypes.byref(returned)
        )
        if status:
            raise OSError(f"NTSTATUS {status & 0xFFFFFFFF:#010x}")
        return int(struct.unpack("<II", buffer.raw)[1])

    def dynamic_code_policy(self) -> int:
        flags = ctypes.c_ulong()
        kernel = _library("kernel32")
        kernel.GetCurrentProcess.restype = ctypes.c_void_p
        answered = kernel.GetProcessMitigationPolicy(
            ctypes.c_void_p(kernel.GetCurrentProcess()),
            PROCESS_DYNAMIC_CODE_POLICY,
            ctypes.byref(flags),
            ctypes.c_size_t(ctypes.sizeof(flags)),
        )
        if not answered:
            raise _last_error()
        return flags.value

    def prohibit_dynamic_code(self) -> None:
        flags = ctypes.c_ulong(PROHIBIT_DYNAMIC_CODE)
        done = _library("kernel32").SetProcessMitigationPolicy(
            PROCESS_DYNAMIC_CODE_POLICY, ctypes.byref(flags), ctypes.c_size_t(ctypes.sizeof(flags))
        )
        if not done:
            raise _last_error()


def _library(name: str) -> Any:
    # `ctypes.WinDLL` exists on Windows only, so it cannot be named where other systems are type-checked.
    return getattr(ctypes, "WinDLL")(name, use_last_error=True)  # noqa: B009


def _last_error() -> OSError:
    error: OSError = getattr(ctypes, "WinError")(getattr(ctypes, "get_last_error")())  # noqa: B009
    return error
