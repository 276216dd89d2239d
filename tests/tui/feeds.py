"""Feeds that are made: what a test wants the dashboard to see, moment by moment, without any daemon."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

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

START = 1_764_000_000 * 10**9
COMMANDS = ("postgres", "nginx", "python3", "sshd", "kworker/0:1", "systemd", "dd", "curl", "node", "bash")
CALLS = ("read", "write", "futex", "epoll_wait", "openat", "recvfrom", "sendto", "close", "newfstatat", "mmap")
UNITS = {"pid": Meaning(key=True), "syscall": Meaning(key=True), "count": Meaning("count", rate=True),
         "errors": Meaning("count"), "p50_ns": Meaning("ns"), "p99_ns": Meaning("ns")}  # fmt: skip


@dataclass
class MadeFeed:
    """A daemon that does what a test says. `at` is how many seconds it has run; moments come when `tick` is called.

    Change `look_now`, `ledger_of` … between two moments to see what the dashboard makes of it.
    """

    role: str = "admin"
    name: str = "made"
    rows: int = 60
    lost: int = 0
    dropped: int = 0
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    pid: int = 4711
    config: str = "/etc/tracerd/tracerd.toml"
    gone: bool = False                           # nobody answers
    at: int = 10
    printed_lines: tuple[str, ...] = ("postgres took 12 ms", "dd took 31 ms")
    verifications: list[Verification] = field(default_factory=list)
    attached: list[tuple[int, str]] = field(default_factory=list)
    detached: list[int] = field(default_factory=list)
    started_at: int = 0
    free: bool = False                           # moments come at once, one after the other, without ticks
    _ticks: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(1))

    def tick(self, seconds: int = 1) -> None:
        """Let a second pass, and a moment out."""
        self.at += seconds
        self._ticks.release()

    def connect(self) -> MadeFeed:
        """Be the `connect` of the dashboard."""
        if self.gone:
            raise RunError("made", "no daemon answers there")
        return self

    def close(self) -> None:
        """Nothing is open."""

    def look(self) -> Look:
        if self.gone:
            raise RunError("made", "no daemon answers there")
        return Look(
            version="0.1", pid=self.pid, host="atlas", role=self.role,  # type: ignore[arg-type]
            ready=not self.reasons, reasons=self.reasons, notes=self.notes,
            probes=(ProbeInfo("syscalls", "config", "system calls by process", (1, 2), (1, 2), (1, 2), ("syscalls",)),
                    ProbeInfo("slow", "runtime", "slow calls", (3,), (3, 4), (3,), ())),
            programs=self._programs(), maps=self._maps(), links=self._links(),
            sources=(SourceInfo("perf", ("syscall:*:enter", "syscall:*:exit"), 2, 2, 8 << 20, self.at * 31_000_000),
                     SourceInfo("timer", ("interval:1s",), 1)),
            exporters=(ExporterInfo("otlp", 10.0, exports=self.at, last_ns=START + self.at * 10**9, last_seconds=0.021,
                                    counts={"metrics.sent": 52_000 * self.at, "metrics.queued": 2},
                                    where="metrics to http://collector:4318 (http/protobuf)"),
                       ExporterInfo("prometheus", 0.0, exports=3 * self.at, failures=1, last_error="it broke off")),
            config=self.config, state_dir="/var/lib/tracerd" if self.config else "",
        )  # fmt: skip

    def moments(self, interval: float = 1.0) -> Iterator[Moment]:  # noqa: ARG002  it comes by ticks
        while not self.gone:
            if self.free:
                self.at += 1
            elif not self._ticks.acquire(timeout=0.05):
                continue
            yield self.moment()
        raise RunError("made", "the daemon went away")

    def moment(self) -> Moment:
        """Return what it has collected by now."""
        produced, own, seconds = 250_000 * self.at, 900 * self.at, self.at - self.started_at
        return Moment(
            taken_ns=START + self.at * 10**9, uptime_ns=seconds * 10**9, clock_offset_ns=START,
            probes={
                "syscalls": ProbeMoment("syscalls", {}, {"syscalls": self.table()}, {}),
                "slow": ProbeMoment(
                    "slow", {}, {}, {"slow_calls": RingSnapshot("slow_calls", 12 * self.at, self.dropped, ())}
                ),
            },
            programs=tuple(self._statistics()),
            ledger={
                "syscall:*:enter": Ledger(produced, produced - self.lost - own, self.lost, filtered=own),
                "syscall:*:exit": Ledger(produced, produced - own, filtered=own),
                "interval:1s": Ledger(seconds, seconds),
            },
            own={"process.cpu_seconds": 0.043 * self.at, "pumps.cpu_seconds": 0.031 * self.at,
                 "process.memory_bytes": 121.0 * 2**20, "maps.resident_bytes": 3.0 * 2**20},
            exporters=(ExporterStatistics("otlp", self.at, 0, 0, 0, 0, 0, {"metrics.sent": 52_000 * self.at}),),
        )  # fmt: skip

    def table(self) -> Table:
        """Return the table of the probe `syscalls`: row i makes about 1000/(i+1) calls a second."""
        n = np.arange(self.rows)
        count = (self.at * 40_000 // (n + 1)).astype(np.uint64)
        columns = {
            "pid": (100 + n // 3 * 17).astype(np.uint32),
            "comm": np.array([COMMANDS[i % len(COMMANDS)] for i in n // 3], dtype=object),
            "syscall": np.array([CALLS[i % len(CALLS)] for i in n], dtype=object),
            "count": count,
            "errors": np.where(n % 7 == 3, count // 50, 0).astype(np.uint64),
            "p50_ns": (400 + 97 * n).astype(np.int64),
            "p99_ns": (9_000 + 51_013 * n).astype(np.int64),
        }
        return Table("syscalls", columns, UNITS)

    def columns(self, map_id: int) -> Mapping[str, Column]:
        if map_id not in {info.id for info in self._maps()}:
            raise NotFound(f"map {map_id}")
        n = np.arange(self.rows)
        slots = (self.at * 1000 // (1 + (np.arange(32)[None, :] - 12 - n[:, None] % 8) ** 2)).astype(np.uint64)
        if map_id == 2:
            return {"key": np.arange(32, dtype=np.uint32), "value": slots.sum(axis=0)}
        calls = np.stack([self.at * 20_000 // (n + 1), self.at * 10_000 // (n + 1)], axis=1).astype(np.uint64)
        return {"key.pid": (100 + n).astype(np.uint32), "key.call": (n % 10).astype(np.uint32), "value.count": calls,
                "value.slots": np.stack([slots // 2, slots // 2], axis=1)}  # fmt: skip

    def disasm(self, program: int, *, source: bool = False) -> dict[str, Any]:
        lines = [
            {"instruction": 0, "text": "r6 = r1", "source": "slow.bpf.c:21: event = ctx;" if source else None},
            {"instruction": 1, "text": "r1 = *(u64 *)(r6 + 8)", "source": "slow.bpf.c:22: long call = event->id;"},
            {"instruction": 2, "text": "if r1 > 511 goto +3", "source": "slow.bpf.c:23: if (call > 511)"},
            {"instruction": 3, "text": "call map_lookup_elem", "source": "slow.bpf.c:25: found = bpf_map_lookup_elem("},
            {"instruction": 4, "text": "r0 = 0", "source": None},
            {"instruction": 5, "text": "exit", "source": None},
        ]
        return {"program": f"p{program}", "section": "tracepoint/x", "instructions": 6, "lines": lines}

    def records(self, map_id: int) -> Iterator[Record]:  # noqa: ARG002
        for n in range(5):
            yield Record({"pid": 100 + n, "comm": COMMANDS[n], "latency_ns": 12_000_000 * (n + 1)}, 0)

    def printed(self) -> Iterator[Printed]:
        for line in self.printed_lines:
            yield Printed(line, 0)

    def verify(self, upload: object) -> list[Verification]:  # noqa: ARG002
        return self.verifications or [ACCEPTED, REJECTED]

    def attach(self, program: int, source: str) -> LinkInfo:
        self.attached.append((program, source))
        return replace(self._links()[0], id=9, program=program, source=source)

    def detach(self, link: int) -> None:
        self.detached.append(link)

    def _links(self) -> tuple[LinkInfo, ...]:
        events = 250_000 * self.at
        return (
            LinkInfo(1, 1, "on_enter", "syscalls", "syscall:*:enter", events - self.lost, 0, "a tracepoint of perf"),
            LinkInfo(2, 2, "on_exit", "syscalls", "syscall:*:exit", events, 0),
            LinkInfo(3, 3, "on_tick", "slow", "interval:1s", self.at, 0),
        )

    def _programs(self) -> tuple[ProgramInfo, ...]:
        made = {each.name: each for each in self._statistics()}
        kinds = (("on_enter", "syscalls", "tracepoint"), ("on_exit", "syscalls", "tracepoint"),
                 ("on_tick", "slow", "interval"))  # fmt: skip
        return tuple(
            ProgramInfo(
                number, name, probe, kind, f"{number:016x}", made[name].engine, made[name].reason, (1,),
                made[name].instructions, made[name].verify_seconds, number != 3, START, made[name].runs,
                made[name].aborted, made[name].mean_ns,
            )
            for number, (name, probe, kind) in enumerate(kinds, 1)
        )  # fmt: skip

    def _maps(self) -> tuple[MapInfo, ...]:
        return (
            MapInfo(1, "calls", "syscalls", "percpu_hash", 8, 272, 10_240, self.rows, 0, 6 << 20, 2, False),
            MapInfo(2, "latency_ns", "syscalls", "array", 4, 8, 32, 32, 0, 4096, 1, False),
            MapInfo(3, "slow_calls", "slow", "ringbuf", 0, 0, 1 << 18, 0, self.dropped, 1 << 18, 1, False),
            MapInfo(4, "starts", "slow", "hash", 4, 8, 1000, 1000, 37, 1 << 16, 1, False, pin="starts"),
        )

    def _statistics(self) -> Iterator[ProgramStatistics]:
        for name, probe, rate, mean, size in (
            ("on_enter", "syscalls", 250_000, 85, 61),
            ("on_exit", "syscalls", 250_000, 140, 204),
            ("on_tick", "slow", 1, 900, 12),
        ):
            runs = rate * self.at
            timed = runs // 64
            slots = (0, 0, 0, 0, 0, 0, timed * 9 // 10, timed // 20, timed // 40, timed // 50)
            yield ProgramStatistics(
                name, "jit", "nothing forbids code made at run time", runs, 7 if name == "on_tick" else 0, float(mean),
                0.031, size, probe, timed, timed * mean, slots,
            )  # fmt: skip


LINES = (
    ListingLine(0, "r6 = r1", "drop.bpf.c:12: void *data = ctx->data;"),
    ListingLine(1, "r2 = *(u32 *)(r6 + 4)", None),
    ListingLine(2, "r1 = *(u32 *)(r6 + 0)", None),
    ListingLine(3, "r3 = r1", "drop.bpf.c:15: if (data + 14 > end)"),
    ListingLine(4, "r3 += 14", None),
    ListingLine(5, "if r3 > r2 goto +2", None),
    ListingLine(6, "r0 = *(u8 *)(r1 + 22)", "drop.bpf.c:18: return header->protocol;"),
    ListingLine(7, "exit", None),
    ListingLine(8, "r0 = 0", "drop.bpf.c:16: return 0;"),
    ListingLine(9, "exit", None),
)
ACCEPTED = Verification(
    "count", "xdp", "xdp", "accept", instructions=9, most_states=2, seconds=0.012, peak_mb=41.0, terminates=True,
    lines=LINES, states={0: ("r1=context r10=stack",), 1: ("r1=context r6=context",)},
)  # fmt: skip
REJECTED = Verification(
    "drop", "xdp", "xdp", "reject", "r1: needs r1 + 23 <= data_end, has r1 + 14 <= data_end", 6, "r1",
    "r1 + 23 <= data_end", "r1 + 14 <= data_end", "drop.bpf.c:18: return header->protocol;", 10, 2, 0.009, 40.0,
    slice=(2, 3, 4, 5), lines=LINES,
    states={2: ("r6=context",), 5: ("r1=packet r2=packet_end r3=packet+14",), 6: ("r1=packet r2=packet_end",)},
)  # fmt: skip


def made_feed(**said: Any) -> MadeFeed:
    """Return a feed that is as said."""
    return MadeFeed(**said)


def connector(feed: MadeFeed) -> Callable[[], MadeFeed]:
    """Return what the dashboard calls to reach a feed."""
    return feed.connect
