"""Programs to attack the verifier with: real ones and the specification's, spliced and spoilt.

Constants, offsets, registers and operations change, instructions vanish or move; several programs meet in a join. Most
of what comes out is refused, what is not must be safe.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import yaml

import tracerd.isa.instruction as isa
from tests.certify import job_of
from tests.verifier.programs import HELPERS, MAPS, Generator, job
from tests.verifier.test_cases import FOLDER, PREAMBLES, READ_ONLY
from tracerd.elf.load import load
from tracerd.errors import InstructionError, ObjectError
from tracerd.isa.assemble_llvm import parse_llvm
from tracerd.isa.decode import decode
from tracerd.isa.encode import encode
from tracerd.isa.instruction import Instruction
from tracerd.platforms.detect import detect
from tracerd.verifier import Job, Options
from tracerd.verifier.prepare import make_job

ROOT = Path(__file__).parents[2]
OBJECTS = ("probes/*/*.bpf.o", "tracerd/bench/programs/*.bpf.o", "tests/platforms/objects/*.bpf.o")
ADVERSARIAL = Path(__file__).parent / "adversarial.yaml"
MOST_SLOTS = 160
"""Longer programs are not spoilt: they take too long to prove."""

LIMITS = Options(seconds=0.12)
"""Whoever needs longer is refused: there are enough others."""

PRANDOM = {"linux": 7, "windows": 6}
KTIME = {"linux": 5, "windows": 9}
IMMEDIATES = (
    0, 1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 24, 31, 32, 33, 47, 48, 63, 64, 65, 255, 256, 511, 512, 4095, 4096, 65535,
    65536, 0x7FFFFFFF, -0x80000000, -1, -2, -4, -7, -8, -9, -16, -511, -512, -513,
)  # fmt: skip


def text_job(case: dict[str, Any], options: Options | None = None) -> Job:
    """Return the job of a case in the YAML tables."""
    text = (PREAMBLES[case["pre"]] if "pre" in case else "") + case["code"]
    kind, maps, lines = case.get("type", "tracepoint"), (*MAPS, READ_ONLY), text.replace(";", "\n")
    platform = case.get("platform", "linux")
    if "functions" in case or platform != "linux":
        return job(lines, kind, maps, [tuple(each) for each in case.get("functions", ())], options, platform)
    found = job_of(parse_llvm(lines, HELPERS), maps, kind)
    return msgspec.structs.replace(found, options=options or Options())


@cache
def seeds() -> tuple[Job, ...]:
    """Return the programs that are spoilt: cases of both verdicts and the small programs of real objects."""
    tables = [*sorted(FOLDER.glob("*.yaml")), ADVERSARIAL]
    found = [text_job(case) for table in tables for case in yaml.safe_load(table.read_text())]
    return (*found, *(each for each in real_jobs() if len(each.code) <= 8 * MOST_SLOTS))


def real_jobs() -> Iterator[Job]:
    """Yield every program of the project's own objects."""
    for pattern in OBJECTS:
        for path in sorted(ROOT.glob(pattern)):
            try:
                spec = load(path)
                yield from (make_job(spec, program, detect(spec)) for program in spec.programs)
            except ObjectError:
                continue   # of a type that this platform does not have


def splice(random: Random, sources: Sequence[Job]) -> Job | None:
    """Let a random number choose one of several programs, and run another on whatever registers and stack they leave.

    What the branches leave is joined there; with luck the last program is run in a loop.
    """
    head = random.choice(sources)
    others = [each for each in sources if (each.platform, each.type) == (head.platform, head.type) and
              each.maps == head.maps and len(each.subprograms) == 1 and len(each.code) <= 8 * MOST_SLOTS // 4]
    if not others:
        return None
    branches = [list(decode(random.choice(others).code)) for _ in range(random.choice((1, 2, 2, 3, 6)))]
    last = list(decode(random.choice(others).code))
    draw = Instruction(isa.JMP | isa.CALL, imm=PRANDOM[head.platform])
    choose = [Instruction(isa.ALU64 | isa.MOV | isa.X, 9, 1), draw]
    total = len(choose) + len(branches) + 1 + sum(1 + len(each) for each in branches)
    code, body = list(choose), len(choose) + len(branches) + 1
    entry = body
    for number, each in enumerate(branches):
        code.append(Instruction(isa.JMP | isa.JEQ, 0, imm=number, offset=entry - len(code) - 1))
        entry += 1 + len(each)
    code.append(Instruction(isa.JMP | isa.JA, offset=total - len(code) - 1))
    for each in branches:
        code.append(Instruction(isa.ALU64 | isa.MOV | isa.X, 1, 9))
        for one in each:
            leave = one.opcode == isa.JMP | isa.EXIT
            code.append(Instruction(isa.JMP | isa.JA, offset=total - len(code) - 1) if leave else one)
    again = random.random() < 0.3
    for one in last:
        if again and one.opcode == isa.JMP | isa.EXIT:
            code += [Instruction(isa.JMP | isa.JEQ, 0, imm=0, offset=total - len(code) - 1)]
            again = False
        code.append(one)
    try:
        raw = encode(code)
        decode(raw)
    except (InstructionError, ValueError, OverflowError):
        return None
    return msgspec.structs.replace(
        head, code=raw, subprograms=(("main", 0, len(code)),), options=LIMITS, lines=()
    )


def spoil(random: Random, source: Job) -> Job | None:
    """Return a job with one to four changes, or None if what came out is no bytecode."""
    code = list(decode(source.code))
    if random.random() < 0.6:
        # The time is chosen near boundaries, which a random number seldom is.
        drawn = Instruction(isa.JMP | isa.CALL, imm=PRANDOM[source.platform])
        code = [replace(one, imm=KTIME[source.platform]) if one == drawn else one for one in code]
    for _ in range(random.choice((0, 1, 1, 1, 2, 3))):
        at = random.randrange(len(code))
        if code[at].opcode in (isa.SECOND_SLOT, isa.LDDW):
            continue
        random.choices((_field, _field, _drop, _exchange, _copy), (6, 3, 2, 1, 1))[0](random, code, at)
    try:
        raw = encode(code)
        decode(raw)
    except (InstructionError, ValueError, OverflowError):
        return None
    return msgspec.structs.replace(source, code=raw, options=LIMITS)


def _field(random: Random, code: list[Instruction], at: int) -> None:
    """Change one field, to something near or to something at a boundary."""
    old = code[at]
    jump = old.klass in (isa.JMP, isa.JMP32)
    which = random.choice(("imm", "imm", "offset", "offset", "dst", "src", "size", "operation", "width"))
    if which == "imm":
        near = old.imm + random.choice((-8, -4, -1, 1, 4, 8))
        code[at] = replace(old, imm=random.choice((near, random.choice(IMMEDIATES))))
    elif which == "offset" and old.klass not in (isa.ALU, isa.ALU64):
        step = random.randint(-at - 1, len(code) - at - 2) if jump else random.choice((-8, -4, -1, 1, 4, 8, 512, -512))
        code[at] = replace(old, offset=step if jump else old.offset + step)
    elif which in ("dst", "src"):
        code[at] = replace(old, **{which: random.randrange(11)})
    elif which == "size" and old.klass in (isa.LDX, isa.ST, isa.STX):
        code[at] = replace(old, opcode=old.opcode & ~0x18 | random.choice((0, 8, 0x10, 0x18)))
    elif which == "operation" and (jump or old.klass in (isa.ALU, isa.ALU64)):
        code[at] = replace(old, opcode=old.opcode & 0x0F | random.randrange(14) << 4)
    elif which == "width" and (jump or old.klass in (isa.ALU, isa.ALU64)):
        code[at] = replace(old, opcode=old.opcode ^ 3)


def _drop(_random: Random, code: list[Instruction], at: int) -> None:
    code[at] = Instruction(isa.JMP | isa.JA)


def _exchange(_random: Random, code: list[Instruction], at: int) -> None:
    if at + 1 < len(code) and code[at + 1].opcode not in (isa.LDDW, isa.SECOND_SLOT):
        code[at], code[at + 1] = code[at + 1], code[at]


def _copy(random: Random, code: list[Instruction], at: int) -> None:
    other = random.choice(code)
    if other.opcode not in (isa.LDDW, isa.SECOND_SLOT):
        code[at] = other


def candidates(random: Random) -> Iterator[Job]:
    """Yield jobs for ever: spoilt seeds, generated programs, and spoilt generated programs."""
    known = seeds()
    while True:
        source: Job | None = random.choice(known)
        dice = random.random()
        if dice < 0.15:
            source = splice(random, known)
            if source is not None:
                yield source
        elif dice < 0.3:
            source = job(Generator(random).program(), maps=MAPS, options=LIMITS)
            yield source
        source = spoil(random, source) if source is not None else None
        if source is not None:
            yield source
