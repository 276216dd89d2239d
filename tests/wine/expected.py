"""What Python makes of a job with the core that it was built with: the lines that the driver must write."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from tests.sources.etl_support import drain
from tests.sources.etw_records import replayed
from tests.sources.etw_shim import FakeWindows
from tests.vm.machine import run
from tests.wine.scenes import ALL, FUEL, Scene
from tracerd.errors import RunError
from tracerd.native import ffi, lib
from tracerd.platforms.linux import LINUX
from tracerd.platforms.model import MapKind
from tracerd.snapshot import Ledger
from tracerd.sources.base import LEDGER_COUNTS, LinkRequest
from tracerd.sources.etl import EtlSource
from tracerd.sources.etl_names import EtwMatch, parse_name
from tracerd.sources.etw.source import EtwOptions, EtwSource
from tracerd.sources.etw_decoder import EtwDecoder
from tracerd.sources.etw_schemas import EtwSchemas
from tracerd.sources.names import parse_attach
from tracerd.sources.schema.catalog import shipped
from tracerd.sources.schema.etw_names import KERNEL_GROUPS
from tracerd.sources.schema.model import Provider
from tracerd.vm.engine import Circumstances, prepare
from tracerd.vm.interpreter import Interpreter
from tracerd.vm.maps import Map
from tracerd.vm.policy import EngineChoice

_ROWS = 73728
_INTERPRETER = EngineChoice("interpreter", "a test", (), False)


def groups() -> dict[int, UUID]:
    """Return the class of every kernel group, as sources/etw_matcher.py tells it to the core."""
    described = {head.group: head.guid for head in shipped().values() if head.group is not None}
    return {**described, **{group.group: UUID(group.guid) for group in KERNEL_GROUPS}}


def matches(scene: Scene) -> dict[str, EtwMatch]:
    """Return a scene's names of ETW events, in order."""
    return {name: parse_name(name) for _, name in scene.links if not parse_attach(name).kind.timed}


def walk(recording: Path, scene: Scene) -> Iterator[bytes]:
    """Walk a recording as `tracerd replay` does, on the interpreter."""
    yield from _facts(recording)
    with _prepared(scene) as ready, closing(EtlSource(recording)) as source:
        source.open(ready.links)
        yield b"passed %d" % drain(source)
        source.stop()
        yield from ready.results()
        yield from _ledgers(source.statistics(), scene)
        yield _ledger(b"rest", 0, source.statistics()[f"etl:{recording}"])
        yield from _rest(source)


def live(recording: Path, scene: Scene, windows: FakeWindows) -> Iterator[bytes]:
    """Play a recording into the callback of a live session, which pywintrace has started over a fake Windows."""
    yield from _facts(recording)
    with _prepared(scene) as ready, closing(EtwSource(EtwOptions(include_self=True), scene.cpus)) as source:
        source.open(ready.links)
        windows.play(next(iter(windows.sessions)), replayed(recording, windows))
        source.stop()
        yield from ready.results()
        yield from _ledgers(source.statistics(), scene)
        yield b"printed " + source.printed().hex().encode()


@dataclass(frozen=True, slots=True)
class _Ready:
    """A scene's maps and programs, for the interpreter."""

    scene: Scene
    maps: list[Map]
    programs: dict[str, Interpreter]

    @property
    def links(self) -> list[LinkRequest]:
        needs = {each.job.program: each.certificate.context_bytes for each in self.scene.programs}
        return [
            LinkRequest(name, self.programs[each].native, needs[each], fields=True) for each, name in self.scene.links
        ]

    def results(self) -> Iterator[bytes]:
        yield from _maps(self.maps)
        for number, each in enumerate(self.programs.values()):
            told = (number, each.native.runs, each.native.aborted, each.native.last_result)
            yield b"program %d runs %d aborted %d result %d" % told


@contextmanager
def _prepared(scene: Scene) -> Iterator[_Ready]:
    with ExitStack() as stack:
        maps = [stack.enter_context(Map(spec, LINUX.maps[spec.type], scene.cpus)) for spec in scene.maps]
        programs = {each.job.program: Interpreter(each, maps, fuel=FUEL) for each in scene.programs}
        for each in programs.values():
            stack.callback(each.close)
        yield _Ready(scene, maps, programs)


def case(code: bytes, memory: bytes, *, checked: bool) -> Iterator[bytes]:
    """Run code that nobody proved once."""
    try:
        outcome = run(code, memory, checked=checked)
    except RunError as error:
        yield b"refused " + error.cause.encode()
        return
    told = (outcome.result, outcome.aborted, outcome.fault, outcome.memory.hex().encode())
    yield b"case %d aborted %d fault %d %s" % told


def hammer(scene: Scene, threads: int, runs: int) -> Iterator[bytes]:
    """What threads count together is what they count one after the other."""
    with ExitStack() as stack:
        maps = [stack.enter_context(Map(spec, LINUX.maps[spec.type], scene.cpus)) for spec in scene.maps]
        executable = stack.enter_context(closing(prepare(scene.programs[0], maps, _INTERPRETER)))
        for cpu in range(threads):
            executable.repeat(runs, b"", circumstances=Circumstances(cpu=cpu, random=cpu + 1))
        yield b"torn 0"
        yield from _maps(maps[:2])


def schemas(providers: Iterable[Provider]) -> tuple[EtwSchemas, list[bytes]]:
    """Prepare schemas; return them with the driver's line. The caller closes them."""
    prepared = EtwSchemas()
    for provider in providers:
        prepared.add(provider)
    return prepared, [b"schemas %d" % len(prepared)]


def decoding(recording: Path, prepared: EtwSchemas) -> Iterator[bytes]:
    """Decode a recording to JSON lines."""
    yield from _facts(recording)
    with closing(EtwDecoder(prepared, "json")) as decoder, closing(EtlSource(recording)) as source:
        source.open([LinkRequest(ALL, decoder.program, 96)])
        while source.pump(500) >= 0:
            yield from decoder.take().splitlines()
        yield from decoder.take().splitlines()
        counts = decoder.counts()
    reasons = sum(counts.unknown.values())
    yield b"decoded %d %d %d %d" % (counts.decoded, reasons, counts.self_described, counts.lost)


def _facts(recording: Path) -> Iterator[bytes]:
    """The core's own structs, byte for byte: what was compiled for another system must lay them out alike."""
    descriptor = os.open(recording, os.O_RDONLY)
    facts: Any = ffi.new("struct tr_etl_facts *")
    counts: Any = ffi.new("struct tr_etl_counts *")
    rows: Any = ffi.new("struct tr_etl_row[]", _ROWS)
    etl = lib.tr_etl_open(descriptor, facts)
    assert etl != ffi.NULL, recording
    used = lib.tr_etl_count(etl, counts, rows, _ROWS)
    lib.tr_etl_close(etl)
    os.close(descriptor)
    yield b"facts " + _hex(facts)
    yield b"counts " + _hex(counts)
    yield from (b"provider " + _hex(ffi.addressof(rows, number)) for number in range(used))


def _maps(maps: Iterable[Map]) -> Iterator[bytes]:
    for number, each in enumerate(maps):
        statistics = each.statistics
        yield b"map %d count %d refused %d" % (number, statistics.count, statistics.refused)
        if each.kind is MapKind.RINGBUF:
            yield from (b"record " + record.hex().encode() for record in each.read())
        else:
            yield from (b"row %s %s" % (key.hex().encode(), value.hex().encode()) for key, value in each.items())


def _ledgers(ledgers: Mapping[str, Ledger], scene: Scene) -> Iterator[bytes]:
    wanted = matches(scene)
    timed = dict.fromkeys(name for _, name in scene.links if name not in wanted)
    yield from (_ledger(b"events", number, ledgers[name]) for number, name in enumerate(wanted))
    yield from (_ledger(b"timed", number, ledgers[name]) for number, name in enumerate(timed))


def _ledger(what: bytes, number: int, row: Ledger) -> bytes:
    return b" ".join([what, b"%d" % number, *(b"%d" % getattr(row, name) for name in LEDGER_COUNTS)])


def _rest(source: EtlSource) -> Iterator[bytes]:
    damage: Mapping[str, int] = source.damage()
    yield b"damage " + struct.pack("<5Q", *damage.values()).hex().encode()
    yield b"disorder %d" % source.disorder
    yield b"unprinted %d" % source.run.print_dropped
    yield b"printed " + source.printed().hex().encode()


def _hex(native: Any) -> bytes:
    return bytes(ffi.buffer(native)).hex().encode()
