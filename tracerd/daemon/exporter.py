"""What the daemon asks of an exporter, and what it tells of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

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


@dataclass(frozen=True, slots=True)
class ExporterInfo:
    """How one exporter does. A moment that was due is one of exports, failures and skipped."""

    name: str
    interval: float              # seconds; 0: it is asked by others
    exports: int = 0
    failures: int = 0
    skipped: int = 0             # due while another export was under way, or in the pause after a failure
    failing: int = 0             # failures since the last success
    last_error: str = ""         # of the last failure; stays when it works again
    last_ns: int = 0             # unix time of the last success; 0: none yet
    last_seconds: float = 0.0    # how long that took
    busy_seconds: float = 0.0    # how long the export under way takes so far
    abandoned: bool = False      # did not end in time when the daemon stopped
    problem: str = ""            # what fails now behind its back (`Telling`)
    records: int = 0             # ring buffers' records that it was given
    records_lost: int = 0        # that found no room to wait for it
    records_failed: int = 0      # that it failed to take
    counts: Mapping[str, int] = field(default_factory=dict)     # its own
