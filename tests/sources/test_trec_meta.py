"""What a recording says of its events is believed only where no program could be harmed by it."""

from __future__ import annotations

import pytest

from tracerd.clock import FARTHEST_NS
from tracerd.snapshot import LEDGER_COUNTS, Ledger
from tracerd.sources.trec.meta import (
    MOST_TEXT,
    End,
    Machine,
    Meta,
    RecordedEvent,
    decode_end,
    decode_meta,
    encode,
    end_of,
    readable,
)

MACHINE = Machine("linux", "x86_64", "6.1", 1)


def told(event: RecordedEvent) -> Meta | None:
    return decode_meta(encode(Meta(MACHINE, 0, 1, (event,))))


@pytest.mark.parametrize(
    "event",
    [
        RecordedEvent("tracepoint:raw_syscalls:sys_enter", "tracepoint", 64, payload=False),
        RecordedEvent("process:start", "process", 280, payload=True),
        RecordedEvent("net:open", "net", 160, payload=False),
        RecordedEvent("system:sample", "sample", 216, payload=False),
        RecordedEvent("etl", "etw", 96, payload=True),
    ],
)
def test_events_are_what_their_names_say(event: RecordedEvent) -> None:
    """Each kind of event that can be recorded is understood."""
    meta = told(event)
    assert meta is not None
    assert meta.events == (event,)


@pytest.mark.parametrize(
    "event",
    [
        RecordedEvent("process:start", "process", 280, payload=False),
        RecordedEvent("etl", "etw", 96, payload=False),
        RecordedEvent("tracepoint:raw_syscalls:sys_enter", "tracepoint", 64, payload=True),
        RecordedEvent("net:open", "process", 280, payload=False),
        RecordedEvent("process:start", "tracepoint", 280, payload=False),
        RecordedEvent("process:begin", "process", 280, payload=True),
        RecordedEvent("nothing", "none", 0, payload=False),
    ],
)
def test_a_file_cannot_choose_the_pointers_of_a_context(event: RecordedEvent) -> None:
    """A context that a proof takes to begin with pointers is never one whose bytes are the file's."""
    assert told(event) is None


def test_an_event_is_in_a_recording_once() -> None:
    """Of two with one name, whoever asks for it would get the first, and a copy of the recording every event twice."""
    event = RecordedEvent("net:open", "net", 160, payload=False)
    assert decode_meta(encode(Meta(MACHINE, 0, 1, (event, event)))) is None


def test_a_time_that_no_clock_has_makes_a_recording_unreadable() -> None:
    """What is believed can be written again: JSON of this kind has no larger numbers."""
    text = encode(Meta(MACHINE, 0, 1, ()))
    assert decode_meta(text.replace(b'"recorded_ns":1', b'"recorded_ns":1' + b"0" * 30)) is None


@pytest.mark.parametrize(("ns", "known"), [(FARTHEST_NS, 1), (-FARTHEST_NS, 1), (FARTHEST_NS + 1, 0), (-1 << 63, 0)])
def test_what_is_written_is_what_can_be_read(ns: int, known: int) -> None:
    """The writer asks the reader: both have the same bounds."""
    meta = Meta(MACHINE, ns, 1, ())
    assert (readable(meta) is not None) == known == (decode_meta(encode(meta)) is not None)


@pytest.mark.parametrize("events", [-1, (1 << 62) + 1, 1 << 70])
def test_numbers_that_nobody_counts_to_are_not_written(events: int) -> None:
    """Nor is what has no form as JSON."""
    assert readable(End(events, {})) is None
    assert readable(End(0, {"\udcff": end_of(0, {"x": Ledger(0, 0)}).ledger["x"]})) is None


def test_a_ledger_comes_back_as_it_was() -> None:
    """Every count is kept apart, and what the source said of itself."""
    row = Ledger(*range(1, len(LEDGER_COUNTS) + 1), via="missing buffers: 29 that its header counts")
    end = decode_end(encode(end_of(7, {"etl:a.etl": row})))
    assert end is not None
    assert {name: each.ledger() for name, each in end.ledger.items()} == {"etl:a.etl": row}


def test_what_is_said_is_short_plain_text_in_the_file() -> None:
    """What is too long says so; file names that are no text, and what terminals would obey, do no harm."""
    long, fits = Ledger(0, 0, via="\x1b[2J é " + "x" * 300), Ledger(0, 0, via="y" * MOST_TEXT)
    rows = {"etl:\udcff\x1b[2J.etl": long, "etl:b": fits}
    told = readable(end_of(0, rows))
    assert told is not None
    end = decode_end(told)
    assert end is not None
    first, second = end.ledger.items()
    assert first[0] == r"etl:\udcff\x1b[2J.etl"
    assert (first[1].via[:8], first[1].via[-4:], len(first[1].via)) == ("?[2J ? x", "x...", MOST_TEXT)
    assert second[1].via == "y" * MOST_TEXT


def test_an_end_without_what_later_versions_say_is_read() -> None:
    """Files of before: counts alone."""
    end = decode_end(b'{"events":2,"ledger":{"net:open":{"produced":3,"delivered":2,"lost_in_kernel":1}}}')
    assert end is not None
    assert end.ledger["net:open"].ledger() == Ledger(3, 2, lost_in_kernel=1)
