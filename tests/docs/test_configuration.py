"""docs/configuration.md, docs/exporters.md and the file that `service install` writes say what the models say."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel

from exporters.jsonl import Section
from exporters.lines import encode
from tests.daemon.moments import moment
from tests.docs.blocks import blocks_of
from tracerd.config.daemon import DaemonConfig, parse_config
from tracerd.daemon.core import RESTART_FOR

ROOT = Path(__file__).parents[2]
CONFIGURATION, EXPORTERS = ROOT / "docs" / "configuration.md", ROOT / "docs" / "exporters.md"
TEMPLATE = ROOT / "tracerd" / "daemon" / "units" / "tracerd.toml"


def keys_of(model: type[BaseModel], prefix: str = "") -> set[str]:
    """Every key of a model and of the tables in it."""
    found = set()
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            found |= keys_of(inner, f"{prefix}{name}.")
        else:
            found.add(prefix + name)
    return found


def documented(page: Path, heading: str = "") -> dict[str, str]:
    """The rows of the page's first table of keys: key -> default, as written."""
    text = page.read_text().partition(heading)[2] if heading else page.read_text()
    table = text.partition("| key | default | meaning |")[2].partition("\n\n")[0]
    return dict(re.findall(r"^\| `([^`]+)` \| `?([^|`]*)`? \|", table, re.MULTILINE))


def nested(rows: dict[str, str]) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for key, default in rows.items():
        *path, last = key.split(".")
        table = document
        for part in path:
            table = table.setdefault(part, {})
        table[last] = tomllib.loads(f"x = {default}")["x"]
    return document


def test_every_key_is_documented_with_its_default() -> None:
    """The page's defaults, read as a configuration, are the model's."""
    rows = documented(CONFIGURATION)
    assert set(rows) == keys_of(DaemonConfig)
    assert DaemonConfig.model_validate(nested(rows)).model_dump() == DaemonConfig().model_dump()


def test_what_needs_a_restart_is_documented() -> None:
    """The page's list is the daemon's, in its order; all other sections are what a reload changes."""
    told = CONFIGURATION.read_text().partition("## What a reload changes")[2].partition("\n\n|")[0]
    changes, _, restart = told.partition("needs a restart")
    assert tuple(re.findall(r"`(\w+)`", restart)) == RESTART_FOR
    assert set(re.findall(r"`(\w+)`", changes)) == set(DaemonConfig.model_fields) - set(RESTART_FOR)


def test_every_key_of_jsonl_is_documented_with_its_default() -> None:
    """All but `path`, which has none."""
    rows = documented(EXPORTERS, "## jsonl")
    assert set(rows) == keys_of(Section)
    assert rows.pop("path").strip() == "needed"
    assert Section.model_validate(nested(rows) | {"path": "-"}) == Section(path="-")


def test_the_installed_file_has_every_key_with_its_default() -> None:
    """As comments; with them taken away it is what the model assumes."""
    text = re.sub(r"^#(?=\w+ = )", "", TEMPLATE.read_text(), flags=re.MULTILINE)
    config = parse_config(text, "template")
    assert config.model_dump() == DaemonConfig().model_dump()
    written = nested_keys(tomllib.loads(text))
    assert written == keys_of(DaemonConfig) - {"exporters"}
    assert parse_config(TEMPLATE.read_text(), "template").model_dump() == DaemonConfig().model_dump()


def nested_keys(document: dict[str, Any], prefix: str = "") -> set[str]:
    found: set[str] = set()
    for key, value in document.items():
        found |= nested_keys(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key}
    return found


@pytest.mark.parametrize("page", [CONFIGURATION, EXPORTERS])
def test_the_configurations_shown_are_valid(page: Path) -> None:
    """And their jsonl sections, too."""
    shown = [block for block in blocks_of(page) if block.language == "toml"]
    assert shown
    for block in shown:
        for section in parse_config(block.text, f"{page}:{block.line}").exporters.values():
            Section.model_validate({key: value for key, value in section.items() if key != "kind"})


def test_the_lines_shown_are_those_that_are_written() -> None:
    """Same keys in the same order; the values are the page's own."""
    (block,) = [each for each in blocks_of(EXPORTERS) if each.text.startswith('{"time"')]
    shown = [json.loads(line) for line in block.text.splitlines()]
    table = next(row for row in shown if row["kind"] == "table")
    columns = {name: np.array([value]) for name, value in table["row"].items()}
    written = {row["kind"]: row for row in map(json.loads, encode(moment(shown[0]["unix_ns"], **columns)).splitlines())}
    for row in shown:
        made = written[row["kind"]]
        assert (list(row), list(row.get("row", ()))) == (list(made), list(made.get("row", ())))
        assert (row["time"], row["unix_ns"]) == (made["time"], made["unix_ns"])


def test_the_example_exporter_works(capsys: pytest.CaptureFixture[str]) -> None:
    """It is what a reader would copy."""
    (block,) = [each for each in blocks_of(EXPORTERS) if each.language == "python"]
    scope: dict[str, Any] = {}
    exec(block.text, scope)  # noqa: S102  the page's own text
    exporter = scope["make"]({}, "w")
    exporter.export(moment())
    exporter.close()
    assert capsys.readouterr().out == "1 probes, 2 rows\n"
