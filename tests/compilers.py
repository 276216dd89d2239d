"""Every compiler of this machine that makes eBPF, each once, for tests that ask all of them."""

from __future__ import annotations

import functools
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from tracerd.errors import NotSupported
from tracerd.runtime.compiler import CLANGS, Compiler, find_compiler


@functools.cache
def names() -> tuple[str, ...]:
    """Return the names under which they are found; one that is another's link is left out."""
    found = {str(Path(path).resolve()): name for name in reversed(CLANGS) if (path := shutil.which(name))}
    return (*found.values(), *(("ziglang",) if find_spec("ziglang") else ()))


def compiler(name: str) -> Compiler:
    """Return a compiler by one of these names; skip where it makes no eBPF."""
    if name == "none":
        pytest.skip("no clang is installed")
    try:
        return find_compiler(name)
    except NotSupported as error:
        pytest.skip(str(error))


every_compiler = pytest.mark.parametrize("name", names() or ("none",))


def some_compiler() -> Compiler:
    """Return any compiler; skip where there is none."""
    return compiler(names()[0] if names() else "none")
