"""What a recording says of its events is believed only where no program could be harmed by it."""

from __future__ import annotations

import pytest

from tracerd.sources.trec.meta import Machine, Meta, RecordedEvent, decode_meta, encode

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
