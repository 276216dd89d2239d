"""Regular expressions from a probe.toml: only such as cannot keep the daemon busy for ever.

Python's `re` tries again from every choice it made, and holds the interpreter meanwhile; what is matched may be a name
that any user chose. Inside a repetition nothing may be repeated or be one of several, and few things may be repeated
without end at all; texts are cut besides (`TEXT_LETTERS`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

LETTERS = 256
TEXT_LETTERS = 256
"""Letters of a text that are looked at."""

MOST_REPEATS = 2
_MANY = 8
"""A repetition that may be longer than this counts as endless."""

_REPEATS = ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT")


def pattern(text: str) -> str:
    """Return a regular expression that may be used.

    Raises:
        ValueError: it is none, or may take too long.
    """
    if len(text) > LETTERS:
        raise ValueError(f"a regular expression has at most {LETTERS} letters")
    try:
        re.compile(text)
        parsed = re._parser.parse(text)  # type: ignore[attr-defined]    # what `re` itself makes of it
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"{text!r} is no regular expression: {error}") from None
    if _endless(parsed) > MOST_REPEATS or any(_holds_choice(inside) for inside in _repeated(parsed)):
        simpler = f"repeat nothing inside a repetition, and at most {MOST_REPEATS} things without end"
        raise ValueError(f"{text!r} may take for ever to match; {simpler}")
    return text


def _nodes(parsed: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    """Yield every part of an expression, and the parts of those."""
    for operation, argument in parsed:
        yield str(operation), argument
        for inside in _inside(argument):
            yield from _nodes(inside)


def _inside(argument: Any) -> Iterator[Any]:
    """Yield the expressions that a part is made of."""
    if hasattr(argument, "pattern") or hasattr(argument, "data"):
        yield argument
    elif isinstance(argument, tuple | list):
        for each in argument:
            yield from _inside(each)


def _is_endless(argument: Any) -> bool:
    return int(argument[1]) > _MANY


def _endless(parsed: Any) -> int:
    return sum(name in _REPEATS and _is_endless(argument) for name, argument in _nodes(parsed))


def _repeated(parsed: Any) -> Iterator[Any]:
    """Yield what is repeated more than once."""
    for name, argument in _nodes(parsed):
        if name in _REPEATS and int(argument[1]) > 1:
            yield argument[2]


def _holds_choice(parsed: Any) -> bool:
    """True if a part can match in several ways: it is repeated a varying number of times, or one of several."""
    return any(
        name in ("BRANCH", "GROUPREF", "GROUPREF_EXISTS") or (name in _REPEATS and argument[0] != argument[1])
        for name, argument in _nodes(parsed)
    )
