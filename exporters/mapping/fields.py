"""Fields of records that mean something of their own: times, ids, severities, texts made of fields."""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from exporters.mapping.recorded import Ids
from exporters.mapping.series import Times
from tracerd.snapshot import Bytes, Column, RecordLayout
from tracerd.views.distinct import map_distinct, plain
from tracerd.views.signals import PLACEHOLDER

Read = Callable[[str], Column]


def unix_times(times: Column, clock_offset_ns: int) -> Times:
    """Return times of the events' clock as unix ns; what would be before 1970 is 0, which OTLP has for unknown."""
    return np.maximum(times.astype(np.int64) + clock_offset_ns, 0).astype(np.uint64)


def severities(numbers: Column) -> list[int]:
    """Return SeverityNumbers; what is none is 0, unspecified."""
    return [number if 1 <= number <= 24 else 0 for number in numbers.astype(np.int64).tolist()]


def ids(layout: RecordLayout, rows: Bytes, path: str, size: int) -> Ids:
    """Return ids of `size` bytes as W3C has them, most significant byte first; one that is all zeros is none: b"".

    An array of bytes is taken as it lies; a number, or several, is written most significant byte first.
    """
    raw = layout.raw(rows, path)
    kind = layout.read(rows, path).dtype
    width = 1 if kind.kind == "O" else kind.itemsize     # text is bytes
    if width > 1:
        many, whole = raw.shape          # told outright: of no rows numpy cannot find out a size
        raw = raw.reshape(many, whole // width, width)[:, :, ::-1].reshape(many, whole)
    padded = np.zeros((len(raw), size), np.uint8)
    padded[:, size - raw.shape[1] :] = raw
    none = bytes(size)
    return [each if each != none else b"" for each in _cut(padded.tobytes(), size)]


def random_ids(many: int, size: int) -> Ids:
    """Return ids that nobody else has."""
    return _cut(os.urandom(many * size), size)


def texts(template: str, read: Read, many: int) -> list[str]:
    """Return a text for each record: "{path}" stands for a field."""
    pieces = PLACEHOLDER.split(template)        # text, path, text, path, … text
    columns = [_text(read(path)) for path in pieces[1::2]]
    if not columns:
        return [template] * many
    form = "%s".join(piece.replace("%", "%%") for piece in pieces[::2])
    return [form % row for row in zip(*columns, strict=True)]


def _text(column: Column) -> list[str]:
    return map_distinct(column, plain).tolist() if column.ndim > 1 else list(map(str, column.tolist()))


def _cut(whole: bytes, size: int) -> Ids:
    return [whole[at : at + size] for at in range(0, len(whole), size)]


def joined(records: tuple[bytes, ...], size: int) -> tuple[Bytes, npt.NDArray[np.bool_]]:
    """Return records as rows of `size` bytes, and which had so many; the others are zero."""
    fits = np.array([len(each) >= size for each in records], bool)
    whole = b"".join(each[:size] if len(each) >= size else bytes(size) for each in records)
    return np.frombuffer(whole, np.uint8).reshape(len(records), size), fits
