"""Have an uploaded object proved, and tell of each program what somebody wants to see of its proof. Nothing is loaded.

All of it is bounded, whatever was uploaded: an answer has the states of the first programs, of a large program those
of some of its instructions, and a part of its listing.
"""

from __future__ import annotations

import time
from collections.abc import Container, Sequence
from dataclasses import dataclass, replace

import msgspec

from tracerd.daemon.feed import ListingLine, Verification
from tracerd.elf.load import load_bytes
from tracerd.elf.spec import ObjectSpec, ProgramSpec
from tracerd.errors import ConfigError, ObjectError, VerifierUnavailable
from tracerd.platforms import PLATFORMS
from tracerd.platforms.model import Platform, ProgramType
from tracerd.runtime.listing import line_text, listing
from tracerd.runtime.upload import Upload, contents_of
from tracerd.runtime.verification import Outcome, program_type, prove_one, selected_programs
from tracerd.text import cut
from tracerd.verifier.job import Options, Rejection, VerifiedProgram, Visit
from tracerd.verifier.report import MOST_LETTERS, MOST_VISITS
from tracerd.verifier.verdict import Prover

SECONDS = 30.0
"""For all programs of an object together; a client waits a minute, and may have to wait for other proofs first."""

MOST_PROGRAMS = 1000
"""Programs of an object."""

MOST_STATES = 8
"""States told of one instruction."""

STATE_LETTERS, ALL_STATE_LETTERS = 4 << 20, 8 << 20
"""Letters of the states of one program, and of all programs in an answer."""

LINES, ALL_LINES = 20_000, 50_000
"""Lines of the listing of one program, and of all in an answer."""


@dataclass(slots=True)
class Room:
    """What an answer still has room for. `cut`: there was not enough for the program that is told."""

    letters: int = ALL_STATE_LETTERS
    lines: int = ALL_LINES
    cut: bool = False


def verifications(
    prover: Prover, options: Options, upload: Upload, platform_name: str = "linux", type_name: str | None = None
) -> list[Verification]:
    """Prove every program of an object; where one cannot be, its row says why and the others are proved all the same.

    `type_name` is the type of all its programs, where their sections do not tell.

    Raises:
        ConfigError: there is no such shipped probe, platform or program type, or the object has no programs.
        ObjectError: the object is damaged, or has too many programs.
    """
    _, contents = contents_of(upload)
    spec = load_bytes(contents, upload.name or upload.object_name)
    platform = _platform(platform_name)
    kind = program_type(platform, type_name, "type") if type_name else None
    programs = selected_programs(spec, None)
    if len(programs) > MOST_PROGRAMS:
        raise ObjectError(spec.path, f"has {len(programs)} programs; at most {MOST_PROGRAMS} are looked at together")
    until, room = time.monotonic() + SECONDS, Room()
    rows = []
    for program in programs:
        outcome = _proved(prover, spec, program, platform, kind, options, until)
        known_as = kind or platform.type_of_section(program.section)
        rows.append(verification(program, outcome, known_as.name if known_as else "", room))
    return rows


def _platform(name: str) -> Platform:
    if name not in PLATFORMS:
        raise ConfigError("platform", f"unknown platform {cut(name)}; valid: {', '.join(PLATFORMS)}")
    return PLATFORMS[name]


def _proved(
    prover: Prover,
    spec: ObjectSpec,
    program: ProgramSpec,
    platform: Platform,
    kind: ProgramType | None,
    options: Options,
    until: float,
) -> Outcome | ObjectError:
    left = until - time.monotonic()
    if left <= 0:
        return VerifierUnavailable(program.name, f"the programs before it took {SECONDS:g} s, which is all there is")
    limits = msgspec.structs.replace(options, seconds=min(options.seconds, left), explain=True)
    try:
        return prove_one(prover, spec, program, platform, kind, limits)
    except ObjectError as fault:
        return fault


def verification(program: ProgramSpec, outcome: Outcome | ObjectError, kind: str, room: Room) -> Verification:
    """Return a program's row; `kind` is its type's name, if it has one."""
    room.cut = False
    row = _verification(program, outcome, kind, room)
    return replace(row, cut=room.cut)


def _verification(program: ProgramSpec, outcome: Outcome | ObjectError, kind: str, room: Room) -> Verification:
    row = Verification(program.name, program.section, kind, "error", instructions=len(program.instructions))
    if isinstance(outcome, VerifiedProgram):
        proof = outcome.certificate
        return replace(
            row,
            verdict="accept",
            instructions=proof.instructions,
            most_states=max(proof.states, 1),       # it counts only where ways meet
            seconds=proof.seconds,
            peak_mb=proof.peak_mb,
            terminates=proof.terminates,
            fuel_edges=proof.fuel_edges,
            lines=_lines(program, 0, room),
            states=_states(proof.log, room),
        )
    if isinstance(outcome, Rejection):
        failed = outcome.refutation
        return replace(
            row,
            verdict="reject",
            reason=outcome.reason,
            instruction=outcome.instruction,
            register=outcome.register,
            need=outcome.need,
            have=outcome.have,
            source=line_text(outcome.source) if outcome.source else "",
            seconds=failed.seconds,
            peak_mb=failed.peak_mb,
            slice=failed.slice,
            lines=_lines(program, outcome.instruction, room),
            states=_states(failed.log, room, outcome.instruction, failed.known, failed.slice),
        )
    return replace(row, reason=outcome.cause, lines=_lines(program, 0, room))


def _lines(program: ProgramSpec, around: int, room: Room) -> tuple[ListingLine, ...]:
    """Return the listing; of a program that is too long, the part around an instruction."""
    slots = len(program.instructions)
    most = min(slots, LINES, room.lines)
    room.lines -= most
    room.cut |= most < slots
    first = max(0, min(around - most // 2, slots - most))
    return tuple(ListingLine(*each) for each in listing(program, slots=range(first, first + most)))


def _states(
    log: Sequence[Visit], room: Room, failing: int = -1, known: str = "", important: Sequence[int] = ()
) -> dict[int, tuple[str, ...]]:
    """Return states by instruction, in the order in which they came; `known`, where the proof failed, is the last.

    If not all find room, the first of an instruction comes before its others, and important instructions come first.
    """
    limit, spent = min(STATE_LETTERS, room.letters), len(known)
    room.cut |= len(log) >= MOST_VISITS or sum(len(state) for _, state in log) >= MOST_LETTERS
    chosen: dict[int, list[int]] = {}
    for number in _by_weight(log, set(important)):
        at, state = log[number]
        there = chosen.get(at, [])
        last = at == failing and known
        if len(there) + bool(last) >= MOST_STATES or state == last:
            continue
        if spent + len(state) > limit:
            room.cut = True
            continue
        chosen[at] = [*there, number]
        spent += len(state)
    room.letters -= spent
    states = {at: tuple(log[number][1] for number in sorted(numbers)) for at, numbers in sorted(chosen.items())}
    return {**states, failing: (*states.get(failing, ()), known)} if known else states


def _by_weight(log: Sequence[Visit], important: Container[int]) -> list[int]:
    """Return the log's indexes: first visits, then all others; in both, those of important instructions first."""
    first: dict[int, int] = {}
    for number, (at, _) in enumerate(log):
        first.setdefault(at, number)
    return sorted(range(len(log)), key=lambda each: (first[log[each][0]] != each, log[each][0] not in important))
