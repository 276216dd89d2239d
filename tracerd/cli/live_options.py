"""The options of every command that takes live events, and what they mean together."""

from __future__ import annotations

import functools
from collections.abc import Callable

import click

from tracerd.cli.params import FiniteRange
from tracerd.errors import NotSupported
from tracerd.sources.choose import LiveOptions
from tracerd.sources.etw.api import NEEDS_WINDOWS, on_windows
from tracerd.sources.etw.source import EtwOptions
from tracerd.sources.perf import PerfOptions
from tracerd.sources.schema.profiles import PROFILES
from tracerd.sources.system import SystemOptions

LONGEST_SECONDS = 24 * 3600.0

_OPTIONS = (
    click.option(
        "--pages", type=int, default=2048, show_default=True, help="Ring size per CPU in pages, a power of two."
    ),
    click.option("--self", "include_self", is_flag=True, help="Take tracerd's own events too."),
    click.option(
        "--every", type=FiniteRange(min=0.05, max=LONGEST_SECONDS), default=1.0, show_default=True,
        help="Seconds between looks at processes, connections and the system.",
    ),
    click.option("--poll", is_flag=True, help="Poll for processes even where tracepoints are permitted."),
    click.option(
        "--profile", type=click.Choice(list(PROFILES)),
        help="Windows: take whole providers with the keywords and level that answer this question.",
    ),
)


def live_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of live events; it gets them as one argument `live`."""

    @functools.wraps(command)
    def with_live(
        *arguments: object, pages: int, include_self: bool, every: float, poll: bool, profile: str | None,
        **others: object,
    ) -> None:
        if profile is not None and not on_windows():
            raise NotSupported(f"--profile {profile}", f"it chooses live events of Windows: {NEEDS_WINDOWS}")
        perf = PerfOptions(pages=pages, include_self=include_self)
        etw = EtwOptions(profile=profile, include_self=include_self)
        live = LiveOptions(perf, SystemOptions(interval_ns=int(every * 1e9)), poll, etw)
        command(*arguments, live=live, **others)

    for option in reversed(_OPTIONS):
        with_live = option(with_live)
    return with_live
