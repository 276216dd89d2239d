"""The filter behind `/` for lines: the words of `filter`, asked of records, each of which may have other fields.

A word alone is sought in the record as it came; `from` is the stream's name, `text` what was printed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from operator import eq, ge, gt, le, lt, ne

from tracerd.text import cut
from tui.model.filter import Term, terms
from tui.model.quantity import quantity
from tui.model.tail import Line, Lines, Note, Wanted, fields, is_duration, is_time, title
from tui.model.tail_columns import in_order

_COMPARE: Mapping[str, Callable[[float, float], bool]] = {"=": eq, "!=": ne, ">": gt, ">=": ge, "<": lt, "<=": le}
_TEST: Mapping[str, Callable[[str, str], bool]] = {
    "=": eq,
    "!=": ne,
    "~": lambda text, wanted: wanted in text,
    "!~": lambda text, wanted: wanted not in text,
}
_PATHS = 4096
"""Of fields, whose names and units are known without working them out again."""

_LOOKED_AT = 200
"""The newest lines whose fields are those that there are, with those of the last line of each stream."""

_PLAIN = re.compile(r"[\w./:@+-]{1,20}")
"""A value that an example may have: it needs no quotes, and means no other thing in a filter."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which lines are meant; None: all. `problem` is one sentence, "" if the filter is understood."""

    wanted: Wanted | None = None
    problem: str = ""
    open: bool = False           # a field that it names is not there yet: it may be with lines that come


def choose(text: str, only: str = "", lines: Lines | None = None) -> Choice:
    """Return the lines that a filter means, of one stream if `only` names it.

    What is not understood hides nothing, and neither does a field that none of the `lines` has; without `lines` every
    field may be there.
    """
    tests: list[Wanted] = [lambda line: line.stream == only] if only else []
    problem, is_open = "", False
    for term in terms(text):
        if term.op and (not term.column or term.value is None):
            missing = "a value behind it" if term.column else "a field before it"
            problem = f"{cut(term.column + term.op + (term.value or ''))} needs {missing}"
        elif term.op and lines is not None and not _there(term, lines, only):
            problem, is_open = _not_there(term, lines, only), True
        else:
            tests.append(_field(term) if term.op else _word(term.value or ""))
    if len(tests) <= 1:
        return Choice(tests[0] if tests else None, problem, is_open)
    return Choice(lambda line: all(test(line) for test in tests), problem, is_open)


def example(lines: Lines, only: str = "") -> str:
    """Return a filter that one of the newest lines passes, by a text that it has: "name=dd"; "" where none has one."""
    shown = [lines[place] for place in range(max(len(lines) - _LOOKED_AT, 0), len(lines))]
    for line in reversed(shown or lines.samples(_LOOKED_AT, only)):
        for path, value in in_order(line.value):
            if isinstance(value, str) and _PLAIN.fullmatch(path) and _PLAIN.fullmatch(value):
                return f"{path}={value}"
    return ""


def _there(term: Term, lines: Lines, only: str) -> bool:
    name = term.column.casefold()
    if name in ("from", "text"):
        return True
    samples = lines.samples(_LOOKED_AT, only)
    return any(name in _names(path) for path in {path for line in samples for path, _ in fields(line.value)})


def _not_there(term: Term, lines: Lines, only: str) -> str:
    """Say which field a term names in vain, which was probably meant, and which there are; "" before any line."""
    samples = lines.samples(_LOOKED_AT, only)
    found = (pair for line in samples for pair in in_order(line.value))
    there = list(dict.fromkeys(title(path, value) for path, value in found if path))
    if not there:
        return f"no field {cut(term.column)} so far: these lines are plain text" if samples else ""
    near = get_close_matches(term.column.casefold(), [each.casefold() for each in there], n=1, cutoff=0.5)
    meant = "".join(f"did you mean {each}? " for each in there if each.casefold() in near)
    return f"no field {cut(term.column)}; {meant}there are {', '.join(there)}"


def _word(word: str) -> Wanted:
    wanted = word.casefold()

    def test(line: Line) -> bool:
        text = line.value.text if isinstance(line.value, Note) else str(line.value)
        return wanted in text.casefold() or wanted in line.stream.casefold()

    return test


def _field(term: Term) -> Wanted:
    name, value = term.column.casefold(), term.value or ""
    compare, test, wanted = _COMPARE.get(term.op), _TEST.get(term.op), value.casefold()
    numbers = {unit: quantity(value, unit) for unit in ("", "ns")}

    def holds(path: str, found: object) -> bool:
        if isinstance(found, int | float) and compare is not None:
            number = numbers[_unit(path)]
            if number is not None:
                return compare(found, number)
        return test is not None and test(str(found).casefold(), wanted)

    return lambda line: any(holds(path, found) for path, found in _named(line, name))


def _named(line: Line, name: str) -> Iterator[tuple[str, object]]:
    """Yield the fields that a name means."""
    if name == "from":
        yield name, line.stream
    if not isinstance(line.value, Note):
        for path, found in fields(line.value):
            if name in _names(path):
                yield path, found


@lru_cache(_PATHS)
def _names(path: str) -> frozenset[str]:
    """Return what a field may be called: by its path, its last part, and both as they are shown."""
    folded = (path or "text").casefold()
    both = {folded, folded.rpartition(".")[2]}
    return frozenset(both | {name.removesuffix("_ns") for name in both})


@lru_cache(_PATHS)
def _unit(path: str) -> str:
    leaf = path.rpartition(".")[2]
    return "ns" if is_duration(leaf) or is_time(leaf) else ""
