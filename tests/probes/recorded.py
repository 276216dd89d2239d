"""Write recordings whose payloads are made of the shipped schemas: events by name, fields by name, the rest empty."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

from tests.sources.schema_support import Encoder
from tracerd.sources.etl_writer import EtlWriter
from tracerd.sources.schema.catalog import load, shipped
from tracerd.sources.schema.model import Event, Field, Provider

START_NS = 1_700_000_000_000_000_000
START_TICKS = 1_000_000
TICK_NS = 100


def provider(name: str) -> Provider:
    """Return a shipped provider or kernel class."""
    return next(load(path) for path, head in shipped().items() if head.name == name)


class Recording:
    """A recording being written. Times are ticks of 100 ns from its start."""

    def __init__(self, path: Path, *, pointer_size: int = 8, cpus: int = 1) -> None:
        self.path = path
        self._encoder = Encoder(pointer_size)
        self._writer = EtlWriter(
            path, start_ns=START_NS, start_ticks=START_TICKS, pointer_size=pointer_size, cpus=cpus
        )

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._writer.close()

    def event(
        self, tick: int, name: str, event: str, version: int = 0, *, pid: int = 0, tid: int = 0, cut: int | None = None,
        written_as: int | None = None, **values: Any,
    ) -> None:
        """Write an event of a manifest provider. `cut` is how many bytes of its payload are written; `written_as` the
        version that its header says."""
        of, found = self._find(name, event, version)
        self._writer.manifest_event(
            START_TICKS + tick, of.guid, found.number, self._payload(found, values)[:cut],
            version=version if written_as is None else written_as, pid=pid, tid=tid, keyword=1 << 63,
        )

    def kernel(
        self, tick: int, name: str, event: str, version: int, *, pid: int = 0, tid: int = 0, cut: int | None = None,
        by_hook: bool = True, named: bool = True, **values: Any,
    ) -> None:
        """Write an event of a kernel class: by hook, without `named` in a header that names no thread; or by GUID."""
        of, found = self._find(name, event, version)
        payload = self._payload(found, values)[:cut]
        ticks, hook = START_TICKS + tick, (of.group or 0) << 8 | found.number
        if not by_hook:
            self._writer.classic_event(ticks, of.guid, found.number, payload, version=version, pid=pid, tid=tid)
        elif named:
            self._writer.system_event(ticks, hook, payload, version=version, pid=pid, tid=tid)
        else:
            self._writer.perfinfo_event(ticks, hook, payload, version=version)

    def _find(self, name: str, event: str, version: int) -> tuple[Provider, Event]:
        of = provider(name)
        return of, next(
            each for (_, of_version), each in of.events.items() if each.name == event and of_version == version
        )

    def _payload(self, event: Event, values: dict[str, Any]) -> bytes:
        fields = {field.name: empty(field) for field in event.fields}
        assert values.keys() <= fields.keys(), values.keys() - fields.keys()
        return self._encoder.fields(event.fields, {**fields, **values})


def empty(field: Field) -> Any:
    """Return the value of a field that nobody asks for."""
    if field.count is not None:
        return []
    if field.type.startswith(("utf16", "ansi")):
        return ""
    sizes = {"guid": 16, "ipv4": 4, "ipv6": 16, "sid": 8, "wbemsid": 4}
    return bytes(sizes[field.type]) if field.type in sizes else 0
