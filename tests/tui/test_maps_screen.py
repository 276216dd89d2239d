"""The Maps screen and the rows behind Enter: every key, at two sizes, and maps that answer late, wrongly or never."""

from __future__ import annotations

from dataclasses import replace

from tests.tui.dashboard import Dashboard, dashboard
from tests.tui.map_feed import BOTH, IO, LARGE, MapFeed, detail, filter_rows, grid, open_map, tick
from tracerd.daemon.feed import MapInfo
from tui.remembered import Remembered
from tui.screens.maps import Maps
from tui.widgets.facts import Facts
from tui.widgets.grid import Grid

# ---- the list


@BOTH
def test_the_list_has_tables_then_maps_and_says_what_refuses(size: tuple[int, int]) -> None:
    """In one line each, with the one under the cursor in words."""

    async def steps(top: Dashboard) -> None:
        await top.press("3")
        await top.says("syscalls/syscalls", "table", "syscalls/calls", "percpu_hash", "! refuses", "ringbuf")
        await top.says("pid, comm, syscall, count")
        lines = top.text.split("\n")
        assert all(len(line) <= size[0] for line in lines)
        tables, maps = (next(n for n, line in enumerate(lines) if each in line) for each in ("  table ", "percpu_hash"))
        assert tables < maps

    dashboard(MapFeed(), steps, size)


@BOTH
def test_the_map_under_the_cursor_is_told_in_words(size: tuple[int, int]) -> None:
    """With the way out of what is wrong."""

    async def steps(top: Dashboard) -> None:
        await top.press("3", "end")
        await top.says("slow/starts: hash", "! 37 updates found no room", "raise max_entries of starts")
        await top.press("up")
        await top.says("ring buffer: records on their way out")

    dashboard(MapFeed(), steps, size)


def test_a_large_terminal_shows_the_rows_of_the_table_under_the_cursor_beside_the_list() -> None:
    """They come with every moment; a map is not asked for before it is opened."""

    async def steps(top: Dashboard) -> None:
        assert isinstance(top.feed, MapFeed)
        await top.press("3")
        await top.says("syscalls/calls", "count/s▼", "epoll_wait")
        await top.press("down")
        await top.until(lambda: "epoll_wait" not in top.text)
        assert top.feed.asked == 0

    dashboard(MapFeed(), steps, LARGE)


def test_enter_opens_and_escape_comes_back_to_the_same_row() -> None:
    """Whether by keys or by a double click."""

    async def steps(top: Dashboard) -> None:
        await top.press("3", "down", "enter")
        await top.says("syscalls/calls  percpu_hash  60 rows")
        await top.press("escape")
        await top.until(lambda: isinstance(top.screen, Maps))
        assert (grid(top).cursor_key or ("",))[0] == "syscalls/calls"
        await top.pilot.click(Grid, offset=(5, 1), times=2)
        await top.says("syscalls/syscalls  table  60 rows")

    dashboard(MapFeed(), steps)


def test_a_ring_buffer_is_looked_at_where_its_records_are() -> None:
    """It has no elements."""

    async def steps(top: Dashboard) -> None:
        await top.press("3", "slash", *"ringbuf", "enter", "enter")
        await top.until(lambda: top.app.current_mode == "events")

    dashboard(MapFeed(), steps)


def test_a_pinned_file_that_nobody_has_loaded_says_why_there_is_nothing_to_see() -> None:
    """Only its size is known."""

    async def steps(top: Dashboard) -> None:
        await top.press("3", "end", "enter")
        await top.says("no probe has loaded")
        assert isinstance(top.screen, Maps)

    kept = MapInfo(0, "kept", "", "hash", 4, 8, 10, 1, 0, 4096, 1, False, pin="kept")
    dashboard(MapFeed(more=(kept,)), steps, (120, 30))


def test_nothing_loaded_says_how_to_load_something() -> None:
    """One sentence instead of an empty table."""

    async def steps(top: Dashboard) -> None:
        await top.press("3")
        top.app.seen.moment = replace(top.feed.moment(), probes={})
        look = top.app.seen.look
        assert look is not None
        top.app.seen.look = replace(look, maps=())
        top.app.show_now()
        await top.says("tracerd prog load syscalls")
        assert top.screen.query_one(Facts).display

    dashboard(MapFeed(), steps)


def test_order_and_filter_of_the_list_are_remembered() -> None:
    """By the name of the list."""
    remembered = Remembered()

    async def steps(top: Dashboard) -> None:
        await top.press("3", "s", "slash", *"hash", "enter")
        await top.says("filter: hash")
        assert remembered.table("maps/maps").filter == "hash"
        assert remembered.table("maps/maps").sort == "name"

    dashboard(MapFeed(), steps, remembered=remembered)


# ---- rows


@BOTH
def test_a_table_has_its_rates_at_once(size: tuple[int, int]) -> None:
    """The moment before is known already."""

    async def steps(top: Dashboard) -> None:
        await open_map(top, "table syscalls/syscalls")
        await top.says("40,000", "postgres", "epoll_wait", "9.00µs")
        await top.press("e")
        await top.says("count/s  40,000", "p99      9.00µs")

    dashboard(MapFeed(), steps, size)


@BOTH
def test_a_map_is_asked_for_at_every_moment_and_has_rates_from_the_second_on(size: tuple[int, int]) -> None:
    """30,000 calls a second in its first row."""

    async def steps(top: Dashboard) -> None:
        assert isinstance(top.feed, MapFeed)
        await open_map(top, "syscalls/calls")
        await tick(top, 2)
        await top.says("30,000", "count/s▼")
        assert top.feed.asked == 3

    dashboard(MapFeed(), steps, size)


def test_enter_shows_all_of_a_row_while_there_is_no_picture() -> None:
    """As e does."""

    async def steps(top: Dashboard) -> None:
        await open_map(top, "syscalls/calls")
        await top.press("enter")
        await top.says("slots    [0]")

    dashboard(MapFeed(), steps, (100, 40))


@BOTH
def test_p_shows_a_row_for_each_cpu(size: tuple[int, int]) -> None:
    """And all of them added up again; a map without values for each CPU has no such key."""

    async def steps(top: Dashboard) -> None:
        await open_map(top, "syscalls/calls")
        await tick(top)
        await top.press("p")
        await top.says("120 rows  by CPU", "20,000", "10,000")
        await filter_rows(top, "cpu=1")
        await top.says("60 of 120 rows")
        await top.press("escape", "p")
        await top.says("60 rows  all CPUs", "30,000")
        await top.press("escape")
        await open_map(top, "slow/starts")
        assert "p" not in top.screen.active_bindings or not top.screen.active_bindings["p"].enabled

    dashboard(MapFeed(), steps, size)


# ---- maps that answer late, wrongly or never


def test_a_map_that_answers_late_is_not_asked_again_meanwhile() -> None:
    """The next question comes with the moment after the answer."""

    async def steps(top: Dashboard) -> None:
        feed = top.feed
        assert isinstance(feed, MapFeed)
        await open_map(top, "syscalls/calls")
        feed.answering.clear()
        await top.tick(3)
        assert feed.asked == 2
        feed.answering.set()
        await top.until(lambda: not detail(top)._asking)
        await tick(top)
        assert feed.asked == 3

    dashboard(MapFeed(), steps)


def test_while_paused_nothing_is_asked_and_nothing_changes() -> None:
    """But a map that is opened then is read once."""

    async def steps(top: Dashboard) -> None:
        feed = top.feed
        assert isinstance(feed, MapFeed)
        await top.press("space")
        await open_map(top, "syscalls/calls")
        await top.says("300,000")
        before = top.text.split("\n")[3:]
        await top.tick(3)
        assert top.text.split("\n")[3:] == before
        assert feed.asked == 1
        await top.press("space")
        await top.until(lambda: feed.asked == 2)

    dashboard(MapFeed(at=9), steps)


def test_an_answer_that_comes_after_the_pause_is_not_shown() -> None:
    """The picture was to stand still."""

    async def steps(top: Dashboard) -> None:
        feed = top.feed
        assert isinstance(feed, MapFeed)
        await open_map(top, "syscalls/calls")
        feed.answering.clear()
        await top.tick()
        await top.press("space")
        before = top.text.split("\n")[3:]
        feed.answering.set()
        await top.until(lambda: not detail(top)._asking)
        assert top.text.split("\n")[3:] == before

    dashboard(MapFeed(), steps)


@BOTH
def test_a_map_that_was_unloaded_says_so_and_stays_as_it_was(size: tuple[int, int]) -> None:
    """Loaded again under the same name, it goes on."""

    async def steps(top: Dashboard) -> None:
        feed = top.feed
        assert isinstance(feed, MapFeed)
        await open_map(top, "syscalls/calls")
        feed.hidden = frozenset(("calls",))
        await top.until(lambda: not feed.tick() and "! it is unloaded; this is as it was at" in top.text)
        assert grid(top).total_rows == 60
        feed.hidden = frozenset()
        await top.until(lambda: not feed.tick() and "! it is unloaded" not in top.text)

    dashboard(MapFeed(), steps, size)


def test_a_map_that_is_gone_between_two_looks_says_so_too() -> None:
    """The daemon does not know its number any more."""

    async def steps(top: Dashboard) -> None:
        feed = top.feed
        assert isinstance(feed, MapFeed)
        await open_map(top, "disk/io")
        feed.more = (replace(IO, id=99),)
        await top.until(lambda: not feed.tick() and "! it is unloaded" in top.text)
        feed.more = (IO,)
        await top.until(lambda: not feed.tick() and "! it is unloaded" not in top.text)

    dashboard(MapFeed(more=(IO,)), steps)


def test_what_went_wrong_is_told_once_in_its_line_and_it_is_asked_again() -> None:
    """No pile of messages."""

    async def steps(top: Dashboard) -> None:
        feed = top.feed
        assert isinstance(feed, MapFeed)
        await open_map(top, "syscalls/calls")
        feed.broken = True
        await top.until(lambda: not feed.tick() and "! map: cannot be read just now" in top.text)
        feed.broken = False
        await top.until(lambda: not feed.tick() and "! map:" not in top.text)

    dashboard(MapFeed(), steps, (120, 30))


def test_a_table_whose_probe_is_unloaded_stays_as_it_was() -> None:
    """And says so."""

    async def steps(top: Dashboard) -> None:
        await open_map(top, "table syscalls/syscalls")
        top.app.seen.moment = replace(top.feed.moment(), probes={})
        top.app.show_now()
        await top.says("! the probe is unloaded; this is as it was at", "postgres")

    dashboard(MapFeed(), steps)


def test_without_a_daemon_it_says_of_when_it_is() -> None:
    """And asks nobody."""

    async def steps(top: Dashboard) -> None:
        feed = top.feed
        assert isinstance(feed, MapFeed)
        await open_map(top, "syscalls/calls")
        asked = feed.asked
        feed.gone = True
        await top.says("! no daemon answers; this is as it was at")
        assert feed.asked == asked

    dashboard(MapFeed(), steps)


@BOTH
def test_help_explains_rates_and_how_to_read_a_histogram(size: tuple[int, int]) -> None:
    """And lists the keys that work now."""

    async def steps(top: Dashboard) -> None:
        await open_map(top, "syscalls/calls")
        await top.press("question_mark")
        await top.says("x/s is how much x has grown")

    dashboard(MapFeed(), steps, size)
