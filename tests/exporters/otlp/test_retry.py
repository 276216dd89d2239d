"""How long is waited between two tries."""

from __future__ import annotations

from exporters.otlp.retry import LONGEST_WISH, Backoff


def test_the_bound_doubles_up_to_the_longest() -> None:
    """From the initial one on, and again after a success."""
    backoff = Backoff(initial=1, factor=2, longest=10, chance=lambda: 1.0)
    assert [backoff.pause() for _ in range(6)] == [1, 2, 4, 8, 10, 10]
    backoff.reset()
    assert backoff.pause() == 1


def test_the_pause_is_a_random_part_of_it() -> None:
    """Down to none at all: full jitter."""
    chances = iter([0.0, 0.5])
    backoff = Backoff(initial=1, factor=2, chance=lambda: next(chances))
    assert [backoff.pause(), backoff.pause()] == [0, 1]


def test_what_the_collector_asks_for_is_the_least() -> None:
    """Unless it is absurd."""
    assert Backoff(chance=lambda: 0.0).pause(20) == 20
    assert Backoff(initial=1, chance=lambda: 0.5).pause(20) == 20.5
    assert Backoff(chance=lambda: 0.0).pause(1e12) == LONGEST_WISH
