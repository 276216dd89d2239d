"""What attach names mean to a session: as little as lets in what they name."""

from __future__ import annotations

from uuid import UUID

import pytest

from tracerd.errors import NotSupported
from tracerd.sources.etl_names import parse_name
from tracerd.sources.etw import kernel_flags
from tracerd.sources.etw.buffers import for_cpus
from tracerd.sources.etw.names import session_name
from tracerd.sources.etw.plan import ALL_LEVELS, Enable, Plan, both, plan, profile_names
from tracerd.sources.schema.etw_names import KERNEL_GROUPS
from tracerd.sources.schema.profiles import PROFILES

PROCESS, OTHER = UUID("22fb2cd6-0e7b-422b-a0c7-2fad1fd0e716"), UUID("11111111-2222-3333-4444-555555555555")
NAME = "etw:Microsoft-Windows-Kernel-Process"


def only(*names: str, profile: str | None = None) -> Enable:
    """Return the one provider that these names need."""
    (enable,) = plan(names, profile).providers.values()
    return enable


def test_named_events_bring_their_keywords_level_and_ids() -> None:
    assert only(f"{NAME}:ProcessStart") == Enable(PROCESS, 4, 0x10, (1,))
    assert only(f"{NAME}:ProcessStart", f"{NAME}:ThreadStart") == Enable(PROCESS, 4, 0x30, (1, 3))


def test_a_whole_provider_comes_whole() -> None:
    """Also if some of its events are named beside it."""
    assert only(NAME) == Enable(PROCESS, ALL_LEVELS, 0)
    assert only(NAME, f"{NAME}:ProcessStart") == Enable(PROCESS, ALL_LEVELS, 0)


def test_a_profile_says_what_of_a_whole_provider_comes() -> None:
    assert only(NAME, profile="process") == Enable(PROCESS, 4, 0x50)
    assert only(f"etw:{OTHER}", profile="process") == Enable(OTHER, ALL_LEVELS, 0)


def test_an_event_that_no_schema_knows_comes_by_its_id() -> None:
    assert only(f"etw:{OTHER}:7") == Enable(OTHER, ALL_LEVELS, 0, (7,))


def test_more_ids_than_windows_takes_are_no_filter() -> None:
    assert only(*(f"etw:{OTHER}:{number}" for number in range(64))).ids == tuple(range(64))
    assert only(*(f"etw:{OTHER}:{number}" for number in range(65))).ids == ()


@pytest.mark.parametrize(
    ("name", "flags"),
    [
        ("etw-kernel:Process", 0x1),
        ("etw-kernel:Process:Start", 0x1),
        ("etw:Image", 0x4),
        ("etw-kernel:Thread:CSwitch", 0x10),
        ("etw-kernel:Thread", 0x2 | 0x10 | 0x800),
        ("etw-kernel:DiskIo:Read", 0x100),
        ("etw-kernel:FileIo", 0x200 | 0x2000000 | 0x4000000),
        ("etw-kernel:TcpIp:Send", 0x10000),
        ("etw-kernel:UdpIp", 0x10000),
        ("etw-kernel:Registry", 0x20000),
        ("etw-kernel:PerfInfo:SysClEnter", 0x80 | 0x2 | 0x10),
        ("etw-kernel:EventTrace", 0),
    ],
)
def test_kernel_groups_are_flags_of_a_session(name: str, flags: int) -> None:
    """System calls name no thread: the switches that tell it come too."""
    assert plan([name]) == Plan({}, flags)


def test_stacks_cannot_be_asked_for_alone() -> None:
    with pytest.raises(NotSupported, match="stacks come with other kernel events"):
        plan(["etw-kernel:StackWalk"])


def test_every_group_has_flags_and_every_flagged_event_its_groups() -> None:
    names = {group.name for group in KERNEL_GROUPS}
    assert names - set(kernel_flags.GROUPS) == {"StackWalk"}
    for (group, _), flags in kernel_flags.EVENTS.items():
        assert flags & kernel_flags.GROUPS[group] == flags


def test_both_of_two_plans_let_in_the_events_of_either() -> None:
    one, other = plan([f"{NAME}:1", "etw-kernel:Process"]), plan([f"{NAME}:3", f"etw:{OTHER}", "etw-kernel:Image"])
    assert both(one, other) == Plan(
        {PROCESS: Enable(PROCESS, 4, 0x30, (1, 3)), OTHER: Enable(OTHER, ALL_LEVELS, 0)}, 0x5
    )


@pytest.mark.parametrize("profile", list(PROFILES))
def test_every_profile_is_a_live_session(profile: str) -> None:
    """Its names are attach names, and what only the event log may have is left out."""
    names = profile_names(profile)
    made = plan(names, profile)
    assert made.providers
    assert all(parse_name(name) for name in names)
    assert UUID("54849625-5478-4994-a5ba-3e3b0328c30d") not in made.providers


def test_buffers_grow_with_the_machine_and_stay_below_64_mb() -> None:
    """64 to 256 KB each, at least 64 of them and never fewer than four a CPU."""
    for cpus in (1, 4, 16, 32, 64, 128):
        sizes = for_cpus(cpus)
        assert 64 <= sizes.kilobytes <= 256
        assert max(64, 4 * cpus) <= sizes.least < sizes.most
        assert sizes.kilobytes * sizes.most <= 64 << 10


def test_names_of_sessions_are_fixed() -> None:
    assert session_name(1) == "tracerd"
    assert session_name(2, kernel=True) == "tracerd-kernel-2"
