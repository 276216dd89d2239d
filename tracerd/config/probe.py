"""probe.toml: one object, its attach points, the tables it shows and what it exports."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from tracerd.config.sentences import NAME_PATTERN
from tracerd.config.signals import LogSection, MetricSection, SpanSection
from tracerd.config.strict import StrictTable, parse_toml, read_text, validate
from tracerd.signals import NO_SIGNALS, Signals
from tracerd.views.spec import ColumnSpec, ViewSpec

Engine = Literal["auto", "jit", "interpreter", "native"]
Name = Annotated[str, Field(pattern=NAME_PATTERN, max_length=64)]

MOST_ATTACH, MOST_VIEWS, MOST_COLUMNS, MOST_SIGNALS = 4096, 64, 256, 256
"""Every view is made each time somebody looks; a file of a few KiB must not keep a daemon busy for seconds."""


class ProbeSection(StrictTable):
    """[probe]"""

    name: Name
    object: str
    engine: Engine = "auto"
    platform: Literal["linux", "windows"] | None = None
    description: str = ""


class AttachSection(StrictTable):
    """[[attach]]: which program runs on which event."""

    program: str
    source: str


class ColumnSection(StrictTable):
    """An entry of a view's `columns`."""

    name: Name
    source: str = Field(alias="from")
    decode: str | None = None
    percentile: float | None = Field(default=None, ge=0, le=100)
    sum: str | None = None
    merge: Literal["auto", "sum", "first", "max", "min"] = "auto"
    unit: Literal["", "count", "ns", "unix_ns", "boot_ns", "bytes", "permille"] = ""
    rate: bool = False


class ViewSection(StrictTable):
    """[[view]]: a table over a map."""

    name: Name
    map: str
    columns: tuple[ColumnSection, ...] = Field(default=(), max_length=MOST_COLUMNS)
    sort: str = ""
    rows: int = Field(default=0, ge=0)

    def spec(self) -> ViewSpec:
        """Return what `tracerd.views` works with."""
        return ViewSpec(self.name, self.map, tuple(ColumnSpec(**dict(c)) for c in self.columns), self.sort, self.rows)


class MapSection(StrictTable):
    """[[map]]: what a daemon does with a map when it fills up; without this section, nothing."""

    name: str
    expire: Literal["process-exit"]
    pid: str                     # which field of the key is the process: "key.pid"


class ProbeFile(StrictTable):
    """A whole probe.toml."""

    probe: ProbeSection
    attach: tuple[AttachSection, ...] = Field(default=(), max_length=MOST_ATTACH)
    view: tuple[ViewSection, ...] = Field(default=(), max_length=MOST_VIEWS)
    map: tuple[MapSection, ...] = Field(default=(), max_length=MOST_VIEWS)
    metric: tuple[MetricSection, ...] = Field(default=(), max_length=MOST_SIGNALS)
    log: tuple[LogSection, ...] = Field(default=(), max_length=MOST_SIGNALS)
    span: tuple[SpanSection, ...] = Field(default=(), max_length=MOST_SIGNALS)

    def signals(self) -> Signals:
        """Return what is exported."""
        return Signals(
            tuple(each.spec() for each in self.metric),
            tuple(each.spec() for each in self.log),
            tuple(each.spec() for each in self.span),
        )


@dataclass(frozen=True, slots=True)
class Probe:
    """What to load and where it goes: an object, its engine, its attach points, its tables and what it exports."""

    name: str
    object: Path
    engine: Engine
    attach: tuple[tuple[str, str], ...]      # (program, source)
    views: tuple[ViewSpec, ...]
    description: str = ""
    expire: tuple[tuple[str, str], ...] = ()     # (map, field of its key that is a process id)
    signals: Signals = NO_SIGNALS
    platform: str = ""                           # whose conventions the object follows; "": as the object shows


def read_probe(path: Path) -> Probe:
    """Read and validate a probe.toml. The object's name is relative to the file.

    Raises:
        ConfigError: the file cannot be read, is not TOML, or says something unknown or impossible.
    """
    return parse_probe(read_text(path), path.parent, str(path))


def parse_probe(text: str, folder: Path, where: str) -> Probe:
    """Validate the text of a probe.toml whose object lies in `folder`; `where` is what errors call it.

    Raises:
        ConfigError: it is not TOML, or says something unknown or impossible.
    """
    file = validate(ProbeFile, parse_toml(text, where), where)
    return Probe(
        name=file.probe.name,
        object=folder / file.probe.object,
        engine=file.probe.engine,
        attach=tuple((attach.program, attach.source) for attach in file.attach),
        views=tuple(view.spec() for view in file.view),
        description=file.probe.description,
        expire=tuple((each.name, each.pid) for each in file.map),
        signals=file.signals(),
        platform=file.probe.platform or "",
    )
