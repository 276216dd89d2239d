"""Finding and running a compiler: the flags are one, and what was asked for is what is used."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.compilers import compiler, every_compiler, names
from tracerd.elf.load import load
from tracerd.errors import CompileError, RunError
from tracerd.runtime import compiler as compiling
from tracerd.runtime.compiler import FLAGS, Compiler, compile_source, find_compiler

ROOT = Path(__file__).parents[2]
PROGRAM = """#include "tracerd.bpf.h"
SEC("begin")
int on_begin(struct interval_context *ctx)
{
	return ctx->kind;
}
char _license[] SEC("license") = "MIT";
"""


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_the_makefile_has_the_same_flags() -> None:
    """Shipped objects are made as a user's are."""
    printed = subprocess.run(["make", "-s", "probe-flags"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    flags = printed.replace("-target bpf", "").replace("-I probes/include", "").split()
    assert sorted(flags) == sorted(FLAGS)


@every_compiler
def test_each_compiler_makes_an_object_with_btf(name: str, tmp_path: Path) -> None:
    """Among them PyPI's ziglang, where it is installed."""
    source = tmp_path / "begin.bpf.c"
    source.write_text(PROGRAM)
    spec = load(compile_source(source, compiler(name)).object)
    assert [program.name for program in spec.programs] == ["on_begin"]
    assert spec.programs[0].lines
    assert spec.btf is not None


def test_a_source_whose_name_looks_like_an_option_is_a_source(tmp_path: Path) -> None:
    """A folder from elsewhere cannot pass options to the compiler."""
    source = tmp_path / "-fplugin=evil.bpf.c"
    source.write_text(PROGRAM)
    assert load(compile_source(source, compiler(names()[0] if names() else "none")).object).programs


@every_compiler
def test_a_source_is_never_taken_for_a_file_of_options(name: str, tmp_path: Path) -> None:
    """@FILE is a compiler's word for the options in FILE: one could load a plug-in."""
    source, elsewhere = tmp_path / "@options.bpf.c", tmp_path / "made"
    source.write_text(PROGRAM)
    (tmp_path / "options.bpf.c").write_text(f"-MD -MF {elsewhere}")
    with pytest.raises(RunError, match="rename it"):
        compile_source(source, compiler(name))
    assert not elsewhere.exists()


def test_the_one_asked_for_goes_before_the_environment_s() -> None:
    """--clang, then $CLANG."""
    if not names():
        pytest.skip("no clang is installed")
    found = find_compiler(names()[0], {"CLANG": "/nonexistent"})
    assert found == compiler(names()[0])
    assert find_compiler(None, {"CLANG": names()[0]}) == found


def test_a_compiler_that_hangs_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The build ends with a sentence, and nothing stays behind."""
    monkeypatch.setattr(compiling, "SECONDS", 0.2)
    slow = tmp_path / "slow"
    slow.write_text("#!/bin/sh\nexec sleep 30\n")
    slow.chmod(0o755)
    source = tmp_path / "begin.bpf.c"
    source.write_text(PROGRAM)
    with pytest.raises(RunError, match="does not end"):
        compile_source(source, Compiler((str(slow),), "bpf", ""))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["begin.bpf.c", "slow"]


def test_an_error_carries_the_compiler_s_messages(tmp_path: Path) -> None:
    """They are kept apart from the sentence."""
    source = tmp_path / "begin.bpf.c"
    source.write_text(PROGRAM.replace("ctx->kind", "ctx->nope"))
    with pytest.raises(CompileError) as caught:
        compile_source(source, compiler(names()[0] if names() else "none"))
    assert "no member named 'nope'" in caught.value.messages
    assert "\n" not in str(caught.value)
