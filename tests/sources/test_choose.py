"""Which sources serve a session: every CPU number belongs to one thread, and below the slots that maps have."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sources.live import need_live_events
from tests.sources.programs import COUNT, Native
from tracerd.errors import ConfigError
from tracerd.linux.cpus import online
from tracerd.sources.base import LinkRequest
from tracerd.sources.choose import LiveOptions, choose_sources
from tracerd.sources.perf import PerfOptions, PerfSource

DEMO = Path(__file__).parents[2] / "probes" / "etw_processes" / "demo.etl"


@pytest.mark.parametrize("other", ["etl:{copy}", "syscall:*:enter", "process:sample"])
def test_a_recording_is_not_mixed_with_other_events(tmp_path: Path, other: str) -> None:
    """Both have a CPU 0 and a thread of their own: two runs would use the same slot of a per-CPU map at once."""
    copy = tmp_path / "copy.etl"
    copy.write_bytes(DEMO.read_bytes())
    with pytest.raises(ConfigError, match="of one recording, or of this machine"):
        choose_sources([f"etl:{DEMO}", other.format(copy=copy)], None, LiveOptions())


def test_a_cpu_without_a_slot_is_missed_and_told() -> None:
    """A CPU may come online between the making of maps and of rings; its events would run behind the maps' end."""
    need_live_events()
    if len(online()) < 2:
        pytest.skip("this machine has one CPU")
    source = PerfSource(PerfOptions(pages=8), cpus=max(online()))
    source.open([LinkRequest("syscall:*:enter", Native(COUNT).program, 16)])
    try:
        assert source.cost().cpus_missed == online()[-1:]
    finally:
        source.close()
