"""Jobs for the driver as bytes; driver/driver.h has the format."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from tests.wine.scenes import FUEL, Scene
from tracerd.isa.decode import decode
from tracerd.isa.instruction import CALL, CALL_HELPER, IMM64_MAP_INDEX_VALUE, IMM64_PLAIN, JMP
from tracerd.native import ffi, lib
from tracerd.platforms.linux import LINUX
from tracerd.sources.etl_names import EtwMatch
from tracerd.sources.etw_schemas import native_layout
from tracerd.sources.names import AttachKind, parse_attach
from tracerd.sources.schema.model import Provider
from tracerd.verifier.job import VerifiedProgram
from tracerd.vm.interpreter import ARGUMENT_CODES
from tracerd.vm.linking import link

_T = TypeVar("_T")

_WALK, _CASE, _HAMMER, _SCHEMAS, _DECODE, _LIVE = range(1, 7)
_TICKS = {
    AttachKind.BEGIN: lib.TR_TICK_BEGIN, AttachKind.INTERVAL: lib.TR_TICK_INTERVAL, AttachKind.END: lib.TR_TICK_END,
}


def walk(recording: Path, scene: Scene, groups: Mapping[int, UUID], matches: Mapping[str, EtwMatch]) -> bytes:
    """Walk a recording with a scene's programs attached. `matches` are its names of ETW events, in order."""
    timed = [(program, name) for program, name in scene.links if name not in matches]
    names = list(dict.fromkeys(name for _, name in timed))
    ticks = []
    for program, name in timed:
        at, need = _program_at(scene, program)
        parsed = parse_attach(name)
        interval = struct.pack("<Q", parsed.interval_ns)
        ticks.append(_u32(at, _TICKS[parsed.kind]) + interval + _u32(need, names.index(name)))
    named = _names(scene, groups, matches)
    return b"".join((_u32(_WALK), _text(str(recording)), _scene(scene), named, _list(ticks, bytes)))


def live(
    recording: Path, scene: Scene, groups: Mapping[int, UUID], matches: Mapping[str, EtwMatch], clock: Sequence[int]
) -> bytes:
    """Play a recording into a live session's callback. `clock`: its frequency; ticks, FILETIME, monotonic ns."""
    named = _names(scene, groups, matches)
    anchor = struct.pack("<4Q", *clock)
    return b"".join((_u32(_LIVE), _text(str(recording)), _scene(scene), named, _u32(scene.cpus), anchor))


def case(code: bytes, memory: bytes, *, checked: bool) -> bytes:
    """Run code that nobody proved once, with r1 the memory and r2 its length."""
    return _u32(_CASE) + _bytes(code) + _bytes(memory) + _u32(checked)


def hammer(scene: Scene, threads: int, runs: int) -> bytes:
    """Run a scene's one program in several threads at once, each thread on a CPU of its own."""
    return _u32(_HAMMER) + _scene(scene) + _u32(threads) + struct.pack("<Q", runs)


def schemas(providers: Iterable[Provider]) -> bytes:
    """Prepare the schemas of providers, for the decoding that follows."""
    names, layouts = [], []
    for provider in providers:
        for guid, space in _spaces(provider):
            names.append(guid + _u32(0, 0, space) + _text(provider.name))
        for event in provider.events.values():
            layout = _layout(*native_layout(event, provider.maps))
            for guid, space in _spaces(provider):
                layouts.append(guid + _u32(event.number, event.version, space) + layout)
    return _u32(_SCHEMAS) + _list(names, bytes) + _list(layouts, bytes)


def decoding(recording: Path, groups: Mapping[int, UUID]) -> bytes:
    """Decode a recording to JSON lines."""
    return _u32(_DECODE) + _text(str(recording)) + _groups(groups)


def _names(scene: Scene, groups: Mapping[int, UUID], matches: Mapping[str, EtwMatch]) -> bytes:
    numbers = {name: number for number, name in enumerate(matches)}
    links = []
    for program, name in scene.links:
        if name in numbers:
            at, need = _program_at(scene, program)
            links.append(_u32(at, numbers[name], need))
    return _groups(groups) + _list(matches.values(), _match) + _list(links, bytes)


def _program_at(scene: Scene, name: str) -> tuple[int, int]:
    """Return a program's number, and the context bytes that it may read."""
    at = next(at for at, proved in enumerate(scene.programs) if proved.job.program == name)
    return at, scene.programs[at].certificate.context_bytes


def _groups(groups: Mapping[int, UUID]) -> bytes:
    return _list(groups.items(), lambda row: _u32(row[0]) + row[1].bytes_le)


def _scene(scene: Scene) -> bytes:
    return _list(scene.maps, lambda spec: _u32(
        spec.type, spec.key_size, spec.value_size, spec.max_entries,
        spec.flags | (lib.TR_MAP_F_RDONLY_PROG if spec.read_only else 0), scene.cpus,
    ) + _bytes(spec.contents)) + _list(scene.programs, _program)


def _program(proved: VerifiedProgram) -> bytes:
    """What vm.interpreter.prepare_image gives the core, with names and numbers in the place of addresses."""
    certificate = proved.certificate
    references, sites = [], []
    for index, each in enumerate(decode(proved.job.code)):
        if each.is_lddw and each.src != IMM64_PLAIN:
            values = each.src == IMM64_MAP_INDEX_VALUE
            references.append(_u32(index, each.imm & 0xFFFFFFFF, values))
        elif each.opcode == JMP | CALL and each.src == CALL_HELPER and index in certificate.call_maps:
            sites.append(_u32(index, certificate.call_maps[index]) + _text(LINUX.helper_by_id[each.imm].name))
    edges = () if certificate.terminates else sorted(certificate.fuel_edges)
    return b"".join((
        _bytes(link(proved, lambda _: 0, lambda _: 0)), struct.pack("<Q", FUEL), _list(edges, _u32),
        _list(references, bytes), _list(sites, bytes), _list(LINUX.helpers, _helper),
    ))


def _helper(helper: Any) -> bytes:
    kinds = [ARGUMENT_CODES[argument] for argument in helper.arguments]
    return _u32(helper.id) + bytes((kinds + [lib.TR_ARG_NONE] * 8)[:8]) + _text(helper.name)


def _match(match: EtwMatch) -> bytes:
    wants = (
        lib.TR_ETW_WANT_PROVIDER * (match.provider is not None) | lib.TR_ETW_WANT_GROUP * (match.group is not None)
        | lib.TR_ETW_WANT_EVENT * (match.event is not None)
    )
    provider = match.provider.bytes_le if match.provider else bytes(16)
    return provider + _u32(wants, match.group or 0, match.event or 0)


def _spaces(provider: Provider) -> list[tuple[bytes, int]]:
    """Where a provider's events are looked up: under its GUID, and under its group if they may come by hook."""
    spaces = [(provider.guid.bytes_le, lib.TR_ETW_BY_CLASS if provider.is_class else lib.TR_ETW_BY_ID)]
    if provider.group is not None:
        spaces.append((bytes([provider.group]) + bytes(15), lib.TR_ETW_BY_GROUP))
    return spaces


def _layout(layout: Any, keep: Sequence[Any]) -> bytes:
    fields, labels, _ = keep
    texts = bytes(ffi.buffer(layout.texts, layout.text_bytes))
    parts = (bytes(ffi.buffer(fields)), bytes(ffi.buffer(labels)), texts)
    return b"".join(map(_bytes, parts)) + _u32(layout.name, layout.name_bytes)


def _list(rows: Iterable[_T], pack: Callable[[_T], bytes]) -> bytes:
    packed = [pack(row) for row in rows]
    return _u32(len(packed)) + b"".join(packed)


def _text(text: str) -> bytes:
    return _bytes(text.encode() + b"\0")


def _bytes(data: bytes) -> bytes:
    return _u32(len(data)) + data


def _u32(*numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}I", *numbers)
