"""bpf_conformance's text: each mnemonic means what LLVM's words for it mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracerd.errors import InstructionError
from tracerd.isa.assemble import assemble
from tracerd.isa.assemble_llvm import parse_llvm
from tracerd.isa.decode import decode
from tracerd.isa.encode import encode
from tracerd.isa.instruction import Instruction
from tracerd.isa.listing import AssemblyError
from tracerd.isa.opcodes import CALLX, ENCODINGS, PACKET, find

SAME = (
    ("add %r1, %r2", "r1 += r2"), ("add32 %r1, 5", "w1 += 5"), ("sub %r1, -5", "r1 -= -5"),
    ("sub32 %r1, %r2", "w1 -= w2"), ("mul %r1, 3", "r1 *= 3"), ("mul32 %r1, %r2", "w1 *= w2"),
    ("div %r1, 3", "r1 /= 3"), ("div32 %r1, %r2", "w1 /= w2"), ("sdiv %r1, -3", "r1 s/= -3"),
    ("sdiv32 %r1, %r2", "w1 s/= w2"), ("mod %r1, 3", "r1 %= 3"), ("mod32 %r1, %r2", "w1 %= w2"),
    ("smod %r1, -3", "r1 s%= -3"), ("smod32 %r1, %r2", "w1 s%= w2"), ("or %r1, %r2", "r1 |= r2"),
    ("or32 %r1, 1", "w1 |= 1"), ("and %r1, 0xff", "r1 &= 255"), ("and32 %r1, %r2", "w1 &= w2"),
    ("xor %r1, %r2", "r1 ^= r2"), ("xor32 %r1, 7", "w1 ^= 7"), ("lsh %r1, 4", "r1 <<= 4"),
    ("lsh32 %r1, %r2", "w1 <<= w2"), ("rsh %r1, %r2", "r1 >>= r2"), ("rsh32 %r1, 1", "w1 >>= 1"),
    ("arsh %r1, 1", "r1 s>>= 1"), ("arsh32 %r1, %r2", "w1 s>>= w2"), ("neg %r1", "r1 = -r1"),
    ("neg32 %r1", "w1 = -w1"), ("mov %r1, %r10", "r1 = r10"), ("mov32 %r0, 0", "w0 = 0"),
    ("mov32 %r0, 0xffffffff", "w0 = -1"), ("mov %r0, 0x80000000", "r0 = -0x80000000"),
    ("movsx832 %r1, %r2", "w1 = (s8)w2"), ("movsx1632 %r1, %r2", "w1 = (s16)w2"),
    ("movsx864 %r1, %r2", "r1 = (s8)r2"), ("movsx1664 %r1, %r2", "r1 = (s16)r2"),
    ("movsx3264 %r1, %r2", "r1 = (s32)r2"), ("le16 %r1", "r1 = le16 r1"), ("le32 %r1", "r1 = le32 r1"),
    ("le64 %r1", "r1 = le64 r1"), ("be16 %r1", "r1 = be16 r1"), ("be32 %r1", "r1 = be32 r1"),
    ("be64 %r1", "r1 = be64 r1"), ("swap16 %r1", "r1 = bswap16 r1"), ("swap32 %r1", "r1 = bswap32 r1"),
    ("swap64 %r1", "r1 = bswap64 r1"), ("bswap16 %r1", "r1 = bswap16 r1"), ("bswap64 %r1", "r1 = bswap64 r1"),
    ("ja +3", "goto +3"), ("ja32 -0x3", "gotol -3"), ("jeq %r1, 5, +2", "if r1 == 5 goto +2"),
    ("jeq32 %r1, %r2, +2", "if w1 == w2 goto +2"), ("jne %r1, %r2, -2", "if r1 != r2 goto -2"),
    ("jne32 %r1, 5, +2", "if w1 != 5 goto +2"), ("jgt %r1, 5, +2", "if r1 > 5 goto +2"),
    ("jge32 %r1, %r2, +2", "if w1 >= w2 goto +2"), ("jlt %r1, 5, +2", "if r1 < 5 goto +2"),
    ("jle32 %r1, 5, +2", "if w1 <= 5 goto +2"), ("jset %r1, 8, +2", "if r1 & 8 goto +2"),
    ("jset32 %r1, %r2, +2", "if w1 & w2 goto +2"), ("jsgt %r1, -5, +2", "if r1 s> -5 goto +2"),
    ("jsge32 %r1, %r2, +2", "if w1 s>= w2 goto +2"), ("jslt %r1, %r2, +2", "if r1 s< r2 goto +2"),
    ("jsle32 %r1, -1, +2", "if w1 s<= -1 goto +2"), ("call 5", "call 5"), ("call helper 5", "call 5"),
    ("call local +4", "call pc+4"), ("call runtime 9", "call btf 9"), ("exit", "exit"),
    ("lddw %r1, 0x1122334455667788", "r1 = 0x1122334455667788 ll"), ("lddw %r1, -1", "r1 = -1 ll"),
    ("ldxb %r0, [%r1]", "r0 = *(u8 *)(r1 + 0)"), ("ldxh %r0, [%r1+2]", "r0 = *(u16 *)(r1 + 2)"),
    ("ldxw %r0, [%r1-4]", "r0 = *(u32 *)(r1 - 4)"), ("ldxdw %r0, [%r10-0x8]", "r0 = *(u64 *)(r10 - 8)"),
    ("ldxsb %r0, [%r1+1]", "r0 = *(s8 *)(r1 + 1)"), ("ldxsh %r0, [%r1+1]", "r0 = *(s16 *)(r1 + 1)"),
    ("ldxsw %r0, [%r1+1]", "r0 = *(s32 *)(r1 + 1)"), ("stb [%r1+2], 0x11", "*(u8 *)(r1 + 2) = 0x11"),
    ("sth [%r1], 1", "*(u16 *)(r1 + 0) = 1"), ("stw [%r1-4], -1", "*(u32 *)(r1 - 4) = -1"),
    ("stdw [%r1+8], 5", "*(u64 *)(r1 + 8) = 5"), ("stxb [%r1+2], %r3", "*(u8 *)(r1 + 2) = r3"),
    ("stxh [%r1+2], %r3", "*(u16 *)(r1 + 2) = r3"), ("stxw [%r1+2], %r3", "*(u32 *)(r1 + 2) = r3"),
    ("stxdw [%r1+2], %r3", "*(u64 *)(r1 + 2) = r3"), ("lock add [%r10-8], %r1", "lock *(u64 *)(r10 - 8) += r1"),
    ("lock add32 [%r10-8], %r1", "lock *(u32 *)(r10 - 8) += w1"), ("lock or [%r1], %r2", "lock *(u64 *)(r1) |= r2"),
    ("lock and32 [%r1], %r2", "lock *(u32 *)(r1) &= w2"), ("lock xor [%r1], %r2", "lock *(u64 *)(r1) ^= r2"),
    ("lock fetch add [%r1+8], %r2", "r2 = atomic_fetch_add((u64 *)(r1 + 8), r2)"),
    ("lock fetch_add32 [%r1+8], %r2", "w2 = atomic_fetch_add((u32 *)(r1 + 8), w2)"),
    ("lock fetch or32 [%r1+8], %r2", "w2 = atomic_fetch_or((u32 *)(r1 + 8), w2)"),
    ("lock fetch and [%r1+8], %r2", "r2 = atomic_fetch_and((u64 *)(r1 + 8), r2)"),
    ("lock fetch xor32 [%r1+8], %r2", "w2 = atomic_fetch_xor((u32 *)(r1 + 8), w2)"),
    ("lock xchg [%r1], %r2", "r2 = xchg_64(r1 + 0, r2)"), ("lock xchg32 [%r1], %r2", "w2 = xchg32_32(r1 + 0, w2)"),
    ("lock fetch xchg [%r1], %r2", "r2 = xchg_64(r1 + 0, r2)"),
    ("lock cmpxchg [%r1], %r2", "r0 = cmpxchg_64(r1 + 0, r0, r2)"),
    ("lock cmpxchg32 [%r1], %r2", "w0 = cmpxchg32_32(r1 + 0, w0, w2)"), ("jgt32 %r1, %r2, +2", "if w1 > w2 goto +2"),
    ("jge %r1, 6, +2", "if r1 >= 6 goto +2"), ("jsgt32 %r1, %r2, +2", "if w1 s> w2 goto +2"),
    ("jsge %r1, 6, +2", "if r1 s>= 6 goto +2"), ("jlt32 %r1, %r2, +2", "if w1 < w2 goto +2"),
    ("jle %r1, 6, +2", "if r1 <= 6 goto +2"), ("jslt32 %r1, %r2, +2", "if w1 s< w2 goto +2"),
    ("jsle %r1, 6, +2", "if r1 s<= 6 goto +2"),
    ("lock fetch or [%r1+8], %r2", "r2 = atomic_fetch_or((u64 *)(r1 + 8), r2)"),
    ("lock or32 [%r1], %r2", "lock *(u32 *)(r1) |= w2"), ("lock and [%r1], %r2", "lock *(u64 *)(r1) &= r2"),
    ("lock fetch and32 [%r1+8], %r2", "w2 = atomic_fetch_and((u32 *)(r1 + 8), w2)"),
    ("lock fetch xor [%r1+8], %r2", "r2 = atomic_fetch_xor((u64 *)(r1 + 8), r2)"),
    ("lock xor32 [%r1], %r2", "lock *(u32 *)(r1) ^= w2"), ("bswap32 %r1", "r1 = bswap32 r1"),
)  # fmt: skip


@pytest.mark.parametrize(("text", "llvm"), SAME)
def test_mnemonic_means_what_llvm_says(text: str, llvm: str) -> None:
    """Both notations give the same instruction, which goes through the decoder."""
    program = assemble(text)
    assert program == parse_llvm(llvm)
    assert decode(encode(program)) == program


def test_every_mnemonic_is_compared() -> None:
    """The list above has every instruction of RFC 9669 but the deprecated packet loads."""
    compared = {row.name for text, _ in SAME for one in assemble(text)[:1] if (row := find(one)) is not None}
    assert compared == {row.name for row in ENCODINGS if row.group != PACKET}


def test_exit_is_a_label_of_the_first_exit() -> None:
    """A jump to `exit` leads to the first exit instruction of the program."""
    program = assemble("jeq %r1, 1, exit\nmov %r0, 1\nexit\njne %r1, 2, exit\nexit\n")
    assert [program[0].offset, program[3].offset] == [1, -2]


def test_exit_may_be_a_label_of_the_program() -> None:
    """A label called `exit` wins over the first exit instruction."""
    assert assemble("ja exit\nexit\nexit:\nmov %r0, 0\nexit")[0].offset == 1


def test_labels_count_slots() -> None:
    """Labels before and after, over an lddw of two slots; ja32 and local calls put the distance into imm."""
    program = assemble("""
    # a comment
    top:
    lddw %r1, 1      # fills two slots
    ja done
    ja32 top
    call local top
    done: exit
    """)
    assert [(one.offset, one.imm) for one in program[2:5]] == [(2, 0), (0, -4), (0, -5)]


def test_call_through_register_assembles_but_does_not_decode() -> None:
    """callx has a notation, so that refusing it can be tested."""
    (instruction,) = assemble("call %r2")
    assert instruction == Instruction(CALLX, 2)
    with pytest.raises(InstructionError, match="callx"):
        decode(encode([instruction]))


@pytest.mark.parametrize("register", range(11, 16))
def test_registers_that_do_not_exist_assemble_but_do_not_decode(register: int) -> None:
    """%r11 to %r15 are for negative tests, as in bpf_conformance."""
    with pytest.raises(InstructionError, match=f"dst is {register}"):
        decode(encode(assemble(f"mov %r{register}, 1")))


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("frobnicate %r1", "unknown mnemonic 'frobnicate'"),
        ("lock", "unknown mnemonic"),
        ("lock sub [%r1], %r2", "unknown mnemonic 'lock sub'"),
        ("ldabsb 5", "unknown mnemonic"),
        ("mov %r1", "takes 2 operands, has 1"),
        ("mov %r1, 1, 2", "takes 2 operands, has 3"),
        ("exit 1", "takes 0 operands, has 1"),
        ("call", "takes 1 operands, has 0"),
        ("neg %r1, %r2", "takes 1 operands"),
        ("mov r1, 1", "'r1' is not a register"),
        ("mov %r16, 1", "'%r16' is not a register"),
        ("movsx864 %r1, 5", "'5' is not a register"),
        ("mov %r1, five", "'five' is not a number"),
        ("mov %r1, 0x100000000", "does not fit"),
        ("lddw %r1, 0x10000000000000000", "does not fit 64 bits"),
        ("ldxb %r1, %r2", "is not a memory operand"),
        ("ldxb %r1, [r2]", "is not a memory operand"),
        ("stb [%r1], %r2", "is not a number"),
        ("stxb [%r1], 5", "is not a register"),
        ("ldxb %r1, [%r2+40000]", "does not fit 16 signed bits"),
        ("ja +40000", "out of reach"),
        ("ja nowhere", "no label 'nowhere'"),
        ("twice:\ntwice:", "defined twice"),
    ],
)
def test_mistakes_name_line_and_cause(text: str, cause: str) -> None:
    """What is not an instruction is refused with the number and text of its line."""
    with pytest.raises(AssemblyError) as error:
        assemble(f"mov %r0, 0\n# remark\n{text}")
    assert error.value.line == 3 + text.count("\n")
    assert cause in str(error.value)


def test_label_out_of_reach_is_refused() -> None:
    """A 16-bit jump to a label further than 32,767 slots is refused, ja32 reaches it."""
    filler = "mov %r0, 0\n" * 32768
    with pytest.raises(AssemblyError, match="out of reach"):
        assemble(f"ja far\n{filler}far: exit")
    assert assemble(f"ja32 far\n{filler}far: exit")[0].imm == 32768


@given(st.text(alphabet="abdejlmorstuvxw %0123456789,[]+-#:\n\t", max_size=60))
def test_any_text_assembles_or_is_refused(text: str) -> None:
    """No text makes the assembler fail in another way than AssemblyError."""
    try:
        program = assemble(text)
    except AssemblyError:
        return
    encode(program)
