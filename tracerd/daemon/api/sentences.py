"""What msgspec says of a body or a query that is not as declared, in words for whoever sent it."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from tracerd.daemon.api.models import NAMES, Request

_KINDS = {
    "str": "a text", "int": "a whole number", "float": "a number", "bool": "true or false", "object": "an object",
    "array": "a list", "null": "null", "bytes": "text in base64",
}
_BOUNDS = {">=": "at least", ">": "more than", "<=": "at most", "<": "less than"}


def sentence(error: Exception, what: str, model: type[Request]) -> str:
    """Return one sentence; `what` is "body" or "query". What is not known here is told in msgspec's words."""
    if not isinstance(error, msgspec.ValidationError):
        return f"{what}: is no JSON: {str(error).removeprefix('JSON is malformed: ')}"
    text, _, path = str(error).partition(" - at `")
    place = path.removesuffix("`").removeprefix("$").removeprefix(".")
    for form, words in _FORMS:
        found = re.fullmatch(form, text, re.DOTALL)
        if found is not None:
            return f"{place or what}: {words(found, place, model)}"
    return f"{place or what}: {text}"


def _pattern(found: re.Match[str], *_: Any) -> str:
    for pattern, words in NAMES.items():
        if repr(pattern) == found[1]:
            return f"is no {words}"
    return f"must match {found[1]}"


def _kind(found: re.Match[str], *_: Any) -> str:
    wanted = " or ".join(_KINDS.get(each, each) for each in found[1].split(" | "))
    return f"must be {wanted}, not {_KINDS.get(found[2], found[2])}"


def _bound(found: re.Match[str], *_: Any) -> str:
    bound = f"{_BOUNDS[found[3]]} {found[4]}"
    return f"must be {_KINDS.get(found[1], found[1])} of {bound}{' characters' if found[2] else ''}"


def _missing(found: re.Match[str], _place: str, _model: Any) -> str:
    return f"has no {found[1]!r}, which it must have"


def _unknown(found: re.Match[str], _place: str, model: type[Request]) -> str:
    names = ", ".join(model.__struct_fields__)
    return f"has no place for {found[1][:80]!r}; it may have: {names or 'nothing'}"


def _choice(found: re.Match[str], place: str, model: type[Request]) -> str:
    for field in msgspec.structs.fields(model):
        if field.name == place:
            choices = ", ".join(map(str, getattr(field.type, "__args__", ())))
            return f"{found[1][:80]} is none of {choices}"
    return f"{found[1][:80]} is none of those there are"


_FORMS = (
    (r"Expected `str` matching regex (.*)", _pattern),
    (r"Expected `([^`]*)`, got `([^`]*)`", _kind),
    (r"Expected `([^`]*)`( of length)? ([<>]=?) (\S+)", _bound),
    (r"Object missing required field `([^`]*)`", _missing),
    (r"Object contains unknown field `(.*)`", _unknown),
    (r"Invalid enum value (.*)", _choice),
    (r"Invalid base64 encoded string", lambda *_: "is no base64"),
)
