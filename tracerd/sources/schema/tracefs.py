"""Tracepoint layouts: `events/CATEGORY/NAME/format` of tracefs, parsed. Reading needs the directory, parsing nothing.

Source: Documentation/trace/events.rst, "Event formats".
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from pathlib import Path

from tracerd.errors import ConfigError, SourceError
from tracerd.linux.tracefs import read

_FIELD = re.compile(r"^\s*field:(?P<declaration>.+?);\s*offset:(?P<offset>\d+);\s*size:(?P<size>\d+);"
                    r"(?:\s*signed:(?P<signed>[01]);)?")
_DECLARATION = re.compile(r"^(?P<ctype>.*?[\s*\]])(?P<name>\w+)(?P<array>\[.*\])?$")
_ELEMENT_BYTES = {
    "char": 1, "unsigned char": 1, "u8": 1, "__u8": 1, "u16": 2, "__u16": 2, "int": 4, "unsigned int": 4, "u32": 4,
    "__u32": 4, "long": 8, "unsigned long": 8, "u64": 8, "__u64": 8,
}  # fmt: skip
_DYNAMIC = re.compile(r"^__(?:data|rel)_loc ")
_SYSCALL = re.compile(r"sys_(?P<side>enter|exit)_")


@dataclass(frozen=True, slots=True)
class TracepointField:
    """One field of a record. `size` is in bytes; that of a dynamic field is the size of its descriptor (4).

    A descriptor's low 16 bits are the data's offset in the record (`__rel_loc`: after the descriptor), its high 16
    bits the data's length.
    """

    name: str
    ctype: str                   # as the kernel writes it, without "__data_loc" and "[]"
    offset: int
    size: int
    signed: bool
    array: bool                  # "args[6]", "comm[16]", and every dynamic field
    dynamic: bool                # __data_loc or __rel_loc
    common: bool                 # one of the header that all records begin with

    @property
    def declared(self) -> str:
        """The type as a C struct of the record has it; a dynamic field as its descriptor, named as the kernel does."""
        if self.dynamic:
            return f"__data_loc {self.ctype}[]"
        element = _ELEMENT_BYTES.get(self.ctype, 0)
        if self.array and element:
            return f"{self.ctype}[{self.size // element}]"
        return self.ctype + ("[]" if self.array else "")



@dataclass(frozen=True, slots=True)
class TracepointFormat:
    """The layout of one tracepoint's records."""

    category: str
    name: str
    id: int
    fields: tuple[TracepointField, ...]

    @property
    def full_name(self) -> str:
        return f"tracepoint:{self.category}:{self.name}"

    @property
    def record_bytes(self) -> int:
        """Size of the fixed part: the bytes that every record of the event has."""
        return max((field.offset + field.size for field in self.fields), default=0)


def parse_format(category: str, name: str, text: str) -> TracepointFormat:
    """Return the layout that a `format` file describes.

    Raises:
        SourceError: the text is not such a file.
    """
    where = f"tracepoint:{category}:{name}"
    number = re.search(r"^ID: (\d+)$", text, re.MULTILINE)
    lines = [line for line in text.split("\nprint fmt:")[0].splitlines() if line.lstrip().startswith("field:")]
    if number is None or not lines:
        raise SourceError(where, "its format in tracefs has no ID or no fields")
    return TracepointFormat(category, name, int(number[1]), tuple(_field(where, line) for line in lines))


def _field(where: str, line: str) -> TracepointField:
    field = _FIELD.match(line)
    declaration = _DECLARATION.match(field["declaration"]) if field else None
    if field is None or declaration is None:
        raise SourceError(where, f"its format in tracefs has a line that is no field: {line.strip()!r}")
    ctype = declaration["ctype"].strip()
    dynamic = _DYNAMIC.match(ctype) is not None
    if dynamic:
        ctype = _DYNAMIC.sub("", ctype).removesuffix("[]").strip()
    name = declaration["name"]
    return TracepointField(
        name=name,
        ctype=ctype,
        offset=int(field["offset"]),
        size=int(field["size"]),
        signed=field["signed"] == "1",
        array=dynamic or declaration["array"] is not None,
        dynamic=dynamic,
        common=name.startswith("common_"),
    )


def read_format(root: Path, category: str, name: str) -> TracepointFormat:
    """Read and parse the layout of a tracepoint; `root` is the directory of tracefs.

    Raises:
        ConfigError: there is no such tracepoint; names the nearest one.
        NotPermitted: tracefs is closed to this user.
    """
    try:
        return parse_format(category, name, read(root / "events" / category / name / "format"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ConfigError(f"tracepoint:{category}:{name}", _unknown(root, category, name)) from error


def list_events(root: Path) -> tuple[tuple[str, str], ...]:
    """Return (category, name) of every tracepoint, sorted."""
    lines = read(root / "available_events").splitlines()
    return tuple(sorted((category, name) for category, _, name in (line.partition(":") for line in lines) if name))


def _unknown(root: Path, category: str, name: str) -> str:
    """Return what was wrong, with the name that was probably meant; a system call's is that of `syscall:`."""
    known = list_events(root)
    shapes = "tracepoint:*"
    side = _SYSCALL.match(name) if category == "syscalls" else None
    if side is not None:
        calls = [event[side.end() :] for group, event in known if group == category and event.startswith(side[0])]
        near = difflib.get_close_matches(name[side.end() :], calls, 1)
        meant, shapes = [f"syscall:{call}:{side['side']}" for call in near], "syscall:*"
    else:
        valid = [f"{group}:{event}" for group, event in known]
        same = [event for event in valid if event.startswith(f"{category}:")]
        near = difflib.get_close_matches(f"{category}:{name}", same or valid, 1, cutoff=0.5)
        meant = [f"tracepoint:{each}" for each in near]
    hint = f"did you mean {meant[0]!r}?" if meant else f"`tracerd list '{shapes}'` shows them"
    return f"this kernel has no such tracepoint; {hint}"
