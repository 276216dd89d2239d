"""Fuzz the engines: generated, proved programs in the interpreter and in the JIT, until the time is over."""

from __future__ import annotations

import random
import time

from tests.agree import Disagreement, compare


def fuzz(seconds: float, seed: int, statements: int = 24) -> int:
    """Compare programs until the time is over; return how many disagreed, each shown on standard output."""
    source = random.Random(seed)
    end = time.monotonic() + seconds
    programs = failures = 0
    while time.monotonic() < end:
        size, choice, fuel = source.randint(1, statements), source.getrandbits(40), source.random() < 0.1
        programs += 1
        try:
            compare(min(size, 8) if fuel else size, choice, fuel=fuel)
        except Disagreement as found:
            failures += 1
            print(f"statements={size} seed={choice} fuel={fuel}: {found}\n", flush=True)
    print(f"engines: {programs} programs in {seconds:.0f} s, {failures} failures (seed {seed})", flush=True)
    return failures
