"""What is remembered from one start to the next, and what becomes of a file that is not ours."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tui.remembered import Remembered, TableState


def test_what_was_saved_is_there_again(tmp_path: Path) -> None:
    """Theme, screen, interval, order and filter of each table."""
    path = tmp_path / "state" / "top.json"
    first = Remembered.open(path=path)
    first.theme, first.screen, first.interval = "nord", "maps", 2.0
    first.tables["maps/calls"] = TableState("count/s", False, "comm=dd")
    first.save()
    again = Remembered.open(path=path)
    assert (again.theme, again.screen, again.interval, again.problem) == ("nord", "maps", 2.0, "")
    assert again.tables == {"maps/calls": TableState("count/s", False, "comm=dd")}
    assert [each.name for each in path.parent.iterdir()] == ["top.json"]


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", '"x"', '{"tables": 3}', '{"tables": {"a": 1}}', "[" * 100_000])
def test_a_file_that_cannot_be_used_is_told_and_replaced(text: str, tmp_path: Path) -> None:
    """The dashboard starts all the same."""
    path = tmp_path / "top.json"
    path.write_text(text)
    found = Remembered.open(path=path)
    assert str(path) in found.problem
    assert found.theme == ""
    found.save()
    assert Remembered.open(path=path).problem == ""


def test_what_has_another_type_is_left_out(tmp_path: Path) -> None:
    """As of another version."""
    path = tmp_path / "top.json"
    path.write_text(json.dumps({"theme": 5, "screen": "maps", "new": 1, "tables": {"a": {"sort": 1, "filter": "x"}}}))
    found = Remembered.open(path=path)
    assert (found.theme, found.screen) == ("", "maps")
    assert found.tables["a"] == TableState("", True, "x")


def test_in_a_browser_nothing_is_read_or_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its user is not necessarily this machine's."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    found = Remembered.open(keep=False)
    found.theme = "nord"
    found.save()
    assert not list(tmp_path.iterdir())


def test_where_nothing_can_be_written_it_says_so(tmp_path: Path) -> None:
    """A file where the folder should be: nothing else is lost."""
    (tmp_path / "state").write_text("")
    found = Remembered.open(path=tmp_path / "state" / "top.json")
    found.save()
    assert "top.json" in found.problem
