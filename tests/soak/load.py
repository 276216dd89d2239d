"""What the soak does to a daemon: each kind of trouble in a thread of its own, counted."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import shared_memory

import psutil

from tests.daemon.running import TALLY, RunningDaemon
from tracerd.daemon.client import connect
from tracerd.errors import TracerdError
from tracerd.runtime.upload import Upload

CALLS_PER_SECOND = 250_000           # each is two events: entry and exit

HAMMER = """
import sys, time, struct
from multiprocessing import shared_memory
from tracerd.native import lib
memory = shared_memory.SharedMemory(name=sys.argv[1], track=False) if sys.version_info >= (3, 13) \
    else shared_memory.SharedMemory(name=sys.argv[1])
rate, done, turn = int(sys.argv[2]), 0, 0.01
due = time.monotonic()
while True:
    run, = struct.unpack_from("<Q", memory.buf, 0)
    if run:
        lib.tr_linux_hammer(int(rate * turn), 0)
        done += int(rate * turn)
        struct.pack_into("<Q", memory.buf, 8, done)
    struct.pack_into("<Q", memory.buf, 16, run)
    due = max(due + turn, time.monotonic() - 1)
    time.sleep(max(due - time.monotonic(), 0))
"""


class Hammer:
    """A process that makes a steady rate of getppid calls and says how many it has made. It can be made to pause."""

    def __init__(self, rate: int = CALLS_PER_SECOND) -> None:
        self._memory = shared_memory.SharedMemory(create=True, size=24)
        self._set(0, 0)
        arguments = [sys.executable, "-c", HAMMER, self._memory.name, str(rate)]
        self._process = subprocess.Popen(arguments, stderr=subprocess.DEVNULL)

    @property
    def calls(self) -> int:
        """How many calls it has made."""
        return self._get(1)

    @property
    def pid(self) -> int:
        return self._process.pid

    def run(self) -> None:
        """Go on."""
        self._set(0, 1)

    def pause(self) -> None:
        """Stand still; returns when it does."""
        self._set(0, 0)
        while self._get(2):
            time.sleep(0.01)

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        self._memory.close()
        with suppress(FileNotFoundError):    # before Python 3.13 the child's own tracker may have removed it
            self._memory.unlink()

    def _get(self, word: int) -> int:
        return int.from_bytes(bytes(self._memory.buf[8 * word : 8 * word + 8]), "little")

    def _set(self, word: int, value: int) -> None:
        self._memory.buf[8 * word : 8 * word + 8] = value.to_bytes(8, "little")


class Trouble:
    """Threads that each do one thing again and again. `counted` says how often, and how often it was refused."""

    def __init__(self, daemon: RunningDaemon) -> None:
        self.daemon = daemon
        self.counted: Counter[str] = Counter()
        self.unexpected: list[str] = []
        self.calm = threading.Event()            # while set, nothing is done
        self._end = threading.Event()
        self._threads = [
            threading.Thread(target=self._again, args=(name, seconds, work), daemon=True)
            for name, seconds, work in (
                ("reads", 0.0, self._read),
                ("reloads", 5.0, self._reload),
                ("exporter flaps", 7.0, self._flap),
                ("uploads", 3.0, self._upload),
                ("verifiers killed", 0.05, self._kill_verifier),
            )
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End."""
        self._end.set()
        for thread in self._threads:
            thread.join(timeout=60)

    def _again(self, name: str, seconds: float, work: Callable[[], str]) -> None:
        while not self._end.wait(seconds):
            if self.calm.is_set():
                time.sleep(0.1)
                continue
            try:
                outcome = work()
            except (TracerdError, OSError) as error:
                outcome = f"{name} refused: {type(error).__name__}"
                time.sleep(0.2)
            except Exception as error:  # noqa: BLE001  the report has it: a soak that dies tells nothing
                self.unexpected.append(f"{name}: {error!r}")
                outcome = f"{name}: unexpected"
            if outcome:
                self.counted[outcome] += 1

    def _read(self) -> str:
        with connect(self.daemon.socket) as client:
            for _ in range(20):
                client.status()
                for info in client.maps():
                    with suppress(TracerdError):
                        client.columns(info.id)
                client.table("syscalls", "syscalls")
        time.sleep(0.2)
        return "reads"

    def _reload(self) -> str:
        """Put a probe in, or take it out, or spoil a file; each is a reload by itself some seconds later."""
        path = self.daemon.root / "probes.d" / "guest.toml"
        what = random.choice(("in", "out", "bad"))
        if what == "in":
            self.daemon.probe("guest", attach="on_getppid=tracepoint:syscalls:sys_enter_getuid")
        elif what == "out":
            path.unlink(missing_ok=True)
        else:
            path.write_text("[probe")
        self.daemon.signal(signal.SIGHUP)
        return f"reloads, {what}"

    def _flap(self) -> str:
        """Take the exporter's folder away and bring it back."""
        out, away = self.daemon.root / "out", self.daemon.root / "away"
        (out.rename(away) if out.exists() else away.rename(out))
        return "exporter flaps"

    def _upload(self) -> str:
        """Load a program that was never proved before, and unload it: a constant in it is another each time."""
        contents = bytearray(TALLY.read_bytes())
        fresh = random.randrange(1 << 16, 1 << 30)
        at = contents.index(MASK) + 4                # r1 &= 0xffff: another constant is another proof
        contents[at : at + 4] = fresh.to_bytes(4, "little")
        with connect(self.daemon.socket) as client:
            for left in [info.name for info in client.probes() if info.origin == "runtime"]:
                client.unload(left)                      # a kill came between a load and its unload
            client.load(Upload(toml=TOML.format(name=f"up{fresh}"), object=bytes(contents), object_name="up.bpf.o"))
            client.unload(f"up{fresh}")
        return "uploads"

    def _kill_verifier(self) -> str:
        """Kill the verifier's process, if there is one, at a random moment."""
        for child in _children(self.daemon.pid):
            if random.random() < 0.2:
                os.kill(child, signal.SIGKILL)
                return "verifiers killed"
        return ""


MASK = b"\x57\x01\x00\x00\xff\xff\x00\x00"

TOML = """
[probe]
name = "{name}"
object = "x"
[[attach]]
program = "on_getppid"
source = "tracepoint:syscalls:sys_enter_getuid"
"""


def _children(pid: int) -> list[int]:
    with suppress(psutil.Error):
        return [child.pid for child in psutil.Process(pid).children()]
    return []
