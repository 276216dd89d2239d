"""The C core behind one module: `ffi` and `lib` of the compiled extension. Nothing here is logic.

Its functions release the GIL, so a pump thread may stay inside one call for as long as it likes.
"""

from __future__ import annotations

from tracerd.native._core import ffi, lib

__all__ = ["ffi", "lib"]
