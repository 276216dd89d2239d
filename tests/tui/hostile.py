"""A feed that says whatever it likes, differently at each moment: what a dashboard must live with.

All of it follows from a seed and the second, so that what broke once breaks again.
"""

# ruff: noqa: E501  rows of data

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tests.tui.feeds import ACCEPTED, LINES, REJECTED, START, MadeFeed
from tracerd.daemon.feed import (
    ExporterInfo,
    LinkInfo,
    ListingLine,
    Look,
    MapInfo,
    Printed,
    ProbeInfo,
    ProgramInfo,
    Record,
    SourceInfo,
    Verification,
)
from tracerd.errors import NotFound, RunError
from tracerd.snapshot import (
    Column,
    ExporterStatistics,
    Ledger,
    Meaning,
    Moment,
    ProbeMoment,
    ProgramStatistics,
    RingSnapshot,
    Table,
)

NAMES = (
    "a", "", "syscalls", "[bold red]x[/]", "[/]", "\x1b[2J\x07", "日本語の名前", "é̀", "👩‍👩‍👧", "x" * 300, "a/b/c", " ", "\t\n",
    "\u202eevil", "\ud800", "%s{}", "=cmd()", "key", "value.count", "pid", "key.pid", "comm", "slot", "cpu", "rows", "count/s",
)  # fmt: skip
UNITS = ("", "count", "ns", "bytes", "permille", "unix_ns", "boot_ns", "none such")
DTYPES = ("u1", "u2", "u4", "u8", "i1", "i4", "i8", "f4", "f8", "b1")
KINDS = ("hash", "array", "percpu_hash", "percpu_array", "lru_hash", "lpm_trie", "ringbuf", "none such")
ROWS = (0, 0, 1, 1, 2, 3, 7, 40, 300)
MOST = 2**64 - 1


@dataclass
class HostileFeed(MadeFeed):
    """`most_rows` bounds tables; `calm` seconds are as a made feed has them, so that there is something to come from."""

    seed: int = 0
    most_rows: int = 300

    def look(self) -> Look:
        made, chance = super().look(), self._chance("look")
        if chance.random() < 0.15:
            return made
        return replace(
            made,
            pid=made.pid + (chance.random() < 0.05),
            host=chance.choice(NAMES),
            role=chance.choice(("read", "admin", "admin")),
            ready=chance.random() < 0.5,
            reasons=tuple(f"{chance.choice(('map', 'probe', 'source', 'exporter', ''))} {_name(chance)}"
                          for _ in range(chance.choice((0, 1, 40)))),
            notes=tuple(_name(chance) for _ in range(chance.choice((0, 2)))),
            probes=tuple(ProbeInfo(_name(chance), "config", _name(chance), (), (), (), ()) for _ in range(2)),
            programs=tuple(self._program(chance) for _ in range(chance.choice((0, 1, 3, 30)))),
            maps=tuple(self._map(chance) for _ in range(chance.choice((0, 1, 4, 30)))),
            links=tuple(LinkInfo(_number(chance), _number(chance), _name(chance), _name(chance), _name(chance),
                                 _number(chance), _number(chance)) for _ in range(chance.choice((0, 1, 12)))),
            sources=tuple(SourceInfo(_name(chance), (_name(chance),), _number(chance), 2, _number(chance),
                                     _number(chance)) for _ in range(chance.choice((0, 2)))),
            exporters=tuple(self._exporter(chance) for _ in range(chance.choice((0, 1, 3)))),
        )  # fmt: skip

    def moment(self) -> Moment:
        made, chance = super().moment(), self._chance("moment")
        if chance.random() < 0.15:
            return made
        back = chance.choice((0, 0, 0, 0, -3600, -1, 0, 10**6, -START // 10**9 - 5))
        probes = [self._probe(chance) for _ in range(chance.choice((0, 1, 2, 5)))]
        return replace(
            made,
            taken_ns=made.taken_ns + back * 10**9,
            uptime_ns=chance.choice((made.uptime_ns, made.uptime_ns, 0, -5, 2**62)),
            clock_offset_ns=chance.choice((made.clock_offset_ns, 0, -made.clock_offset_ns)),
            probes={**(made.probes if chance.random() < 0.6 else {}), **{each.name: each for each in probes}},
            programs=(*(made.programs if chance.random() < 0.6 else ()),
                      *(self._statistics_of(chance) for _ in range(chance.choice((0, 2, 20))))),
            ledger={**(made.ledger if chance.random() < 0.5 else {}),
                    **{_name(chance): Ledger(*(_number(chance) for _ in range(6))) for _ in range(chance.choice((0, 1, 9)))}},
            own=chance.choice((made.own, {}, {key: float("nan") for key in made.own}, dict.fromkeys(made.own, -1e+300))),
            exporters=tuple(ExporterStatistics(_name(chance), *(_number(chance) for _ in range(6)), {})
                            for _ in range(chance.choice((0, 1)))),
        )  # fmt: skip

    def columns(self, map_id: int) -> Mapping[str, Column]:
        chance = self._chance(f"columns {map_id}")
        fate = chance.random()
        if fate < 0.1:
            raise NotFound(f"map {_name(chance)}")
        if fate < 0.2:
            raise RunError(_name(chance), _name(chance))
        if fate < 0.4:
            return super().columns(map_id % 2 + 1)
        rows, slots = min(chance.choice(ROWS), self.most_rows), chance.choice((1, 2, 2, 5))
        made: dict[str, Column] = {}
        for _ in range(chance.choice((0, 1, 1, 2))):
            made[chance.choice(("key", "key.pid", "key.slot", "key.cpu", f"key.{_name(chance)}"))] = _column(
                chance, rows
            )
        for _ in range(chance.choice((0, 1, 1, 4))):
            shape = (rows, slots) if slots > 1 else (rows,)
            more = chance.choice(((), (), (1,), (8,), (64,), (100,), (2, 3)))
            made[chance.choice(("value", "value.count", f"value.{_name(chance)}"))] = _filled(chance, (*shape, *more))
        return made

    def disasm(self, program: int, *, source: bool = False) -> dict[str, Any]:
        chance = self._chance(f"disasm {program}")
        if chance.random() < 0.2:
            raise NotFound("program", ("a",))
        lines = [{"instruction": n * chance.choice((1, 2)), "text": _name(chance),
                  "source": chance.choice((None, _name(chance), f"{_name(chance)}:12: {_name(chance)}"))}
                 for n in range(chance.choice((0, 1, 500)))]  # fmt: skip
        return super().disasm(program, source=source) | {"lines": lines}

    def records(self, map_id: int) -> Iterator[Record]:
        chance = self._chance(f"records {map_id}")
        for n in range(chance.choice((0, 1, 30, 3000))):
            yield Record(_value(chance), chance.choice((0, n, MOST)))
        if chance.random() < 0.5:
            raise RunError("made", "the stream broke off")

    def printed(self) -> Iterator[Printed]:
        chance = self._chance("printed")
        for n in range(chance.choice((0, 3, 500))):
            yield Printed(_name(chance), n)

    def verify(self, upload: object) -> list[Verification]:  # noqa: ARG002
        chance = self._chance("verify")
        if chance.random() < 0.2:
            raise RunError("verifier", _name(chance))
        return [self._verification(chance) for _ in range(chance.choice((0, 1, 1, 2, 9)))]

    def attach(self, program: int, source: str) -> LinkInfo:
        if self._chance("attach").random() < 0.5:
            raise NotFound(f"program {program}")
        return super().attach(program, source)

    # ---- the parts

    def _chance(self, what: str) -> random.Random:
        return random.Random(f"{self.seed} {self.at} {what}")

    def _probe(self, chance: random.Random) -> ProbeMoment:
        tables = [self._table(chance) for _ in range(chance.choice((0, 1, 1, 3)))]
        rings = [
            RingSnapshot(_name(chance), _number(chance), _number(chance), ()) for _ in range(chance.choice((0, 1)))
        ]
        name = chance.choice(("syscalls", "slow", _name(chance)))
        return ProbeMoment(name, {}, {each.name: each for each in tables}, {each.name: each for each in rings})

    def _table(self, chance: random.Random) -> Table:
        rows = min(chance.choice(ROWS), self.most_rows)
        names = [_name(chance) for _ in range(chance.choice((0, 1, 3, 12)))]
        columns = {name: _column(chance, rows) for name in names}
        meanings = {
            name: Meaning(chance.choice(UNITS), chance.random() < 0.4, chance.random() < 0.4) for name in columns
        }
        return Table(chance.choice(("syscalls", _name(chance))), columns, meanings)

    def _program(self, chance: random.Random) -> ProgramInfo:
        return ProgramInfo(
            chance.choice((1, 2, 3, _number(chance))), chance.choice(("on_enter", _name(chance))),
            chance.choice(("syscalls", _name(chance))), _name(chance), _name(chance), _name(chance), _name(chance), (1,),
            _number(chance), chance.choice((0.0, 1e-9, 1e9)), chance.random() < 0.5, START, _number(chance),
            _number(chance), chance.choice((0.0, 1e300, float("nan"))),
        )  # fmt: skip

    def _statistics_of(self, chance: random.Random) -> ProgramStatistics:
        slots = tuple(_number(chance) % 2**50 for _ in range(chance.choice((0, 3, 64))))
        return ProgramStatistics(
            chance.choice(("on_enter", _name(chance))), _name(chance), _name(chance), _number(chance), _number(chance),
            float(_number(chance)), 0.031, _number(chance), chance.choice(("syscalls", _name(chance))), _number(chance),
            _number(chance), slots,
        )  # fmt: skip

    def _map(self, chance: random.Random) -> MapInfo:
        return MapInfo(
            chance.choice((0, 1, 2, 3, 4, _number(chance))), chance.choice(("calls", "slow_calls", _name(chance))),
            chance.choice(("syscalls", "slow", _name(chance))), chance.choice(KINDS), chance.choice((0, 4, 8)),
            chance.choice((0, 8, 272, 1 << 20)), _number(chance), _number(chance), _number(chance), _number(chance),
            chance.choice((1, 2, 64)), chance.random() < 0.2, pin=chance.choice(("", _name(chance))),
        )  # fmt: skip

    def _exporter(self, chance: random.Random) -> ExporterInfo:
        return ExporterInfo(
            _name(chance), chance.choice((0.0, 10.0, 1e9)), exports=_number(chance), failures=_number(chance),
            last_ns=chance.choice((0, START, MOST)), last_seconds=chance.choice((0.0, 1e-9, 1e9)),
            last_error=_name(chance), counts={_name(chance): _number(chance), "metrics.sent": _number(chance)},
            where=_name(chance),
        )  # fmt: skip

    def _verification(self, chance: random.Random) -> Verification:
        base = chance.choice((ACCEPTED, REJECTED))
        return replace(
            base,
            program=_name(chance), section=_name(chance), reason=_name(chance),
            verdict=chance.choice(("accept", "reject", "error")),
            instruction=chance.choice((None, 0, 6, 10**6)), need=_name(chance), have=_name(chance),
            instructions=_number(chance), peak_mb=chance.choice((0.0, 1e9)), terminates=chance.random() < 0.5,
            fuel_edges=tuple(range(chance.choice((0, 1, 20)))), slice=chance.choice(((), (1,), (2, 3, 9999))),
            lines=chance.choice(((), LINES, (ListingLine(5, _name(chance), _name(chance)),))),
            states=chance.choice((None, {}, {3: (_name(chance),)}, {6: ("r1=packet r2=", "=", "r1=x  [-8:8]=" + "9" * 999)})),
        )  # fmt: skip


def _name(chance: random.Random) -> str:
    return chance.choice(NAMES)


def _number(chance: random.Random) -> int:
    return chance.choice((0, 0, 1, 7, 1000, 10**6, 2**32, 2**53 + 1, 2**63, MOST))


def _column(chance: random.Random, rows: int) -> Column:
    return _filled(chance, (rows, *chance.choice(((), (), (), (1,), (6,), (16,), (64,), (0,)))))


def _filled(chance: random.Random, shape: tuple[int, ...]) -> Column:
    if chance.random() < 0.3:
        texts = np.empty(int(np.prod(shape)), dtype=object)
        texts[:] = [_name(chance) for _ in range(len(texts))]
        return texts.reshape(shape)
    dtype = np.dtype(chance.choice(DTYPES))
    numbers = np.random.default_rng(chance.randrange(2**32))
    made: Any = numbers.integers(0, chance.choice((1, 2, 100, 2**60)), shape).astype(dtype)
    if dtype.kind == "f" and made.size:
        made.ravel()[:: chance.choice((1, 3))] = chance.choice((np.nan, np.inf, -np.inf, 1e38))
    if dtype.kind in "ui" and made.size and chance.random() < 0.4:
        made.ravel()[0] = np.iinfo(dtype).max
        made.ravel()[-1] = np.iinfo(dtype).min
    made.flags.writeable = False
    return np.asarray(made)


def _value(chance: random.Random) -> object:
    return chance.choice((
        None, True, 7, -1, MOST, 1e300, float("nan"), "", "00ff", _name(chance), [], {}, [1, [2, {"a": None}]],
        {"pid": MOST, "comm": _name(chance), "latency_ns": chance.choice((None, "x", -5, 1e30, float("inf")))},
        {"start_ns": START, "time": float("nan"), "": 1, "text": 2, "from": {"a": {"b": {"c": [_name(chance)] * 40}}}},
        {_name(chance): _number(chance) for _ in range(60)}, "9" * 100_000, {"blob": "ab" * 50_000, "n": list(range(3000))},
    ))  # fmt: skip
