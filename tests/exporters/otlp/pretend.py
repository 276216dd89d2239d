"""A collector without a network, and senders to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from exporters.otlp.outcome import Accepted, Outcome
from exporters.otlp.request import Request, Signal
from exporters.otlp.sender import Sender
from exporters.otlp.target import Target
from tests.exporters.otlp import requests
from tests.exporters.otlp.collectors import quick, settings


class Collector:
    """A collector without a network: what it says is a function of the request."""

    def __init__(self, answer: Callable[[bytes], Outcome] = lambda _: Accepted()) -> None:
        self.answer = answer
        self.bodies: list[bytes] = []
        self.accepted: list[bytes] = []
        self.closed = 0

    def __call__(self, _: Target) -> Collector:
        return self

    def send(self, body: bytes) -> Outcome:
        self.bodies.append(body)
        outcome = self.answer(body)
        if isinstance(outcome, Accepted):
            self.accepted.append(body)
        return outcome

    def close(self) -> None:
        self.closed += 1


def to(collector: Collector, **section: Any) -> Sender:
    return Sender(settings(section), backoff=quick, transport=collector)


def one(made: Sender, signal: Signal = "metrics") -> Any:
    return made.statistics()[signal]


def small(number: int, signal: Signal = "metrics", size: int = 8) -> Request:
    return Request(signal, number.to_bytes(size, "big"), 2)


def numbers(received: list[bytes], signal: Signal = "metrics") -> list[int]:
    return [requests.number(signal, each) for each in received]
