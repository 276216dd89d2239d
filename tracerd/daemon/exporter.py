"""What the daemon asks of an exporter, and what it tells of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

from tracerd.daemon.exporter_info import ExporterInfo as ExporterInfo  # with what it is told of
from tracerd.snapshot import Moment, RecordBatch


class Exporter(Protocol):
    """What an entry point of the group `tracerd.exporters` makes. Called from one thread at a time."""

    interval: float                                  # seconds; infinite for one that asks by itself (`Serving`)

    def export(self, moment: Moment) -> None:
        """Hand over a moment, or raise ExportError with nothing half written: it is tried again."""

    def close(self) -> None:
        """Release what `export` opened."""


@runtime_checkable
class Preparing(Protocol):
    """What an exporter may have besides."""

    def ready(self) -> None:
        """Raise ExportError if an export would fail now. Asked before a moment is taken, which costs time."""


@runtime_checkable
class Prompt(Protocol):
    """An exporter that may want its first moment at once: what it tells is what came after it."""

    at_once: bool


@runtime_checkable
class Recording(Protocol):
    """An exporter that takes ring buffers' records too."""

    def records(self, batch: RecordBatch) -> None:
        """Take records, soon after they came; they are not handed over again."""


@runtime_checkable
class Serving(Protocol):
    """An exporter that others ask, and that then asks for a moment itself."""

    def serve(self, moment: Callable[[], Moment]) -> None:
        """Begin to answer, and return; or raise ExportError: it is tried again."""


@runtime_checkable
class Telling(Protocol):
    """An exporter that counts, and knows what fails behind its back. Both from any thread, and without waiting."""

    def statistics(self) -> Mapping[str, int]:
        """Return totals by name, and what waits."""

    def problem(self) -> str:
        """Return what fails now in one sentence, "" if nothing does."""


@runtime_checkable
class Placed(Protocol):
    """An exporter that says where what it tells goes. From any thread, and without waiting."""

    @property
    def where(self) -> str:
        """The place in a few words, without secrets."""


class Feed(Protocol):
    """Ring buffers' records on their way to one exporter."""

    @property
    def lost(self) -> int:
        """Records that found no room to wait."""

    def take(self) -> list[RecordBatch]:
        """Return what waits."""

    def close(self) -> None:
        """It is wanted no more."""


class Feeds(Protocol):
    """Where feeds come from."""

    def open(self) -> Feed:
        """Return a feed of all records from now on."""
