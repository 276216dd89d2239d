"""What a Python script works with: open an object, attach its programs, start a session, read its maps.

The words are libbpf's. Nothing happens before `Session.start`: it proves, compiles and lets the events in, so attaching
is a declaration until then. Maps are there from the start until the session is closed.

    with tracerd.Session() as session:
        obj = tracerd.Object.open("opens.bpf.o")
        session.load(obj)
        obj.programs["on_open"].attach("syscall:openat:enter")
        session.start()
        …
        for key, value in obj.maps["opens"].items(): …
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from tracerd.config import Probe, unknown_name
from tracerd.elf.load import load
from tracerd.elf.spec import MapSpec, ObjectSpec, ProgramSpec
from tracerd.errors import ConfigError, RunError
from tracerd.platforms.model import MapKind
from tracerd.runtime import session as plain
from tracerd.runtime.load import LoadedProbe, platform_of
from tracerd.runtime.locate import locate, source_of
from tracerd.runtime.rings import RingReader
from tracerd.snapshot import MapSnapshot
from tracerd.sources.names import parse_attach
from tracerd.views.values import Codec, merge, named_type
from tracerd.vm.maps import Map, MapStatistics

POLL_SECONDS = 0.1
"""How soon an iteration over records notices that its session has ended."""


class Session(plain.Session):
    """A session that takes `Object`s; otherwise `tracerd.runtime.Session`."""

    def __init__(self, settings: plain.Settings | None = None) -> None:
        super().__init__(settings)
        self._objects: list[Object] = []

    def load(self, obj: Object) -> None:
        """Take an object into the session; `start` proves, prepares and attaches it.

        Raises:
            ConfigError: an object of that name is there already.
            RunError: the object belongs to a session.
        """
        if any(each.name == obj.name for each in self._objects):
            raise ConfigError(obj.name, "is named twice")
        obj.state.claim(self)
        self._objects.append(obj)

    def close(self) -> None:
        """Detach and release everything; maps are gone. May be called twice."""
        super().close()
        for obj in self._objects:
            obj.state.release()
        self._objects.clear()

    def _start(self) -> None:
        for obj in self._objects:
            self.add(obj.as_probe())
            obj.state.begin()
        super()._start()

    def _before_events(self) -> None:
        for obj in self._objects:
            obj.state.bind(self.probes[obj.name])


class Object:
    """An object file: its programs and maps by name (libbpf's `bpf_object`)."""

    def __init__(self, probe: Probe, spec: ObjectSpec) -> None:
        """Use `Object.open`."""
        self.name = probe.name
        self.spec = spec
        self.state = _State(probe.name)
        self._probe = probe
        self._links = [Link(self.state, program, source) for program, source in probe.attach]
        kinds = platform_of(probe, spec).maps
        self.programs: Mapping[str, ObjectProgram] = MappingProxyType(
            {each.name: ObjectProgram(self, each) for each in spec.programs}
        )
        self.maps: Mapping[str, ObjectMap] = MappingProxyType(
            {each.name: ObjectMap(self.state, each, spec, kinds[each.type]) for each in spec.maps}
        )

    @classmethod
    def open(cls, path: str | os.PathLike[str], name: str | None = None) -> Object:
        """Read an object, without making anything of it yet.

        Of a .bpf.o no program is attached; a probe.toml, a folder with one or a shipped probe's name come attached as
        their [[attach]] says. `name` stands for the object in the session; by default its file's.

        Raises:
            ObjectError, ConfigError: it cannot be used.
        """
        where = Path(path)
        bare = Probe(where.name.removesuffix(".bpf.o").removesuffix(".o"), where, "auto", (), ())
        probe = bare if where.suffix == ".o" else locate(str(path))
        return cls(replace(probe, name=name or probe.name), load(probe.object))

    @property
    def links(self) -> tuple[Link, ...]:
        """All attachments, in the order in which they were made."""
        return tuple(link for link in self._links if link.attached)

    def attach(self, program: str, source: str) -> Link:
        """Attach a program by name; `programs[…].attach` for short."""
        self.state.check_open("attached")
        parse_attach(source)
        link = Link(self.state, program, source)
        self._links.append(link)
        return link

    def as_probe(self) -> Probe:
        """Return what a session loads: the object with the links that are made now.

        Raises:
            RunError: there are none.
        """
        probe, links = self._probe, tuple((link.program, link.source) for link in self.links)
        if not links:
            raise RunError(f"object {self.name!r}", "has no attached program: programs[…].attach(…) comes first")
        return replace(probe, attach=links)


class ObjectProgram:
    """One program of an object (libbpf's `bpf_program`)."""

    def __init__(self, obj: Object, spec: ProgramSpec) -> None:
        self.name = spec.name
        self.section = spec.section
        self.spec = spec
        self._object = obj

    def attach(self, source: str | None = None) -> Link:
        """Run it on every event of that name from the session's start; without a name, where its section says.

        Raises:
            ConfigError, NotSupported: that is no attach name of this version, or the section says none.
            RunError: the object's session has started.
        """
        return self._object.attach(self.name, source or source_of(self._object.spec.path, self.name, self.section))


class Link:
    """An attachment (libbpf's `bpf_link`): a program and the name of its event."""

    def __init__(self, state: _State, program: str, source: str) -> None:
        self.program = program
        self.source = source
        self.attached = True
        self._state = state

    def detach(self) -> None:
        """Take the attachment back before the session's start.

        Raises:
            RunError: the session has started; stopping it detaches everything.
        """
        self._state.check_open("detached")
        self.attached = False

    def __repr__(self) -> str:
        return f"<Link {self.program} -> {self.source}{'' if self.attached else ', detached'}>"


class ObjectMap:
    """One map of an object (libbpf's `bpf_map`), readable while programs write it.

    Keys and values are what BTF says: int, float, bool, str for `char[n]`, lists, dictionaries for structs; bytes
    without BTF. The values of a per-CPU map are merged into one: numbers added, the first text that is not empty.
    """

    def __init__(self, state: _State, spec: MapSpec, obj: ObjectSpec, kind: MapKind) -> None:
        self.name = spec.name
        self.spec = spec
        self.kind: MapKind = kind
        self._state = state
        self._object = obj
        indexed = spec.key_type is None and self.kind.array
        self._key = Codec.index() if indexed else Codec(obj.btf, spec.key_type, spec.key_size)
        self._value = Codec(obj.btf, spec.value_type, spec.value_size)

    def items(self) -> Iterator[tuple[object, object]]:
        """Copy the map now, then yield each key with its value."""
        copied = self.snapshot()
        for key, values in zip(copied.keys, copied.values, strict=True):
            yield self._key.decode(key.tobytes()), merge(self._value.decode(each.tobytes()) for each in values)

    def lookup(self, key: object) -> object:
        """Return the value of a key, None if the map does not have it.

        Raises:
            RunError: the key does not have the key's type, or the map is a ring buffer.
        """
        self._check_keyed()
        live = self._live()
        found = live.lookup(self._key.encode(key, f"key of map {self.name!r}"))
        if found is None:
            return None
        size, step = self.spec.value_size, live.layout.cpu_stride
        starts = range(0, live.cpus * step, step) if self.kind.per_cpu else (0,)
        return merge(self._value.decode(found[start : start + size]) for start in starts)

    def update(self, key: object, value: object, flags: int = 0) -> None:
        """Set a value; of global variables (map ".bss" or ".data", key 0) those that are given.

        Members of a struct that are left out are zero. `flags`: 1 only new keys, 2 only existing ones. Before the
        session's start it is remembered, and done before the first event.

        Raises:
            RunError: a type does not fit, the map is full, `flags` forbid it, or the map is not for writing.
        """
        self._check_keyed()
        if self.kind.per_cpu or self.spec.read_only:
            raise RunError(f"map {self.name!r}", "is constant" if self.spec.read_only else "has a value for each CPU")
        encoded_key = self._key.encode(key, f"key of map {self.name!r}")
        live = self._live() if self._state.live else None
        before = live.lookup(encoded_key) if live and self._value.variables else self.spec.contents
        encoded = self._value.encode(value, f"value of map {self.name!r}", before)
        if live:
            live.update(encoded_key, encoded, flags)
        else:
            self._state.before_events.append(lambda: self.update(key, value, flags))

    def delete(self, key: object) -> bool:
        """Remove a key; False if it was not there.

        Raises:
            RunError: the key does not have the key's type, or this kind of map does not delete.
        """
        self._check_keyed()
        return self._live().delete(self._key.encode(key, f"key of map {self.name!r}"))

    def snapshot(self) -> MapSnapshot:
        """Return a frozen copy, as numpy arrays of bytes: for many rows, faster than `items`."""
        self._check_keyed()
        return self._live().snapshot()

    @property
    def statistics(self) -> MapStatistics:
        """Rows, room, memory, and the updates (of a ring: records) that were refused for want of room."""
        return self._live().statistics

    def records(self, timeout: float | None = None, type: str | None = None) -> Iterator[object]:  # noqa: A002
        """Yield the records of a ring buffer as they come, as bytes or as the BTF type of that name (a struct's).

        Ends when no record has come for `timeout` seconds, and when the session has stopped or its recording has been
        read, with the last record. Records wait here for a slow reader, up to 16 MiB; then the ring fills, and what
        finds no room in it is in `statistics.refused`.

        Raises:
            RunError: this map is not a ring buffer, or a record is shorter than the type.
            ConfigError: the object's BTF has no type of that name.
        """
        reader, codec = self._ring(), self._record_codec(type)
        return (self._record(codec, each) for each in self._raw_records(reader, timeout))

    def _raw_records(self, reader: RingReader, timeout: float | None) -> Iterator[bytes]:
        quiet_since = time.monotonic()
        while True:
            over = self._state.over()
            reader.empty()
            left = POLL_SECONDS if timeout is None else max(quiet_since + timeout - time.monotonic(), 0)
            waiting = reader.take(0 if over else min(left, POLL_SECONDS))
            yield from waiting
            if waiting:
                quiet_since = time.monotonic()
            elif over or (timeout is not None and time.monotonic() >= quiet_since + timeout):
                return

    def _record(self, codec: Codec | None, record: bytes) -> object:
        if codec is None:
            return record
        if len(record) < codec.size:
            raise RunError(f"ring {self.name!r}", f"a record has {len(record)} bytes, its type {codec.size}")
        return codec.decode(record)

    def _record_codec(self, name: str | None) -> Codec | None:
        if name is None:
            return None
        btf = self._object.btf
        found = named_type(btf, name.removeprefix("struct "))
        if btf is None or found is None:
            raise ConfigError(
                self._object.path, f"BTF has no type {name!r}; a RECORD_TYPE({name}) in the source puts it there"
            )
        return Codec.of(btf, found)

    def _ring(self) -> RingReader:
        if self.kind is not MapKind.RINGBUF:
            raise RunError(f"map {self.name!r}", "is no ring buffer: it has items(), no records")
        return next(ring for ring in self._state.loaded().rings if ring.name == self.name)

    def _check_keyed(self) -> None:
        if not self.kind.keyed:
            raise RunError(f"map {self.name!r}", "is a ring buffer: it has records(), no items")

    def _live(self) -> Map:
        maps = self._state.loaded().maps
        if self.name not in maps:
            raise RunError(f"map {self.name!r}", unknown_name("map", self.name, list(maps)))
        return maps[self.name]


class _State:
    """What an object and its parts share: in which session they are, and what that has made of them."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._session: Session | None = None
        self._begun = False
        self._loaded: LoadedProbe | None = None
        self.before_events: list[Callable[[], None]] = []

    @property
    def live(self) -> bool:
        return self._loaded is not None

    def claim(self, session: Session) -> None:
        if self._session is not None:
            raise RunError(f"object {self._name!r}", "is in a session already")
        self._session = session

    def begin(self) -> None:
        """From now on what is attached stays as it is."""
        self._begun = True

    def bind(self, loaded: LoadedProbe) -> None:
        """Take what was loaded: from the first record on its rings are followed, and maps begin as the script says."""
        self._loaded = loaded
        for ring in loaded.rings:
            ring.follow()
        for change in self.before_events:
            change()

    def release(self) -> None:
        self._session = self._loaded = None
        self._begun = False

    def check_open(self, what: str) -> None:
        if self._begun:
            raise RunError(f"object {self._name!r}", f"runs in a session; it is {what} before the start")

    def loaded(self) -> LoadedProbe:
        if self._loaded is None:
            raise RunError(f"object {self._name!r}", "has live maps only between a session's start and its close")
        return self._loaded

    def over(self) -> bool:
        return self._session is None or self._session.ended
