"""What a verification says in words, as rows, and step by step."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.tui.feeds import ACCEPTED, LINES, REJECTED, made_feed
from tracerd.daemon.feed import Verification
from tui.model.states import Known, known
from tui.model.verdict import Walk, by_verdict, legend, loaded, marks, need, proofs, sentence, summary

ENDLESS = replace(ACCEPTED, program="endless", terminates=False, fuel_edges=(7, 9), most_states=1)
BARE = replace(REJECTED, have="", register="", source="")
BROKEN = Verification("odd", "kprobe/x", "", "error", "the section is of no type that is known")


def test_a_rejection_is_one_sentence_with_all_there_is_to_know() -> None:
    """Program, instruction, source, register, what it takes and what there is."""
    assert sentence(REJECTED) == (
        "✗ drop is rejected at instruction 6 (drop.bpf.c:18: return header->protocol;): "
        "r1 needs r1 + 23 <= data_end, has r1 + 14 <= data_end."
    )


@pytest.mark.parametrize(
    ("proof", "said"),
    [
        (BARE, "✗ drop is rejected at instruction 6: r1 + 23 <= data_end."),
        (replace(BARE, need="", reason="no"), "✗ drop is rejected at instruction 6: no."),
        (replace(REJECTED, instruction=None), f"✗ drop is rejected: {REJECTED.reason}"),
        (BROKEN, "! odd could not be judged: the section is of no type that is known"),
        (ACCEPTED, "✓ count is safe: 9 instructions reached, at most 2 states at one point; "
                   "proved in 12.0ms with 41 MB; it always ends."),
        (ENDLESS, "✓ endless is safe: 9 instructions reached, at most 1 state at one point; "
                  "proved in 12.0ms with 41 MB; "
                  "the loops that jump back at 7, 9 have no proved bound and run on fuel."),
    ],
)  # fmt: skip
def test_every_verdict_is_a_sentence(proof: Verification, said: str) -> None:
    """What is not known is left out."""
    assert sentence(proof) == said


def test_a_source_line_is_told_with_its_files_last_name() -> None:
    """Long ways leave no room for what is said."""
    assert "(b.c:18: return x / y;)" in sentence(replace(REJECTED, source="/home/me/a/b.c:18: return x / y;"))
    assert "(b.c:18: return x;)" in sentence(replace(REJECTED, source="C:\\me\\b.c:18: return x;"))


def test_what_an_object_calls_itself_cannot_write_on_the_screen() -> None:
    """Names and source lines are anybody's."""
    evil = replace(REJECTED, program="\x1b[2J", source="\x1b]0;x\x07", need="\x9b", have="")
    assert sentence(evil).isprintable()
    assert need(evil).isprintable()
    assert summary("\x1b[2J", []).isprintable()
    assert all(each.name.isprintable() and each.value.isprintable() for each in known("r1=\x1b[2J"))


def test_programs_are_rows_with_those_that_fail_first() -> None:
    """A verdict is a mark and a word."""
    sheet = proofs(by_verdict([ACCEPTED, ENDLESS, REJECTED, BROKEN]))
    assert list(sheet.by_name["program"].values) == ["drop", "odd", "count", "endless"]
    assert list(sheet.by_name["verdict"].values) == ["✗ rejected", "! error", "✓ accepted", "✓ accepted"]
    assert list(sheet.by_name["ends"].values) == ["not proved", "not proved", "always", "fuel at 2 jumps"]
    assert sheet.by_name["time_ns"].values.tolist() == [9e6, 0, 12e6, 12e6]


def test_an_object_is_one_line() -> None:
    """How many of each verdict."""
    assert summary("a.bpf.o", [ACCEPTED, ENDLESS, REJECTED]) == "a.bpf.o: 3 programs, 2 ✓ accepted, 1 ✗ rejected"
    assert summary("a.bpf.o", []) == "a.bpf.o: 0 programs"


def test_loaded_programs_are_rows_with_their_proofs() -> None:
    """The engine is what runs now."""
    feed = made_feed()
    moment = feed.moment()
    now = tuple(replace(each, engine="interpreter") if each.name == "on_tick" else each for each in moment.programs)
    sheet = loaded(feed.look().programs, now)
    assert list(sheet.by_name["program"].values) == ["on_enter", "on_exit", "on_tick"]
    assert list(sheet.by_name["ends"].values) == ["always", "always", "on fuel"]
    assert list(sheet.by_name["engine"].values) == ["jit", "jit", "interpreter"]
    assert len(loaded(feed.look().programs, ())) == 3


def test_the_slice_and_jumps_on_fuel_are_marked() -> None:
    """Beside their instructions."""
    assert marks(REJECTED) == {2: "▸", 3: "▸", 4: "▸", 5: "▸"}
    assert marks(ENDLESS) == {7: "↺", 9: "↺"}


def walk(**changes: object) -> Walk:
    states = {0: ("r1=context",), 2: ("r1=context r6=context",), 3: ("r1=packet",), 4: ("r3=packet",),
              5: ("r3=packet+14", "r3=packet+15"), 6: ("r1=packet", "r1=packet r2=any")}  # fmt: skip
    return Walk(replace(REJECTED, **{"states": states, **changes}))  # type: ignore[arg-type]


def test_a_walk_begins_where_the_proof_fails_with_the_state_that_failed() -> None:
    """An accepted one begins at its first instruction."""
    found = walk()
    assert (found.at, found.look) == (6, 1)
    assert found.heading() == "known before instruction 6, state 2 of 2, slice\u00a01/5"
    assert [(each.name, each.fresh) for each in found.known()] == [("r1", False), ("r2", True)]
    assert Walk(ACCEPTED).at == 0


def test_a_walk_steps_through_all_states_to_the_failing_one() -> None:
    """An instruction that was never looked at is one step, too."""
    found = walk()
    found.rewind()
    steps = [(found.at, found.look)]
    while found.step():
        steps.append((found.at, found.look))
    assert steps == [(0, 0), (1, 0), (2, 0), (3, 0), (4, 0), (5, 0), (5, 1), (6, 0), (6, 1)]


def test_a_walk_turns_through_the_looks_at_one_instruction() -> None:
    """Round and round."""
    found = walk()
    found.go(5)
    assert found.look == 0
    found.turn(1)
    assert found.known()[0] == Known("r3", "packet + 15", fresh=True)
    found.turn(1)
    assert found.look == 0
    found.turn(-1)
    assert found.look == 1
    found.go(1)
    found.turn(1)
    assert found.look == 0


def test_a_walk_goes_back_along_the_slice_from_the_failing_instruction() -> None:
    """And forth towards it, no further; where it stands is counted from there."""
    found = walk()
    assert (found.place, found.along(-1), found.along(1)) == ((1, 5), None, 5)
    assert found.heading() == "known before instruction 6, state 2 of 2, slice\u00a01/5"
    found.go(2)
    assert (found.place, found.along(-1), found.along(1)) == ((5, 5), 3, None)
    found.go(0)
    assert (found.place, found.along(-1), found.along(1)) == (None, 2, None)
    accepted = Walk(ACCEPTED)
    assert (accepted.place, accepted.along(1), accepted.along(-1)) == (None, None, None)


def test_a_slice_goes_on_behind_the_failing_instruction_where_a_loop_comes_back_from() -> None:
    """After all that stands before it, from the end of the loop."""
    found = walk(slice=(3, 5, 7, 9))
    way = [found.at]
    while (to := found.along(1)) is not None:
        found.go(to)
        way.append(to)
    assert way == [6, 5, 3, 9, 7]
    assert found.along(-1) == 9


def test_what_was_left_out_of_the_instructions_is_left_out_of_the_slice() -> None:
    """One could not go there."""
    found = walk(slice=(3, 5), lines=LINES[4:])
    found.go(5)
    assert found.along(1) == 3                   # it has a state, so it is there
    assert walk(slice=(1, 5), lines=LINES[4:], states={}).place == (1, 2)


def test_steps_are_counted_up_to_the_failing_instruction() -> None:
    """An accepted proof's to its end."""
    found = walk()
    found.rewind()
    numbers = [found.step_number]
    while found.step():
        numbers.append(found.step_number)
    assert numbers == list(range(1, found.steps + 1))
    assert found.steps == 9
    assert Walk(ACCEPTED).steps == 10
    assert Walk(BROKEN).steps == 0


@pytest.mark.parametrize(
    ("proof", "keys", "said"),
    [
        (REJECTED, False, "✗ what is wrong   ▸ slice: the 5 instructions that decided the refused value"),
        (REJECTED, True, "✗ what is wrong   ▸ slice: the 5 instructions that decided the refused value: "
                         "n goes back along them, N towards ✗"),
        (replace(REJECTED, slice=()), True, "✗ what is wrong"),
        (ENDLESS, True, "↺ jumps back without a proved bound: it takes fuel"),
        (ACCEPTED, True, ""),
    ],
)  # fmt: skip
def test_marks_are_told_in_words(proof: Verification, keys: bool, said: str) -> None:
    """Those that there are."""
    assert legend(proof, keys=keys) == said


@pytest.mark.parametrize(
    ("at", "changes", "said"),
    [
        (1, {}, "no path leads here"),
        (1, {"cut": True}, "states of later instructions were left out: there was no room"),
        (8, {"cut": True}, "the proof ended before it"),
        (8, {}, "the proof ended before it"),
        (3, {"states": None}, "no states were kept"),
    ],
)
def test_where_nothing_is_known_the_heading_says_why(at: int, changes: dict[str, object], said: str) -> None:
    """And nothing is told."""
    found = walk(**changes)
    found.go(at)
    assert said in found.heading()
    assert found.known() == []


def test_a_proof_without_instructions_can_be_walked_nowhere() -> None:
    """It was refused before there were any."""
    found = Walk(BROKEN)
    found.rewind()
    assert not found.step()
    assert (found.at, found.known()) == (0, [])
    assert len(LINES) == 10
