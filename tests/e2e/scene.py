"""A daemon with the probe `calls`, and the process whose calls it counts; how to wait for what they lead to."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.daemon.running import RunningDaemon, daemon, until
from tests.e2e.caller import Caller
from tests.e2e.contents import Contents, contents, submitted
from tests.sources.live import need_live_events
from tracerd.daemon.client import Client

OBJECTS = Path(__file__).parent / "objects"
PATIENCE = 60.0                  # seconds for what takes one or two on an idle machine


class Scene:
    """Both of them."""

    def __init__(self, running: RunningDaemon, client: Client, caller: Caller) -> None:
        self.daemon = running
        self.client = client
        self.caller = caller

    def run(self, calls: int) -> None:
        """Let so many calls be made, and wait for them."""
        self.caller.begin(calls)
        self.caller.finish()

    def still(self) -> Contents:
        """Return what the maps have once all that was counted is in them, records handed over and all."""
        seen: list[object] = []

        def settled() -> bool:
            exporters = [each["records"] for each in self.client.status()["exporters"]]
            seen.append((contents(self.client), submitted(self.client), exporters))
            time.sleep(0.4)
            return len(seen) > 2 and seen[-1] == seen[-2] == seen[-3]

        until(settled, PATIENCE, "standing still")
        return contents(self.client)

    def wait_for_exports(self, name: str, many: int = 2) -> None:
        """Wait for exports; what the last of two tells was looked up after this was called."""
        before = self.exporter(name)["exports"]
        until(lambda: self.exporter(name)["exports"] >= before + many, PATIENCE, "an export")

    def exporter(self, name: str) -> dict[str, Any]:
        """Return what `tracerd status --json` says of an exporter."""
        found: dict[str, Any] = next(each for each in self.client.status()["exporters"] if each["name"] == name)
        return found


def comes_to(read: Callable[[], object], expected: object) -> None:
    """Assert that what is read becomes what is expected. While not all is there, reading may fail."""

    def is_it() -> bool:
        with suppress(ValueError, AssertionError):
            return read() == expected
        return False

    with suppress(AssertionError):       # the one below says more
        until(is_it, PATIENCE)
    assert read() == expected


@contextmanager
def scene(folder: Path, exporters: str) -> Iterator[Scene]:
    """Give one; `exporters` are sections of its tracerd.toml."""
    need_live_events()
    with daemon(folder, more=exporters) as running:
        for file in ("calls.bpf.o", "calls.toml"):
            shutil.copy(OBJECTS / file, folder / "probes.d")
        client = running.start()
        with Caller() as caller:
            watched = next(each.id for each in client.maps() if each.name == "watched")
            client.update(watched, 0, caller.pid)
            yield Scene(running, client, caller)
