"""The wire between the two processes: a length (4 bytes, little endian) and a MessagePack body, in turn.

MessagePack with declared types, never pickle: what a hostile program could make the child send is only ever a verdict.
"""

from __future__ import annotations

from typing import BinaryIO

import msgspec

from tracerd.verifier.job import Certificate, Job, Refutation, Verdict

MAX_JOB = 256 << 20
MAX_ANSWER = 16 << 20
"""No answer is larger, but for explained ones."""

ANSWER_BASE, ANSWER_PER_SLOT = 64 << 10, 64
"""A certificate has some bytes per instruction. Whoever reads it must not be made to hold more: a number of a byte or
two becomes an object of a hundred."""

MAX_EXPLAINED = 256 << 20
"""With `explain` an answer holds every state of the proof."""

ANSWERS = 3
"""The child's descriptor of the answer pipe, right behind the standard streams: nothing above it stays open."""


class Wall(msgspec.Struct, frozen=True):
    """One thing taken away from the child; `detail` says how far, or why it could not be."""

    name: str
    in_force: bool
    detail: str = ""


class Hello(msgspec.Struct, frozen=True, tag="hello"):
    """The child's first message, sent when its walls are up: what holds it, and which code it proves with."""

    walls: tuple[Wall, ...]
    code: bytes                          # `verifier.code.proving_code`
    place: str = ""                      # the folder that its package `tracerd` is in


class Failure(msgspec.Struct, frozen=True, tag="failure"):
    """The child could not come to a verdict: it says why and stays alive."""

    cause: str


Answer = Certificate | Refutation | Failure
Message = Job | Verdict | Failure | Hello

_encode = msgspec.msgpack.Encoder().encode
_decode_job = msgspec.msgpack.Decoder(Job).decode
_decode_hello = msgspec.msgpack.Decoder(Hello).decode
_decode_answer = msgspec.msgpack.Decoder(Answer).decode


def send(stream: BinaryIO, message: Message) -> None:
    """Write one message and flush it."""
    body = _encode(message)
    stream.write(len(body).to_bytes(4, "little") + body)
    stream.flush()


def receive_job(stream: BinaryIO) -> Job | None:
    """Read one job, or None at the end of the stream."""
    body = _receive(stream, MAX_JOB)
    return _decode_job(body) if body is not None else None


def receive_hello(stream: BinaryIO) -> Hello | None:
    """Read the child's first message, or None at the end of the stream.

    Raises:
        msgspec.DecodeError: what came is not that.
    """
    body = _receive(stream, MAX_ANSWER)
    return _decode_hello(body) if body is not None else None


def receive_answer(stream: BinaryIO, most: int = MAX_ANSWER) -> Answer | None:
    """Read one answer of at most `most` bytes, or None at the end of the stream.

    Raises:
        msgspec.DecodeError: what came is not an answer.
    """
    body = _receive(stream, most)
    return _decode_answer(body) if body is not None else None


def most_of_answer(job: Job) -> int:
    """Return how many bytes an answer to a job may have, without explanations."""
    return min(MAX_ANSWER, ANSWER_BASE + ANSWER_PER_SLOT * (len(job.code) // 8))


def _receive(stream: BinaryIO, most: int) -> bytes | None:
    head = stream.read(4)
    if len(head) < 4:
        return None
    size = int.from_bytes(head, "little")
    if size > most:
        raise msgspec.DecodeError(f"a message of {size} bytes is over the limit of {most}")
    body = stream.read(size)
    return body if len(body) == size else None
