"""What a recording says of its events is what the kernel and our own headers say."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.btf.peer import as_bpftool, bpftool_types, same_words
from tracerd.btf.layout import flatten
from tracerd.btf.parse import parse
from tracerd.errors import NotPermitted, NotSupported
from tracerd.linux.tracefs import tracefs
from tracerd.platforms.linux import LINUX
from tracerd.sources.names import parse_attach
from tracerd.sources.schema.tracefs import list_events, read_format
from tracerd.sources.trec.layouts import Layouts, canonical

OWN = ("process:start", "process:exit", "process:sample", "net:open", "net:close", "system:sample")


def test_own_contexts_are_described_to_the_byte() -> None:
    """Every field of our program types has its offset and size; events of one type share a description."""
    layouts = Layouts()
    events = [layouts.add(name) for name in OWN] + [layouts.add_etw()]
    btf = parse(layouts.btf())
    for event in events:
        context = LINUX.type_by_name[event.type].context
        have = {leaf.path: (leaf.offset, leaf.size * leaf.length) for leaf in flatten(btf, event.btf)}
        assert have == {field.name: (field.offset, field.size) for field in context.fields}
        assert event.context == context.size
        assert event.payload == (context.fields[0].name == "data")
    assert len({event.btf for event in events}) == 4


def test_every_tracepoint_of_this_machine_is_described(tmp_path: Path) -> None:
    """Offsets and sizes of all fields of all tracepoints are those of tracefs, and bpftool reads the blob."""
    try:
        root = tracefs()
        names = list_events(root)
    except (NotPermitted, NotSupported) as refusal:
        pytest.skip(str(refusal))
    layouts = Layouts()
    events = {name: layouts.add(f"tracepoint:{name[0]}:{name[1]}") for name in names[:: max(len(names) // 300, 1)]}
    btf = parse(layouts.btf())
    for name, event in events.items():
        fields = {each.name: (each.offset, each.size) for each in read_format(root, *name).fields}
        have = {leaf.path: (leaf.offset, leaf.size * leaf.length) for leaf in flatten(btf, event.btf)}
        assert have == {path: where for path, where in fields.items() if where[1]}
    path = tmp_path / "all.btf"
    path.write_bytes(layouts.btf())
    assert as_bpftool(btf) == [same_words(row) for row in bpftool_types(path)]


def test_names_of_one_event_have_one_canonical_form() -> None:
    """A system call's name and its tracepoint's mean the same event; other names stay as they are."""
    pairs = {
        "syscall:*:enter": "tracepoint:raw_syscalls:sys_enter",
        "syscall:openat:exit": "tracepoint:syscalls:sys_exit_openat",
        "tracepoint:sched:sched_switch": "tracepoint:sched:sched_switch",
        "process:start": "process:start",
    }
    assert {name: canonical(parse_attach(name)) for name in pairs} == pairs
