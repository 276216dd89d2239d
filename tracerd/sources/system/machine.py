"""The machine's own numbers: read with psutil, and made events of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import psutil

from tracerd.native import lib
from tracerd.sources.system.batch import Events
from tracerd.sources.system.layouts import SAMPLE, blank, text
from tracerd.sources.system.moment import Moment
from tracerd.sources.system.reader import Number

_DISK = ("read_bytes", "write_bytes", "read_count", "write_count")
_INTERFACE = (
    "bytes_recv", "bytes_sent", "packets_recv", "packets_sent", "errin", "errout", "dropin", "dropout",
)


def read_numbers(disk: Callable[[str], bool]) -> Iterator[Number]:
    """Yield every core, the memory, the disks that `disk` says are some, and every interface."""
    for index, times in enumerate(psutil.cpu_times(percpu=True)):
        yield Number(lib.TR_SAMPLE_CPU, f"cpu{index}", _cpu(times))
    yield Number(lib.TR_SAMPLE_MEMORY, "memory", _memory())
    disks: Mapping[str, Any] = psutil.disk_io_counters(perdisk=True, nowrap=False) or {}
    for name, counted in disks.items():
        if disk(name):
            yield Number(lib.TR_SAMPLE_DISK, name, _disk(counted))
    for name, counted in psutil.net_io_counters(pernic=True, nowrap=False).items():
        yield Number(lib.TR_SAMPLE_INTERFACE, name, _fields(counted, _INTERFACE))


def _fields(counted: Any, names: Iterable[str], unit: float = 1) -> tuple[int, ...]:
    """Return fields as whole numbers; 0 for one that this platform does not have."""
    return tuple(round(getattr(counted, name, 0) * unit) for name in names)


def _cpu(times: Any) -> tuple[int, ...]:
    """User time includes nice, interrupts are hard and soft (Windows: interrupt and deferred calls)."""
    user, nice, system, idle, iowait, steal = _fields(times, ("user", "nice", "system", "idle", "iowait", "steal"), 1e9)
    interrupts = sum(_fields(times, ("irq", "softirq", "interrupt", "dpc"), 1e9))
    return user + nice, system, idle, iowait, interrupts, steal


def _memory() -> tuple[int, ...]:
    memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    return (*_fields(memory, ("total", "available", "used", "cached")), swap.total, swap.used)


def _disk(counted: Any) -> tuple[int, ...]:
    """psutil gives times in ms."""
    return _fields(counted, _DISK) + _fields(counted, ("read_time", "write_time", "busy_time"), 1e6)


class MachineTable:
    """Makes events of the numbers. A disk or interface keeps its index when others come and go."""

    def __init__(self, cpu: int) -> None:
        self._cpu = cpu
        self._indexes: dict[int, dict[str, int]] = {}

    def poll(self, numbers: list[Number], now: Moment) -> list[Events]:
        """Return an event for each of the numbers."""
        rows = blank(SAMPLE, len(numbers), self._cpu)
        rows["head"]["now_ns"] = now.monotonic_ns
        rows["context"]["time_ns"] = now.time_ns
        rows["context"]["interval_ns"] = now.interval_ns
        for row, number in zip(rows, numbers, strict=True):
            self._fill(row["context"], number)
        return [Events("system:sample", rows)]

    def _fill(self, context: Any, number: Number) -> None:
        indexes = self._indexes.setdefault(number.kind, {})
        context["kind"] = number.kind
        context["index"] = indexes.setdefault(number.name, len(indexes))
        context["value"][: len(number.values)] = number.values
        context["name"] = text(number.name, SAMPLE["context"]["name"].itemsize)


