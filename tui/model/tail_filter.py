"""The filter behind `/` for lines: the words of `filter`, asked of records, each of which may have other fields.

A word alone is sought in the record as it came; `from` is the stream's name, `text` what was printed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from operator import eq, ge, gt, le, lt, ne

from tracerd.text import cut
from tui.model.filter import Term, terms
from tui.model.quantity import quantity
from tui.model.tail import Line, Lines, Note, Wanted, fields, is_duration, is_time

_COMPARE: Mapping[str, Callable[[float, float], bool]] = {"=": eq, "!=": ne, ">": gt, ">=": ge, "<": lt, "<=": le}
_TEST: Mapping[str, Callable[[str, str], bool]] = {
    "=": eq,
    "!=": ne,
    "~": lambda text, wanted: wanted in text,
    "!~": lambda text, wanted: wanted not in text,
}
_PATHS = 4096
"""Of fields, whose names and units are known without working them out again."""

_LOOKED_AT = 500
"""The newest lines whose fields are known to `unknown`."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which lines are meant; None: all. `problem` is one sentence, "" if the filter is understood."""

    wanted: Wanted | None = None
    problem: str = ""


def choose(text: str, only: str = "") -> Choice:
    """Return the lines that a filter means, of one stream if `only` names it. One that is not understood means all."""
    tests: list[Wanted] = [lambda line: line.stream == only] if only else []
    problem = ""
    for term in terms(text):
        if term.op and (not term.column or term.value is None):
            missing = "a value behind it" if term.column else "a field before it"
            problem = f"{cut(term.column + term.op + (term.value or ''))} needs {missing}"
            continue
        tests.append(_field(term) if term.op else _word(term.value or ""))
    if not tests:
        return Choice(None, problem)
    if len(tests) == 1:
        return Choice(tests[0], problem)
    return Choice(lambda line: all(test(line) for test in tests), problem)


def unknown(text: str, lines: Lines) -> str:
    """Return which field of a filter no line has, as a sentence; "" if all are there. For when nothing is found."""
    names = {"from", "text"}
    for line in lines.newest(_LOOKED_AT):
        names = names.union(*(_names(path) for path, _ in fields(line.value)))
    for term in terms(text):
        if term.op and term.column and term.column.casefold() not in names:
            near = get_close_matches(term.column.casefold(), names - {""}, n=1, cutoff=0.5)
            return f"no line has a field {cut(term.column)}" + (f"; did you mean {near[0]}?" if near else "")
    return ""


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
