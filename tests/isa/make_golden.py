"""Write golden/llvm19.txt anew: `.venv/bin/python -m tests.isa.make_golden`.

Each line has the bytes of an instruction, llvm-objdump's text, and its text with --mattr=+alu32. The second is `-`
where the tool misreads the bytes without alu32.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.isa.llvm import bare, bytes_object, objdump
from tests.isa.programs import corners, flatten, llvm_can_express, llvm_needs_alu32
from tracerd.isa.encode import encode
from tracerd.isa.opcodes import ENCODINGS

GOLDEN = Path(__file__).parent / "golden" / "llvm19.txt"


def main() -> None:
    chosen = dict.fromkeys(instruction for row in ENCODINGS for instruction in corners(row))
    program = flatten(filter(llvm_can_express, chosen))
    with tempfile.TemporaryDirectory() as folder:
        path = bytes_object(encode(program), Path(folder) / "all.o")
        plain, alu32 = objdump(path, ".text", alu32=False), objdump(path, ".text", alu32=True)
    lines = []
    for slot, wide in alu32.items():
        instruction = program[slot]
        text = "-" if llvm_needs_alu32(instruction) else plain[slot]
        code = encode(program[slot : slot + 1 + instruction.is_lddw])
        lines.append("\t".join((code.hex(), *(bare(field) for field in (text, wide)))))
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
