"""Tracepoint layouts: the format files of tracefs, parsed here from text and on the machine from the kernel."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tracerd.errors import ConfigError, NotPermitted, NotSupported, SourceError
from tracerd.linux.tracefs import tracefs
from tracerd.sources.schema.tracefs import list_events, parse_format, read_format

EXEC = """\
name: sched_process_exec
ID: 365
format:
\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;
\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;
\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;
\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;

\tfield:__data_loc char[] filename;\toffset:8;\tsize:4;\tsigned:0;
\tfield:pid_t pid;\toffset:12;\tsize:4;\tsigned:1;
\tfield:pid_t old_pid;\toffset:16;\tsize:4;\tsigned:1;

print fmt: "filename=%s field:int x;", __get_str(filename)
"""

ODD = """\
name: odd
ID: 9
format:
\tfield:unsigned long args[6];\toffset:16;\tsize:48;\tsigned:0;
\tfield:const char *const * argv;\toffset:64;\tsize:8;\tsigned:0;
\tfield:char comm[TASK_COMM_LEN];\toffset:72;\tsize:16;\tsigned:0;
\tfield:__rel_loc u64[] stack;\toffset:88;\tsize:4;\tsigned:0;
\tfield:enum xfs_group_type type;\toffset:92;\tsize:4;\tsigned:0;
\tfield:struct sockaddr * addr;\toffset:96;\tsize:8;\tsigned:0;

print fmt: ""
"""


def _root() -> Path:
    try:
        return tracefs()
    except (NotPermitted, NotSupported) as error:
        pytest.skip(str(error))


def test_a_format_gives_fields_with_places_and_types() -> None:
    """Name, type, offset, size, sign, and the number by which perf knows the event."""
    layout = parse_format("sched", "sched_process_exec", EXEC)
    pid = layout.fields[5]
    assert (layout.id, layout.full_name, layout.record_bytes) == (365, "tracepoint:sched:sched_process_exec", 20)
    assert (pid.name, pid.ctype, pid.offset, pid.size, pid.signed, pid.array) == ("pid", "pid_t", 12, 4, True, False)
    assert [field.name for field in layout.fields if not field.common] == ["filename", "pid", "old_pid"]


def test_dynamic_data_is_marked_and_not_part_of_the_fixed_size() -> None:
    """A __data_loc field counts with its 4-byte descriptor only."""
    filename = parse_format("sched", "sched_process_exec", EXEC).fields[4]
    assert (filename.ctype, filename.size, filename.dynamic, filename.array) == ("char", 4, True, True)


def test_pointers_arrays_and_qualified_types_keep_their_names() -> None:
    """The last word is the name, whatever the kernel's C looks like."""
    fields = {field.name: field for field in parse_format("x", "odd", ODD).fields}
    assert list(fields) == ["args", "argv", "comm", "stack", "type", "addr"]
    assert [fields[name].array for name in fields] == [True, False, True, True, False, False]
    assert fields["argv"].ctype == "const char *const *"
    assert fields["stack"].dynamic
    assert fields["type"].ctype == "enum xfs_group_type"


@pytest.mark.parametrize("text", ["", "ID: 4\nformat:\n", EXEC.replace("ID: 365", ""), EXEC.replace("offset:12;", "")])
def test_what_is_no_format_is_refused(text: str) -> None:
    """A truncated or foreign text never becomes an empty layout."""
    with pytest.raises(SourceError):
        parse_format("sched", "sched_process_exec", text)


def test_every_event_of_this_kernel_parses_without_overlap() -> None:
    """All tracepoints that exist here: fields do not overlap, names are unique, the header has its 8 bytes."""
    root = _root()
    events = list_events(root)
    assert len(events) > 100
    for category, name in events:
        layout = read_format(root, category, name)
        text = (root / "events" / category / name / "format").read_text(errors="replace")
        assert len(layout.fields) == len(re.findall(r"^\tfield:", text, re.MULTILINE))
        assert [field.name for field in layout.fields][:4] == [
            "common_type", "common_flags", "common_preempt_count", "common_pid",
        ]
        ends = 0
        for field in sorted(layout.fields, key=lambda each: each.offset):
            assert field.offset >= ends, (category, name, field)
            ends = field.offset + field.size


def test_an_unknown_tracepoint_offers_the_nearest() -> None:
    """A typing mistake is answered with the name that was meant."""
    root = _root()
    with pytest.raises(ConfigError, match="did you mean 'tracepoint:sched:sched_switch'"):
        read_format(root, "sched", "sched_swich")
    with pytest.raises(ConfigError, match="did you mean 'syscall:openat:enter'"):
        read_format(root, "syscalls", "sys_enter_opnat")
