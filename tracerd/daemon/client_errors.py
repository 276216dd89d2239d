"""From the API's JSON of an error to the same error here."""

from __future__ import annotations

import json
from dataclasses import fields

from tracerd import errors

_KINDS: tuple[type[errors.TracerdError], ...] = (
    errors.ObjectError,
    errors.InstructionError,
    errors.ConfigError,
    errors.VerifierUnavailable,
    errors.PolicyRefusal,
    errors.NotPermitted,
    errors.NotSupported,
    errors.SourceError,
    errors.CompileError,
    errors.NotFound,
    errors.NoSuchKey,
    errors.Conflict,
    errors.RunError,
    errors.UnfitValue,
)


class Told(errors.TracerdError):
    """Mixed into an error that came without its fields: it says the daemon's sentence."""

    def __init__(self, message: str) -> None:
        self.message = message

    def __str__(self) -> str:
        return self.message

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.message!r})"


_TOLD = {kind.__name__: type(kind.__name__, (Told, kind), {"__init__": Told.__init__}) for kind in _KINDS}


def raised(body: bytes, status: int) -> errors.TracerdError:
    """Return the error that an answer tells, of the class it had in the daemon."""
    try:
        told = json.loads(body)["error"]
        kind, message, data = str(told["kind"]), str(told["message"]), dict(told["data"])
    except (ValueError, KeyError, TypeError):
        return errors.RunError("daemon", f"answers {status} without saying why")
    if kind == "Rejection":
        return _rejection(data, message)
    for known in _KINDS:
        if known.__name__ == kind:
            values = {name: tuple(value) if isinstance(value, list) else value for name, value in data.items()}
            if {each.name for each in fields(known)} == set(values):    # type: ignore[arg-type]
                return known(**values)
            return _told(kind, message)
    return _told("RunError", message)


def _told(kind: str, message: str) -> errors.TracerdError:
    error: errors.TracerdError = _TOLD[kind](message)
    return error


def _rejection(data: dict[str, object], message: str) -> errors.TracerdError:
    """Return the verifier's refusal; its log stays with the daemon (`tracerd verify --explain` makes it again)."""
    from tracerd.elf.spec import SourceLine
    from tracerd.verifier.job import Refutation, Rejection

    try:
        source = data["source"]
        line = SourceLine(**source) if isinstance(source, dict) else None
        need, have, register = (str(data[name]) for name in ("need", "have", "register"))
        at = int(str(data["instruction"]))
        return Rejection(str(data["program"]), at, line, register, need, have, Refutation(at, need, have, register))
    except (KeyError, ValueError, TypeError):
        return _told("RunError", message)
