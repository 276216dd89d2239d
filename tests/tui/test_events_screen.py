"""The screen of records: what comes is seen, held, filtered, expanded, and how much of it was missed is told."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

import pytest

from tests.tui.dashboard import Dashboard, dashboard
from tests.tui.rings import RingFeed
from tui.remembered import Remembered
from tui.screens.dialogs import Row
from tui.screens.events import Events
from tui.widgets.grid import Grid
from tui.widgets.log import Log

SIZES = [(80, 24), (250, 70)]
Steps = Callable[[Dashboard], Awaitable[None]]


def opened(
    steps: Steps, feed: RingFeed, size: tuple[int, int] = (80, 24), remembered: Remembered | None = None
) -> None:
    """Take steps on the screen when all streams are followed."""

    async def run(top: Dashboard) -> None:
        await top.press("4")
        await top.until(lambda: feed.opened == len(feed.ring_names) + 1, "readers")
        await steps(top)

    dashboard(feed, run, size, remembered)


def log(top: Dashboard) -> Log:
    return top.screen.query_one(Log)


def numbered(count: int, begin: int = 0) -> list[object]:
    return [{"n": n, "comm": "dd" if n % 2 else "cat"} for n in range(begin, begin + count)]


def row(n: int, width: int) -> str:
    """How such a record reads where all are of one stream: columns, numbers to the right."""
    return f"{'dd' if n % 2 else 'cat':<4}  {n:>{width}}"


@pytest.mark.parametrize("size", SIZES)
def test_records_and_printed_lines_are_seen_as_they_come(size: tuple[int, int]) -> None:
    """One line each, with stream and fields, the streams beside or above."""
    feed = RingFeed(dropped=3, missed=2)

    async def steps(top: Dashboard) -> None:
        feed.put({"pid": 7, "comm": "two words", "latency_ns": 12_000_000})
        await top.says("comm       pid  latency", "two words    7   12.0ms")
        feed.print("tick \x1b[2J[red] 12")
        await top.says("slow/slow_calls", 'comm="two words"  pid=7  latency=12.0ms')
        await top.says("bpf_printk", "tick \\x1b[2J[red] 12", "2 lines", "● following")
        await top.tick()
        await top.says("stream", "records", "dropped", "missed", "followed")
        row = top.screen.query_one(Grid).cursor_values
        assert row is not None
        assert (row["dropped"], row["missed"], row["read"]) == (3, 2, 1)

    opened(steps, feed, size)


def test_a_daemon_without_rings_says_how_to_get_records() -> None:
    """And says nothing else; a printed line is shown all the same."""
    feed = RingFeed(ring_names=())

    async def steps(top: Dashboard) -> None:
        await top.says("no loaded probe has a ring buffer", "bpf_printk(", "BPF_MAP_TYPE_RINGBUF")
        feed.print("hello")
        await top.says("hello")
        assert "BPF_MAP_TYPE_RINGBUF" not in top.text

    opened(steps, feed)


def test_a_ring_that_is_quiet_says_so() -> None:
    """What comes is shown."""

    async def steps(top: Dashboard) -> None:
        await top.says("Nothing has come yet")

    opened(steps, RingFeed())


def test_space_holds_the_picture_and_tells_how_many_came_meanwhile() -> None:
    """Nothing is lost by it."""
    feed = RingFeed()

    async def steps(top: Dashboard) -> None:
        feed.put(*numbered(2))
        await top.says("2 lines")
        await top.press("space")
        feed.put(*numbered(3, begin=100))
        await top.says("PAUSED +3")
        assert row(101, 3) not in top.text
        await top.press("space")
        await top.says("5 lines", row(102, 3), "following")

    opened(steps, feed)


def test_scrolling_back_stops_following_and_the_lines_stay_where_they_are() -> None:
    """G follows the newest again."""
    feed = RingFeed()

    async def steps(top: Dashboard) -> None:
        feed.put(*numbered(100))
        await top.says(row(99, 2))
        await top.press("pageup", "pageup")
        before = re.findall("(?:cat|dd) +([0-9]+)", top.text)
        feed.put(*numbered(30, begin=100))
        await top.says("130 lines", "more below  G follows")
        assert re.findall("(?:cat|dd) +([0-9]+)", top.text) == before
        await top.press("G")
        await top.says(row(129, 3), "● following")

    opened(steps, feed)


@pytest.mark.parametrize(
    ("keys", "place"),
    [
        (["up"], 99), (["k", "k"], 98), (["k", "k", "j"], 99), (["home"], 0), (["g", "down"], 1), (["g", "up"], 0),
        (["up", "down"], None), (["g", "end"], None), (["up", "pageup", "pagedown", "pagedown"], None),
        (["down"], None),
        (["g", "pagedown"], 15), (["g", "ctrl+d"], 7), (["g", "ctrl+d", "ctrl+u"], 0),
    ],
)  # fmt: skip
def test_keys_go_through_the_lines(keys: list[str], place: int | None) -> None:
    """Past the last line it follows again: no line is under a cursor then."""
    feed = RingFeed()

    async def steps(top: Dashboard) -> None:
        feed.put(*numbered(100))
        await top.says(row(99, 2))
        await top.press(*keys)
        assert log(top).cursor == place
        assert log(top).following is (place is None)

    opened(steps, feed)


def test_lines_that_are_held_stay_in_sight_when_the_oldest_give_way() -> None:
    """The cursor goes with its line."""
    feed = RingFeed()

    async def steps(top: Dashboard) -> None:
        feed.put(*numbered(10_000))
        await top.says(row(9999, 4))
        await top.press("up", "up", "up")
        feed.put(*numbered(500, begin=20_000))
        await top.says("500 older ones gave way")
        at = log(top).cursor
        assert at is not None
        assert log(top).lines[at].value == {"n": 9997, "comm": "dd"}
        assert row(9997, 4) in top.text

    opened(steps, feed)


@pytest.mark.parametrize("key", ["e", "enter"])
def test_a_line_is_expanded_with_all_of_its_fields(key: str) -> None:
    """The newest, or the one under the cursor."""
    feed = RingFeed()

    async def steps(top: Dashboard) -> None:
        feed.put({"pid": 1, "latency_ns": 1_500}, {"pid": 2, "latency_ns": 12_000_000})
        await top.says("2 lines")
        await top.press(key)
        await top.says("12.0ms  (12000000)")
        assert isinstance(top.screen, Row)
        await top.press("escape", "up", "up", key)
        await top.says("1.50µs  (1500)")

    opened(steps, feed)


def test_the_filter_hides_lines_and_escape_shows_them_again() -> None:
    """Also of those that come; it is remembered."""
    feed, remembered = RingFeed(), Remembered()

    async def steps(top: Dashboard) -> None:
        feed.put(*numbered(6))
        await top.says("6 lines")
        await top.press("slash", *"comm", "equals_sign", *"dd", "enter")
        await top.says("3 of 6 lines", "filter: comm=dd")
        feed.put(*numbered(2, begin=6))
        await top.says("4 of 8 lines", row(7, 1))
        assert row(6, 1) not in top.text
        assert remembered.table("events/lines").filter == "comm=dd"
        assert isinstance(top.app.focused, Log)
        await top.press("escape")
        await top.says("8 lines", row(6, 1))

    opened(steps, feed, remembered=remembered)


def test_a_remembered_filter_is_there_from_the_beginning() -> None:
    """And says so."""
    feed, remembered = RingFeed(), Remembered()
    remembered.table("events/lines").filter = "n>3"

    async def steps(top: Dashboard) -> None:
        feed.put(*numbered(6))
        await top.says("2 of 6 lines", "filter: n>3")

    opened(steps, feed, remembered=remembered)


def test_a_filter_that_is_not_understood_says_what_may_be_wrong() -> None:
    """A field that no line has is named with those that there are, and hides nothing."""
    feed = RingFeed()

    async def steps(top: Dashboard) -> None:
        feed.put(*numbered(6))
        await top.says("6 lines")
        await top.press("slash", *"com", "equals_sign", *"dd")
        await top.says("6 lines", "no field 'com'; did you mean comm? there are comm, n")
        assert "of 6 lines" not in top.text
        await top.press("escape", "slash", *"what", "equals_sign", *"dd")
        await top.says("no field 'what'; there are comm, n")
        await top.press("escape", "slash", *"comm", "greater_than_sign")
        await top.says("needs a value behind it")

    opened(steps, feed)


def test_enter_on_a_stream_shows_it_alone_and_once_more_shows_all() -> None:
    """Escape does, too."""
    feed = RingFeed()

    async def steps(top: Dashboard) -> None:
        feed.put(*numbered(2))
        feed.print("tick")
        await top.says("3 lines")
        top.screen.query_one(Grid).focus()
        await top.press("G", "enter")
        await top.says("only bpf_printk", "1 of 3 lines", "only this one")
        assert "n=1" not in top.text
        await top.press("enter")
        await top.says("all streams", "3 lines", "n=1")
        await top.press("enter", "escape")
        await top.says("all streams", "3 lines")

    opened(steps, feed)


def test_c_clears_the_lines_and_what_comes_is_seen() -> None:
    """Nothing else is changed."""
    feed = RingFeed()

    async def steps(top: Dashboard) -> None:
        feed.put(*numbered(3))
        await top.says("3 lines")
        await top.press("c")
        await top.says("0 lines")
        feed.put({"n": 77})
        await top.says("  77", "1 line")

    opened(steps, feed)


def test_long_lines_are_moved_sideways() -> None:
    """Time and stream stay, marks say where there is more; fields of one stream alone move with their names."""
    feed = RingFeed()

    async def steps(top: Dashboard) -> None:
        feed.put({f"field{n}": n for n in range(30)})
        await top.says("read at       field0  field1", "…")
        await top.press(*["right"] * 4)
        await top.says("read at       field4  field5", "‹    4       5")
        await top.press("h", "h", "h", "h", "l", "left")
        await top.says("field0")
        feed.print("tick")
        await top.says("slow/slow_calls  field0=0")
        await top.press(*["right"] * 4)
        await top.says("slow/slow_calls  ‹", "field5=5")
        assert "field0=0" not in top.text

    opened(steps, feed)


def test_lines_begin_at_the_left_when_others_are_shown() -> None:
    """By another filter, of one stream, or of another one that begins to speak."""
    feed = RingFeed()

    async def steps(top: Dashboard) -> None:
        feed.put({f"field{n}": n for n in range(30)})
        await top.says("field0")
        await top.press("right", "right", "slash", *"field2", "enter")
        await top.says("read at       field0")
        await top.press("right", "escape")
        await top.says("read at       field0")
        await top.press("right")
        feed.print("tick")
        await top.says("slow_calls  field0=0", "bpf_printk       tick")
        await top.press("right", "right", "tab", "g", "enter")
        await top.says("only slow/slow_calls", "read at       field0")
        await top.press("tab", "right", "escape")
        await top.says("all streams", "slow_calls  field0=0")

    opened(steps, feed)


def test_one_streams_fields_stand_in_columns_below_their_names() -> None:
    """Texts first, the short ones before the long; several streams are told apart instead."""
    feed = RingFeed()

    async def steps(top: Dashboard) -> None:
        feed.put({"time_ns": 5, "pid": 7, "path": "/" + "x" * 60, "comm": "sh"}, {"pid": 12345, "comm": "two words"})
        await top.says("read at       comm       path", "pid  time")
        lines = [each for each in top.text.splitlines() if "two words" in each or "xxx" in each]
        assert lines[0][15:].startswith(f"sh         /{'x' * 30}…      7")
        assert lines[1][15:].startswith(f"two words  {'':32}  12345")
        feed.print("tick")
        await top.says('comm="two words"  pid=12345')
        assert "read at" not in top.text

    opened(steps, feed)


def test_the_filter_line_gives_an_example_of_what_is_there() -> None:
    """One that finds something."""
    feed = RingFeed()

    async def steps(top: Dashboard) -> None:
        await top.press("slash")
        await top.says("words, or field=value")
        await top.press("escape")
        feed.put({"pid": 1, "name": "dd"})
        await top.says("1 line")
        await top.press("slash")
        await top.says("words, or name=dd")

    opened(steps, feed)


def test_a_filter_waits_for_a_field_that_is_not_there_yet() -> None:
    """Until then it hides nothing, also where it is remembered from another day."""
    feed, remembered = RingFeed(), Remembered()
    remembered.table("events/lines").filter = "comm=dd"

    async def steps(top: Dashboard) -> None:
        feed.print("tick")
        await top.says("  1 line", "no field 'comm' so far")
        feed.put(*numbered(4))
        await top.says("2 of 5 lines", "filter: comm=dd")

    opened(steps, feed, remembered=remembered)


def test_a_stream_is_chosen_while_the_picture_is_held() -> None:
    """Its lines stand in columns at once."""
    feed = RingFeed()

    async def steps(top: Dashboard) -> None:
        feed.put(*numbered(2))
        feed.print("tick")
        await top.says("3 lines")
        await top.press("space", "tab", "g", "enter")
        await top.says("only slow/slow_calls", "PAUSED", "read at       comm  n")

    opened(steps, feed)


def test_collecting_goes_on_while_another_screen_is_on_top() -> None:
    """What came meanwhile is there at once."""
    feed = RingFeed()

    async def steps(top: Dashboard) -> None:
        await top.press("5")
        feed.put(*numbered(4))
        await top.press("4")
        await top.says("4 lines", row(3, 1))

    opened(steps, feed)


def test_a_click_holds_a_line_and_a_second_one_expands_it() -> None:
    """The mouse wheel stops following, too."""
    feed = RingFeed()

    async def steps(top: Dashboard) -> None:
        feed.put(*numbered(100))
        await top.says(row(99, 2))
        await top.pilot.click(Log, offset=(10, 3))
        await top.until(lambda: log(top).cursor is not None)
        assert not log(top).following
        await top.press("G")
        log(top).scroll_to(y=10, animate=False)
        await top.until(lambda: not log(top).following)
        log(top).scroll_end(animate=False)
        await top.until(lambda: log(top).following)
        await top.pilot.click(Log, offset=(10, 3), times=2)
        await top.until(lambda: isinstance(top.screen, Row))

    opened(steps, feed)


def test_what_is_shown_can_be_exported() -> None:
    """The lines that the filter leaves, not the table of streams."""
    feed = RingFeed()

    async def steps(top: Dashboard) -> None:
        feed.put(*numbered(4))
        await top.says("4 lines")
        await top.press("slash", *"dd", "enter")
        screen = top.screen
        assert isinstance(screen, Events)
        sheet = screen.export_sheet()
        assert sheet.by_name["n"].values.tolist() == [1, 3]

    opened(steps, feed)
