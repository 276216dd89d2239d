"""What the dashboard has seen: the newest sight, the one before, and how the numbers went since it began.

All times are the moments' own, so a recorded feed shows the same on every run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import nan
from typing import Literal

from tracerd.daemon.feed import Look
from tracerd.snapshot import Ledger, Moment, ProgramStatistics, Table
from tui.model.history import Series
from tui.model.runtimes import Runtime, runtime

KEPT = 900
"""Samples of each series: fifteen minutes at one a second."""

KEPT_GONE = 32
"""Programs that are unloaded and whose trends are kept: some may be loaded again, or still be looked at."""

LEAST_SPAN, MOST_SPAN = 20 * 10**9, 120 * 10**9
"""What charts look back, in ns: as far as there is something, within these."""

Name = tuple[str, str]
"""Of a program or a table: its probe's, and its own."""


@dataclass(slots=True)
class Trends:
    """How one program did."""

    rate: Series = field(default_factory=lambda: Series(KEPT))       # runs/s
    mean: Series = field(default_factory=lambda: Series(KEPT))       # ns
    share: Series = field(default_factory=lambda: Series(KEPT))      # of one CPU


class Seen:
    """Changed by `see` and `lose` only. `before` is None where nothing can be compared: at first, after a restart."""

    def __init__(self) -> None:
        self.moment: Moment | None = None
        self.before: Moment | None = None
        self.look: Look | None = None
        self.state: Literal["starting", "live", "away"] = "starting"
        self.reason = ""                         # why it is away
        self.restarts = 0
        self.produced = Series(KEPT)             # events/s
        self.lost = Series(KEPT)                 # events/s: lost, dropped, failed
        self.cpu = Series(KEPT)                  # of one CPU: all of tracerd
        self.runs = Series(KEPT)                 # of one CPU: the programs alone
        self.memory = Series(KEPT)               # bytes
        self.lost_at: dict[str, int] = {}        # by event: the last moment by which it had lost more than before
        self.detached: dict[tuple[str, str], int] = {}     # by event and program: the moment that it was gone by
        self.programs: dict[Name, Trends] = {}
        self._runtimes: dict[Name, Runtime] = {}

    @property
    def seconds(self) -> float:
        """Between the two moments; 0 if there is only one."""
        if self.moment is None or self.before is None:
            return 0.0
        return (self.moment.taken_ns - self.before.taken_ns) / 1e9

    def see(self, moment: Moment, look: Look) -> bool:
        """Take a sight; True if the daemon has begun anew since the last one."""
        last = self.moment
        begun_anew = last is not None and (
            moment.uptime_ns < last.uptime_ns or (self.look is not None and self.look.pid != look.pid)
        )
        same = last is not None and last.taken_ns == moment.taken_ns
        self._keep_detached(moment, look, None if begun_anew else self.look)
        self.look, self.state, self.reason = look, "live", ""
        if same:
            return False                         # a copy that was shared: nothing has happened in between
        self.moment, self.before = moment, None if begun_anew else last
        self.restarts += begun_anew
        if begun_anew:
            self.lost_at.clear()
        self._keep(moment)
        return begun_anew

    def lose(self, reason: str) -> None:
        """Nobody answers. What was seen stays."""
        self.state, self.reason = "away" if self.moment is not None else "starting", reason

    def newest(self, series: Series) -> float:
        """Return how much it is now; NaN where that is not known: away, or only one moment since it began anew."""
        return series.last if self.state == "live" and self.before is not None else nan

    def runtime(self, probe: str, program: str) -> Runtime | None:
        """Return how a program ran between the two moments."""
        return self._runtimes.get((probe, program))

    def table_before(self, probe: str, table: str) -> Table | None:
        """Return a table as it was a moment ago."""
        before = self.before.probes.get(probe) if self.before is not None else None
        return before.tables.get(table) if before is not None else None

    def _keep(self, moment: Moment) -> None:
        self._runtimes = dict(self._ran(moment))
        if self.before is None or self.seconds <= 0:
            return
        at, seconds, before = moment.taken_ns, self.seconds, self.before
        now, then = totals(moment), totals(before)
        self.lost_at = {event: when for event, when in self.lost_at.items() if event in moment.ledger}
        for event, ledger in moment.ledger.items():
            if event in before.ledger and bad(ledger) > bad(before.ledger[event]):
                self.lost_at[event] = at
        self.produced.append(at, max(now.produced - then.produced, 0) / seconds)
        self.lost.append(at, max(bad(now) - bad(then), 0) / seconds)
        self.cpu.append(at, _own_change(moment, before, "process.cpu_seconds") / seconds)
        self.memory.append(at, moment.own.get("process.memory_bytes", 0.0))
        self.runs.append(at, sum(each.share for each in self._runtimes.values()))
        for name, ran in self._runtimes.items():
            trends = self.programs.setdefault(name, Trends())
            trends.rate.append(at, ran.rate)
            trends.share.append(at, ran.share)
            if ran.timed:
                trends.mean.append(at, ran.mean_ns)
        gone = [name for name in self.programs if name not in self._runtimes]
        for name in gone[:-KEPT_GONE]:
            del self.programs[name]

    def _keep_detached(self, moment: Moment, look: Look, last: Look | None) -> None:
        """Note who runs on an event no more, as long as the event has a balance that it counted in."""
        have = _runs(look)
        found = {**self.detached, **dict.fromkeys(_runs(last) - have, moment.taken_ns)} if last is not None else {}
        there = [(pair, at) for pair, at in found.items() if pair not in have and pair[0] in moment.ledger]
        self.detached = dict(there[-KEPT_GONE:])

    def _ran(self, moment: Moment) -> Iterator[tuple[Name, Runtime]]:
        before = {_name(each): each for each in self.before.programs} if self.before is not None else {}
        for each in moment.programs:
            yield _name(each), runtime(each, before.get(_name(each)), self.seconds)


def totals(moment: Moment) -> Ledger:
    """Return all events' balances together."""
    return sum(moment.ledger.values(), Ledger(0, 0))


def span_ns(series: Series) -> int:
    """Return how far back a chart of a series looks."""
    times = series.times
    covered = int(times[-1] - times[0]) if len(times) else 0
    return min(max(covered, LEAST_SPAN), MOST_SPAN)


def bad(ledger: Ledger) -> int:
    """Return how many events no program has seen, or not to its end."""
    return ledger.lost + ledger.dropped_in_ring + ledger.failed


def _name(program: ProgramStatistics) -> Name:
    return program.probe, program.name


def _runs(look: Look) -> set[tuple[str, str]]:
    return {(link.source, f"{link.probe}/{link.name}") for link in look.links}


def _own_change(now: Moment, before: Moment, name: str) -> float:
    return max(now.own.get(name, 0.0) - before.own.get(name, 0.0), 0.0)
