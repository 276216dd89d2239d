"""Printed lines and who follows them: each reads at his own pace, and what he misses is counted to the line."""

from __future__ import annotations

import threading

from tracerd.runtime.printed import PrintedLines


def lines(first: int, count: int) -> list[str]:
    """Return so many numbered lines."""
    return [f"line {number}" for number in range(first, first + count)]


def test_a_new_follower_gets_the_last_lines_and_then_what_comes() -> None:
    """What was printed just before he looked is what he came for."""
    printed = PrintedLines()
    printed.add(lines(0, 500))
    follower = printed.follow()
    assert follower.take(0) == (lines(300, 200), 0)
    assert follower.take(0) == ([], 0)
    printed.add(lines(500, 2))
    assert follower.take(0) == (lines(500, 2), 0)
    assert printed.follow(at_first=1).take(0) == (["line 501"], 0)


def test_a_slow_follower_misses_the_oldest_and_is_told_how_many() -> None:
    """Others miss nothing for his sake."""
    printed = PrintedLines(kept=10)
    slow, prompt = printed.follow(), printed.follow()
    got = []
    for first in range(0, 40, 10):
        printed.add(lines(first, 10))
        got += prompt.take(0)[0]
    assert (got, prompt.lost) == (lines(0, 40), 0)
    assert slow.take(0) == (lines(30, 10), 30)
    printed.add(lines(40, 15))
    assert slow.take(0) == (lines(45, 10), 35)


def test_lines_that_never_came_are_lost_to_those_who_followed_then() -> None:
    """Not to who comes later; they are told without a line, too."""
    printed = PrintedLines()
    before = printed.follow()
    printed.add(["one"], dropped=3)
    later = printed.follow()
    assert (before.take(0), later.take(0)) == ((["one"], 3), (["one"], 0))
    printed.add([], dropped=2)
    assert (before.take(0), later.take(0)) == (([], 5), ([], 2))
    assert printed.dropped == 5


def test_who_waits_is_woken_by_the_next_line() -> None:
    """Or has nothing when the time is over."""
    printed = PrintedLines()
    follower = printed.follow()
    assert follower.take(0.01) == ([], 0)
    adding = threading.Timer(0.05, printed.add, [["now"]])
    adding.start()
    assert follower.take(60) == (["now"], 0)
    adding.join()


def test_at_the_end_what_waits_is_still_given() -> None:
    """Then there is no more, for those who come after it neither, and nobody waits any longer."""
    printed = PrintedLines()
    printed.add(["first"])
    follower = printed.follow()
    printed.end()
    late = printed.follow()
    for each in (follower, late):
        assert not each.ended
        assert each.take(60) == (["first"], 0)
        assert each.ended
        assert each.take(60) == ([], 0)
    printed.end()


def test_who_leaves_is_no_follower_any_more() -> None:
    """May be said twice; he waits no longer, and whoever stays goes on."""
    printed = PrintedLines()
    assert not printed.followed
    goes, stays = printed.follow(), printed.follow()
    goes.close()
    goes.close()
    assert (goes.take(60), goes.ended) == (([], 0), True)
    printed.add(["more"])
    assert (stays.take(0), printed.followed) == ((["more"], 0), True)
    stays.close()
    assert not printed.followed


def test_lines_taken_and_lines_lost_are_all_that_were_printed() -> None:
    """However printing and reading interleave; what is taken is in order."""
    printed = PrintedLines(kept=50)
    followers = [printed.follow() for _ in range(3)]
    taken: dict[int, list[str]] = {number: [] for number in range(3)}

    def read(number: int) -> None:
        while not followers[number].ended:
            taken[number] += followers[number].take(1.0)[0]

    readers = [threading.Thread(target=read, args=(number,)) for number in range(3)]
    for reader in readers:
        reader.start()
    for first in range(0, 20_000, 20):
        printed.add(lines(first, 20), dropped=1)
    printed.end()
    for reader in readers:
        reader.join()
    for number, follower in enumerate(followers):
        numbers = [int(line.removeprefix("line ")) for line in taken[number]]
        assert numbers == sorted(set(numbers))
        assert len(numbers) + follower.lost == 21_000
