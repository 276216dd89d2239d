"""Contexts for single runs: what `prog run`, the benchmarks and the tests hand to a program.

The caller gives the context as the program's header declares it; where the machine keeps pointers, or keeps fields
elsewhere, the platform's table says so.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

from tracerd.errors import RunError
from tracerd.native import ffi
from tracerd.platforms import PLATFORMS
from tracerd.platforms.model import ContextField, FieldKind
from tracerd.verifier.job import VerifiedProgram
from tracerd.verifier.values import MAX_PACKET

POINTER_BYTES = 8


@dataclass(frozen=True, slots=True)
class NativeContext:
    """A context in memory: `address` is the cdata to pass, the rest keeps alive what it points to."""

    address: Any
    payload: Any


def native_context(program: VerifiedProgram, context: bytes, data: bytes = b"") -> NativeContext:
    """Build the context of one run. `data` is the payload between the context's `data` and `data_end`.

    Fields that `context` is too short for are 0.

    Raises:
        RunError: the program may read more of a plain record than there is, or the payload is longer than proofs allow.
    """
    if len(data) > MAX_PACKET:       # proofs rely on it
        raise RunError(program.job.program, f"the payload has {len(data)} bytes; at most {MAX_PACKET} can be given")
    job = program.job
    fields = PLATFORMS[job.platform].type_by_name[job.type].context.fields
    payload = ffi.from_buffer("uint8_t[]", bytearray(data) or bytearray(1))
    if not fields:
        need = program.certificate.context_bytes
        if len(context) < need:
            raise RunError(job.program, f"reads {need} bytes of its context, which has {len(context)}")
        return NativeContext(ffi.from_buffer("uint8_t[]", bytearray(context) or bytearray(1)), payload)
    start = int(ffi.cast("uintptr_t", payload))
    image = bytearray(max(map(_native_end, fields)))
    for field in fields:
        at = _native_offset(field)
        if not field.kind.pointer:
            given = context[field.offset : field.offset + field.size]
            image[at : at + len(given)] = given
        else:
            where = start if field.kind is FieldKind.DATA else start + len(data)
            struct.pack_into("<Q", image, at, where)
    return NativeContext(ffi.from_buffer("uint8_t[]", image), payload)


def _native_offset(field: ContextField) -> int:
    return field.offset if field.native_offset < 0 else field.native_offset


def _native_end(field: ContextField) -> int:
    return _native_offset(field) + (POINTER_BYTES if field.kind.pointer else field.size)
