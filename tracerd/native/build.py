"""Build recipe of the C core (cffi API mode). Run by setuptools; see `setup.py`.

The border headers are read twice: by cffi as the definition of what Python may touch, and by the C files. They are
bare (no #include, #ifdef or _Static_assert), so structs that cross the border are declared once.
"""

from __future__ import annotations

import sys
from pathlib import Path

from cffi import FFI

HERE = Path("tracerd/native")
BORDER = (
    "run", "maps", "map_files", "interpreter", "links", "ticks", "etw", "batch", "recorder", "contexts", "processes",
    "perf", "linux", "proc", "etl", "etw_layouts", "etw_decode", "etw_read", "etw_live", "hooks", "packets",
)
"""Border headers in the order in which they depend on one another."""

FLAGS = ["-std=gnu11", "-O2", "-g", "-Wall", "-Wextra", "-Werror=implicit-function-declaration"]
"""Of gcc and clang, also on Windows (mingw-w64): the core is C11 with 128-bit integers, which MSVC does not have."""

ffi = FFI()
for name in BORDER:
    path = HERE / "border" / f"{name}.h"
    if path.exists():
        ffi.cdef(path.read_text())

includes = "\n".join(f'#include "{name}.h"' for name in BORDER if (HERE / "border" / f"{name}.h").exists())
ffi.set_source(
    "tracerd.native._core",
    f"#include <stdint.h>\n#include <stddef.h>\n{includes}\n",
    sources=sorted(str(path) for path in (HERE / "src").glob("*.c")),
    include_dirs=[str(HERE / "border"), str(HERE / "src")],
    depends=sorted(str(path) for path in HERE.glob("*/*.h")),
    py_limited_api=True,
    extra_compile_args=FLAGS,
    extra_link_args=["-static-libgcc"] if sys.platform == "win32" else [],
)
