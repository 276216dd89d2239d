"""From a label with its decoders to an attribute."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from tracerd.config.ebpf_exporter.document import Decoder
from tracerd.config.ebpf_exporter.fields import Misplaced, Place
from tracerd.signals import AttributeSpec

Say = Callable[[str], None]

SAME = {
    "string": "string", "uint": "uint", "errno": "errno", "syscall": "syscall", "hex": "hex", "ifname": "ifname",
    "ksym": "ksym", "majorminor": "major_minor",
}  # fmt: skip
"""ebpf_exporter's decoder -> ours."""

ADDRESSES = {4: "ipv4", 16: "ip"}
"""Bytes of the field -> what we have for inet_ip."""

NONE_HERE = ("cgroup", "dname", "kstack", "pci_class", "pci_device", "pci_subclass", "pci_vendor", "kubecontext", "lbr")
"""Decoders without a counterpart."""

DIFFERS = {
    "majorminor": "gives 8:0, not the device's name",
    "hex": "gives a number as 0x1f, not its bytes as they lie in memory",
}
"""What is not told in the same way."""


@dataclass(frozen=True, slots=True)
class _Stop:
    """Where a chain of decoders ends for us, and why."""

    cause: str
    lost: bool = False           # what it would have made of bytes cannot be had


def attributes(places: Sequence[Place | Misplaced], say: Say) -> tuple[AttributeSpec, ...]:
    """Return the attributes that labels become. `say` takes a sentence for each thing left out."""
    made: dict[str, AttributeSpec] = {}
    for each in places:
        name = each.label.name
        if isinstance(each, Misplaced):
            say(f"label {name!r} is left out: {each.cause}")
        elif name in made or not name:
            say(f"label {name!r} is left out: its name is {'there twice' if name else 'empty'}")
        elif (found := _attribute(each, say)) is not None:
            made[name] = found
    return tuple(made.values())


def _attribute(place: Place, say: Say) -> AttributeSpec | None:
    made = AttributeSpec(place.source, place.label.name)
    for decoder in place.label.decoders:
        step = _add(made, decoder, place)
        if isinstance(step, _Stop):
            return _stopped(made, place, step, say)
        made = step
        if decoder.name in DIFFERS and (place.number or decoder.name != "hex"):
            say(f"label {made.name!r}: decoder {decoder.name!r} {DIFFERS[decoder.name]}")
    return made


def _add(made: AttributeSpec, decoder: Decoder, place: Place) -> AttributeSpec | _Stop:
    """Return the attribute with one more decoder. Ours come in this order: decode, values, match."""
    if made.match or (made.values and decoder.name != "regexp"):
        return _Stop(f"decoder {decoder.name!r} behind a {'regexp' if made.match else 'static_map'} is left out")
    if decoder.name == "static_map":
        return replace(made, values=tuple(decoder.static_map.items()), allow_unknown=decoder.allow_unknown)
    if decoder.name == "regexp":
        pattern = "|".join(f"(?:{each})" for each in decoder.regexps)
        return replace(made, match=pattern) if _compiles(pattern) else _Stop(f"its regexps are left out: {pattern!r}")
    if decoder.name == "uint" and place.unsigned:
        return made                              # what numbers are anyway
    ours = ADDRESSES.get(place.size, "") if decoder.name == "inet_ip" else SAME.get(decoder.name, "")
    return replace(made, decode=(*made.decode, ours)) if ours else _refusal(decoder.name, place)


def _stopped(made: AttributeSpec, place: Place, stop: _Stop, say: Say) -> AttributeSpec | None:
    """Return what there is of an attribute, or None where that is nothing to look at."""
    if place.number or made.values or (made.decode and not stop.lost):
        say(f"label {made.name!r}: {stop.cause}{'; the number stays' if place.number and stop.lost else ''}")
        return made
    say(f"label {made.name!r} is left out, and what differs only in it is added up: {stop.cause}")
    return None


def _refusal(name: str, place: Place) -> _Stop:
    if name == "inet_ip":
        return _Stop(f"decoder 'inet_ip' needs a field of 4 or 16 bytes, not {place.size}")
    if name in NONE_HERE:
        return _Stop(f"decoder {name!r} has no counterpart here", lost=True)
    near = difflib.get_close_matches(name, [*SAME, *NONE_HERE, "inet_ip", "static_map", "regexp"], 1)
    return _Stop(f"unknown decoder {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))


def _compiles(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except re.error:
        return False
    return bool(pattern)
