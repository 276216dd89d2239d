"""Programs, one program, sources, exports: what is on them and what keys do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.tui.dashboard import Dashboard, dashboard
from tests.tui.feeds import made_feed
from tui.screens.dialogs import Row
from tui.screens.program import Program
from tui.screens.programs import Programs


def test_programs_have_their_numbers() -> None:
    """Wide enough, all of them."""

    async def steps(top: Dashboard) -> None:
        await top.press("2")
        await top.says("on_enter", "jit", "250,000", "85ns", "2.1%", "nothing forbids")

    dashboard(made_feed(), steps, (160, 24))


@pytest.mark.parametrize("size", [(80, 24), (200, 60)])
def test_enter_drills_into_a_program_and_escape_comes_back(size: tuple[int, int]) -> None:
    """Charts, facts, instructions with their source."""

    async def steps(top: Dashboard) -> None:
        await top.press("2", "down", "enter")
        assert isinstance(top.screen, Program)
        await top.says("syscalls/on_exit", "runs/s 250,000", "it always ends", "slow.bpf.c:21")
        await top.press("escape")
        assert isinstance(top.screen, Programs)

    dashboard(made_feed(), steps, size)


def test_a_program_that_is_unloaded_meanwhile_stays_with_a_word() -> None:
    """What was known of it."""
    feed = made_feed()

    async def steps(top: Dashboard) -> None:
        await top.press("2", "enter")
        look = feed.look()
        feed.look = lambda: replace(look, programs=())  # type: ignore[method-assign]
        await top.until(lambda: True)
        for _ in range(3):
            await top.pilot.pause(0.5)
            await top.tick()
        await top.says("unloaded")

    dashboard(feed, steps)


def test_going_elsewhere_leaves_what_was_drilled_into() -> None:
    """Coming back shows all programs again."""

    async def steps(top: Dashboard) -> None:
        await top.press("2", "enter", "5", "2")
        assert isinstance(top.screen, Programs)

    dashboard(made_feed(), steps)


def test_a_source_that_loses_events_says_how_many_and_what_to_write() -> None:
    """The very line for tracerd.toml."""

    async def steps(top: Dashboard) -> None:
        await top.press("5")
        await top.says("7 lost in the kernel", "pages = 4096  # under [sources.perf]", "lost in kernel 7")

    dashboard(made_feed(lost=7), steps, (120, 40))


def test_another_event_under_the_cursor_is_another_in_words() -> None:
    """By keys."""

    async def steps(top: Dashboard) -> None:
        await top.press("5", "G")
        await top.says("timer: no ring between")

    dashboard(made_feed(), steps)


def test_exports_say_where_they_go_and_what_went_wrong() -> None:
    """Each in words below."""

    async def steps(top: Dashboard) -> None:
        await top.press("7")
        await top.says("otlp", "goes to", "http://collector:4318")
        await top.press("down")
        await top.says("it broke off (it has worked since)")

    dashboard(made_feed(), steps, (120, 30))


def test_without_exporters_it_says_how_to_get_one() -> None:
    """One variable is enough."""
    feed = made_feed()
    look = feed.look()
    feed.look = lambda: replace(look, exporters=())  # type: ignore[method-assign]

    async def steps(top: Dashboard) -> None:
        await top.press("7")
        await top.says("OTEL_EXPORTER_OTLP_ENDPOINT", "[exporters.prometheus]")

    dashboard(feed, steps)


def test_a_row_is_shown_with_all_of_its_columns() -> None:
    """Whatever has no room in the table."""

    async def steps(top: Dashboard) -> None:
        await top.press("2", "e")
        await top.says("why", "nothing forbids code made at run time")
        await top.press("escape")
        assert isinstance(top.screen, Programs)

    dashboard(made_feed(), steps)


def test_a_row_that_is_shown_goes_on_with_every_moment_until_it_is_gone() -> None:
    """When it was so stands above it."""
    feed = made_feed()

    async def steps(top: Dashboard) -> None:
        await top.press("2", "e")
        await top.until(lambda: isinstance(top.screen, Row))
        (before,) = [line for line in top.text.split("\n") if "│  runs " in line]
        told = [line for line in top.text.split("\n") if "as of " in line]
        await top.tick()
        assert before not in top.text
        assert told != [line for line in top.text.split("\n") if "as of " in line]
        look = feed.look()
        feed.look = lambda: replace(look, programs=())  # type: ignore[method-assign]
        for _ in range(3):
            await top.pilot.pause(0.5)
            await top.tick()
        await top.says("it is gone since", "nothing forbids code made at run time")

    dashboard(feed, steps)


def test_id_and_name_stay_when_columns_are_scrolled() -> None:
    """How many are hidden is said in words."""

    async def steps(top: Dashboard) -> None:
        await top.press("2")
        await top.says(" more ›")
        await top.press("l", "l")
        await top.says("‹id  name      events/s")

    dashboard(made_feed(), steps)


def test_the_overview_opens_the_table_and_names_the_screen_of_a_trouble() -> None:
    """By number."""

    async def steps(top: Dashboard) -> None:
        await top.says("! 5 Sources", "! 3 Maps", "postgres", "40,000")

    feed = made_feed(lost=3, reasons=("map 'starts' of probe 'slow' is full: 37 updates were refused",))

    async def losing(top: Dashboard) -> None:
        feed.lost = 9
        await top.tick()
        await steps(top)

    dashboard(feed, losing, (160, 50))
