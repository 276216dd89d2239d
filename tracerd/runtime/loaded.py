"""One probe of a daemon: what was loaded, the ids of its parts, its links, and who is looking at it."""

from __future__ import annotations

import hashlib
import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tracerd.config import Probe
from tracerd.elf.load import read_object
from tracerd.errors import NotFound
from tracerd.runtime.load import LoadedProbe
from tracerd.runtime.objects import Origin
from tracerd.sources.base import LinkRequest


class Ids:
    """Numbers for the objects of one daemon, each given once."""

    def __init__(self) -> None:
        self.program = itertools.count(1)
        self.map = itertools.count(1)
        self.link = itertools.count(1)


@dataclass(frozen=True, slots=True)
class HostLink:
    """A program on an event."""

    id: int
    program: str
    source: str


def fingerprint(probe: Probe) -> str:
    """Return what tells whether a probe is still the same: all it says, and its object's bytes.

    Raises:
        ObjectError: the object cannot be read.
    """
    return hashlib.sha256(repr(probe).encode() + read_object(probe.object)).hexdigest()


@dataclass
class Loaded:
    """A loaded probe under its ids. It is not freed while somebody uses it."""

    origin: Origin
    fingerprint: str
    live: LoadedProbe
    ids: Ids
    links: tuple[HostLink, ...] = ()
    loaded_ns: int = field(default_factory=time.time_ns)

    def __post_init__(self) -> None:
        self.programs = {name: next(self.ids.program) for name in self.live.programs}
        self.maps = {name: next(self.ids.map) for name in self.live.maps}
        self._idle = threading.Condition()
        self._users = 0
        self._closed = False

    @property
    def name(self) -> str:
        return self.live.probe.name

    def new_links(self, wanted: tuple[tuple[str, str], ...]) -> tuple[HostLink, ...]:
        """Return links for (program, source) pairs; those there are keep their ids."""
        have = {(link.program, link.source): link for link in self.links}
        return tuple(have.get(pair) or HostLink(next(self.ids.link), *pair) for pair in wanted)

    def request(self, link: HostLink) -> LinkRequest:
        """Return what a source needs for a link.

        Raises:
            ConfigError: the event is not for programs of that type.
            NotFound: the probe has no such program.
        """
        if link.program not in self.live.programs:
            raise NotFound(f"program {link.program!r} in probe {self.name!r}", tuple(self.live.programs))
        return self.live.programs[link.program].link(link.source)

    @contextmanager
    def used(self) -> Iterator[LoadedProbe]:
        """While inside, maps and programs are there.

        Raises:
            NotFound: the probe was unloaded.
        """
        with self._idle:
            if self._closed:
                raise NotFound(f"probe {self.name!r}: it was unloaded")
            self._users += 1
        try:
            yield self.live
        finally:
            with self._idle:
                self._users -= 1
                self._idle.notify_all()

    def close(self) -> None:
        """Free it once nobody uses it. No source may run its programs any more. May be called twice."""
        with self._idle:
            if self._closed:
                return
            self._closed = True
            self._idle.wait_for(lambda: not self._users)
        self.live.close()
