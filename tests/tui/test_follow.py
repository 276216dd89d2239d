"""The thread that follows a feed: the newest only, looks beside, patience while nobody answers."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.tui.feeds import MadeFeed, made_feed
from tui.follow import Away, Follower, Sight, Told

SECONDS = 10.0


@contextmanager
def following(feed: MadeFeed) -> Iterator[tuple[Follower, threading.Semaphore]]:
    """Follow a feed; the semaphore tells of news."""
    news = threading.Semaphore(0)
    follower = Follower(feed.connect, 0.1, news.release)
    follower.start()
    try:
        yield follower, news
    finally:
        follower.stop()
        feed.gone = True


def await_told(follower: Follower, news: threading.Semaphore) -> Told:
    assert news.acquire(timeout=SECONDS)
    told = follower.take()
    assert told is not None
    return told


def test_a_moment_comes_with_a_look() -> None:
    """What the daemon says of itself is from about then."""
    feed = made_feed()
    with following(feed) as (follower, news):
        told = await_told(follower, news)
        assert isinstance(told, Sight)
        assert told.moment.taken_ns == feed.moment().taken_ns
        assert told.look.host == "atlas"


def test_who_is_slow_gets_the_newest_only() -> None:
    """Nothing piles up: one piece of news for many moments."""
    feed = made_feed()
    with following(feed) as (follower, news):
        assert news.acquire(timeout=SECONDS)
        for _ in range(5):
            feed.tick()
        deadline = time.monotonic() + SECONDS
        told: Told | None = None
        while time.monotonic() < deadline:
            told = follower.take() or told
            if isinstance(told, Sight) and told.moment.taken_ns == feed.moment().taken_ns:
                break
            time.sleep(0.01)
        assert isinstance(told, Sight)
        assert told.moment.taken_ns == feed.moment().taken_ns


def test_while_nobody_answers_it_says_why_and_tries_again() -> None:
    """A daemon that is restarted is found again without anybody's doing."""
    feed = made_feed(gone=True)
    with following(feed) as (follower, news):
        told = await_told(follower, news)
        assert isinstance(told, Away)
        assert "no daemon answers" in told.reason
        feed.gone = False
        while not isinstance(told := await_told(follower, news), Sight):
            pass


def test_another_interval_leaves_one_thread_that_counts() -> None:
    """The one before it ends with its next moment and tells nothing any more."""
    feed = made_feed()
    with following(feed) as (follower, news):
        await_told(follower, news)
        follower.start(5.0)
        assert follower.interval == 5.0
        feed.tick()
        feed.tick()
        assert isinstance(await_told(follower, news), Sight)
        deadline = time.monotonic() + SECONDS
        while sum(each.name == "follow" for each in threading.enumerate()) > 1 and time.monotonic() < deadline:
            feed.tick()
            time.sleep(0.02)
        assert sum(each.name == "follow" for each in threading.enumerate()) == 1
