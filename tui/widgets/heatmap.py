"""A histogram over time; a cursor tells what is in a cell."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.strip import Strip

from tui.draw.heatmap import Heat, Plan, heatmap
from tui.draw.palette import Palette
from tui.widgets.picture import Picture


class Heatmap(Picture, can_focus=True):
    """A heat map. The cursor stays on its cell while time goes on, and goes where the pointer or the keys move it."""

    DEFAULT_CSS = """
    Heatmap { height: 1fr; min-height: 4; min-width: 20; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "move(-1, 0)", "Older", show=False),
        Binding("right,l", "move(1, 0)", "Newer", show=False),
        Binding("up,k", "move(0, -1)", "Larger", show=False),
        Binding("down,j", "move(0, 1)", "Smaller", show=False),
    ]

    def __init__(self, *, name: str | None = None, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(name=name, id=id, classes=classes)
        self._heat: Heat | None = None
        self._cursor: tuple[int, int] | None = None         # when, and which slot
        self._planned: tuple[object, ...] = ()
        self._plan: Plan | None = None

    def show(self, heat: Heat) -> None:
        """Show other counts."""
        if self._heat is None or not heat.same(self._heat):
            self._heat, self._plan = heat, None
            self.redraw()

    def draw(self, width: int, height: int, palette: Palette) -> list[Strip]:  # noqa: ARG002
        """Return the heat map."""
        plan = self.plan()
        return heatmap(plan, height, palette, cursor=self._place(plan)) if plan is not None else []

    def plan(self) -> Plan | None:
        """Return where everything is; None before there is anything to show."""
        size = self.room
        if self._heat is not None and (self._plan is None or self._planned != size):
            self._plan, self._planned = Plan.of(self._heat, size.width, size.height), size
        return self._plan

    def action_move(self, columns: int, rows: int) -> None:
        """Move the cursor; the first time it appears in the newest column, in its fullest cell."""
        plan = self.plan()
        if plan is None or not plan.rows:
            return
        place = self._place(plan)
        if place is None:
            x, y = plan.fullest()
        else:
            x, y = place[0] + columns, place[1] + rows * plan.lines
        self._point(plan, min(max(x, plan.first_column), plan.width - 1), min(max(y, 0), plan.height - 1))

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Follow the pointer."""
        plan, place = self.plan(), event.get_content_offset(self)
        if plan is not None and place is not None:
            self._point(plan, place.x, place.y)

    def on_leave(self, event: events.Leave) -> None:
        """Show no cursor when the pointer has left and keys do not move it."""
        if event.node is self and not self.has_focus:
            self._cursor = None
            self.redraw()

    def _place(self, plan: Plan) -> tuple[int, int] | None:
        return plan.find(*self._cursor) if self._cursor is not None else None

    def _point(self, plan: Plan, x: int, y: int) -> None:
        cell = plan.at(x, y)
        cursor = (cell.taken_ns, cell.slots.start) if cell is not None else None
        if cursor != self._cursor:
            self._cursor = cursor
            self.redraw()
