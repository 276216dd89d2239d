"""Binary columns: what goes in comes out, and what is damaged is refused."""

from __future__ import annotations

import io
import random

import numpy as np
import pytest

from tracerd.daemon import columns
from tracerd.errors import RunError
from tracerd.snapshot import Meaning

TABLE = {
    "pid": np.array([1, 2, 3], dtype=np.uint32),
    "comm": np.array(["sh", "über", "sh"], dtype=object),
    "mean": np.array([0.5, np.inf, -1.0]),
    "slots": np.arange(6, dtype=np.int64).reshape(3, 2),
    "yes": np.array([True, False, True]),
    "wide": np.array([1, 2**64 - 1, 3], dtype=">u8"),
    "fixed": np.array([b"a", b"bc", b""], dtype="S2"),
}


def document() -> bytes:
    """Return a document with one table of every kind of column."""
    return columns.encode({"taken_ns": 5}, [columns.Block("calls", TABLE, "probe")])


def test_what_goes_in_comes_out() -> None:
    """Numbers of any width and order, text of any script, second axes."""
    header, (block,) = columns.decode(document())
    assert header["taken_ns"] == 5
    assert (block.name, block.probe) == ("calls", "probe")
    for name, column in TABLE.items():
        expected = [each.decode() for each in column.tolist()] if name == "fixed" else column.tolist()
        assert block.columns[name].tolist() == expected, name


def test_what_columns_mean_comes_out_with_them() -> None:
    """Only what is set is written, so a column without a meaning has none, and no more bytes than before."""
    meanings = {"pid": Meaning(key=True), "mean": Meaning("ns"), "slots": Meaning("count", rate=True)}
    written = columns.encode({}, [columns.Block("calls", TABLE, "probe", meanings)])
    header, (block,) = columns.decode(written)
    assert block.meanings == meanings
    pid, comm, mean, *_ = header["tables"][0]["columns"]
    assert (pid["key"], mean["unit"]) == (True, "ns")
    assert not {"unit", "rate", "key"} & set(comm)
    assert not {"rate", "key"} & set(mean)


def test_a_document_without_meanings_is_read_as_before() -> None:
    """That of an older daemon, or a map's."""
    _, (block,) = columns.decode(document())
    assert block.meanings == {}


@pytest.mark.parametrize("rows", [0, 1])
def test_small_tables_keep_their_columns(rows: int) -> None:
    """No rows, or one, have columns all the same."""
    table = {name: column[:rows] for name, column in TABLE.items()}
    _, (block, none) = columns.decode(columns.encode({}, [columns.Block("t", table), columns.Block("none", {})]))
    assert none.columns == {}
    assert {name: len(column) for name, column in block.columns.items()} == dict.fromkeys(TABLE, rows)
    assert block.columns["slots"].shape == (rows, 2)


def test_buffers_lie_at_multiples_of_eight() -> None:
    """So that a reader may use them as they lie."""
    header, _ = columns.decode(document())
    places = [place for column in header["tables"][0]["columns"] for place in (column, column.get("words", column))]
    assert all(place["offset"] % 8 == 0 for place in places)
    assert columns.sizes(document())[0] % 8 == 0


def test_a_text_that_has_no_utf8_is_replaced_and_costs_no_table() -> None:
    """Half a surrogate pair becomes a question mark."""
    table = {"name": np.array(["ok", "\ud800x"], dtype=object)}
    _, (block,) = columns.decode(columns.encode({}, [columns.Block("t", table)]))
    assert block.columns["name"].tolist() == ["ok", "?x"]


def test_documents_follow_one_another_in_a_stream() -> None:
    """However the bytes are cut."""
    stream = io.BytesIO(document() * 3)
    cut = random.Random(1)
    parts = list(columns.documents(lambda size: stream.read(min(size, cut.randrange(1, 40)))))
    assert parts == [document()] * 3


def test_a_stream_that_ends_within_a_document_says_so() -> None:
    """Only between two documents may it end in silence."""
    stream = io.BytesIO(document()[:-1])
    with pytest.raises(RunError, match="ended within a message"):
        list(columns.documents(stream.read))


def test_a_damaged_document_is_refused_or_read_and_never_worse() -> None:
    """Any bytes changed, any end cut off: RunError, or other values."""
    whole, chance = document(), random.Random(7)
    refused = 0
    for _ in range(3000):
        bad = bytearray(whole[: chance.randrange(len(whole) + 1)] if chance.random() < 0.2 else whole)
        for _ in range(chance.randrange(1, 4)):
            if bad:
                bad[chance.randrange(len(bad))] = chance.randrange(256)
        try:
            columns.decode(bytes(bad))
        except RunError:
            refused += 1
    assert refused > 500


def test_a_document_that_claims_to_be_huge_is_refused_before_it_is_read() -> None:
    """Its size is checked against the most that is allowed."""
    head = columns.HEAD.pack(columns.MAGIC, 8, 2**40)
    with pytest.raises(RunError, match="is damaged"):
        list(columns.documents(io.BytesIO(head).read))
