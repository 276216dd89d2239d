"""Print BTF types as a C header with the same layout: structs, unions, enums and typedefs, in an order C accepts.

What a type needs by value is defined before it; what it points at is only declared. Names that C does not allow are
mended, names used twice get a suffix (`___2`, as bpftool does).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from tracerd.btf import types as t
from tracerd.btf.blob import BtfError
from tracerd.btf.packing import Gap, Packing

MAX_DEPTH = 100
"""Deepest chain of types met on the way to one definition, pointers included."""

MAX_LINES = 500_000
"""Unnamed structs and functions' types are printed where they are used, so nesting multiplies them."""

_KEYWORDS = frozenset(re.findall(r"\w+", """
    auto break case char const continue default do double else enum extern float for goto if inline int long register
    restrict return short signed sizeof static struct switch typedef union unsigned void volatile while _Bool
"""))

# Names that compilers give to integers, by size in bytes.
_INTEGERS = {
    **dict.fromkeys(("char", "signed char", "unsigned char", "_Bool"), 1),
    **dict.fromkeys(("short", "short int", "unsigned short", "short unsigned int"), 2),
    **dict.fromkeys(("int", "unsigned int"), 4),
    **dict.fromkeys(("long", "long int", "unsigned long", "long unsigned int"), 8),
    **dict.fromkeys(("long long", "long long int", "unsigned long long", "long long unsigned int"), 8),
    **dict.fromkeys(("__int128", "unsigned __int128", "__int128 unsigned"), 16),
}
_SIGNED = {1: "signed char", 2: "short", 4: "int", 8: "long long", 16: "__int128"}
_FLOATS = {2: "_Float16", 4: "float", 8: "double", 12: "long double", 16: "long double"}
_MODES = {1: "QI", 2: "HI", 4: "SI", 8: "DI"}

# Typedefs in BTF that a compiler has without being told.
_BUILT_IN = ("__builtin_va_list",)

_QUALIFIERS = ("const", "volatile", "restrict")


def to_c(btf: t.Btf, ids: Iterable[int]) -> str:
    """Return a header with the definitions of `ids` and of everything they need.

    Raises:
        BtfError: a type that C cannot express, such as overlapping members of a struct.
    """
    printer = _Printer(btf)
    for type_id in ids:
        printer.complete(type_id, 0)
    return "\n".join(printer.lines) + "\n"


class _Names:
    """One C name space: gives every type id a name of its own."""

    def __init__(self) -> None:
        self._taken: dict[str, int] = {}

    def unique(self, name: str) -> str:
        name = re.sub(r"[^A-Za-z0-9_]", "_", name)
        if name in _KEYWORDS or name[:1].isdigit():
            name = f"_{name}"
        count = self._taken[name] = self._taken.get(name, 0) + 1
        return name if count == 1 else f"{name}___{count}"


class _Printer:
    def __init__(self, btf: t.Btf) -> None:
        self.lines: list[str] = []
        self._btf = btf
        self._packing = Packing(btf)
        self._tags, self._ordinary = _Names(), _Names()
        self._names: dict[int, str] = {}
        self._open: set[int] = set()
        self._complete: set[int] = set()
        self._mentioned: set[int] = set()
        self._printed = 0
        self._gaps = 0      # numbers them: gaps of an unnamed struct and of the one around it share a name space

    def complete(self, type_id: int, depth: int) -> None:
        """Define a type and what it needs, so that it can be used by value."""
        found = self._enter(type_id, depth)
        match found:
            case t.Composite():
                self._define(type_id, found, depth)
            case t.Alias():
                self.complete(found.target, depth + 1)
                self._mention(type_id, depth)
            case t.Array():
                self.complete(found.element, depth + 1)
            case _:
                self._mention(type_id, depth)

    def _mention(self, type_id: int, depth: int) -> None:
        """Declare as much as a pointer to the type needs."""
        found = self._enter(type_id, depth)
        match found:
            case t.Composite(name="") | t.Array():
                self.complete(type_id, depth + 1)
            case t.Pointer():
                self._mention(found.target, depth + 1)
            case t.FunctionPrototype() if type_id not in self._mentioned:
                for each in (found.returns, *(target for _, target in found.parameters)):
                    self._mention(each, depth + 1)
                self._mentioned.add(type_id)
            case t.Alias() if found.kind != "typedef":
                self._mention(found.target, depth + 1)
            case t.Composite() | t.Forward() | t.Enum() | t.Alias() if type_id not in self._mentioned:
                self._declare(type_id, found, depth)

    def _enter(self, type_id: int, depth: int) -> t.Type:
        if depth > MAX_DEPTH:
            raise BtfError(f"needs a chain of more than {MAX_DEPTH} types", type_id)
        return self._btf[type_id]

    def _declare(self, type_id: int, found: t.Composite | t.Forward | t.Enum | t.Alias, depth: int) -> None:
        if isinstance(found, t.Alias):
            if type_id in self._open:
                raise BtfError("is named through itself, which C cannot express", type_id)
            self._open.add(type_id)
            self._mention(found.target, depth + 1)
            self._open.discard(type_id)
            if found.name not in _BUILT_IN:
                self._emit(f"typedef {self._declaration(found.target, self._name(type_id, found))};")
        elif not isinstance(found, t.Enum):
            self._emit(f"{self._spelling(type_id)};")
        elif found.name:
            self._emit(f"{self._enum(type_id, found)};" if found.values else f"{self._spelling(type_id)};")
        self._mentioned.add(type_id)

    def _define(self, type_id: int, found: t.Composite, depth: int) -> None:
        if type_id in self._complete:
            return
        if type_id in self._open:
            raise BtfError("needs itself to be complete, which C cannot express", type_id)
        self._open.add(type_id)
        for member in found.members:
            self.complete(member.type, depth + 1)
        self._open.discard(type_id)
        self._complete.add(type_id)
        if found.name:
            self._emit(f"{self._composite(type_id, found, 0)};")

    def _emit(self, text: str) -> None:
        self.lines += [*text.split("\n")]

    def _name(self, type_id: int, found: t.Composite | t.Forward | t.Enum | t.Alias) -> str:
        if found.name in _BUILT_IN:
            return found.name
        known = self._names.get(type_id)
        if known is None:
            space = self._ordinary if isinstance(found, t.Alias) else self._tags
            known = self._names[type_id] = space.unique(found.name)
        return known

    def _spelling(self, type_id: int, indent: int = 0) -> str:
        """Return what stands left of a declarator: `unsigned int`, `struct x`, or a whole unnamed struct."""
        found = self._btf[type_id]
        match found:
            case t.Int():
                return _integer(found)
            case t.Float():
                return _FLOATS[found.size]
            case t.Composite(name=""):
                return self._composite(type_id, found, indent)
            case t.Enum(name=""):
                return self._enum(type_id, found)
            case t.Composite() | t.Forward():
                return f"{'union' if found.union else 'struct'} {self._name(type_id, found)}"
            case t.Enum():
                return f"enum {self._name(type_id, found)}"
            case t.Alias():
                return self._name(type_id, found)
            case t.Void():
                return "void"
            case _:
                raise BtfError(f"a {type(found).__name__.lower()} is no type in C", type_id)

    def _declaration(self, type_id: int, inner: str, qualifiers: frozenset[str] = frozenset(), indent: int = 0) -> str:
        """Return a declaration of `inner`, built from the inside out as C reads."""
        while True:
            found = self._btf[type_id]
            match found:
                case t.Alias() if found.kind != "typedef":
                    qualifiers |= {found.kind}
                    type_id = found.target
                case t.Pointer():
                    words = "".join(f" {each}" for each in _QUALIFIERS if each in qualifiers)
                    inner = f"*{words} {inner}" if words and inner else f"*{words}{inner}"
                    if isinstance(self._unqualified(found.target), t.Array | t.FunctionPrototype):
                        inner = f"({inner})"
                    qualifiers = frozenset()
                    type_id = found.target
                case t.Array():
                    inner = f"{inner}[{found.length}]"
                    type_id = found.element
                case t.FunctionPrototype():
                    inner = f"{inner}({self._parameters(found)})"
                    qualifiers = frozenset()
                    type_id = found.returns
                case _:
                    words = "".join(f"{each} " for each in _QUALIFIERS[:2] if each in qualifiers)
                    return f"{words}{self._spelling(type_id, indent)} {inner}".rstrip()

    def _unqualified(self, type_id: int) -> t.Type:
        found = self._btf[type_id]
        while isinstance(found, t.Alias) and found.kind != "typedef":
            found = self._btf[found.target]
        return found

    def _count(self, lines: int) -> None:
        self._printed += lines
        if self._printed > MAX_LINES:
            raise BtfError(f"a header of these types takes more than {MAX_LINES} lines")

    def _parameters(self, found: t.FunctionPrototype) -> str:
        self._count(1)
        shown = ["..." if target == 0 else self._declaration(target, "") for _, target in found.parameters]
        return ", ".join(shown) or "void"

    def _composite(self, type_id: int, found: t.Composite, indent: int) -> str:
        """Return `struct x { … }` with the gaps that a compiler would not leave filled."""
        before, last = self._packing.gaps(found, type_id)
        space = "\t" * (indent + 1)
        names = _Names()
        rows: list[str] = []
        for member, gap in zip(found.members, before, strict=True):
            rows += self._padding(gap)
            name = names.unique(member.name) if member.name else ""
            bits = f":{member.bit_size}" if member.bit_size else ""
            rows.append(f"{self._declaration(member.type, name, indent=indent + 1)}{bits};")
        rows += self._padding(last)
        self._count(len(rows) + 1)
        keyword = "union" if found.union else "struct"
        head = f"{keyword} {self._name(type_id, found)}" if found.name else keyword
        tail = " __attribute__((packed))" if self._packing.packed(found) else ""
        return "\n".join((f"{head} {{", *(space + row for row in rows), "\t" * indent + f"}}{tail}"))

    def _padding(self, gap: Gap | None) -> list[str]:
        """Return members that fill a gap: bits to the next byte, bytes, and the bits behind them."""
        if gap is None:
            return []
        self._gaps += 1
        rows = []
        at = gap.start
        if at % 8:
            bits = min(8 - at % 8, gap.end - at)
            rows.append(f"unsigned char :{bits};")
            at += bits
        if gap.end - at >= 8:
            rows.append(f"unsigned char __pad{self._gaps}[{(gap.end - at) // 8}];")
        if gap.end > at and (gap.end - at) % 8:
            rows.append(f"unsigned char :{(gap.end - at) % 8};")
        return rows

    def _enum(self, type_id: int, found: t.Enum) -> str:
        if not found.values:
            raise BtfError("is an enum without values or a name", type_id)
        rows = ", ".join(f"{self._ordinary.unique(name)} = {_constant(value)}" for name, value in found.values)
        mode = "" if found.size == _natural_size(found) else f" __attribute__((mode({_MODES[found.size]})))"
        head = f"enum {self._name(type_id, found)}" if found.name else "enum"
        return f"{head} {{ {rows} }}{mode}"


def _integer(found: t.Int) -> str:
    if _INTEGERS.get(found.name) == found.size:
        return found.name
    if found.bool_ and found.size == 1:
        return "_Bool"
    return _SIGNED[found.size] if found.signed else f"unsigned {_SIGNED[found.size].removeprefix('signed ')}"


def _natural_size(found: t.Enum) -> int:
    """Return the bytes that a compiler gives an enum with these values."""
    values = [value for _, value in found.values]
    low, high = min(values), max(values)
    return 4 if (low >= -(1 << 31) and high < 1 << 31) or (low >= 0 and high < 1 << 32) else 8


def _constant(value: int) -> str:
    if value == -(1 << 63):
        return "(-0x7fffffffffffffffLL - 1)"
    if -(1 << 31) <= value < 1 << 31:
        return str(value)
    return f"{value:#x}ULL" if value > 0 else f"{value}LL"
