"""What attach names of ETW mean."""

from __future__ import annotations

from uuid import UUID

import pytest

from tracerd.errors import ConfigError
from tracerd.sources.etl_names import (
    EtwMatch,
    hook_name,
    parse_etw,
    parse_etw_kernel,
    parse_name,
    provider_name,
    split_file,
)
from tracerd.sources.schema.etw_names import KERNEL_GROUPS, PROVIDERS

KERNEL_PROCESS = UUID("22fb2cd6-0e7b-422b-a0c7-2fad1fd0e716")
PROCESS_CLASS = UUID("3d6fa8d0-fe05-11d0-9dda-00c04fd7ba7c")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("Microsoft-Windows-Kernel-Process", EtwMatch(KERNEL_PROCESS)),
        ("microsoft-windows-kernel-process:processstop", EtwMatch(KERNEL_PROCESS, None, 2)),
        ("22fb2cd6-0e7b-422b-a0c7-2fad1fd0e716:ProcessStart", EtwMatch(KERNEL_PROCESS, None, 1)),
        ("{00000000-0000-0000-0000-000000000001}:65535", EtwMatch(UUID(int=1), None, 65535)),
        ("Kernel-Process:ProcessStart", EtwMatch(KERNEL_PROCESS, None, 1)),
        ("Process:DCEnd", EtwMatch(PROCESS_CLASS, 3, 4)),
        ("*MyCompany.MyComponent:7", EtwMatch(UUID("ce5fa4ea-ab00-5402-8b76-9f76ac858fb5"), None, 7)),
        ("{3d6fa8d0-fe05-11d0-9dda-00c04fd7ba7c}:39", EtwMatch(PROCESS_CLASS, 3, 39)),
    ],
)
def test_providers_and_events_by_name_or_number(text: str, match: EtwMatch) -> None:
    """Names are not case-sensitive; a GUID of ours knows its event names and its kernel group."""
    assert parse_etw(text) == match


def test_kernel_groups_go_by_name() -> None:
    """`etw-kernel:` takes groups only."""
    assert parse_etw_kernel("Process:Start") == EtwMatch(PROCESS_CLASS, 3, 1)
    assert parse_name("etw-kernel:PerfInfo:SysClEnter").event == 0x33
    with pytest.raises(ConfigError, match="unknown kernel group 'Proces'; did you mean 'Process'"):
        parse_etw_kernel("Proces")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("etw:Microsoft-Windows-Kernel-Proces", "did you mean 'Microsoft-Windows-Kernel-Process'"),
        ("etw:Microsoft-Windows-Kernel-Process:ProcessStat", "did you mean 'ProcessSta?[a-z]*'"),
        ("etw:Microsoft-Windows-RPC:Call", "give its number|unknown event 'Call'"),
        ("etw:Microsoft-Windows-RPC:65536", "above 65535"),
        ("etw:MySource", r"one of TraceLogging or an EventSource as \*NAME"),
        ("etw:*", "unknown provider '\\*'"),
        ("etw:", "not an event of a recording"),
        ("syscall:read:enter", "not an event of a recording"),
    ],
)
def test_unknown_names_are_refused_with_the_way_out(text: str, error: str) -> None:
    """An error offers the nearest name, or says what would be accepted."""
    with pytest.raises(ConfigError, match=error):
        parse_name(text)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("/tmp/a.etl", ("/tmp/a.etl", "")),
        ("C:\\logs\\a.ETL:Process:Start", ("C:\\logs\\a.ETL", "Process:Start")),
        ("a.etl:Microsoft-Windows-RPC", ("a.etl", "Microsoft-Windows-RPC")),
        ("recording", ("recording", "")),
    ],
)
def test_a_file_name_ends_at_its_suffix(text: str, parts: tuple[str, str]) -> None:
    """Colons of drive letters do not split; a file of another suffix is taken whole."""
    assert split_file(text) == parts


def test_tables_have_no_duplicates() -> None:
    """Every GUID and name is there once, so that a look-up means one thing."""
    guids = [each.guid for each in (*PROVIDERS, *KERNEL_GROUPS)]
    names = [each.name.lower() for each in (*PROVIDERS, *KERNEL_GROUPS)]
    assert len(set(guids)) == len(guids) == len(set(names))
    assert provider_name(KERNEL_PROCESS) == "Microsoft-Windows-Kernel-Process"
    assert provider_name(UUID(int=1)) is None


@pytest.mark.parametrize(
    ("hook", "name"),
    [(0x0303, "Process DCStart"), (0x0524, "Thread CSwitch"), (0x0050, "EventTrace PartitionInfoExtension"),
     (0x03FE, "Process"), (0xFE00, None)],
)  # fmt: skip
def test_hooks_have_the_names_of_their_group_and_event(hook: int, name: str | None) -> None:
    assert hook_name(hook) == name
