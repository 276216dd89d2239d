"""What a daemon tells of its live things, in bpftool's words: frozen rows with ids. Sizes in bytes, times in ns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Origin = Literal["config", "runtime"]
"""Who asked for a probe: the configuration file, or somebody through the control API (kept in the state directory)."""


@dataclass(frozen=True, slots=True)
class ProbeInfo:
    """A loaded probe. `failed` says why it is not loaded, if it should be and is not; then it has no objects."""

    name: str
    origin: Origin
    description: str
    programs: tuple[int, ...] = ()
    maps: tuple[int, ...] = ()
    links: tuple[int, ...] = ()
    tables: tuple[str, ...] = ()
    failed: str = ""


@dataclass(frozen=True, slots=True)
class ProgramInfo:
    """A verified program and its counts."""

    id: int
    name: str
    probe: str
    type: str
    tag: str                     # first 16 hex digits of the job's digest: what was proved
    engine: str                  # what runs now
    reason: str                  # why this engine
    maps: tuple[int, ...]
    instructions: int
    verify_seconds: float        # 0 if the proof came from the cache
    terminates: bool             # proved; otherwise its loops count down
    loaded_ns: int               # unix time
    runs: int
    aborted: int
    mean_ns: float               # of one run in 64
    slots: tuple[int, ...] = ()  # of those, by how long they took (`snapshot.ProgramStatistics`)


@dataclass(frozen=True, slots=True)
class MapInfo:
    """A live map, or a pinned one that nobody has loaded: `id` is 0, `probe` the one it was pinned for, if known."""

    id: int
    name: str
    probe: str
    kind: str
    key_bytes: int
    value_bytes: int
    max_entries: int
    entries: int                 # ring buffer: bytes not yet read
    refused: int                 # updates refused because it was full; ring buffer: records without room
    memory_bytes: int
    per_cpu: int                 # value slots; 1 if not per-CPU
    read_only: bool
    pin: str = ""                # its pin's name
    resident_bytes: int = 0      # of memory_bytes, what is in memory now: a map's pages come with its entries
    expired: int = 0             # entries of ended processes that made room for others


@dataclass(frozen=True, slots=True)
class LinkInfo:
    """A program on an event, and this link's counts; `via` says where events come from that the name does not tell.

    `overlaps` are other events of the same program that have events in common with this one: it runs twice for those.
    """

    id: int
    program: int
    name: str                    # the program's
    probe: str
    source: str
    delivered: int
    failed: int
    via: str = ""
    overlaps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """Where events come from: a source that is open, and how it is read. `failure` says why it is not, if it should be.

    `buffers` are the rings between the kernel and us, of `buffer_bytes` each; 0 for a source that has none.
    """

    name: str
    events: tuple[str, ...]
    links: int
    buffers: int = 0
    buffer_bytes: int = 0
    cpu_ns: int = 0              # of its pump
    failure: str = ""


@dataclass(frozen=True, slots=True)
class PinInfo:
    """A map that is a file. `map` is its id while a probe has it loaded, else 0."""

    name: str
    map: int
    probe: str
    map_name: str
    kind: str
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Changes:
    """What a reload did: names of probes."""

    loaded: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    unloaded: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
