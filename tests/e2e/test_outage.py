"""A collector that is away under load: with a spool nothing is lost, without one what is lost is counted.

rotel is killed while nobody calls: what it had taken and not passed on would be its loss, and not be seen here.
TRACERD_E2E_OUTAGE is how many seconds it is away.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.daemon.running import until
from tests.e2e.arrived import Arrivals, points_of, summed
from tests.e2e.caller import CALLS_PER_SECOND
from tests.e2e.contents import LOG_EVERY, SPAN_EVERY, Contents, Submitted, submitted
from tests.e2e.scene import PATIENCE, Scene, scene
from tests.e2e.servers import Rotel
from tests.exporters.otlp.collectors import HttpCollector

OUTAGE = float(os.environ.get("TRACERD_E2E_OUTAGE", "8"))
AFTER = 3.0                      # seconds that the load goes on when it is back
PROBE_POINTS = 7                 # of one export, beside what tracerd tells of itself
LONGEST_PAUSE = 30.0             # of the exporter, between two tries

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("e2e"), pytest.mark.timeout(240 + 2 * OUTAGE)]

EXPORTER = """
[exporters.otlp]
endpoint = "{endpoint}"
protocol = "{protocol}"
temporality = "delta"
interval = "500ms"
{more}
"""

SPOOL = """
[exporters.otlp.spool]
path = "{folder}/spool"
"""

both = pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])


@dataclass
class Stage:
    """A scene, the rotel that its daemon sends to, and what comes out of that."""

    scene: Scene
    rotel: Rotel
    arrivals: Arrivals
    waited: dict[str, int] = field(default_factory=dict)     # what the exporter had counted when rotel came back

    @property
    def counts(self) -> dict[str, int]:
        """What the exporter has counted."""
        counts: dict[str, int] = self.scene.exporter("otlp")["counts"]
        return counts

    def dropped(self, signal: str) -> int:
        """How many items of a signal it has dropped, for whatever reason."""
        return sum(many for name, many in self.counts.items() if name.startswith(f"{signal}.dropped."))

    def suffer(self) -> Contents:
        """Let calls be made with rotel, without it, and with it again; return what the maps have in the end."""
        self.scene.run(CALLS_PER_SECOND)
        self.scene.still()
        self.scene.wait_for_exports("otlp")      # the next one is some time away
        until(self.all_came, PATIENCE, "that rotel has passed on what it took")
        self.rotel.kill()
        self.scene.caller.begin(int(CALLS_PER_SECOND * (OUTAGE + AFTER)))
        time.sleep(OUTAGE)
        self.waited = self.counts
        self.rotel.start()
        self.scene.caller.finish()
        contents = self.scene.still()
        self.scene.wait_for_exports("otlp")
        until(self.all_came, LONGEST_PAUSE + PATIENCE, "that all that was kept is sent and has come")
        return contents

    def all_came(self) -> bool:
        """True if nothing waits anywhere: all that was sent has come, and there is nothing more to send."""
        before = self.scene.exporter("otlp")
        if any(many for name, many in before["counts"].items() if name.endswith((".queued", ".spooled"))):
            return False
        came = {"metrics": self.arrivals.points(), "logs": len(self.arrivals.items("logs")),
                "traces": len(self.arrivals.items("traces"))}  # fmt: skip
        sent = {signal: self.counts[f"{signal}.sent"] for signal in came}
        return came == sent and self.scene.exporter("otlp")["exports"] == before["exports"]


@contextmanager
def stage(folder: Path, protocol: str, more: str) -> Iterator[Stage]:
    """Give one; `more` goes into the exporter's section."""
    (folder / "rotel").mkdir()
    (folder / "daemon").mkdir()
    with HttpCollector().running() as receiver, Rotel(folder / "rotel", receiver.url) as rotel:
        endpoint = rotel.grpc if protocol == "grpc" else rotel.http
        section = EXPORTER.format(endpoint=endpoint, protocol=protocol, more=more)
        with scene(folder / "daemon", section) as played:
            yield Stage(played, rotel, Arrivals(receiver))


@both
def test_with_a_spool_nothing_is_lost(tmp_path: Path, protocol: str) -> None:
    """The deltas' sums are the maps' numbers, and every record has come once: nothing is missing, nothing twice."""
    with stage(tmp_path, protocol, SPOOL.format(folder=tmp_path)) as played:
        contents = played.suffer()
        told = submitted(played.scene.client)
        _say(f"spool, {protocol}", contents, told, played)
        assert played.waited["logs.spooled"] > 0
        assert played.waited["metrics.spooled"] > 0
        assert summed(played.arrivals.items("metrics")) == contents
        assert told.refused == 0
        assert played.arrivals.numbers("logs") == list(range(0, contents.number, LOG_EVERY))
        assert played.arrivals.numbers("traces") == list(range(0, contents.number, SPAN_EVERY))
        assert [played.dropped(signal) for signal in ("metrics", "logs", "traces")] == [0, 0, 0]


@both
def test_without_a_spool_what_is_lost_is_counted(tmp_path: Path, protocol: str) -> None:
    """Records sent and dropped are those submitted, and those that came are those sent; no number says otherwise."""
    with stage(tmp_path, protocol, 'queue_bytes = "64KiB"') as played:
        contents = played.suffer()
        told = submitted(played.scene.client)
        _say(f"no spool, {protocol}", contents, told, played)
        exporter, counts = played.scene.exporter("otlp"), played.counts
        given = tuple(exporter[name] for name in ("records", "records_lost", "records_failed"))
        assert given == (told.logs + told.spans, 0, 0)
        assert counts["logs.dropped.queue_full"] == played.dropped("logs") > 0
        assert counts["logs.sent"] + played.dropped("logs") == told.logs
        assert counts["traces.sent"] + played.dropped("traces") == told.spans
        for signal in ("logs", "traces"):
            numbers = played.arrivals.numbers(signal)
            assert len(set(numbers)) == len(numbers) == counts[f"{signal}.sent"]
        _metrics_are_counted(played, contents)


def _metrics_are_counted(played: Stage, contents: Contents) -> None:
    """What did not come of the metrics are whole exports, and their points were counted as dropped.

    How many points an export has changes by the few that tell of drops: fewer than would hide one export.
    """
    seen: list[tuple[int, int, list[int]]] = []

    def looked() -> bool:
        """Look between two exports."""
        exporter, quiet = played.scene.exporter("otlp"), played.all_came()
        came = Counter(point.time_unix_nano for each in played.arrivals.of("metrics", scope="tracerd")
                       for point in points_of(each.item))  # fmt: skip
        seen.append((exporter["exports"], played.dropped("metrics"), [many + PROBE_POINTS for many in came.values()]))
        return quiet and played.scene.exporter("otlp")["exports"] == exporter["exports"]

    until(looked, PATIENCE, "a moment between two exports")
    exports, dropped, sizes = seen[-1]
    missing = exports - len(sizes)
    assert missing > 0
    assert missing * min(sizes) <= dropped <= missing * max(sizes)
    found = summed(played.arrivals.items("metrics"))
    assert found is not None
    assert sum(found.calls.values()) < contents.number


def _say(what: str, contents: Contents, told: Submitted, played: Stage) -> None:
    """Print the figures; pytest shows them with -rP."""
    waited = {name: many for name, many in played.waited.items() if many and name.endswith(("queued", "spooled"))}
    counts = {name: many for name, many in played.counts.items() if many and name.startswith(("metr", "log", "trac"))}
    print(f"{what}: away {OUTAGE:g} s, {contents.number} calls, {told}, waiting at its return {waited}, then {counts}")
