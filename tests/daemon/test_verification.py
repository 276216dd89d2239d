"""What the daemon tells of an object that it proves and does not load: complete where there is room, bounded always."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.daemon import test_hostile_objects as hostile
from tests.daemon.running import OBJECTS, RunningDaemon, daemon
from tracerd.daemon import verification as rows
from tracerd.daemon.feed import Verification
from tracerd.daemon.verification import LINES, MOST_STATES, Room, verification, verifications
from tracerd.elf.spec import ProgramSpec, SourceLine, Subprogram
from tracerd.errors import ConfigError, ObjectError, TracerdError, VerifierUnavailable
from tracerd.isa.assemble_llvm import parse_llvm
from tracerd.runtime.upload import Upload
from tracerd.verifier import Job, Refutation, Rejection, VerifiedProgram, verify
from tracerd.verifier.job import Options

ROOT = Path(__file__).parents[2]
BROKEN = ROOT / "tests" / "cli" / "objects" / "broken.bpf.o"
UNPROVED = OBJECTS / "unproved.bpf.o"


class Here:
    """Proves in this process."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []

    def verify(self, job: Job) -> VerifiedProgram | Rejection:
        self.jobs.append(job)
        return verify(job)


class Nobody:
    """Has no process to prove with."""

    def verify(self, job: Job) -> VerifiedProgram | Rejection:
        raise VerifierUnavailable(job.program, "the verifier was closed")


def proved(path: Path, **options: str) -> list[Verification]:
    """Return what is told of an object."""
    return verifications(Here(), Options(), Upload(None, None, path.read_bytes(), path.name), **options)


def test_a_rejection_is_told_with_its_slice_its_listing_and_its_states() -> None:
    """Need, place, source line; what made the register; what was known where it failed comes last."""
    (row,) = proved(BROKEN)
    assert (row.program, row.section, row.type, row.verdict) == ("past_the_end", "xdp", "xdp", "reject")
    assert (row.instruction, row.register) == (5, "r2")
    assert (row.need, row.have) == ("data + 15 <= data_end", "data + 14 <= data_end")
    assert row.reason == "r2: needs data + 15 <= data_end, has data + 14 <= data_end"
    assert row.source.endswith("broken.bpf.c:13: return bytes[14];")
    assert row.slice == (1, 2, 3, 4, 5)
    assert [line.instruction for line in row.lines] == list(range(7))
    assert not row.cut
    assert row.lines[1].source is not None
    assert row.lines[1].source.endswith("u8 *bytes = (u8 *)(unsigned long)ctx->data;")
    assert row.states is not None
    assert row.states[0] == ("r1=context",)
    assert row.states[5][-1] == "r0=0 r1=packet + s1+0 (14..65535) r2=packet+14"


def test_what_is_accepted_has_its_states_too() -> None:
    """And what the proof took."""
    for row in proved(ROOT / "probes" / "syscalls" / "syscalls.bpf.o"):
        assert (row.verdict, row.type, row.terminates, row.fuel_edges) == ("accept", "tracepoint", True, ())
        assert 0 < row.instructions <= len(row.lines) + 100
        assert row.most_states > 0
        assert row.states
        assert all(1 <= len(states) <= MOST_STATES for states in row.states.values())


def test_a_shipped_probe_is_proved_by_its_name() -> None:
    """All programs of its object."""
    names = [row.program for row in verifications(Here(), Options(), Upload("syscalls"))]
    assert names == ["on_enter", "on_exit", "on_thread_exit"]
    with pytest.raises(ConfigError, match="did you mean 'syscalls'"):
        verifications(Here(), Options(), Upload("syscals"))


def test_the_limits_are_the_daemons_and_states_are_kept() -> None:
    """Its patience with one program, but for what all of them have together."""
    here = Here()
    for seconds in (2.5, 600.0):
        upload = Upload(None, None, BROKEN.read_bytes(), "b.o")
        verifications(here, Options(seconds=seconds, memory_mb=200, allow_fuel=False), upload)
    patient, endless = (job.options for job in here.jobs)
    assert (patient.seconds, patient.memory_mb, patient.allow_fuel, patient.explain) == (2.5, 200, False, True)
    assert endless.seconds <= rows.SECONDS


def test_what_is_not_proved_in_time_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row a program all the same, and nothing is asked of the verifier any more."""
    monkeypatch.setattr(rows, "SECONDS", 0.0)
    here = Here()
    upload = Upload(None, None, UNPROVED.read_bytes(), "u.o")
    (row,) = verifications(here, Options(), upload)
    assert (row.verdict, row.states) == ("error", None)
    assert "the programs before it took 0 s" in row.reason
    assert here.jobs == []


def test_without_a_verifier_every_row_says_why() -> None:
    """As when the daemon is about to stop."""
    (row,) = verifications(Nobody(), Options(), Upload(None, None, BROKEN.read_bytes(), "b.o"))
    assert (row.verdict, row.reason, row.type) == ("error", "the verifier was closed", "xdp")
    assert row.lines


def test_a_type_may_be_said_and_must_be_one() -> None:
    """It is that of all programs."""
    (row,) = proved(BROKEN, type_name="tracepoint")
    assert row.type == "tracepoint"
    assert row.verdict == "reject"
    with pytest.raises(ConfigError, match="type: unknown program type 'kprobe'; valid: "):
        proved(BROKEN, type_name="kprobe")
    with pytest.raises(ConfigError, match="platform: unknown platform 'plan9'; valid: linux"):
        proved(BROKEN, platform_name="plan9")


def test_a_program_of_no_type_is_a_row_that_says_so() -> None:
    """And how it can be said; no other of its object is kept from being proved."""
    contents = UNPROVED.read_bytes().replace(b"tracepoint/", b"tracepoinx/")
    (row,) = verifications(Here(), Options(), Upload(None, None, contents, "odd.o"))
    assert (row.verdict, row.type, row.section) == ("error", "", "tracepoinx/syscalls/sys_enter_getppid")
    assert "names no linux program type" in row.reason
    assert row.lines
    (row,) = verifications(Here(), Options(), Upload(None, None, contents, "odd.o"), type_name="tracepoint")
    assert (row.verdict, row.register) == ("reject", "r0")


@pytest.mark.parametrize("contents", [b"", b"\x7fELF", b"\0" * 1000, b"\x7fELF\2\1\1" + b"\xff" * 5000])
def test_what_is_no_object_is_refused_by_its_name(contents: bytes) -> None:
    """Before anything is proved."""
    here = Here()
    with pytest.raises(ObjectError, match=r"^mine\.o: "):
        verifications(here, Options(), Upload(None, None, contents, "mine.o"))
    assert here.jobs == []


def chain(count: int, text: str = "r2 += 1") -> ProgramSpec:
    """Return a program of so many instructions that all do the same, with a source line for each hundred."""
    code = tuple(parse_llvm("\n".join(["r2 = 0", *[text] * (count - 2), "exit"])))
    lines = tuple((at, SourceLine("a.c", at, f" line {at};")) for at in range(0, count, 100))
    return ProgramSpec("chain", "xdp", code, (Subprogram("chain", 0, count),), lines)


def rejected(at: int, log: tuple[tuple[int, str], ...], known: str = "", made: tuple[int, ...] = ()) -> Rejection:
    """Return a refusal with a log."""
    return Rejection("chain", at, None, "r2", "a", "b", Refutation(at, "a", "b", "r2", made, known, log))


def test_of_a_long_program_the_part_around_the_failure_is_listed() -> None:
    """And of all that follow, what there is room for."""
    room = Room()
    row = verification(chain(LINES + 5000), rejected(LINES + 4990, ()), "xdp", room)
    listed = [line.instruction for line in row.lines]
    assert listed == list(range(5000, LINES + 5000))
    assert row.cut
    assert row.lines[0].source == "a.c:5000: line 5000;"
    room.lines = 10
    assert len(verification(chain(100), rejected(50, ()), "xdp", room).lines) == 10
    assert verification(chain(100), rejected(50, ()), "xdp", room).lines == ()


def test_states_are_few_for_each_instruction_and_the_failing_one_is_the_last() -> None:
    """In the order in which they came."""
    log = tuple((at % 5, f"r2={at}") for at in range(100))
    row = verification(chain(10), rejected(3, log, "r2=98"), "xdp", Room())
    assert row.states is not None
    assert row.states[0] == tuple(f"r2={at}" for at in range(0, 40, 5))
    assert row.states[3] == (*(f"r2={at}" for at in range(3, 38, 5)), "r2=98")
    assert len(row.states[3]) == MOST_STATES
    assert not row.cut, "so many of one instruction are enough"


def test_where_states_are_too_many_those_of_the_slice_come_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """But for the first of each instruction. What is told of one program leaves less for the next."""
    monkeypatch.setattr(rows, "STATE_LETTERS", 100)
    log = tuple((at % 4, f"r2={at:07}") for at in range(40))                  # ten letters each
    room = Room(letters=130)
    row = verification(chain(10), rejected(3, log, "r2=known..", (2, 3)), "xdp", room)
    assert row.states is not None
    assert {at: len(states) for at, states in row.states.items()} == {0: 1, 1: 1, 2: 4, 3: 4}
    assert room.letters == 30
    row = verification(chain(10), rejected(3, log, "r2=known..", (2, 3)), "xdp", room)
    assert row.states == {2: ("r2=0000002",), 3: ("r2=0000003", "r2=known..")}
    assert row.cut
    assert room.letters == 0
    assert not verification(chain(10), rejected(3, ()), "xdp", room).cut, "the next has nothing to leave out"


def test_what_the_verifier_itself_had_no_room_for_is_said_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """It stops to keep states after so many, or so many letters."""
    log = tuple((at % 4, "r2=1") for at in range(40))
    assert not verification(chain(10), rejected(3, log), "xdp", Room()).cut
    monkeypatch.setattr(rows, "MOST_VISITS", 40)
    assert verification(chain(10), rejected(3, log), "xdp", Room()).cut
    monkeypatch.setattr(rows, "MOST_VISITS", 41)
    monkeypatch.setattr(rows, "MOST_LETTERS", 160)
    assert verification(chain(10), rejected(3, log), "xdp", Room()).cut
    monkeypatch.setattr(rows, "MOST_LETTERS", 161)
    assert not verification(chain(10), rejected(3, log), "xdp", Room()).cut


def test_a_log_without_end_is_cut_in_moments() -> None:
    """Sorting it is all that it costs."""
    log = tuple((at % 7000, "r2=5 " * 100) for at in range(20_000))
    row = verification(chain(7000), rejected(6999, log, "x"), "xdp", Room())
    assert row.states is not None
    assert sum(len(state) for states in row.states.values() for state in states) <= rows.STATE_LETTERS


@pytest.fixture
def served(tmp_path: Path) -> Iterator[RunningDaemon]:
    with daemon(tmp_path) as made:
        yield made


def test_a_daemon_proves_in_its_own_walls_and_loads_nothing(served: RunningDaemon) -> None:
    """What it says is what is proved here, and it has no more programs than before."""
    client = served.start()
    upload = Upload(None, None, BROKEN.read_bytes(), BROKEN.name)
    (row,) = client.verify(upload)
    (expected,) = proved(BROKEN)
    unlike = {"seconds", "peak_mb"}
    assert {name: getattr(row, name) for name in Verification.__slots__ if name not in unlike} == {
        name: getattr(expected, name) for name in Verification.__slots__ if name not in unlike
    }
    assert row.seconds > 0
    assert client.programs() == []
    assert list((served.root / "state" / "probes").iterdir()) == []
    assert "tracerd.audit" not in served.log
    with pytest.raises(ObjectError, match="is no ELF object"):
        client.verify(Upload(None, None, b"not one", "x.o"))
    with pytest.raises(ConfigError, match="either the name of a shipped probe or an object"):
        client.verify(Upload(None, None, b"", "x.o"))
    assert [each.verdict for each in client.verify(Upload("syscalls"))] == ["accept"] * 3
    assert served.stop() == 0


def test_a_daemon_that_proves_what_is_hostile_answers_and_does_not_grow(served: RunningDaemon) -> None:
    """Damaged objects, and one as large as a request may be."""
    chance, client = random.Random(20261129), served.start()
    process = psutil.Process(served.pid)
    before = process.memory_info().rss
    judged, refused = [], []
    for number in range(60):
        try:
            judged += client.verify(Upload(None, None, hostile.damaged(chance), f"hostile{number}.bpf.o"))
        except TracerdError as error:
            refused.append(str(error))
    assert judged, "some are still objects"
    assert all(each.strip() and "Traceback" not in each for each in refused)
    with pytest.raises(ObjectError):
        client.verify(Upload(None, None, b"\x7fELF\2\1\1" + random.Random(1).randbytes((12 << 20) - 1000), "large.o"))
    assert process.memory_info().rss - before < 3 * hostile.MOST_GROWTH
    assert client.ready() == (True, [])
    assert served.stop() == 0
    assert "Traceback" not in served.log
