"""kill -9 at random moments while everything changes: what was acknowledged is there, and no half of the rest.

A model beside the daemon makes one change after the other. The daemon is killed at a moment that nobody chose, so the
last change was either made or not; the start that follows must find one of the two.
"""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from tests.daemon.running import TALLY, RunningDaemon
from tests.daemon.tallies import total
from tests.sources.live import start
from tracerd.daemon.client import Client
from tracerd.errors import TracerdError
from tracerd.runtime.upload import Upload

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("perf")]

TOML = '[probe]\nname = "{}"\nobject = "x"\n[[attach]]\nprogram = "on_getppid"\nsource = "syscall:getuid:enter"\n'
EVENTS = ("syscall:getgid:enter", "syscall:getegid:enter", "syscall:geteuid:enter")


@dataclass(frozen=True)
class Model:
    """What changes: links of `tally` made at run time, kept probes, pinned maps of `tally`, probes of the files."""

    links: frozenset[str] = frozenset()
    kept: frozenset[str] = frozenset()
    pins: frozenset[str] = frozenset()
    files: frozenset[str] = frozenset()


def found(client: Client) -> Model:
    """The model as the daemon tells it."""
    return Model(
        frozenset(link.source for link in client.links() if link.probe == "tally" and link.source in EVENTS),
        frozenset(info.name for info in client.probes() if info.origin == "runtime"),
        frozenset(pin.name for pin in client.pins() if pin.name != "tally_total"),
        frozenset(info.name for info in client.probes() if info.origin == "config" and info.name != "tally"),
    )


class Changer:
    """Makes changes until the daemon does not answer. `now` is acknowledged, `next` may have been made."""

    def __init__(self, served: RunningDaemon, model: Model, rng: random.Random) -> None:
        self.now = self.next = model
        self.made = 0
        self.refused: list[str] = []
        self.ending = False
        self._served = served
        self._rng = rng
        self._client = served.client()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def join(self) -> None:
        """Wait for the end of it."""
        self._thread.join(timeout=30)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        changes: list[Callable[[], object]] = [self._link, self._keep, self._pin, self._file]
        try:
            while True:
                self._rng.choice(changes)()
                self.now = self.next
                self.made += 1
        except (TracerdError, OSError) as error:
            if not self.ending:
                self.refused.append(str(error))

    def _link(self) -> None:
        event = self._rng.choice(EVENTS)
        self.next = replace(self.now, links=self.now.links ^ {event})
        if event in self.now.links:
            mine = [link for link in self._client.links() if (link.probe, link.source) == ("tally", event)]
            self._client.detach(mine[0].id)
        else:
            program = next(info for info in self._client.programs() if info.probe == "tally")
            self._client.attach(program.id, event)

    def _keep(self) -> None:
        name = self._rng.choice(("up1", "up2"))
        self.next = replace(self.now, kept=self.now.kept ^ {name})
        if name in self.now.kept:
            self._client.unload(name)
        else:
            self._client.load(Upload(toml=TOML.format(name), object=TALLY.read_bytes(), object_name="x.bpf.o"))

    def _pin(self) -> None:
        name = "seen"
        self.next = replace(self.now, pins=self.now.pins ^ {name})
        if name in self.now.pins:
            self._client.unpin(name)
        else:
            mine = next(i for i in self._client.maps() if (i.probe, i.name) == ("tally", "by_process"))
            self._client.pin(mine.id, name)

    def _file(self) -> None:
        """The files are ours: what is in them is there after a start, whether the reload was answered or not."""
        self.next = replace(self.now, files=self.now.files ^ {"guest"})
        if "guest" in self.now.files:
            (self._served.root / "probes.d" / "guest.toml").unlink()
        else:
            self._served.probe("guest", attach="on_getppid=tracepoint:syscalls:sys_enter_getuid")
        self._client.reload()


def nothing_is_left(served: RunningDaemon, model: Model) -> None:
    """In the state directory is what the model says, whole, and nothing else."""
    state = served.root / "state"
    assert {each.name for each in state.iterdir()} - {"state.json"} == {"cache", "pid", "pins", "probes"}
    if (state / "state.json").exists():
        json.loads((state / "state.json").read_bytes())
    assert {each.name for each in (state / "probes").iterdir()} == model.kept
    names = {each.name for each in (state / "pins").iterdir()}
    assert names == {f"{pin}{end}" for pin in (*model.pins, "tally_total") for end in (".map", ".json")}


@pytest.mark.parametrize("seed", [3, 4, 5])
def test_ten_kills_at_random_moments_leave_all_of_a_change_or_none(served: RunningDaemon, seed: int) -> None:
    """Attach, detach, load, unload, pin, unpin, reload; links, probes, pins and files agree after each start."""
    rng = random.Random(seed)
    served.configure(head='code_integrity = "enforce"\n')       # starts sooner
    client = served.start()
    events = start("import time\nwhile True: hammer(200, 0); time.sleep(0.005)")
    model, changes, least = found(client), 0, 0
    try:
        for _ in range(10):
            changer = Changer(served, model, rng)
            threading.Event().wait(rng.uniform(0.02, 0.25))
            least = total(served.client())
            changer.ending = True
            served.kill()
            changer.join()
            assert changer.refused == []
            client = served.start()
            model = found(client)
            assert model in (changer.now, changer.next), (changer.now, changer.next)
            assert client.ready() == (True, [])
            assert total(client) >= least
            pinned = next(i for i in client.maps() if (i.probe, i.name) == ("tally", "by_process")).pin
            assert {pinned} - {""} == model.pins
            nothing_is_left(served, model)
            changes += changer.made
    finally:
        events.kill()
        events.wait()
    assert changes > 20
