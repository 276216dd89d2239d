"""Is a concrete machine one of those that an abstract state stands for?"""

from __future__ import annotations

from tests.verifier.concrete import CONTEXT, FRAME_STRIDE, M64, MAPS, PACKET, STACK, Machine, signed
from tracerd.verifier import values as v
from tracerd.verifier.state import State
from tracerd.verifier.symbols import LOW32, SCALE, SEXT, Definition
from tracerd.verifier.values import Value


class Mismatch(Exception):
    """Why not."""


def member(state: State, machine: Machine) -> str | None:
    """Return None if the machine is in the state, else what contradicts it."""
    try:
        _Check(state, machine).run()
    except Mismatch as why:
        return str(why)
    return None


class _Check:
    """Solve for the symbols from the values, then test every fact on the solution."""

    def __init__(self, state: State, machine: Machine) -> None:
        self.state, self.machine = state, machine
        self.sigma = {v.ZERO_SYMBOL: 0, v.LENGTH: len(machine.packet)}
        self.bases: dict[int, int] = {}

    def run(self) -> None:
        state, machine = self.state, self.machine
        if state.depth != len(machine.active):
            raise Mismatch("another depth")
        for register, value in enumerate(state.regs):
            self._value(f"r{register}", value, machine.regs[register])
        for depth, frame in enumerate(state.frames):
            top = STACK + (depth + 1) * FRAME_STRIDE
            for offset, cell in frame.cells.items():
                self._value(f"[{depth}:{offset}]", cell.value, machine.read(top + offset, cell.size))
            if depth:
                for register, value in enumerate(frame.saved, 6):
                    self._value(f"saved r{register}", value, machine.active[depth - 1].saved[register - 6])
        # A record that may be null counts only where it is not.
        held = [region for region in state.records if self.bases.get(region) != 0]
        if len(held) != len(machine.held):
            raise Mismatch("another number of records")
        self._facts()

    def _value(self, name: str, value: Value, word: int) -> None:
        if value.kind == v.NOTHING:
            return
        rest = (word - self._base(name, value, word) - value.constant) & M64
        if self.sigma.setdefault(value.symbol, rest) != rest:
            raise Mismatch(f"{name} = {word:#x}: s{value.symbol} is {self.sigma[value.symbol]:#x}, not {rest:#x}")

    def _base(self, name: str, value: Value, word: int) -> int:
        if value.kind == v.NUMBER:
            return 0
        if value.kind == v.CONTEXT:
            return CONTEXT
        if value.kind == v.STACK:
            return STACK + (value.region + 1) * FRAME_STRIDE
        if value.kind == v.MAP:
            return MAPS + value.region
        if value.kind == v.PACKET:
            return PACKET
        if word == 0 and value.kind in (v.MAP_VALUE_OR_NULL, v.RECORD_OR_NULL):
            return self._same(name, value.region, 0)
        region = self.state.facts.symbols.regions[value.region]
        wanted = "record" if value.kind in (v.RECORD, v.RECORD_OR_NULL) else "element"
        for each in self.machine.objects:
            if each.kind == wanted and each.base - 0x800 <= word < each.base + 0x800:
                if wanted == "element" and each.tag != region.map:
                    raise Mismatch(f"{name} is in another map")
                if len(each.data) < region.size:
                    raise Mismatch(f"{name} is in a smaller object")
                return self._same(name, value.region, each.base)
        raise Mismatch(f"{name} = {word:#x} is not in a {wanted}")

    def _same(self, name: str, region: int, base: int) -> int:
        if self.bases.setdefault(region, base) != base:
            raise Mismatch(f"{name}: identity {region} stands for two objects")
        return base

    def _facts(self) -> None:
        sigma, facts = self.sigma, self.state.facts
        for symbol, word in sigma.items():
            known = facts.scalars[symbol]
            if not known.contains(word):
                raise Mismatch(f"s{symbol} = {word:#x} is not in {known!r}")
        for (a, b), by in facts.order.items():
            if a in sigma and b in sigma and signed(sigma[a]) + by > signed(sigma[b]):
                raise Mismatch(f"s{a} + {by} <= s{b} is false: {sigma[a]:#x}, {sigma[b]:#x}")
        for symbol in facts.scalars:
            definition = facts.definition(symbol)
            if definition is None or definition.first not in sigma or definition.second not in sigma:
                continue
            word = compute(definition, sigma[definition.first], sigma[definition.second])
            if symbol in sigma and sigma[symbol] != word:
                raise Mismatch(f"s{symbol} = {sigma[symbol]:#x} is not {definition}: {word:#x}")
            if not facts.scalars[symbol].contains(word):
                raise Mismatch(f"s{symbol} = {word:#x} by {definition} is not in {facts.scalars[symbol]!r}")


def compute(definition: Definition, first: int, second: int) -> int:
    """Return what a definition's operation gives on these words."""
    a = (first + definition.first_constant) & M64
    b = (second + definition.second_constant) & M64
    x, y = signed(a), signed(b)
    match definition.operation:
        case "low32":
            assert definition.operation == LOW32
            return a & 0xFFFFFFFF
        case "sext":
            assert definition.operation == SEXT
            return signed(a, definition.parameter) & M64
        case "scale":
            assert definition.operation == SCALE
            return a * definition.parameter & M64
        case "add":
            return (a + b) & M64
        case "sub":
            return (a - b) & M64
        case "mul":
            return a * b & M64
        case "div":
            return a // b if b else 0
        case "mod":
            return a % b if b else a
        case "sdiv":
            return (abs(x) // abs(y) * (1 if (x < 0) == (y < 0) else -1) if y else 0) & M64
        case "smod":
            return (abs(x) % abs(y) * (-1 if x < 0 else 1) if y else x) & M64
        case "or":
            return a | b
        case "and":
            return a & b
        case "xor":
            return a ^ b
        case "lsh":
            return a << (b & 63) & M64
        case "rsh":
            return a >> (b & 63)
        case "arsh":
            return (x >> (b & 63)) & M64
    raise AssertionError(definition.operation)
