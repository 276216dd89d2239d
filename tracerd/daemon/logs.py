"""What the daemon says of itself: one record a line, for people or for programs, on standard error.

Nobody who does not read can hold the daemon: a record that finds no room in the pipe is dropped, and the next one that
does says how many were. What repeats is told a few times and then counted; audit records are never held back.
"""

from __future__ import annotations

import json
import logging
import os
import select
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Literal, TextIO

from tracerd.daemon.repeats import Repeats
from tracerd.text import printable

Format = Literal["auto", "console", "json"]

AUDIT = "tracerd.audit"
"""The logger of everything that changes something, and of who asked for it."""

ROOT = "tracerd"
WAIT_SECONDS = 0.1
"""How long a record waits for who reads the log. After one that waited in vain none does, until one gets through."""

LONGEST = 8192
"""Characters of a message or a field that are told."""


def fields(**values: object) -> dict[str, Mapping[str, object]]:
    """Return `extra` of a log call: `log.info("probe loaded", extra=fields(probe="syscalls"))`."""
    return {"fields": values}


def start_logging(form: Format = "auto", level: str = "info", stream: TextIO | None = None) -> Handler:
    """Send everything that is logged under "tracerd" to a stream; what an earlier call set up is replaced."""
    stream = stream if stream is not None else sys.stderr
    handler = Handler(stream, formatter_for(form, stream))
    logger = logging.getLogger(ROOT)
    for old in [each for each in logger.handlers if isinstance(each, Handler)]:
        logger.removeHandler(old)
        old.close()
    logger.addHandler(handler)
    logger.setLevel(level.upper())
    logger.propagate = False
    return handler


def formatter_for(form: Format, stream: TextIO) -> logging.Formatter:
    """Choose: as asked; else the journal's form for the journal, people's on a terminal, JSON for anything else."""
    if form == "json":
        return JsonLines()
    if is_journal(stream):
        return Console(journal=True)
    if form == "console" or stream.isatty():
        return Console()
    return JsonLines()


def is_journal(stream: TextIO, environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether a stream is the one that systemd connected to its journal (systemd.exec(5), JOURNAL_STREAM)."""
    device, _, inode = environment.get("JOURNAL_STREAM", "").partition(":")
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return (device, inode) == (str(status.st_dev), str(status.st_ino))


class JsonLines(logging.Formatter):
    """One JSON object a record: time, level, logger, message, fields. All but ASCII is escaped."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        document: dict[str, object] = {
            "time": rfc3339(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _cut(record.getMessage()),
        }
        if given := _fields_of(record):
            document["fields"] = given
        if record.exc_info:
            document["exception"] = self.formatException(record.exc_info)
        return json.dumps(document, default=lambda value: _cut(str(value)))


class Console(logging.Formatter):
    """One line a record for people. For the journal: its priority instead of the time, which it knows itself."""

    def __init__(self, *, journal: bool = False) -> None:
        super().__init__()
        self._journal = journal

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, and those of a traceback."""
        said = " ".join([printable(_cut(record.getMessage())), *_pairs(_fields_of(record))])
        name = record.name.removeprefix(f"{ROOT}.")
        said = said if name == ROOT else f"{name}: {said}"
        lines = [said]
        if record.exc_info:
            lines += map(printable, self.formatException(record.exc_info).splitlines())
        if self._journal:
            return "\n".join(f"<{_priority(record.levelno)}>{line}" for line in lines)
        clock = datetime.fromtimestamp(record.created).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
        return "\n".join([f"{clock} {record.levelname.lower():<7} {lines[0]}", *lines[1:]])


class Handler(logging.Handler):
    """Writes records, whole or not at all. `dropped` and `held` count what was not written."""

    def __init__(self, stream: TextIO, formatter: logging.Formatter) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self.dropped = 0                 # found no room, or the stream is broken
        self._untold = 0
        self._stream = stream
        self._rest = b""                 # of a line that was written in part: it comes first
        self._repeats = Repeats()
        self._stuck = False

    @property
    def held(self) -> int:
        """Records held back so far, since others had just said the same."""
        return self._repeats.held

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, and before it what is to be told of those that were not."""
        try:
            self._tell(time.monotonic())
            if record.name != AUDIT and self._repeats.hold(record, time.monotonic()):
                return
            if self._untold and self._put_line(_note(ROOT, logging.WARNING, f"{self._untold} log records were lost")):
                self._untold = 0
            self._write(record)
        except Exception:  # noqa: BLE001  a fault in logging must not become one of what is logged
            self._lost()

    def tell(self, now: float | None = None) -> None:
        """Tell how often was said what was held back longer ago than the window: for a daemon's housekeeping."""
        self.acquire()
        try:
            self._tell(time.monotonic() if now is None else now)
        finally:
            self.release()

    def close(self) -> None:
        """Tell what is still only counted."""
        self.tell(float("inf"))
        super().close()

    def _tell(self, now: float) -> None:
        for name, level, text, count in self._repeats.due(now):
            self._write(_note(name, level, f"{text} ({count} more of these)"))

    def _write(self, record: logging.LogRecord) -> None:
        if not self._put_line(record):
            self._lost()

    def _put_line(self, record: logging.LogRecord) -> bool:
        """Write a record's line behind what is left of the one before; False if nothing of it was written."""
        data = (self.format(record) + "\n").encode("utf-8", "backslashreplace")
        written = self._put(self._rest + data) - len(self._rest)
        if written < 0:
            self._rest = self._rest[written:]    # as much as is missing, from the end
            return False
        self._rest = data[written:] if written else b""
        return written > 0

    def _put(self, data: bytes) -> int:
        """Write what finds room within the time; return how many bytes."""
        written = 0
        deadline = time.monotonic() + (0 if self._stuck else WAIT_SECONDS)
        try:
            descriptor = self._stream.fileno()
            room = room_of(descriptor)
            while written < len(data) and room(deadline - time.monotonic()):
                # No more than a pipe that has room is sure to have: it cannot block then.
                written += os.write(descriptor, data[written : written + _AT_ONCE])
        except (OSError, ValueError):            # ValueError: the stream is closed
            pass
        self._stuck = written < len(data)
        return written

    def _lost(self) -> None:
        self.dropped += 1
        self._untold += 1


_AT_ONCE = getattr(select, "PIPE_BUF", 512)


def room_of(descriptor: int) -> Callable[[float], bool]:
    """Return what waits (seconds) for a descriptor to have room: no other flag is set on it, since others share it.

    Where there is no poll(2) (Windows) writing simply waits.
    """
    if not hasattr(select, "poll"):
        return lambda seconds: True  # noqa: ARG005
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return lambda seconds: bool(poll.poll(max(seconds, 0) * 1000))


def rfc3339(unix: float) -> str:
    """Return unix time in seconds as RFC 3339 with microseconds, in UTC."""
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _note(name: str, level: int, text: str) -> logging.LogRecord:
    return logging.LogRecord(name, level, __file__, 0, text, (), None)


def _fields_of(record: logging.LogRecord) -> Mapping[str, object]:
    given = getattr(record, "fields", None)
    if not isinstance(given, Mapping):
        return {}
    return {key: _cut(value) if isinstance(value, str) else value for key, value in given.items()}


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[:LONGEST] + "…"


def _pairs(given: Mapping[str, object]) -> list[str]:
    """Return key=value, quoted where the value would not be read as one word."""
    return [f"{printable(key)}={_word(str(value))}" for key, value in given.items()]


def _word(text: str) -> str:
    plain = text and not set(text) & set(' "=\\')
    return printable(text) if plain else printable(json.dumps(text, ensure_ascii=False))


def _priority(level: int) -> int:
    """The syslog priority (RFC 5424): 7 debug, 6 info, 4 warning, 3 error, 2 critical."""
    return next((priority for least, priority in _PRIORITIES if level >= least), 7)


_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))

