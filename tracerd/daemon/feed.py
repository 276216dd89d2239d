"""What somebody who watches a daemon needs of it: the same whether it is another process or this one.

`client.Client` is the one, `local.LocalFeed` the other. What both give is frozen. One feed belongs to one thread; an
iterator that it gave may be used in another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from tracerd.daemon.exporter_info import ExporterInfo
from tracerd.runtime.objects import (
    LinkInfo,
    MapInfo,
    PinInfo,
    ProbeInfo,
    ProgramInfo,
    SourceInfo,
)

if TYPE_CHECKING:
    from tracerd.runtime.upload import Upload
    from tracerd.snapshot import Column, Moment

__all__ = [
    "ExporterInfo", "Feed", "LinkInfo", "ListingLine", "Look", "MapInfo", "PinInfo", "Printed", "ProbeInfo",
    "ProgramInfo", "Record", "SourceInfo", "Verification", "shipped_names", "upload_of",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a ring buffer; `lost` is how many this reader has missed so far."""

    value: object
    lost: int


@dataclass(frozen=True, slots=True)
class Printed:
    """One line of bpf_trace_printk; `lost` is how many this reader has missed so far."""

    line: str
    lost: int


@dataclass(frozen=True, slots=True)
class Look:
    """What a daemon says of itself at one moment. `role` is what this reader may: read, or change things too.

    `config` is the file that it reads when it starts, whether that is there or not, `state_dir` where it writes down
    what holds over restarts; "" for a session in this process.
    """

    version: str
    pid: int
    host: str
    role: Literal["read", "admin"]
    ready: bool
    reasons: tuple[str, ...]                     # why it is not ready
    notes: tuple[str, ...]
    probes: tuple[ProbeInfo, ...]
    programs: tuple[ProgramInfo, ...]
    maps: tuple[MapInfo, ...]
    links: tuple[LinkInfo, ...]
    sources: tuple[SourceInfo, ...]
    exporters: tuple[ExporterInfo, ...]
    config: str = ""
    state_dir: str = ""


@dataclass(frozen=True, slots=True)
class ListingLine:
    """One instruction as text. `source` is the line that begins with it, as "file:line: text", where that is known."""

    instruction: int
    text: str
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Verification:
    """One program of an object, and whether it was proved safe. Sizes in MB, times in seconds.

    A rejection names the instruction, what it takes (`need`) and what there is (`have`), of which register, and the
    source line; `slice` are the instructions that made what there is, in program order. `states` has what was known
    before an instruction, once for each time it was looked at.
    """

    program: str
    section: str
    type: str
    verdict: Literal["accept", "reject", "error"]
    reason: str = ""
    instruction: int | None = None
    register: str = ""
    need: str = ""
    have: str = ""
    source: str = ""                             # "file:line: text"
    instructions: int = 0                        # slots reached, of an accepted program; else its slots
    most_states: int = 0                         # held at one point
    seconds: float = 0.0
    peak_mb: float = 0.0
    terminates: bool = False
    fuel_edges: tuple[int, ...] = ()
    slice: tuple[int, ...] = ()
    lines: tuple[ListingLine, ...] = ()
    states: Mapping[int, tuple[str, ...]] | None = None
    cut: bool = False                            # states or lines had no room


class Feed(Protocol):
    """A daemon to watch. What fails is a TracerdError: RunError where no daemon answers any more."""

    @property
    def name(self) -> str:
        """Where it is, for people."""

    def look(self) -> Look:
        """Return what it says of itself."""

    def moments(self, interval: float = 1.0) -> Iterator[Moment]:
        """Yield what it has collected, every so many seconds. Maps are empty (`columns` has them)."""

    def columns(self, map_id: int) -> Mapping[str, Column]:
        """Return all elements of a map by BTF path; a per-CPU map's values have shape (rows, slots, …)."""

    def disasm(self, program: int, *, source: bool = False) -> dict[str, Any]:
        """Return a program as text: {"program", "section", "instructions", "lines": [{"instruction", "text", …}]}."""

    def records(self, map_id: int) -> Iterator[Record]:
        """Yield a ring buffer's records from now on."""

    def printed(self) -> Iterator[Printed]:
        """Yield what programs print: the last lines that are kept, then what comes."""

    def verify(self, upload: Upload) -> list[Verification]:
        """Have an object's programs proved, and nothing loaded. Administrators only."""

    def attach(self, program: int, source: str) -> LinkInfo:
        """Attach a program to an event. Administrators only."""

    def detach(self, link: int) -> None:
        """Detach a link. Administrators only."""

    def close(self) -> None:
        """Ask nothing any more."""


def upload_of(what: str) -> Upload:
    """Return what `Feed.verify` takes: a shipped probe by its name, a probe.toml with its object, or a bare object.

    Raises:
        ConfigError: the probe.toml is wrong, or cannot be read.
        ObjectError: the object cannot be read, or is none.
    """
    from tracerd.daemon.uploading import upload_of as read  # a client that sends nothing need not import any of it

    return read(what)


def shipped_names() -> list[str]:
    """Return the names of the probes that come with tracerd."""
    from tracerd.runtime.locate import shipped_probes

    return sorted(shipped_probes())
