"""docs/faults.md: every fault says what happens and what is lost, and the test it names injects it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "faults.md"
HEAD = ["fault", "what happens", "what is lost", "test"]


def rows() -> list[list[str]]:
    """The cells of every row of every table."""
    lines = [line.strip("|").split(" | ") for line in PAGE.read_text().splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line] for line in lines]
    return [row for row in cells if row != HEAD and set(row[0]) != set("-|")]


def names_in(path: Path) -> set[str]:
    """The names of the tests in a file."""
    return {node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)}


def test_there_are_at_least_forty_faults_and_none_twice() -> None:
    """As issue 4 asks."""
    faults = [row[0] for row in rows()]
    assert len(faults) == len(set(faults)) >= 40


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_a_fault_says_what_is_lost_and_its_test_exists(row: list[str]) -> None:
    """Four cells, none empty; the test is `path::name`, and a function of that name is there."""
    assert len(row) == 4
    assert all(row)
    path, _, name = row[3].strip("`").partition("::")
    assert name.startswith("test_")
    assert name in names_in(ROOT / path)


def test_every_test_that_injects_a_fault_into_a_daemon_has_a_row() -> None:
    """What is tested under tests/daemon/faults is what the page tells."""
    told = {row[3].strip("`") for row in rows()}
    for path in sorted((ROOT / "tests" / "daemon" / "faults").glob("test_*.py")):
        for name in names_in(path):
            if name.startswith("test_"):
                assert f"{path.relative_to(ROOT)}::{name}" in told
