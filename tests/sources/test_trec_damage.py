"""Whatever happens to a recording, what is whole in it is replayed, the rest is counted, and nothing crashes."""

from __future__ import annotations

import struct
import zlib
from contextlib import closing
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.recordings import fuzz
from tests.sources.trec_support import EVENTS, LETTER, PLAIN, Given, record, replay
from tracerd.errors import NotSupported, SourceError
from tracerd.sources.trec.format import (
    FILE_HEAD,
    HEADER_BYTES,
    BlockHeader,
    BlockKind,
    Codec,
    Content,
    Decoder,
    Encoder,
    file_head,
    pack_header,
    unpack_header,
)
from tracerd.sources.trec.meta import Machine, Meta, encode
from tracerd.sources.trec.reader import Reader, is_trec

FIRST = [Given(now_ns=n, comm=b"first") for n in (1, 2, 3)]
SECOND = [Given(1, now_ns=4, payload=b"letter"), Given(now_ns=5)]
THIRD = [Given(now_ns=6, comm=b"third")]
BLOCKS = (FIRST, SECOND, THIRD)
ALL = [each.seen() for block in BLOCKS for each in block]


@pytest.fixture(params=[Codec.ZSTD, Codec.NONE], ids=["zstd", "none"], scope="module")
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A recording of three blocks."""
    return record(tmp_path_factory.mktemp("whole") / "whole.trec", BLOCKS, codec=request.param).read_bytes()


def offsets(data: bytes) -> list[tuple[int, BlockHeader]]:
    """Return where the blocks of a sound recording are: meta, BTF, the events', end."""
    found, at = [], FILE_HEAD.size
    while at < len(data):
        header = unpack_header(data[at:])
        assert header is not None
        found.append((at, header))
        at += HEADER_BYTES + header.stored
    return found


@pytest.mark.parametrize("kind", [BlockKind.BTF, BlockKind.END])
def test_what_is_told_twice_is_counted_and_not_read(tmp_path: Path, whole: bytes, kind: BlockKind) -> None:
    """A block of a few KiB can take seconds to parse: a file of a thousand of them must not."""
    told = Encoder(Codec.ZSTD).block(Content(kind, b"{" * 1000), 99)
    path = put(tmp_path / "twice.trec", whole + told * 3)
    with closing(Reader(path)) as reader:
        assert reader.peek() == 1
        assert sum(batch.events for batch in reader.batches()) == len(ALL)
        assert reader.end is not None
        assert reader.damage.blocks == 3 + 99 - 6          # numbers are missing too


def test_what_a_recording_tells_of_itself_is_bounded() -> None:
    """16 MiB of JSON are half a gigabyte of objects; of events, they are 16 MiB."""
    for kind in BlockKind:
        block = Encoder(Codec.ZSTD).block(Content(kind, bytes(5 << 20)), 2)
        header = unpack_header(block)
        assert header is not None
        assert (Decoder().data(header, block[HEADER_BYTES:]) is None) == (kind is not BlockKind.EVENTS)


def put(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_a_sound_recording_is_replayed_whole(tmp_path: Path, whole: bytes) -> None:
    """All events in order, and a balance without anything missing or dropped."""
    result = replay(put(tmp_path / "a.trec", whole))
    assert result.seen == ALL
    assert result.file.produced == 0
    assert all(row.missing == 0 for row in result.ledger.values())


def test_a_cut_at_every_byte_of_the_end_keeps_all_events(tmp_path: Path, whole: bytes) -> None:
    """The last block says what was lost; without it everything that was recorded is there all the same."""
    start = offsets(whole)[-1][0]
    for cut in range(start, len(whole)):
        result = replay(put(tmp_path / "a.trec", whole[:cut]))
        assert result.seen == ALL
        assert "no end" in result.file.via


def test_a_cut_at_every_byte_of_the_last_events_keeps_those_before(tmp_path: Path, whole: bytes) -> None:
    """A torn block is not replayed, in part or at all; what came before it is."""
    start, header = offsets(whole)[-2]
    before = [each.seen() for block in BLOCKS[:-1] for each in block]
    for cut in range(start, start + HEADER_BYTES + header.stored):
        result = replay(put(tmp_path / "a.trec", whole[:cut]))
        assert result.seen == before
        # The header is known once it is there: how many events it has is then known to be lost.
        assert result.file.dropped_in_ring == int(cut >= start + HEADER_BYTES)
        assert cut == start or "torn" in result.file.via


def test_a_cut_anywhere_never_raises_but_for_a_missing_beginning(tmp_path: Path, whole: bytes) -> None:
    """A recording is one from its second block on; before that it is refused in one sentence."""
    first = offsets(whole)[1][0]
    for cut in range(len(whole)):
        path = put(tmp_path / "a.trec", whole[:cut])
        if cut < first:
            with pytest.raises(SourceError):
                replay(path)
        else:
            assert replay(path).seen == ALL[: len(replay(path).seen)]


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_damage_never_raises_and_never_changes_an_event(
    tmp_path_factory: pytest.TempPathFactory, whole: bytes, data: st.DataObject
) -> None:
    """Bytes changed anywhere: an event is replayed as it was or not at all; what is missing is dropped."""
    spoiled = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        spoiled[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    path = put(tmp_path_factory.mktemp("flip") / "a.trec", bytes(spoiled))
    try:
        result = replay(path)
    except (SourceError, NotSupported):
        return
    remaining = iter(ALL)
    assert all(each in remaining for each in result.seen)       # a subsequence: order is kept
    if "no end" not in result.file.via:
        assert len(result.seen) + result.file.dropped_in_ring == len(ALL)


@pytest.mark.parametrize("block", [2, 3, 4])
def test_a_bad_checksum_costs_that_block_only(tmp_path: Path, whole: bytes, block: int) -> None:
    """One byte of one block's data: its events are dropped, by their number, all others are replayed."""
    at, header = offsets(whole)[block]
    spoiled = bytearray(whole)
    spoiled[at + HEADER_BYTES + header.stored // 2] ^= 0x55
    result = replay(put(tmp_path / "a.trec", bytes(spoiled)))
    kept = [rows for number, rows in enumerate(BLOCKS, 2) if number != block]
    assert result.seen == [each.seen() for rows in kept for each in rows]
    assert result.file.dropped_in_ring == len(BLOCKS[block - 2])
    assert "1 blocks" in result.file.via


@pytest.mark.parametrize("end", [True, False], ids=["end", "no end"])
def test_a_damaged_header_is_passed_over(tmp_path: Path, end: bool) -> None:
    """The next header is found by its magic and checksum; a number that is missing tells of the block between."""
    path = record(tmp_path / "a.trec", BLOCKS, end=end)
    data = bytearray(path.read_bytes())
    data[offsets(bytes(data))[3][0] + 20] ^= 1
    result = replay(put(path, bytes(data)))
    assert result.seen == [each.seen() for each in FIRST + THIRD]
    assert result.file.dropped_in_ring == (len(SECOND) if end else 0)


def test_bytes_between_blocks_are_passed_over(tmp_path: Path, whole: bytes) -> None:
    """Rubbish of any length, even with magics in it, does not hide what follows."""
    at = offsets(whole)[3][0]
    for rubbish in (b"x", bytes(70_000), whole[at : at + 30], b"\xb7TRBLK\r\n" * 9000):
        assert replay(put(tmp_path / "a.trec", whole[:at] + rubbish + whole[at:])).seen == ALL


def test_blocks_that_are_missing_are_noticed(tmp_path: Path, whole: bytes) -> None:
    """A block cut out of the middle leaves no bytes behind, but its number and its events are missing."""
    places = offsets(whole)
    result = replay(put(tmp_path / "a.trec", whole[: places[3][0]] + whole[places[4][0] :]))
    assert result.seen == [each.seen() for each in FIRST + THIRD]
    assert result.file.dropped_in_ring == len(SECOND)


class Forge:
    """Writes recordings that our writer would not write."""

    def __init__(self, path: Path, events: tuple[object, ...] = EVENTS) -> None:
        self._path = path
        self._encoder = Encoder(Codec.ZSTD)
        meta = Meta(Machine("linux", "x86_64", "6.1", 1), 0, 4, events)     # type: ignore[arg-type]
        self._data = file_head() + self._encoder.block(Content(BlockKind.META, encode(meta)), 0)
        self._number = 1

    def block(self, kind: int, stored: bytes, *, codec: int = Codec.NONE, raw: int | None = None, events: int = 0,
              length: int | None = None) -> Forge:
        """Append a block with right checksums and whatever else is asked for."""
        header = BlockHeader(
            kind, codec, len(stored) if length is None else length, len(stored) if raw is None else raw, events, 0, 0,
            self._number, zlib.crc32(stored),
        )
        self._data += pack_header(header) + stored
        self._number += 1
        return self

    def write(self) -> Path:
        return put(self._path, self._data)


def batch(*entries: tuple[int, bytes], task: bool = True) -> bytes:
    """Return a batch of (event, context) entries of one task."""
    head = struct.pack("<QIHHII", 0, 0, 0xFFFF, 0, 32, 0) + bytes(32) if task else b""
    rows = (struct.pack("<QIHHII", 1, 0, event, 0, len(context), 0) + context for event, context in entries)
    return head + b"".join(row + bytes(-len(row) % 8) for row in rows)


GOOD = batch((0, bytes(16)))


def test_an_unknown_codec_is_skipped_and_counted(tmp_path: Path) -> None:
    """A later version may store blocks in another way: this one replays the others."""
    forge = Forge(tmp_path / "a.trec").block(BlockKind.EVENTS, GOOD, codec=9, events=7)
    result = replay(forge.block(BlockKind.EVENTS, GOOD, events=1).write())
    assert (len(result.seen), result.file.dropped_in_ring) == (1, 7)


def test_an_unknown_kind_of_block_is_passed_over(tmp_path: Path) -> None:
    """A later version may say more: what this one does not know is not damage."""
    result = replay(Forge(tmp_path / "a.trec").block(77, b"news").block(BlockKind.EVENTS, GOOD, events=1).write())
    assert (len(result.seen), result.file.dropped_in_ring) == (1, 0)


@pytest.mark.parametrize(
    "frame",
    [
        zstandard.ZstdCompressor().compress(bytes(17)),                     # of another size than the header says
        zstandard.ZstdCompressor(write_content_size=False).compress(GOOD),  # of no size
        zstandard.ZstdCompressor().compress(GOOD) + b"more",
        zstandard.ZstdCompressor().compress(GOOD)[:-3],
        b"\x28\xb5\x2f\xfd\xe0" + b"\xff" * 8 + b"\x01\x00\x00",            # says that it holds 16 EiB
        b"no frame at all",
    ],
    ids=["size", "no size", "more", "less", "bomb", "none"],
)
def test_a_frame_that_is_not_what_its_header_says_is_skipped(tmp_path: Path, frame: bytes) -> None:
    """Nothing is allocated that the header, with its limit, does not say."""
    forge = Forge(tmp_path / "a.trec").block(BlockKind.EVENTS, frame, codec=Codec.ZSTD, raw=len(GOOD), events=3)
    assert replay(forge.write()).file.dropped_in_ring == 3


def test_a_header_that_claims_more_than_a_block_may_have_is_none(tmp_path: Path) -> None:
    """2 GiB of data behind a sound checksum: not believed, the next header is looked for."""
    forge = Forge(tmp_path / "a.trec").block(BlockKind.EVENTS, GOOD, length=1 << 31)
    assert len(replay(forge.block(BlockKind.EVENTS, GOOD, events=1).write()).seen) == 1


@given(
    st.lists(st.tuples(st.integers(0, 3), st.binary(max_size=40)), max_size=6), st.binary(max_size=60), st.booleans()
)
@settings(max_examples=100, deadline=None)
def test_senseless_batches_balance(
    tmp_path_factory: pytest.TempPathFactory, entries: list[tuple[int, bytes]], tail: bytes, task: bool
) -> None:
    """Events that are not declared, too short, without a task, or rubbish behind them: each is counted once."""
    path = tmp_path_factory.mktemp("batch") / "a.trec"
    data = batch(*entries, task=task) + tail
    result = replay(Forge(path).block(BlockKind.EVENTS, data, events=len(entries)).write())
    ledger = result.ledger
    assert all(row.missing == 0 for row in ledger.values())
    assert sum(row.produced for row in ledger.values()) >= len(entries)
    assert sum(row.delivered for row in ledger.values()) == len(result.seen)


@pytest.mark.parametrize(
    "events",
    [
        ({"name": "x", "type": "process", "context": 8, "payload": True},),
        ({"name": "x", "type": "process", "context": 9000, "payload": False},),
        ({"name": "x\x1b[2J", "type": "process", "context": 8, "payload": False},),
        ({"name": "*/ #include", "type": "process", "context": 8, "payload": False},),
        ({"name": "x"},),
    ],
    ids=["no room for pointers", "too long", "escape", "comment", "incomplete"],
)
def test_what_a_file_says_of_its_events_is_checked(tmp_path: Path, events: tuple[object, ...]) -> None:
    """A context without room for its pointers, or a name that no terminal should see, is refused in one sentence."""
    with pytest.raises(SourceError):
        replay(Forge(tmp_path / "a.trec", events).write(), names=())


def test_an_etw_event_that_is_too_short_for_its_programs_is_refused(tmp_path: Path) -> None:
    """The matcher reads 96 bytes of context: a file that promises fewer is not replayed through it."""
    events = ({"name": "etl", "type": "etw", "context": 32, "payload": True},)
    with pytest.raises(SourceError, match="less than 96 bytes"):
        replay(Forge(tmp_path / "a.trec", events).write(), names=("etw:Microsoft-Windows-Kernel-Process",))


def test_other_files_are_told_apart(tmp_path: Path, whole: bytes) -> None:
    """Not ours, empty, a folder, missing, a version that does not exist yet: one sentence each."""
    for name, data in (("empty", b""), ("text", b"hello\n" * 100), ("etl", bytes(65536))):
        path = put(tmp_path / name, data)
        assert not is_trec(path)
        with pytest.raises(SourceError, match="not a recording of tracerd"):
            Reader(path)
    assert not is_trec(tmp_path)
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(SourceError):
            Reader(path)
    newer = put(tmp_path / "newer", whole[:8] + b"\x02\x00" + whole[10:])
    assert is_trec(newer)
    with pytest.raises(NotSupported, match="version 2"):
        Reader(newer)


def test_a_program_is_refused_more_than_was_recorded(tmp_path: Path) -> None:
    """A name that the recording lacks is answered with those it has."""
    path = record(tmp_path / "a.trec", BLOCKS)
    with pytest.raises(SourceError, match=f"which has: {PLAIN.name}, {LETTER.name}"):
        replay(path, names=("process:exit",))


@pytest.mark.parametrize("text", [b'{"events": 1}', b"\xff\xfe", b"[" * 100_000, b'{"events": -1, "ledger": {}}', b""])
def test_an_end_that_cannot_be_read_is_as_none(tmp_path: Path, text: bytes) -> None:
    """Incomplete, not UTF-8, nested without end, a negative count: the events are replayed, the end is missing."""
    forge = Forge(tmp_path / "a.trec").block(BlockKind.EVENTS, GOOD, events=1).block(BlockKind.END, text)
    result = replay(forge.write())
    assert len(result.seen) == 1
    assert "no end" in result.file.via


def test_spoiled_recordings_keep_every_promise() -> None:
    """A few seconds of `make fuzz`."""
    assert fuzz(3.0, seed=1) == 0
