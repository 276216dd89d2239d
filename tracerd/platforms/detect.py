"""Tell for which platform an object was compiled, by what only the headers of one of them leave behind."""

from __future__ import annotations

from tracerd.elf.spec import ObjectSpec
from tracerd.platforms.linux import LINUX
from tracerd.platforms.model import Platform
from tracerd.platforms.windows import CONTEXT_STRUCTS, OWN_SECTIONS, WINDOWS


def detect(spec: ObjectSpec) -> Platform:
    """Return the platform of an object: "windows" if anything says so, else "linux".

    eBPF for Windows has map definitions of a form of its own, program types of its own, and names of its own for the
    structs of contexts, which BTF keeps where a program takes one.
    """
    sections = {program.section.split("/", 1)[0] for program in spec.programs}
    if spec.windows_maps or sections & OWN_SECTIONS or _names(spec) & CONTEXT_STRUCTS:
        return WINDOWS
    return LINUX


def _names(spec: ObjectSpec) -> set[str]:
    return {str(getattr(each, "name", "")) for each in spec.btf.types} if spec.btf is not None else set()
