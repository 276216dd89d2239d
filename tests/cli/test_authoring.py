"""`tracerd new` and `tracerd build` as a newcomer calls them: what they make, and what they say when they cannot."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.compilers import some_compiler
from tracerd.config import read_probe
from tracerd.elf.load import load

ROOT = Path(__file__).parents[2]
TEMPLATE = ("README.md", "hello.bpf.c", "probe.toml")


def tracerd(*arguments: str | Path, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder, with variables changed."""
    changed = {**os.environ, "PYTHONPATH": str(ROOT), "CLANG": "", **environment}
    command = [sys.executable, "-m", "tracerd.cli", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, env=changed, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a space in its name."""
    made = tmp_path / "my probes"
    made.mkdir()
    return made


@pytest.fixture
def hello(folder: Path) -> Path:
    """A new probe, not built yet, on a machine that can."""
    some_compiler()
    assert tracerd("new", "hello", folder=folder).returncode == 0
    return folder / "hello"


def change(source: Path, old: str, new: str) -> None:
    """Edit a source as a user would."""
    text = source.read_text()
    assert old in text
    source.write_text(text.replace(old, new))


def test_new_writes_a_probe_of_that_name_and_says_what_comes_next(folder: Path) -> None:
    """Three files, no placeholder left, and a probe.toml that is read without complaint."""
    done = tracerd("new", "hello", folder=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(path.name for path in (folder / "hello").iterdir()) == sorted(TEMPLATE)
    for name in TEMPLATE:
        assert "@" not in (folder / "hello" / name).read_text()
    assert read_probe(folder / "hello" / "probe.toml").name == "hello"
    assert "tracerd build hello && tracerd run hello/probe.toml" in done.stdout


def test_new_puts_the_folder_where_it_is_told_and_answers_in_json(folder: Path) -> None:
    """--dir is made if it is not there."""
    done = tracerd("new", "a-b", "--dir", "deep/er", "--json", folder=folder)
    document = json.loads(done.stdout)
    assert document["probe"] == "a-b"
    assert [(folder / name).is_file() for name in document["files"]] == [True] * 3


@pytest.mark.parametrize("name", ["no way", "../up", "9lives", "a/b", "", "x" * 65])
def test_a_name_that_no_probe_may_have_is_refused(name: str, folder: Path) -> None:
    """Nothing is written."""
    done = tracerd("new", "--", name, folder=folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert "must begin with a letter" in done.stderr
    assert list(folder.iterdir()) == []


def test_new_leaves_existing_files_alone(folder: Path) -> None:
    """One file in the way, and none is written."""
    (folder / "hello").mkdir()
    (folder / "hello" / "probe.toml").write_text("mine")
    done = tracerd("new", "hello", folder=folder)
    assert done.returncode == 1
    assert "exists already" in done.stderr
    assert [path.name for path in (folder / "hello").iterdir()] == ["probe.toml"]
    assert (folder / "hello" / "probe.toml").read_text() == "mine"


def test_build_compiles_and_proves_a_new_probe(hello: Path) -> None:
    """The object is beside its source, every program in it proved, and nothing else stays behind."""
    done = tracerd("build", "hello", folder=hello.parent)
    assert (done.returncode, done.stderr) == (0, "")
    first, *proofs = done.stdout.splitlines()
    assert first.startswith("hello/hello.bpf.o: built with ")
    assert [line.split(" (")[0] for line in proofs] == ["on_start: accepted", "on_exit: accepted"]
    assert sorted(path.name for path in hello.iterdir()) == sorted((*TEMPLATE, "hello.bpf.o"))


@pytest.mark.parametrize("what", ["hello", "hello/probe.toml", "hello/hello.bpf.c"])
def test_build_takes_a_folder_a_probe_file_or_a_source(what: str, hello: Path) -> None:
    """All three name the same source."""
    document = json.loads(tracerd("build", what, "--json", folder=hello.parent).stdout)
    assert [each["object"] for each in document["objects"]] == ["hello/hello.bpf.o"]
    assert {row["verdict"] for row in document["objects"][0]["programs"]} == {"accept"}
    assert document["compiler"]["version"]


def test_build_works_inside_the_folder(hello: Path) -> None:
    """`tracerd build` without a name, or with a dot."""
    assert tracerd("build", folder=hello).stdout.startswith("hello.bpf.o: built with ")


def test_source_lines_in_an_object_are_relative_to_its_folder(hello: Path) -> None:
    """Where the author keeps it is nobody's business, and rebuilt elsewhere it is the same."""
    tracerd("build", "hello", folder=hello.parent)
    lines = [line for program in load(hello / "hello.bpf.o").programs for _, line in program.lines]
    assert {line.file for line in lines if line.file.endswith(".c")} == {"./hello.bpf.c"}


def test_a_mistake_in_the_source_is_told_by_the_compiler_and_the_old_object_stays(hello: Path) -> None:
    """Clang's own message with file, line and column; exit code 1; no half-written object."""
    tracerd("build", "hello", folder=hello.parent)
    before = (hello / "hello.bpf.o").read_bytes()
    change(hello / "hello.bpf.c", "lives->starts++", "lives->strts++")
    done = tracerd("build", "hello", folder=hello.parent)
    assert (done.returncode, done.stdout) == (1, "")
    assert "hello.bpf.c:" in done.stderr
    assert "no member named 'strts'" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("tracerd: hello/hello.bpf.c: does not compile")
    assert (hello / "hello.bpf.o").read_bytes() == before
    assert sorted(path.name for path in hello.iterdir()) == sorted((*TEMPLATE, "hello.bpf.o"))


def test_warnings_are_shown_and_do_not_stop_the_build(hello: Path) -> None:
    """On stderr, so --json stays one document."""
    change(hello / "hello.bpf.c", "if (lives)\n", "int unused;\n\n\tif (lives)\n")
    done = tracerd("build", "hello", "--json", folder=hello.parent)
    assert done.returncode == 0
    assert "unused variable" in done.stderr
    assert "unused variable" in json.loads(done.stdout)["objects"][0]["messages"]


def test_a_program_that_is_not_proved_is_built_and_rejected(hello: Path) -> None:
    """The line names the source line; the exit code is 1."""
    change(hello / "hello.bpf.c", "if (lives)\n\t\tlives->starts++;", "lives->starts++;")
    done = tracerd("build", "hello", folder=hello.parent)
    assert done.returncode == 1
    rejected = next(line for line in done.stdout.splitlines() if line.startswith("on_start"))
    assert "lives->starts++" in rejected
    assert "needs" in rejected


def test_a_probe_file_that_does_not_fit_its_object_is_told(hello: Path) -> None:
    """A renamed function is noticed when building, not at the first run."""
    change(hello / "probe.toml", 'program = "on_start"', 'program = "on_begin"')
    done = tracerd("build", "hello", folder=hello.parent)
    assert done.returncode == 2
    assert "attaches 'on_begin', but hello/hello.bpf.o has only on_start, on_exit" in done.stderr


def test_without_a_compiler_build_says_how_to_get_one(hello: Path) -> None:
    """An empty PATH and no ziglang: one sentence with a way for every system, exit code 4."""
    hidden = hello.parent / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text(
        "import tracerd.runtime.compiler as c\nc.ELSEWHERE = ()\nc.find_spec = lambda name: None\n"
    )
    done = tracerd("build", "hello", folder=hello.parent, PATH="", PYTHONPATH=f"{hidden}:{ROOT}")
    assert (done.returncode, done.stdout) == (4, "")
    (sentence,) = done.stderr.splitlines()
    for way in ("pip install 'tracerd[build]'", "apt install clang", "dnf ", "brew ", "winget ", "--clang"):
        assert way in sentence


@pytest.mark.parametrize(
    ("arguments", "clang", "code", "sentence"),
    [
        (("build", "nowhere"), "", 2, "is no folder; tracerd new makes one"),
        (("build", "."), "", 2, "has no source named *.bpf.c"),
        (("build", "hello", "--clang", "clang-1"), "", 2, "there is no program 'clang-1'"),
        (("build", "hello"), "clang-1", 2, "CLANG: there is no program 'clang-1'"),
        (("build", "hello", "--clang", sys.executable), "", 4, "it makes no eBPF"),
        (("build", "hello/absent.bpf.c"), "", 1, "there is no such file"),
    ],
)
def test_what_cannot_be_built_is_one_sentence(
    arguments: tuple[str, ...], clang: str, code: int, sentence: str, hello: Path
) -> None:
    """A compiler that was asked for is never replaced by another."""
    done = tracerd(*arguments, folder=hello.parent, CLANG=clang)
    assert (done.returncode, done.stdout) == (code, "")
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_extra_names_a_compiler_that_build_looks_for() -> None:
    """`tracerd[build]` is what the sentence without a compiler tells to install."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert [wanted.split(">")[0] for wanted in extras["build"]] == ["ziglang"]
