"""Windows's walls around the verifier's process: a job object with limits, no privileges, low integrity, no new code.

Not run on Windows: written from the documentation; only what is packed into structures is tested. The process confines
itself, as on Linux: its pipes are open and its modules loaded by then, and a token can always be made weaker.
Not had this way: a token without groups (it can only be given at the start), and the network.
Sources: learn.microsoft.com/windows/win32/api/jobapi2, …/winnt (JOBOBJECT_EXTENDED_LIMIT_INFORMATION,
LUID_AND_ATTRIBUTES, TOKEN_MANDATORY_LABEL, PROCESS_MITIGATION_DYNAMIC_CODE_POLICY), …/securitybaseapi.
"""

from __future__ import annotations

import ctypes
import struct
from typing import Any

from tracerd.verifier.sandbox.walls import Walls, raise_all
from tracerd.verifier.sandbox.wire import Wall

ACTIVE_PROCESS, PROCESS_MEMORY, DIE_ON_EXCEPTION, KILL_ON_CLOSE = 0x8, 0x100, 0x400, 0x2000   # JOB_OBJECT_LIMIT_*
EXTENDED_LIMITS, UI_RESTRICTIONS = 9, 4          # JOBOBJECTINFOCLASS
ALL_UI = 0xFF                                    # JOB_OBJECT_UILIMIT_ALL

TOKEN_QUERY, TOKEN_ADJUST_PRIVILEGES, TOKEN_ADJUST_DEFAULT = 0x08, 0x20, 0x80
TOKEN_PRIVILEGES, TOKEN_INTEGRITY = 3, 25        # TOKEN_INFORMATION_CLASS
PRIVILEGE_REMOVED = 0x4                          # SE_PRIVILEGE_REMOVED: for good, not merely disabled
GROUP_INTEGRITY = 0x20                           # SE_GROUP_INTEGRITY
LOW_INTEGRITY_SID = struct.pack("<BB6sI", 1, 1, (16).to_bytes(6, "big"), 0x1000)     # S-1-16-4096

DYNAMIC_CODE_POLICY, PROHIBIT_DYNAMIC_CODE = 2, 0x1


def confine(memory_mb: int) -> tuple[Wall, ...]:
    """Raise every wall, and say of each whether it is in force."""
    walls: Walls = {
        "job object": lambda: _join_job(memory_mb),
        "no privileges": _remove_privileges,
        "low integrity": _lower_integrity,
        "no new code (ACG)": _prohibit_code,
    }
    return raise_all(walls)


def job_limits(memory_mb: int) -> bytes:
    """Return a JOBOBJECT_EXTENDED_LIMIT_INFORMATION (64 bit): one process, so much memory, gone with its handle."""
    flags = ACTIVE_PROCESS | PROCESS_MEMORY | DIE_ON_EXCEPTION | KILL_ON_CLOSE
    basic = struct.pack("<qqI4xQQI4xQII", 0, 0, flags, 0, 0, 1, 0, 0, 0)
    return basic + bytes(48) + struct.pack("<4Q", memory_mb << 20, 0, 0, 0)


def all_removed(privileges: bytes) -> bytes:
    """Return a TOKEN_PRIVILEGES with every privilege of another marked as to be removed."""
    (count,) = struct.unpack_from("<I", privileges)
    rows = (privileges[4 + 12 * row : 12 + 12 * row] for row in range(count))
    return struct.pack("<I", count) + b"".join(luid + struct.pack("<I", PRIVILEGE_REMOVED) for luid in rows)


def _join_job(memory_mb: int) -> str:
    kernel = _library("kernel32")
    job = ctypes.c_void_p(_checked(kernel.CreateJobObjectW(None, None)))    # its handle stays open as long as we live
    limits = job_limits(memory_mb)
    _checked(kernel.SetInformationJobObject(job, EXTENDED_LIMITS, limits, len(limits)))
    _checked(kernel.SetInformationJobObject(job, UI_RESTRICTIONS, struct.pack("<I", ALL_UI), 4))
    _checked(kernel.AssignProcessToJobObject(job, ctypes.c_void_p(kernel.GetCurrentProcess())))
    return f"{memory_mb} MiB, one process"


def _remove_privileges() -> str:
    security, token = _library("advapi32"), _token(TOKEN_QUERY | TOKEN_ADJUST_PRIVILEGES)
    buffer, size = ctypes.create_string_buffer(4096), ctypes.c_ulong()
    _checked(security.GetTokenInformation(token, TOKEN_PRIVILEGES, buffer, len(buffer), ctypes.byref(size)))
    _checked(security.AdjustTokenPrivileges(token, 0, all_removed(buffer.raw[: size.value]), 0, None, None))
    return ""


def _lower_integrity() -> str:
    sid = ctypes.create_string_buffer(LOW_INTEGRITY_SID, len(LOW_INTEGRITY_SID))
    label = struct.pack("<QI4x", ctypes.addressof(sid), GROUP_INTEGRITY)      # TOKEN_MANDATORY_LABEL
    token = _token(TOKEN_ADJUST_DEFAULT)
    _checked(_library("advapi32").SetTokenInformation(token, TOKEN_INTEGRITY, label, len(label)))
    return ""


def _prohibit_code() -> str:
    flags = ctypes.c_ulong(PROHIBIT_DYNAMIC_CODE)
    _checked(
        _library("kernel32").SetProcessMitigationPolicy(
            DYNAMIC_CODE_POLICY, ctypes.byref(flags), ctypes.c_size_t(ctypes.sizeof(flags))
        )
    )
    return ""


def _token(rights: int) -> Any:
    token, process = ctypes.c_void_p(), ctypes.c_void_p(_library("kernel32").GetCurrentProcess())
    _checked(_library("advapi32").OpenProcessToken(process, rights, ctypes.byref(token)))
    return token


def _library(name: str) -> Any:
    # `ctypes.WinDLL` exists on Windows only, so it cannot be named where other systems are type-checked.
    library: Any = getattr(ctypes, "WinDLL")(name, use_last_error=True)  # noqa: B009
    if name == "kernel32":
        library.CreateJobObjectW.restype = library.GetCurrentProcess.restype = ctypes.c_void_p
    return library


def _checked(result: int | None) -> int:
    if not result:
        error: OSError = getattr(ctypes, "WinError")(getattr(ctypes, "get_last_error")())  # noqa: B009
        raise error
    return result
