"""What all screens share: head, places, keys, the filter line, and how a table is shown, remembered and exported."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual._styles_cache import StylesCache
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen, Screen
from textual.widgets import Input, Static

from tracerd.text import printable
from tui.model.arrange import Order
from tui.model.seen import Seen
from tui.model.sheet import Sheet
from tui.screens.dialogs import Row
from tui.widgets.grid import Grid
from tui.widgets.head import Head
from tui.widgets.keys import Keys
from tui.widgets.places import Places

if TYPE_CHECKING:
    from tui.app import Top


class View(Screen[None]):
    """One screen. A subclass says what is in it (`body`) and shows a sight (`show`)."""

    PLACE: ClassVar[str] = ""
    """Which of `places.PLACES` it belongs to."""

    HELP_TEXT: ClassVar[str] = ""
    """What `?` says of it, in a few lines."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter"),
        Binding("escape", "back", "Back", show=False),
        Binding("E", "app.export", "Export"),
    ]

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (120, "-wide")]  # noqa: RUF012  Textual declares it so
    VERTICAL_BREAKPOINTS = [(0, "-short"), (38, "-tall")]  # noqa: RUF012

    DEFAULT_CSS = """
    View #body { height: 1fr; }
    View #filter { height: 1; border: none; padding: 0 1; background: $panel; display: none; }
    View #filter.shown { display: block; }
    View #problem { height: 1; padding: 0 1; color: $warning; display: none; }
    View #problem.shown { display: block; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._taken_ns = 0
        self._target: Grid | None = None         # what the open filter line filters: the focus is the line's own

    @property
    def top(self) -> Top:
        """The dashboard."""
        return self.app  # type: ignore[return-value]    # views are in no other

    def compose(self) -> ComposeResult:
        """Put the parts together."""
        yield Head()
        yield Places(self.PLACE)
        with Vertical(id="body"):
            yield from self.body()
        yield Static(id="problem", markup=False)
        yield Input(placeholder="filter: words, or column>value  (Enter keeps it, Esc clears it)", id="filter")
        yield Keys()

    def body(self) -> ComposeResult:
        """Yield what is between the places and the keys."""
        yield from ()

    def show(self, seen: Seen) -> None:
        """Show a sight. Called while this screen is on top, and when it comes back there."""

    def refresh_head(self, seen: Seen) -> None:
        """Show a sight in the first line."""
        top = self.top
        self.query_one(Head).show(
            seen, paused=top.paused, interval=top.interval, read_only=not top.admin and seen.look is not None
        )

    def on_unmount(self) -> None:
        """Let go of what was drawn: Textual keeps the lines of the last thousand widgets, gone or not."""
        StylesCache.get_inner_outer.cache_clear()

    def on_screen_resume(self) -> None:
        """Catch up with what was seen while another screen was on top."""
        self.top.show_now()

    def on_screen_suspend(self) -> None:
        """Take away what was told: it would stand over a dialog's text."""
        if isinstance(self.app.screen, ModalScreen):
            self.app.clear_notifications()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer no key before everything is there, nor on the way out: people press the next one in that moment too."""
        return self.is_mounted and bool(self.children) and super().check_action(action, parameters)

    # ---- tables

    @property
    def grid(self) -> Grid | None:
        """The table that filter, order and export mean: the one with the focus, else the first."""
        focused = self.focused
        if isinstance(focused, Grid):
            return focused
        found = [each for each in self.query(Grid) if each.display]
        return found[0] if found else None

    @property
    def taken_ns(self) -> int:
        """When what is shown was so, unix time; 0 before there is anything."""
        return self._taken_ns

    def export_sheet(self) -> Sheet | None:
        """Return what `E` writes instead of the table, all its rows; None: the table, as it is shown."""
        return None

    def export_besides(self) -> Sheet | None:
        """Return what else is in sight and may be written; None: nothing."""
        return None

    def present(self, grid: Grid, sheet: Sheet) -> None:
        """Show a sheet in a grid, in the order and with the filter that are remembered for it."""
        fresh = grid.sheet is None or grid.sheet.name != sheet.name
        if fresh:
            self._recall(grid, sheet)
        moment = self.top.seen.moment
        if sheet is not grid.sheet:
            self._taken_ns = moment.taken_ns if moment is not None else 0
        grid.show(sheet, moment.clock_offset_ns if moment is not None else 0)
        if fresh:
            self._tell_problem(grid)
        dialog = self.app.screen
        if isinstance(dialog, Row):
            dialog.renew(self._as_of)

    @property
    def _as_of(self) -> str:
        """When what is shown was so, in words."""
        if not self._taken_ns:
            return ""
        return time.strftime("as of %H:%M:%S", time.localtime(self._taken_ns // 10**9))

    def _recall(self, grid: Grid, sheet: Sheet) -> None:
        """Have the order and the filter that are remembered for a sheet."""
        state = self.top.remembered.table(self._key(sheet))
        names = [column.name for column in sheet.columns]
        wanted = state.sort if state.sort.removesuffix("/s") in names else ""
        grid.order = Order(wanted, state.descending) if wanted else None
        grid.filter = state.filter

    def _key(self, sheet: Sheet) -> str:
        """Return under which name a sheet's order and filter are remembered."""
        return f"{self.PLACE}/{sheet.name}"

    @on(Grid.Sorted)
    def _sorted(self, message: Grid.Sorted) -> None:
        grid = self.grid
        if grid is not None and grid.sheet is not None:
            state, order = self.top.remembered.table(self._key(grid.sheet)), message.order
            state.sort, state.descending = (order.column, order.descending) if order is not None else ("", True)

    @on(Grid.Expanded)
    def _expanded(self, message: Grid.Expanded) -> None:
        grid, key = message.grid, message.key
        again = (lambda: grid.texts_of(key)) if key else None
        self.app.push_screen(Row(message.row, self._as_of, again))

    # ---- the filter line

    def action_filter(self) -> None:
        """Open the filter line."""
        grid = self.grid
        if grid is None:
            self.notify("there is no table here to filter", severity="warning")
            return
        self._target = grid
        line = self.query_one("#filter", Input)
        line.value = grid.filter
        line.add_class("shown")
        line.focus()

    def action_back(self) -> None:
        """Close the filter line and clear the filter; else leave a screen that was drilled into."""
        line, grid = self.query_one("#filter", Input), self._target or self.grid
        if line.has_class("shown") or (grid is not None and grid.filter):
            self._filter("")
            self._close_filter()
        elif len(self.app.screen_stack) > 1:
            self.dismiss()

    @on(Input.Changed, "#filter")
    def _typed(self, message: Input.Changed) -> None:
        if message.input.has_class("shown"):
            self._filter(message.value)

    @on(Input.Submitted, "#filter")
    def _submitted(self) -> None:
        self._close_filter()

    def _close_filter(self) -> None:
        self.query_one("#filter").remove_class("shown")
        target, self._target = self._target or self.grid, None
        if target is not None:
            target.focus()

    def _filter(self, text: str) -> None:
        grid = self._target or self.grid
        if grid is None:
            return
        grid.filter = text
        self._tell_problem(grid)
        if grid.sheet is not None:
            self.top.remembered.table(self._key(grid.sheet)).filter = text

    def _tell_problem(self, grid: Grid) -> None:
        problem = self.query_one("#problem", Static)
        text = grid.filter_problem or (f"filter: {grid.filter}  (/ changes it, Esc clears it)" if grid.filter else "")
        problem.update(printable(text))
        problem.set_class(bool(text), "shown")
