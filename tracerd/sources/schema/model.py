"""What a schema is: the fields of an event's payload, in order. Pure data, wherever it comes from.

Types are the words of the `.events` files (`types.py`): "u32", "utf16z", "struct" … A reference (`Ref`) is a number, or
the name of a field that lies before: beside the field, or beside a struct around it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

Ref = int | str
REST: Literal["rest"] = "rest"
"""As a count: values up to the payload's end."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field: a value, or `count` of them. `length` is in characters of UTF-16, in bytes of everything else."""

    name: str
    type: str
    length: Ref | None = None
    count: Ref | None = None
    map: str = ""
    members: tuple[Field, ...] = ()

    def __str__(self) -> str:
        return f"{self.name}:{self.declared}"

    @property
    def declared(self) -> str:
        """The type as an `.events` file has it: "utf16[Length]*4"."""
        base = "{" + " ".join(map(str, self.members)) + "}" if self.type == "struct" else self.type
        length = f"[{self.length}]" if self.length is not None else ""
        count = f"*{self.count}" if self.count is not None else ""
        return base + length + count + (f"={self.map}" if self.map else "")


@dataclass(frozen=True, slots=True)
class ValueMap:
    """Names of values, or with `bits` of bits."""

    values: Mapping[int, str]
    bits: bool = False


@dataclass(frozen=True, slots=True)
class Event:
    """One event in one version. `number` is its id, or its opcode if it is a class's."""

    number: int
    version: int
    name: str
    fields: tuple[Field, ...] = ()
    level: int | None = None
    opcode: int | None = None
    task: int | None = None
    keyword: int | None = None


@dataclass(frozen=True, slots=True)
class Provider:
    """A manifest provider, whose events go by id; or a classic class (`is_class`), whose events go by opcode.

    `group` is the high byte of the hooks that a kernel class's events have in a kernel log.
    """

    name: str
    guid: UUID
    is_class: bool = False
    group: int | None = None
    events: Mapping[tuple[int, int], Event] = field(default_factory=dict)     # by number and version
    maps: Mapping[str, ValueMap] = field(default_factory=dict)
    keywords: Mapping[str, int] = field(default_factory=dict)                 # masks by name
    sources: tuple[str, ...] = ()

    def numbers(self) -> dict[str, int]:
        """Return each event's number by its name: that of the highest version which has the name."""
        return {event.name: event.number for event in sorted(self.events.values(), key=lambda each: each.version)}

    def versions(self, number: int) -> list[int]:
        """Return the versions of an event, ascending."""
        return sorted(version for of, version in self.events if of == number)


def flat(fields: tuple[Field, ...]) -> Iterator[Field]:
    """Yield fields as the core keeps them: a struct, then what is in it."""
    for each in fields:
        yield each
        yield from flat(each.members)
