"""The screen of proofs: an object is asked for, judged, and its proof is read instruction by instruction."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from tests.tui.dashboard import Dashboard, dashboard
from tests.tui.feeds import ACCEPTED, REJECTED, MadeFeed, made_feed
from tracerd.daemon.feed import Verification
from tracerd.errors import NotPermitted
from tui.screens.dialogs import Ask
from tui.screens.program import Program
from tui.screens.verifier import VerifierScreen, names_near
from tui.widgets.grid import Grid
from tui.widgets.listing import Listing
from tui.widgets.proof import Proof

OBJECT = Path(__file__).parents[1] / "daemon" / "objects" / "unproved.bpf.o"
SIZES = [(80, 24), (250, 70)]


@dataclass
class JudgeFeed(MadeFeed):
    """Keeps what it was asked to prove; waits with the answer while `slow` is set, and refuses if told to."""

    asked: list[object] = field(default_factory=list)
    slow: threading.Event = field(default_factory=threading.Event)
    refuses: bool = False

    def verify(self, upload: object) -> list[Verification]:
        self.asked.append(upload)
        while self.slow.is_set() and not self.gone:
            threading.Event().wait(0.01)
        if self.refuses:
            raise NotPermitted("proving an object", "you are no administrator")
        return super().verify(upload)


async def opened(top: Dashboard, what: str = str(OBJECT)) -> None:
    """Go there and have an object proved."""
    await top.press("6", "o")
    await top.until(lambda: isinstance(top.screen, Ask))
    await top.press(*what, "enter")
    await top.until(lambda: isinstance(top.screen, VerifierScreen))


def listing(top: Dashboard) -> Listing:
    return top.screen.query_one(Listing)


@pytest.mark.parametrize("size", SIZES)
def test_without_an_object_the_loaded_programs_are_told_with_their_proofs(size: tuple[int, int]) -> None:
    """And what o does."""

    async def steps(top: Dashboard) -> None:
        await top.press("6")
        await top.says("o has a file proved", "on_enter", "31.0ms", "on fuel", "jit")
        await top.press("enter")
        await top.until(lambda: isinstance(top.screen, Program))

    dashboard(made_feed(), steps, size)


@pytest.mark.parametrize("size", SIZES)
def test_a_rejection_is_a_sentence_with_the_listing_and_what_was_known(size: tuple[int, int]) -> None:
    """The one that fails is in front; the file's bytes are sent, not its path."""
    feed = JudgeFeed()

    async def steps(top: Dashboard) -> None:
        await opened(top)
        await top.says(
            "2 programs, 1 ✓ accepted, 1 ✗ rejected", "✗ drop is rejected at instruction 6",
            "✗ 6    r0 = *(u8 *)(r1 + 22)", "✗ r1 needs r1 + 23 <= data_end, has r1 + 14 <= data_end",
            "▸ 5    if r3 > r2 goto +2", "drop.bpf.c:18  return header->protocol;", "known before instruction 6",
        )  # fmt: skip
        assert feed.asked[0].object == OBJECT.read_bytes()  # type: ignore[attr-defined]

    dashboard(feed, steps, size)


def test_another_program_under_the_cursor_shows_its_proof() -> None:
    """Enter goes to its instructions, Escape back, and back to the loaded programs."""

    async def steps(top: Dashboard) -> None:
        await opened(top)
        await top.says("drop is rejected")
        await top.press("j")
        await top.says("✓ count is safe: 9 instructions reached", "known before instruction 0")
        await top.press("enter")
        assert isinstance(top.app.focused, Listing)
        await top.press("escape")
        assert isinstance(top.app.focused, Grid)
        await top.press("escape")
        await top.says("o has a file proved", "on_enter")

    dashboard(made_feed(), steps)


@pytest.mark.parametrize(
    ("keys", "at"),
    [
        (["k"], 5), (["n"], 5), (["n", "n", "n", "n"], 2), (["n", "N"], 6), (["g", "N"], 2), (["g", "f"], 6),
        (["N"], 6), (["n"] * 5, 2),
    ],
)  # fmt: skip
def test_keys_go_along_the_proof(keys: list[str], at: int) -> None:
    """Instruction by instruction, back along the slice, to the failing one; what was known goes along."""

    async def steps(top: Dashboard) -> None:
        await opened(top)
        await top.says("drop is rejected")
        await top.press(*keys)
        assert listing(top).instruction == at
        await top.says(f"before instruction {at}")

    dashboard(made_feed(verifications=[REJECTED]), steps)


@pytest.mark.parametrize("size", SIZES)
def test_where_one_is_along_the_slice_is_told_with_what_it_is(size: tuple[int, int]) -> None:
    """From the refused instruction on; at either end a word says so."""

    async def steps(top: Dashboard) -> None:
        await opened(top)
        await top.says("✗ what is wrong   ▸ slice: the 5 instructions that decided the refused value", "slice\u00a01/5")
        await top.press("n", "n")
        await top.says("before instruction 4", "slice\u00a03/5")
        await top.press("n", "n", "n")
        await top.told("the slice begins here")
        await top.press("f", "N")
        await top.told("this is the refused instruction")

    dashboard(made_feed(verifications=[REJECTED]), steps, size)


def test_source_lines_have_the_room_that_is_left() -> None:
    """Beside them is what was known, with the least it takes."""
    text = "total += " + " + ".join(f"bytes[{n}]" for n in range(7)) + ";"
    lines = (replace(REJECTED.lines[0], source=f"drop.bpf.c:12: {text}"), *REJECTED.lines[1:])

    async def steps(top: Dashboard) -> None:
        await opened(top)
        await top.press("g")
        await top.says(text, "before instruction 0")

    dashboard(made_feed(verifications=[replace(REJECTED, lines=lines)]), steps, (160, 45))


def test_looks_at_the_same_instruction_are_turned_through() -> None:
    """What is new is marked."""
    states = {5: ("r3=packet",), 6: ("r1=packet", "r1=packet r2=any")}

    async def steps(top: Dashboard) -> None:
        await opened(top)
        await top.says("known before instruction 6, state 2 of 2", "•r2\u00a0any")
        await top.press("left")
        await top.says("state 1 of 2")
        await top.press("l")
        await top.says("state 2 of 2")
        await top.press("h", "right")
        await top.says("state 2 of 2")

    dashboard(made_feed(verifications=[replace(REJECTED, states=states)]), steps)


def test_a_proof_is_played_from_its_beginning_to_the_failing_instruction(monkeypatch: pytest.MonkeyPatch) -> None:
    """It stops there by itself."""
    walked: list[int] = []
    go = Listing.go

    def seen(self: Listing, instruction: int) -> None:
        walked.append(instruction)
        go(self, instruction)

    async def steps(top: Dashboard) -> None:
        await opened(top)
        await top.says("drop is rejected")
        monkeypatch.setattr(Listing, "go", seen)
        await top.press("P")
        await top.until(lambda: len(walked) >= 3 and walked[-1] == 6, "the end")

    dashboard(made_feed(verifications=[REJECTED]), steps)
    assert walked == sorted(walked)


def test_any_key_stops_a_proof_that_is_played_and_does_nothing_else() -> None:
    """Not even leave the screen."""
    states = {0: tuple(f"r1={n}" for n in range(5000))}

    async def steps(top: Dashboard) -> None:
        await opened(top)
        await top.says("count is safe")
        await top.press("P")
        await top.says("4 a second")
        await top.press("plus", "plus", "plus", "plus")
        await top.says("▶ step", "32 a second", "any other key stops")
        await top.until(lambda: "state 1 of" not in top.text, "a step")
        await top.press("1")
        assert isinstance(top.screen, VerifierScreen)
        await top.says("■ step")
        before = top.text
        await top.pilot.pause(0.2)
        assert top.text == before
        await top.press("1")
        assert not isinstance(top.screen, VerifierScreen)

    dashboard(made_feed(verifications=[replace(ACCEPTED, states=states)]), steps)


def test_plus_and_minus_change_how_fast_a_proof_is_played_and_nothing_else() -> None:
    """Not the interval between moments."""

    async def steps(top: Dashboard) -> None:
        await opened(top)
        await top.says("count is safe")
        await top.press("P", "minus", "minus", "minus")
        await top.says("1 a second:  + faster  - slower", "/5,009")
        await top.press(*["equals_sign"] * 6)
        await top.says("32 a second")
        assert top.app.interval == 1.0

    dashboard(made_feed(verifications=[replace(ACCEPTED, states=looks(5000))]), steps)


def test_where_a_played_proof_ends_the_step_stays_until_one_goes_elsewhere() -> None:
    """So that one sees how many there were."""

    async def steps(top: Dashboard) -> None:
        await opened(top)
        await top.says("count is safe")
        await top.press("P")
        await top.says("■ step 15/15:  P plays the proof")
        await top.press("k")
        await top.until(lambda: "■" not in top.text, "the end of it")

    dashboard(made_feed(verifications=[replace(ACCEPTED, states=looks(6))]), steps)


def looks(number: int) -> dict[int, tuple[str, ...]]:
    """So many looks at the first instruction."""
    return {0: tuple(f"r1={n}" for n in range(number))}


def test_while_it_is_proved_a_line_says_what_and_for_how_long() -> None:
    """The newest question counts."""
    feed = JudgeFeed()
    feed.slow.set()

    async def steps(top: Dashboard) -> None:
        await opened(top)
        await top.says("◌ unproved.bpf.o is being proved: 0.")
        await opened(top, "")
        feed.slow.clear()
        await top.says("drop is rejected")

    dashboard(feed, steps)


def test_r_has_the_same_file_proved_again() -> None:
    """After it was compiled anew."""
    feed = JudgeFeed()

    async def steps(top: Dashboard) -> None:
        await opened(top)
        await top.says("drop is rejected")
        feed.verifications = [ACCEPTED]
        await top.press("r")
        await top.says("1 program, 1 ✓ accepted", "count is safe")
        assert len(feed.asked) == 2

    dashboard(feed, steps)


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("/nowhere/x.bpf.o", "! /nowhere/x.bpf.o: cannot be read: No such file or directory"),
        (__file__, "is no object"),
        ("prog.c", "is C: compile it"),
        ("/nowhere/probe.toml", "cannot be read"),
    ],
)
def test_a_file_that_is_no_object_is_one_sentence(what: str, said: str) -> None:
    """The daemon is not asked."""
    feed = JudgeFeed()

    async def steps(top: Dashboard) -> None:
        await opened(top, what)
        await top.until(lambda: said in " ".join(top.text.split()), said)
        assert feed.asked == []

    dashboard(feed, steps, (160, 24))


def test_what_the_daemon_refuses_is_told_and_what_was_there_stays() -> None:
    """A name alone is a shipped probe's."""
    feed = JudgeFeed(refuses=True)

    async def steps(top: Dashboard) -> None:
        await opened(top, "syscalls")
        await top.says("you are no administrator", "on_enter")
        assert feed.asked[0].name == "syscalls"  # type: ignore[attr-defined]

    dashboard(feed, steps, (160, 24))


@pytest.mark.parametrize("options", [{"read_only": True}, {"web": True}])
def test_who_may_not_change_things_sees_no_key_for_it(options: dict[str, bool]) -> None:
    """But what they can do instead."""

    async def steps(top: Dashboard) -> None:
        await top.press("6", "o")
        await top.says("Only administrators", "tracerd verify FILE")
        assert isinstance(top.screen, VerifierScreen)
        assert "o Open" not in top.text

    dashboard(made_feed(), steps, **options)


def test_a_reader_of_the_daemon_is_no_administrator() -> None:
    """The daemon says who is."""

    async def steps(top: Dashboard) -> None:
        await top.press("6")
        await top.says("Only administrators")

    dashboard(made_feed(role="read"), steps)


def test_a_program_that_could_not_be_judged_says_why_without_a_listing() -> None:
    """There is nothing to walk through."""
    error = Verification("odd", "kprobe/x", "", "error", "of no type that is known")

    async def steps(top: Dashboard) -> None:
        await opened(top)
        await top.says("! odd could not be judged: of no type that is known", "! error")
        assert not top.screen.query_one("#film").display
        assert top.screen.query_one(Proof).shown is error

    dashboard(made_feed(verifications=[error]), steps)


@pytest.mark.parametrize("size", [(80, 24), (110, 30)])
def test_where_states_were_left_out_it_does_not_say_that_no_path_leads_there(size: tuple[int, int]) -> None:
    """The whole sentence has room, beside the instructions and below them."""

    async def steps(top: Dashboard) -> None:
        await opened(top)
        await top.press("j", "j", "j")
        await top.says("states of later", "left out: there was no", "room")        # broken where there is no more room
        assert "no path leads here" not in top.text

    dashboard(made_feed(verifications=[replace(ACCEPTED, cut=True)]), steps, size)


def test_names_of_objects_below_a_folder_are_offered(tmp_path: Path) -> None:
    """The nearest first; hidden folders are not looked into."""
    for name in ("b.bpf.o", "a/x.bpf.o", "a/probe.toml", ".venv/y.bpf.o", "a/notes.txt", "c.o"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert names_near(tmp_path) == ["b.bpf.o", "a/probe.toml", "a/x.bpf.o"]


def test_a_name_is_completed_while_it_is_typed() -> None:
    """The shipped probes are among them."""
    feed = JudgeFeed()

    async def steps(top: Dashboard) -> None:
        await top.press("6", "o")
        await top.until(lambda: isinstance(top.screen, Ask))
        await top.press(*"execs")
        await top.says("execsnoop")
        await top.press("right", "enter")
        await top.until(lambda: bool(feed.asked))
        assert feed.asked[0].name == "execsnoop"  # type: ignore[attr-defined]

    dashboard(feed, steps)
