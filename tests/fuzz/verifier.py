"""Fuzz the verifier: spoil programs, and run under watch whatever is still accepted, until the time is over."""

from __future__ import annotations

import random
import time

from tests.verifier.attack import Hole, attack
from tests.verifier.spoil import candidates


def fuzz(seconds: float, seed: int) -> int:
    """Attack until the time is over; return how many holes were found, each shown on standard output."""
    end = time.monotonic() + seconds
    tried = accepted = holes = 0
    for subject in candidates(random.Random(seed)):
        if time.monotonic() > end:
            break
        tried += 1
        try:
            accepted += attack(subject, random.Random(tried))
        except Hole as found:
            holes += 1
            print(f"{found}\n", flush=True)
    counts = f"{tried} programs, {accepted} accepted in {seconds:.0f} s, {holes} holes"
    print(f"verifier: {counts} (seed {seed})", flush=True)
    return holes


def run(seconds: float, seed: int = 0) -> int:
    """As `fuzz`, with a seed that stays the same."""
    return fuzz(seconds, seed)
