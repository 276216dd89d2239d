"""What a daemon says of maps that are full, and the way out that fits each."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tracerd.daemon.health import health
from tracerd.runtime.objects import MapInfo


def full(name: str, kind: str = "hash", entries: int = 10) -> MapInfo:
    return MapInfo(1, name, "probe", kind, 4, 8, 10, entries, 5, memory_bytes=4096, per_cpu=1, read_only=False)


def daemon(*maps: MapInfo, expiring: tuple[str, ...] = ()) -> Any:
    """What `health` reads of a daemon."""
    live = SimpleNamespace(expiring=tuple(SimpleNamespace(map=name) for name in expiring))
    host = SimpleNamespace(
        failed=(), loaded=(SimpleNamespace(name="probe", live=live),), sources=SimpleNamespace(failed=dict)
    )
    return SimpleNamespace(
        host=host, inspector=SimpleNamespace(maps=lambda: list(maps)), begun=True, last_refusal="",
        exporting=SimpleNamespace(statistics=lambda: ()), state_damaged="", caches=SimpleNamespace(refused=()),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("expiring", "way_out"),
    [((), "or have it expire ([[map]] in its probe.toml)"), (("calls",), "raise its max_entries in the C source")],
)
def test_a_map_that_expires_already_is_not_told_to(expiring: tuple[str, ...], way_out: str) -> None:
    """Then only more room helps."""
    _, ready, (reason,) = health(daemon(full("calls"), expiring=expiring))
    assert not ready
    assert reason.startswith("map 'calls' of probe 'probe' is full: 5 updates were refused; ")
    assert reason.endswith(way_out)


def test_ring_buffers_and_maps_that_have_room_again_are_no_reason() -> None:
    """Records are counted elsewhere."""
    assert health(daemon(full("ring", "ringbuf"), full("calls", entries=3)))[1:] == (True, ())
