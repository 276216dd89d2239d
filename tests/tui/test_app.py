"""Keys that work everywhere: screens, pause, interval, help, export, palette; and what happens without a daemon."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.tui.dashboard import Dashboard, dashboard
from tests.tui.feeds import made_feed
from tui.remembered import Remembered
from tui.screens.dialogs import Help
from tui.widgets.places import PLACES


@pytest.mark.parametrize("size", [(80, 24), (250, 70)])
def test_every_screen_is_a_digit_away_and_fits(size: tuple[int, int]) -> None:
    """Its name is marked, its text is there, and no line is wider than the terminal."""

    async def steps(top: Dashboard) -> None:
        for number, place in enumerate(PLACES, 1):
            await top.press(str(number))
            assert top.app.current_mode == place
            await top.says("250,000" if place in ("programs", "sources") else "tracerd ● live")
            assert all(len(line) <= size[0] for line in top.text.split("\n"))

    dashboard(made_feed(), steps, size)


def test_brackets_and_clicks_go_to_screens_too() -> None:
    """From the last to the first as well."""

    async def steps(top: Dashboard) -> None:
        await top.press("left_square_bracket")
        assert top.app.current_mode == "exports"
        await top.press("right_square_bracket", "right_square_bracket")
        assert top.app.current_mode == "programs"
        await top.pilot.click("Places", offset=(25, 0))
        assert top.app.current_mode == "maps"

    dashboard(made_feed(), steps)


def test_the_first_line_tells_what_passes_and_what_is_lost() -> None:
    """500,001 events a second, seven of them lost."""

    async def steps(top: Dashboard) -> None:
        await top.says("500,001 events/s", "0 lost/s", "atlas", "4.3% CPU")
        top.feed.lost = 7
        await top.tick()
        await top.says("! 7 lost/s")

    dashboard(made_feed(), steps, (120, 30))


def test_paused_the_picture_stands_still_and_what_comes_is_kept() -> None:
    """Space again shows the newest, and the charts have no gap."""

    async def steps(top: Dashboard) -> None:
        await top.press("2")
        before = top.text.split("\n")[2:]
        await top.press("space")
        await top.says("PAUSED")
        await top.tick(3)
        assert top.text.split("\n")[2:] == before
        assert len(top.app.seen.produced) == 4
        await top.press("space")
        await top.until(lambda: top.text.split("\n")[2:] != before)
        assert "PAUSED" not in top.text

    dashboard(made_feed(), steps, (160, 30))


def test_plus_and_minus_change_the_interval_and_it_is_remembered() -> None:
    """Within what there is to choose from."""
    remembered = Remembered()

    async def steps(top: Dashboard) -> None:
        await top.press("plus")
        assert top.app.interval == 2.0
        await top.says("↻2s")
        await top.press(*["minus"] * 9)
        assert top.app.interval == 0.25

    dashboard(made_feed(), steps, (120, 30), remembered)
    assert remembered.interval == 0.25


def test_help_has_the_words_and_the_keys_of_a_screen() -> None:
    """Every screen has some."""

    async def steps(top: Dashboard) -> None:
        for number, place in enumerate(PLACES, 1):
            await top.press(str(number), "question_mark")
            assert isinstance(top.screen, Help)
            await top.says(place.capitalize(), "Quit")
            await top.press("escape")
            assert not isinstance(top.screen, Help)

    dashboard(made_feed(), steps, (120, 60))


def test_help_has_the_keys_of_a_screen_before_those_of_all_screens() -> None:
    """Its own, then those that move in it, then what every screen has; Textual's are last."""

    async def steps(top: Dashboard) -> None:
        await top.press("question_mark")
        await top.says("Copy selected text")
        words = ("Add up rows", "Columns to the left", "The usual order", "Filter", "Quit", "Copy selected text")
        places = [top.text.index(each) for each in words]
        assert places == sorted(places)

    dashboard(made_feed(), steps, (120, 90))


def test_export_writes_what_the_table_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows that the filter leaves, in the order that is shown, as JSON and CSV; the screen as SVG."""
    monkeypatch.chdir(tmp_path)

    async def steps(top: Dashboard) -> None:
        await top.press("2", "slash", *"exit", "enter")
        for key in "jcs":
            await top.press("E")
            await top.says("Export programs: 1 of 3 rows")
            await top.press(key)
            await top.until(lambda key=key: bool(list(tmp_path.glob({"j": "*.json", "c": "*.csv", "s": "*.svg"}[key]))))

    dashboard(made_feed(), steps)
    (document,) = tmp_path.glob("tracerd-programs-programs-*.json")
    assert [row["name"] for row in json.loads(document.read_text())["rows"]] == ["on_exit"]
    (table,) = tmp_path.glob("*.csv")
    assert table.read_text().split("\n")[1].startswith("2,on_exit,syscalls,")
    (picture,) = tmp_path.glob("*.svg")
    assert "on_exit" in picture.read_text()


def test_a_disk_that_takes_nothing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the dashboard goes on."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    monkeypatch.setattr("tui.exporting.Path.cwd", lambda: tmp_path / "file" / "below")
    (tmp_path / "file").write_text("")

    async def steps(top: Dashboard) -> None:
        await top.press("2", "E", "j")
        await top.told("not written")
        await top.tick()

    dashboard(made_feed(), steps)


def test_the_palette_goes_to_screens() -> None:
    """Ctrl+P, a word, Enter."""

    async def steps(top: Dashboard) -> None:
        await top.press("ctrl+p")
        await top.pilot.press(*"go to sources")
        await top.says("Go to sources")
        await top.pilot.press("enter")
        await top.until(lambda: top.app.current_mode == "sources")

    dashboard(made_feed(), steps)


def test_theme_and_screen_are_remembered() -> None:
    """From one start to the next."""
    remembered = Remembered(theme="nord", screen="sources")

    async def steps(top: Dashboard) -> None:
        assert top.app.theme == "nord"
        assert top.app.current_mode == "sources"
        top.app.theme = "tracerd-light"
        await top.press("7")

    dashboard(made_feed(), steps, remembered=remembered)
    assert (remembered.theme, remembered.screen) == ("tracerd-light", "exports")


def test_order_and_filter_of_a_table_are_remembered() -> None:
    """By screen and table."""
    remembered = Remembered()

    async def steps(top: Dashboard) -> None:
        await top.press("2", "s", "slash", *"on", "enter")
        await top.press("1", "2")
        await top.says("filter: on")

    dashboard(made_feed(), steps, remembered=remembered)
    state = remembered.tables["programs/programs"]
    assert (state.sort, state.filter) == ("avg_ns", "on")

    async def again(top: Dashboard) -> None:
        await top.press("2")
        await top.says("avg▼", "filter: on")

    dashboard(made_feed(), again, remembered=remembered)


def test_a_filter_that_is_not_understood_says_why_and_hides_nothing() -> None:
    """And names what was meant."""

    async def steps(top: Dashboard) -> None:
        await top.press("2", "slash", *"nmae=x")
        await top.says("name", "on_enter", "on_exit")
        await top.press("escape")
        assert top.app.remembered.table("programs/programs").filter == ""

    dashboard(made_feed(), steps)


def test_a_daemon_that_goes_and_comes_back_is_told_both_times() -> None:
    """What was seen stays on the screen meanwhile."""

    async def steps(top: Dashboard) -> None:
        top.feed.gone = True
        await top.says("away", "no daemon answers", "500,001")
        top.feed.gone, top.feed.pid = False, 4712
        top.feed.started_at = top.feed.at
        await top.tick()
        await top.says("● live")
        await top.told("begun anew (pid 4712)")

    dashboard(made_feed(), steps, (120, 30))


def test_what_was_told_does_not_stand_over_a_dialog() -> None:
    """Opening one takes it away; going to another screen does not."""

    async def steps(top: Dashboard) -> None:
        await top.press("plus")
        await top.told("a moment every")
        await top.press("2")
        await top.told("a moment every")
        await top.press("question_mark")
        await top.until(lambda: not len(top.app._notifications), "an empty screen")

    dashboard(made_feed(), steps)


def test_without_any_daemon_it_says_so_and_waits() -> None:
    """Also before there was one."""

    async def steps(top: Dashboard) -> None:
        await top.says("starting", "no daemon answers there")

    dashboard(made_feed(gone=True), steps)


def test_names_of_machines_and_processes_are_not_markup() -> None:
    """A process may be called "[red]", or ring the bell."""

    async def steps(top: Dashboard) -> None:
        await top.says("[bold red]x", "\\x1b[2J")

    feed = made_feed(reasons=("map '[bold red]x' is \x1b[2J full",))
    dashboard(feed, steps)


def test_q_quits() -> None:
    """Without a question: nothing is lost by it."""

    async def steps(top: Dashboard) -> None:
        await top.press("q")
        assert top.app._exit

    dashboard(made_feed(), steps)
