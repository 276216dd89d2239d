"""`bench export` measures every way out, on the same series."""

from __future__ import annotations

import json

from click.testing import CliRunner

from exporters import bench
from tracerd.cli.bench import command


def test_every_way_out_is_measured() -> None:
    """The rows that others rely on are there, each with series and a time; all series were made."""
    rows = {row.what: row.to_json() for row in bench.run(repeats=1)}
    assert {"otlp first", "otlp repeat", "prometheus scrape", "log records", "sdk instruments"} <= rows.keys()
    for row in rows.values():
        assert row.keys() == {"what", "series", "ms", "per_s"}
        assert float(str(row["ms"])) > 0
    assert rows["otlp first"]["series"] == rows["prometheus scrape"]["series"] == 10_000


def test_it_is_a_subcommand_found_by_its_entry_point() -> None:
    """`tracerd bench --help` lists it; `--json` prints rows."""
    listed = CliRunner().invoke(command, ["--help"])
    assert "export" in listed.output
    ran = CliRunner().invoke(command, ["export", "--json"])
    assert ran.exit_code == 0, ran.output
    assert [row["what"] for row in json.loads(ran.output)["rows"]][:2] == ["otlp first", "otlp repeat"]
