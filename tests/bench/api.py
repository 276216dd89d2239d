"""How long the API takes to encode a table: `python -m tests.bench.api`. A figure, not a test: machines differ."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import msgspec
import numpy as np

from tracerd.daemon import columns
from tracerd.snapshot import Column, Table

ROWS, REPEATS = 10_000, 101


def table(rows: int = ROWS, texts: int = 300) -> Table:
    """Return a table like that of the probe `syscalls`, with so many different texts in a column."""
    chance = np.random.default_rng(1)

    def text(prefix: str) -> Column:
        words = np.array([f"{prefix}{number}" for number in range(texts)], dtype=object)
        return words[chance.integers(0, texts, rows)]

    def number(most: int, kind: str) -> Column:
        return chance.integers(0, most, rows).astype(kind)

    return Table("syscalls", {
        "pid": number(1 << 22, "<u4"), "comm": text("program-"), "syscall": text("call_"),
        "count": number(1 << 40, "<u8"), "errors": number(1 << 20, "<u8"),
        "p50_ns": number(1 << 30, "<i8"), "p99_ns": number(1 << 30, "<i8"),
    })


def milliseconds(work: Callable[[], object]) -> float:
    """Return the median of many runs."""
    taken = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken) * 1e3


def main() -> None:
    """Print one line a form."""
    for texts in (300, ROWS):
        made = table(texts=texts)
        document = columns.encode({}, [columns.Block(made.name, made.columns)])
        json = msgspec.json.encode(made.rows(), enc_hook=columns.plain)
        what = f"{ROWS:,} rows, {texts:,} texts a column"
        encode = milliseconds(lambda made=made: columns.encode({}, [columns.Block(made.name, made.columns)]))
        decode = milliseconds(lambda document=document: columns.decode(document))
        rows = milliseconds(lambda made=made: msgspec.json.encode(made.rows(), enc_hook=columns.plain))
        print(f"{what}: columns {encode:.2f} ms ({len(document):,} bytes), decoded in {decode:.2f} ms")
        print(f"{what}: JSON    {rows:.2f} ms ({len(json):,} bytes)")


if __name__ == "__main__":
    main()
