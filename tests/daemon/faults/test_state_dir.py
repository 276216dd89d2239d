"""The state directory fills up, becomes read-only, disappears or is exchanged under a running daemon."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.daemon.faults.disks import disk, fill, read_only
from tests.daemon.running import OBJECTS, TALLY, RunningDaemon, until
from tests.daemon.tallies import counted, hammer
from tracerd.daemon.client import Client
from tracerd.errors import TracerdError
from tracerd.runtime.upload import Upload

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("perf")]

TOML = '[probe]\nname = "up"\nobject = "x"\n[[attach]]\nprogram = "on_getppid"\nsource = "syscall:getuid:enter"\n'
UP = Upload(toml=TOML, object=TALLY.read_bytes(), object_name="up.bpf.o")


def changes(client: Client) -> dict[str, Callable[[], object]]:
    """Everything that has to be written down, by name."""
    by_process = next(info for info in client.maps() if (info.name, info.probe) == ("by_process", "tally"))
    program = next(info for info in client.programs() if info.probe == "tally")
    return {
        "load": lambda: client.load(UP),
        "attach": lambda: client.attach(program.id, "syscall:getuid:enter"),
        "pin": lambda: client.pin(by_process.id, "seen"),
    }


def there_is(client: Client) -> tuple[object, ...]:
    """What a change changes."""
    links = sorted((link.probe, link.source) for link in client.links())
    return links, sorted(info.name for info in client.probes()), sorted((pin.name, pin.map) for pin in client.pins())


def refuses_all(client: Client, says: str) -> None:
    """Every change is refused with that sentence, and nothing has changed."""
    before = there_is(client)
    for name, change in changes(client).items():
        with pytest.raises(TracerdError, match=says):
            change()
        assert there_is(client) == before, name


def does_all(client: Client) -> None:
    """Every change can be made."""
    for change in changes(client).values():
        change()
    assert ("up", "syscall:getuid:enter") in [(link.probe, link.source) for link in client.links()]
    assert ("tally", "syscall:getuid:enter") in [(link.probe, link.source) for link in client.links()]
    assert "seen" in [pin.name for pin in client.pins() if pin.map]


def counts(client: Client) -> None:
    """What ran goes on, exactly."""
    pid = hammer(1000)
    until(lambda: counted(client, pid, "tally") == 1000)


def nothing_half(state: Path) -> None:
    """No draft lies about."""
    left = [str(each) for each in state.rglob("*") if each.name.endswith(".tmp") or each.name.startswith(".draft")]
    assert left == []


def comes_back_with(served: RunningDaemon, client: Client) -> None:
    """After kill -9 there is what there was."""
    probes = sorted(info.name for info in client.probes())
    links = sorted((link.probe, link.source) for link in client.links())
    pins = sorted(pin.name for pin in client.pins())
    served.kill()
    client = served.start()
    assert sorted(info.name for info in client.probes()) == probes
    assert sorted((link.probe, link.source) for link in client.links()) == links
    assert sorted(pin.name for pin in client.pins() if pin.map) == pins
    assert client.ready() == (True, [])


def test_a_full_disk_refuses_changes_and_stops_nothing(served: RunningDaemon) -> None:
    """Load, attach and pin are refused and undone; counting goes on; with room again all of it works."""
    with disk(served.root / "state", "4m") as state:
        client = served.start()
        filler = fill(state)
        refuses_all(client, "(?i)no space left|disk is full")
        counts(client)
        filler.unlink()
        nothing_half(state)
        assert client.ready() == (True, [])
        does_all(client)
        comes_back_with(served, client)
        served.stop()


def test_a_full_disk_at_the_start_is_no_reason_to_stay_down(served: RunningDaemon) -> None:
    """What cannot be pinned is told with the way out; probes without pins run, and a reload mends it with room."""
    with disk(served.root / "state", "1m") as state:
        filler = fill(state)
        served.probe("plain", OBJECTS / "plain.bpf.o")
        client = served.start()
        pid = hammer(1000)
        until(lambda: counted(client, pid, "plain") == 1000)
        ready, reasons = client.ready()
        assert not ready
        assert any("disk" in reason or "space" in reason.lower() for reason in reasons), reasons
        filler.unlink()
        client.reload()
        counts(client)
        served.stop()


def test_a_disk_that_becomes_read_only_refuses_changes_and_stops_nothing(served: RunningDaemon) -> None:
    """As with a full one; once it can be written again all changes work."""
    served.probe("tally", OBJECTS / "plain.bpf.o")       # a file that is mapped for writing keeps a disk writable
    with disk(served.root / "state", "4m") as state:
        client = served.start()
        read_only(state, really=True)
        refuses_all(client, "(?i)read-only file system|file system is read-only")
        counts(client)
        read_only(state, really=False)
        nothing_half(state)
        does_all(client)
        comes_back_with(served, client)
        served.stop()


def test_a_removed_state_directory_is_made_again_for_every_kind_of_change(served: RunningDaemon) -> None:
    """Load, attach and pin work as if nothing had happened, and are there after a kill; the old pin's file is gone."""
    client = served.start()
    shutil.rmtree(served.root / "state")
    counts(client)
    does_all(client)
    assert (served.root / "state").stat().st_mode & 0o777 == 0o700
    served.kill()
    client = served.start()
    links = [(link.probe, link.source) for link in client.links()]
    assert ("up", "syscall:getuid:enter") in links
    assert ("tally", "syscall:getuid:enter") in links
    assert "seen" in [pin.name for pin in client.pins() if pin.map]
    assert client.ready() == (True, [])


@pytest.mark.parametrize("part", ["", "probes", "pins"])
def test_a_link_in_its_place_is_not_followed(served: RunningDaemon, tmp_path: Path, part: str) -> None:
    """Of the state directory or of a folder in it: a change is refused, and nothing is written outside."""
    client = served.start()
    place, outside = served.root / "state" / part, tmp_path / "outside"
    shutil.move(place, served.root / "away")
    outside.mkdir(mode=0o700)
    for folder in ("probes", "pins", "cache"):
        (outside / folder).mkdir(mode=0o700)
    place.symlink_to(outside if not part else outside / part)
    try:
        for name, change in changes(client).items():
            if part in ("", {"load": "probes", "pin": "pins"}.get(name)):
                with pytest.raises(TracerdError, match="symbolic link"):
                    change()
        counts(client)
        assert [each for each in outside.rglob("*") if not each.is_dir()] == []
        assert [len(list((outside / each).iterdir())) for each in ("probes", "pins")] == [0, 0]
    finally:
        place.unlink()
        shutil.move(served.root / "away", place)
    does_all(client)
