"""The soak's report, as Markdown."""

from __future__ import annotations

import os
from collections.abc import Mapping
from statistics import median

from tests.soak.load import CALLS_PER_SECOND, Trouble
from tests.soak.watch import Life

MIB = 1 << 20
WARM_SECONDS = 30.0                  # until then maps fill for the first time


def report(
    lives: list[Life], trouble: Trouble, last: Mapping[str, object], seconds: float, failure: str, kernel: str
) -> str:
    """Return what happened, life by life."""
    verdict = f"**failed: {failure}**" if failure else "**passed**"
    return "\n".join([
        "# Soak",
        "",
        f"`make soak`: {seconds / 60:.0f} minutes on Linux {kernel} with {os.cpu_count()} CPUs: {verdict}.",
        "",
        f"Ten probes (nine shipped ones, and one whose map is pinned), a hammer of {CALLS_PER_SECOND:,} system calls "
        f"({2 * CALLS_PER_SECOND:,} events) a second, and all the time:",
        "",
        *(f"- {name}: {count:,}" for name, count in sorted(trouble.counted.items())),
        f"- kill -9 of the daemon: {sum(life.ended == 'kill -9' for life in lives)}",
        f"- not expected: {'; '.join(trouble.unexpected) or 'nothing'}",
        "",
        "## Lives",
        "",
        "| life | start s | hammer's calls | produced | delivered | lost | balances checked | pinned count "
        "| RSS MiB in calm, first and second half: without maps' pages | with them | descriptors | end |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
        *(_row(number, life) for number, life in enumerate(lives, 1)),
        "",
        "Every balance was even to the event (produced = delivered + lost + dropped + filtered + failed) while the",
        "hammer stood still; \"produced\" is the kernel's count and was never below the hammer's own. The pinned count",
        "never went back, over all kills. Start is from exec until it has begun, beside all the load. Memory in calm",
        "is what is there while nobody asks; at most, what was seen at any moment, with answers on their way. Pages of",
        "maps come into memory as entries do, up to the maps' size: what else the machine runs decides how many.",
        "",
        *_own(last),
    ]) + "\n"


def _row(number: int, life: Life) -> str:
    final = life.balances[-1] if life.balances else {}
    numbers = [f"{final.get(name, 0):,}" for name in ("hammer", "produced", "delivered", "lost")]
    warm = [(size, pages) for seconds, size, pages in life.rss if seconds > WARM_SECONDS]
    ours = _change([size - pages for size, pages in warm])
    whole = f"{_change([size for size, _ in warm])}, {life.busiest / MIB:.0f} at most"
    fds = f"{min(life.descriptors, default=0)}–{max(life.descriptors, default=0)}"
    cells = [str(number), f"{life.start_seconds:.1f}", *numbers, str(len(life.balances)),
             f"{life.pinned_first:,} → {life.pinned_last:,}", ours, whole, fds, life.ended]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _change(sizes: list[int]) -> str:
    """Return the medians of both halves, and how they differ."""
    half = len(sizes) // 2
    if not half:
        return ""
    early, late = median(sizes[:half]) / MIB, median(sizes[half:]) / MIB
    return f"{early:.0f} → {late:.0f} ({late / early - 1:+.1%})"


def _own(last: Mapping[str, object]) -> list[str]:
    own = last.get("own")
    if not isinstance(own, Mapping):
        return []
    shown = sorted((name, value) for name, value in own.items() if value)
    return ["## The daemon's own numbers at the end of its last life", "",
            *(f"- {name}: {value:,.10g}" for name, value in shown)]  # fmt: skip
