"""What Windows' headers say, by mingw-w64: numbers and the bytes of constants, compiled for Windows and read out of the
object file. Nothing is run, so no Wine is needed.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

COMPILER = "x86_64-w64-mingw32-gcc"
OBJCOPY = "x86_64-w64-mingw32-objcopy"

HEADERS = (
    "winsock2.h", "ws2tcpip.h", "windows.h", "wmistr.h", "evntrace.h", "evntprov.h", "evntcons.h", "tdh.h", "stddef.h",
)
RELOGGER = ("windows.h", "relogger.h", "stddef.h")
"""relogger.h defines the structs of an event once more, so it cannot be read with the others."""

OURS = Path(__file__).parents[2] / "tracerd" / "native" / "src"

_FLAGS = ("-std=gnu11", "-D_WIN32_WINNT=0x0A00", "-DWIN32_LEAN_AND_MEAN", f"-I{OURS}")

needs_mingw = pytest.mark.skipif(
    shutil.which(COMPILER) is None or shutil.which(OBJCOPY) is None,
    reason=f"{COMPILER} is not installed: tests/wine/install.sh gets it",
)


def numbers(*expressions: str, headers: tuple[str, ...] = HEADERS) -> tuple[int, ...]:
    """Return the values of constant expressions."""
    raw = _compiled(f"const unsigned long long wanted[] IN_ITS_SECTION = {{{', '.join(expressions)}}};", headers)
    return struct.unpack_from(f"<{len(expressions)}Q", raw)


def constant(kind: str, value: str) -> bytes:
    """Return a constant's bytes: its type and its initialiser are C."""
    sized = "const struct {unsigned long long size; wanted_type value;} wanted IN_ITS_SECTION"
    raw = _compiled(f"typedef {kind} wanted_type;\n{sized} = {{sizeof(wanted_type), {value}}};", HEADERS)
    (size,) = struct.unpack_from("<Q", raw)
    return raw[8 : 8 + size]


def layout(kind: str, *members: str, headers: tuple[str, ...] = HEADERS) -> dict[str, tuple[int, int]]:
    """Return (offset, size) of members, and of the whole under the name ""."""
    each = [(f"offsetof({kind}, {name})", f"sizeof((({kind} *)0)->{name})") for name in members]
    flat = numbers(f"sizeof({kind})", *(number for pair in each for number in pair), headers=headers)
    return {"": (0, flat[0]), **dict(zip(members, zip(flat[1::2], flat[2::2], strict=True), strict=True))}


@cache
def _compiled(declaration: str, headers: tuple[str, ...]) -> bytes:
    includes = "\n".join(f"#include <{name}>" for name in headers)
    section = '#define IN_ITS_SECTION __attribute__((section(".wanted"), used))'
    with TemporaryDirectory() as folder:
        compiled, raw = Path(folder, "wanted.o"), Path(folder, "wanted")
        command = [COMPILER, *_FLAGS, "-x", "c", "-", "-c", "-o", str(compiled)]
        done = subprocess.run(
            command, input=f"{includes}\n{section}\n{declaration}\n", capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        subprocess.run([OBJCOPY, "-O", "binary", "-j", ".wanted", str(compiled), str(raw)], check=True)
        return raw.read_bytes()
