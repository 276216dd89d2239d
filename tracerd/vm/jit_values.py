"""Values of registers as LLVM IR text, and the emitter that makes them.

A register's value may be wanted as i64, as i32 or as a pointer. Each form is made when first asked for and kept, so
the optimiser gets little to clean up and pointers keep the provenance that alias analysis and SROA live on.
"""

from __future__ import annotations

from dataclasses import dataclass, field

U32 = (1 << 32) - 1
U64 = (1 << 64) - 1


def signed(value: int, bits: int) -> int:
    """Return the low `bits` bits of a number, read as two's complement."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


@dataclass(slots=True)
class Value:
    """One register's value. At least one form is there; "" is a form nobody asked for yet.

    `pointer` is the text of an LLVM pointer that lies `offset` bytes before the value.
    """

    wide: str = ""
    narrow: str = ""        # the low 32 bits
    pointer: str = ""
    offset: int = 0
    extended: bool = False  # `wide` is `narrow` with zeros above it

    def copy(self) -> Value:
        """Copy for another block: forms made there do not dominate this one's other successors."""
        return Value(self.wide, self.narrow, self.pointer, self.offset, self.extended)


def constant(value: int) -> Value:
    return Value(str(signed(value, 64)), str(signed(value, 32)))


def narrow(text: str) -> Value:
    """Return the value of a 32-bit operation: the upper half becomes zero (RFC 9669 §4.1)."""
    return Value(narrow=text, extended=True)


@dataclass(slots=True)
class Emitter:
    """Collects one function's lines and hands out names."""

    lines: list[str] = field(default_factory=list)
    names: int = 0
    helpers: set[tuple[str, int | None]] = field(default_factory=set)    # called, by name and specialised map

    def op(self, text: str) -> str:
        """Emit an instruction that has a result; return its name."""
        self.names += 1
        name = f"%v{self.names}"
        self.lines.append(f"  {name} = {text}")
        return name

    def do(self, text: str) -> None:
        """Emit an instruction without a result."""
        self.lines.append(f"  {text}")

    def label(self, name: str) -> None:
        self.lines.append(f"{name}:")

    def fresh(self, stem: str) -> str:
        """Return a label name that is not used yet."""
        self.names += 1
        return f"{stem}{self.names}"

    def wide(self, value: Value) -> str:
        """Return the value as i64."""
        if not value.wide:
            if value.extended:
                value.wide = self.op(f"zext i32 {value.narrow} to i64")
            else:
                value.wide = self.op(f"ptrtoint ptr {self._at(value.pointer, value.offset)} to i64")
        return value.wide

    def narrow(self, value: Value) -> str:
        """Return the low 32 bits as i32."""
        if not value.narrow:
            value.narrow = self.op(f"trunc i64 {self.wide(value)} to i32")
        return value.narrow

    def bits(self, value: Value, bits: int) -> str:
        """Return the low 8, 16, 32 or 64 bits."""
        if bits == 64:
            return self.wide(value)
        if bits == 32:
            return self.narrow(value)
        if value.extended:
            return self.op(f"trunc i32 {value.narrow} to i{bits}")
        return self.op(f"trunc i64 {self.wide(value)} to i{bits}")

    def address(self, value: Value, offset: int) -> str:
        """Return the pointer `offset` bytes after the value.

        Accesses through one register share one LLVM pointer, so that two fields of a struct are seen to be apart.
        """
        if not value.pointer:
            value.pointer = self.op(f"inttoptr i64 {self.wide(value)} to ptr")
            value.offset = 0
        return self._at(value.pointer, value.offset + offset)

    def _at(self, pointer: str, offset: int) -> str:
        # No `inbounds`: a pointer may leave its object and come back before it is used.
        return self.op(f"getelementptr i8, ptr {pointer}, i64 {offset}") if offset else pointer

    def moved(self, value: Value, distance: int) -> Value:
        """Return the value plus a constant, keeping its provenance."""
        if value.pointer and not value.wide:
            return Value(pointer=value.pointer, offset=value.offset + distance)
        total = self.op(f"add i64 {self.wide(value)}, {distance}")
        return Value(total, pointer=value.pointer, offset=value.offset + distance if value.pointer else 0)
