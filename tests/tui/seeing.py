"""What the dashboard's model knows after it has seen a made feed for a while."""

from __future__ import annotations

from tests.tui.feeds import MadeFeed, made_feed
from tui.model.seen import Seen


def seen_after(feed: MadeFeed | None = None, moments: int = 3) -> Seen:
    """Return a model that has seen so many moments, a second apart."""
    feed, seen = feed or made_feed(), Seen()
    for _ in range(moments):
        seen.see(feed.moment(), feed.look())
        feed.at += 1
    return seen
