"""Build the driver with the whole core: for Linux, and as a PE executable with mingw-w64."""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tracerd.native.build import FLAGS

ROOT = Path(__file__).parents[2]
NATIVE = ROOT / "tracerd" / "native"
DRIVER = Path(__file__).parent / "driver"
BUILD = ROOT / "build" / "wine"
_INCLUDE = (f"-I{NATIVE / 'border'}", f"-I{NATIVE / 'src'}", f"-I{DRIVER}")


@dataclass(frozen=True, slots=True)
class Target:
    """A system that the driver is built for."""

    name: str
    compiler: str
    suffix: str
    libraries: tuple[str, ...]


LINUX = Target("linux", "gcc", "", ("-pthread",))
WINDOWS = Target("windows", "x86_64-w64-mingw32-gcc", ".exe", ("-static",))


def build(target: Target) -> Path:
    """Return the driver, built if anything is newer. Its flags are those of the package."""
    folder = BUILD / target.name
    folder.mkdir(parents=True, exist_ok=True)
    sources = sorted((NATIVE / "src").glob("*.c")) + sorted(DRIVER.glob("*.c"))
    headers = [*NATIVE.glob("*/*.h"), *DRIVER.glob("*.h"), Path(__file__)]
    newest = max(path.stat().st_mtime for path in headers)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = list(pool.map(lambda source: _compile(target, folder, source, newest), sources))
    driver = folder / f"driver{target.suffix}"
    _run(target.compiler, *map(str, objects), "-o", str(driver), *target.libraries)
    return driver


def _compile(target: Target, folder: Path, source: Path, newest: float) -> Path:
    out = folder / f"{source.parent.name}-{source.stem}.o"
    if not out.exists() or out.stat().st_mtime < max(newest, source.stat().st_mtime):
        _run(target.compiler, *FLAGS, "-Werror", *_INCLUDE, "-c", str(source), "-o", str(out))
    return out


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stderr}"
