"""A feed that was recorded from a real daemon, and plays the same on every run: for pictures that can be compared.

A recording is a zip archive of what the control API said: moments and maps as documents of columns (docs/api.md), the
rest as JSON. `python -m tests.tui.record` makes one.
"""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from tracerd.daemon import client_moments, columns
from tracerd.daemon.client_look import look_of
from tracerd.daemon.client_verify import verifications
from tracerd.daemon.feed import LinkInfo, Look, Printed, Record, Verification
from tracerd.errors import NotFound, NotPermitted
from tracerd.snapshot import Column, Moment

RECORDING = Path(__file__).parent / "recording.zip"


class RecordedFeed:
    """Step by step: a step is a moment, and all that was asked beside it. Nothing goes on without `step`."""

    name = "a recording"

    def __init__(self, path: Path = RECORDING) -> None:
        self._archive = ZipFile(path)
        self._names = set(self._archive.namelist())
        self.steps = sum(name.startswith("moment-") for name in self._names)
        self.at = 0                      # the step that was let out last, from 1
        self._allowed = threading.Semaphore(0)
        self._reading = threading.Lock()
        self._records_given = threading.Event()

    @property
    def first_ns(self) -> int:
        """When the first moment was taken, unix time."""
        return self._moment(1).taken_ns

    def connect(self) -> RecordedFeed:
        """Be the `connect` of the dashboard."""
        return self

    def step(self) -> Moment:
        """Let the next moment out, and return it."""
        self.at += 1
        self._allowed.release()
        return self._moment(self.at)

    def close(self) -> None:
        """Several threads share the archive; it ends with the process."""

    def look(self) -> Look:
        return look_of(self._json(f"look-{max(self.at, 1):03}.json"))

    def moments(self, interval: float = 1.0) -> Iterator[Moment]:  # noqa: ARG002  it was chosen when it was recorded
        for step in range(1, self.steps + 1):
            self._allowed.acquire()
            yield self._moment(step)
        threading.Event().wait()

    def columns(self, map_id: int) -> Mapping[str, Column]:
        copies = [name for name in self._names if name.startswith(f"map-{map_id}-") and self._step(name) <= self.at]
        if not copies:
            raise NotFound(f"map {map_id}")
        _, (block,) = columns.decode(self._read(max(copies)))
        return dict(block.columns)

    def disasm(self, program: int, *, source: bool = False) -> dict[str, Any]:  # noqa: ARG002
        return dict(self._json(f"disasm-{program}.json"))

    def records(self, map_id: int) -> Iterator[Record]:
        for each in self._json(f"records-{map_id}.json"):
            yield Record(each, 0)
        self._records_given.set()
        threading.Event().wait()

    def printed(self) -> Iterator[Printed]:
        self._records_given.wait()       # which of the two threads is first would be chance
        for each in self._json("printed.json"):
            yield Printed(each, 0)
        threading.Event().wait()

    def verify(self, upload: object) -> list[Verification]:  # noqa: ARG002
        return verifications(self._json("verify.json"))

    def attach(self, program: int, source: str) -> LinkInfo:
        raise NotPermitted(f"attaching {program} to {source}", "this is a recording")

    def detach(self, link: int) -> None:
        raise NotPermitted(f"detaching {link}", "this is a recording")

    def _step(self, name: str) -> int:
        return int(name.removesuffix(".bin").rpartition("-")[2])

    def _moment(self, step: int) -> Moment:
        stream = io.BytesIO(self._read(f"moment-{step:03}.bin"))
        return next(client_moments.moments(stream))  # type: ignore[arg-type]    # it only reads

    def _json(self, name: str) -> Any:
        return json.loads(self._read(name))

    def _read(self, name: str) -> bytes:
        with self._reading:
            return self._archive.read(name)
