"""What pydantic and tomllib find wrong, in the words of somebody who writes the file."""

from __future__ import annotations

from typing import Any

from pydantic_core import ErrorDetails

NAME_PATTERN = r"^[A-Za-z_][A-Za-z0-9_.-]*$"
NAME_RULE = "{value} is no name: a letter or _, then letters, digits and _ . -"

#   pydantic's type of error        what it means; {expected}, {ge}, {le} … are its own, {value} is what was written
MEANINGS = {
    "tuple_type": "must be a list: {key} = [{value}]",
    "list_type": "must be a list: {key} = [{value}]",
    "literal_error": "must be {expected}, not {value}",
    "string_type": "must be text in quotes, not {value}",
    "int_type": "must be a whole number, not {value}",
    "int_from_float": "must be a whole number, not {value}",
    "int_parsing": "must be a whole number, not {value}",
    "float_type": "must be a number, not {value}",
    "float_parsing": "must be a number, not {value}",
    "finite_number": "must be a number, not {value}",
    "bool_type": "must be true or false, not {value}",
    "greater_than_equal": "must be at least {ge}, not {value}",
    "less_than_equal": "must be at most {le}, not {value}",
    "path_type": "must be a path in quotes, not {value}",
    "dict_type": "must be a table, [{path}], not {value}",
    "model_type": "must be a table, [{path}], not {value}",
    "missing": "is missing",
    "string_pattern_mismatch": "{value} is not of the form {pattern}",
    "string_too_long": "{value} is too long: {max_length} letters at most",
    "too_long": "has {actual_length} entries, {max_length} at most",
}  # fmt: skip

#   how tomllib begins          what it means
TOML = (
    ("Illegal character '\\n'", "a text's closing quote is missing on its line"),
    ("Expected \"'\"", "a text's closing quote is missing"),
    ("Unterminated string", "a text's closing quote is missing"),
    ("Invalid value", "a value is missing, or is text without quotes"),
    ("Unclosed array", "a list's comma or closing ] is missing"),
    ("Cannot overwrite a value", "a key is given twice"),
    ("Cannot declare", "a table is given twice"),
    ("Invalid statement", "a line is neither `key = value` nor a [table]"),
)

LONGEST = 60
"""Letters of a value that are told."""


def meaning(detail: ErrorDetails) -> str:
    """Return what is wrong with a value."""
    template = MEANINGS.get(detail["type"])
    if template is None:
        return detail["msg"].removeprefix("Value error, ")       # pydantic's, before what we say
    path = [str(part) for part in detail["loc"]]
    known: dict[str, Any] = dict(detail.get("ctx") or {})
    if known.get("pattern") == NAME_PATTERN:
        template = NAME_RULE
    known |= {"value": written(detail["input"]), "key": path[-1] if path else "", "path": ".".join(path)}
    return template.format(**known)


def written(value: object) -> str:
    """Return a value as TOML has it, or what kind of value it is; a long one is cut."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return repr(value if len(value) <= LONGEST else value[: LONGEST - 1] + "…")
    if isinstance(value, int | float):
        return repr(value) if isinstance(value, float) or abs(value) < 1 << 64 else "a number so large"
    return {"dict": "a table", "list": "a list"}.get(type(value).__name__, "a date or time")


def toml_meaning(said: str) -> str:
    """Return what tomllib said in other words where its own are about its parser, with the place as it has it."""
    told = next((ours for theirs, ours in TOML if said.startswith(theirs)), None)
    if told is None:
        return said
    _, found, place = said.rpartition(" (at ")
    return f"{told}{found}{place}"
