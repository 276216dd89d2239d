"""The maps of a daemon's probes: most are memory of their own, pinned ones are files, and may be shared.

A map is pinned because its object says so (`__uint(pinning, LIBBPF_PIN_BY_NAME)`), or because somebody asked for it at
run time; then the probe's next load finds it again. Probes that pin by the same name have the same map, as with libbpf.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from tracerd.elf.spec import MapSpec, ObjectSpec
from tracerd.errors import Conflict, NotFound, RunError, TracerdError
from tracerd.platforms.model import MapKind
from tracerd.runtime.pins import Pins, pin_file_name
from tracerd.vm.map_blocks import block_bytes, shape_of
from tracerd.vm.maps import Map


@dataclass
class _Open:
    """A map that is pinned, or was, and that somebody uses. `spec` is what all of them say it is."""

    name: str                    # "": it was unpinned
    map: Map
    spec: MapSpec
    users: int = 1
    unsettled: bool = False      # its file was made by the change that is under way, and goes if that is undone


class PinnedMaps:
    """Makes and frees the maps of all probes; see `load.Maps`. Thread-safe.

    What is made belongs to a change that is under way until `settle`: all of it together is bounded, before memory or
    disk is taken, and a pin whose map is released before that was never made.
    """

    def __init__(self, pins: Pins, pin_of: Callable[[str, str], str], most_bytes: int) -> None:
        """`pin_of` gives the pin that was asked for at run time for a map of a probe, or ""; `most_bytes` is what one
        change may make.
        """
        self.pins = pins
        self._pin_of = pin_of
        self._most_bytes = most_bytes
        self._open: list[_Open] = []
        self._unsettled: dict[int, int] = {}         # id of a map -> its bytes
        self._lock = threading.Lock()

    def make(self, probe: str, spec: MapSpec, obj: ObjectSpec, kind: MapKind, cpus: int) -> Map:
        """Return a map for a probe: memory, or the file of its pin.

        Raises:
            Conflict: it is pinned under a name where another probe has a map of another shape.
            RunError, NotPermitted: the file cannot be used, or the memory not be had, or there would be too much of it.
        """
        name = self._pin_of(probe, spec.name) or (spec.name if spec.pinned else "")
        with self._lock:
            shared = self._shared(name, spec) if name else None
            if shared is not None:
                return shared
            size = self._affordable(spec, kind, cpus)
            made = self._opened(name, spec, obj, kind, cpus) if name else Map(spec, kind, cpus)
            self._unsettled[id(made)] = size
            return made

    def settle(self) -> None:
        """A change has come to its end: what it made stays."""
        with self._lock:
            self._unsettled.clear()
            for each in self._open:
                each.unsettled = False

    def release(self, made: Map) -> None:
        """A probe needs a map no more; it is closed with its last user."""
        with self._lock:
            found = next((each for each in self._open if each.map is made), None)
            if found is not None:
                found.users -= 1
                if found.users:
                    return
                self._open.remove(found)
            self._unsettled.pop(id(made), None)
        made.close()
        if found is not None and found.unsettled and found.name:
            with suppress(TracerdError):         # the pin stays, then, and is listed
                self.pins.remove(found.name)

    def pin_of(self, made: Map) -> str:
        """Return the pin a map lives in, or ""."""
        with self._lock:
            return next((each.name for each in self._open if each.map is made), "")

    def prepare(self, name: str, made: Map, spec: MapSpec, obj: ObjectSpec) -> None:
        """Make the file for a map that is to be pinned; `commit` then moves the map into it while no program runs.

        Raises:
            ConfigError: it cannot be a pin's name.
            Conflict: the name is taken, or the map is pinned already.
            RunError, NotPermitted: there is no room, or the system refuses; nothing has changed.
        """
        path = self.pins.path(pin_file_name(name))
        self.pins.renew()
        if self.pins.exists(name):
            raise Conflict(f"pin {name!r}", "is taken; unpin it first, or take another name")
        pinned = self.pin_of(made)
        if pinned:
            raise Conflict(f"map {made.name!r}", f"is pinned already, as {pinned!r}")
        self.pins.describe(name, spec, obj.btf, made.since_ns)
        try:
            made.prepare_pin(path)
        except BaseException:
            self._forget(name)
            raise

    def commit(self, name: str, made: Map, spec: MapSpec) -> None:
        """Move a prepared map into its file. No program may run meanwhile."""
        try:
            made.commit_pin()
        except BaseException:
            self.abandon(name, made)
            raise
        with self._lock:
            found = next((each for each in self._open if each.map is made), None)
            if found is not None:
                found.name = name        # unpinned before: all who use it are counted there, and must be only there
            else:
                self._open.append(_Open(name, made, spec))

    def abandon(self, name: str, made: Map) -> None:
        """Leave a prepared map as it was, instead of `commit`."""
        made.abort_pin()
        self._forget(name)

    def unpin(self, name: str) -> None:
        """Remove a pin; whoever uses the map keeps it in memory.

        Raises:
            NotFound: there is no such pin.
            RunError, NotPermitted: the system refuses; it is pinned still.
        """
        with self._lock:
            if not self.pins.exists(name):
                raise NotFound(f"pin {name!r}", tuple(self.pins.list()))
            used = self._used(name)
            if used is not None:
                used.map.unpin()
                used.name = ""
            self.pins.remove(name)

    def sync(self) -> None:
        """Write all pinned maps to the disk: what a loss of power leaves of them.

        Raises:
            RunError: the disk fails.
        """
        with self._lock:
            pinned = [each for each in self._open if each.name]
            for each in pinned:
                each.users += 1              # nobody closes it meanwhile; writing may take long
        try:
            for each in pinned:
                each.map.sync()
        finally:
            for each in pinned:
                self.release(each.map)

    def _shared(self, name: str, spec: MapSpec) -> Map | None:
        found = self._used(name)
        if found is None:
            return None
        if _shape(found.spec) != _shape(spec):
            other = f"is used by a map {found.spec.name!r} of another shape; unpin one of them"
            raise Conflict(f"pin {name!r}", other)
        found.users += 1
        return found.map

    def _opened(self, name: str, spec: MapSpec, obj: ObjectSpec, kind: MapKind, cpus: int) -> Map:
        self.pins.renew()
        there = self.pins.exists(name)
        if not there:
            self.pins.describe(name, spec, obj.btf, time.time_ns())
        try:
            made = Map.in_file(spec, kind, cpus, self.pins.path(name))
            made.since_ns = self.pins.since(name)
        except BaseException:
            if not there:
                self._forget(name)
            raise
        self._open.append(_Open(name, made, spec, unsettled=not there))
        return made

    def _affordable(self, spec: MapSpec, kind: MapKind, cpus: int) -> int:
        """Return the bytes of a map that is to be made."""
        size = block_bytes(spec.name, shape_of(spec, kind, cpus))
        taken = sum(self._unsettled.values()) + size
        if taken > self._most_bytes:
            raise too_large(taken, self._most_bytes)
        return size

    def _used(self, name: str) -> _Open | None:
        return next((each for each in self._open if each.name == name), None)

    def _forget(self, name: str) -> None:
        """Remove the description of a pin that did not come to be, and never a map that somebody else put there."""
        with suppress(TracerdError):         # it is removed as a leftover when the folder is opened next
            self.pins.undescribe(name)


def too_large(taken: int, most: int) -> RunError:
    """Return the error that maps of so many bytes are over their limit."""
    mib = f"{taken / 2**20:.0f} MiB, more than the limit of {most / 2**20:.0f} MiB"
    return RunError("maps", f"all together would take {mib}; raise limits.map_memory_mb, or lower max_entries")


def _shape(spec: MapSpec) -> tuple[object, ...]:
    return spec.type, spec.key_size, spec.value_size, spec.max_entries, spec.flags, spec.read_only, spec.contents
