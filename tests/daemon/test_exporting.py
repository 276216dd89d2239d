"""Exporters that are slow, broken or stuck, and the daemon that goes on."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

import pytest

from tests.daemon.moments import moment
from tracerd.config.daemon import parse_config
from tracerd.daemon import discover, export_runner
from tracerd.daemon.exporter import Exporter, ExporterInfo
from tracerd.daemon.exporting import Exporting
from tracerd.errors import ConfigError, ExportError
from tracerd.signals import NO_SIGNALS
from tracerd.snapshot import Moment, RecordBatch

pytestmark = pytest.mark.timeout(60)


class Fake:
    """An exporter that does what it is told to, at each export."""

    def __init__(self, does: Callable[[int], None] = lambda _: None, interval: float = 0.02) -> None:
        self.interval = interval
        self.called = 0
        self.closed = 0
        self._does = does

    def export(self, _: Moment) -> None:
        self.called += 1
        self._does(self.called)

    def close(self) -> None:
        self.closed += 1


def until(true: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end, "never came"
        time.sleep(0.005)


def started(**exporters: Exporter) -> Exporting:
    exporting = Exporting(exporters, moment)
    exporting.start()
    return exporting


def info(exporting: Exporting, name: str) -> ExporterInfo:
    return next(each for each in exporting.statistics() if each.name == name)


def test_each_exports_at_its_own_pace_and_a_last_time_at_the_stop() -> None:
    """Two intervals, two threads; what is stopped is closed once, by its own thread."""
    fast, slow = Fake(), Fake(interval=3600)
    exporting = started(fast=fast, slow=slow)
    until(lambda: fast.called >= 3)
    assert slow.called == 0
    exporting.stop(seconds=10)
    assert (slow.called, slow.closed, fast.closed) == (1, 1, 1)
    assert info(exporting, "fast").exports == fast.called
    assert info(exporting, "fast").last_ns > 0


def test_no_last_export_unless_wanted() -> None:
    """A daemon that is refused its start tells nothing."""
    fake = Fake(interval=3600)
    exporting = started(fake=fake)
    exporting.stop(last_export=False, seconds=10)
    assert (fake.called, fake.closed) == (0, 1)


def test_a_failure_is_counted_told_once_and_forgotten_when_it_works_again(caplog: pytest.LogCaptureFixture) -> None:
    """The pauses grow; the moments that were due in them are skipped, not lost without a word."""

    def fails_thrice(number: int) -> None:
        if number <= 3:
            raise ExportError("target", "the disk is full")

    with caplog.at_level("INFO", "tracerd.export"):
        exporting = started(fake=Fake(fails_thrice, 0.01))
        until(lambda: info(exporting, "fake").exports >= 2)
        exporting.stop(seconds=10)
    told = info(exporting, "fake")
    assert (told.failures, told.failing, told.last_error) == (3, 0, "target: the disk is full")
    assert told.skipped >= (2 - 1) + (4 - 1) + (8 - 1)
    said = [record.getMessage() for record in caplog.records]
    assert said == ["export failed: target: the disk is full", "exporter works again"]


def test_the_pause_after_failures_has_an_end() -> None:
    """However long a target was away, it is tried again within five minutes (or the interval, if that is longer)."""

    def fails(_: int) -> None:
        raise ExportError("target", "away")

    exporting = Exporting({"fake": Fake(fails, 60.0)}, moment)
    runner = exporting._runners["fake"]
    for _ in range(40):
        runner._export()
    now = time.monotonic()
    assert runner._next(now) - now == pytest.approx(300, abs=1)


def test_a_bug_costs_one_export_and_is_told_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    """An exporter of others cannot end its thread, let alone the daemon."""

    def bug(number: int) -> None:
        if number == 1:
            raise KeyError("surprise")

    exporting = started(fake=Fake(bug, 0.01))
    until(lambda: info(exporting, "fake").exports)
    exporting.stop(seconds=10)
    assert info(exporting, "fake").last_error == "KeyError: 'surprise'"
    assert caplog.records[0].exc_info


def test_a_moment_that_cannot_be_taken_is_a_failed_export() -> None:
    """The exporter is not called with nothing."""
    fake = Fake(interval=0.01)

    def refuse() -> Moment:
        raise MemoryError

    exporting = Exporting({"fake": fake}, refuse)
    exporting.start()
    until(lambda: info(exporting, "fake").failures)
    exporting.stop(seconds=10)
    assert (fake.called, fake.closed) == (0, 1)


def test_a_target_that_is_refused_costs_no_moment() -> None:
    """An exporter that can tell before is asked before: taking a moment of many rows is what takes the time."""
    taken = []

    class Refused(Fake):
        def ready(self) -> None:
            raise ExportError("target", "is a symbolic link")

    def take() -> Moment:
        taken.append(1)
        return moment()

    refused = Refused(interval=0.01)
    exporting = Exporting({"refused": refused}, take)
    exporting.start()
    until(lambda: info(exporting, "refused").failures >= 2)
    exporting.stop(seconds=10)
    assert (info(exporting, "refused").last_error, refused.called, taken) == ("target: is a symbolic link", 0, [])


def test_one_that_hangs_holds_up_neither_the_others_nor_the_stop(caplog: pytest.LogCaptureFixture) -> None:
    """Its thread is left behind and said to be; the others have had their last export."""
    release = threading.Event()
    hangs, works = Fake(lambda _: release.wait(30) and None, 0.01), Fake()
    exporting = started(hangs=hangs, works=works)
    until(lambda: hangs.called and works.called >= 3)
    assert info(exporting, "hangs").busy_seconds > 0
    begun, before = time.monotonic(), works.called
    exporting.stop(seconds=0.3)
    assert time.monotonic() - begun < 5
    assert info(exporting, "hangs").abandoned
    assert (works.closed, hangs.closed) == (1, 0)
    assert works.called > before
    assert "not done in time and is left behind" in caplog.text
    release.set()


def test_a_slow_one_skips_what_was_due_meanwhile() -> None:
    """It does not export twice in a row to catch up."""
    exporting = started(slow=Fake(lambda _: time.sleep(0.1), 0.01))
    until(lambda: info(exporting, "slow").exports >= 3)
    exporting.stop(seconds=10)
    told = info(exporting, "slow")
    assert told.skipped >= 5 * 2
    assert told.failures == 0


def test_a_reload_keeps_what_is_the_same_and_ends_the_rest() -> None:
    """An unchanged exporter keeps its thread and its counts; a changed one has a last export first."""
    same, old, new = Fake(), Fake(interval=3600), Fake()
    exporting = started(same=same, changed=old)
    until(lambda: same.called >= 2)
    exporting.replace({"same": same, "changed": new}, seconds=10)
    assert (old.called, old.closed, same.closed) == (1, 1, 0)
    until(lambda: new.called)
    assert info(exporting, "same").exports >= 2
    exporting.stop(seconds=10)
    assert (same.closed, new.closed) == (1, 1)


class Point:
    """An installed entry point."""

    value = "package:make"

    def __init__(self, name: str, maker: object) -> None:
        self.name = name
        self._maker = maker

    def load(self) -> object:
        if isinstance(self._maker, Exception):
            raise self._maker
        return self._maker


def test_configured_exporters_are_made_or_none_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sections go to the entry points as they are; the one that was made before a mistake is closed again."""
    fake, seen = Fake(), []

    def make(section: dict[str, object], where: str) -> Exporter:
        seen.append((section, where))
        if section:
            raise ConfigError(where, "no such key")
        return fake

    points = [Point("good", make), Point("broken", ImportError("no module named x"))]
    monkeypatch.setattr(discover, "entry_points", lambda group: points if group == "tracerd.exporters" else [])
    assert discover.make_exporters(parse_config("[exporters.good]", "F")) == {"good": fake}
    with pytest.raises(ConfigError, match=r"F: exporters.two: no such key"):
        discover.make_exporters(parse_config("[exporters.good]\n[exporters.two]\nkind='good'\nx=1", "F"))
    assert (fake.closed, seen[-1]) == (1, ({"x": 1}, "F: exporters.two"))
    with pytest.raises(ConfigError, match=r"unknown exporter 'goood'; did you mean 'good'\?"):
        discover.make_exporters(parse_config("[exporters.goood]", "F"))
    with pytest.raises(ConfigError, match="does not load: no module named x"):
        discover.make_exporters(parse_config("[exporters.broken]", "F"))
    other = Fake()
    assert discover.make_exporters(parse_config("[exporters.good]", "F"), {"good": other}) == {"good": other}


class Feed:
    """Records that a test puts there."""

    def __init__(self) -> None:
        self.waiting: list[RecordBatch] = []
        self.lost = 3
        self.closed = 0

    def take(self) -> list[RecordBatch]:
        taken, self.waiting = self.waiting, []
        return taken

    def close(self) -> None:
        self.closed += 1


class Feeds:
    def __init__(self) -> None:
        self.opened: list[Feed] = []

    def open(self) -> Feed:
        self.opened.append(Feed())
        return self.opened[-1]


def batch(*records: bytes) -> RecordBatch:
    return RecordBatch("p", "r", records, 1, 0, NO_SIGNALS, {})


class Taker(Fake):
    """An exporter that takes records, and stumbles over one."""

    def __init__(self) -> None:
        super().__init__(interval=3600)
        self.taken: list[bytes] = []

    def records(self, batch: RecordBatch) -> None:
        if b"bad" in batch.records:
            raise ValueError("cannot read that")
        self.taken += batch.records


def test_one_environment_variable_is_an_exporter(monkeypatch: pytest.MonkeyPatch) -> None:
    """A collector's address is enough; a section of that kind, under whatever name, is what holds then."""
    here = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}
    assert discover.sections(parse_config("", "F"), here) == {"otlp": {}}
    assert discover.sections(parse_config("", "F"), {"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "x"}) == {"otlp": {}}
    assert discover.sections(parse_config("", "F"), {"OTEL_SERVICE_NAME": "x"}) == {}
    named = parse_config("[exporters.mine]\nkind = 'otlp'", "F")
    assert discover.sections(named, here) == {"mine": {"kind": "otlp"}}
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318")
    (made,) = discover.make_exporters(parse_config("", "F")).values()
    assert made.interval == 60.0
    made.close()


def test_records_are_handed_over_soon_and_at_the_stop(caplog: pytest.LogCaptureFixture) -> None:
    """Long before its interval is over; what it fails to take is counted and told, what comes last is not lost."""
    feeds, taker, other = Feeds(), Taker(), Fake(interval=3600)
    exporting = Exporting({"taker": taker, "other": other}, moment, feeds)
    exporting.start()
    (feed,) = feeds.opened                       # only who takes records has a feed
    feed.waiting.append(batch(b"1", b"2"))
    until(lambda: taker.taken == [b"1", b"2"])
    feed.waiting.append(batch(b"bad", b"3"))
    until(lambda: info(exporting, "taker").records_failed)
    feed.waiting.append(batch(b"4"))
    exporting.stop(seconds=10)
    told = info(exporting, "taker")
    assert taker.taken == [b"1", b"2", b"4"]
    assert (told.records, told.records_failed, told.records_lost) == (5, 2, 3)
    assert told.last_error == "ValueError: cannot read that"
    assert "cannot read that" in caplog.text
    assert feed.closed == 1


class Server(Fake):
    """An exporter that others ask; its port is taken at first."""

    def __init__(self, fails: int) -> None:
        super().__init__(interval=math.inf)
        self.fails = fails
        self.serving: Callable[[], Moment] | None = None

    def serve(self, moment: Callable[[], Moment]) -> None:
        self.fails -= 1
        if self.fails >= 0:
            raise ExportError("127.0.0.1:9464", "is taken")
        self.serving = moment

    def statistics(self) -> dict[str, int]:
        return {"scrapes": 7}

    def problem(self) -> str:
        return "" if self.serving else "does not answer yet"


def test_who_is_asked_serves_until_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is tried again while its port is taken, gets no exports, and tells its own counts."""
    monkeypatch.setattr(export_runner, "SERVE_AGAIN", 0.01)
    server = Server(fails=2)
    exporting = started(server=server)
    until(lambda: server.serving)
    assert server.serving is not None
    assert server.serving().probes.keys() == {"p"}
    told = info(exporting, "server")
    assert (told.failures, told.failing, told.interval, told.counts) == (2, 0, 0.0, {"scrapes": 7})
    assert told.problem == ""
    exporting.stop(seconds=10)
    assert (server.called, server.closed) == (0, 1)


def test_one_that_cannot_say_how_it_does_is_the_only_one_that_suffers() -> None:
    """The status, and moments for other exporters, have how all do in them."""

    class Confused(Server):
        def statistics(self) -> dict[str, int]:
            raise KeyError("scrapes")

    fake = Fake()
    exporting = started(confused=Confused(fails=0), fake=fake)
    until(lambda: fake.called >= 2)
    assert info(exporting, "confused").problem == "cannot say how it does: KeyError: 'scrapes'"
    assert [total.name for total in exporting.totals()] == ["confused", "fake"]
    exporting.stop(seconds=10)


def test_totals_are_what_exporters_tell_of_each_other() -> None:
    """The same counts as in the status."""
    fake = Fake()
    exporting = started(fake=fake)
    until(lambda: fake.called >= 2)
    exporting.stop(seconds=10)
    (total,) = exporting.totals()
    assert (total.name, total.exports, total.failures) == ("fake", fake.called, 0)
