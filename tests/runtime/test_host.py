"""The host of a daemon, in this process: what it refuses it undoes, what it cannot keep it does not do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.daemon.running import OBJECTS, TALLY
from tracerd.config import Probe
from tracerd.errors import ConfigError, Conflict, NotFound, RunError, TracerdError, VerifierUnavailable
from tracerd.runtime.host import Host, HostLimits, HostSettings
from tracerd.runtime.inspect import Inspector
from tracerd.runtime.pins import Pins
from tracerd.runtime.saved import Saved
from tracerd.runtime.upload import Upload, Uploads
from tracerd.verifier.job import Job, Rejection, VerifiedProgram
from tracerd.verifier.sandbox import Verifier

TIMED = Path(__file__).parent / "objects" / "timed.bpf.o"


@dataclass
class Disk:
    """Where the host keeps its state; it can be full."""

    saved: list[Saved] = field(default_factory=list)
    full: bool = False

    def save(self, state: Saved) -> None:
        if self.full:
            raise RunError("state.json", "No space left on device")
        self.saved.append(state)


class MoodyVerifier:
    """A verifier that is not there at first."""

    def __init__(self, honest: Verifier) -> None:
        self.away = False
        self._honest = honest

    def verify(self, job: Job) -> VerifiedProgram | Rejection:
        if self.away:
            raise VerifierUnavailable(job.program, "injected")
        return self._honest.verify(job)


@dataclass
class Made:
    host: Host
    look: Inspector
    disk: Disk
    verifier: MoodyVerifier
    folder: Path


@pytest.fixture(scope="module")
def honest() -> Iterator[Verifier]:
    with Verifier() as verifier:
        yield verifier


@pytest.fixture
def made(tmp_path: Path, honest: Verifier) -> Iterator[Made]:
    yield from hosts(tmp_path, honest)


def hosts(folder: Path, honest: Verifier, limits: HostLimits | None = None) -> Iterator[Made]:
    disk, verifier = Disk(), MoodyVerifier(honest)
    pins = Pins(folder / "pins")
    settings = HostSettings(limits=limits or HostLimits())
    host = Host(settings, verifier, Uploads(folder / "probes"), pins, Saved(), disk.save)
    yield Made(host, Inspector(host, dict), disk, verifier, folder)
    host.close()
    pins.close()


def timed(name: str = "timed") -> Probe:
    """A probe that needs no privilege: an interval."""
    return Probe(name, TIMED, "interpreter", (("on_tick", "interval:1s"),), ())


def test_a_change_that_cannot_be_kept_is_undone(made: Made) -> None:
    """Full disk: attach, detach and pin are refused with the disk's sentence, and everything is as it was."""
    made.host.apply([timed()])
    before = made.look.links()
    program = made.look.programs()[0].id
    some_map = next(info for info in made.look.maps() if not info.read_only)
    made.disk.full = True
    for change in (
        lambda: made.host.attach(program, "interval:2s"),
        lambda: made.host.detach(before[0].id),
        lambda: made.host.pin(some_map.id, "kept"),
    ):
        with pytest.raises(RunError, match="No space left"):
            change()
        assert [(link.id, link.source) for link in made.look.links()] == [(link.id, link.source) for link in before]
    assert made.look.pins() == []
    assert not list((made.folder / "pins").iterdir())
    made.disk.full = False
    made.host.attach(program, "interval:2s")
    assert [link.source for link in made.look.links()] == ["interval:1s", "interval:2s"]


def test_links_of_one_program_that_have_events_in_common_say_so(made: Made) -> None:
    """Each names the other, since the program runs twice; those of other events name none."""
    made.host.apply([timed()])
    program = made.look.programs()[0].id
    for source in ("interval:1000ms", "interval:2s"):
        made.host.attach(program, source)
    found = {link.source: link.overlaps for link in made.look.links()}
    assert found == {"interval:1s": ("interval:1000ms",), "interval:1000ms": ("interval:1s",), "interval:2s": ()}


def test_all_or_nothing(made: Made) -> None:
    """One probe of three that is not proved: none of the new ones is there, the old one is the same."""
    made.host.apply([timed()])
    ids = [info.id for info in made.look.programs()]
    unproved = Probe("unproved", OBJECTS / "unproved.bpf.o", "interpreter", (("on_getppid", "interval:1s"),), ())
    with pytest.raises(TracerdError):
        made.host.apply([timed(), timed("second"), unproved])
    assert [info.id for info in made.look.programs()] == ids
    assert made.host.apply([timed(), timed("second")]).unchanged == ("timed",)


def test_what_failed_for_a_passing_reason_is_tried_again(made: Made) -> None:
    """A verifier that was away costs the start of the probe, not the probe; a wrong file stays wrong."""
    made.verifier.away = True
    wrong = ConfigError("wrong.toml", "is not TOML")
    made.host.begin([("timed", timed()), ("wrong", wrong)])
    assert {info.name for info in made.host.failed} == {"timed", "wrong"}
    assert made.host.retry() == []
    made.verifier.away = False
    assert made.host.retry() == ["timed"]
    assert [info.name for info in made.host.failed] == ["wrong"]
    assert made.host.retry() == []


@pytest.mark.parametrize(("limits", "says"), [
    (HostLimits(probes=1), "2 are more than the limit of 1"),
    (HostLimits(links=1), "2 are more than the limit of 1; detach some"),
    (HostLimits(map_bytes=1000), "more than the limit of 0 MiB"),
])  # fmt: skip
def test_limits_are_of_all_probes_together(tmp_path: Path, honest: Verifier, limits: HostLimits, says: str) -> None:
    """What would be too much is refused, with what to do, and nothing of it stays."""
    for made in hosts(tmp_path, honest, limits):
        with pytest.raises(RunError, match=says):
            made.host.apply([timed(), timed("second")])
        assert made.look.probes() == []


def test_names_are_given_once(made: Made) -> None:
    """A configured probe is not loaded over, a loaded one not configured over, and neither is unloaded by the other."""
    made.host.apply([timed("tally")])
    with pytest.raises(Conflict, match="is loaded already"):
        made.host.load(Upload(object=TALLY.read_bytes(), object_name="tally.bpf.o"))
    with pytest.raises(ConfigError, match="comes from the configuration"):
        made.host.unload("tally")
    with pytest.raises(NotFound, match="no probe 'other'; there are: tally"):
        made.host.unload("other")
    assert list((made.folder / "probes").iterdir()) == []
    program, link = made.look.programs()[0], made.look.links()[0]
    with pytest.raises(Conflict, match="runs on it already"):
        made.host.attach(program.id, link.source)


def test_an_error_names_what_the_client_sent_and_no_path_of_ours(made: Made) -> None:
    """Also where it is found after the draft is written: a program that the object has not."""
    toml = '[probe]\nname = "x"\nobject = "mine.bpf.o"\n[[attach]]\nprogram = "nope"\nsource = "interval:1s"\n'
    with pytest.raises(TracerdError, match="nope") as caught:
        made.host.load(Upload(toml=toml, object=TALLY.read_bytes(), object_name="mine.bpf.o"))
    assert str(made.folder) not in str(caught.value)
    assert "mine.bpf.o" in str(caught.value)


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", ".hidden", "a" * 65, "a/b", "", "ü"])
def test_no_name_is_a_path(made: Made, name: str) -> None:
    """Neither a probe's nor a pin's."""
    with pytest.raises(TracerdError):
        made.host.load(Upload(object=TALLY.read_bytes(), object_name=f"{name}.bpf.o"))
    made.host.apply([timed()])
    with pytest.raises(ConfigError):
        made.host.pin(made.look.maps()[0].id, name)
    assert made.look.pins() == []


def test_probes_that_pin_by_one_name_share_the_map(made: Made) -> None:
    """Both see one map; it is closed with the last of them, and the pin stays."""
    tally = [Probe(name, TALLY, "interpreter", (), ()) for name in ("one", "two")]
    made.host.apply(tally)
    totals = [info for info in made.look.maps() if info.name == "tally_total"]
    made.look.map(totals[0].id).update(0, 41)
    assert made.look.map(totals[1].id).lookup(0) == 41
    made.host.apply(tally[:1])
    assert made.look.map(totals[0].id).lookup(0) == 41
    made.host.apply([])
    assert [(pin.name, pin.map) for pin in made.look.pins()] == [("tally_total", 0)]
    assert made.look.pin_entries("tally_total", 9) == [{"key": 0, "value": 41}]
    made.host.apply(tally[1:])
    (total,) = (info for info in made.look.maps() if info.name == "tally_total")
    assert made.look.map(total.id).lookup(0) == 41


def test_who_looks_at_what_is_unloaded_is_told(made: Made) -> None:
    """A view from before says so; it reads no freed memory."""
    made.host.apply([timed()])
    view = made.look.map(next(info for info in made.look.maps() if not info.read_only).id)
    made.host.apply([])
    with pytest.raises(NotFound, match="was unloaded"):
        view.entries(1)


def test_timed_runs_are_in_a_programs_row_and_in_moments(made: Made) -> None:
    """Whoever looks at a program finds how long its runs took, and so does every exporter."""
    made.host.apply([Probe("one", TALLY, "interpreter", (), ())])
    with made.host.loaded[0].used() as live:
        (program,) = live.programs.values()
        for _ in range(130):
            program.executable.run(bytes(program.verified.certificate.context_bytes))
    (row,), (counted,) = made.look.programs(), made.look.moment().programs
    assert sum(row.slots) == counted.timed_runs == 2
    assert counted.slots == row.slots
    assert counted.timed_ns / counted.timed_runs == counted.mean_ns == row.mean_ns


def test_a_moments_tables_tell_what_their_columns_mean(made: Made) -> None:
    """Also those that no view declares."""
    made.host.apply([Probe("one", TALLY, "interpreter", (), ())])
    table = made.look.moment().probes["one"].tables["by_process"]
    assert [name for name in table.columns if name in table.meanings and table.meanings[name].key] == ["key"]


def test_a_pin_that_nobody_has_loaded_is_a_row_and_has_entries(made: Made) -> None:
    """As it was while it was loaded, but for its id; what is damaged is listed too, and says why when it is read."""
    made.host.apply([Probe("one", TALLY, "interpreter", (), ())])
    by_process = next(info for info in made.look.maps() if info.name == "by_process")
    made.host.pin(by_process.id, "7seen")
    made.look.map(by_process.id).update(5, 50)
    live = {info.pin: info for info in made.look.maps() if info.pin}
    assert made.look.resting_maps() == []
    assert made.look.pin_entries("7seen", 9)[0]["key"] == 5
    made.host.apply([])
    resting = {info.pin: info for info in made.look.resting_maps()}
    assert set(resting) == set(live) == {"7seen", "tally_total"}
    assert resting["7seen"].entries == 1
    for name, row in resting.items():
        before = live[name]
        assert (row.id, row.name, row.kind, row.key_bytes, row.value_bytes) == (
            0, before.name, before.kind, before.key_bytes, before.value_bytes,
        )
        assert (row.max_entries, row.per_cpu) == (before.max_entries, before.per_cpu)
    assert made.look.pin_entries("7seen", 9)[0]["key"] == 5
    with pytest.raises(NotFound, match="no pin 'other'; there are: 7seen, tally_total"):
        made.look.pin_entries("other", 9)
    with pytest.raises(ConfigError, match="a name has 1 to 64 letters"):
        made.look.pin_entries("../7seen", 9)
    (made.folder / "pins" / "7seen.map").write_bytes(b"x" * 400)
    assert [info.kind for info in made.look.resting_maps()] == ["unknown", "array"]
    with pytest.raises(RunError, match="is no map"):
        made.look.pin_entries("7seen", 9)
