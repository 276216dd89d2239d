"""The queue in memory is bounded, and says what it drops."""

from __future__ import annotations

from exporters.otlp.queue import Queue
from exporters.otlp.request import Request


def request(number: int, size: int = 10) -> Request:
    return Request("metrics", bytes(size), number)


def test_the_oldest_makes_room() -> None:
    """As many as are needed, counted by bytes."""
    queue = Queue(30)
    assert [queue.put(request(n)) for n in (1, 2, 3)] == [[], [], []]
    assert queue.put(request(4, 15)) == [request(1), request(2)]
    assert (queue.bytes, queue.items, len(queue)) == (25, 7, 2)


def test_one_that_never_fits_is_dropped_itself() -> None:
    """After all others made room in vain."""
    queue = Queue(30)
    queue.put(request(1))
    assert queue.put(request(2, 31)) == [request(1), request(2, 31)]
    assert (queue.bytes, len(queue)) == (0, 0)


def test_the_one_on_its_way_counts_and_stays() -> None:
    """Until it is done."""
    queue = Queue(20)
    queue.put(request(1))
    assert queue.take() == queue.take() == request(1)
    queue.put(request(2))
    assert queue.put(request(3)) == [request(2)]
    assert (queue.bytes, queue.items) == (20, 4)
    queue.back()
    assert queue.take() == request(1)
    queue.done()
    queue.done()
    assert queue.take() == request(3)
    assert (queue.bytes, queue.items, len(queue)) == (10, 3, 1)
