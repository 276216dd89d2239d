"""`tracerd etw header`: what it prints compiles, is proved and reads what was written; and whom it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.cli.test_commands import answer, tracerd
from tests.compilers import compiler, every_compiler, some_compiler
from tests.sources.etw_asking import colliding
from tests.sources.test_manifest import WHOLE
from tracerd.errors import ConfigError
from tracerd.runtime.compiler import compile_source
from tracerd.sources.demo import KERNEL_PROCESS, RUNNING, START_NS, STARTED
from tracerd.sources.etl_writer import EtlWriter
from tracerd.sources.schema.c_header import c_header
from tracerd.sources.schema.c_names import event_prefixes, field_number, provider_prefix
from tracerd.sources.schema.catalog import load, shipped
from tracerd.sources.schema.events_file import read_events
from tracerd.sources.schema.model import Event, Field, Provider, ValueMap
from tracerd.sources.schema.process_events import MEDIUM_LABEL, SYSTEM_LABEL

OBJECTS = Path(__file__).parents[1] / "sources" / "objects"
DEMO = Path(__file__).parents[2] / "probes" / "etw_processes" / "demo.etl"
PROBE = """
[probe]
name = "fields"
object = {object!r}
[[attach]]
program = "on_start"
source = "etw:Microsoft-Windows-Kernel-Process:ProcessStart"
[[attach]]
program = "on_stop"
source = "etw:Microsoft-Windows-Kernel-Process:ProcessStop"
"""
PROCESS = "Microsoft-Windows-Kernel-Process"
LICENSE = 'char _license[] SEC("license") = "MIT";\n'


def header(*arguments: str) -> str:
    """Return what the command prints."""
    done = tracerd("etw", "header", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def compiles(text: str, tmp_path: Path, name: str | None = None, more: str = "") -> None:
    """Compile a header, with what is to be tried of it."""
    (tmp_path / "made.h").write_text(text)
    source = tmp_path / "made.bpf.c"
    source.write_text(f'#include "made.h"\n{more}{LICENSE}')
    compile_source(source, compiler(name) if name else some_compiler())


def test_the_committed_header_is_what_the_command_prints() -> None:
    """Its first line says how it was made."""
    made = header(PROCESS, "--event", "ProcessStart", "--event", "ProcessStop")
    assert made == (OBJECTS / "kernel_process.h").read_text()
    assert made.startswith(f"/* {PROCESS} {{22fb2cd6-0e7b-422b-a0c7-2fad1fd0e716}}. Made by: tracerd etw header ")


@pytest.mark.parametrize("path", shipped(), ids=lambda path: path.stem)
def test_the_header_of_every_shipped_provider_compiles(path: Path, tmp_path: Path) -> None:
    """Warnings are errors, so no name is defined twice."""
    compiles(c_header(load(path), "test"), tmp_path)


@every_compiler
def test_fields_have_the_same_number_in_c(name: str, tmp_path: Path) -> None:
    """ETW_FIELD of a literal is a constant for every clang, and the header's number."""
    program = """
SEC("etw/x") int on(struct etw_context *ctx)
{
	return ETW_FIELD("ProcessID") == KERNEL_PROCESS_START_PROCESSID;
}
"""
    compiles(header(PROCESS, "--event", "ProcessStart"), tmp_path, name, program)
    dump = tracerd("prog", "disasm", str(tmp_path / "made.bpf.o"))
    assert dump.stdout.splitlines()[0] == "on:  (etw/x, 2 instructions)"
    assert "0 = 0x1" in dump.stdout


@pytest.mark.parametrize("engine", ["interpreter", "jit"])
def test_programs_read_fields_and_structs(engine: str, tmp_path: Path) -> None:
    """Both engines, from a .etl and from the .trec that it was recorded into, find what the recording was made of."""
    probe = tmp_path / "fields.toml"
    probe.write_text(PROBE.format(object=str(OBJECTS / "etw_fields.bpf.o")))
    again = tmp_path / "again.trec"
    assert tracerd("record", "--from", str(DEMO), "-o", str(again)).returncode == 0
    for recording in (DEMO, again):
        rows = answer("replay", recording, probe, "--engine", engine)["tables"]["processes"]
        _check({row["key"]: row for row in rows})


def test_fields_that_could_not_be_read_are_in_the_ledger_of_either_recording(tmp_path: Path) -> None:
    """Once for each event, whatever was asked of it."""
    path, again, probe = tmp_path / "odd.etl", tmp_path / "odd.trec", tmp_path / "fields.toml"
    with EtlWriter(path) as writer:
        writer.manifest_event(1_000_010, KERNEL_PROCESS, 1, b"\1\0", version=3)
        writer.manifest_event(1_000_020, KERNEL_PROCESS, 1, bytes(80), version=200)
    probe.write_text(PROBE.format(object=str(OBJECTS / "etw_fields.bpf.o")))
    assert tracerd("record", "--from", str(path), "-o", str(again)).returncode == 0
    for recording in (path, again):
        ledger = answer("replay", recording, probe)["ledger"]
        said = [row["via"] for row in ledger.values() if "via" in row]
        assert said == ["fields not read of events: 1 without a schema, 1 shorter than their schema"]


def _check(rows: dict[int, dict[str, Any]]) -> None:
    assert set(rows) == {planned.pid for planned in STARTED}
    for planned in STARTED:
        row = rows[planned.pid]
        label = SYSTEM_LABEL if planned.session == 0 else MEDIUM_LABEL
        assert (row["parent"], row["image"]) == (planned.parent, planned.image.rpartition("\\")[2][:31])
        assert (row["path"], row["path_bytes"]) == (planned.image[:63], min(len(planned.image), 63) + 1)
        assert 0 <= row["created"] - (START_NS + planned.start * 1_000_000) < 1_000_000
        assert row["label"] == f"S-1-16-{int.from_bytes(label[8:], 'little')}"
        assert bytes(row["sid"]) == label
        assert row["exit_code"] & 0xFFFFFFFF == (planned.exit_code if planned.end is not None else 0)
        assert bool(row["exited"]) is (planned.end is not None)
    first = len(RUNNING) + 1
    assert sorted(row["sequence"] for row in rows.values()) == list(range(first, first + len(rows)))


def test_what_is_read_of_user_manifests(tmp_path: Path) -> None:
    """`--manifest`: its provider's header, of odd fields too."""
    manifest = tmp_path / "my.man"
    manifest.write_text(WHOLE)
    text = header("My-Provider", "--manifest", str(manifest))
    assert "#define MY_PROVIDER_KEYWORD_DISK 0x1ull" in text
    compiles(text, tmp_path)


EVIL = '*/ #include "/etc/passwd" /*\n'
HOSTILE = Provider(
    EVIL,
    UUID(int=1),
    events={
        (1, 0): Event(1, 0, "1-*/int_x=1;/*", (Field("int", "u32"), Field(EVIL, "u8"), Field("é", "u16"))),
        (2, 0): Event(2, 0, EVIL, (Field("a-b", "u8"), Field("a_b", "u16", map=EVIL), Field("", "utf16z"))),
    },
    maps={EVIL: ValueMap({1: EVIL, 2: EVIL, 3: ""})},
    keywords={EVIL: 1, "": 2},
    sources=(EVIL,),
)


def test_names_end_no_comment_and_are_identifiers(tmp_path: Path) -> None:
    """Whatever a manifest calls its things."""
    text = c_header(HOSTILE, EVIL)
    compiles(text, tmp_path)
    for name in ("a-b", "a_b"):                  # one identifier, but two fields
        assert f"0x{field_number(name):08x}u" in text


def test_two_fields_of_one_number_are_refused() -> None:
    """A program could not say which it means."""
    left, right = colliding()
    text = f"provider P 11111111-2222-3333-4444-555555555555\nevent 1 0 E\n  {left}:u8 {right}:u8\n"
    with pytest.raises(ConfigError, match="have one number"):
        c_header(read_events(text, "two"), "test")


def test_names_of_events_do_not_say_twice_what_the_provider_is_called() -> None:
    """KERNEL_PROCESS_START, not KERNEL_PROCESS_PROCESSSTART; events of one name are told apart."""
    text = """provider Microsoft-Windows-Kernel-Process 22fb2cd6-0e7b-422b-a0c7-2fad1fd0e716
event 1 0 ProcessStart
event 2 0 Process
event 3 0 Processes
event 4 0 Processes
"""
    provider = read_events(text, "names")
    assert provider_prefix(provider) == "KERNEL_PROCESS"
    assert list(event_prefixes(provider).values()) == [
        "KERNEL_PROCESS_START", "KERNEL_PROCESS_PROCESS", "KERNEL_PROCESS_PROCESSES_3", "KERNEL_PROCESS_PROCESSES_4",
    ]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("nix",), "nix: has no schema; `tracerd list 'etw:*'` shows providers, --manifest adds one"),
        (("kernel-proces",), "did you mean"),
        (("kernel-process", "--event", "ProcesStart"), "did you mean ProcessStart?"),
        (("kernel-process", "--manifest", "/nowhere.man"), "/nowhere.man"),
    ],
)
def test_what_is_not_known_is_refused_in_one_sentence(arguments: tuple[str, ...], sentence: str) -> None:
    """With the nearest name there is."""
    done = tracerd("etw", "header", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_file_is_replaced_only_if_asked(tmp_path: Path) -> None:
    """And is whole or not there."""
    path = tmp_path / "made.h"
    path.write_text("precious")
    assert tracerd("etw", "header", PROCESS, "-o", str(path)).returncode == 2
    assert path.read_text() == "precious"
    done = tracerd("etw", "header", PROCESS, "-o", str(path), "--force")
    assert (done.returncode, path.read_text()) == (0, header(PROCESS))
    assert "26 events in 42 versions" in done.stderr


def test_helpers_of_fields_are_listed() -> None:
    """With the one type that has them."""
    rows = {row["helper"]: row for row in json.loads(tracerd("list", "helpers", "--json").stdout)}
    assert rows["etw_field_text"]["types"] == ["etw"]
