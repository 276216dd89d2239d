"""What the JIT compiles: a program with everything the proof and the maps tell about it, and no address.

Addresses are symbols that are resolved when the code is linked, so equal units give equal code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tracerd.isa.decode import decode
from tracerd.isa.instruction import Instruction
from tracerd.platforms import PLATFORMS
from tracerd.platforms.model import Helper, MapKind
from tracerd.verifier.job import VerifiedProgram
from tracerd.vm.linking import pointer_offsets


@dataclass(frozen=True, slots=True)
class MapCode:
    """A map as code sees it: shapes and strides in bytes (border/maps.h, struct tr_map_layout)."""

    kind: MapKind
    value_size: int
    max_entries: int
    stride: int
    cpu_stride: int
    cpus: int = 1
    constant: bytes = b""       # contents that neither programs nor users change (.rodata): folded into the code

    @property
    def values_bytes(self) -> int:
        """Bytes that hold an array's values."""
        return self.stride * self.max_entries


@dataclass(frozen=True, slots=True)
class Unit:
    """One program to compile. Subprogram 0 is the entry; `fuel_edges` is empty if it was proved to terminate."""

    code: tuple[Instruction, ...]
    subprograms: tuple[tuple[str, int, int], ...]
    maps: tuple[MapCode, ...] = ()
    helpers: Mapping[int, Helper] = field(default_factory=dict)
    fuel_edges: frozenset[int] = frozenset()
    context_loads: Mapping[int, int] = field(default_factory=dict)
    pointer_offsets: frozenset[int] = frozenset()      # native offsets that hold pointers
    call_maps: Mapping[int, int] = field(default_factory=dict)
    raw: bool = False                                  # unverified: r1 = memory, r2 = its length

    def subprogram_at(self, instruction: int) -> int:
        """Return the number of the subprogram that starts there.

        Raises:
            KeyError: none does.
        """
        for number, (_, start, _end) in enumerate(self.subprograms):
            if start == instruction:
                return number
        raise KeyError(instruction)


def map_symbol(number: int) -> str:
    """Name of the symbol whose address is the live handle of map `number`."""
    return f"tracerd_map_{number}"


def values_symbol(number: int) -> str:
    """Name of the symbol at which the values of map `number` begin."""
    return f"tracerd_values_{number}"


def helper_symbol(name: str, number: int | None = None) -> str:
    """Name of a helper's symbol; with `number`, of the one specialised for that map."""
    return f"tracerd_helper_{name}" if number is None else f"tracerd_helper_{name}_map_{number}"


def make_unit(program: VerifiedProgram, maps: tuple[MapCode, ...]) -> Unit:
    """Join a proof with the shapes of its live maps, which come in the job's order."""
    job, proof = program.job, program.certificate
    return Unit(
        code=decode(job.code),
        subprograms=job.subprograms,
        maps=maps,
        helpers=PLATFORMS[job.platform].helpers_by_type[job.type],
        fuel_edges=frozenset() if proof.terminates else frozenset(proof.fuel_edges),
        context_loads=proof.context_loads,
        pointer_offsets=pointer_offsets(program),
        call_maps=proof.call_maps,
    )
