"""The first line: it tells the most that there is room for, and nothing that is not known now."""

from __future__ import annotations

from tests.tui.feeds import made_feed
from tests.tui.seeing import seen_after
from tui.model.seen import Seen
from tui.widgets.head import fitted, parts_of


def line(seen: Seen, width: int, *, paused: bool = False) -> str:
    return fitted(parts_of(seen, paused=paused, interval=0.25, read_only=True), width).plain.rstrip()


def test_with_room_everything_is_told() -> None:
    """Left who it is, right how much passes, up to the edge."""
    told = line(seen_after(), 120)
    assert len(told) == 120
    for words in ("tracerd ● live atlas up", "read-only", "500,001 events/s", "0 lost/s", "4.3% CPU", "↻0.25s"):
        assert words in told


def test_on_a_narrow_terminal_what_matters_least_gives_way() -> None:
    """Uptime, then CPU, then the host's name; state, events and losses stay, whole."""
    seen = seen_after()
    at_80, at_60 = line(seen, 80), line(seen, 60)
    assert " up " not in at_80
    assert at_80.endswith("↻0.25s")
    assert "…" not in at_80 + at_60
    assert "500,001 events/s  0 lost/s" in at_60
    assert "atlas" not in at_60
    assert line(seen, 20) == "tracerd ● live"
    assert line(seen, 20, paused=True).startswith("tracerd ● live")


def test_a_session_of_the_dashboard_itself_says_so() -> None:
    """It ends with it; a daemon does not."""
    assert "atlas in this process" in line(seen_after(made_feed(config="")), 120)
    assert "in this process" not in line(seen_after(), 120)


def test_while_it_is_away_the_line_says_why_and_since_when_and_no_numbers() -> None:
    """Old numbers are none of now."""
    seen = seen_after()
    seen.lose("no daemon answers at /run/tracerd/control.sock")
    told = line(seen, 120)
    assert "✗ away no daemon answers at /run/tracerd/control.sock" in told
    assert "as of" in told
    assert "events/s" not in told


def test_after_a_restart_rates_are_unknown_until_there_are_two_moments() -> None:
    """The rate of before would look like the new one's."""
    feed = made_feed()
    seen = seen_after(feed)
    feed.started_at, feed.pid = feed.at, 4712
    seen.see(feed.moment(), feed.look())
    assert "- events/s  - lost/s" in line(seen, 120)
