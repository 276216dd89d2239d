"""Maps become series: attributes, totals that do not go back, ends, limits, and times since when they count."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from exporters.mapping.following import Following
from exporters.mapping.grouping import Grouping
from exporters.mapping.mapper import Mapper
from exporters.mapping.series import Attributes, NumberPoints, Points, Row
from tests.exporters.mapping.looks import BY_NAME, CALLS, COUNT, Entry, Looks, call, numbers
from tests.exporters.mapping.maps import SINCE_NS, TAKEN_NS, Known, Map, moment_of, named
from tracerd.signals import MetricSpec


def test_entries_with_equal_attributes_are_one_series() -> None:
    """Two system calls of one process are counted together where the metric does not tell them apart."""
    assert Looks(COUNT).totals(call(1, 5, nr=0), call(2, 7), call(1, 6, nr=1)) == {1: 11, 2: 7}


def test_a_series_counts_since_the_map_does() -> None:
    """What is in a map was not in it when it was made, however late the entry came."""
    looks = Looks(COUNT)
    assert looks.starts(call(1, 5)) == {1: SINCE_NS}
    assert looks.starts(call(1, 5), call(2, 1)) == {1: SINCE_NS, 2: SINCE_NS}


def test_an_entry_that_came_again_has_a_new_start() -> None:
    """The series ended with its entry; the one that comes later cannot have counted before the look without it."""
    looks = Looks(COUNT)
    looks.metric(call(1, 5), call(2, 9))
    gone = looks.metric(call(2, 9))
    assert gone.ended == ((("process.pid", 1),),)
    without = looks.now
    assert looks.starts(call(1, 1), call(2, 9)) == {1: without, 2: SINCE_NS}


def test_a_value_that_went_back_has_a_new_start() -> None:
    """The entry was deleted and made again between two looks: the map's value is told, from the look before."""
    looks = Looks(COUNT)
    looks.metric(call(1, 500), call(2, 9))
    before = looks.now
    (points,) = looks.metric(call(1, 3), call(2, 10)).parts
    assert isinstance(points, NumberPoints)
    assert points.values.tolist() == [3, 10]
    assert points.starts.tolist() == [before, SINCE_NS]


def test_a_total_over_several_entries_never_goes_back() -> None:
    """What entries had counted stays with the series when they are deleted or begin anew."""
    looks = Looks(BY_NAME)
    assert looks.totals(call(1, 10, "a"), call(2, 20, "a")) == {"a": 30}
    assert looks.totals(call(2, 21, "a")) == {"a": 31}
    assert looks.totals(call(2, 21, "a"), call(3, 1, "a")) == {"a": 32}
    assert looks.totals(call(2, 2, "a"), call(3, 1, "a")) == {"a": 34}


def test_what_was_counted_before_a_move_stays_where_it_was_counted() -> None:
    """A process that runs another program is another series from then on; neither total goes back or doubles."""
    looks = Looks(BY_NAME)
    assert looks.totals(call(1, 10, "sh"), call(2, 5, "sh")) == {"sh": 15}
    assert looks.totals(call(1, 13, "ls"), call(2, 5, "sh")) == {"ls": 3, "sh": 15}
    assert looks.totals(call(1, 14, "ls"), call(2, 6, "sh")) == {"ls": 4, "sh": 16}


def test_an_entry_that_moves_and_begins_anew_counts_what_it_has_now() -> None:
    """A process id that is another process now: less was counted, for another series."""
    looks = Looks(BY_NAME)
    assert looks.totals(call(1, 1000, "bash"), call(2, 1, "bash")) == {"bash": 1001}
    assert looks.totals(call(1, 3, "ls"), call(2, 1, "bash")) == {"ls": 3, "bash": 1001}


def test_a_series_of_an_exited_process_whose_number_is_used_again() -> None:
    """The new process's count is told, not the difference to that of the old one."""
    known = Known()
    known.alive = {1: "a"}
    looks = Looks(replace(COUNT, expire_pid="pid"), processes=known)
    looks.totals(call(1, 1000))
    known.alive, known.ended = {}, {1: "a"}
    looks.metric(call(1, 1000))
    assert looks.metric(call(1, 1000)).parts == ()
    known.alive, known.ended = {1: "b"}, {}
    assert looks.totals(call(1, 3)) == {1: 3}


def test_each_entry_of_one_name_has_its_own_overflow() -> None:
    """Their constants tell them apart there too."""
    made = Map({"pid": "u32"}, {"read": "u64", "written": "u64"})
    read = MetricSpec("m", "io", "counter", "read", "By", attributes=(named("pid", "pid"),), max_series=1,
                      constants=(("direction", "read"),))  # fmt: skip
    written = replace(read, value="written", constants=(("direction", "write"),))
    snapshot = made.snapshot([({"pid": pid}, {"read": 10 * pid, "written": pid}) for pid in (1, 2, 3)])
    (probe,) = Mapper(began_ns=0).collect(moment_of(made.resolve(read, written), snapshot))
    over = {row: value for row, value in numbers(probe.metrics[0]).items() if row[-1][0] == "otel.metric.overflow"}
    assert over == {
        (("direction", "read"), ("otel.metric.overflow", True)): 50,
        (("direction", "write"), ("otel.metric.overflow", True)): 5,
    }


def test_a_metric_that_fails_costs_no_other(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """It is told as a problem, logged once, and goes on when it works again."""
    broken = replace(COUNT, name="broken")
    resolved = CALLS.resolve(COUNT, broken)
    look = Following.look

    def breaks(self: Following, *given: Any) -> Any:
        if self._spec.name == "broken":
            raise ZeroDivisionError("no")
        return look(self, *given)

    monkeypatch.setattr(Following, "look", breaks)
    mapper = Mapper(began_ns=0)
    for _ in range(2):
        (probe,) = mapper.collect(moment_of(resolved, CALLS.snapshot([call(1, 1)])))
        assert [metric.name for metric in probe.metrics] == ["calls"]
    assert [record.getMessage() for record in caplog.records] == ["metric 'broken' of probe 'p' cannot be made"]
    assert mapper.problem() == "metric 'broken' of probe 'p': ZeroDivisionError: no"
    monkeypatch.setattr(Following, "look", look)
    (probe,) = mapper.collect(moment_of(resolved, CALLS.snapshot([call(1, 1)])))
    assert [metric.name for metric in probe.metrics] == ["calls", "broken"]
    assert mapper.problem() == ""


def test_deltas_go_on_after_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was counted meanwhile is told then, and nothing twice."""
    looks = Looks(COUNT, temporality="delta")
    assert looks.totals(call(1, 10)) == {1: 10}
    group = Grouping.group

    def refuses(*_: Any) -> Any:
        raise OSError("no")

    monkeypatch.setattr(Grouping, "group", refuses)
    with pytest.raises(ValueError, match="not enough values"):
        looks.metric(call(1, 15))                # there is none to tell
    monkeypatch.setattr(Grouping, "group", group)
    assert looks.totals(call(1, 17)) == {1: 7}


def test_an_attribute_that_is_no_number_is_one_attribute() -> None:
    """NaN is not equal to itself; the series is the same at every look all the same."""
    made = Map({"share": "f64"}, {"n": "u64"})
    looks = Looks(replace(COUNT, value="n", attributes=(named("share", "share"),)), made)
    entry: Entry = ({"share": float("nan")}, {"n": 5})
    looks.metric(entry)
    metric = looks.metric(entry)
    assert metric.ended == ()
    assert list(numbers(metric).values()) == [5]


def test_the_order_of_entries_does_not_matter() -> None:
    """A map may give its entries in another order after a deletion."""
    looks = Looks(BY_NAME)
    looks.totals(call(1, 10, "a"), call(2, 20, "b"), call(3, 1, "b"))
    assert looks.totals(call(3, 2, "b"), call(1, 11, "a"), call(2, 21, "b")) == {"a": 11, "b": 23}


def test_attributes_are_kept_while_series_are_the_same() -> None:
    """Whoever encodes them may keep what it made."""
    looks = Looks(COUNT)
    (first,), (second,) = looks.metric(call(1, 1), call(2, 2)).parts, looks.metric(call(1, 3), call(2, 2)).parts
    assert first.attributes is second.attributes
    (third,) = looks.metric(call(1, 3), call(2, 2), call(3, 1)).parts
    assert third.attributes is not second.attributes


def test_a_map_made_anew_begins_anew() -> None:
    """A probe that was replaced counts from zero, since its new map does."""
    looks = Looks(COUNT)
    looks.metric(call(1, 100))
    (points,) = looks.metric(call(1, 200), since_ns=SINCE_NS + 1).parts
    assert points.starts.tolist() == [SINCE_NS + 1]


def test_series_beyond_the_limit_are_told_together() -> None:
    """The first that came keep their series; the rest is under the overflow attribute, whose total does not go back."""
    looks = Looks(replace(COUNT, max_series=2))
    first = numbers(looks.metric(call(1, 1), call(2, 2), call(3, 3), call(4, 4)))
    assert first == {(("process.pid", 1),): 1, (("process.pid", 2),): 2, (("otel.metric.overflow", True),): 7}
    assert looks.mapper.statistics()["series_overflowed"] == 2
    second = numbers(looks.metric(call(2, 2), call(3, 5)))
    assert second == {(("process.pid", 2),): 2, (("otel.metric.overflow", True),): 9}
    third = numbers(looks.metric(call(2, 2), call(5, 1)))
    assert third == {(("process.pid", 2),): 2, (("process.pid", 5),): 1}


def test_series_of_exited_processes_end_after_a_last_look() -> None:
    """What a process did between the last look and its exit is told once more; then its room is free."""
    known = Known()
    known.alive = {1: "a", 2: "b"}
    looks = Looks(replace(COUNT, expire_pid="pid", max_series=2), processes=known)
    assert looks.totals(call(1, 1), call(2, 2)) == {1: 1, 2: 2}
    known.alive, known.ended = {2: "b", 3: "c"}, {1: "a"}
    assert looks.totals(call(1, 4), call(2, 2)) == {1: 4, 2: 2}
    metric = looks.metric(call(1, 4), call(2, 2), call(3, 1))
    assert numbers(metric) == {(("process.pid", 2),): 2, (("process.pid", 3),): 1}
    assert metric.ended == ((("process.pid", 1),),)


def test_series_that_stand_still_end_and_come_again() -> None:
    """An idle series is left out after its time, and is told with its whole total when it changes."""
    looks = Looks(replace(COUNT, expire_seconds=1.5))
    assert looks.totals(call(1, 1), call(2, 1)) == {1: 1, 2: 1}
    assert looks.totals(call(1, 2), call(2, 1)) == {1: 2, 2: 1}
    metric = looks.metric(call(1, 3), call(2, 1))
    assert numbers(metric) == {(("process.pid", 1),): 3}
    assert metric.ended == ((("process.pid", 2),),)
    assert looks.totals(call(1, 3), call(2, 5)) == {1: 3, 2: 5}


def test_deltas_are_what_was_counted_between_looks() -> None:
    """The first tells all so far, since the map counts; sums of deltas are the totals, over deletions and resets."""
    looks = Looks(BY_NAME, temporality="delta")
    told: dict[str, int] = {}
    steps = [
        (call(1, 10, "a"), call(2, 20, "b")),
        (call(1, 15, "a"), call(2, 20, "b")),
        (call(2, 25, "b"), call(3, 1, "a")),
        (call(2, 2, "b"), call(3, 1, "a")),
    ]
    for step in steps:
        for name, value in looks.totals(*step).items():
            told[name] = told.get(name, 0) + value
    assert told == {"a": 16, "b": 27}
    metric = looks.metric(*steps[-1])
    assert metric.delta
    assert metric.ended == ()
    assert set(numbers(metric).values()) == {0}


def test_deltas_do_not_tell_what_an_earlier_process_told() -> None:
    """A map that is older than the exporter is a pinned one, or nobody asked for it: deltas begin with its totals."""
    looks = Looks(BY_NAME, temporality="delta", began_ns=TAKEN_NS)
    assert looks.totals(call(1, 1000, "a")) == {"a": 0}
    assert looks.totals(call(1, 1007, "a"), call(2, 5, "b")) == {"a": 7, "b": 5}


def test_an_idle_series_is_one_whose_total_stands_still() -> None:
    """A steady rate has equal deltas and is not idle: nothing of it is left out."""
    looks = Looks(replace(COUNT, expire_seconds=1.5), temporality="delta")
    told = [looks.totals(call(1, 5 * number)) for number in range(1, 6)]
    assert told == [{1: 5}] * 5
    assert [looks.totals(call(1, 25)), looks.totals(call(1, 25)), looks.totals(call(1, 30))] == [{1: 0}, {}, {1: 5}]


def test_series_of_a_probe_that_is_unloaded_end() -> None:
    """Once; a probe that was replaced goes on with the series that it still has."""
    mapper, two = Mapper(began_ns=0), (call(1, 1), call(2, 2))
    first = moment_of(CALLS.resolve(COUNT), CALLS.snapshot(two))
    mapper.collect(first)
    (probe,) = mapper.collect(replace(first, probes={}))
    (metric,) = probe.metrics
    assert (metric.name, metric.parts, len(metric.ended)) == ("calls", (), 2)
    assert mapper.collect(replace(first, probes={})) == []
    mapper.collect(first)
    other = moment_of(CALLS.resolve(replace(COUNT, max_series=7)), CALLS.snapshot(two[:1]))
    told = [metric for probe in mapper.collect(other) for metric in probe.metrics]
    assert [each.ended for each in told] == [(), ((("process.pid", 2),),)]
    assert mapper.statistics()["series_ended"] == 3


def test_gauges_are_sums_and_have_no_memory() -> None:
    """Memory of two processes of one name is told together, and may shrink."""
    looks = Looks(replace(BY_NAME, kind="gauge"))
    assert looks.totals(call(1, 10, "a"), call(2, 5, "a")) == {"a": 15}
    assert looks.totals(call(1, 3, "a")) == {"a": 3}


def test_units_are_multiplied_and_whole_numbers_stay_whole() -> None:
    """Without a multiplier the largest number is told to the last digit."""
    top = 2**64 - 1
    assert Looks(COUNT).totals(call(1, top)) == {1: top}
    assert Looks(replace(COUNT, multiplier=1e-9)).totals(call(1, 2_000_000_000)) == {1: 2.0}


def test_entries_of_one_name_are_one_metric() -> None:
    """Two values of one map under one name are told apart by their constants."""
    made = Map({"pid": "u32"}, {"read": "u64", "written": "u64"})
    read = MetricSpec("m", "io", "counter", "read", "By", constants=(("direction", "read"),))
    written = replace(read, value="written", constants=(("direction", "write"),))
    resolved = made.resolve(read, written)
    snapshot = made.snapshot([({"pid": 1}, {"read": 3, "written": 4})])
    (probe,) = Mapper().collect(moment_of(resolved, snapshot))
    (metric,) = probe.metrics
    assert numbers(metric) == {(("direction", "read"),): 3, (("direction", "write"),): 4}


def test_random_histories_are_told_to_the_last_count() -> None:
    """Entries come, go, grow, move and begin anew: each look tells what was counted since the one before, no more."""
    random = np.random.default_rng(7)
    totals, deltas = Looks(BY_NAME), Looks(BY_NAME, temporality="delta")
    entries: dict[int, tuple[str, int]] = {}
    before: dict[str, tuple[int, int]] = {}
    for _ in range(1000):
        counted: dict[str, int] = {}
        for pid in range(8):
            entries, more = _step(random, entries, pid)
            if pid in entries:
                name = entries[pid][0]
                counted[name] = counted.get(name, 0) + more
        look = [call(pid, value, name) for pid, (name, value) in entries.items()]
        random.shuffle(look)
        assert deltas.totals(*look) == counted
        (points,) = totals.metric(*look).parts or (NumberPoints(Attributes(()), *[np.zeros(0, np.uint64)] * 2),)
        now = {row[0][1]: pair for row, pair in _pairs(points)}
        since = {name: total - (before[name][1] if before.get(name, (0,))[0] == start else 0)
                 for name, (start, total) in now.items()}  # fmt: skip
        assert since == counted
        before = now


def _step(
    random: np.random.Generator, entries: dict[int, tuple[str, int]], pid: int
) -> tuple[dict[int, tuple[str, int]], int]:
    """Change one entry; return what it counted meanwhile."""
    if pid not in entries:
        more = int(random.integers(1, 9)) if random.random() < 0.3 else 0
        return (entries | {pid: (str(random.choice(["a", "b", "c"])), more)}, more) if more else (entries, 0)
    name, value = entries[pid]
    match random.integers(0, 10):
        case 0:
            return {key: each for key, each in entries.items() if key != pid}, 0
        case 1:
            anew = int(random.integers(0, value)) if value else 0
            return entries | {pid: (name, anew)}, anew if value else 0
        case 2:
            name = str(random.choice(["a", "b", "c"]))
        case 3:                                  # another process has the number, and has counted less so far
            anew = int(random.integers(0, value)) if value else 0
            return entries | {pid: (str(random.choice(["a", "b", "c"])), anew)}, anew if value else 0
    more = int(random.integers(0, 9))
    return entries | {pid: (name, value + more)}, more


def _pairs(points: Points) -> list[tuple[Row, tuple[int, int]]]:
    assert isinstance(points, NumberPoints)
    told = zip(points.starts.tolist(), points.values.tolist(), strict=True)
    return list(zip(points.attributes.rows, told, strict=True))
