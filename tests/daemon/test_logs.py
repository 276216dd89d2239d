"""What the daemon's log looks like, and that nobody can stop the daemon by not reading it."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from typing import TextIO

import pytest

from tracerd.daemon import repeats
from tracerd.daemon.logs import AUDIT, Console, Handler, JsonLines, fields, formatter_for, is_journal, start_logging

LOG = logging.getLogger("tracerd.test")


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Other tests look at the log, too."""
    logger = logging.getLogger("tracerd")
    level, propagate = logger.level, logger.propagate
    yield
    logger.setLevel(level)
    logger.propagate = propagate


@contextmanager
def pipe() -> Iterator[tuple[int, TextIO]]:
    """A reader's descriptor and a stream to write."""
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stream:
        yield reader, stream
    os.close(reader)


@pytest.fixture
def logged() -> Iterator[tuple[int, Handler, TextIO]]:
    """JSON logging into a pipe: (what reads it, the handler, what writes it)."""
    with pipe() as (reader, stream):
        handler = start_logging("json", "debug", stream)
        yield reader, handler, stream
        logging.getLogger("tracerd").removeHandler(handler)


def read(reader: int) -> list[dict[str, object]]:
    return [json.loads(line) for line in os.read(reader, 1 << 20).decode().splitlines()]


def record(message: str, **values: object) -> logging.LogRecord:
    made = logging.LogRecord("tracerd.audit", logging.WARNING, "", 0, message, (), None)
    made.__dict__ |= fields(**values)
    return made


def test_a_json_record_has_the_documented_keys(logged: tuple[int, Handler, TextIO]) -> None:
    """One object a line; what a record is about is in `fields`."""
    LOG.warning("probe %s failed", "syscalls", extra=fields(probe="syscalls", seconds=1.5))
    (row,) = read(logged[0])
    assert row.pop("time").endswith("Z")  # type: ignore[attr-defined]
    assert row == {
        "level": "warning",
        "logger": "tracerd.test",
        "message": "probe syscalls failed",
        "fields": {"probe": "syscalls", "seconds": 1.5},
    }


def test_a_traceback_stays_on_its_record_s_line(logged: tuple[int, Handler, TextIO]) -> None:
    """A reader of JSON lines gets one object."""
    try:
        raise ValueError("a bug")
    except ValueError:
        LOG.exception("failed")
    (row,) = read(logged[0])
    assert "ValueError: a bug" in str(row["exception"])


HOSTILE = "a\x1b[2Jb\nc\u202ed\x00"


@pytest.mark.parametrize("formatter", [JsonLines(), Console(), Console(journal=True)])
def test_no_control_character_reaches_the_log(formatter: logging.Formatter) -> None:
    """A process that calls itself an escape sequence cannot forge a line or clear a terminal."""
    line = formatter.format(record(HOSTILE, **{"na\nme": HOSTILE}))
    assert line.isprintable()
    assert "\\x1b[2J" in line or "\\u001b[2J" in line


def test_the_console_form_is_one_readable_line() -> None:
    """Values that are not one word are quoted; the program's own name is left out."""
    line = Console().format(record("map pinned", who="uid 0", map=3, empty=""))
    assert line.endswith('warning audit: map pinned who="uid 0" map=3 empty=""')


def test_the_journal_gets_priorities_instead_of_times() -> None:
    """systemd's journal reads <N> in front of every line, also of a traceback's."""
    made = record("failed")
    made.exc_info = (ValueError, ValueError("x"), None)
    assert [line[:3] for line in Console(journal=True).format(made).splitlines()] == ["<4>", "<4>"]


def test_the_journal_s_stream_is_known_by_its_inode() -> None:
    """JOURNAL_STREAM alone is not enough: standard error may have been redirected."""
    with pipe() as (_, stream):
        status = os.fstat(stream.fileno())
        journal = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        assert is_journal(stream, journal)
        assert not is_journal(stream, {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino + 1}"})
        assert not is_journal(stream, {})
        assert isinstance(formatter_for("auto", stream), JsonLines)
        assert isinstance(formatter_for("console", stream), Console)


def test_what_repeats_is_told_a_few_times_and_then_counted(
    logged: tuple[int, Handler, TextIO],
) -> None:
    """The first of them are there, the rest is one number, and other records are not touched."""
    for _ in range(100):
        LOG.error("the disk is full")
    LOG.error("something else")
    assert [row["message"] for row in read(logged[0])] == ["the disk is full"] * repeats.BURST + ["something else"]
    assert logged[1].held == 100 - repeats.BURST
    logged[1].tell(time.monotonic() + repeats.WINDOW_SECONDS)
    assert [row["message"] for row in read(logged[0])] == ["the disk is full (95 more of these)"]


def test_audit_records_are_never_held_back(logged: tuple[int, Handler, TextIO]) -> None:
    """Every change is told, however often it is the same."""
    for _ in range(50):
        logging.getLogger(AUDIT).info("refused")
    assert len(read(logged[0])) == 50


@pytest.mark.timeout(30)
def test_a_reader_that_does_not_read_costs_records_but_no_time() -> None:
    """The log's pipe is full: the daemon goes on, lines stay whole, and the loss is told once there is room."""
    with pipe() as (reader, stream):
        handler = start_logging("json", "info", stream)
        begun = time.monotonic()
        for number in range(3000):
            LOG.info("record %d %s", number, "x" * 100)
        assert time.monotonic() - begun < 10
        assert handler.dropped > 1000
        rows = read(reader)
        while len(rows[-1:]) and not str(rows[-1]["message"]).startswith("told"):
            LOG.info("told")
            rows += read(reader)
        lost = [str(row["message"]) for row in rows if "were lost" in str(row["message"])]
        assert lost == [f"{handler.dropped} log records were lost"]
        assert len([row for row in rows if str(row["message"]).startswith("record")]) == 3000 - handler.dropped
        logging.getLogger("tracerd").removeHandler(handler)


def test_a_closed_stream_is_counted_not_raised() -> None:
    """Logging never becomes a fault of what is logged."""
    with pipe() as (_, stream):
        handler = Handler(stream, JsonLines())
    handler.handle(record("into nothing"))
    assert handler.dropped == 1


def test_logging_again_replaces_what_was_set_up() -> None:
    """A reload may change the form; nothing is then told twice."""
    with pipe() as (reader, stream):
        start_logging("json", "info", stream)
        second = start_logging("console", "info", stream)
        LOG.info("once")
        assert os.read(reader, 1 << 16).decode().count("once") == 1
        logging.getLogger("tracerd").removeHandler(second)


def test_a_long_message_is_cut() -> None:
    """What a hostile client makes us say has an end."""
    assert len(JsonLines().format(record("x" * 10**6, name="y" * 10**6))) < 20_000


def test_the_stream_s_own_encoding_does_not_matter() -> None:
    """What is no text (a file name of raw bytes) is escaped."""
    with pipe() as (reader, stream):
        assert isinstance(stream, TextIOWrapper)
        Handler(stream, Console()).handle(record("bad name \udcff"))
        assert "bad name \\udcff" in os.read(reader, 1000).decode()
