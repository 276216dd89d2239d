"""What a verification says in words, as rows, and step by step."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.tui.feeds import ACCEPTED, LINES, REJECTED, made_feed
from tracerd.daemon.feed import Verification
from tui.model.verdict import Known, Walk, by_verdict, known, loaded, marks, need, proofs, sentence, summary

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
    assert list(sheet.by_name["ends"].values) == ["-", "-", "always", "fuel at 2 jumps"]
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


def test_the_cause_and_jumps_on_fuel_are_marked() -> None:
    """Beside their instructions."""
    assert marks(REJECTED) == {2: "▸", 3: "▸", 4: "▸", 5: "▸"}
    assert marks(ENDLESS) == {7: "↺", 9: "↺"}


def test_a_state_is_taken_apart_and_what_is_new_is_told() -> None:
    """Registers, stack cells and what is held; values may have blanks."""
    state = "r1=packet + s1+0 (14..65535) r2=packet+14 [-16:8]=(0x0..0xff, bits 0x3) held=[4, 5]"
    assert known(state) == [
        Known("r1", "packet + s1+0 (14..65535)"),
        Known("r2", "packet+14"),
        Known("[-16:8]", "(0x0..0xff, bits 0x3)"),
        Known("held", "[4, 5]"),
    ]
    assert [each.name for each in known(state, "r1=packet + s1+0 (14..65535) r2=packet held=[4, 5]") if each.fresh] == [
        "r2", "[-16:8]",
    ]  # fmt: skip
    assert known("") == []


def walk(**changes: object) -> Walk:
    states = {0: ("r1=context",), 2: ("r1=context r6=context",), 3: ("r1=packet",), 4: ("r3=packet",),
              5: ("r3=packet+14", "r3=packet+15"), 6: ("r1=packet", "r1=packet r2=any")}  # fmt: skip
    return Walk(replace(REJECTED, **{"states": states, **changes}))  # type: ignore[arg-type]


def test_a_walk_begins_where_the_proof_fails_with_the_state_that_failed() -> None:
    """An accepted one begins at its first instruction."""
    found = walk()
    assert (found.at, found.look) == (6, 1)
    assert found.heading() == "known before instruction 6, state 2 of 2"
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
    assert found.known()[0] == Known("r3", "packet+15", fresh=True)
    found.turn(1)
    assert found.look == 0
    found.turn(-1)
    assert found.look == 1
    found.go(1)
    found.turn(1)
    assert found.look == 0


def test_a_walk_goes_along_the_cause_up_to_the_failing_instruction() -> None:
    """Both ways, and no further."""
    found = walk()
    assert found.cause(1) is None
    assert found.cause(-1) == 5
    found.go(2)
    assert (found.cause(1), found.cause(-1)) == (3, None)
    accepted = Walk(ACCEPTED)
    assert accepted.cause(1) is None


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
