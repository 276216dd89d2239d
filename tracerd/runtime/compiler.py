"""Turn a probe's C into an eBPF object: find a compiler that can, and run it.

Clang is the developer's, not a part of tracerd: it is looked for, tried, and used with the flags below. Everything that
is not specific to one machine is data here; the Makefile has the same flags (a test compares them).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from tracerd.errors import CompileError, ConfigError, NotSupported, RunError

FLAGS = (
    "-g", "-O2", "-mcpu=v3", "-Wall", "-Wextra", "-Wno-unused-function", "-Wno-unused-const-variable",
    "-Wno-unused-parameter", "-fdebug-compilation-dir=.", "-fno-ident",
)  # fmt: skip
"""BTF comes with -g; v3 has the 32-bit instructions and atomics that the verifier knows."""

CLANGS = ("clang", *(f"clang-{major}" for major in range(21, 13, -1)))
"""Names on PATH, in the order in which they are tried."""

ELSEWHERE = (
    "/opt/homebrew/opt/llvm/bin/clang",
    "/usr/local/opt/llvm/bin/clang",
    r"C:\Program Files\LLVM\bin\clang.exe",
)
"""Where Homebrew and LLVM's Windows installer put it, which is on no PATH."""

ZIG_NAME, ZIG_TARGET = "ziglang", "bpfel-freestanding"
ZIG = (sys.executable, "-P", "-m", "ziglang", "cc")
"""Clang inside PyPI's `ziglang`. -P: a file ziglang.py in the user's folder is not meant."""

INSTALL = (
    "pip install 'tracerd[build]' (any system), apt install clang (Debian, Ubuntu), dnf install clang (Fedora), "
    "brew install llvm (macOS: Apple's own clang makes no eBPF) or winget install LLVM.LLVM (Windows)"
)

TRIAL = "int tried;\n"
SECONDS = 120
"""Longest compilation. zig spins without end where it cannot make its cache."""


@dataclass(frozen=True, slots=True)
class Compiler:
    """A compiler that was seen to make eBPF. `version` is the first line that it prints about itself."""

    command: tuple[str, ...]
    target: str
    version: str

    @property
    def name(self) -> str:
        """Return what a user knows it by."""
        return ZIG_NAME if self.command == ZIG else self.command[0]


@dataclass(frozen=True, slots=True)
class Built:
    """An object made from a source; `messages` are the compiler's warnings."""

    source: Path
    object: Path
    messages: str = field(repr=False)


def include_folder() -> Path:
    """Return where tracerd.bpf.h is."""
    return Path(str(files("probes"))) / "include"


def find_compiler(asked: str | None = None, environment: Mapping[str, str] = os.environ) -> Compiler:
    """Return a compiler that makes eBPF: the one asked for, $CLANG, a clang of this machine, or ziglang's.

    Raises:
        ConfigError: the one asked for does not exist.
        NotSupported: the one asked for makes no eBPF, or there is none at all.
    """
    for name, value in (("--clang", asked), ("CLANG", environment.get("CLANG"))):
        if value:
            return _wanted(name, value)
    useless = []
    for command, target in _candidates():
        try:
            return _tried(command, target)
        except NotSupported:
            useless.append(command[0])
    found = f"{', '.join(useless)} cannot make eBPF" if useless else "there is no clang"
    raise NotSupported("building eBPF programs", f"{found}; install one: {INSTALL}; or name one with --clang")


def compile_source(source: Path, compiler: Compiler) -> Built:
    """Compile NAME.bpf.c to NAME.bpf.o beside it; an older object stays whole until the new one is.

    Raises:
        CompileError: the compiler refuses the source.
        RunError: the source or its folder cannot be used, or the compiler hangs.
    """
    if not source.is_file():
        raise RunError(str(source), "there is no such file")
    if source.name.startswith("@"):      # with a folder before it too: clang hands the bare name on to itself
        raise RunError(str(source), "a compiler takes a name that begins with @ for a file of options; rename it")
    made = source.with_suffix(".o")
    try:
        with tempfile.TemporaryDirectory(prefix=".tracerd-build-", dir=source.parent) as scratch:
            draft = Path(scratch).resolve() / "object"
            arguments = (*FLAGS, "-I", str(include_folder()), "-c", _named(source), "-o", str(draft))
            done = _run(compiler.command, ("-target", compiler.target, *arguments), source.parent, scratch)
            if done.returncode:
                raise CompileError(str(source), compiler.name, done.stderr)
            draft.replace(made)
    except OSError as error:
        raise RunError(str(source.parent), f"cannot be written: {error.strerror or error}") from error
    return Built(source, made, done.stderr)


def _named(source: Path) -> str:
    """Return the name that the compiler is given, in the source's folder: never one that it takes for an option."""
    return f"./{source.name}" if source.name.startswith("-") else source.name


def _wanted(option: str, value: str) -> Compiler:
    if value == ZIG_NAME:
        return _tried(ZIG, ZIG_TARGET)
    path = shutil.which(value)
    if path is None:
        raise ConfigError(option, f"there is no program {value!r}")
    return _tried((path,), "bpf")


def _candidates() -> Iterator[tuple[tuple[str, ...], str]]:
    for name in (*CLANGS, *ELSEWHERE):
        path = shutil.which(name)
        if path is not None:
            yield (path,), "bpf"
    if find_spec("ziglang") is not None:
        yield ZIG, ZIG_TARGET


def _tried(command: tuple[str, ...], target: str) -> Compiler:
    """Let a compiler make an empty object: Apple's clang, gcc under another name and old ones cannot."""
    with tempfile.TemporaryDirectory(prefix="tracerd-trial-") as scratch:
        source = Path(scratch) / "trial.c"
        source.write_text(TRIAL, encoding="ascii")
        wanted = ("-target", target, "-mcpu=v3", "-c", str(source), "-o", str(Path(scratch) / "trial.o"))
        done = _run(command, wanted, Path(scratch), scratch)
        if done.returncode:
            raise NotSupported(f"building with {command[0]}", f"it makes no eBPF ({_cause(done)})")
        version = _run(command, ("--version",), Path(scratch), scratch).stdout.splitlines()
    return Compiler(command, target, version[0] if version else "")


def _cause(done: subprocess.CompletedProcess[str]) -> str:
    lines = done.stderr.strip().splitlines() or [f"it ends with {done.returncode}"]
    return next((line for line in lines if "error" in line), lines[0])


def _run(
    command: tuple[str, ...], arguments: tuple[str, ...], folder: Path, scratch: str
) -> subprocess.CompletedProcess[str]:
    """Run a compiler; whatever it caches goes to `scratch`.

    Raises:
        RunError: it does not end.
        NotSupported: it cannot be run.
    """
    cache = str(Path(scratch).resolve())
    environment = {**os.environ, "ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache}
    try:
        return subprocess.run(
            (*command, *arguments), cwd=folder, env=environment, capture_output=True, text=True, errors="replace",
            check=False, timeout=SECONDS,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise RunError(command[0], f"does not end: stopped after {SECONDS} s") from error
    except OSError as error:
        raise NotSupported(f"building with {command[0]}", f"it cannot be run: {error.strerror or error}") from error
