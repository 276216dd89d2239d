"""The ledger as a balance: where every event that was produced went, as a bar and as an equation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rich.style import Style
from textual.strip import Strip

from tracerd.snapshot import Ledger
from tui.draw.canvas import Piece, line, pieces_width
from tui.draw.palette import Palette


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a balance: what it is called, how its piece of the bar is filled, whether it is a loss."""

    name: str
    fill: str
    field: str
    loss: bool = False


PARTS = (
    Part("delivered",       "█", "delivered"),
    Part("filtered",        "░", "filtered"),
    Part("lost in kernel",  "╳", "lost_in_kernel",  loss=True),
    Part("lost in session", "▚", "lost_in_session", loss=True),
    Part("dropped",         "▼", "dropped_in_ring", loss=True),
    Part("failed",          "!", "failed",          loss=True),
    Part("under way",       "·", "missing"),
)  # fmt: skip


def balance(ledger: Ledger, width: int, height: int, palette: Palette) -> list[Strip]:
    """Return a bar and, below it, the equation with exact numbers; losses are bold and have a "!".

    Parts that are zero are left out where not all of them have room; one that is not zero has at least one cell of the
    bar, if the bar has as many.
    """
    if width < 1 or height < 1:
        return [line((), width) for _ in range(height)]
    lines = [line(_bar(ledger, width, palette), width), *(line(each, width) for each in _equation(
        ledger, width, height - 1, palette))]
    return lines[:height] + [line((), width)] * (height - len(lines))


def balance_height(ledger: Ledger, width: int) -> int:
    """Return how many lines the bar and the whole equation take."""
    return 1 + len(_wrap(_terms(ledger, Palette(), zeros=False), width))


def bar_cells(ledger: Ledger, width: int) -> tuple[int, ...]:
    """Return how many cells each part has: in proportion, but none that is not zero goes unseen; in all `width`.

    The largest parts pay for what small ones have too much.
    """
    numbers = [max(getattr(ledger, part.field), 0) for part in PARTS]
    total = sum(numbers)
    if not total or width < 1:
        return (0,) * len(PARTS)
    cells = [max(number * width // total, 1) if number else 0 for number in numbers]
    rest = width - sum(cells)
    while rest:
        largest = max(range(len(PARTS)), key=lambda each: cells[each] if rest < 0 else numbers[each])
        step = rest if rest > 0 else max(rest, -max(cells[largest] - 1, 1))
        cells[largest] += step
        rest -= step
    return tuple(cells)


def _bar(ledger: Ledger, width: int, palette: Palette) -> Iterator[Piece]:
    cells = bar_cells(ledger, width)
    if not any(cells):
        yield "╌" * width, palette.faint
    for part, number in zip(PARTS, cells, strict=True):
        yield part.fill * number, _style(part, palette)


def _equation(ledger: Ledger, width: int, height: int, palette: Palette) -> list[list[Piece]]:
    """Return lines: with all parts if they have room, else with those that are not zero."""
    lines = _wrap(_terms(ledger, palette, zeros=True), width)
    return lines if len(lines) <= height else _wrap(_terms(ledger, palette, zeros=False), width)


def _terms(ledger: Ledger, palette: Palette, *, zeros: bool) -> list[list[Piece]]:
    """Return the equation's terms, each with its sign in front."""
    terms: list[list[Piece]] = [[("produced ", palette.muted), (_exact(ledger.produced), palette.strong)]]
    sign = " = "
    for part in PARTS:
        number = getattr(ledger, part.field)
        if not number and not zeros and part.field != "delivered":
            continue
        style = _style(part, palette) if number else palette.muted
        if number < 0:                                  # counters were read while events came: it evens out
            sign = sign.replace("+", "−")
        pieces: list[Piece] = [(sign, palette.muted), (f"{part.fill} ", style)]
        loud = part.loss and number
        pieces += [(f"{part.name} ", style if loud else palette.muted)]
        pieces += [(_exact(abs(number)), style if loud else palette.strong if number else palette.muted)]
        if loud:
            pieces.append(("!", style))
        terms.append(pieces)
        sign = " + "
    return terms


def _exact(number: int) -> str:
    """Print a number to its last digit: `format.count` goes through a float, and an equation has to add up."""
    return f"{number:,}"


def _wrap(terms: list[list[Piece]], width: int) -> list[list[Piece]]:
    """Return lines of whole terms."""
    lines: list[list[Piece]] = [[]]
    for term in terms:
        if lines[-1] and pieces_width(lines[-1]) + pieces_width(term) > width:
            lines.append([])
        lines[-1] = lines[-1] + term
    return lines


def _style(part: Part, palette: Palette) -> Style:
    if part.loss:
        return palette.bad
    return palette.good if part.field == "delivered" else palette.muted
