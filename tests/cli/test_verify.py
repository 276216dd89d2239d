"""`tracerd verify` of what is refused: one line, and with --explain what made it so."""

from __future__ import annotations

import json

import pytest

from tests.cli.test_commands import ROOT, SYSCALLS, tracerd
from tracerd.errors import ConfigError
from tracerd.platforms.linux import LINUX
from tracerd.runtime.verification import program_type

BROKEN = ROOT / "tests" / "cli" / "objects" / "broken.bpf.o"
UNPROVED = ROOT / "tests" / "daemon" / "objects" / "unproved.bpf.o"


def test_explain_shows_what_made_the_register_with_its_source_lines() -> None:
    """The failing instruction is marked; what was known there follows, then the whole log."""
    done = tracerd("verify", BROKEN, "--explain")
    assert (done.returncode, done.stderr) == (1, "")
    line, heading, *rest = done.stdout.splitlines()
    assert line == tracerd("verify", BROKEN).stdout.rstrip("\n")
    assert heading == "  what made r2:"
    end = next(number for number, text in enumerate(rest) if text.startswith("  known there: "))
    assert [text.split("c:")[-1] for text in rest[:end]] == [
        "8: u8 *bytes = (u8 *)(unsigned long)ctx->data;",
        "        1: r2 = *(u32 *)(r1 + 0x0)",
        "11: if (bytes + 14 > end)",
        "        2: r2 += 0xe",
        "9: u8 *end = (u8 *)(unsigned long)ctx->data_end;",
        "        3: r1 = *(u32 *)(r1 + 0x4)",
        "11: if (bytes + 14 > end)",
        "        4: if r2 > r1 goto +0x1",
        "13: return bytes[14];",
        "  >     5: r0 = *(u8 *)(r2 + 0x0)",
    ]
    assert rest[end] == "  known there: r0=0 r1=packet + s1+0 (14..65535) r2=packet+14"
    assert rest[end + 1 : end + 4] == ["  what was known before each instruction:", "  0: w0 = 0x0", "    r1=context"]


def test_explain_of_what_is_accepted_is_its_log() -> None:
    """There is nothing to find a cause of."""
    done = tracerd("verify", SYSCALLS, "--program", "on_enter", "--explain")
    assert done.returncode == 0
    first, second, *_ = done.stdout.splitlines()
    assert first.startswith("on_enter: accepted (")
    assert second.startswith("  0: ")


def test_json_has_the_slice_and_the_parts_of_the_reason() -> None:
    """Of a rejection; an accepted program has them empty."""
    (row,) = json.loads(tracerd("verify", UNPROVED, "--json").stdout)
    assert (row["register"], row["need"], row["have"]) == ("r0", "a null check before access", "map value or null")
    assert row["slice"][-1] == row["instruction"]
    assert len(row["slice"]) > 2
    (row,) = json.loads(tracerd("verify", SYSCALLS, "--program", "on_enter", "--json").stdout)
    assert (row["register"], row["need"], row["have"], row["slice"]) == ("", "", "", [])


def test_an_unknown_type_is_a_mistake_of_the_caller() -> None:
    """Named by the option, or by what the daemon calls it; long names are cut."""
    done = tracerd("verify", BROKEN, "--type", "kprobe")
    assert done.returncode == 2
    assert "--type: unknown program type 'kprobe'; valid: " in done.stderr
    with pytest.raises(ConfigError) as refused:
        program_type(LINUX, "x" * 1000, "type")
    assert len(str(refused.value)) < 400
