"""bpf(2): load the same bytecode into the kernel and time it there, for side-by-side measurements and tests.

Structures: union bpf_attr of linux/bpf.h. Handles are file descriptors, closed with `os.close`.
"""

from __future__ import annotations

import errno
import os
import struct
from typing import Any

from tracerd.errors import NotPermitted, RunError
from tracerd.native import ffi, lib

MAP_CREATE, MAP_LOOKUP_ELEM, MAP_UPDATE_ELEM = 0, 1, 2
PROG_LOAD, PROG_TEST_RUN = 5, 10
PROG_TYPE_XDP = 6

LOG_BYTES = 1 << 20
FIX = "run as root or with CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN"


def map_create(kind: int, key_size: int, value_size: int, max_entries: int, flags: int = 0) -> int:
    """Create a map of a Linux kind (enum bpf_map_type); sizes in bytes.

    Raises:
        NotPermitted: the kernel refuses it to this user.
        RunError: the kernel refuses the map itself.
    """
    return _call(MAP_CREATE, struct.pack("<5I", kind, key_size, value_size, max_entries, flags), "creating a map")


def map_update(descriptor: int, key: bytes, value: bytes) -> None:
    """Set one element (BPF_ANY).

    Raises:
        RunError: the kernel refuses it.
    """
    held = ffi.from_buffer(key), ffi.from_buffer(value)
    _call(MAP_UPDATE_ELEM, struct.pack("<IIQQQ", descriptor, 0, *map(_address, held), 0), "updating a map")


def map_lookup(descriptor: int, key: bytes, value_size: int) -> bytes | None:
    """Return an element's value, or None.

    Raises:
        RunError: the kernel refuses for another reason than that there is none.
    """
    held, value = ffi.from_buffer(key), ffi.new("char[]", value_size)
    attributes = struct.pack("<IIQQQ", descriptor, 0, _address(held), _address(value), 0)
    if _raw(MAP_LOOKUP_ELEM, attributes)[0] == -errno.ENOENT:
        return None
    _call(MAP_LOOKUP_ELEM, attributes, "looking a map up")
    return bytes(ffi.buffer(value))


def prog_load(kind: int, code: bytes, license: str = "GPL") -> int:  # noqa: A002  the field's name
    """Load a program whose map references are file descriptors; the kernel verifies it and compiles it.

    Raises:
        NotPermitted: the kernel refuses it to this user.
        RunError: the kernel's verifier refuses it; the last useful line of its log is the cause.
    """
    held = ffi.from_buffer(code), ffi.new("char[]", license.encode())
    attributes = struct.pack("<IIQQ", kind, len(code) // 8, *map(_address, held))
    result, _ = _raw(PROG_LOAD, attributes + bytes(24))
    if result >= 0:
        return result
    if result in (-errno.EPERM, -errno.EACCES) and not _may_load(kind):
        raise NotPermitted("loading a program with bpf(2)", FIX)
    raise RunError("kernel", _refusal(attributes))


def prog_test_run(descriptor: int, data: bytes, repeat: int) -> tuple[int, int]:
    """Run a packet program `repeat` times on the same data; return (its 32-bit result, nanoseconds of one run).

    The kernel reports the mean, rounded down.

    Raises:
        RunError: the kernel refuses.
    """
    held = ffi.from_buffer(data)
    attributes = struct.pack("<4IQQ2I", descriptor, 0, len(data), 0, _address(held), 0, repeat, 0)
    result, answer = _raw(PROG_TEST_RUN, attributes + bytes(40))
    if result < 0:
        raise RunError("BPF_PROG_TEST_RUN", os.strerror(-result))
    return struct.unpack_from("<I", answer, 4)[0], struct.unpack_from("<I", answer, 36)[0]


def _may_load(kind: int) -> bool:
    """True if the kernel takes `r0 = 2; exit` from this user, so that a refusal is the program's own."""
    code = bytes.fromhex("b700000002000000" + "9500000000000000")
    held = ffi.from_buffer(code), ffi.new("char[]", b"GPL")
    result, _ = _raw(PROG_LOAD, struct.pack("<IIQQ", kind, 2, *map(_address, held)) + bytes(24))
    if result >= 0:
        os.close(result)
    return result >= 0


def _refusal(attributes: bytes) -> str:
    """Load again with the verifier's log on, and return the line before its statistics."""
    log = ffi.new("char[]", LOG_BYTES)
    result, _ = _raw(PROG_LOAD, attributes + struct.pack("<IIQ", 1, LOG_BYTES, _address(log)) + bytes(8))
    if result >= 0:
        os.close(result)
        return "refused once, then accepted"
    text = bytes(ffi.buffer(log)).split(b"\0", 1)[0].decode(errors="replace")
    lines = [line for line in text.splitlines() if line.strip()]
    useful = [line for line in lines if not line.startswith(("processed ", "verification time", "stack depth"))]
    return f"{os.strerror(-result)}: {useful[-1].strip()}" if useful else os.strerror(-result)


def _call(command: int, attributes: bytes, what: str) -> int:
    result, _ = _raw(command, attributes)
    if result == -errno.EPERM:
        raise NotPermitted(f"{what} with bpf(2)", FIX)
    if result < 0:
        raise RunError(what, os.strerror(-result))
    return result


def _raw(command: int, attributes: bytes) -> tuple[int, bytes]:
    """Return what the system call returns, and the attributes as it left them."""
    buffer = ffi.new("char[]", attributes)
    result = int(lib.tr_linux_bpf(command, buffer, len(attributes)))
    return result, bytes(ffi.buffer(buffer, len(attributes)))


def _address(data: Any) -> int:
    return int(ffi.cast("uintptr_t", data))
