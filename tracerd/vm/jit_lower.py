"""One program as an LLVM module in text: functions, blocks, registers as SSA values. Nothing here needs LLVM.

Each basic block is lowered once, in reverse post-order. A block with one way in goes on with the values of the block
before it; one with several gets a phi for every register that is live there, except those that are known to hold a
place of the frame or the context: those stay LLVM pointers, so that stack slots become registers.
"""

from __future__ import annotations

from dataclasses import dataclass

from tracerd.errors import RunError
from tracerd.isa.instruction import (
    ALU,
    ALU64,
    ATOMIC,
    CALL,
    CALL_HELPER,
    CMPXCHG,
    IMM64_MAP_INDEX,
    IMM64_MAP_INDEX_VALUE,
    IMM64_PLAIN,
    JMP,
    JMP32,
    LDX,
    MEM,
    MEMSX,
    SECOND_SLOT,
    SIZE_BYTES,
    ST,
    STX,
    Instruction,
)
from tracerd.native import lib
from tracerd.vm.jit_alu import immediate, lower_alu, lower_condition
from tracerd.vm.jit_calls import call_helper, call_local, helper_declaration, map_definitions, run_field
from tracerd.vm.jit_graph import (
    CALLER_SAVED,
    CONTEXT,
    FRAME,
    FRAME_BYTES,
    Edge,
    build_graph,
    is_jump,
    is_local_call,
)
from tracerd.vm.jit_memory import lower_atomic, lower_load, lower_store
from tracerd.vm.jit_unit import Unit, helper_symbol, map_symbol, values_symbol
from tracerd.vm.jit_values import U32, Emitter, Value, constant

ENTRY = "tracerd_program"
POINTERS = {FRAME: "%frame", CONTEXT: "%context"}
SIZE_MASK = 0x18
SIZE_BITS = {size: bits for bits, size in SIZE_BYTES.items()}
FUEL = 11
"""Pseudo-register: back-edges left. It lives in an SSA value and goes back to `run->fuel` where others look."""


@dataclass(frozen=True, slots=True)
class Lowered:
    """A module's text, whose one exported function is `ENTRY`, and the helpers that it calls.

    A helper is (name, None), or (name, number) for the one specialised for that map.
    """

    text: str
    helpers: frozenset[tuple[str, int | None]]


def lower(unit: Unit) -> Lowered:
    """Lower a program.

    Raises:
        RunError: it has an instruction that no engine runs.
    """
    functions = [_Function(unit, number) for number in range(len(unit.subprograms))]
    bodies = [function.text() for function in functions]
    helpers = frozenset[tuple[str, int | None]]().union(*(function.emit.helpers for function in functions))
    lines = [f"declare i{bits} @llvm.bswap.i{bits}(i{bits})" for bits in (16, 32, 64)]
    for number, facts in enumerate(unit.maps):
        lines.extend(map_definitions(number, facts))
    lines.extend(sorted(helper_declaration(helper_symbol(*helper)) for helper in helpers))
    return Lowered("\n".join(lines + bodies), helpers)


class _Function:
    """Lowers one subprogram. Number 0 is the program's entry."""

    def __init__(self, unit: Unit, index: int) -> None:
        self.unit = unit
        self.index = index
        _, start, end = unit.subprograms[index]
        bases = {10: (FRAME, FRAME_BYTES)}
        if index == 0:
            bases[1] = (CONTEXT, 0)
        self.graph = build_graph(unit.code, start, end, bases)
        self.emit = Emitter()
        self.registers: list[Value] = []
        self.states: dict[Edge, list[Value]] = {}      # into blocks with one way in
        self.phis: dict[int, tuple[int, ...]] = {}     # block -> registers that got one
        self.arrivals: dict[int, list[tuple[str, dict[int, str]]]] = {}   # block -> (label, texts) of each way in
        self.phi_lines: dict[int, int] = {}
        self.counted = bool(unit.fuel_edges)
        self.label = "entry"
        self.aborts = False

    def text(self) -> str:
        self._enter()
        for block in self.graph.order:
            self._block(block)
        for block, line in self.phi_lines.items():
            self.emit.lines[line] = "\n".join(self._phi(block, register) for register in self.phis[block])
        if self.aborts:
            self.emit.label("abort")
            self.emit.do(f"store i32 {lib.TR_ABORT_FUEL}, ptr {run_field(self.emit, 'aborted')}, align 4")
            self.emit.do("ret i64 0")
        return "\n".join([self._signature(), *self.emit.lines, "}"])

    def _signature(self) -> str:
        if self.index:
            parameters = ", ".join(f"i64 %p{n}" for n in range(1, 6))
            return f"define internal i64 @sub{self.index}({parameters}, ptr %context, ptr %run) nounwind {{"
        raw = ", i64 %length" if self.unit.raw else ""
        return f"define i64 @{ENTRY}(ptr %context, ptr %run{raw}) nounwind {{"

    def _enter(self) -> None:
        """Give every register a value. What a verified program never reads is 0, so nothing is ever undefined."""
        self.emit.label("entry")
        self.emit.do(f"%frame = alloca [{FRAME_BYTES} x i8], align 8")
        zero = constant(0)
        values = [zero] * 10 + [Value(pointer="%frame", offset=FRAME_BYTES), zero]
        if self.index:
            values[1:6] = [Value(f"%p{n}") for n in range(1, 6)]
        else:
            values[1] = Value(pointer="%context")
            if self.unit.raw:
                values[2] = Value("%length")
        if self.counted:
            values[FUEL] = self._load_fuel()
        self.registers = values
        first = self.graph.order[0]
        if self._joins(first):
            self._arrive(first, self.label)
        else:
            self.states[self.graph.incoming[first][0]] = values
        self.emit.do(f"br label %b{first}")

    def _load_fuel(self) -> Value:
        return Value(self.emit.op(f"load i64, ptr {run_field(self.emit, 'fuel')}, align 8"))

    def _store_fuel(self) -> None:
        if self.counted:
            fuel = self.emit.wide(self.registers[FUEL])
            self.emit.do(f"store i64 {fuel}, ptr {run_field(self.emit, 'fuel')}, align 8")

    # Blocks and edges

    def _block(self, start: int) -> None:
        block = self.graph.blocks[start]
        self.label = f"b{start}"
        self.emit.label(self.label)
        self._begin(start)
        code = self.unit.code
        for index in range(block.start, block.end - 1):
            self._instruction(index, code[index])
        last = block.end - 1
        if not is_jump(code[last]):
            self._instruction(last, code[last])
        self._leave(last, block.edges)

    def _begin(self, start: int) -> None:
        if not self._joins(start):
            self.registers = [value.copy() for value in self.states.pop(self.graph.incoming[start][0])]
            return
        self.phi_lines[start] = len(self.emit.lines)
        self.emit.lines.append("")
        bases = self.graph.bases[start]
        values = [constant(0)] * (FUEL + 1)
        for register, (kind, offset) in bases.items():
            values[register] = Value(pointer=POINTERS[kind], offset=offset)
        for register in self._phi_registers(start):
            values[register] = Value(f"%b{start}.r{register}")
        self.registers = values

    def _phi_registers(self, start: int) -> tuple[int, ...]:
        if start not in self.phis:
            live = self.graph.live[start] - self.graph.bases[start].keys()
            self.phis[start] = tuple(sorted(live)) + ((FUEL,) if self.counted else ())
        return self.phis[start]

    def _phi(self, start: int, register: int) -> str:
        ways = ", ".join(f"[ {texts[register]}, %{label} ]" for label, texts in self.arrivals[start])
        return f"  %b{start}.r{register} = phi i64 {ways}"

    def _joins(self, target: int) -> bool:
        return len(self.graph.incoming[target]) > 1

    def _arrive(self, target: int, label: str, fuel: str = "") -> None:
        """Note what the registers are on one way into a block with phis; `fuel` is what that way leaves of it."""
        texts = {register: self.emit.wide(self.registers[register]) for register in self._phi_registers(target)}
        if fuel:
            texts[FUEL] = fuel
        self.arrivals.setdefault(target, []).append((label, texts))

    def _leave(self, last: int, edges: tuple[Edge, ...]) -> None:
        """End a block: return, go on, or branch; a jump that costs fuel goes by a block that may abort."""
        instruction = self.unit.code[last]
        if not edges:
            self._store_fuel()
            self.emit.do(f"ret i64 {self.emit.wide(self.registers[0])}")
            return
        condition = self._condition(instruction) if len(edges) == 2 else ""
        costs = is_jump(instruction) and last in self.unit.fuel_edges
        empty, rest = self._count_down() if costs else ("", "")
        labels = [self._follow(edge, rest if edge is edges[0] else "") for edge in edges]
        self.emit.do(f"br i1 {condition}, {', '.join(labels)}" if condition else f"br {labels[0]}")
        if costs:
            self.aborts = True
            self.emit.label(f"fuel{last}")
            self.emit.do(f"br i1 {empty}, label %abort, label %b{edges[0].target}")

    def _follow(self, edge: Edge, fuel: str) -> str:
        """Hand the registers to the next block and return the label to branch to; with `fuel`, that of its toll."""
        toll = f"fuel{edge.jump}"
        if self._joins(edge.target):
            self._arrive(edge.target, toll if fuel else self.label, fuel)
        else:
            state = list(self.registers)
            if fuel:
                state[FUEL] = Value(fuel)
            self.states[edge] = state
        return f"label %{toll if fuel else f'b{edge.target}'}"

    def _count_down(self) -> tuple[str, str]:
        """Return (no fuel is left, one less)."""
        fuel = self.emit.wide(self.registers[FUEL])
        return self.emit.op(f"icmp eq i64 {fuel}, 0"), self.emit.op(f"sub i64 {fuel}, 1")

    def _condition(self, instruction: Instruction) -> str:
        return lower_condition(self.emit, instruction, self.registers[instruction.dst], self._second(instruction))

    def _second(self, instruction: Instruction) -> Value:
        return self.registers[instruction.src] if instruction.uses_register else immediate(instruction)

    # Instructions

    def _instruction(self, index: int, instruction: Instruction) -> None:
        klass = instruction.klass
        if klass in (ALU, ALU64):
            dst = instruction.dst
            self.registers[dst] = lower_alu(self.emit, instruction, self.registers[dst], self._second(instruction))
        elif klass == LDX and instruction.mode in (MEM, MEMSX):
            self._load(index, instruction)
        elif klass in (ST, STX):
            self._store(instruction)
        elif instruction.is_lddw:
            self.registers[instruction.dst] = self._wide_constant(index, instruction)
        elif klass in (JMP, JMP32) and instruction.operation == CALL:
            self._call(index, instruction)
        elif instruction.opcode != SECOND_SLOT:
            raise _unsupported(index, instruction)

    def _load(self, index: int, instruction: Instruction) -> None:
        native = self.unit.context_loads.get(index)
        if native is None:
            loaded = lower_load(self.emit, instruction, self.registers[instruction.src])
        else:
            loaded = self._context_load(native, instruction)
        self.registers[instruction.dst] = loaded

    def _context_load(self, native: int, instruction: Instruction) -> Value:
        """Load a context field from where the machine keeps it; a pointer field is 8 bytes, whatever the header says.

        The native offset counts from the context itself, whatever register the program came by.
        """
        size = 8 if native in self.unit.pointer_offsets else instruction.size
        opcode = instruction.opcode & ~SIZE_MASK | SIZE_BITS[size]
        return lower_load(self.emit, Instruction(opcode, offset=native), Value(pointer="%context"))

    def _store(self, instruction: Instruction) -> None:
        dst, src = self.registers[instruction.dst], self.registers[instruction.src]
        if instruction.mode == MEM:
            lower_store(self.emit, instruction, dst, src)
            return
        if instruction.mode != ATOMIC:
            raise _unsupported(0, instruction)
        fetched = lower_atomic(self.emit, instruction, dst, src, self.registers[0])
        if fetched is not None:
            self.registers[0 if instruction.imm == CMPXCHG else instruction.src] = fetched

    def _wide_constant(self, index: int, instruction: Instruction) -> Value:
        kind, number = instruction.src, instruction.imm & U32
        if kind == IMM64_PLAIN:
            return constant(instruction.imm)
        if kind == IMM64_MAP_INDEX and number < len(self.unit.maps):
            return Value(pointer=f"@{map_symbol(number)}")
        if kind == IMM64_MAP_INDEX_VALUE and number < len(self.unit.maps) and self.unit.maps[number].kind.array:
            return Value(pointer=f"@{values_symbol(number)}", offset=instruction.imm >> 32)
        raise _unsupported(index, instruction)

    def _call(self, index: int, instruction: Instruction) -> None:
        if is_local_call(instruction):
            result = self._call_local(index + 1 + instruction.imm)
        elif _is_helper_call(instruction) and instruction.imm in self.unit.helpers:
            result = call_helper(self.emit, self.unit, index, instruction.imm, self.registers)
        else:
            raise _unsupported(index, instruction)
        for register in CALLER_SAVED:
            self.registers[register] = constant(0)
        self.registers[0] = result

    def _call_local(self, target: int) -> Value:
        self._store_fuel()
        result = call_local(self.emit, self.unit, target, self.registers)
        if self.counted:
            self._return_if_aborted()
            self.registers[FUEL] = self._load_fuel()
        return result

    def _return_if_aborted(self) -> None:
        """A callee that ran out of fuel ends its callers too."""
        aborted = self.emit.op(f"load i32, ptr {run_field(self.emit, 'aborted')}, align 4")
        stop = self.emit.op(f"icmp ne i32 {aborted}, 0")
        self.label = self.emit.fresh("returned")
        self.aborts = True
        self.emit.do(f"br i1 {stop}, label %abort, label %{self.label}")
        self.emit.label(self.label)


def _is_helper_call(instruction: Instruction) -> bool:
    return instruction.opcode == JMP | CALL and instruction.src == CALL_HELPER


def _unsupported(index: int, instruction: Instruction) -> RunError:
    return RunError("jit", f"instruction {index} (opcode {instruction.opcode:#04x}) is not one that an engine runs")
