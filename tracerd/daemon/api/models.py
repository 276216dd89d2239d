"""What requests may say and what answers look like: both validation and the OpenAPI document come from these types.

Answers that are rows of objects are the dataclasses of `tracerd.runtime.objects` themselves.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

NAME_PATTERN = r"^[A-Za-z_][A-Za-z0-9_.-]{0,63}$"
"""Names of probes and tables: nothing that a path could be made of but a plain file name."""

PIN_PATTERN = r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$"
"""Names of pins, as docs/pins.md has them."""

_FILE_PATTERN = r"^[A-Za-z0-9_][A-Za-z0-9_.+-]{0,127}$"
_SOURCE_PATTERN = r"^[!-~]([ -~]*[!-~])?$"

NAMES = {
    NAME_PATTERN: "name: a letter or '_', then letters, digits, '_', '.' and '-', at most 64",
    PIN_PATTERN: "pin's name: a letter, a digit or '_', then letters, digits, '_', '.' and '-', at most 64",
    _FILE_PATTERN: "file's name: a letter, a digit or '_', then letters, digits, '_', '.', '+' and '-', at most 128",
    _SOURCE_PATTERN: "event's name: printable ASCII, no blank at either end",
}
"""What does not match is no …: the patterns in words."""

LARGEST_ID = 2**32 - 1

Name = Annotated[str, Meta(pattern=NAME_PATTERN, max_length=64, description="Letters, digits, '_', '.', '-'.")]
PinName = Annotated[str, Meta(pattern=PIN_PATTERN, max_length=64, description="Letters, digits, '_', '.', '-'.")]
Id = Annotated[int, Meta(ge=0, le=LARGEST_ID)]
Source = Annotated[str, Meta(min_length=1, max_length=512, pattern=_SOURCE_PATTERN)]
FileName = Annotated[str, Meta(pattern=_FILE_PATTERN, max_length=128)]


_BASE64 = r"^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
Base64 = Annotated[bytes, Meta(extra_json_schema={"pattern": _BASE64})]


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A body or a query: nothing in it that is not declared."""


class Nothing(Request, frozen=True):
    """A request without parameters."""


class UploadRequest(Request, frozen=True):
    """A shipped probe by name, or an object's bytes, with or without a probe.toml."""

    name: Name | None = None
    toml: Annotated[str, Meta(max_length=1 << 20)] | None = None
    object: Base64 = b""
    object_name: FileName = "upload.bpf.o"


class VerifyRequest(Request, frozen=True):
    """A shipped probe by name, or an object's bytes. `type` is of all its programs, where sections do not tell."""

    name: Name | None = None
    object: Base64 = b""
    object_name: FileName = "upload.bpf.o"
    platform: Name = "linux"
    type: Annotated[str, Meta(min_length=1, max_length=64)] | None = None


class LinkRequest(Request, frozen=True):
    """Attach a program to an event."""

    program: Id
    source: Source


class PinRequest(Request, frozen=True):
    """Pin a map under a name."""

    name: PinName


class KeyRequest(Request, frozen=True):
    """A key as `entries` shows it."""

    key: Any


class EntryRequest(Request, frozen=True):
    """A key and its new value. `noexist`: only if there is none; `exist`: only if there is one."""

    key: Any
    value: Any
    flags: Literal["any", "noexist", "exist"] = "any"


UPDATE_FLAGS = {"any": 0, "noexist": 1, "exist": 2}     # BPF_ANY, BPF_NOEXIST, BPF_EXIST of <linux/bpf.h>


class EntriesQuery(Request, frozen=True):
    """How many."""

    limit: Annotated[int, Meta(ge=1, le=1_000_000)] = 10_000


class DisasmQuery(Request, frozen=True):
    """With the source lines between, where the object knows them."""

    source: bool = False


class MomentsQuery(Request, frozen=True):
    """Seconds between moments."""

    interval: Annotated[float, Meta(ge=0.1, le=3600.0)] = 1.0


class ProbeNames(msgspec.Struct, frozen=True):
    """What a reload did, by probe."""

    loaded: list[str]
    replaced: list[str]
    unloaded: list[str]
    unchanged: list[str]


class Alive(msgspec.Struct, frozen=True):
    """Whether the daemon is alive or ready, and if not, why."""

    ok: bool
    reasons: list[str]


class Line(msgspec.Struct, frozen=True):
    """One instruction. `source`: the line it begins, as "file:line: text"."""

    instruction: int
    text: str
    source: str | None = None


class Listing(msgspec.Struct, frozen=True):
    """A program as text."""

    program: str
    section: str
    instructions: int
    lines: list[Line]


class Found(msgspec.Struct, frozen=True):
    """An element's value; per-CPU maps have a list."""

    value: Any


class Entries(msgspec.Struct, frozen=True):
    """Elements of a map. `truncated`: there were more than the limit. Of a pin, `map` is 0 and `name` the pin's."""

    map: int
    name: str
    entries: list[dict[str, Any]]
    truncated: bool


class TableColumn(msgspec.Struct, frozen=True):
    """A table's column; `unit` and `rate` as the probe's view declares them."""

    name: str
    unit: str = ""
    rate: bool = False


class TableAnswer(msgspec.Struct, frozen=True):
    """A table of a probe: rows by column name."""

    probe: str
    table: str
    columns: list[TableColumn]
    rows: list[dict[str, Any]]


class Done(msgspec.Struct, frozen=True):
    """It was done."""

    done: bool = True


