"""The one table from an error's class to an HTTP status, and the JSON that tells it.

The body is {"error": {"kind", "message", "data"}}: `kind` is the class's name, `data` its fields, so that a client can
raise the same error again (`tracerd.daemon.client`).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import msgspec

from tracerd import errors
from tracerd.verifier.job import Rejection


@dataclass(eq=False)
class Refused(errors.TracerdError):
    """The API itself says no, before anything was done."""

    status: int
    kind: str                   # the class the client raises, or what was counted
    message: str
    retry_after: int | None = None      # seconds

    def __str__(self) -> str:
        return self.message


STATUS: tuple[tuple[type[Exception], int], ...] = (
    (Rejection, 422),
    (errors.ObjectError, 422),
    (errors.InstructionError, 422),
    (errors.CompileError, 422),
    (errors.ConfigError, 400),
    (errors.UnfitValue, 400),
    (errors.NotFound, 404),
    (errors.PolicyRefusal, 403),
    (errors.NotPermitted, 403),
    (errors.NotSupported, 501),
    (errors.VerifierUnavailable, 503),
    (errors.TracerdError, 409),
)
"""First match wins. 409: what was asked for is right, and the state of things does not allow it."""

MEANING = {
    400: "The request is malformed or names something impossible.",
    401: "No token, or a wrong one (TCP only).",
    403: "This user has not the role that it takes, or the system or its policy forbids it.",
    404: "There is no such thing.",
    405: "The path does not know this method.",
    406: "None of the media types the client accepts.",
    408: "The body did not arrive in time.",
    409: "The state of things does not allow it.",
    413: "The body is larger than allowed.",
    415: "The body is not application/json.",
    422: "The object is damaged, or a program could not be proved safe.",
    429: "More requests a second than this user may make.",
    500: "A fault of the daemon, or of the system under it; its log says more.",
    501: "Not supported on this machine.",
    503: "Too much at once, or the verifier is not to be had; later it may be.",
}
"""What each status that is no success means: the OpenAPI document has the same words."""


class ErrorDetail(msgspec.Struct, frozen=True):
    """What went wrong: the error's class, one sentence, the fields."""

    kind: str
    message: str
    data: dict[str, Any] = {}


class ErrorAnswer(msgspec.Struct, frozen=True):
    """Every answer that is no success."""

    error: ErrorDetail


def told(error: Exception) -> tuple[int, ErrorAnswer]:
    """Return status and body for an error. What is no TracerdError tells nothing of the daemon's insides."""
    if isinstance(error, Refused):
        return error.status, ErrorAnswer(ErrorDetail(error.kind, error.message))
    for kind, status in STATUS:
        if isinstance(error, kind):
            return status, ErrorAnswer(ErrorDetail(type(error).__name__, str(error), _fields(error)))
    if isinstance(error, OSError):
        cause = error.strerror or type(error).__name__
        return 500, ErrorAnswer(ErrorDetail("RunError", f"the system refuses: {cause}"))
    return 500, ErrorAnswer(ErrorDetail("RunError", "a fault of the daemon; its log has the traceback"))


def _fields(error: Exception) -> dict[str, object]:
    """Return the error's fields that are plain; a whole verifier's log is not sent."""
    if not dataclasses.is_dataclass(error):
        return {}
    values = {each.name: getattr(error, each.name) for each in dataclasses.fields(error)}
    if isinstance(error, Rejection):
        line = error.source
        values["source"] = line and {"file": line.file, "line": line.line, "text": line.text}
    return {name: value for name, value in values.items() if isinstance(value, _PLAIN)}


_PLAIN = (str, int, float, tuple, list, dict, type(None))
