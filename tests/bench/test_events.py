"""The event benchmark: everything is measured in turn, and what tracing adds is net of the untraced hammer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tracerd.bench import events
from tracerd.bench.events import Traced, measure, render, to_json
from tracerd.bench.hammer import hammer
from tracerd.errors import RunError


class _Counting:
    """A traced block that loses 3 events whenever it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def lost(self) -> int:
        self.asked += 3
        return self.asked

    def cpu_ns(self) -> int:
        return 0


def test_repetitions_alternate_and_medians_are_net(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each repetition goes once over all subjects; the row is the median, less the untraced one."""
    order: list[str] = []
    ns = {"untraced": [100, 900, 110], "count": [300, 310, 2000], "latency": [510, 500, 520]}
    now = ["untraced"]

    @contextmanager
    def trace(kind: str) -> Iterator[Traced]:
        now[0] = kind
        yield _Counting()
        now[0] = "untraced"

    def hammered(calls: int) -> int:
        order.append(now[0])
        return ns[now[0]].pop(0) * calls

    monkeypatch.setattr(events, "hammer", hammered)
    monkeypatch.setattr(events, "can_bpftrace", lambda: False)
    rows = {row.what: row for row in measure(trace, calls=1000, repetitions=3)}
    assert order == ["untraced", "count", "latency"] * 3
    assert (rows["untraced"].ns_per_event, rows["untraced"].added_ns) == (110, 0)
    assert (rows["tracerd count"].ns_per_event, rows["tracerd count"].added_ns) == (310, 200)
    assert rows["tracerd count"].lost == 9
    assert rows["tracerd latency"].events_per_s == pytest.approx(2e9 / 510)


def test_the_json_has_the_contract_s_keys() -> None:
    """DESIGN §11: what, events_per_s, ns_per_event, lost."""
    row = events.Row("untraced", 8e6, 125.04, 0, 0.0, 0.0)
    told = to_json([row])["rows"]
    assert isinstance(told, list)
    assert told[0]["what"] == "untraced"
    assert (told[0]["events_per_s"], told[0]["ns_per_event"], told[0]["lost"]) == (8_000_000, 125.0, 0)
    assert "125.0" in render([row])


def test_the_hammer_measures_a_system_call() -> None:
    """A system call takes more than 10 ns and less than 100 µs on any machine, and more calls take longer."""
    few, many = hammer(1000), hammer(200_000)
    assert 10 * 1000 < few < 100_000 * 1000
    assert many > few


def test_a_hammer_that_dies_is_an_error() -> None:
    """A number that is none is not measured as zero."""
    with pytest.raises(RunError, match="syscall hammer"):
        hammer("x")  # type: ignore[arg-type]
