"""Compare the context that a program was compiled for with the record that this kernel's tracepoint has.

The proof only says that the bytes are there; whether they mean what the program's C says is in the names: BTF's on one
side, tracefs' on the other.
"""

from __future__ import annotations

from tracerd.btf import types as t
from tracerd.btf.layout import size_of
from tracerd.elf.spec import ObjectSpec
from tracerd.sources.schema.tracefs import TracepointFormat


def differences(obj: ObjectSpec, program: str, layout: TracepointFormat) -> list[str]:
    """Return, as phrases, the fields of a program's context that the record has elsewhere or in another size.

    Fields that only one of them names are not compared: a program may call the first bytes what it likes.
    """
    context = context_of(obj.btf, program) if obj.btf is not None else None
    if obj.btf is None or context is None:
        return []
    fields = {field.name: field for field in layout.fields}
    found = []
    for member in context.members:
        field = fields.get(member.name)
        if field is None or member.bit_size:
            continue
        have = (member.bit_offset // 8, size_of(obj.btf, member.type))
        if have != (field.offset, field.size):
            found.append(
                f"{member.name!r} is at byte {field.offset} with {field.size} bytes, "
                f"the object has it at {have[0]} with {have[1]}"
            )
    return found


def context_of(btf: t.Btf, program: str) -> t.Composite | None:
    """Return the struct that a program's first parameter points to, if its BTF says one."""
    for found in btf.types:
        if isinstance(found, t.Function) and found.name == program:
            prototype = btf.resolve(found.prototype)
            if not isinstance(prototype, t.FunctionPrototype) or not prototype.parameters:
                return None
            pointer = btf.resolve(prototype.parameters[0][1])
            target = btf.resolve(pointer.target) if isinstance(pointer, t.Pointer) else None
            return target if isinstance(target, t.Composite) else None
    return None
