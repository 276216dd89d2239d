"""`python -m tests.fuzz [-s SECONDS] [--seed N]`: what the tests do with fixed seeds, with new ones and for longer."""

from __future__ import annotations

import argparse
import random
import sys

from tests.fuzz import engines, map_files, recordings, verifier


def main() -> int:
    """Run every fuzzer for its share of the time; return 1 if one found something."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("-s", "--seconds", type=float, default=300.0, help="in all (default 300)")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32))
    options = parser.parse_args()
    fuzzers = (engines.fuzz, verifier.fuzz, recordings.fuzz, map_files.fuzz)
    failures = sum(fuzz(options.seconds / len(fuzzers), options.seed) for fuzz in fuzzers)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
