"""docs/trec.md is true: its example is a recording, its tables are what the code does."""

from __future__ import annotations

import re
import zlib
from contextlib import closing
from pathlib import Path

import pytest

from tests.native.witness import Witness
from tests.sources.trec_support import drain
from tracerd.btf.layout import flatten
from tracerd.btf.types import Btf
from tracerd.native import ffi
from tracerd.sources.base import LinkRequest
from tracerd.sources.trec.format import FILE_HEAD, HEADER_BYTES, MOST_BYTES, unpack_header
from tracerd.sources.trec.reader import Reader
from tracerd.sources.trec.source import TrecSource

PAGE = (Path(__file__).parents[2] / "docs" / "trec.md").read_text()
LINE = re.compile(r"^[0-9a-f]{8}: ((?:[0-9a-f]{2} )+)", re.MULTILINE)
EVENT = "tracepoint:demo:tick"


def table(title: str) -> list[tuple[int, str]]:
    """Return the offsets and types of a table of the page."""
    _, _, after = PAGE.partition(f"| {title}, ")
    rows = re.findall(r"^\| (\d+) \| ([^|]+) \|", after.partition("\n\n")[0], re.MULTILINE)
    return [(int(offset), kind) for offset, kind in rows]


def sizes(rows: list[tuple[int, str]]) -> list[int]:
    """Return the bytes of each row by its type."""
    known = {"u16": 2, "u32": 4, "u64": 8}
    return [known[kind] if kind in known else int(kind.split()[0]) for _, kind in rows]


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """The page's recording."""
    path = tmp_path / "example.trec"
    path.write_bytes(bytes.fromhex("".join(LINE.findall(PAGE))))
    return path


def test_the_example_replays_as_the_page_says(example: Path) -> None:
    """Two events of thread 1235 on CPU 1, a millisecond apart, and one that the kernel lost."""
    witness = Witness()
    with closing(TrecSource(example)) as source:
        source.open([LinkRequest(EVENT, witness.program, 16)])
        drain(source)
        row = source.statistics()[EVENT]
    assert [(each.now_ns, each.cpu, each.context[8]) for each in witness.seen] == [
        (600_001_000_000, 1, 1), (600_002_000_000, 1, 2),
    ]  # fmt: skip
    assert {(each.pid_tgid, each.uid_gid, each.comm.rstrip(b"\0")) for each in witness.seen} == {
        (1234 << 32 | 1235, 1000 << 32 | 1000, b"sh")
    }
    assert (row.produced, row.delivered, row.lost_in_session) == (3, 2, 1)


def test_the_example_describes_its_event(example: Path) -> None:
    """The meta block names it, the BTF block has its layout."""
    with closing(Reader(example)) as reader:
        reader.peek()
        (event,) = reader.meta.events
        assert (event.name, event.context, event.btf, reader.meta.cpus) == (EVENT, 16, 2, 2)
        leaves = [(leaf.path, leaf.offset) for leaf in flatten(Btf(reader.types), event.btf)]
    assert leaves == [("common", 0), ("count", 8)]


def test_blocks_are_where_the_page_says(example: Path) -> None:
    """Each header's place, kind and size is in the list behind the bytes."""
    data, at, found = example.read_bytes(), FILE_HEAD.size, []
    while at < len(data):
        header = unpack_header(data[at:])
        assert header is not None
        assert zlib.crc32(data[at + HEADER_BYTES : at + HEADER_BYTES + header.stored]) == header.data_crc
        found.append(at)
        at += HEADER_BYTES + header.stored
    told = re.findall(r"^\| `([0-9a-f]{3})` \| header of block (\d)", PAGE, re.MULTILINE)
    assert [(f"{at:03x}", str(number)) for number, at in enumerate(found)] == told


@pytest.mark.parametrize(
    ("title", "whole"),
    [
        ("head", FILE_HEAD.size),
        ("block header", HEADER_BYTES),
        ("entry", ffi.sizeof("struct tr_batch_event")),
        ("task", ffi.sizeof("struct tr_batch_task")),
    ],
)
def test_tables_have_no_gaps_and_the_size_that_the_code_has(title: str, whole: int) -> None:
    """Every offset is the end of the row before, the last row ends where the title says."""
    rows = table(title)
    ends = [offset + size for (offset, _), size in zip(rows, sizes(rows), strict=True)]
    assert [offset for offset, _ in rows] == [0, *ends[:-1]]
    assert ends[-1] == whole
    assert f"| {title}, {whole} bytes |" in PAGE


def test_fields_of_an_entry_are_those_of_the_core() -> None:
    """The page's offsets are the compiler's."""
    for name, title in (("struct tr_batch_event", "entry"), ("struct tr_batch_task", "task")):
        assert [field.offset for _, field in ffi.typeof(name).fields] == [offset for offset, _ in table(title)]


def test_limits_are_those_of_the_code() -> None:
    """16 MiB, wherever the page says it."""
    assert PAGE.count("16 MiB") == 3
    assert MOST_BYTES == 16 << 20
