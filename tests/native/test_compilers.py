"""The C core compiles without a warning with every compiler it is written for, Windows' among them."""

from __future__ import annotations

import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

NATIVE = Path(__file__).parents[2] / "tracerd" / "native"
FLAGS = ("-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", f"-I{NATIVE / 'border'}", f"-I{NATIVE / 'src'}")


@pytest.mark.parametrize("compiler", ["gcc", "clang-19", "x86_64-w64-mingw32-gcc"])
def test_every_file_compiles_without_a_warning(compiler: str, tmp_path: Path) -> None:
    """One by one, as setuptools builds them; a file that is nothing on a system compiles to nothing there."""
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")

    def compile_one(source: Path) -> str:
        command = [compiler, *FLAGS, "-c", str(source), "-o", str(tmp_path / f"{source.stem}.o")]
        return subprocess.run(command, capture_output=True, text=True, check=False).stderr

    sources = sorted((NATIVE / "src").glob("*.c"))
    with ThreadPoolExecutor(2) as pool:
        assert [said for said in pool.map(compile_one, sources) if said] == []
    assert len(list(tmp_path.glob("*.o"))) == len(sources)
