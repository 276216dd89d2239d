"""A histogram, the same over time, and a line above that says of what: as tall terminals have room for both, or one."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from tui.draw.heatmap import Heat
from tui.draw.histogram import Distribution
from tui.draw.slots import percentile_slots
from tui.widgets.heatmap import Heatmap
from tui.widgets.histogram import Histogram


class MapPicture(Vertical):
    """Shows what it is told. The class `-both` stacks the two, `-heat` shows the one over time."""

    DEFAULT_CSS = """
    MapPicture { height: 1fr; background: $surface; }
    MapPicture #of { height: 1; padding: 0 1; background: $panel; }
    MapPicture Histogram { padding: 0 1; scrollbar-size-vertical: 1; }
    MapPicture Heatmap { padding: 0 1; display: none; }
    MapPicture.-heat Histogram { display: none; }
    MapPicture.-heat Heatmap { display: block; }
    MapPicture.-both Histogram { display: block; }
    MapPicture.-both Heatmap { display: block; border-top: solid $panel; }
    """

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002  Textual's word
        super().__init__(id=id)
        self._told = Text()

    def compose(self) -> ComposeResult:
        yield Static(id="of", markup=False)
        yield Histogram()
        yield Heatmap()

    def show(self, distribution: Distribution, heat: Heat) -> None:
        """Show other counts."""
        histogram = self.query_one(Histogram)
        histogram.show(distribution)
        self.query_one(Heatmap).show(heat)
        if not histogram.has_focus:
            self._reveal(distribution, histogram)

    def _reveal(self, distribution: Distribution, histogram: Histogram) -> None:
        """Scroll so that the middle of all values can be seen, where that is not so."""
        middle = percentile_slots(distribution.counts, (50,))
        rows, room, top = distribution.rows, histogram.size.height - 1, round(histogram.scroll_y)
        if not middle or room < 1 or top <= middle[0] - rows.start < top + room:
            return
        histogram.scroll_to(y=max(middle[0] - rows.start - room // 2, 0), animate=False)

    def tell(self, left: Text, hints: Sequence[str]) -> None:
        """Say what is shown, and which keys change it where there is room for that."""
        line = beside(left, hints, self.size.width - 2)
        if line != self._told:
            self._told = line
            self.query_one("#of", Static).update(line, layout=False)

    def lay_out(self, *, heat: bool, both: bool) -> None:
        """Show the one, the other, or both."""
        self.set_class(heat and not both, "-heat")
        self.set_class(both, "-both")

    @property
    def intervals(self) -> int:
        """How many intervals there is room for."""
        return max(self.size.width, 1)

    def take_focus(self) -> None:
        """Have keys move what is seen."""
        if self.has_class("-heat"):
            self.query_one(Heatmap).focus()
        else:
            self.query_one(Histogram).focus()

    @property
    def heat_meant(self) -> bool:
        """True if the picture over time is the one that is looked at: the only one, or the one with the focus."""
        return self.has_class("-heat") or self.query_one(Heatmap).has_focus


def beside(left: Text, hints: Sequence[str], width: int) -> Text:
    """Return one line with both at its ends: as many hints, the first ones, as there is room for."""
    kept = list(hints)
    while kept and left.cell_len + 2 + len("  ".join(kept)) > width:
        kept.pop()
    told = "  ".join(kept)
    line = Text.assemble(left, " " * (width - left.cell_len - len(told)), (told, "dim"))
    line.truncate(max(width, 0), overflow="ellipsis")
    return line
