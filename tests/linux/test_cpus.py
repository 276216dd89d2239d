"""CPU lists as sysfs writes them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tracerd.linux.cpus import online, parse_cpu_list


@pytest.mark.parametrize(
    ("text", "cpus"),
    [("0\n", (0,)), ("0-3\n", (0, 1, 2, 3)), ("0-1,4,6-7\n", (0, 1, 4, 6, 7)), ("\n", ())],
)
def test_ranges_and_gaps_are_read(text: str, cpus: tuple[int, ...]) -> None:
    """Single ids, ranges and holes all give their ids, in order."""
    assert parse_cpu_list(text) == cpus


def test_online_cpus_are_those_of_the_directory(tmp_path: Path) -> None:
    """The list comes from the file `online`."""
    (tmp_path / "online").write_text("1,3\n")
    assert online(tmp_path) == (1, 3)


@pytest.mark.skipif(not Path("/sys/devices/system/cpu/online").exists(), reason="no Linux sysfs here")
def test_this_process_runs_only_on_online_cpus() -> None:
    """Every CPU the scheduler may use is in the list."""
    assert os.sched_getaffinity(0) <= set(online())
