"""The wheel is complete: installed elsewhere and run outside the checkout, it has its core, probes and headers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.compilers import some_compiler

ROOT = Path(__file__).parents[1]


def packages() -> set[str]:
    """Every folder with an __init__.py under the shipped packages."""
    tops = ("tracerd", "probes", "exporters", "tui")
    found = (path.parent for top in tops for path in (ROOT / top).rglob("__init__.py"))
    return {str(path.relative_to(ROOT)).replace("/", ".") for path in found}


def test_every_package_is_listed() -> None:
    """pyproject.toml names packages explicitly: one that is forgotten is missing from the wheel."""
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    assert set(listed) == packages()


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a wheel from what git knows of this tree, and unpack it in a folder of its own."""
    folder = tmp_path_factory.mktemp("wheel")
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    files = subprocess.run(listing, cwd=ROOT, capture_output=True, check=False)
    if files.returncode:
        pytest.skip("not a git checkout")
    tree = folder / "tree"
    for name in filter(None, files.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_bytes((ROOT / name).read_bytes())
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(folder), "."]
    subprocess.run(command, cwd=tree, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    target = folder / "site"
    zipfile.ZipFile(wheel).extractall(target)
    return target


def run(installed: Path, *arguments: str) -> str:
    """Run the installed command from elsewhere; the checkout is not on its path."""
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    command = [sys.executable, "-c", "from tracerd.cli.main import main; import tracerd, sys; "
               f"assert tracerd.__file__.startswith({str(installed)!r}), tracerd.__file__; main()", *arguments]
    done = subprocess.run(command, cwd=installed, env=environment, check=True, capture_output=True, text=True)
    return done.stdout


@pytest.mark.xdist_group("wheel")
def test_the_wheel_lists_the_shipped_probes(installed: Path) -> None:
    """Probe files are package data."""
    assert {row["probe"] for row in json.loads(run(installed, "list", "--json"))} >= {"syscalls", "etw_processes"}


@pytest.mark.xdist_group("wheel")
def test_the_wheel_replays_its_own_recording(installed: Path) -> None:
    """Verifier, engines, core and views work from the installed files alone."""
    probe = installed / "probes" / "etw_processes"
    document = json.loads(run(installed, "replay", str(probe / "demo.etl"), str(probe / "probe.toml"), "--json"))
    assert len(document["tables"]["processes"]) > 20


@pytest.mark.xdist_group("wheel")
def test_the_wheel_has_the_schemas(installed: Path) -> None:
    """Shipped schemas are package data."""
    (row,) = json.loads(run(installed, "list", "etw:Microsoft-Windows-Kernel-Process:ProcessStart", "--json"))
    assert row["fields"][0]["name"] == "ProcessID"


@pytest.mark.xdist_group("wheel")
def test_the_wheel_has_the_headers_programs_are_written_with(installed: Path) -> None:
    """`-I …/probes/include` works for an installed package."""
    assert (installed / "probes" / "include" / "tracerd.bpf.h").is_file()


@pytest.mark.xdist_group("wheel")
def test_the_wheel_installs_its_service(installed: Path) -> None:
    """The units and the first configuration are package data."""
    tree = installed.parent / "machine"
    run(installed, "service", "install", "--interpreter-only", "--root", str(tree), "--json")
    assert sorted(path.name for path in tree.rglob("*") if path.is_file()) == [
        "interpreter-only.conf", "tracerd.service", "tracerd.toml",
    ]  # fmt: skip


@pytest.mark.xdist_group("wheel")
def test_the_wheel_brings_its_exporters(installed: Path) -> None:
    """Found by their entry points, as the daemon does."""
    config = installed.parent / "tracerd.toml"
    config.write_text('state_dir = "/nonexistent/x"\n[exporters.jsonl]\npath = "-"\n')
    command = [sys.executable, "-m", "tracerd.cli", "check", "--json", "--config", str(config)]
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    done = subprocess.run(command, cwd=installed, env=environment, capture_output=True, text=True, check=False)
    found = [row["state"] for row in json.loads(done.stdout)["findings"] if row["check"] == "exporters"]
    assert found == ["ok"]


@pytest.mark.xdist_group("wheel")
def test_the_wheel_makes_and_builds_a_probe(installed: Path) -> None:
    """The template is package data, and the headers are found where the package is."""
    some_compiler()
    made = json.loads(run(installed, "new", "fresh", "--dir", str(installed.parent), "--json"))
    assert len(made["files"]) == 3
    built = json.loads(run(installed, "build", str(installed.parent / "fresh"), "--json"))
    assert [row["verdict"] for row in built["objects"][0]["programs"]] == ["accept", "accept"]
    event = "Kernel-Process:ProcessStart"
    made = json.loads(run(installed, "new", "starts", "--etw", event, "--dir", str(installed.parent), "--json"))
    assert len(made["files"]) == 4
    built = json.loads(run(installed, "build", str(installed.parent / "starts"), "--json"))
    assert [row["verdict"] for row in built["objects"][0]["programs"]] == ["accept"]
