"""What an analysis knows from outside the states, and the evidence it gathers for the certificate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tracerd.isa.instruction import Instruction
from tracerd.platforms.model import Helper, MapKind, Platform, ProgramType
from tracerd.verifier.job import MapFacts
from tracerd.verifier.symbols import Symbols

PLAIN = -1
"""In `Evidence.loads`: the instruction's load is an ordinary one."""


@dataclass
class Evidence:
    """Facts for the certificate, gathered in passes whose states are final."""

    context_bytes: int = 0
    stack_bytes: list[int] = field(default_factory=list)
    loads: dict[int, int] = field(default_factory=dict)        # load -> native context offset, or PLAIN
    call_maps: dict[int, int] = field(default_factory=dict)    # helper call -> map, or −1 where paths differ
    reached: set[int] = field(default_factory=set)             # first instructions of blocks
    states: int = 0

    def stack(self, function: int, lowest: int) -> None:
        """Note that a function's frame is used down to `lowest` (negative)."""
        if -lowest > self.stack_bytes[function]:
            self.stack_bytes[function] = -lowest

    def call(self, instruction: int, given: int) -> None:
        """Note the map that a helper call is given on one path."""
        if self.call_maps.setdefault(instruction, given) != given:
            self.call_maps[instruction] = -1


@dataclass
class Scope:
    """The program and the tables it is judged by. `function_at_depth` are the active functions."""

    code: Sequence[Instruction]
    platform: Platform
    type: ProgramType
    maps: Sequence[MapFacts]
    kinds: Sequence[MapKind]
    symbols: Symbols
    evidence: Evidence
    function_at_depth: tuple[int, ...] = (0,)

    @property
    def helpers(self) -> Mapping[int, Helper]:
        """What a program of the type may call, by id."""
        return self.platform.helpers_by_type[self.type.name]
