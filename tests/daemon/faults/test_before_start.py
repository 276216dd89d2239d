"""What a daemon finds when it starts: damaged documents, damaged pins, halves, another daemon's leavings."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.daemon.running import OBJECTS, TALLY, RunningDaemon, until
from tests.daemon.tallies import counted, hammer, total
from tracerd.elf.load import load
from tracerd.errors import TracerdError
from tracerd.platforms.model import MapKind
from tracerd.runtime.upload import Upload
from tracerd.vm.maps import Map

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("perf")]


def becomes_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def becomes_link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


DOCUMENTS: dict[str, Callable[[Path], object]] = {
    "garbage": lambda path: path.write_bytes(b"\x00\xff" * 100),
    "half": lambda path: path.write_bytes(path.read_bytes()[:40]),
    "empty": lambda path: path.write_bytes(b""),
    "other": lambda path: path.write_text('{"links": {"tally": 5}}'),
    "deep": lambda path: path.write_text('{"links": ' + "[" * 100_000),
    "a folder": becomes_folder,
    "a link": becomes_link,
}


def test_a_damaged_state_file_is_set_aside_and_told(served: RunningDaemon) -> None:
    """Whatever has become of state.json: the daemon runs with what is declared, says why, and can be changed again."""
    document = served.root / "state" / "state.json"
    client = served.start()
    for name, spoil in DOCUMENTS.items():
        client.attach(client.programs()[0].id, "syscall:getuid:enter")
        served.kill()
        spoil(document)
        client = served.start()
        ready, reasons = client.ready()
        assert not ready, name
        assert len(reasons) == 1, reasons
        assert "state.json" in reasons[0]
        assert "moved to state.json.damaged-" in reasons[0]
        assert [link.source for link in client.links()] == ["syscall:getppid:enter"], name
    pid = hammer(1000)
    until(lambda: counted(client, pid) == 1000)
    aside = [each for each in document.parent.iterdir() if ".damaged-" in each.name]
    assert len(aside) == 5               # the older ones are removed: damage does not fill the disk


def other_cpus(path: Path) -> None:
    """The same map as a machine with more CPUs makes it."""
    path.unlink()
    spec = next(each for each in load(TALLY).maps if each.name == "by_process")
    Map.in_file(spec, MapKind.PERCPU_HASH, 77, path).close()


def other_shape(path: Path) -> None:
    """A map for other keys."""
    path.unlink()
    spec = next(each for each in load(TALLY).maps if each.name == "tally_total")
    Map.in_file(spec, MapKind.ARRAY, 1, path).close()


PINS: dict[str, tuple[Callable[[Path], object], str]] = {
    "cut": (lambda path: path.write_bytes(path.read_bytes()[:5000]), "bytes"),
    "garbage": (lambda path: path.write_bytes(b"\xa5" * 100_000), "is no map"),
    "link": (becomes_link, "is a symbolic link"),
    "folder": (becomes_folder, "is a folder"),
    "cpus": (other_cpus, "its cpus is 77"),
    "shape": (other_shape, "its kind is"),
    "open": (lambda path: path.chmod(0o666), "may write"),
}


def test_a_damaged_pin_costs_its_probe_and_nothing_else(served: RunningDaemon) -> None:
    """Cut, garbage, a link, a folder, of other CPUs or another shape, writable by all: told per probe."""
    for name in PINS:
        served.probe(name)
    client = served.start()
    for info in client.maps():
        if info.name == "by_process" and info.probe in PINS:
            client.pin(info.id, f"pin_{info.probe}")
    served.stop()
    pins = served.root / "state" / "pins"
    for name, (spoil, _) in PINS.items():
        spoil(pins / f"pin_{name}.map")
    before = {name: (pins / f"pin_{name}.map").lstat().st_ino for name in PINS}
    client = served.start()
    failed = {info.name: info.failed for info in client.probes() if info.failed}
    assert sorted(failed) == sorted(PINS)
    for name, (_, says) in PINS.items():
        assert says in failed[name], failed[name]
        assert f"pin_{name}" in failed[name]
    assert len(client.ready()[1]) == len(PINS)
    pid = hammer(1000)
    until(lambda: counted(client, pid, "tally") == 1000)
    assert {name: (pins / f"pin_{name}.map").lstat().st_ino for name in PINS} == before      # nothing was made anew
    client.unpin("pin_link")
    assert pins.joinpath("elsewhere").exists()


def test_halves_of_a_killed_daemon_are_removed(served: RunningDaemon) -> None:
    """A draft of an upload, of a document, of a pin, and a meaning without its map."""
    client = served.start()
    seen = total(client)
    served.kill()
    state = served.root / "state"
    (state / "probes" / ".draft-abc").mkdir()
    (state / "probes" / ".draft-abc" / "probe.bpf.o").write_bytes(TALLY.read_bytes()[:1000])
    (state / ".state.json.1.1.tmp").write_text("{")
    (state / "pins" / ".x.map.0123456789abcdef.tmp").write_bytes(bytes(4096))
    (state / "pins" / "x.json").write_text("{}")
    client = served.start()
    assert client.ready() == (True, [])
    assert total(client) >= seen
    assert list((state / "probes").iterdir()) == []
    assert sorted(each.name for each in (state / "pins").iterdir()) == ["tally_total.json", "tally_total.map"]
    assert not list(state.glob(".*"))


def test_a_kept_probe_that_is_damaged_is_told_and_can_be_unloaded(served: RunningDaemon) -> None:
    """Its object cut, or its probe.toml gone: the others run, and `unload` clears it."""
    client = served.start()
    toml = '[probe]\nname = "{}"\nobject = "x"\n[[attach]]\nprogram = "on_getppid"\nsource = "syscall:getuid:enter"\n'
    for name in ("cut", "gone"):
        client.load(Upload(toml=toml.format(name), object=TALLY.read_bytes(), object_name="x.bpf.o"))
    served.stop()
    kept = served.root / "state" / "probes"
    (kept / "cut" / "probe.bpf.o").write_bytes(TALLY.read_bytes()[:1000])
    (kept / "gone" / "probe.toml").unlink()
    client = served.start()
    assert sorted(info.name for info in client.probes() if info.failed) == ["cut", "gone"]
    assert len(client.ready()[1]) == 2
    for name in ("cut", "gone"):
        client.unload(name)
    assert client.ready() == (True, [])
    assert list(kept.iterdir()) == []


def test_an_object_that_cannot_be_used_costs_only_its_probe(served: RunningDaemon) -> None:
    """Without BTF, empty, cut, no ELF, unproved: each is a reason of its own."""
    objects = served.root / "objects"
    objects.mkdir()
    data = TALLY.read_bytes()
    spoilt = {"untyped": data.replace(b".BTF\0", b".XTF\0"), "empty": b"", "cut": data[:700], "text": b"hello" * 99}
    for name, contents in spoilt.items():
        (objects / name).write_bytes(contents)
        served.probe(name, objects / name)
    served.probe("unproved", OBJECTS / "unproved.bpf.o")
    client = served.start()
    reasons = client.ready()[1]
    assert sorted(reason.split("'")[1] for reason in reasons) == sorted([*spoilt, "unproved"])
    assert any("untyped" in reason and "BTF" in reason for reason in reasons), reasons
    pid = hammer(1000)
    until(lambda: counted(client, pid, "tally") == 1000)


def test_a_dead_daemons_socket_and_what_is_no_socket(served: RunningDaemon) -> None:
    """A stale socket is replaced; a file in its place is left alone, and the start is refused with the way out."""
    served.start()
    served.kill()
    assert served.socket.is_socket()
    with socket.socket(socket.AF_UNIX) as nobody, pytest.raises(ConnectionRefusedError):
        nobody.connect(str(served.socket))
    served.start()
    served.stop()
    served.socket.write_text("mine")
    served.start(wait=False)
    assert served.ended() == 1
    assert "is no socket, so it is left alone" in served.log
    assert served.socket.read_text() == "mine"


@pytest.mark.parametrize("part", ["state", "state/probes", "state/pins"])
def test_a_link_in_the_place_of_a_folder_refuses_the_start(served: RunningDaemon, tmp_path: Path, part: str) -> None:
    """Nothing is followed and nothing written; it ends with a sentence."""
    served.start()
    served.stop()
    shutil.move(served.root / part, tmp_path / "outside")
    left = sorted(str(each) for each in (tmp_path / "outside").rglob("*"))
    (served.root / part).symlink_to(tmp_path / "outside")
    served.start(wait=False)
    assert served.ended() in (1, 2)
    assert "symbolic link" in served.log.splitlines()[-1]
    assert sorted(str(each) for each in (tmp_path / "outside").rglob("*")) == left


def test_no_cache_is_a_reason_and_costs_only_time(served: RunningDaemon) -> None:
    """A file in the place of the cache's folder: proved and compiled anew, told by `ready`."""
    served.start()
    served.stop()
    cache = served.root / "state" / "cache"
    shutil.rmtree(cache)
    cache.write_text("")
    client = served.start()
    assert all("no cache" in reason for reason in client.ready()[1])
    assert len(client.ready()[1]) == 2
    pid = hammer(1000)
    until(lambda: counted(client, pid) == 1000)
    with pytest.raises(TracerdError, match="needs"):
        client.load(Upload(object=(OBJECTS / "unproved.bpf.o").read_bytes(), object_name="unproved.bpf.o"))
