"""One abstract state: what every register, stack byte and reference may be at a point of the program."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tracerd.verifier.facts import Facts
from tracerd.verifier.frame import Frame
from tracerd.verifier.symbols import Symbols
from tracerd.verifier.values import (
    CONTEXT,
    LOST,
    MAP_VALUE,
    MAP_VALUE_OR_NULL,
    NOTHING,
    NULL,
    RECORD,
    RECORD_OR_NULL,
    RELEASED,
    STACK,
    UNSET,
    Value,
    nothing,
)

Change = Callable[[Value], Value]


class State:
    """Registers r0 … r10, active frames (the running function's last), facts, and the ring records held.

    `marks` are values as they were at the head of a loop being measured: (head, place) -> value. They take part in
    joins like registers, so that the distance a counter has gone survives (see `termination`).
    """

    __slots__ = ("_own", "facts", "frames", "marks", "records", "regs")

    def __init__(self, symbols: Symbols) -> None:
        self.facts = Facts(symbols)
        self.regs: list[Value] = [UNSET] * 10 + [Value(STACK, 0, 0, 0)]
        self.regs[1] = Value(CONTEXT, 0, 0, 0)
        self.frames: list[Frame] = [Frame()]
        self.records: tuple[int, ...] = ()   # identities of ring records not yet given back
        self.marks: dict[tuple[int, object], Value] = {}
        self._own = 0                        # frames that no other state shares, one bit each

    def copy(self) -> State:
        """Return an independent state. Frames are shared until one of the two writes."""
        other = State.__new__(State)
        other.facts = self.facts.copy()
        other.regs = self.regs.copy()
        other.frames = self.frames.copy()
        other.records = self.records
        other.marks = self.marks.copy() if self.marks else self.marks
        other._own = self._own = 0
        return other

    @property
    def depth(self) -> int:
        """Depth of the running function, 0 for the entry."""
        return len(self.frames) - 1

    def frame_to_write(self, depth: int) -> Frame:
        """Return a frame that may be changed."""
        if not self._own >> depth & 1:
            self.frames[depth] = self.frames[depth].copy()
            self._own |= 1 << depth
        return self.frames[depth]

    def enter(self) -> None:
        """Start a function: its own frame, r1 … r5 as arguments, nothing else."""
        regs = self.regs
        self.frames.append(Frame((regs[6], regs[7], regs[8], regs[9])))
        self._own |= 1 << self.depth
        regs[0] = LOST
        regs[6:10] = [UNSET] * 4
        regs[10] = Value(STACK, self.depth, 0, 0)

    def leave(self) -> None:
        """Return from a function: r0 stays, r6 … r9 are the caller's again."""
        frame = self.frames.pop()
        self._own &= (1 << len(self.frames)) - 1
        self.regs[1:6] = [LOST] * 5
        self.regs[6:10] = frame.saved
        self.regs[10] = Value(STACK, self.depth, 0, 0)

    def values(self) -> Iterator[Value]:
        """Yield every value in the state."""
        yield from self.regs
        yield from self.marks.values()
        for frame in self.frames:
            yield from frame.saved
            for cell in frame.cells.values():
                yield cell.value

    def change(self, wanted: Callable[[Value], bool], to: Change) -> None:
        """Replace values wherever they are: registers, saved registers, stack."""
        self.regs = [to(value) if wanted(value) else value for value in self.regs]
        for depth, frame in enumerate(self.frames):
            spilled = [offset for offset, cell in frame.cells.items() if wanted(cell.value)]
            saved = any(wanted(value) for value in frame.saved)
            if not spilled and not saved:
                continue
            frame = self.frame_to_write(depth)
            a, b, c, d = (to(value) if wanted(value) else value for value in frame.saved)
            frame.saved = (a, b, c, d)
            for offset in spilled:
                value = to(frame.cells[offset].value)
                if value.kind == NOTHING:
                    frame.remove(offset)
                else:
                    frame.replace(offset, value)

    def set_null(self, region: int) -> None:
        """Learn that a pointer is null: every copy is the number 0, and there is no record to give back."""
        self.change(lambda v: v.region == region and v.kind in (MAP_VALUE_OR_NULL, RECORD_OR_NULL), lambda _: NULL)
        self.records = tuple(record for record in self.records if record != region)

    def set_not_null(self, region: int) -> None:
        """Learn that a pointer is not null, for every copy."""
        kinds = {MAP_VALUE_OR_NULL: MAP_VALUE, RECORD_OR_NULL: RECORD}
        self.change(
            lambda v: v.region == region and v.kind in kinds,
            lambda v: Value(kinds[v.kind], v.region, v.symbol, v.constant),
        )

    def release(self, region: int) -> None:
        """Give a ring record back: no copy of its pointer may be used again."""
        self.change(lambda v: v.region == region and v.kind == RECORD, lambda _: nothing(RELEASED))
        self.records = tuple(record for record in self.records if record != region)
