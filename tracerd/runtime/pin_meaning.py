"""What a pin's bytes mean, as JSON beside its map: the shape and the types of the object it came from. Pure.

Read back it is a stranger's: types are declared, BTF is parsed as from any file, and both must fit the map's own sizes.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from tracerd.btf.blob import BtfError
from tracerd.btf.build import encode
from tracerd.btf.layout import flatten, size_of
from tracerd.btf.parse import parse
from tracerd.btf.types import Btf
from tracerd.elf.spec import MapSpec
from tracerd.platforms.model import MapKind

FORMAT = 1


class MeaningError(Exception):
    """The bytes are no meaning of a pin; says why, as the end of a sentence."""


class _Meaning(msgspec.Struct, forbid_unknown_fields=True):
    format: int
    map: str                     # its name in the object
    type: int
    key_size: int
    value_size: int
    max_entries: int
    flags: int
    read_only: bool
    key_type: int | None
    value_type: int | None
    btf: bytes | None            # base64 in the file
    since_ns: int = 0            # unix time since when the map counts; 0: an older version did not write it down


@dataclass(frozen=True, slots=True)
class Meaning:
    """What is written down of a pin's map."""

    spec: MapSpec
    btf: Btf | None
    since_ns: int


def encode_meaning(spec: MapSpec, btf: Btf | None, since_ns: int) -> bytes:
    """Return the JSON for a map of an object with these types."""
    meaning = _Meaning(
        FORMAT, spec.name, spec.type, spec.key_size, spec.value_size, spec.max_entries, spec.flags, spec.read_only,
        spec.key_type if btf else None, spec.value_type if btf else None, encode(btf.types) if btf else None, since_ns,
    )
    return msgspec.json.encode(meaning)


def decode_meaning(data: bytes) -> Meaning:
    """Return what was written down.

    Raises:
        MeaningError: the bytes are damaged, of another format, or the types have not the map's sizes.
    """
    try:
        found = msgspec.json.decode(data, type=_Meaning)
        btf = parse(found.btf) if found.btf is not None else None
    except (msgspec.MsgspecError, BtfError, RecursionError) as error:
        raise MeaningError(f"is damaged: {error}") from None
    if found.format != FORMAT:
        raise MeaningError(f"has format {found.format}, and this version of tracerd knows {FORMAT}")
    for type_id, size in ((found.key_type, found.key_size), (found.value_type, found.value_size)):
        _check_type(btf, type_id, None if found.type == MapKind.RINGBUF.value else size)
    spec = MapSpec(
        found.map, found.type, found.key_size, found.value_size, found.max_entries, found.flags, found.key_type,
        found.value_type, read_only=found.read_only, pinned=True,
    )
    return Meaning(spec, btf, found.since_ns)


def _check_type(btf: Btf | None, type_id: int | None, size: int | None) -> None:
    """A type must be as long as what it describes, and one that can be shown. Ids may be of nothing.

    A ring buffer's (None) describes its records, which are of any length.
    """
    if type_id is None:
        return
    if btf is None or not 0 < type_id < len(btf.types):
        raise MeaningError(f"is damaged: there is no type {type_id}")
    try:
        there = size_of(btf, type_id)
        flatten(btf, type_id)
    except BtfError as error:
        raise MeaningError(f"is damaged: {error}") from None
    if size is not None and there != size:
        raise MeaningError(f"is damaged: type {type_id} has {there} bytes, what it describes has {size}")
