"""Pinned maps as rows and entries: those that a probe has loaded, and those that rest in their files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tracerd.btf.blob import BtfError
from tracerd.elf.spec import MapSpec
from tracerd.errors import NotFound, RunError, TracerdError
from tracerd.platforms.linux import LINUX
from tracerd.platforms.model import MapKind
from tracerd.runtime.host import Host
from tracerd.runtime.map_view import entries_of
from tracerd.runtime.objects import MapInfo, PinInfo
from tracerd.runtime.pins import Pinned
from tracerd.views.values import Codec
from tracerd.vm.map_reader import MapFile


def pins(host: Host, loaded: Iterable[MapInfo]) -> list[PinInfo]:
    """Return every pin; `loaded` are the maps of all probes."""
    used = {info.pin: info for info in loaded if info.pin}
    return [_pin(host, name, used.get(name)) for name in host.maps.pins.list()]


def resting(host: Host, loaded: Iterable[MapInfo]) -> list[MapInfo]:
    """Return the maps of pins that no probe has loaded, by their headers: their contents may be large."""
    used = {info.pin for info in loaded}
    return [_resting(host, name) for name in host.maps.pins.list() if name not in used]


def entries(host: Host, name: str, limit: int) -> list[dict[str, object]]:
    """Return at most `limit` entries of a pin, whether a probe has it loaded or none does.

    Raises:
        ConfigError: this cannot be a pin's name.
        NotFound: there is no such pin.
        RunError, NotPermitted: its file is damaged or cannot be read, it has no keys, or so many would be too much.
    """
    kept = host.maps.pins
    if not kept.exists(name):
        raise NotFound(f"pin {name!r}", tuple(kept.list()))
    found = kept.read(name)
    kind = MapKind(found.spec.type)
    if not kind.keyed:
        raise RunError(f"pin {name!r}", "is a ring buffer: it has records, no entries; load its probe to follow them")
    key, value = _codecs(found, kind)
    return entries_of(found.snapshot, key, value, limit, per_cpu=kind.per_cpu)


def _codecs(found: Pinned, kind: MapKind) -> tuple[Codec, Codec]:
    spec = found.spec
    try:
        indexed = spec.key_type is None and kind.array
        key = Codec.index() if indexed else Codec(found.btf, spec.key_type, spec.key_size)
        return key, Codec(found.btf, spec.value_type, spec.value_size)
    except BtfError as error:
        raise RunError(f"pin {spec.name!r}", f"its types cannot be shown: {error}") from error


def _pin(host: Host, name: str, used: MapInfo | None) -> PinInfo:
    if used is not None:
        return PinInfo(name, used.id, used.probe, used.name, used.kind, used.memory_bytes)
    spec, size = host.maps.pins.about(name)
    kind = LINUX.maps[spec.type].name.lower() if spec is not None else "unknown"
    probe, map_name = _belongs(host, name, spec)
    return PinInfo(name, 0, probe, map_name, kind, size)


def _belongs(host: Host, name: str, spec: MapSpec | None) -> Sequence[str]:
    """Return which map of which probe a pin was made for, as far as that is known."""
    remembered = host.saved.pins.get(name)
    if remembered is not None:
        return remembered.probe, remembered.map
    return "", spec.name if spec is not None else name


def _resting(host: Host, name: str) -> MapInfo:
    spec, size = host.maps.pins.about(name)
    probe, map_name = _belongs(host, name, spec)
    try:
        with MapFile.open_read(host.maps.pins.path(name)) as file:
            return MapInfo(
                0, map_name, probe, file.kind.name.lower(), file.key_size, file.value_size, file.max_entries,
                file.count, file.refused, file.bytes, file.cpus, spec is not None and spec.read_only, name,
            )
    except TracerdError:        # listed all the same; whoever asks for its entries is told what is wrong
        return MapInfo(0, map_name, probe, "unknown", 0, 0, 0, 0, 0, size, 1, read_only=False, pin=name)
