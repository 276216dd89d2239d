"""One statement of LLVM's BPF assembly to one instruction: a pattern for each shape, and its reader.

Knows neither lines before nor lines after it, so a jump may answer with the name of its target instead of a distance.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from tracerd.isa.instruction import (
    ABS,
    ALU,
    ALU64,
    ATOMIC,
    CALL,
    CALL_BTF,
    CALL_HELPER,
    CALL_LOCAL,
    CMPXCHG,
    DW,
    EXIT,
    IMM64_FUNCTION,
    IMM64_MAP_FD,
    IMM64_MAP_INDEX,
    IMM64_MAP_INDEX_VALUE,
    IMM64_MAP_VALUE,
    IMM64_PLAIN,
    IMM64_VARIABLE,
    IND,
    JA,
    JMP,
    JMP32,
    LD,
    LDDW,
    LDX,
    MEM,
    MEMSX,
    MOV,
    NEG,
    ST,
    STX,
    XCHG,
    Instruction,
    K,
    W,
    X,
)
from tracerd.isa.listing import Line, imm32, imm64, number, offset16, with_distance
from tracerd.isa.opcodes import CALLX, U32
from tracerd.isa.syntax import ARITHMETIC, ATOMICS, CONDITIONS, FETCHES, SIZES, SWAPS

_OPERATIONS = {text: key for key, text in ARITHMETIC.items()}
_JUMPS = {text: code for code, text in CONDITIONS.items()}
_SIZES = {bits: size for size, bits in SIZES.items()}
_SWAPS = {name: opcode for opcode, name in SWAPS.items()}
_LOCKS = {text: imm for imm, text in ATOMICS.items()}
_FETCHES = {name: imm for imm, name in FETCHES.items()}

_NUM = r"[+-]?\s*(?:0[xX][0-9a-fA-F]+|\d+)"
_REG = r"[rw]\d+"
_MEM = r"\(\s*r(?P<base>\d+)\s*(?P<offset>[+-]\s*(?:0[xX][0-9a-fA-F]+|\d+))?\s*\)"
_NAME = r"[A-Za-z_.$][\w.$]*"
_VALUE = rf"(?P<value>{_REG}|{_NUM})"
_SUFFIX = r"(?:\s*<[^>]*>)?"   # llvm-objdump's name of a target says nothing that the distance does not


_Parsed = tuple[Instruction, str | None]


def parse_statement(statement: str, line: Line) -> tuple[Instruction, str | None]:
    """Return the instruction, and the label that its distance waits for (a call's may be a helper's name).

    Raises:
        AssemblyError: it has no shape of this language, or a part does not fit.
    """
    for pattern, reader in _READERS:
        match = pattern.fullmatch(statement)
        if match is not None:
            return reader(match, line)
    raise line.error("not an instruction of LLVM's BPF assembly")


def _register(text: str, kind: str, line: Line) -> int:
    """Read `r5` or `w5`, whose letter must be one of `kind`."""
    if text[0] not in kind:
        raise line.error(f"{text} has the wrong width here, {kind[0]}{text[1:]} is meant")
    return int(text[1:])


def _second(value: str, kind: str, line: Line) -> tuple[int, int, int]:
    """Return (K or X, src, imm) of a second operand.

    Only 32-bit operations take 0x80000000..0xffffffff: a 64-bit one sign-extends its immediate, so the program would
    not compute with the number that was written.
    """
    if value[0] in "rw":
        return X, _register(value, kind, line), 0
    return K, 0, imm32(value, line, unsigned=kind == "w")


def _distance(instruction: Instruction, target: str, line: Line) -> _Parsed:
    """Give a jump its target: a signed distance, or the name of a label to wait for."""
    target = target.strip()
    if target[0] in "+-":
        return with_distance(instruction, number(target, line), line), None
    return instruction, target


def _location(match: re.Match[str], line: Line) -> tuple[int, int]:
    """Return the base register and the offset of `(r1 + 0x8)`."""
    return int(match["base"]), offset16(match["offset"] or "0", line)


def _read_exit(_match: re.Match[str], _line: Line) -> _Parsed:
    return Instruction(JMP | EXIT), None


def _read_goto(match: re.Match[str], line: Line) -> _Parsed:
    return _distance(Instruction(JMP32 | JA if match["long"] else JMP | JA), match["target"], line)


def _read_condition(match: re.Match[str], line: Line) -> _Parsed:
    kind = match["dst"][0]
    source, src, imm = _second(match["value"], kind, line)
    opcode = (JMP if kind == "r" else JMP32) | _JUMPS[match["op"]] | source
    return _distance(Instruction(opcode, int(match["dst"][1:]), src, 0, imm), match["target"], line)


def _read_call(match: re.Match[str], line: Line) -> _Parsed:
    if match["register"]:
        return Instruction(CALLX, dst=int(match["register"])), None
    if match["name"]:
        return Instruction(JMP | CALL, src=CALL_LOCAL), match["name"]
    if match["local"]:
        return Instruction(JMP | CALL, src=CALL_LOCAL, imm=imm32(match["local"], line, unsigned=False)), None
    src = CALL_BTF if match["btf"] else CALL_HELPER
    return Instruction(JMP | CALL, src=src, imm=imm32(match["number"], line)), None


def _read_move(match: re.Match[str], line: Line) -> _Parsed:
    kind = match["dst"][0]
    klass = ALU64 if kind == "r" else ALU
    source, src, imm = _second(match["value"], kind, line)
    bits = int(match["bits"] or 0)
    if bits and source == K:
        raise line.error("a sign-extending move needs a register")
    return Instruction(klass | MOV | source, int(match["dst"][1:]), src, bits, imm), None


def _read_arithmetic(match: re.Match[str], line: Line) -> _Parsed:
    kind = match["dst"][0]
    source, src, imm = _second(match["value"], kind, line)
    code, offset = _OPERATIONS[match["op"]]
    return Instruction((ALU64 if kind == "r" else ALU) | code | source, int(match["dst"][1:]), src, offset, imm), None


def _require_same(first: str, second: str, line: Line) -> None:
    if first != second:
        raise line.error(f"both registers must be the same, not {first} and {second}")


def _read_negation(match: re.Match[str], line: Line) -> _Parsed:
    _require_same(match["dst"], match["again"], line)
    klass = ALU64 if match["dst"][0] == "r" else ALU
    return Instruction(klass | NEG, int(match["dst"][1:])), None


def _read_swap(match: re.Match[str], line: Line) -> _Parsed:
    _require_same(match["dst"], match["again"], line)
    return Instruction(_SWAPS[match["op"]], int(match["dst"][1:]), imm=int(match["bits"])), None


def _read_load(match: re.Match[str], line: Line) -> _Parsed:
    bits, signed = int(match["bits"]), match["sign"] == "s"
    base, offset = _location(match, line)
    dst = _register(match["dst"], "r" if bits == 64 or signed else "rw", line)
    return Instruction(LDX | (MEMSX if signed else MEM) | _SIZES[bits], dst, base, offset), None


def _read_store(match: re.Match[str], line: Line) -> _Parsed:
    bits, value = int(match["bits"]), match["value"]
    base, offset = _location(match, line)
    if value[0] in "rw":
        src = _register(value, "r" if bits == 64 else "rw", line)
        return Instruction(STX | MEM | _SIZES[bits], base, src, offset), None
    return Instruction(ST | MEM | _SIZES[bits], base, 0, offset, imm32(value, line, unsigned=bits < 64)), None


def _read_packet(match: re.Match[str], line: Line) -> _Parsed:
    size = _SIZES[int(match["bits"])]
    if match["src"]:
        imm = imm32(match["plus"] or "0", line, unsigned=False)
        return Instruction(LD | IND | size, src=int(match["src"]), imm=imm), None
    return Instruction(LD | ABS | size, imm=imm32(match["imm"], line, unsigned=False)), None


def _atomic(match: re.Match[str], src: str, bits: int, operation: int, line: Line) -> _Parsed:
    base, offset = _location(match, line)
    size, kind = (DW, "r") if bits == 64 else (W, "wr")
    return Instruction(STX | ATOMIC | size, base, _register(src, kind, line), offset, operation), None


def _read_lock(match: re.Match[str], line: Line) -> _Parsed:
    return _atomic(match, match["src"], int(match["bits"]), _LOCKS[match["op"]], line)


def _read_fetch(match: re.Match[str], line: Line) -> _Parsed:
    _require_same(match["dst"], match["src"], line)
    return _atomic(match, match["src"], int(match["bits"]), _FETCHES[match["op"]], line)


def _read_exchange(match: re.Match[str], line: Line) -> _Parsed:
    bits = 64 if match["width"] == "_64" else 32
    expected = match["expected"]
    if (match["compare"] is None) != (expected is None):
        raise line.error("xchg takes one register, cmpxchg r0 and one more")
    if expected is None:
        _require_same(match["dst"], match["src"], line)
        return _atomic(match, match["src"], bits, XCHG, line)
    for register in (match["dst"], expected):
        if register != ("r0" if bits == 64 else "w0"):
            raise line.error("cmpxchg compares with r0 (w0 in 32 bits)")
    return _atomic(match, match["src"], bits, CMPXCHG, line)


_PSEUDO = {
    ("map_fd", False): IMM64_MAP_FD, ("map_fd", True): IMM64_MAP_VALUE, ("variable", False): IMM64_VARIABLE,
    ("map", False): IMM64_MAP_INDEX, ("map", True): IMM64_MAP_INDEX_VALUE,
}  # fmt: skip


def _read_constant(match: re.Match[str], line: Line) -> _Parsed:
    return Instruction(LDDW, int(match["dst"]), IMM64_PLAIN, imm=imm64(match["value"], line)), None


def _read_code_address(match: re.Match[str], line: Line) -> _Parsed:
    return _distance(Instruction(LDDW, int(match["dst"]), IMM64_FUNCTION), match["local"] or match["name"], line)


def _read_reference(match: re.Match[str], line: Line) -> _Parsed:
    kind = _PSEUDO.get((match["kind"], match["offset"] is not None))
    if kind is None:
        raise line.error(f"{match['kind']} has no offset")
    low, high = number(match["index"], line), number(match["offset"] or "0", line)
    if low not in U32 or high not in U32:
        raise line.error("an index or offset does not fit 32 bits")
    return Instruction(LDDW, int(match["dst"]), kind, imm=low | high << 32), None


def _choice(words: Mapping[str, object]) -> str:
    """Return a group `op` of these words, the longest first."""
    return "(?P<op>" + "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True)) + ")"


_TARGET = rf"(?P<target>[+-]\s*\w+|{_NAME}){_SUFFIX}"
_DST = rf"(?P<dst>{_REG})"
_SRC = rf"(?P<src>{_REG})"
_LL = r"r(?P<dst>\d+)\s*=\s*"
_UNSIGNED = r"\*\s*\(\s*u(?P<bits>8|16|32|64)\s*\*\s*\)"

_READERS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str], Line], _Parsed]], ...] = tuple(
    (re.compile(pattern, re.ASCII), reader)
    for pattern, reader in (
        (rf"{_DST}\s*=\s*(?:\(\s*s(?P<bits>8|16|32)\s*\)\s*)?{_VALUE}", _read_move),
        (rf"{_DST}\s*{_choice(_OPERATIONS)}\s*{_VALUE}", _read_arithmetic),
        (rf"if\s+{_DST}\s*{_choice(_JUMPS)}\s*{_VALUE}\s+goto\s*{_TARGET}", _read_condition),
        (rf"{_DST}\s*=\s*\*\s*\(\s*(?P<sign>[us])(?P<bits>8|16|32|64)\s*\*\s*\)\s*{_MEM}", _read_load),
        (rf"{_UNSIGNED}\s*{_MEM}\s*=\s*{_VALUE}", _read_store),
        (rf"goto(?P<long>l?)\s+{_TARGET}", _read_goto),
        (r"exit", _read_exit),
        (
            rf"call(?:x\s+r(?P<register>\d+)|\s+pc\s*(?P<local>[+-]\s*\w+)|\s+(?P<btf>btf\s+)?(?P<number>{_NUM})"
            rf"|\s+(?P<name>{_NAME})){_SUFFIX}",
            _read_call,
        ),
        (rf"{_LL}(?P<value>{_NUM})\s*ll", _read_constant),
        (
            rf"{_LL}(?P<kind>map_fd|map|variable)\s*\[\s*(?P<index>{_NUM})\s*\](?:\s*\[\s*(?P<offset>{_NUM})\s*\])?\s*ll",
            _read_reference,
        ),
        (rf"{_LL}code\s*\[\s*(?:pc\s*(?P<local>[+-]\s*\w+)|(?P<name>{_NAME}))\s*\]\s*ll", _read_code_address),
        (rf"{_DST}\s*=\s*-\s*(?P<again>{_REG})", _read_negation),
        (rf"(?P<dst>r\d+)\s*=\s*{_choice(_SWAPS)}(?P<bits>16|32|64)\s+(?P<again>r\d+)", _read_swap),
        (rf"lock\s*\*\s*\(\s*u(?P<bits>32|64)\s*\*\s*\)\s*{_MEM}\s*{_choice(_LOCKS)}\s*{_SRC}", _read_lock),
        (
            rf"{_DST}\s*=\s*atomic_fetch_{_choice(_FETCHES)}\s*\(\s*\(\s*u(?P<bits>32|64)\s*\*\s*\)\s*{_MEM}\s*,\s*{_SRC}\s*\)",
            _read_fetch,
        ),
        (
            rf"{_DST}\s*=\s*(?P<compare>cmp)?xchg(?P<width>_64|32_32)\s*{_MEM[:-2]}"
            rf",\s*(?:(?P<expected>{_REG})\s*,\s*)?{_SRC}\s*\)",
            _read_exchange,
        ),
        (
            r"r0\s*=\s*\*\s*\(\s*u(?P<bits>8|16|32)\s*\*\s*\)\s*skb\s*\[\s*"
            rf"(?:r(?P<src>\d+)\s*(?P<plus>[+-]\s*\w+)?|(?P<imm>{_NUM}))\s*\]",
            _read_packet,
        ),
    )
)
