"""A real daemon in a process of its own, as an administrator starts it, in a folder of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tracerd.daemon.client import Client, connect
from tracerd.errors import TracerdError

OBJECTS = Path(__file__).parent / "objects"
TALLY = OBJECTS / "tally.bpf.o"
SECONDS = 30.0

CONFIG = """
state_dir = "{root}/state"
probes = [{probes}]
[control]
socket = "{root}/run/control.sock"
[exporters.jsonl]
path = "{root}/out/moments.jsonl"
interval = "{interval}"
{more}
"""


class RunningDaemon:
    """One daemon and its folder. `process` is None while it does not run."""

    def __init__(
        self, root: Path, probes: str = '"probes.d/*.toml"', more: str = "", head: str = "", interval: str = "1s"
    ) -> None:
        """Write its configuration; `head` comes before the first table, `more` after the last."""
        self.root = root
        self.process: subprocess.Popen[bytes] | None = None
        self._probes = probes
        self._interval = interval
        self._clients: list[Client] = []
        root.chmod(0o700)
        for folder in ("out", "probes.d"):
            (root / folder).mkdir(exist_ok=True)
        self.configure(more=more, head=head)

    @property
    def config(self) -> Path:
        return self.root / "tracerd.toml"

    @property
    def socket(self) -> Path:
        return self.root / "run" / "control.sock"

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def log(self) -> str:
        """Everything it has logged, over all its lives."""
        return (self.root / "log").read_text()

    def configure(self, probes: str | None = None, more: str = "", head: str = "") -> None:
        """Write the configuration anew, as an editor does: another file under its name."""
        fresh = self.root / "tracerd.toml.new"
        text = CONFIG.format(root=self.root, probes=probes or self._probes, interval=self._interval, more=more)
        fresh.write_text(head + text)
        fresh.replace(self.config)

    def probe(self, name: str, object_file: Path = TALLY, attach: str = "on_getppid=syscall:getppid:enter") -> Path:
        """Put a probe into probes.d; its object is copied beside it."""
        folder = self.root / "probes.d"
        shutil.copy(object_file, folder / f"{name}.bpf.o.new")
        (folder / f"{name}.bpf.o.new").replace(folder / f"{name}.bpf.o")
        lines = ["[probe]", f'name = "{name}"', f'object = "{name}.bpf.o"']
        for pair in attach.split():
            program, _, source = pair.partition("=")
            lines += ["[[attach]]", f'program = "{program}"', f'source = "{source}"']
        path = folder / f"{name}.toml"
        (folder / f"{name}.toml.new").write_text("\n".join(lines) + "\n")
        (folder / f"{name}.toml.new").replace(path)
        return path

    def start(
        self,
        *,
        wait: bool = True,
        command: tuple[str, ...] = (),
        env: dict[str, str] | None = None,
        spoil: str = "",
        stderr: int | None = None,
    ) -> Client:
        """Start it, and wait until it has begun. `spoil` is code that it runs first; `stderr` takes its log."""
        code = f"import runpy\n{spoil}\nrunpy.run_module('tracerd.cli', run_name='__main__', alter_sys=True)"
        serve = ["-c", code] if spoil else ["-m", "tracerd.cli"]
        arguments = [*command, sys.executable, *serve, "serve", "--config", str(self.config)]
        with (self.root / "log").open("ab") as log:
            self.process = subprocess.Popen(
                arguments, stdout=log, stderr=log if stderr is None else stderr, env={**os.environ, **(env or {})}
            )
        if wait:
            self.wait()
        return self.client()

    def wait(self, seconds: float = SECONDS) -> None:
        """Wait until it has begun, whether all is well or not."""
        end = time.monotonic() + seconds
        while True:
            assert self.process is not None
            assert self.process.poll() is None, f"the daemon ended: {self.log[-2000:]}"
            assert time.monotonic() < end, f"the daemon does not begin: {self.log[-2000:]}"
            with suppress(TracerdError, OSError), self.client() as client:
                if client.ready()[0] or '"started"' in self.log.rsplit("privileges dropped", 1)[-1]:
                    return
            time.sleep(0.05)

    def client(self) -> Client:
        """Return a client of it."""
        self._clients.append(connect(self.socket))
        return self._clients[-1]

    def signal(self, number: int) -> None:
        """Send it a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def stop(self) -> int:
        """End it as systemd does; returns its exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it as an out-of-memory killer does."""
        self._end(signal.SIGKILL)

    def ended(self) -> int:
        """Wait for the end of one that was told to end; returns its exit code."""
        assert self.process is not None
        while self._clients:
            self._clients.pop().close()
        code = self.process.wait(timeout=SECONDS)
        self.process = None
        return code

    def _end(self, number: int) -> int:
        self.signal(number)
        return self.ended()


@contextmanager
def daemon(root: Path, **options: str) -> Iterator[RunningDaemon]:
    """Give a daemon that is not started yet; whatever becomes of it, it is gone at the end."""
    made = RunningDaemon(root, **options)
    try:
        yield made
    finally:
        if made.process is not None:
            made.kill()


def until(true: object, seconds: float = SECONDS, what: str = "it") -> None:
    """Wait until a callable returns something true."""
    assert callable(true)
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"{what} does not come true within {seconds} s"
        time.sleep(0.05)
