"""The wire between the two processes: a length (4 bytes, little endian) and a MessagePack body, in turn.

MessagePack with declared types, never pickle: what a hostile program could make the child send is only ever a verdict.
"""

from __future__ import annotations

from typing import BinaryIO

import msgspec

from tracerd.verifier.job import Certificate, Job, Refutation, Verdict

MAX_BODY = 256 << 20


class Failure(msgspec.Struct, frozen=True, tag="failure"):
    """The child could not come to a verdict: it says why and stays alive."""

    cause: str


Answer = Certificate | Refutation | Failure

_encode = msgspec.msgpack.Encoder().encode
_decode_job = msgspec.msgpack.Decoder(Job).decode
_decode_answer = msgspec.msgpack.Decoder(Answer).decode


def send(stream: BinaryIO, message: Job | Verdict | Failure) -> None:
    """Write one message and flush it."""
    body = _encode(message)
    stream.write(len(body).to_bytes(4, "little") + body)
    stream.flush()


def receive_job(stream: BinaryIO) -> Job | None:
    """Read one job, or None at the end of the stream."""
    body = _receive(stream)
    return _decode_job(body) if body is not None else None


def receive_answer(stream: BinaryIO) -> Answer | None:
    """Read one answer, or None at the end of the stream.

    Raises:
        msgspec.DecodeError: what came is not an answer.
    """
    body = _receive(stream)
    return _decode_answer(body) if body is not None else None


def _receive(stream: BinaryIO) -> bytes | None:
    head = stream.read(4)
    if len(head) < 4:
        return None
    size = int.from_bytes(head, "little")
    if size > MAX_BODY:
        raise msgspec.DecodeError(f"a message of {size} bytes is over the limit of {MAX_BODY}")
    body = stream.read(size)
    return body if len(body) == size else None
