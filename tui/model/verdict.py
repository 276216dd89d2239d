"""What the verifier said of a program, in words, as rows, and step by step.

A proof is read like a film: a step is one look at one instruction, with what was known of every register before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from tracerd.daemon.feed import ProgramInfo, Verification
from tracerd.snapshot import ProgramStatistics
from tracerd.text import printable
from tracerd.views.format import count, counted, duration
from tui.model.listing import place_and_text
from tui.model.rows import Field, sheet_of_rows
from tui.model.sheet import Sheet
from tui.model.states import Known, known

VERDICTS = {"accept": "✓ accepted", "reject": "✗ rejected", "error": "! error"}
FRESH = "•"
"""What stands before something that was not known a step before."""

SLICE, FUEL = "▸", "↺"
"""What stands beside an instruction: it decided the refused value; its jump takes fuel."""

FIELDS = (
    Field("program", key=True), Field("section", key=True), Field("type"), Field("verdict"),
    Field("instructions", "count", title="insns"), Field("states", "count"), Field("time_ns", "ns", title="time"),
    Field("memory_mb", title="MB"), Field("ends"), Field("why"),
)  # fmt: skip
LOADED_FIELDS = (
    Field("program", key=True), Field("probe", key=True), Field("type"), Field("instructions", "count", title="insns"),
    Field("proved_ns", "ns", title="proved in"), Field("ends"), Field("engine"), Field("why"),
)  # fmt: skip


def proofs(found: Sequence[Verification]) -> Sheet:
    """Return an object's programs as rows."""
    return sheet_of_rows(
        "proofs",
        FIELDS,
        (
            (
                each.program,
                each.section,
                each.type,
                VERDICTS[each.verdict],
                each.instructions,
                each.most_states,
                each.seconds * 1e9,
                round(each.peak_mb, 1),
                _ends(each),
                each.reason,
            )
            for each in found
        ),
    )


def loaded(programs: Sequence[ProgramInfo], statistics: Sequence[ProgramStatistics]) -> Sheet:
    """Return the programs that are loaded as rows: all of them have been proved safe."""
    now = {(each.probe, each.name): each for each in statistics}
    return sheet_of_rows(
        "loaded",
        LOADED_FIELDS,
        (
            (
                each.name,
                each.probe,
                each.type,
                each.instructions,
                each.verify_seconds * 1e9,
                "always" if each.terminates else "on fuel",
                now[each.probe, each.name].engine if (each.probe, each.name) in now else each.engine,
                now[each.probe, each.name].reason if (each.probe, each.name) in now else each.reason,
            )
            for each in programs
        ),
    )


def summary(name: str, found: Sequence[Verification]) -> str:
    """Return one line on a whole object."""
    counts = [(sum(each.verdict == verdict for each in found), word) for verdict, word in VERDICTS.items()]
    told = ", ".join(f"{number} {word}" for number, word in counts if number)
    return f"{printable(name)}: {counted(len(found), 'program')}{', ' if told else ''}{told}"


def sentence(proof: Verification) -> str:
    """Return one plain sentence: what is wrong and where, or what is proved."""
    program = printable(proof.program)
    if proof.verdict == "accept":
        return f"✓ {program} is safe: {'; '.join(_proved(proof))}."
    if proof.verdict == "error":
        return f"! {program} could not be judged: {printable(proof.reason)}"
    if proof.instruction is None:
        return f"✗ {program} is rejected: {printable(proof.reason)}"
    where = f" ({': '.join(each for each in place_and_text(proof.source) if each)})" if proof.source else ""
    return f"✗ {program} is rejected at instruction {proof.instruction}{where}: {need(proof)}."


def need(proof: Verification) -> str:
    """Return what a rejected program lacks: of which register, what it takes and what there is."""
    who = f"{printable(proof.register)} " if proof.register else ""
    if proof.have:
        return f"{who}needs {printable(proof.need)}, has {printable(proof.have)}"
    return who + printable(proof.need) if proof.need else printable(proof.reason)


def by_verdict(found: Sequence[Verification]) -> list[Verification]:
    """Return programs with those in front that are not accepted."""
    return sorted(found, key=lambda proof: proof.verdict == "accept")


def _proved(proof: Verification) -> Iterator[str]:
    states = counted(proof.most_states, "state")
    yield f"{counted(proof.instructions, 'instruction')} reached, at most {states} at one point"
    yield f"proved in {duration(proof.seconds * 1e9)} with {proof.peak_mb:.0f} MB"
    if proof.terminates:
        yield "it always ends"
    else:
        jumps = ", ".join(map(str, proof.fuel_edges[:6])) + (", …" if len(proof.fuel_edges) > 6 else "")
        yield f"the loops that jump back at {jumps} have no proved bound and run on fuel"


def _ends(proof: Verification) -> str:
    if proof.verdict != "accept":
        return "not proved"
    return "always" if proof.terminates else f"fuel at {counted(len(proof.fuel_edges), 'jump')}"


def legend(proof: Verification, *, keys: bool = False) -> str:
    """Return what the marks beside instructions mean, and how the slice differs from what is wrong. `keys`: and go."""
    told = ["✗ what is wrong"] if proof.instruction is not None else []
    made = {*proof.slice, proof.instruction} - {None}
    if len(made) > 1:
        go = ": n goes back along them, N towards ✗" if keys else ""
        told.append(f"{SLICE} slice: the {len(made)} instructions that decided the refused value{go}")
    if proof.fuel_edges:
        told.append(f"{FUEL} jumps back without a proved bound: it takes fuel")
    return "   ".join(told)


def marks(proof: Verification) -> Mapping[int, str]:
    """Return what stands beside which instruction."""
    return {**dict.fromkeys(proof.fuel_edges, FUEL), **dict.fromkeys(proof.slice, SLICE)}


class Walk:
    """A way through a proof, one look at an instruction after the other, in program order."""

    def __init__(self, proof: Verification) -> None:
        states = proof.states or {}
        self.proof = proof
        self.instructions = sorted({line.instruction for line in proof.lines} | states.keys())
        self._states = states
        self._slice = self._backwards()
        self._first, self.steps = self._counted()
        self.at = 0                              # instruction
        self.look = 0                            # which of its states
        self.go(proof.instruction if proof.instruction is not None else next(iter(self.instructions), 0))

    @property
    def looks(self) -> tuple[str, ...]:
        """The states of the instruction where we are; none where the proof never came."""
        return tuple(self._states.get(self.at, ()))

    def go(self, instruction: int) -> None:
        """Go to an instruction, its first state; a failing one's last, which is the one that failed."""
        self.at = instruction
        self.look = max(len(self.looks) - 1, 0) if instruction == self.proof.instruction else 0

    def turn(self, by: int) -> None:
        """Take another state of the same instruction."""
        if self.looks:
            self.look = (self.look + by) % len(self.looks)

    def step(self) -> bool:
        """Take the next state: of this instruction, or the first of the next. False at the end."""
        if self.look + 1 < len(self.looks):
            self.look += 1
            return True
        later = next((each for each in self.instructions if each > self.at), None)
        if later is None or self.at == self.proof.instruction:
            return False
        self.at, self.look = later, 0
        return True

    def rewind(self) -> None:
        """Go to where the proof begins."""
        if self.instructions:
            self.at, self.look = self.instructions[0], 0

    @property
    def step_number(self) -> int:
        """Which step we are at, of `steps` from the beginning to the end or the failing instruction; from 1."""
        return self._first.get(self.at, self.steps) + self.look

    def _counted(self) -> tuple[dict[int, int], int]:
        """Return the number of each instruction's first step, and how many steps there are."""
        first, number, end = {}, 1, self.proof.instruction
        for each in self.instructions:
            if end is not None and each > end:
                break
            first[each] = number
            number += max(len(self._states.get(each, ())), 1)
        return first, number - 1

    # ---- along the slice

    def along(self, by: int) -> int | None:
        """Return the next instruction of the slice, away from the failing one, or (by -1) the next towards it."""
        here = self._away(self.at)
        found = [each for each in self._slice if (self._away(each) > here if by > 0 else self._away(each) < here)]
        return (found[0] if by > 0 else found[-1]) if found else None

    @property
    def place(self) -> tuple[int, int] | None:
        """Which instruction of the slice we are at, the failing one is the first, and how many there are."""
        return (self._slice.index(self.at) + 1, len(self._slice)) if self.at in self._slice else None

    def _backwards(self) -> list[int]:
        """Return the slice from the failing instruction back; what stands behind that comes round a loop, so last."""
        ends = () if self.proof.instruction is None else (self.proof.instruction,)
        return sorted({*self.proof.slice, *ends} & set(self.instructions), key=self._away)

    def _away(self, instruction: int) -> tuple[bool, int]:
        behind = instruction > (self.proof.instruction or 0)
        return behind, -instruction

    # ---- what is told

    def known(self) -> list[Known]:
        """Return what was known before the instruction, and what of it is new since the one listed before."""
        if not self.looks:
            return []
        return known(self.looks[self.look], self._before())

    def heading(self) -> str:
        """Return what `known` is about."""
        if not self.looks:
            return f"before instruction {count(self.at)}: {self._why_not()}{self._of_slice()}"
        which = f", state {self.look + 1} of {len(self.looks)}" if len(self.looks) > 1 else ""
        return f"known before instruction {count(self.at)}{which}{self._of_slice()}"

    def _of_slice(self) -> str:
        return f", slice\u00a0{self.place[0]}/{self.place[1]}" if self.place is not None and self.place[1] > 1 else ""

    def _why_not(self) -> str:
        if not self._states:
            return "no states were kept"
        after = self.proof.instruction is not None and self.at > self.proof.instruction
        if after:
            return "the proof ended before it"
        left_out = "states of later instructions were left out: there was no room"
        return left_out if self.proof.cut else "no path leads here"

    def _before(self) -> str | None:
        if self.look:
            return self.looks[self.look - 1]
        earlier = next((a for a, b in pairwise(self.instructions) if b == self.at), None)
        found = self._states.get(earlier, ()) if earlier is not None else ()
        return found[-1] if found else None
