"""The system source itself: what it refuses, what it says of itself, how often it polls."""

from __future__ import annotations

import time

import pytest

from tests.sources.polled import AT_ONCE, CLOSE, EXIT, OPEN, Made, keeping
from tracerd.errors import SourceError
from tracerd.native import ffi, lib
from tracerd.sources.base import LinkRequest
from tracerd.sources.system import SystemOptions, SystemSource
from tracerd.sources.system.connections import ConnectionTable
from tracerd.sources.system.moment import FIRST, Moment, Pace
from tracerd.sources.system.reader import Description, Number

SECOND = 10**9
MS = 10**6


def test_a_poll_that_is_refused_is_counted_and_forgets_nobody() -> None:
    """The pump goes on; the ledger says how often and why; nobody has ended meanwhile."""
    made = Made()
    made.run(10, 5 * SECOND)
    with keeping("process:exit", "process:sample", reader=made) as kept:
        kept.source.pump(0)
        made.refuses = True
        assert kept.source.pump(0) == 0
        made.refuses = False
        kept.source.pump(0)
        ledgers = kept.source.statistics()
        assert "1 polls refused: made: cannot be read: it is made up" in ledgers["process:sample"].via
        assert (ledgers["process:exit"].produced, ledgers["process:sample"].delivered) == (0, 2)
        assert kept.source.cost().refused == 1


def test_an_interval_cut_short_is_not_sampled() -> None:
    """At the stop ends are told, but usage over a moment would replace that of a whole interval."""
    made = Made()
    made.run(10, 5 * SECOND)
    made.run(11, 5 * SECOND)
    with keeping("process:exit", "process:sample", reader=made, options=SystemOptions(5 * SECOND)) as kept:
        kept.source.pump(0)
        del made.rows[11]
        kept.source.stop()
        ledgers = kept.source.statistics()
    assert (ledgers["process:exit"].delivered, ledgers["process:sample"].delivered) == (1, 2 + 1)


def test_a_first_poll_that_is_refused_is_an_error() -> None:
    """What this machine never tells is refused when it is asked for."""
    with pytest.raises(SourceError, match="it is made up"), keeping("net:open", reader=Made(refuses=True)):
        pass


def test_the_ledger_says_what_polling_cannot_see() -> None:
    """It never claims to be complete."""
    with keeping("process:start", "system:sample", reader=Made(), options=SystemOptions(5 * SECOND)) as kept:
        ledgers = kept.source.statistics()
    assert ledgers["process:start"].via == "polled every 5 s; what lives shorter than that is not seen"
    assert ledgers["system:sample"].via == "polled every 5 s"


def test_an_event_of_another_source_is_refused() -> None:
    """The sentence names those there are."""
    source = SystemSource(0, AT_ONCE, Made())
    with pytest.raises(SourceError, match="process:begin: is no event of this source; valid: process:start"):
        source.open([LinkRequest("process:begin", ffi.NULL, 0)])


def test_a_program_that_reads_too_much_is_refused() -> None:
    """A context shorter than the program's need is an error at the start, naming both sizes."""
    source = SystemSource(0, AT_ONCE, Made())
    with pytest.raises(SourceError, match="reads 281 bytes of context, the event has 280"):
        source.open([LinkRequest("process:start", ffi.NULL, 281)])


def test_a_closed_source_says_so() -> None:
    """Pumping before open or after close is an error, closing twice is none."""
    source = SystemSource(0, AT_ONCE, Made())
    source.close()
    with pytest.raises(SourceError, match="is not open"):
        source.pump(0)


def test_a_pump_waits_for_the_next_poll_no_longer_than_it_may() -> None:
    """Between polls a pump sleeps and returns 0; stop polls once more, whatever the interval."""
    made = Made()
    made.run(10, 5 * SECOND)
    with keeping("process:sample", reader=made, options=SystemOptions(3600 * SECOND)) as kept:
        assert kept.source.pump(0) == 1
        begin, cpu = time.monotonic_ns(), time.thread_time_ns()
        assert kept.source.pump(50) == 0
        assert time.monotonic_ns() - begin >= 50 * MS
        assert time.thread_time_ns() - cpu < 40 * MS
        made.rows.clear()
        kept.source.stop()
        assert kept.processes(EXIT)[10]["count"] == 1


def test_only_what_is_asked_for_is_read() -> None:
    """Files of IO and handles are not opened for starts and exits; connections not for processes."""

    class Watched(Made):
        wants: tuple[bool, bool] | None = None

        def processes(self, wants):  # type: ignore[no-untyped-def]
            self.wants = (wants.io, wants.handles)
            return super().processes(wants)

        def sockets(self):  # type: ignore[no-untyped-def]
            raise AssertionError("nobody asked for connections")

    made = Watched()
    with keeping("process:start", reader=made):
        assert made.wants == (False, False)
    with keeping("process:start", "process:sample", reader=made):
        assert made.wants == (True, True)


def test_the_interval_is_stretched_until_polling_takes_its_share() -> None:
    """100 ms of CPU at 2.5 % of a core is every 4 s; a cheap poll is as often as asked; never more often."""
    pace = Pace(1 * SECOND, 0.025)
    assert pace.interval_ns == 1 * SECOND
    pace.spent(FIRST * 100 * MS)
    assert pace.interval_ns == 4 * SECOND
    for _ in range(20):
        pace.spent(50 * MS)
    assert pace.interval_ns == pytest.approx(2 * SECOND, rel=1e-4)
    for _ in range(20):
        pace.spent(1 * MS)
    assert pace.interval_ns == 1 * SECOND


def test_an_expensive_reader_is_asked_less_often_and_the_ledger_says_so() -> None:
    """A reader that takes 20 ms of CPU time (the first time, for five) is not asked every 100 ms."""

    class Slow(Made):
        def processes(self, wants):  # type: ignore[no-untyped-def]
            end = time.thread_time_ns() + 20 * MS
            while time.thread_time_ns() < end:
                pass
            return super().processes(wants)

    with keeping("process:sample", reader=Slow(), options=SystemOptions(100 * MS)) as kept:
        assert kept.source.cost().interval_ns >= 800 * MS // FIRST
        via = kept.source.statistics()["process:sample"].via
        assert "(not 0.1 s: polling may take 2.5% of a core)" in via


def test_sockets_that_listen_open_first_and_close_last() -> None:
    """Whatever their order in the system's table: so a program can tell who is served."""
    made = Made()
    made.open = [connection(1, 80, 4000), connection(2, 80, 4001), connection(3, 80, 0, state=10)]
    order: list[int] = []
    table = ConnectionTable(made, cpu=0)
    for moment in (Moment(1, 1, None), Moment(2, 2, 1)):
        order += [int(port) for part in table.poll(moment) for port in part.rows["context"]["remote_port"]]
        made.open = []
    assert order[0] == order[-1] == 0
    assert sorted(order) == [0, 0, 4000, 4000, 4001, 4001]


def connection(identity: int, local: int, remote: int, **facts: object) -> dict[str, object]:
    """Return a socket's row."""
    row = {"identity": identity, "family": 4, "protocol": 6, "local_port": local, "remote_port": remote, "state": 1}
    return row | {"local": [127, 0, 0, 1, *[0] * 12], "uid": 7, "pid": 10} | facts


def test_connections_open_and_close_and_a_socket_is_not_its_addresses() -> None:
    """What is open at first is told without KNOWN_BEGIN; the same addresses in another socket closed and opened."""
    made = Made(told={10: Description("server", 7, 8, "seven")})
    made.open = [connection(1, 80, 0, state=10)]
    with keeping("net:open", "net:close", reader=made) as kept:
        kept.source.pump(0)
        listening = kept.connections(OPEN)[80, 0]
        assert not listening["known"] & lib.TR_KNOWN_BEGIN
        assert listening["known"] & lib.TR_KNOWN_PID
        made.open.append(connection(2, 80, 4000))
        kept.source.pump(0)
        opened = kept.connections(OPEN)[80, 4000]
        assert opened["known"] & lib.TR_KNOWN_BEGIN
        assert (opened["name"], opened["pid"], opened["uid"], opened["task"]) == ("server", 10, 7, 10 << 32 | 10)
        assert (opened["local"], opened["family"], opened["lifetime_ns"]) == (0x7F000001, 4, 0)
        made.open[1] = connection(3, 80, 4000)
        kept.source.pump(0)
        assert kept.connections(OPEN)[80, 4000]["count"] == 2
        closed = kept.connections(CLOSE)[80, 4000]
        assert closed["count"] == 1
        assert closed["lifetime_ns"] > 0
        assert (80, 0) not in kept.connections(CLOSE)


def test_a_connection_whose_owner_is_hidden_has_no_pid() -> None:
    """It has its user, which the socket tells; the ledger counts it."""
    made = Made(open=[connection(1, 80, 0, pid=0)])
    with keeping("net:open", reader=made) as kept:
        kept.source.pump(0)
        row = kept.connections(OPEN)[80, 0]
        assert (row["pid"], row["task"], row["name"], row["uid"]) == (0, 0, "", 7)
        assert row["known"] == lib.TR_KNOWN_USER
        assert "owners of 1 of 1 not readable" in kept.source.statistics()["net:open"].via


def test_a_disk_keeps_its_index_when_another_goes() -> None:
    """Each of the machine's numbers is an event of nobody, under its own name and index."""
    disk = lib.TR_SAMPLE_DISK
    made = Made(machine=[Number(disk, "sda", (1, 2)), Number(disk, "sdb", (3, 4))])
    with keeping("system:sample", reader=made) as kept:
        kept.source.pump(0)
        del made.machine[0]
        kept.source.pump(0)
        rows = {row["name"]: row for row in kept.rows("samples")}
    assert (rows["sda"]["index"], rows["sda"]["count"], rows["sda"]["interval_ns"]) == (0, 1, 0)
    assert (rows["sdb"]["index"], rows["sdb"]["count"], rows["sdb"]["first"], rows["sdb"]["second"]) == (1, 2, 3, 4)
    assert rows["sdb"]["interval_ns"] > 0
    assert (rows["sdb"]["task"], rows["sdb"]["user"]) == (0, 65534 << 32 | 65534)
