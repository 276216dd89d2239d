"""`python -m tests.fuzz [-s SECONDS] [--seed N] [--only NAME]`: what the tests do, with new seeds and for longer."""

from __future__ import annotations

import argparse
import random
import sys

from tests.fuzz import engines, etl, map_files, recordings, verifier

_FUZZERS = {
    "engines": engines.fuzz,
    "verifier": verifier.fuzz,
    "recordings": recordings.fuzz,
    "map_files": map_files.fuzz,
    "etl": etl.fuzz,
}


def main() -> int:
    """Run every fuzzer for its share of the time; return 1 if one found something."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("-s", "--seconds", type=float, default=300.0, help="in all (default 300)")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32))
    parser.add_argument("--only", action="append", choices=_FUZZERS, help="one of them; may be given again")
    options = parser.parse_args()
    fuzzers = [_FUZZERS[name] for name in options.only or _FUZZERS]
    failures = sum(fuzz(options.seconds / len(fuzzers), options.seed) for fuzz in fuzzers)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
