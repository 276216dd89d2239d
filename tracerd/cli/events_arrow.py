"""Decoded events as columns: Parquet and Arrow files, through pyarrow (`pip install 'tracerd[arrow]'`).

The core writes rows of CSV, pyarrow makes columns of them: no Python runs for each event.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import IO, Any

from tracerd.errors import NotSupported, RunError
from tracerd.sources.etw_decoder import COLUMNS, LAST_COLUMNS, ColumnType

_ROWS = 65536                    # of a group in a Parquet file, or so many bytes:
_BYTES = 32 << 20

_COMMON = {"time": "time", "id": "u16", "version": "u8", "opcode": "u8", "level": "u8", "task": "u16", "keyword": "u64",
           "pid": "u32", "tid": "u32", "cpu": "u32", "hook": "u32"}


def load_arrow(asked: str) -> Any:
    """Return the pyarrow module.

    Raises:
        NotSupported: it is not installed; the message names the extra.
    """
    try:
        import pyarrow
    except ImportError as error:
        raise NotSupported(asked, "it needs pyarrow: pip install 'tracerd[arrow]'") from error
    return pyarrow


def column_names(fields: Sequence[ColumnType] | None) -> list[str]:
    """Return the names of the columns; a field that has the name of a common one gets "_field" behind it."""
    taken = {*COLUMNS, *LAST_COLUMNS}
    own = ["fields"] if fields is None else [each.name for each in fields]
    for at in range(len(own) if fields is not None else 0):
        while own[at] in taken or own[at] in own[:at]:
            own[at] += "_field"
    return [*COLUMNS, *own, *LAST_COLUMNS]


class ArrowSink:
    """Takes rows of CSV, writes batches of columns; holds one row group at most."""

    def __init__(self, pyarrow: Any, file: IO[bytes], fields: Sequence[ColumnType] | None, *, parquet: bool) -> None:
        """`fields` are the columns of the one schema; None: one column of JSON."""
        import pyarrow.csv as csv

        self._csv, self._arrow = csv, pyarrow
        names = column_names(fields)
        own = ["json"] if fields is None else [each.type for each in fields]
        words = [_COMMON.get(name, "text") for name in COLUMNS] + own + ["text"] * len(LAST_COLUMNS)
        types = [_type_of(pyarrow, word) for word in words]
        self._schema = pyarrow.schema(list(zip(names, types, strict=True)))
        self._read = csv.ReadOptions(column_names=names, use_threads=False)
        self._parse = csv.ParseOptions(newlines_in_values=True)
        self._convert = csv.ConvertOptions(
            column_types=self._schema, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False
        )
        self._tables: list[Any] = []
        self._writer = _writer(pyarrow, file, self._schema, parquet=parquet)

    def put(self, piece: bytes) -> None:
        """Take a piece of whole rows."""
        self._read.block_size = len(piece) + 1
        try:
            table = self._csv.read_csv(io.BytesIO(piece), self._read, self._parse, self._convert)
        except self._arrow.ArrowInvalid as error:
            raise RunError("events", f"cannot be made columns: {error}") from error
        self._tables.append(table)
        if sum(t.num_rows for t in self._tables) >= _ROWS or sum(t.nbytes for t in self._tables) >= _BYTES:
            self._flush()

    def close(self) -> None:
        """Write what is left, and the file's end."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._tables:
            self._writer.write_table(self._arrow.concat_tables(self._tables).combine_chunks())
            self._tables.clear()


def _writer(pyarrow: Any, file: IO[bytes], schema: Any, *, parquet: bool) -> Any:
    if not parquet:
        return pyarrow.ipc.new_file(file, schema)
    import pyarrow.parquet as files

    return files.ParquetWriter(file, schema, compression="zstd")


def _type_of(pyarrow: Any, word: str) -> Any:
    """Return the type of a column: numbers are numbers, times are times, all else is text."""
    made = {
        "time": lambda: pyarrow.timestamp("ns", "UTC"), "filetime": lambda: pyarrow.timestamp("us", "UTC"),
        "i8": pyarrow.int8, "u8": pyarrow.uint8, "x8": pyarrow.uint8, "i16": pyarrow.int16, "u16": pyarrow.uint16,
        "x16": pyarrow.uint16, "port": pyarrow.uint16, "i32": pyarrow.int32, "u32": pyarrow.uint32,
        "x32": pyarrow.uint32, "i64": pyarrow.int64, "u64": pyarrow.uint64, "x64": pyarrow.uint64,
        "ptr": pyarrow.uint64, "size": pyarrow.uint64, "f32": pyarrow.float32, "f64": pyarrow.float64,
        "bool8": pyarrow.bool_, "bool32": pyarrow.bool_,
    }
    return made.get(word, pyarrow.string)()
