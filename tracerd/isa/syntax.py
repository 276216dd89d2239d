"""The operators of LLVM's BPF assembly, read by the disassembler one way and by the assembler the other."""

from __future__ import annotations

from tracerd.isa.instruction import (
    ADD,
    ALU,
    ALU64,
    AND,
    ARSH,
    DIV,
    DW,
    END,
    FETCH,
    IMM64_FUNCTION,
    IMM64_MAP_FD,
    IMM64_MAP_INDEX,
    IMM64_MAP_INDEX_VALUE,
    IMM64_MAP_VALUE,
    IMM64_VARIABLE,
    JEQ,
    JGE,
    JGT,
    JLE,
    JLT,
    JNE,
    JSET,
    JSGE,
    JSGT,
    JSLE,
    JSLT,
    LSH,
    MOD,
    MUL,
    OR,
    RSH,
    SUB,
    XOR,
    B,
    H,
    K,
    W,
    X,
)

# (operation, offset) -> operator. Signed division and modulo are the unsigned ones with offset 1.
ARITHMETIC = {
    (ADD, 0): "+=", (SUB, 0): "-=", (MUL, 0): "*=", (DIV, 0): "/=", (DIV, 1): "s/=", (OR, 0): "|=", (AND, 0): "&=",
    (LSH, 0): "<<=", (RSH, 0): ">>=", (MOD, 0): "%=", (MOD, 1): "s%=", (XOR, 0): "^=", (ARSH, 0): "s>>=",
}  # fmt: skip
CONDITIONS = {
    JEQ: "==", JGT: ">", JGE: ">=", JSET: "&", JNE: "!=", JSGT: "s>", JSGE: "s>=", JLT: "<", JLE: "<=",
    JSLT: "s<", JSLE: "s<=",
}  # fmt: skip
SIZES = {W: 32, H: 16, B: 8, DW: 64}
SWAPS = {ALU | END | K: "le", ALU | END | X: "be", ALU64 | END | K: "bswap"}
ATOMICS = {ADD: "+=", OR: "|=", AND: "&=", XOR: "^="}
FETCHES = {ADD | FETCH: "add", OR | FETCH: "or", AND | FETCH: "and", XOR | FETCH: "xor"}

# What an lddw with a pseudo source loads. LLVM has `ld_pseudo rD, kind, imm`, which loses half of the constant;
# these spellings are ours.
PSEUDO_LOADS = {
    IMM64_MAP_FD: "map_fd", IMM64_MAP_VALUE: "map_fd", IMM64_VARIABLE: "variable", IMM64_FUNCTION: "code",
    IMM64_MAP_INDEX: "map", IMM64_MAP_INDEX_VALUE: "map",
}  # fmt: skip
PSEUDO_WITH_OFFSET = frozenset({IMM64_MAP_VALUE, IMM64_MAP_INDEX_VALUE})
