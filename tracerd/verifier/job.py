"""What goes into a proof and what comes out: plain values that cross a process border as MessagePack.

A job holds bytes and numbers, never paths or handles, so the process that proves needs nothing but its input.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import msgspec

from tracerd.elf.spec import SourceLine
from tracerd.errors import TracerdError


class MapFacts(msgspec.Struct, frozen=True):
    """What a proof needs to know of a map. `kind` is a `MapKind` value; sizes in bytes."""

    name: str
    kind: int
    key_size: int
    value_size: int
    max_entries: int
    read_only: bool = False
    contents: bytes = b""


class Options(msgspec.Struct, frozen=True):
    """Limits of a proof."""

    allow_fuel: bool = True          # accept a loop without a proved bound; its back-edges then count down at run time
    disjuncts: int = 4               # states kept per merge point at first; escalates to 8 and 16 on failure
    seconds: float = 10.0
    memory_mb: int = 1024
    explain: bool = False            # keep the state before every instruction for `--explain`


class Job(msgspec.Struct, frozen=True):
    """One program to prove. `code` is the encoded program (8 bytes a slot, map references as `elf.spec` describes)."""

    program: str
    platform: str
    type: str
    code: bytes
    subprograms: tuple[tuple[str, int, int], ...]    # (name, start, end), the entry first
    maps: tuple[MapFacts, ...]
    lines: tuple[tuple[int, str, int, str], ...] = ()    # (first instruction, file, line, text)
    options: Options = Options()

    def digest(self) -> str:
        """Return the SHA-256 (hex) of everything the proof depends on: source lines and limits are not part of it."""
        body = msgspec.msgpack.encode((self.platform, self.type, self.code, self.subprograms, self.maps))
        return hashlib.sha256(body).hexdigest()


Visit = tuple[int, str]
"""An instruction, and what was known before it on one of the ways there."""


class Certificate(msgspec.Struct, frozen=True, tag="certificate"):
    """What was proved, and what the engines may rely on without checking again."""

    digest: str                          # of the job
    verifier: str                        # version of the rules
    context_bytes: int                   # highest context byte read, exclusive: an event must have that many
    stack_bytes: tuple[int, ...]         # deepest stack byte used, by subprogram in job order
    terminates: bool                     # False: only with fuel
    fuel_edges: tuple[int, ...]          # instructions whose backward jump must count down when not `terminates`
    context_loads: dict[int, int]        # instruction -> native offset, where a context load is not the plain one
    call_maps: dict[int, int]            # helper call instruction -> index of the one map it is given
    instructions: int                    # slots reached
    states: int                          # most states held at one point
    seconds: float
    peak_mb: float
    log: tuple[Visit, ...] = ()          # with `explain`: the states before every instruction


class Refutation(msgspec.Struct, frozen=True, tag="refutation"):
    """Why a program was not proved: the first unmet need in program order."""

    instruction: int
    need: str
    have: str
    register: str = ""
    slice: tuple[int, ...] = ()          # instructions that made what the register holds, see `slice`
    known: str = ""                      # with `explain`: the state in which the need is not met
    log: tuple[Visit, ...] = ()          # with `explain`: as of a certificate
    seconds: float = 0.0
    peak_mb: float = 0.0


Verdict = Certificate | Refutation


@dataclass(frozen=True, slots=True)
class VerifiedProgram:
    """A job with its proof. Engines accept nothing else; only `verify` makes one."""

    job: Job
    certificate: Certificate


@dataclass(eq=False)
class Rejection(TracerdError):
    """The verifier could not prove a program safe. Returned by `verify`, raised by `runtime`."""

    program: str
    instruction: int
    source: SourceLine | None
    register: str
    need: str
    have: str
    refutation: Refutation = field(repr=False)

    def __str__(self) -> str:
        where = f" ({self.source}: {self.source.text.strip()})" if self.source else ""
        return f"{self.program}: instruction {self.instruction}{where}: {self.reason}"

    @property
    def reason(self) -> str:
        """The unmet need alone, without the place."""
        subject = f"{self.register}: " if self.register else ""
        return f"{subject}needs {self.need}, has {self.have}" if self.have else f"{subject}{self.need}"
