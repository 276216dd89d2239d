"""The probe `etw_network`: bytes and connections per process, remote address and port, over made recordings."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any

import pytest

from tests.probes.recorded import Recording
from tests.probes.replayed import Engine, tables_of

NETWORK = "Microsoft-Windows-Kernel-Network"
PROCESS = "Microsoft-Windows-Kernel-Process"
OURS, THEIRS = "10.0.0.5", "203.0.113.7"
OURS6, THEIRS6 = "2001:db8::5", "2001:db8::7"
BOTH = pytest.mark.parametrize("engine", ["interpreter", "jit"])


def between(ours: str, our_port: int, theirs: str, their_port: int) -> dict[str, Any]:
    """Fields of an event: the source is this machine."""
    return {
        "saddr": ipaddress.ip_address(ours).packed, "sport": our_port,
        "daddr": ipaddress.ip_address(theirs).packed, "dport": their_port,
    }


WEB = between(OURS, 50001, THEIRS, 443)
WEB6 = between(OURS6, 50001, THEIRS6, 443)
NAME_SERVER = between(OURS, 50002, "192.0.2.53", 53)


def peers(path: Path, engine: Engine = "interpreter") -> dict[tuple[Any, ...], dict[str, int]]:
    """Return what is not zero of each peer."""
    found = {}
    for row in tables_of("etw_network", path, engine)["peers"]:
        key = tuple(row.pop(name) for name in ("pid", "process", "remote", "port", "protocol"))
        assert key not in found
        found[key] = {name: number for name, number in row.items() if number}
    return found


@BOTH
def test_every_event_of_the_manifest_provider_is_counted(tmp_path: Path, engine: Engine) -> None:
    """IPv4 and IPv6, TCP and UDP; the header's process is not asked; what is copied was received before."""
    with Recording(tmp_path / "made.etl") as made:
        made.event(0, PROCESS, "ProcessRundown", 1, ProcessID=44, ImageName="C:\\x\\browser.exe")
        for version, ends in (("v4", WEB), ("v6", WEB6)):
            for event, size in (
                ("Connect", 0), ("Send", 100), ("Recv", 1000), ("Recv", 500), ("Retransmit", 100), ("Accept", 0),
                ("Reconnect", 0), ("Copy", 999), ("Disconnect", 0),
            ):
                made.event(10, NETWORK, f"Tcp{event}IP{version}", pid=4, PID=44, size=size, **ends)
        made.event(30, NETWORK, "UdpSendIPv4", pid=4, PID=44, size=40, **NAME_SERVER)
        made.event(31, NETWORK, "UdpSendIPv6", pid=4, PID=44, size=41, **WEB6)
    tcp = {
        "sent_bytes": 100, "received_bytes": 1500, "sends": 1, "receives": 2, "connects": 1, "accepts": 1,
        "disconnects": 1, "reconnects": 1, "retransmits": 1,
    }
    assert peers(made.path, engine) == {
        (44, "browser.exe", THEIRS, 443, "tcp"): tcp,
        (44, "browser.exe", THEIRS6, 443, "tcp"): tcp,
        (44, "browser.exe", "192.0.2.53", 53, "udp"): {"sent_bytes": 40, "sends": 1},
        (44, "browser.exe", THEIRS6, 443, "udp"): {"sent_bytes": 41, "sends": 1},
    }
    totals = tables_of("etw_network", made.path, engine)["totals"]
    assert totals == [
        {"received_bytes": 3000, "sent_bytes": 281, "failures": 0, "unreadable": 0, "refused": 0, "told_twice": 0}
    ]


def test_the_remote_end_of_a_datagram_that_is_received_is_its_source(tmp_path: Path) -> None:
    """Otherwise a machine would be seen to talk with itself; a TCP segment that is received has the other order."""
    back = between("192.0.2.53", 53, OURS, 50002)
    with Recording(tmp_path / "made.etl") as made:
        made.event(1, NETWORK, "UdpRecvIPv4", PID=44, size=200, **back)
        made.event(2, NETWORK, "TcpRecvIPv4", PID=44, size=300, **WEB)
    assert peers(made.path) == {
        (44, "", "192.0.2.53", 53, "udp"): {"received_bytes": 200, "receives": 1},
        (44, "", THEIRS, 443, "tcp"): {"received_bytes": 300, "receives": 1},
    }


@pytest.mark.parametrize("pointer_size", [4, 8])
@pytest.mark.parametrize("by_hook", [True, False])
def test_every_version_of_the_classic_classes_is_counted(tmp_path: Path, pointer_size: int, by_hook: bool) -> None:
    """Version 0 has its fields in another order, 2 has names of its own; ports are big endian in all."""
    with Recording(tmp_path / "made.etl", pointer_size=pointer_size) as made:
        for group, version, send in (
            ("TcpIp", 0, "Send"), ("TcpIp", 1, "Send"), ("TcpIp", 2, "SendIPV4"), ("UdpIp", 1, "Send"),
            ("UdpIp", 2, "SendIPV4"),
        ):
            made.kernel(3, group, send, version, by_hook=by_hook, PID=80 + version, size=9, **WEB)
        made.kernel(5, "TcpIp", "SendIPV6", 2, by_hook=by_hook, PID=90, size=9, **WEB6)
        made.kernel(6, "UdpIp", "SendIPV6", 2, by_hook=by_hook, PID=90, size=9, **WEB6)
        made.kernel(7, "TcpIp", "ConnectIPV4", 2, by_hook=by_hook, PID=91, size=0, **WEB)
    sent = {"sent_bytes": 9, "sends": 1}
    expected = {(80 + n, "", THEIRS, 443, "tcp"): sent for n in range(3)}
    expected |= {(80 + n, "", THEIRS, 443, "udp"): sent for n in (1, 2)}
    expected |= {(90, "", THEIRS6, 443, protocol): sent for protocol in ("tcp", "udp")}
    assert peers(made.path) == expected | {(91, "", THEIRS, 443, "tcp"): {"connects": 1}}


def test_failed_attempts_are_counted_by_code(tmp_path: Path) -> None:
    """The event says neither who nor where to."""
    with Recording(tmp_path / "made.etl") as made:
        for tick, code in enumerate((5, 5, 7)):
            made.event(tick, NETWORK, "TcpFail", Proto=2, FailureCode=code)
        made.event(9, NETWORK, "UdpFail", Proto=2, FailureCode=5)
    tables = tables_of("etw_network", made.path)
    assert {(row["protocol"], row["code"]): row["count"] for row in tables["failures"]} == {
        ("tcp", 5): 2, ("tcp", 7): 1, ("udp", 5): 1
    }
    assert tables["totals"][0]["failures"] == 4


@pytest.mark.parametrize("first", [0, 1])
def test_what_both_providers_tell_is_counted_once(tmp_path: Path, first: int) -> None:
    """A session may have both; whose event comes first is taken."""
    with Recording(tmp_path / "made.etl") as made:
        for number in range(4):
            if number % 2 == first:
                made.event(number, NETWORK, "TcpSendIPv4", PID=44, size=5, **WEB)
            else:
                made.kernel(number, "TcpIp", "SendIPV4", 2, PID=44, size=5, **WEB)
    tables = tables_of("etw_network", made.path)
    assert [row["sent_bytes"] for row in tables["peers"]] == [10]
    assert (tables["totals"][0]["sent_bytes"], tables["totals"][0]["told_twice"]) == (10, 2)


def test_datagrams_and_failures_of_the_classic_classes_are_read_alike(tmp_path: Path) -> None:
    """Their source is the remote end, too."""
    with Recording(tmp_path / "made.etl") as made:
        made.kernel(3, "UdpIp", "RecvIPV4", 2, PID=44, size=7, **between("192.0.2.53", 53, OURS, 50002))
        made.kernel(10, "TcpIp", "Fail", 2, Proto=2, FailureCode=7)
    tables = tables_of("etw_network", made.path)
    assert [(row["remote"], row["received_bytes"]) for row in tables["peers"]] == [("192.0.2.53", 7)]
    assert tables["failures"] == [{"protocol": "tcp", "code": 7, "count": 1}]


def test_a_pid_that_is_used_again_is_another_row(tmp_path: Path) -> None:
    """Two processes' bytes are never added up; two events that tell of one start are one process."""
    with Recording(tmp_path / "made.etl") as made:
        made.event(0, PROCESS, "ProcessRundown", 1, ProcessID=44, ImageName="C:\\old.exe")
        made.event(1, NETWORK, "TcpSendIPv4", PID=44, size=1, **WEB)
        made.kernel(2, "Process", "Start", 4, ProcessId=44, ImageFileName="new.exe")
        made.event(3, PROCESS, "ProcessStart", 3, ProcessID=44, ImageName="C:\\new.exe", CreateTime=133444736000000002)
        made.event(4, NETWORK, "TcpSendIPv4", PID=44, size=10, **WEB)
    assert peers(made.path) == {
        (44, "old.exe", THEIRS, 443, "tcp"): {"sent_bytes": 1, "sends": 1},
        (44, "new.exe", THEIRS, 443, "tcp"): {"sent_bytes": 10, "sends": 1},
    }


def test_a_pid_whose_process_ended_is_of_another_one(tmp_path: Path) -> None:
    """Also where nothing tells when either began."""
    with Recording(tmp_path / "made.etl") as made:
        made.event(0, PROCESS, "ProcessRundown", 1, ProcessID=44, ImageName="C:\\old.exe")
        made.event(1, NETWORK, "TcpSendIPv4", PID=44, size=1, **WEB)
        made.event(2, PROCESS, "ProcessStop", 2, ProcessID=44)
        made.event(3, NETWORK, "TcpSendIPv4", PID=44, size=2, **WEB)
        made.kernel(4, "Process", "DCStart", 4, ProcessId=44, ImageFileName="new.exe")
        made.event(5, NETWORK, "TcpSendIPv4", PID=44, size=10, **WEB)
    assert peers(made.path) == {
        (44, "old.exe", THEIRS, 443, "tcp"): {"sent_bytes": 3, "sends": 2},
        (44, "new.exe", THEIRS, 443, "tcp"): {"sent_bytes": 10, "sends": 1},
    }


def test_what_cannot_be_read_is_counted(tmp_path: Path) -> None:
    """Payloads cut at every byte up to the port, and a version that is not known; nothing is made up."""
    with Recording(tmp_path / "made.etl") as made:
        for cut in range(18):                    # process, size, two addresses, the remote port
            made.event(cut, NETWORK, "TcpSendIPv4", cut=cut, PID=44, size=9, **WEB)
        made.event(20, NETWORK, "TcpSendIPv4", cut=18, PID=44, size=9, **WEB)
        made.event(21, NETWORK, "TcpSendIPv4", written_as=7, PID=44, size=9, **WEB)
    tables = tables_of("etw_network", made.path)
    assert [row["sent_bytes"] for row in tables["peers"]] == [9]
    assert tables["totals"][0]["unreadable"] == 19


@BOTH
def test_events_of_peers_without_room_are_in_the_totals(tmp_path: Path, engine: Engine) -> None:
    """The table has room for 16,384."""
    with Recording(tmp_path / "made.etl") as made:
        for number in range(16_400):
            ends = between(OURS, 1, str(ipaddress.IPv4Address(0x0A000000 + number)), 443)
            made.event(number, NETWORK, "TcpSendIPv4", PID=44, size=1, **ends)
    tables = tables_of("etw_network", made.path, engine)
    assert len(tables["peers"]) == 16_384
    assert (tables["totals"][0]["sent_bytes"], tables["totals"][0]["refused"]) == (16_400, 16)
