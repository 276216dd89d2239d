"""Pictures as widgets: they fill their room at any size, draw only when there is something new, and obey keys."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.strip import Strip

from tests.tui.piloted import piloted, screen_text
from tracerd.snapshot import Ledger
from tui.draw.chart import Curve
from tui.draw.heatmap import Heat
from tui.draw.histogram import Distribution
from tui.draw.palette import Palette
from tui.draw.slots import log2_edges
from tui.widgets.balance import Balance
from tui.widgets.chart import Chart
from tui.widgets.heatmap import Heatmap
from tui.widgets.histogram import Histogram
from tui.widgets.picture import Picture, palette_of
from tui.widgets.spark import Spark

SECOND = 10**9
SIZES = [(80, 24), (250, 70)]
TIMES = np.arange(30, dtype=np.int64) * SECOND


def heat() -> Heat:
    """Return thirty intervals in which slot 5 has most, as much as the interval's number."""
    counts = np.zeros((30, 12))
    counts[:, 5] = np.arange(30)
    counts[:, 8] = 2
    return Heat(TIMES, counts, log2_edges(12))


class Gallery(App[None]):
    """All pictures below each other."""

    CSS = "Histogram { height: 6; } Heatmap { height: 8; }"

    def compose(self) -> ComposeResult:
        yield Balance()
        yield Chart()
        yield Histogram()
        yield Heatmap()
        yield Spark()

    def on_mount(self) -> None:
        self.query_one(Balance).show(Ledger(1000, 990, lost_in_kernel=10))
        self.query_one(Chart).show([Curve("events/s", TIMES, np.arange(30.0))])
        self.query_one(Histogram).show(Distribution(np.arange(1.0, 31.0), log2_edges(30)))
        self.query_one(Heatmap).show(heat())
        self.query_one(Spark).show(np.arange(30.0))


@pytest.mark.parametrize("size", SIZES)
def test_pictures_fill_their_room(size: tuple[int, int]) -> None:
    """At both sizes every picture is there, as wide as the screen, and no line is wider."""

    async def steps(pilot: Pilot[None]) -> None:
        await pilot.pause()
        lines = screen_text(pilot.app)
        width = size[0]
        assert lines[0] == "█" * (width - width // 100 - (width < 100)) + "╳" * (width // 100 or 1)
        assert lines[1].startswith("produced 1,000 = █ delivered 990")
        assert "● events/s 29  ▾ max 29" in lines
        assert any(line.startswith("465 in all") for line in lines)
        assert any("per interval" in line for line in lines)
        assert lines[-1].endswith("█ 29")
        assert len(lines) == size[1]

    piloted(Gallery(), steps, size)


def test_pictures_follow_a_new_size() -> None:
    """After the terminal was resized they are as wide as it is."""

    async def steps(pilot: Pilot[None]) -> None:
        await pilot.resize_terminal(120, 40)
        await pilot.pause()
        assert screen_text(pilot.app)[0] == "█" * 119 + "╳"

    piloted(Gallery(), steps)


class Counted(Picture):
    """A picture that counts how often it is drawn."""

    def __init__(self) -> None:
        super().__init__()
        self.drawn: list[tuple[int, int, Palette]] = []

    def draw(self, width: int, height: int, palette: Palette) -> list[Strip]:
        self.drawn.append((width, height, palette))
        return []


class Alone(App[None]):
    """One widget."""

    def __init__(self, widget: Any) -> None:
        super().__init__()
        self.widget = widget

    def compose(self) -> ComposeResult:
        yield self.widget


def test_a_picture_is_drawn_once_for_all_its_lines() -> None:
    """Being painted again is no reason to draw again; another size or theme is."""
    picture = Counted()

    async def steps(pilot: Pilot[None]) -> None:
        assert len(picture.drawn) == 1
        picture.refresh()
        await pilot.pause()
        assert len(picture.drawn) == 1
        await pilot.resize_terminal(100, 30)
        await pilot.pause()
        assert picture.drawn[-1][:2] == (100, 30)
        assert picture.drawn[-1][2].dark
        pilot.app.theme = "textual-light"
        await pilot.pause()
        assert not picture.drawn[-1][2].dark

    piloted(Alone(picture), steps)


def test_a_picture_that_is_not_seen_is_not_drawn() -> None:
    """What is hidden costs nothing, however often there is something new."""
    picture = Counted()

    async def steps(pilot: Pilot[None]) -> None:
        picture.display = False
        await pilot.pause()
        before = len(picture.drawn)
        for _ in range(5):
            picture.redraw()
            await pilot.pause()
        assert len(picture.drawn) == before

    piloted(Alone(picture), steps)


def test_the_same_again_is_not_painted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A moment that brought nothing new leaves all pictures alone."""
    redrawn: list[Picture] = []
    app = Gallery()

    async def steps(pilot: Pilot[None]) -> None:
        await pilot.pause()
        monkeypatch.setattr(Picture, "redraw", lambda picture: redrawn.append(picture))
        app.on_mount()
        assert redrawn == []
        app.query_one(Spark).show(np.arange(31.0))
        assert redrawn == [app.query_one(Spark)]

    piloted(app, steps)


def test_keys_scroll_a_histogram() -> None:
    """The heading stays; rows go by, to the last and back."""
    histogram = Histogram()
    values = Distribution(np.arange(1.0, 61.0), log2_edges(60))

    async def steps(pilot: Pilot[None]) -> None:
        histogram.show(values)
        histogram.focus()
        await pilot.pause()
        heading, first = screen_text(pilot.app)[:2]
        assert heading.startswith("1,830 in all")
        assert first.lstrip().startswith("0ns – 2ns")
        await pilot.press("j", "down")
        await pilot.pause()
        assert screen_text(pilot.app)[0].startswith("1,830 in all")
        assert screen_text(pilot.app)[1].lstrip().startswith("4ns – 8ns")
        await pilot.press("G")
        await pilot.pause()
        assert screen_text(pilot.app)[-1].lstrip().startswith("≥ ")
        await pilot.press("g")
        await pilot.pause()
        assert screen_text(pilot.app)[1].lstrip().startswith("0ns – 2ns")

    piloted(Alone(histogram), steps)


def test_keys_move_the_cursor_of_a_heat_map() -> None:
    """It begins at the fullest cell of now, goes where it is moved to, and no further than the edge."""
    heatmap = Heatmap()

    async def steps(pilot: Pilot[None]) -> None:
        heatmap.show(heat())
        heatmap.focus()
        await pilot.press("right")
        await pilot.pause()
        assert screen_text(pilot.app)[-1].endswith("now  32ns – 64ns  29")
        await pilot.press("left", "h")
        await pilot.pause()
        assert screen_text(pilot.app)[-1].endswith("-2s  32ns – 64ns  27")
        await pilot.press("k", "up", "k")
        await pilot.pause()
        assert screen_text(pilot.app)[-1].endswith("-2s  256ns – 512ns  2")
        await pilot.press(*["left"] * 50)
        await pilot.pause()
        assert screen_text(pilot.app)[-1].endswith("-29s  256ns – 512ns  2")

    piloted(Alone(heatmap), steps)


def test_the_cursor_stays_on_its_cell_while_time_goes_on() -> None:
    """What somebody looks at does not become another number by itself; it only gets older."""
    heatmap = Heatmap()

    async def steps(pilot: Pilot[None]) -> None:
        heatmap.show(heat())
        heatmap.focus()
        await pilot.press("right")
        before = heat()
        later = Heat(np.append(TIMES, 30 * SECOND), np.vstack([before.counts, before.counts[0]]), before.edges)
        heatmap.show(later)
        await pilot.pause()
        assert screen_text(pilot.app)[-1].endswith("-1s  32ns – 64ns  29")

    piloted(Alone(heatmap), steps)


def test_the_pointer_tells_what_is_below_it() -> None:
    """Hovering moves the cursor; leaving takes it away."""
    heatmap = Heatmap()

    async def steps(pilot: Pilot[None]) -> None:
        heatmap.show(heat())
        await pilot.pause()
        plan = heatmap.plan()
        assert plan is not None
        place = plan.find(20 * SECOND, 5)
        assert place is not None
        await pilot.hover(Heatmap, offset=place)
        await pilot.pause()
        assert screen_text(pilot.app)[-1].endswith("-9s  32ns – 64ns  20")
        await pilot.hover(Heatmap, offset=(0, 0))
        await pilot.pause()
        assert "32ns – 64ns" not in screen_text(pilot.app)[-1]

    piloted(Alone(heatmap), steps)


def test_a_balance_grows_with_its_equation() -> None:
    """More kinds of losses take more lines, and get them."""
    balance = Balance()

    async def steps(pilot: Pilot[None]) -> None:
        balance.show(Ledger(10, 10))
        await pilot.pause()
        assert balance.size.height == 2
        balance.show(Ledger(10**9, 10**9, 10**8, 10**8, 10**8, 10**8, 10**8))
        await pilot.pause()
        assert balance.size.height == 4
        assert screen_text(pilot.app)[3].endswith("− · under way 500,000,000")

    piloted(Alone(balance), steps)


def test_the_palette_is_that_of_theme_and_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A light theme has the colours for light backgrounds; NO_COLOR and 16 colours have shades."""
    monkeypatch.setenv("NO_COLOR", "1")

    async def steps(pilot: Pilot[None]) -> Palette:
        pilot.app.theme = "textual-light"
        return palette_of(pilot.app)

    assert piloted(Gallery(), steps) == Palette(dark=False, few=True)
