"""The filter behind `/`: which rows of a sheet a line of text means.

    kworker                 any text has it (upper and lower case are the same), or any number is equal to it
    "open file"             the same with a blank in it
    syscall=read  pid!=1    is, is not          p99>1ms  bytes<=10MiB  count>1.5k     more, less
    comm~web      comm!~k   has, has not        cpu>12%

All terms must hold. A text is tested once, however many rows have it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np
import numpy.typing as npt

from tracerd.text import cut
from tui.model.quantity import quantity, units
from tui.model.sheet import Numbers, Sheet, SheetColumn

Mask = npt.NDArray[np.bool_]

_TERM = re.compile(
    r"""\s* (?: (?P<name>[^\s"=!<>~]*) \s* (?P<op>!=|!~|>=|<=|==|=|>|<|~) \s* )? (?P<value>"[^"]*"?|[^\s"]+)?""", re.X
)

_COMPARE: Mapping[str, Callable[[Numbers, float], Mask]] = {
    "=": np.equal, "!=": np.not_equal, ">": np.greater, ">=": np.greater_equal, "<": np.less, "<=": np.less_equal,
}  # fmt: skip

_TEST: Mapping[str, Callable[[str, str], bool]] = {
    "=": lambda text, wanted: text == wanted,
    "!=": lambda text, wanted: text != wanted,
    "~": lambda text, wanted: wanted in text,
    "!~": lambda text, wanted: wanted not in text,
}


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows are meant; None: all of them. `problem` is one sentence, "" if the filter is understood."""

    mask: Mask | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Term:
    """A condition on one column, or a word alone: then `column` and `op` are "". `value` None: it is not typed yet."""

    column: str
    op: str
    value: str | None


class _Misunderstood(Exception):
    """A filter that means nothing; its text says why."""


def select(sheet: Sheet, text: str) -> Selection:
    """Return the rows that a filter means. One that is not understood means all, and says what is wrong with it."""
    try:
        masks = [_mask(sheet, term) for term in terms(text)]
    except _Misunderstood as error:
        return Selection(None, str(error))
    return Selection(np.logical_and.reduce(masks) if masks else None)


def terms(text: str) -> Iterator[Term]:
    """Yield the terms of a filter. A quotation that is not closed yet goes to the end."""
    at = 0
    while at < len(text.rstrip()):
        found = _TERM.match(text, at)
        if found is None or found.end() == at:
            return
        at = found.end()
        value = found["value"]
        if value is not None and value.startswith('"'):
            value = value[1:].removesuffix('"')
        if found["op"] or value:
            yield Term(found["name"] or "", (found["op"] or "").replace("==", "="), value)


def _mask(sheet: Sheet, term: Term) -> Mask:
    if not term.op:
        return _anywhere(sheet, term.value or "")
    column = _column(sheet, term)
    if term.value is None:
        raise _Misunderstood(f"{cut(term.column + term.op)} needs a value behind it")
    if column.numeric:
        return _of_numbers(column, term.op, term.value)
    return _of_texts(column, _test(column, term.op, term.value))


def _anywhere(sheet: Sheet, word: str) -> Mask:
    """A word alone: in any text, or any number that is equal. Histograms and rates are nobody's word."""
    wanted, number = word.casefold(), quantity(word)
    found = np.zeros(len(sheet), np.bool_)
    for column in sheet.columns:
        if not column.numeric:
            found |= _of_texts(column, lambda text: wanted in text)
        elif number is not None and column.kind == "number" and not column.per_second:
            found |= _COMPARE["="](column.numbers, number)
    return found


def _column(sheet: Sheet, term: Term) -> SheetColumn:
    """Return the column that a name means: its own, or its title."""
    if not term.column:
        raise _Misunderstood(f"{cut(term.op + (term.value or ''))} needs a column before it")
    wanted = term.column.casefold()
    for column in sheet.columns:
        if wanted in (column.name.casefold(), column.title.casefold()):
            return column
    titles = {column.title.casefold(): column.title for column in sheet.columns}
    near = get_close_matches(wanted, titles, n=1, cutoff=0.5)
    near = near or [title for title in titles if len(wanted) > 1 and wanted in title]
    hint = f"did you mean {titles[near[0]]}?" if near else f"there are {', '.join(titles.values())}" if titles else ""
    raise _Misunderstood(f"there is no column {cut(term.column)}{'; ' if hint else ''}{hint}")


def _of_numbers(column: SheetColumn, op: str, value: str) -> Mask:
    if op not in _COMPARE:
        raise _Misunderstood(f"{column.title} has numbers: ask with = != > >= < <=, not with {op}")
    wanted = quantity(value, column.unit)
    if wanted is None:
        raise _Misunderstood(f"{column.title} has numbers like {units(column.unit)}, and {cut(value)} is none")
    return _COMPARE[op](column.numbers, wanted)


def _test(column: SheetColumn, op: str, value: str) -> Callable[[str], bool]:
    test, wanted = _TEST.get(op), value.casefold()
    if test is None:
        raise _Misunderstood(f"{column.title} has texts: ask with = != ~ !~, not with {op}")
    return lambda text: test(text, wanted)


def _of_texts(column: SheetColumn, test: Callable[[str], bool]) -> Mask:
    words = column.words
    return np.fromiter((test(text.casefold()) for text in words.texts), np.bool_, len(words.texts))[words.places]
