"""Ask the helpers of etw programs for fields: a native program that is a Python callback, run over a recording."""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.sources.etl_support import drain
from tests.sources.schema_support import GUID
from tracerd.native import ffi, lib
from tracerd.sources.base import LinkRequest
from tracerd.sources.etl import EtlSource
from tracerd.sources.etl_writer import EtlWriter
from tracerd.sources.schema.c_names import field_number
from tracerd.sources.schema.catalog import Catalog
from tracerd.sources.schema.model import Provider

ENOENT, EINVAL, ENOMSG, ENODATA = -2, -22, -42, -61
FILE_ONLY = 1
FILL = 0xAA                      # of buffers before a helper fills them
GUARD = 16                       # bytes behind each buffer that no helper may touch


@dataclass(frozen=True)
class Question:
    """One call: the helper's last word, a field's name or place, the buffer's size."""

    helper: str                  # "number", "text", "bytes", "address"
    field: str | int
    size: int = 64
    flags: int = 0


@dataclass(frozen=True)
class Answer:
    """What the helper returned, as a signed number, and the whole buffer."""

    result: int
    buffer: bytes

    @property
    def number(self) -> int:
        """The unsigned number."""
        assert self.result == 0, self.result
        return int.from_bytes(self.buffer, "little")

    @property
    def signed(self) -> int:
        """The signed number."""
        return int(struct.unpack("<q", self.buffer)[0])

    @property
    def text(self) -> str:
        """The text; its length is what was returned, and zeros follow it."""
        assert self.result > 0, self.result
        kept, rest = self.buffer[: self.result - 1], self.buffer[self.result - 1 :]
        assert not any(rest)
        return kept.decode()

    @property
    def bytes(self) -> bytes:
        """The value's bytes, as far as they found room."""
        assert self.result >= 0, self.result
        assert not any(self.buffer[self.result :])
        return self.buffer[: self.result]


def ask(
    payload: bytes,
    providers: Sequence[Provider],
    questions: Sequence[Question],
    *,
    pointer_size: int = 8,
    extended: Sequence[tuple[int, bytes]] = (),
    flags: int = 0,
) -> list[Answer]:
    """Return the answers for one event (id 1, version 0, of schema_support.GUID) with that payload."""
    return ask_all([payload], providers, questions, pointer_size=pointer_size, extended=extended, flags=flags)[0][0]


def ask_all(
    payloads: Sequence[bytes],
    providers: Sequence[Provider],
    questions: Sequence[Question],
    *,
    pointer_size: int = 8,
    extended: Sequence[tuple[int, bytes]] = (),
    flags: int = 0,
) -> tuple[list[list[Answer]], str]:
    """Return the answers for each of several events, and what the source says of those that were not read."""
    answers: list[list[Answer]] = []

    def run(context: Any, of: Any) -> int:
        answers.append([_call(question, context, of) for question in questions])
        return 0

    entry = ffi.callback("tr_entry", run)
    program: Any = ffi.gc(lib.tr_program_new(), lib.tr_program_free)
    lib.tr_program_set_entry(program, entry, ffi.NULL)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "one.etl"
        with EtlWriter(path, pointer_size=pointer_size) as writer:
            for at, payload in enumerate(payloads, 1):
                writer.manifest_event(1_000_000 + at, GUID, 1, payload, extended=extended, flags=flags)
        with closing(EtlSource(path, Catalog(providers))) as source:
            source.open([LinkRequest(f"etw:{GUID}", program, 96, fields=True)])
            drain(source)
            (via,) = (row.via for name, row in source.statistics().items() if name.startswith("etl:"))
    assert len(answers) == len(payloads)
    return answers, via


def _call(question: Question, context: Any, run: Any) -> Answer:
    helper = ffi.cast(
        "uint64_t (*)(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, struct tr_run *)",
        lib.tr_helper_address(f"etw_field_{question.helper}".encode()),
    )
    size = 8 if question.helper == "number" else 24 if question.helper == "address" else question.size
    buffer: Any = ffi.new("uint8_t[]", bytes([FILL]) * (size + GUARD))
    field = question.field if isinstance(question.field, int) else field_number(question.field)
    at = int(ffi.cast("uintptr_t", buffer))
    result = helper(int(ffi.cast("uintptr_t", context)), field, at, size, question.flags, run)
    raw = bytes(ffi.buffer(buffer))[:-1]
    assert raw[size:] == bytes([FILL]) * GUARD, "it wrote behind its buffer"
    return Answer(int(ffi.cast("int64_t", result)), raw[:size])


def colliding() -> tuple[str, str]:
    """Return two names that have one number."""
    seen: dict[int, str] = {}
    for at in range(1 << 20):
        name = f"n{at:x}"
        if (other := seen.setdefault(field_number(name), name)) != name:
            return other, name
    raise AssertionError("none in a million")
