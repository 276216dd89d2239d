"""Attaching and detaching: asked once more, told afterwards, and not there for those who may not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from textual.widgets import Input

from tests.tui.dashboard import Dashboard, dashboard
from tests.tui.feeds import made_feed
from tracerd.errors import ConfigError
from tui.screens.dialogs import Ask


def test_a_program_is_attached_to_the_event_that_is_typed() -> None:
    """The program under the cursor; the answer is told."""
    feed = made_feed()

    async def steps(top: Dashboard) -> None:
        await top.press("2", "down", "a")
        await top.says("Attach syscalls/on_exit")
        await top.pilot.press(*"syscall:openat:exit", "enter")
        await top.told("runs on syscall:openat:exit now")

    dashboard(feed, steps)
    assert feed.attached == [(2, "syscall:openat:exit")]


def test_detaching_is_asked_once_more_and_only_y_does_it() -> None:
    """Enter, Esc and n leave it; the question says what it means and the way back."""
    feed = made_feed()

    async def steps(top: Dashboard) -> None:
        await top.press("2")
        for key in ("enter", "escape", "n"):
            await top.press("d")
            await top.says("Detach syscalls/on_enter from syscall:*:enter?", "attach 1 syscall:*:enter")
            await top.says("Is it still detached when the daemon restarts? Yes", "into /var/lib/tracerd/state.json")
            await top.press(key)
        assert feed.detached == []
        await top.press("d", "y")
        await top.told("is detached from")

    dashboard(feed, steps)
    assert feed.detached == [1]


def test_sources_attach_and_detach_by_event() -> None:
    """The link of the event under the cursor; of all programs one is chosen by a digit."""
    feed = made_feed()

    async def steps(top: Dashboard) -> None:
        await top.press("5", "d")
        await top.says("Detach syscalls/on_enter")
        await top.press("y")
        await top.until(lambda: feed.detached == [1])
        await top.press("a")
        await top.says("Attach which program?", "slow/on_tick")
        await top.press("3")
        await top.pilot.press(*"interval:2s", "enter")
        await top.until(lambda: feed.attached == [(3, "interval:2s")])

    dashboard(feed, steps)


def test_what_the_daemon_refuses_is_told_where_it_was_typed_and_can_be_mended() -> None:
    """In its own words; the text stays."""
    feed = made_feed()
    accept = feed.attach

    def refuse(program: int, source: str) -> None:
        raise ConfigError(source, f"no event of that name for program {program}")

    feed.attach = refuse  # type: ignore[assignment, method-assign]

    async def steps(top: Dashboard) -> None:
        await top.press("2", "a")
        await top.pilot.press(*"nonsense", "enter")
        await top.says("nonsense: no event of that name", "Attach syscalls/on_enter")
        line = top.screen.query_one(Input)
        assert line.value == "nonsense"
        feed.attach = accept  # type: ignore[method-assign]
        await top.pilot.press("home", *"non", "enter")
        await top.told("runs on nonnonsense now")
        await top.until(lambda: not isinstance(top.screen, Ask))

    dashboard(feed, steps)
    assert feed.attached == [(1, "nonnonsense")]


def test_tab_completes_an_event_that_is_known() -> None:
    """What runs already comes first, then what the program's type runs on."""
    feed = made_feed()

    async def steps(top: Dashboard) -> None:
        await top.press("2", "a")
        await top.pilot.press(*"syscall:opena")
        await top.says("syscall:openat:enter")
        await top.pilot.press("tab", "enter")
        await top.told("runs on syscall:openat:enter now")

    dashboard(feed, steps)
    assert feed.attached == [(1, "syscall:openat:enter")]


def test_an_event_that_another_link_means_too_is_a_warning() -> None:
    """The program runs twice for it."""
    feed = made_feed()
    accept = feed.attach
    feed.attach = lambda *asked: replace(accept(*asked), overlaps=("syscall:*:enter",))  # type: ignore[method-assign]

    async def steps(top: Dashboard) -> None:
        await top.press("2", "a")
        await top.pilot.press(*"syscall:openat:enter", "enter")
        await top.told("it runs on syscall:*:enter too: twice")

    dashboard(feed, steps)


def test_the_dialog_says_how_long_it_lasts() -> None:
    """A session in this process ends with the dashboard."""
    for config, words in (("/etc/tracerd/tracerd.toml", "into /var/lib/tracerd/state.json"), ("", "until you leave")):

        async def steps(top: Dashboard, words: str = words) -> None:
            await top.press("2", "a")
            await top.says(words)

        dashboard(made_feed(config=config), steps)


def test_of_many_programs_one_is_typed() -> None:
    """Tab completes it, a mistake is told with what was probably meant, and the event comes next."""
    feed = made_feed()
    look = feed.look()
    programs = [replace(look.programs[0], id=number, name=f"on_{number}") for number in range(1, 13)]
    feed.look = lambda: replace(look, programs=tuple(programs))  # type: ignore[method-assign]

    async def steps(top: Dashboard) -> None:
        await top.press("5", "a")
        await top.pilot.press(*"syscalls/of_12", "enter")
        await top.says("no syscalls/of_12 here; did you mean syscalls/on_12?")
        await top.pilot.press(*["backspace"] * 5, *"on_12", "tab", "enter")
        await top.says("Attach syscalls/on_12")
        await top.pilot.press(*"syscall:read:enter", "enter")
        await top.until(lambda: feed.attached == [(12, "syscall:read:enter")])

    dashboard(feed, steps)


@pytest.mark.parametrize(("role", "options"), [("read", {}), ("admin", {"read_only": True}), ("admin", {"web": True})])
def test_who_may_only_read_sees_no_keys_that_change_anything(role: str, options: dict[str, bool]) -> None:
    """By the daemon's word, by choice, or in a browser."""
    feed = made_feed(role=role)

    async def steps(top: Dashboard) -> None:
        for place in "25":
            await top.press(place, "a", "d")
            assert "Attach" not in top.text
            assert "Detach" not in top.text
            await top.press("question_mark")
            await top.says("Quit")
            assert "Attach" not in top.text
            await top.press("escape")
        await top.says("read-only")

    dashboard(feed, steps, (120, 50), **options)
    assert (feed.attached, feed.detached) == ([], [])
