"""Random programs that are safe by construction: what the verifier must accept and all engines must agree on.

A program reads its numbers from the context, so that no optimiser can fold them. It computes with every operation of
RFC 9669, spills, branches, loops a bounded number of times, calls helpers and a subprogram, and at its end stores all
registers and stack slots in the map `out`, so that whatever an engine got wrong is seen.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

import tracerd.isa.instruction as isa
from tracerd.isa.encode import encode
from tracerd.isa.instruction import Instruction
from tracerd.platforms.model import MapKind
from tracerd.verifier.job import Job, MapFacts, Options

CONTEXT_FIRST, CONTEXT_BYTES = 8, 136      # a tracepoint program may not read the first 8 bytes
SLOTS = range(-64, 0, 8)                   # stack slots that always hold numbers
KEY, VALUE, POINTER, COMM = -72, -88, -96, -112
SAVED = {register: -200 + 8 * number for number, register in enumerate((0, 1, 2, 3, 4, 5, 7, 8, 9))}
SCRATCH_BYTES = 64
OUT_BYTES = 8 * (len(SAVED) + len(SLOTS))

ARRAY, HASH, PER_CPU, OUT = range(4)
MAPS = (
    MapFacts("array", MapKind.ARRAY.value, 4, SCRATCH_BYTES, 3),
    MapFacts("hash", MapKind.HASH.value, 8, 16, 5),
    MapFacts("per_cpu", MapKind.PERCPU_ARRAY.value, 4, SCRATCH_BYTES, 2),
    MapFacts("out", MapKind.ARRAY.value, 4, OUT_BYTES, 1),
)

ALU_OPERATIONS = (
    isa.ADD, isa.SUB, isa.MUL, isa.DIV, isa.OR, isa.AND, isa.LSH, isa.RSH, isa.MOD, isa.XOR, isa.MOV, isa.ARSH,
)  # fmt: skip
ATOMICS = (isa.ADD, isa.OR, isa.AND, isa.XOR)
FETCHES = (*(operation | isa.FETCH for operation in ATOMICS), isa.XCHG, isa.CMPXCHG)
CONDITIONS = (isa.JEQ, isa.JGT, isa.JGE, isa.JSET, isa.JNE, isa.JSGT, isa.JSGE, isa.JLT, isa.JLE, isa.JSLT, isa.JSLE)
EDGES = (0, 1, -1, 2, 7, 31, 32, 63, 64, 255, -128, 0x7FFF, -0x8000, 0x7FFFFFFF, -0x80000000)
NUMBERS = (0, 1, 2, 3, 4, 5, 7, 8, 9)      # r6 keeps the context
COUNTERS = (9, 8)                          # taken by loops, outermost first

LOOKUP, UPDATE, DELETE, GET_COMM = 1, 2, 3, 16
PLAIN_HELPERS = (5, 7, 8, 14, 15)


@dataclass
class Program:
    """A generated program and the certificate-free job that proves it."""

    job: Job
    instructions: tuple[Instruction, ...]


@dataclass
class Generator:
    """Writes one program with the choices of `random`."""

    random: random.Random
    helpers: bool = True
    loops: bool = True
    fuel: bool = False                                   # loops whose end nobody can prove
    code: list[Instruction] = field(default_factory=list)
    valid: set[int] = field(default_factory=set)         # registers that hold a number
    counters: int = 0                                    # loops around us
    calls: list[int] = field(default_factory=list)       # local calls to patch
    in_subprogram: bool = False

    def program(self, statements: int) -> Program:
        """Write a whole program with about that many statements."""
        self._prologue()
        self._block(statements)
        self._epilogue()
        subprograms = [("main", 0, len(self.code))]
        if self.calls:
            start = len(self.code)
            self._subprogram()
            subprograms.append(("sub", start, len(self.code)))
            for index in self.calls:
                self.code[index] = Instruction(isa.JMP | isa.CALL, src=isa.CALL_LOCAL, imm=start - index - 1)
        instructions = tuple(self.code)
        job = Job("generated", "linux", "tracepoint", encode(instructions), tuple(subprograms), MAPS, options=Options())
        return Program(job, instructions)

    # Frame

    def _prologue(self) -> None:
        self._emit(isa.ALU64 | isa.MOV | isa.X, 6, 1)
        for register in NUMBERS:
            self._emit(isa.LDX | isa.MEM | isa.DW, register, 6, self._context_offset(8))
        for slot in (*SLOTS, VALUE, VALUE + 8, KEY, COMM, COMM + 8):
            self._emit(isa.STX | isa.MEM | isa.DW, 10, self._pick(NUMBERS), slot)
        for slot in SAVED.values():
            self._emit(isa.ST | isa.MEM | isa.DW, 10, 0, slot, 0)
        for register in NUMBERS:
            if register > 5 or register == 0:
                self._emit(isa.STX | isa.MEM | isa.DW, 10, register, SAVED[register])
        self._lookup(self._pick((ARRAY, PER_CPU)), 0)
        self._emit(isa.JMP | isa.JNE | isa.K, 0, 0, 2, 0)
        self._emit(isa.ALU64 | isa.MOV | isa.K, 0, 0, 0, 1)
        self._emit(isa.JMP | isa.EXIT)
        self._emit(isa.STX | isa.MEM | isa.DW, 10, 0, POINTER)
        self.valid = {7, 8, 9}
        self._revive()

    def _epilogue(self) -> None:
        for register in sorted(self.valid):
            self._emit(isa.STX | isa.MEM | isa.DW, 10, register, SAVED[register])
        self._lookup(OUT, 0)
        self._emit(isa.JMP | isa.JNE | isa.K, 0, 0, 2, 0)
        self._emit(isa.ALU64 | isa.MOV | isa.K, 0, 0, 0, 2)
        self._emit(isa.JMP | isa.EXIT)
        for number, slot in enumerate((*SAVED.values(), *SLOTS)):
            self._emit(isa.LDX | isa.MEM | isa.DW, 1, 10, slot)
            self._emit(isa.STX | isa.MEM | isa.DW, 0, 1, 8 * number)
        self._emit(isa.LDX | isa.MEM | isa.DW, 0, 10, SAVED[self._pick(tuple(SAVED))])
        self._emit(isa.JMP | isa.EXIT)

    def _subprogram(self) -> None:
        """A function of five numbers, with a frame of its own."""
        self.in_subprogram, self.valid, self.calls = True, {1, 2, 3, 4, 5}, list(self.calls)
        for slot in SLOTS:
            self._emit(isa.STX | isa.MEM | isa.DW, 10, self._pick((1, 2, 3, 4, 5)), slot)
        for register in (0, 7, 8, 9):
            self._emit(isa.ALU64 | isa.MOV | isa.X, register, self._pick((1, 2, 3, 4, 5)))
        self.valid |= {0, 7, 8, 9}
        self._block(self.random.randint(1, 8))
        self._emit(isa.ALU64 | isa.MOV | isa.X, 0, self._number())
        self._emit(isa.JMP | isa.EXIT)

    # Statements

    def _block(self, statements: int, depth: int = 0) -> None:
        kinds: list[tuple[int, Callable[[int], None]]] = [
            (8, self._alu), (3, self._stack), (2, self._atomic), (2, self._wide), (2, self._move_sign)
        ]  # fmt: skip
        if not self.in_subprogram:
            kinds += [(2, self._context), (3, self._scratch)]
            if self.helpers:
                kinds += [(1, self._helper), (2, self._map), (1, self._local)]
        if depth < 3:
            kinds.append((3, self._branch))
            if self.loops and self.counters < len(COUNTERS):
                kinds.append((1, self._loop))
                if self.fuel:
                    kinds.append((1, self._wild_loop))
        weights = [weight for weight, _ in kinds]
        for _ in range(statements):
            self._revive()
            statement = self.random.choices([kind for _, kind in kinds], weights)[0]
            statement(depth)

    def _revive(self) -> None:
        """Give registers that a call clobbered a number again, so that there is something to compute with."""
        for register in (0, 1, 2, 3, 4, 5):
            if register not in self.valid and self.random.random() < 0.7:
                self._emit(isa.LDX | isa.MEM | isa.DW, register, 10, self._pick(SLOTS))
                self.valid.add(register)

    def _alu(self, _depth: int) -> None:
        klass, dst = self._pick((isa.ALU, isa.ALU64)), self._target()
        operation = self._pick((*ALU_OPERATIONS, isa.NEG, isa.END))
        if operation == isa.NEG:
            self._emit(klass | isa.NEG, dst)
        elif operation == isa.END:
            source = self._pick((isa.K, isa.X)) if klass == isa.ALU else isa.K
            self._emit(klass | isa.END | source, dst, 0, 0, self._pick((16, 32, 64)))
        else:
            offset = self._pick((0, 1)) if operation in (isa.DIV, isa.MOD) else 0
            if self.random.random() < 0.6:
                self._emit(klass | operation | isa.X, dst, self._number(), offset)
            else:
                imm = self._immediate()
                bits = 64 if klass == isa.ALU64 else 32
                if operation in (isa.LSH, isa.RSH, isa.ARSH):
                    imm %= bits
                elif operation in (isa.DIV, isa.MOD):
                    imm = imm or 3
                self._emit(klass | operation | isa.K, dst, 0, offset, imm)

    def _move_sign(self, _depth: int) -> None:
        klass = self._pick((isa.ALU, isa.ALU64))
        bits = self._pick((8, 16) if klass == isa.ALU else (8, 16, 32))
        self._emit(klass | isa.MOV | isa.X, self._target(), self._number(), bits)

    def _wide(self, _depth: int) -> None:
        self._lddw(self._target(), 0, self.random.getrandbits(self._pick((8, 31, 32, 33, 63, 64))))

    def _stack(self, _depth: int) -> None:
        size = self._pick((isa.W, isa.H, isa.B, isa.DW))
        offset = self._pick(SLOTS) + self.random.randrange(0, 8, isa.SIZE_BYTES[size])
        self._access(10, offset, size)

    def _access(self, base: int, offset: int, size: int) -> None:
        """Load from or store to memory that holds numbers."""
        kind = self.random.randrange(4)
        if kind == 0:
            self._emit(isa.ST | isa.MEM | size, base, 0, offset, self._immediate())
        elif kind == 1:
            self._emit(isa.STX | isa.MEM | size, base, self._number(base), offset)
        else:
            mode = isa.MEM if size == isa.DW or kind == 2 else isa.MEMSX
            self._emit(isa.LDX | mode | size, self._target(base), base, offset)

    def _atomic(self, _depth: int) -> None:
        size = self._pick((isa.W, isa.DW))
        operation = self._pick(ATOMICS + FETCHES)
        src = self._target() if operation & isa.FETCH else self._number()
        if operation == isa.CMPXCHG and 0 not in self.valid:
            return
        offset = self._pick(SLOTS) + self._pick((0, 4) if size == isa.W else (0,))
        self._emit(isa.STX | isa.ATOMIC | size, 10, src, offset, operation)

    def _context(self, _depth: int) -> None:
        size = self._pick((isa.W, isa.H, isa.B, isa.DW))
        mode = self._pick((isa.MEM, isa.MEMSX)) if size != isa.DW else isa.MEM
        self._emit(isa.LDX | mode | size, self._target(), 6, self._context_offset(isa.SIZE_BYTES[size]))

    def _scratch(self, _depth: int) -> None:
        """Access a map value whose pointer was spilled, at a place that depends on a number."""
        pointer = self._pick(tuple(self.valid - set(COUNTERS[: self.counters])))
        size = self._pick((isa.W, isa.H, isa.B, isa.DW))
        self.valid.discard(pointer)
        if self.valid and self.random.random() < 0.6:
            index = self._target()
            self._emit(isa.ALU64 | isa.AND | isa.K, index, 0, 0, 0x38)
            self._emit(isa.LDX | isa.MEM | isa.DW, pointer, 10, POINTER)
            self._emit(isa.ALU64 | isa.ADD | isa.X, pointer, index)
            offset = self.random.randrange(0, 8, isa.SIZE_BYTES[size])
        else:
            self._emit(isa.LDX | isa.MEM | isa.DW, pointer, 10, POINTER)
            offset = self.random.randrange(0, SCRATCH_BYTES, isa.SIZE_BYTES[size])
        if self.valid:
            self._access(pointer, offset, size)
        self._emit(isa.LDX | isa.MEM | isa.DW, pointer, 10, self._pick(SLOTS))
        self.valid.add(pointer)

    def _branch(self, depth: int) -> None:
        klass = self._pick((isa.JMP, isa.JMP32))
        if self.random.random() < 0.5:
            skip = self._jump(klass | self._pick(CONDITIONS) | isa.X, self._number(), self._number())
        else:
            skip = self._jump(klass | self._pick(CONDITIONS) | isa.K, self._number(), 0, self._immediate())
        before = set(self.valid)
        self._block(self.random.randint(0, 4), depth + 1)
        after = self.valid
        if self.random.random() < 0.5:
            end = self._jump(isa.JMP | isa.JA, 0, 0)
            self._land(skip)
            self.valid = before
            self._block(self.random.randint(0, 4), depth + 1)
            self._land(end)
            self.valid &= after
        else:
            self._land(skip)
            self.valid = before & after

    def _loop(self, depth: int) -> None:
        """Count a register up or down to a constant; the body does not write it."""
        counter = COUNTERS[self.counters]
        trips = self.random.randint(1, 12)
        upward = self.random.random() < 0.5
        self._emit(isa.ALU64 | isa.MOV | isa.K, counter, 0, 0, 0 if upward else trips)
        self.counters += 1
        entry = set(self.valid)
        head = len(self.code)
        self._block(self.random.randint(1, 5), depth + 1)
        for register in sorted(entry - self.valid):
            self._emit(isa.LDX | isa.MEM | isa.DW, register, 10, self._pick(SLOTS))
        self.valid = entry
        self.counters -= 1
        self._emit(isa.ALU64 | isa.ADD | isa.K, counter, 0, 0, 1 if upward else -1)
        condition = self._pick((isa.JLT, isa.JSLT, isa.JNE) if upward else (isa.JGT, isa.JSGT, isa.JNE))
        back = head - len(self.code) - 1
        self._emit(isa.JMP | condition | isa.K, counter, 0, back, trips if upward else 0)

    def _wild_loop(self, depth: int) -> None:
        """Loop while a number that wanders about fulfils a condition: perhaps never again, perhaps for ever."""
        number = self._target()
        entry = set(self.valid)
        head = len(self.code)
        self._block(self.random.randint(1, 3), depth + 1)
        for register in sorted(entry - self.valid):
            self._emit(isa.LDX | isa.MEM | isa.DW, register, 10, self._pick(SLOTS))
        self.valid = entry
        self._emit(isa.ALU64 | self._pick((isa.ADD, isa.MUL, isa.XOR)) | isa.K, number, 0, 0, self._immediate() | 1)
        condition = isa.JMP | self._pick(CONDITIONS) | isa.K
        self._emit(condition, number, 0, head - len(self.code) - 1, self._immediate())

    # Calls

    def _helper(self, _depth: int) -> None:
        if self.random.random() < 0.2:
            self._emit(isa.ALU64 | isa.MOV | isa.X, 1, 10)
            self._emit(isa.ALU64 | isa.ADD | isa.K, 1, 0, 0, COMM)
            self._emit(isa.ALU64 | isa.MOV | isa.K, 2, 0, 0, self._pick((1, 8, 16)))
            self._call(GET_COMM)
        else:
            self._call(self._pick(PLAIN_HELPERS))

    def _map(self, _depth: int) -> None:
        """Change the hash map under a key of few bits, so that keys meet and the map fills up."""
        key = self._target()
        self._emit(isa.ALU64 | isa.AND | isa.K, key, 0, 0, 7)
        self._emit(isa.STX | isa.MEM | isa.DW, 10, key, KEY)
        self._emit(isa.STX | isa.MEM | isa.DW, 10, self._number(), VALUE)
        what = self.random.randrange(3)
        self._lddw(1, isa.IMM64_MAP_INDEX, HASH)
        self._address(2, KEY)
        if what == 0:
            self._address(3, VALUE)
            self._emit(isa.ALU64 | isa.MOV | isa.K, 4, 0, 0, self._pick((0, 0, 0, 1, 2)))
            self._call(UPDATE)
        elif what == 1:
            self._call(DELETE)
        else:
            self._call(LOOKUP)
            self._emit(isa.JMP | isa.JEQ | isa.K, 0, 0, 3, 0)
            self._emit(isa.LDX | isa.MEM | isa.DW, 1, 0, 8)
            self._emit(isa.ALU64 | isa.ADD | isa.K, 1, 0, 0, 1)
            self._emit(isa.STX | isa.MEM | isa.DW, 0, 1, 8)
            self._emit(isa.ALU64 | isa.MOV | isa.K, 0, 0, 0, 0)
        if self.random.random() < 0.3:
            self._element()

    def _element(self) -> None:
        """Look an array element up that may or may not exist, and add to it."""
        number = self._pick((ARRAY, PER_CPU))
        self._lookup(number, self._pick((0, 1, 2, 3)))
        skip = self._jump(isa.JMP | isa.JEQ | isa.K, 0, 0, 0)
        self._emit(isa.ALU64 | isa.MOV | isa.K, 1, 0, 0, self._immediate())
        self._emit(isa.STX | isa.ATOMIC | isa.DW, 0, 1, 8, isa.ADD)
        self._land(skip)
        self._emit(isa.ALU64 | isa.MOV | isa.K, 0, 0, 0, 3)

    def _local(self, _depth: int) -> None:
        for register in (1, 2, 3, 4, 5):
            if register not in self.valid:
                self._emit(isa.LDX | isa.MEM | isa.DW, register, 10, self._pick(SLOTS))
        self.calls.append(len(self.code))
        self._call(0)

    def _lookup(self, number: int, key: int) -> None:
        self._emit(isa.ST | isa.MEM | isa.DW, 10, 0, KEY, key)
        self._lddw(1, isa.IMM64_MAP_INDEX, number)
        self._address(2, KEY)
        self._call(LOOKUP)

    def _call(self, helper: int) -> None:
        self._emit(isa.JMP | isa.CALL, 0, 0, 0, helper)
        self.valid = (self.valid - {1, 2, 3, 4, 5}) | {0}

    # Pieces

    def _emit(self, opcode: int, dst: int = 0, src: int = 0, offset: int = 0, imm: int = 0) -> None:
        self.code.append(Instruction(opcode, dst, src, offset, imm))

    def _lddw(self, dst: int, src: int, imm: int) -> None:
        self._emit(isa.LDDW, dst, src, 0, imm)
        self._emit(isa.SECOND_SLOT)

    def _address(self, register: int, slot: int) -> None:
        self._emit(isa.ALU64 | isa.MOV | isa.X, register, 10)
        self._emit(isa.ALU64 | isa.ADD | isa.K, register, 0, 0, slot)

    def _jump(self, opcode: int, dst: int, src: int, imm: int = 0) -> int:
        self._emit(opcode, dst, src, 0, imm)
        return len(self.code) - 1

    def _land(self, jump: int) -> None:
        old = self.code[jump]
        self.code[jump] = Instruction(old.opcode, old.dst, old.src, len(self.code) - jump - 1, old.imm)

    def _pick(self, choices: tuple[int, ...] | range) -> int:
        return self.random.choice(choices)

    def _number(self, without: int = -1) -> int:
        """A register that may be read."""
        return self._pick(tuple(sorted(self.valid - {without})))

    def _target(self, without: int = -1) -> int:
        """A register that may be read and written."""
        return self._pick(tuple(sorted(self.valid - set(COUNTERS[: self.counters]) - {without})))

    def _immediate(self) -> int:
        if self.random.random() < 0.5:
            return self._pick(EDGES)
        return self.random.getrandbits(32) - (1 << 31)

    def _context_offset(self, size: int) -> int:
        return self.random.randrange(CONTEXT_FIRST, CONTEXT_BYTES - size + 1, size)


def context(source: random.Random) -> bytes:
    """Return a context whose numbers are often those at which arithmetic breaks."""
    words = [source.choice((*EDGES, source.getrandbits(64), source.getrandbits(31))) for _ in range(CONTEXT_BYTES // 8)]
    return b"".join((word & (1 << 64) - 1).to_bytes(8, "little") for word in words)
