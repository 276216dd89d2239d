"""What is wrong, said in one sentence each, and where to look."""

from __future__ import annotations

from dataclasses import replace

from tests.tui.feeds import made_feed
from tests.tui.seeing import seen_after
from tui.model.alerts import alerts
from tui.model.overview import first_table, wrong
from tui.model.seen import Seen


def said(seen: Seen) -> list[tuple[str, str]]:
    return [(each.screen, each.text) for each in alerts(seen)]


def test_where_nothing_is_wrong_what_runs_is_said() -> None:
    """The made feed has a program with aborted runs: without it all is well."""
    seen = seen_after()
    assert seen.moment is not None
    seen.moment = replace(seen.moment, programs=tuple(replace(each, aborted=0) for each in seen.moment.programs))
    ((mark, text),) = wrong(seen)
    assert mark == "✓"
    assert "3 proved programs on 3 events" in text


def test_losses_lead_to_the_sources_and_say_whether_they_go_on() -> None:
    """Seven a second now; and the next time none any more."""
    feed = made_feed(lost=100)
    seen = seen_after(feed, moments=1)
    feed.lost = 107
    seen.see(feed.moment(), feed.look())
    screen, text = said(seen)[0]
    assert screen == "sources"
    assert "107 of" in text
    assert "7 a second now" in text
    feed.at += 1
    seen.see(feed.moment(), feed.look())
    assert "none just now" in said(seen)[0][1]


def test_the_daemons_reasons_lead_to_their_screens() -> None:
    """By the word they begin with; one of no known kind is said all the same."""
    reasons = ("map 'starts' of probe 'slow' is full: 37 updates were refused", "exporter 'otlp' fails", "no cache: x")
    found = said(seen_after(made_feed(reasons=reasons)))
    assert [screen for screen, text in found if text in reasons] == ["maps", "exports", ""]


def test_records_without_room_and_aborted_runs_are_wrong() -> None:
    """Each with where it is."""
    found = said(seen_after(made_feed(dropped=5)))
    said_of_ring = "ring buffer slow/slow_calls: 5 records found no room; raise its max_entries, or send fewer"
    assert ("events", said_of_ring) in found
    assert any(screen == "programs" and "slow/on_tick: 7 of" in text for screen, text in found)


def test_a_daemon_that_is_away_comes_first() -> None:
    """And why."""
    seen = seen_after()
    seen.lose("socket: nobody listens")
    assert "socket: nobody listens" in alerts(seen)[0].text
    assert alerts(seen)[0].bad


def test_a_map_that_was_full_is_told_when_it_is_no_more() -> None:
    """What it refused stays missing: not all is well."""
    feed = made_feed()
    seen = seen_after(feed)
    assert seen.look is not None
    full = next(info for info in seen.look.maps if info.refused and info.kind != "ringbuf")
    emptied = tuple(replace(info, entries=1) if info is full else info for info in seen.look.maps)
    before = [each.text for each in alerts(seen) if "was full before" in each.text]
    seen.look = replace(seen.look, maps=emptied)
    (now,) = [each for each in alerts(seen) if "was full before" in each.text]
    assert not before
    assert (now.screen, now.bad) == ("maps", False)
    assert f"{full.refused:,} updates are missing" in now.text


def test_notes_are_no_bad_news() -> None:
    """As that somebody has detached a link."""
    found = alerts(seen_after(made_feed(notes=("probe 'syscalls': detached by hand: on_exit",))))
    assert not found[-1].bad


def test_before_anything_is_seen_it_says_what_it_does() -> None:
    """The first thing people read."""
    assert wrong(Seen()) == [("◌", "starting: programs are being proved and attached")]


def test_the_first_table_is_one_that_tells_a_rate() -> None:
    """None before there is any."""
    found = first_table(seen_after())
    assert found is not None
    assert (found[0], found[1].name) == ("syscalls", "syscalls")
    assert first_table(Seen()) is None
