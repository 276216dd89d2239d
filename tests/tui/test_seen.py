"""What was seen: rates between moments, histories, restarts, copies that were shared."""

from __future__ import annotations

import numpy as np

from tests.tui.feeds import made_feed
from tests.tui.seeing import seen_after
from tui.model.seen import LEAST_SPAN, MOST_SPAN, Seen, bad, span_ns, totals


def test_rates_come_from_the_moments_own_times() -> None:
    """250,000 events a second at two events and one tick: two seconds between moments change nothing."""
    feed = made_feed()
    seen = Seen()
    seen.see(feed.moment(), feed.look())
    feed.at += 2
    seen.see(feed.moment(), feed.look())
    assert seen.seconds == 2
    assert seen.produced.last == 500_001
    assert round(seen.cpu.last, 6) == 0.043


def test_the_first_moment_has_no_rates() -> None:
    """There is nothing to compare it with."""
    seen = seen_after(moments=1)
    assert len(seen.produced) == 0
    assert seen.seconds == 0


def test_a_copy_that_was_shared_is_not_another_moment() -> None:
    """Two looks within a short time get the same moment: its rate would be made of nothing."""
    feed, seen = made_feed(), Seen()
    seen.see(feed.moment(), feed.look())
    feed.at += 1
    seen.see(feed.moment(), feed.look())
    seen.see(feed.moment(), feed.look())
    assert len(seen.produced) == 1
    assert seen.seconds == 1


def test_a_daemon_that_begins_anew_is_told_and_its_smaller_totals_are_no_rate() -> None:
    """Another process id, or less time since its start."""
    feed, seen = made_feed(), Seen()
    assert not seen.see(feed.moment(), feed.look())
    feed.at += 5
    feed.started_at, feed.pid = feed.at - 1, 4712
    assert seen.see(feed.moment(), feed.look())
    assert seen.before is None
    assert seen.restarts == 1


def test_the_same_process_whose_uptime_fell_has_begun_anew() -> None:
    """Process ids come again, in a container always the same one."""
    feed, seen = made_feed(), Seen()
    seen.see(feed.moment(), feed.look())
    feed.at += 5
    feed.started_at = feed.at - 1
    assert seen.see(feed.moment(), feed.look())


def test_what_was_seen_stays_while_nobody_answers() -> None:
    """The screens go on to show it, and say that it is old."""
    seen = seen_after()
    seen.lose("no daemon answers there")
    assert seen.state == "away"
    assert seen.moment is not None


def test_before_the_first_moment_nobody_is_away() -> None:
    """It has not begun yet: proofs may take their time."""
    seen = Seen()
    seen.lose("not yet")
    assert (seen.state, seen.reason) == ("starting", "not yet")


def test_a_program_has_rate_share_and_times_of_the_last_interval() -> None:
    """on_exit: 250,000 runs a second of 140 ns are 3.5 % of one CPU."""
    ran = seen_after().runtime("syscalls", "on_exit")
    assert ran is not None
    assert ran.rate == 250_000
    assert round(ran.mean_ns) == 140
    assert round(ran.share, 4) == 0.035
    assert 512 <= ran.p99_ns <= 1024


def test_a_program_that_did_not_run_has_the_times_it_had_before() -> None:
    """on_tick runs once a second: none of its runs was timed in between."""
    feed = made_feed(at=64)
    ran = seen_after(feed).runtime("slow", "on_tick")
    assert ran is not None
    assert (ran.rate, ran.timed, ran.mean_ns) == (1.0, 1, 900.0)


def test_all_balances_together_still_balance() -> None:
    """Lost events are bad ones, filtered are not."""
    seen = seen_after(made_feed(lost=77))
    assert seen.moment is not None
    together = totals(seen.moment)
    assert (bad(together), together.missing) == (77, 0)


def test_charts_look_back_as_far_as_there_is_something_within_limits() -> None:
    """Twenty seconds at least, two minutes at most."""
    seen = seen_after(moments=3)
    assert span_ns(seen.produced) == LEAST_SPAN
    assert span_ns(seen_after(moments=200).produced) == MOST_SPAN
    assert np.all(np.diff(seen.produced.times) == 10**9)
