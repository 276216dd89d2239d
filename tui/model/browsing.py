"""A sheet's rows as somebody looks at them: which, in what order, and where the cursor is."""

from __future__ import annotations

import numpy as np

from tui.model.arrange import Order, arrange, natural
from tui.model.cells import find, key_of
from tui.model.filter import select
from tui.model.sheet import Places, Sheet

_NO_ROWS = np.zeros(0, np.intp)


class Browsing:
    """Changed by its methods only. `rows` are the numbers of the sheet's rows that are shown, in order.

    The cursor is a place in `rows`. `held`: somebody has gone to its row, so it follows that row wherever the order
    moves it; else it stays where it is, whichever row is there.
    """

    def __init__(self) -> None:
        self.sheet: Sheet | None = None
        self.rows: Places = _NO_ROWS
        self.cursor = 0
        self.held = False
        self.filter = ""
        self.problem = ""                        # why the filter is not understood: then it hides nothing
        self.version = 0                         # counts every change of what is shown, or in what order
        self._order: Order | None = None

    @property
    def row(self) -> int | None:
        """The number of the row under the cursor."""
        return int(self.rows[self.cursor]) if len(self.rows) else None

    @property
    def order(self) -> Order | None:
        """The order of the rows: what was asked for if the sheet has that column, else its natural one."""
        if self.sheet is None or (self._order is not None and self._order.column in self.sheet.by_name):
            return self._order
        return natural(self.sheet)

    def show(self, sheet: Sheet) -> None:
        """Take a sheet, or newer values of the one that is shown. Another one begins at its top."""
        before, row, found = self.sheet, self.row, None
        if before is None or before.name != sheet.name:
            self.cursor, self.held = 0, False
        elif self.held and row is not None:
            found = find(sheet, key_of(before, row), row)
        self.sheet = sheet
        self._arrange(found)

    def sort(self, order: Order | None) -> None:
        """Ask for an order; None: the natural one."""
        self._order = order
        self._arrange(self.row)

    def choose(self, text: str) -> None:
        """Show only the rows that a filter means."""
        self.filter = text
        self._arrange(self.row)

    def go(self, place: int, *, held: bool = True) -> None:
        """Put the cursor on a place, the nearest there is."""
        self.cursor = max(min(place, len(self.rows) - 1), 0)
        self.held = held and len(self.rows) > 0

    def _arrange(self, row: int | None) -> None:
        """Filter and sort anew. The cursor goes where `row` is, if it is held; None: that is gone."""
        if self.sheet is None:
            return
        chosen = select(self.sheet, self.filter)
        self.problem = chosen.problem
        self.rows = arrange(self.sheet, chosen.mask, self.order)
        self.version += 1
        places = np.flatnonzero(self.rows == row) if self.held and row is not None else _NO_ROWS
        self.go(int(places[0]) if len(places) else self.cursor, held=len(places) > 0)
