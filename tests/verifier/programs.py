"""Jobs from text, and random programs that exercise joins, loops, spills and bounds."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from random import Random

from tracerd.isa.assemble_llvm import parse_llvm
from tracerd.isa.encode import encode
from tracerd.isa.instruction import CALL, CALL_LOCAL, JMP
from tracerd.platforms import PLATFORMS
from tracerd.verifier.job import Job, MapFacts, Options

HELPERS = {helper.name: helper.id for helper in PLATFORMS["linux"].helpers}

HASH, ARRAY, RING, DATA = 0, 1, 2, 3
MAPS = (
    MapFacts("hash", 1, 4, 48, 100),
    MapFacts("array", 2, 4, 16, 4),
    MapFacts("ring", 27, 0, 0, 4096),
    MapFacts("data", 2, 4, 64, 1),
)


def job(
    text: str,
    kind: str = "xdp",
    maps: Sequence[MapFacts] = MAPS,
    functions: Sequence[tuple[str, int, int]] = (),
    options: Options | None = None,
    platform: str = "linux",
) -> Job:
    """Assemble a program. `functions` may be left out if a function starts wherever a local call goes."""
    code = parse_llvm(text, _names(platform, kind))
    calls = [(n, each.imm) for n, each in enumerate(code) if each.opcode == JMP | CALL and each.src == CALL_LOCAL]
    order = [*sorted({0} | {n + 1 + distance for n, distance in calls}), len(code)]
    parts = tuple(functions) or tuple((f"f{a}", a, b) for a, b in pairwise(order))
    return Job("case", platform, kind, encode(code), parts, tuple(maps), (), options or Options())


def _names(platform: str, kind: str) -> dict[str, int]:
    """Return ids by name, of all helpers that the platform knows; those of the type's own count most."""
    tables = PLATFORMS[platform]
    own = {helper.name: number for number, helper in tables.helpers_by_type.get(kind, {}).items()}
    return {helper.name: helper.id for helper in tables.helpers} | own


COMPARISONS = ("==", "!=", ">", ">=", "<", "<=", "s>", "s>=", "s<", "s<=", "&")
OPERATORS = ("+=", "-=", "*=", "/=", "|=", "&=", "<<=", ">>=", "%=", "^=", "s>>=", "s/=", "s%=")
NUMBERS = (0, 1, 2, 3, 4, 7, 8, 15, 16, 31, 32, 63, 64, 100, 255, 256, 4095, 65535, 0x7FFFFFFF, -1, -2, -8, -2147483648)


class Generator:
    """Writes one random program. Numbers live in r1 … r5 and r0, r6 … r9 hold pointers or numbers."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.lines: list[str] = []
        self.labels = 0
        self.depth = 0
        self.called: set[str] = set()
        self.inside = False

    def program(self) -> str:
        """Return the text: a payload in r8 and r9, numbers elsewhere, random statements, an exit."""
        self.lines = ["r8 = *(u32 *)(r1 + 0)", "r9 = *(u32 *)(r1 + 4)"]
        for register in range(6):
            self._number(register)
        for offset in (-8, -16, -24, -32):
            self.lines.append(f"*(u64 *)(r10 - {-offset}) = r{self.random.randrange(6)}")
        self.lines += ["r6 = r8", "r7 = r0"]
        for _ in range(self.random.randrange(4, 14)):
            self._statement()
        self.lines += ["r0 = 0", "exit"]
        for name in sorted(self.called):
            self._function(name)
        return "\n".join(self.lines)

    def _call(self) -> None:
        """Call one of two functions with numbers and the address of a local."""
        if self.inside:
            return
        name = self.random.choice(("callee1", "callee2"))
        self.called.add(name)
        self.lines += [
            f"r1 = r{self._pick()}", f"r2 = r{self._pick()}", "r3 = r10", f"r3 += -{self.random.choice((8, 16, 24))}",
            f"call {name}", "r1 = r0", "r2 = 2", "r3 = 3", "r4 = r7", "r5 = 5",
        ]  # fmt: skip

    def _function(self, name: str) -> None:
        """A function of two numbers and an address: uses its own frame, writes to its caller's, returns a number."""
        self.inside = True
        self.lines += [f"{name}:", "r6 = r3", "r0 = 1", "r3 = r1", "r4 = r2", "r5 = 7", "r7 = r1", "r8 = r6", "r9 = r6"]
        self.lines += [f"*(u64 *)(r10 - {offset}) = r{self.random.choice((1, 2, 5))}" for offset in (8, 16, 24, 32)]
        statements = (self._arithmetic, self._move, self._branch, self._fill, self._narrow, self._loop)
        for _ in range(self.random.randrange(1, 5)):
            self.random.choice(statements)()
        ends = ("*(u64 *)(r6 + 0) = r7", "*(u32 *)(r6 + 4) = r1", "r0 = *(u64 *)(r6 + 0)")
        self.lines.append(self.random.choice(ends))
        self.lines.append("exit")

    def _label(self) -> str:
        self.labels += 1
        return f"L{self.labels}"

    def _number(self, register: int) -> None:
        choice = self.random.randrange(3)
        if choice == 0:
            self.lines.append(f"r{register} = {self.random.choice(NUMBERS)}")
        elif choice == 1:
            self.lines += ["call get_prandom_u32", f"r{register} = r0"] + [
                f"r{n} = {self.random.choice(NUMBERS)}" for n in range(1, 6) if n != register
            ]
        else:
            self.lines.append(f"r{register} = {self.random.choice((0, 1, 5))}")

    def _pick(self) -> int:
        return self.random.choice((0, 1, 2, 3, 4, 5, 7))

    def _statement(self) -> None:
        if self.inside:
            self.random.choice((self._arithmetic, self._move, self._fill, self._narrow, self._branch))()
            return
        weights = {
            self._arithmetic: 8, self._move: 3, self._branch: 5, self._spill: 3, self._fill: 3, self._loop: 2,
            self._payload: 3, self._lookup: 2, self._narrow: 3, self._ring: 1, self._variable_stack: 1, self._call: 2,
        }  # fmt: skip
        self.random.choices(list(weights), list(weights.values()))[0]()

    def _arithmetic(self) -> None:
        a, b = self._pick(), self._pick()
        kind = self.random.choice("rrw")
        operator = self.random.choice(OPERATORS)
        if self.random.random() < 0.5:
            self.lines.append(f"{kind}{a} {operator} {kind}{b}")
            return
        number = self.random.choice(NUMBERS)
        if operator in ("<<=", ">>=", "s>>="):
            number = self.random.choice((1, 2, 8, 16, 31, 32, 63)) % (64 if kind == "r" else 32)
        if operator in ("/=", "%=", "s/=", "s%="):
            number = number or 3
        self.lines.append(f"{kind}{a} {operator} {number}")

    def _narrow(self) -> None:
        a = self._pick()
        self.lines += self.random.choice(
            (
                [f"w{a} = w{a}"],
                [f"r{a} <<= 32", f"r{a} >>= 32"],
                [f"r{a} <<= 32", f"r{a} s>>= 32"],
                [f"r{a} <<= 56", f"r{a} >>= 56"],
                [f"r{a} &= {self.random.choice((1, 7, 63, 255, 65535))}"],
                [f"r{a} = (s8)r{self._pick()}"],
                [f"r{a} = (s32)r{self._pick()}"],
                [f"w{a} = (s16)w{self._pick()}"],
                [f"r{a} = be16 r{a}"],
                [f"r{a} = -r{a}"],
            )
        )

    def _move(self) -> None:
        self.lines.append(f"{self.random.choice('rrw')}{self._pick()} = ".replace("w", "r") + f"r{self._pick()}")

    def _condition(self) -> str:
        kind = self.random.choice("rrw")
        a = self._pick()
        other = f"{kind}{self._pick()}" if self.random.random() < 0.5 else str(self.random.choice(NUMBERS))
        return f"{kind}{a} {self.random.choice(COMPARISONS)} {other}"

    def _body(self, most: int) -> None:
        self.depth += 1
        for _ in range(self.random.randrange(1, most)):
            if self.depth < 4:
                self._statement()
            else:
                self._arithmetic()
        self.depth -= 1

    def _branch(self) -> None:
        other, end = self._label(), self._label()
        self.lines.append(f"if {self._condition()} goto {other}")
        self._body(4)
        if self.random.random() < 0.6:
            self.lines += [f"goto {end}", f"{other}:"]
            self._body(4)
            self.lines.append(f"{end}:")
        else:
            self.lines.append(f"{other}:")

    def _loop(self) -> None:
        """A counter on the stack or in r7, moved by the body, compared at the end."""
        head = self._label()
        step = self.random.choice((1, 1, 2, 4, -1))
        if self.random.random() < 0.5:
            self.lines += [f"r7 = {self.random.choice((0, 1, 10))}", f"{head}:"]
        else:
            self.lines.append(f"{head}:")
        self._body(4)
        bound = self.random.choice(("10", "64", "1000", "r5", "r1", "7"))
        comparison = self.random.choice(("!=", "<", "s<", "<=", ">", "s>"))
        self.lines += [f"r7 += {step}", f"if {self.random.choice('rrw')}7 {comparison} {bound} goto {head}".replace(
            "w7 " + comparison + " r", "r7 " + comparison + " r")]

    def _spill(self) -> None:
        offset = self.random.choice((8, 16, 24, 32))
        choice = self.random.randrange(4)
        if choice == 0:
            self.lines.append(f"*(u64 *)(r10 - {offset}) = r6")
        elif choice == 1:
            size, by = self.random.choice((("u8", 1), ("u16", 2), ("u32", 4)))
            self.lines.append(f"*({size} *)(r10 - {offset - by * self.random.randrange(2)}) = r{self._pick()}")
        else:
            self.lines.append(f"*(u64 *)(r10 - {offset}) = r{self._pick()}")

    def _fill(self) -> None:
        offset = self.random.choice((8, 16, 24, 32))
        size = self.random.choice(("u64", "u64", "u64", "u32", "u16", "u8", "s8", "s32"))
        self.lines.append(f"r{self._pick()} = *({size} *)(r10 - {offset})")

    def _variable_stack(self) -> None:
        a, b = self.random.sample((0, 1, 2, 3, 4, 5), 2)
        self.lines += [f"r{a} &= {self.random.choice((7, 15, 3))}", f"r{b} = r10", f"r{b} += r{a}"]
        self.lines += [
            f"*(u8 *)(r{b} - 32) = r7" if self.random.random() < 0.5 else f"r{b} = *(u8 *)(r{b} - 32)",
            f"r{b} = 1",
        ]

    def _payload(self) -> None:
        """Move a payload pointer, compare it with the end, read below the bound."""
        skip = self._label()
        size = self.random.choice((1, 4, 8, 14))
        if self.random.random() < 0.5:
            a = self._pick()
            self.lines += ["r6 = r8", f"r{a} &= {self.random.choice((7, 63, 255, 65535))}", f"r6 += r{a}"]
        a, b = self.random.sample((0, 1, 2, 3, 4, 5), 2)
        test = self.random.choice(
            (f"if r{b} > r9 goto {skip}", f"if r{b} >= r9 goto {skip}", f"if r9 < r{b} goto {skip}",
             f"if r9 <= r{b} goto {skip}")
        )
        self.lines += [f"r{b} = r6", f"r{b} += {size}", test]
        self.lines.append(f"r{a} = *(u8 *)(r6 + {self.random.randrange(size)})")
        if self.random.random() < 0.4:
            self.lines.append(f"r6 = r{b}")
        if self.random.random() < 0.3:
            self.lines += [f"r{b} = r9", f"r{b} -= r6"]
        else:
            self.lines.append(f"r{b} = 3")
        self.lines += [f"{skip}:", f"r{b} = 5" if self.random.random() < 0.7 else f"r{b} = r{a}"]

    def _lookup(self) -> None:
        which, size = self.random.choice(((HASH, 48), (ARRAY, 16)))
        skip = self._label()
        self.lines += [
            f"*(u32 *)(r10 - 36) = {self.random.randrange(4)}", "r2 = r10", "r2 += -36", f"r1 = map[{which}] ll",
            "call map_lookup_elem", "r1 = 1", "r2 = 2", "r3 = 3", "r4 = r7", "r5 = 5",
            f"if r0 == 0 goto {skip}",
        ]  # fmt: skip
        if self.random.random() < 0.5:
            self.lines += [f"r4 &= {size - 8 if size == 16 else 31}", "r0 += r4"]
        self.lines.append("r5 = *(u64 *)(r0 + 0)" if self.random.random() < 0.6 else "*(u64 *)(r0 + 0) = r5")
        self.lines += [f"{skip}:", "r0 = r5"]

    def _ring(self) -> None:
        skip = self._label()
        self.lines += [
            f"r1 = map[{RING}] ll", "r2 = 16", "r3 = 0", "call ringbuf_reserve", "r1 = r0", "r0 = 1", "r2 = 2",
            "r3 = 3", "r4 = 4", "r5 = 5", f"if r1 == 0 goto {skip}", "*(u64 *)(r1 + 8) = r2", "r2 = 0",
            "call ringbuf_submit", "r1 = 1", "r2 = r7", "r3 = 3", "r4 = 4", "r5 = 5", f"{skip}:", "r0 = 1", "r1 = 2",
        ]  # fmt: skip
