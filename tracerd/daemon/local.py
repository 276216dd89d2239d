"""A daemon's insides in this process, for a dashboard where no daemon runs: the same feed, and nothing that stays.

It is a whole `core.Daemon` in a state directory of its own, which is removed with it. Nobody else can reach it.
"""

from __future__ import annotations

import logging
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tracerd.daemon.client_look import look_of
from tracerd.daemon.feed import LinkInfo, Look, Printed, Record, Verification
from tracerd.errors import RunError, TracerdError

if TYPE_CHECKING:
    from tracerd.config import Probe
    from tracerd.daemon.control import Control
    from tracerd.daemon.core import Daemon
    from tracerd.runtime.upload import Upload
    from tracerd.snapshot import Column, Moment
    from tracerd.verifier.sandbox import Verifier
    from tracerd.vm.policy import Integrity

NAME = "this process"
LOOK_SECONDS = 0.25
SELDOM = 40                      # looks between two at maps that fill up with ended processes, and at ended sources
TURN_SECONDS = 0.25
"""How long a stream waits before it looks whether it is to end."""

QUEUE_BYTES = 1 << 20
"""What one reader of a ring buffer may be behind, as with a daemon."""


class LocalDaemon:
    """Begins with the first feed that is asked for, which may take as long as the proofs do. Thread-safe."""

    def __init__(self, probes: Sequence[str], code_integrity: Integrity = "auto") -> None:
        """`probes` are shipped names, probe.toml files or objects. What cannot be loaded is told in `Look.reasons`."""
        self._probes = probes
        self._integrity = code_integrity
        self._beginning = threading.Lock()
        self._running: tuple[Daemon, Control] | None = None
        self._made = ExitStack()
        self._verifier: Verifier | None = None
        self._ended = threading.Event()
        logging.getLogger("tracerd").addHandler(logging.NullHandler())   # its word would be written over the screen

    def __enter__(self) -> LocalDaemon:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def feed(self) -> LocalFeed:
        """Return a feed.

        Raises:
            TracerdError: it cannot be begun at all.
        """
        with self._beginning:
            if self._ended.is_set():
                raise RunError(NAME, "the session has ended")
            if self._running is None:
                self._running = self._begin()
            return LocalFeed(*self._running, self._ended)

    def close(self) -> None:
        """Stop everything and remove what it kept; a proof under way is broken off. May be called twice."""
        self._ended.set()
        if self._verifier is not None:
            self._verifier.close()
        with self._beginning:
            if self._running is not None:
                daemon, _ = self._running
                daemon.stop(seconds=1.0)
                self._running = None
            self._made.close()

    def _begin(self) -> tuple[Daemon, Control]:
        """Begin; what was made before something fails is gone again, since it is tried anew every second."""
        try:
            with ExitStack() as made:
                running = self._make(made)
                self._made = made.pop_all()
                return running
        except OSError as error:
            raise RunError(NAME, f"the session cannot begin: {error.strerror or error}") from error

    def _make(self, made: ExitStack) -> tuple[Daemon, Control]:
        from tracerd.config.daemon import DaemonConfig
        from tracerd.daemon.control import Control
        from tracerd.daemon.core import Daemon
        from tracerd.daemon.settings import verify_options

        folder = Path(tempfile.mkdtemp(prefix="tracerd-top-"))
        made.callback(shutil.rmtree, folder, ignore_errors=True)
        config = DaemonConfig(state_dir=folder / "state", code_integrity=self._integrity)
        daemon = Daemon(config, lambda: config)
        made.callback(daemon.close)
        self._verifier = daemon.verifier
        if self._ended.is_set():
            raise RunError(NAME, "the session has ended")
        daemon.host.begin([(name, _located(name)) for name in self._probes])
        daemon.exporting.start()
        daemon.begun = True
        threading.Thread(target=self._look_after, args=(daemon,), name="local-daemon", daemon=True).start()
        options = verify_options(config)
        return daemon, Control(daemon.host, daemon.inspector, daemon.reload, daemon.verifier, options)

    def _look_after(self, daemon: Daemon) -> None:
        looks = 0
        while not self._ended.wait(LOOK_SECONDS):
            looks += 1
            with suppress(TracerdError):                 # as in `serve`: the next look is soon
                daemon.host.sources.take_printed()       # who follows gets the lines by that
                if looks % SELDOM == 0:
                    daemon.host.expire()
                    if daemon.host.sources.failed():
                        daemon.revive()


class LocalFeed:
    """What `client.Client` gives of a daemon elsewhere. Its user may do everything."""

    def __init__(self, daemon: Daemon, control: Control, ended: threading.Event) -> None:
        """`ended` ends every stream."""
        self._daemon = daemon
        self._control = control
        self._ended = ended
        self._closed = threading.Event()

    @property
    def name(self) -> str:
        """Where it is."""
        return NAME

    def look(self) -> Look:
        """Return what it says of itself."""
        from tracerd.daemon.health import status

        nothing_stays = {"config": "", "state_dir": ""}
        return look_of({**status(self._daemon), **nothing_stays, "host": socket.gethostname(), "role": "admin"})

    def moments(self, interval: float = 1.0) -> Iterator[Moment]:
        """Yield what it has collected, every so many seconds."""
        due = time.monotonic()
        while self._goes_on():
            yield self._control.moment()
            due = max(due + interval, time.monotonic())
            while self._goes_on() and time.monotonic() < due:
                self._closed.wait(min(due - time.monotonic(), TURN_SECONDS))

    def columns(self, map_id: int) -> Mapping[str, Column]:
        """Return all elements of a map."""
        return self._control.map(map_id).columns()

    def disasm(self, program: int, *, source: bool = False) -> dict[str, Any]:
        """Return a program as text."""
        from tracerd.runtime.listing import listing

        spec, _ = self._control.program_text(program)
        names = ("instruction", "text", "source")
        lines = [dict(zip(names, each, strict=True)) for each in listing(spec, source=source)]
        about = {"program": spec.name, "section": spec.section, "instructions": len(spec.instructions)}
        return {**about, "lines": lines}

    def records(self, map_id: int) -> Iterator[Record]:
        """Yield a ring buffer's records from now on."""
        follower = self._control.follow(map_id, QUEUE_BYTES)
        try:
            while self._goes_on() and not follower.ended:
                records, lost = follower.take(TURN_SECONDS)
                for record in records:
                    yield Record(follower.decode(record), lost)
        finally:
            follower.close()

    def printed(self) -> Iterator[Printed]:
        """Yield what programs print."""
        follower = self._control.follow_printed()
        try:
            while self._goes_on() and not follower.ended:
                lines, lost = follower.take(TURN_SECONDS)
                for line in lines:
                    yield Printed(line, lost)
        finally:
            follower.close()

    def verify(self, upload: Upload) -> list[Verification]:
        """Have an object's programs proved, and nothing loaded."""
        return self._control.verify(upload)

    def attach(self, program: int, source: str) -> LinkInfo:
        """Attach a program to an event, for as long as this lasts."""
        return self._control.attach(program, source)

    def detach(self, link: int) -> None:
        """Detach a link."""
        self._control.detach(link)

    def close(self) -> None:
        """End its streams; nothing else is its own."""
        self._closed.set()

    def _goes_on(self) -> bool:
        return not (self._ended.is_set() or self._closed.is_set())


def _located(name: str) -> Probe | TracerdError:
    from tracerd.runtime.locate import locate

    try:
        return locate(name)
    except TracerdError as error:
        return error
