"""Hooks of eBPF for Windows over recordings: what their programs see, and what is counted of what they say."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest

from tests.platforms.recordings import USER, payload, provider, replay, sockaddr, text, versions
from tests.sources.etl_support import SAMPLES, needs_samples
from tests.vm.engines import needs_jit
from tracerd.errors import ConfigError
from tracerd.sources.etl_writer import EtlWriter

KERNEL = "Microsoft-Windows-Kernel-Process"
TCPIP = "Microsoft-Windows-TCPIP"
CAPTURE, PKTMON = "Microsoft-Windows-NDIS-PacketCapture", "Microsoft-Windows-PktMon"
START, STOP = f"etw:{KERNEL}:ProcessStart", f"etw:{KERNEL}:ProcessStop"
PATH = "\\Device\\HarddiskVolume3\\Wörk\\app.exe"
CREATED, EXITED = 133_000_000_000_000_000, 133_000_000_100_000_000
PROCESS = {
    "ProcessID": 4712, "ProcessId": 4712, "ParentProcessID": 77, "ParentId": 77, "CreateTime": CREATED,
    "ExitTime": EXITED, "ExitCode": 0xC0000005, "ExitStatus": 0xC0000005, "ImageName": PATH, "ImageFileName": "app.exe",
    "CommandLine": 'app.exe --flag "ä"', "UserSID": USER,
}  # fmt: skip


def manifest(path: Path, name: str, event: Any, values: dict[str, Any], **header: Any) -> None:
    """Write a recording with one event."""
    with EtlWriter(path) as writer:
        writer.manifest_event(
            2_000_000, provider(name).guid, event.number, payload(event, values), version=event.version, **header
        )


@pytest.mark.parametrize("event", versions(KERNEL, "ProcessStart"), ids=lambda event: f"v{event.version}")
def test_a_process_s_begin_of_every_version(event: Any, tmp_path: Path) -> None:
    """The event has no command line: the path of the image stands for it. The creator is the task of the event."""
    path = tmp_path / "a.etl"
    manifest(path, KERNEL, event, PROCESS, pid=88, tid=99)
    _, tables, hooks = replay("process", "ProcessMonitor", path, [START])
    (row,) = tables["processes"]
    assert (row["key"], row["process_id"], row["parent_process_id"]) == (4712, 4712, 77)
    assert (row["creating_process_id"], row["creating_thread_id"]) == (88, 99)
    assert (row["creation_time"], row["exit_time"], row["process_exit_code"]) == (CREATED, 0, 0)
    assert (row["operation"], row["sid_bytes"], row["logon"], row["account"]) == (0, 0, 0, -22)
    assert row["command_bytes"] == row["image_bytes"] == len(PATH.encode("utf-16-le"))
    assert text(tables["commands"][0]["text"]) == PATH
    assert hooks[START].verdicts == ((0, "permit", 1),)


@pytest.mark.parametrize("event", versions(KERNEL, "ProcessStop"), ids=lambda event: f"v{event.version}")
def test_a_process_s_end_of_every_version(event: Any, tmp_path: Path) -> None:
    """Times and exit code; no command, no creator."""
    path = tmp_path / "a.etl"
    manifest(path, KERNEL, event, PROCESS, pid=88, tid=99)
    _, tables, _ = replay("process", "ProcessMonitor", path, [STOP])
    (row,) = tables["processes"]
    assert (row["process_id"], row["creation_time"], row["exit_time"]) == (4712, CREATED, EXITED)
    assert (row["process_exit_code"], row["operation"], row["command_bytes"]) == (0xC0000005, 1, 0)
    assert (row["creating_process_id"], row["parent_process_id"]) == (0, 0)
    assert tables["commands"] == []


@pytest.mark.parametrize("pointer_size", [4, 8])
@pytest.mark.parametrize("event", versions("Process", "Start"), ids=lambda event: f"v{event.version}")
def test_the_kernel_s_own_events_have_command_line_and_user(event: Any, pointer_size: int, tmp_path: Path) -> None:
    """Of recordings with 32-bit and 64-bit pointers. The path is ANSI there, and the helper gives UTF-16."""
    path = tmp_path / "a.etl"
    with EtlWriter(path, pointer_size=pointer_size) as writer:
        body = payload(event, PROCESS, pointer_size=pointer_size)
        writer.system_event(2_000_000, 0x0301, body, version=event.version)
    _, tables, _ = replay("process", "ProcessMonitor", path, ["etw-kernel:Process:Start"])
    (row,) = tables["processes"]
    commands = "CommandLine" in [field.name for field in event.fields]
    assert (row["process_id"], row["parent_process_id"], row["sid_bytes"]) == (4712, 77, len(USER))
    assert row["image_bytes"] == 2 * len("app.exe")
    assert text(tables["commands"][0]["text"]) == (PROCESS["CommandLine"] if commands else "")
    assert row["creation_time"] > CREATED          # the event's time: it has no other


def test_verdicts_are_counted_by_value_and_link(tmp_path: Path) -> None:
    """The program denies odd process ids; nothing is stopped by that."""
    path, event = tmp_path / "a.etl", versions(KERNEL, "ProcessStart")[-1]
    with EtlWriter(path) as writer:
        for pid in range(100, 107):
            body = payload(event, PROCESS | {"ProcessID": pid})
            writer.manifest_event(2_000_000 + pid, provider(KERNEL).guid, 1, body, version=event.version)
    final, tables, hooks = replay("process", "ProcessMonitor", path, [START, STOP])
    assert len(tables["processes"]) == 7
    assert {value: runs for value, _, runs in hooks[START].verdicts} == {0: 4, 0xC0000022: 3}
    assert hooks[STOP].verdicts == ()
    assert (final.ledger[START].delivered, final.ledger[START].failed) == (7, 0)
    assert final.rings["events"].records == 7


def test_events_that_cannot_be_taken_apart_fail_and_are_counted(tmp_path: Path) -> None:
    """A version that no schema has, and a payload that ends too early: the program is not run, the ledger balances."""
    path, event = tmp_path / "a.etl", versions(KERNEL, "ProcessStart")[0]
    with EtlWriter(path) as writer:
        guid = provider(KERNEL).guid
        writer.manifest_event(2_000_000, guid, 1, payload(event, PROCESS), version=200)
        writer.manifest_event(2_000_001, guid, 1, payload(event, PROCESS)[:9], version=0)
        writer.manifest_event(2_000_002, guid, 1, payload(event, PROCESS), version=0)
    final, tables, hooks = replay("process", "ProcessMonitor", path, [START])
    assert hooks[START].unknown == 2
    ledger = final.ledger[START]
    assert (ledger.produced, ledger.delivered, ledger.failed) == (3, 1, 2)
    assert len(tables["processes"]) == final.programs[0].runs == 1


@pytest.mark.parametrize(
    ("event", "operation"),
    [("TcpBindEndpointComplete", 1), ("TcpCloseEndpoint", 2), ("TcpListenerActivated", 1), ("TcpListenerUnbound", 2)],
)
def test_endpoints_of_tcp_feed_bind(event: str, operation: int, tmp_path: Path) -> None:
    """The address as a sockaddr_in; the process of the payload if it is there, else that of the event's header."""
    path, (schema,) = tmp_path / "a.etl", versions(TCPIP, event)
    address = sockaddr((10, 0, 0, 1), 8080)
    values = {
        "LocalAddressLength": 16, "AddressLength": 16, "LocalAddress": address, "SocketAddress": address, "Status": 0,
        "ProcessId": 321,
    }  # fmt: skip
    manifest(path, TCPIP, schema, values, pid=555)
    final, _, hooks = replay("bind", "BindMonitor", path, [f"etw:{TCPIP}:{event}"])
    ports = final.maps["bind"]["ports"]
    assert struct.unpack("<HH", ports.keys[0].tobytes()) == (8080, operation)
    assert struct.unpack("<QQ", ports.values[0].tobytes()) == (1, 321 if event.startswith("TcpListener") else 555)
    assert hooks[f"etw:{TCPIP}:{event}"].verdicts == ((0, "permit", 1),)


def test_bind_passes_over_what_is_none_of_its_own(tmp_path: Path) -> None:
    """IPv6 has no room in its context, a bind that failed did not happen, and an endpoint may be closed unbound."""
    path, (schema,) = tmp_path / "a.etl", versions(TCPIP, "TcpBindEndpointComplete")
    name = f"etw:{TCPIP}:TcpBindEndpointComplete"
    good = sockaddr((127, 0, 0, 1), 80)
    with EtlWriter(path) as writer:
        for ticks, (address, status) in enumerate(
            [(struct.pack("<HH", 23, 80) + bytes(24), 0), (good, 0xC0000022), (b"", 0), (good, 0)], 2_000_000
        ):
            body = payload(schema, {"LocalAddressLength": len(address), "LocalAddress": address, "Status": status})
            writer.manifest_event(ticks, provider(TCPIP).guid, schema.number, body)
    final, _, hooks = replay("bind", "BindMonitor", path, [name])
    assert (hooks[name].passed, hooks[name].verdicts) == (3, ((1, "deny", 1),))
    assert final.ledger[name].delivered == 4


FRAME = bytes(range(6)) + bytes(range(6, 12)) + b"\x08\x00" + bytes(40)


def frame(event: Any, data: bytes, **more: Any) -> bytes:
    sizes = {"FragmentSize": len(data), "OriginalPayloadSize": len(data), "LoggedPayloadSize": len(data)}
    return payload(event, {"Fragment": data, "Payload": data, "PacketType": 1, "MiniportIfIndex": 7} | sizes | more)


def test_frames_of_a_packet_capture_feed_xdp(tmp_path: Path) -> None:
    """What begins a frame is one; what goes on with it, and other media than Ethernet, is passed over."""
    path, (event,) = tmp_path / "a.etl", versions(CAPTURE, "PacketFragment")
    name, guid = f"etw:{CAPTURE}:PacketFragment", provider(CAPTURE).guid
    start, end, wireless = 0x40000000, 0x80000000, 0x10000
    with EtlWriter(path) as writer:
        for ticks, keyword in enumerate((start | end, start, end, start | end | wireless), 2_000_000):
            writer.manifest_event(ticks, guid, 1001, frame(event, FRAME), keyword=keyword)
        writer.manifest_event(2_000_010, guid, 1001, frame(event, b"short"), keyword=start | end)
    _, tables, hooks = replay("xdp", "CountFrames", path, [name])
    assert {row["key"]: row["value"] for row in tables["totals"]} == {0: 3, 1: 2 * len(FRAME) + 5, 2: 21, 3: 0}
    assert tables["types"] == [{"key": 0x0800, "value": 2}]
    assert hooks[name].passed == 2
    assert {value: runs for value, _, runs in hooks[name].verdicts} == {1: 2, 2: 1}


@pytest.mark.parametrize(("medium", "frames"), [(1, 1), (2, 0), (3, 0)])
def test_frames_of_the_packet_monitor_feed_xdp_if_they_are_ethernet(medium: int, frames: int, tmp_path: Path) -> None:
    """PktMon says what a payload begins with: Wi-Fi and bare IP are no Ethernet frames."""
    path, (event,) = tmp_path / "a.etl", versions(PKTMON, "FramePayload")
    name = f"etw:{PKTMON}:FramePayload"
    with EtlWriter(path) as writer:
        writer.manifest_event(2_000_000, provider(PKTMON).guid, event.number, frame(event, FRAME, PacketType=medium))
    _, tables, hooks = replay("xdp", "CountFrames", path, [name])
    assert tables["totals"][0]["value"] == frames
    assert hooks[name].passed == 1 - frames


def test_the_network_monitor_sees_every_payload(tmp_path: Path) -> None:
    """Of any medium, as long as it is, up to an empty one."""
    path, (event,) = tmp_path / "a.etl", versions(PKTMON, "FrameDropPayload")
    name = f"etw:{PKTMON}:FrameDropPayload"
    bodies = [b"", b"\x45abc", bytes(range(200))]
    with EtlWriter(path) as writer:
        for ticks, body in enumerate(bodies, 2_000_000):
            guid = provider(PKTMON).guid
            writer.manifest_event(ticks, guid, event.number, frame(event, body, PacketType=3))
    final, _, hooks = replay("netevent", "NetEventMonitor", path, [name])
    records = final.rings["netevents"].latest
    shown = [record[4 : 4 + len(body)] for record, body in zip(records, bodies, strict=True)]
    assert shown == [b"", b"\x45abc", bodies[2][:128]]
    assert [int.from_bytes(record[:4], "little") for record in records] == [len(body) for body in bodies]
    assert hooks[name].verdicts == ((0, "success", 3),)


@pytest.mark.parametrize(
    ("name", "program", "source", "said"),
    [
        ("process", "ProcessMonitor", f"etw:{KERNEL}", "does not feed process programs of eBPF for Windows"),
        ("process", "ProcessMonitor", f"etw:{KERNEL}:ImageLoad", "etw:Microsoft-Windows-Kernel-Process:ProcessStart"),
        ("process", "ProcessMonitor", "packet:", "does not feed process programs"),
        ("xdp", "CountFrames", START, "or packet:FILE.pcap"),
        ("bind", "BindMonitor", f"etw:{PKTMON}:FramePayload", "etw:Microsoft-Windows-TCPIP:TcpBindEndpointComplete"),
    ],
)
def test_events_that_feed_no_hook_are_refused_with_those_that_do(
    name: str, program: str, source: str, said: str, tmp_path: Path
) -> None:
    """One sentence, before anything runs."""
    path = tmp_path / "a.etl"
    if source == "packet:":
        source = f"packet:{path}"
        path.write_bytes(bytes.fromhex("d4c3b2a1 02000400 00000000 00000000 ffff0000 01000000"))
    else:
        manifest(path, KERNEL, versions(KERNEL, "ProcessStart")[0], PROCESS)
    with pytest.raises(ConfigError) as refusal:
        replay(name, program, path, [source])
    assert said in str(refusal.value)


@needs_jit
@needs_samples
@pytest.mark.parametrize(
    ("file", "name", "program", "source", "runs"),
    [
        ("demikernel_PktMon.etl", "xdp", "CountFrames", f"etw:{PKTMON}:FramePayload", 114),
        ("demikernel_PktMon.etl", "netevent", "NetEventMonitor", f"etw:{PKTMON}:FramePayload", 114),
        ("airbus_ShutdownPerfDiagLogger.etl", "process", "ProcessMonitor", "etw-kernel:Process:End", 60),
        ("syzygy_process_data_64_v3.etl", "process", "ProcessMonitor", "etw-kernel:Process:Start", 1),
        ("syzygy_process_data_32_v1.etl", "process", "ProcessMonitor", "etw-kernel:Process:Start", 1),
    ],
)
def test_engines_agree_over_real_recordings(file: str, name: str, program: str, source: str, runs: int) -> None:
    """The same maps, records and verdicts from both; as many runs as the decoder finds such events."""
    seen = [replay(name, program, SAMPLES / file, [source], engine) for engine in ("interpreter", "jit")]
    (first, tables, hooks), (second, other_tables, other_hooks) = seen
    assert tables == other_tables
    assert hooks == other_hooks
    assert {n: ring.latest for n, ring in first.rings.items()} == {n: ring.latest for n, ring in second.rings.items()}
    assert sum(count for _, _, count in hooks[source].verdicts) == runs
    assert (hooks[source].unknown, hooks[source].passed) == (0, 0)


@needs_samples
def test_a_real_process_has_its_command_line() -> None:
    """What the decoder shows of that event (`tracerd events --fields`): notepad.exe, pid 1776, its parent 988."""
    path = SAMPLES / "syzygy_process_data_32_v1.etl"
    _, tables, _ = replay("process", "ProcessMonitor", path, ["etw-kernel:Process:Start"])
    (row,) = tables["processes"]
    assert (row["process_id"], row["parent_process_id"]) == (1776, 988)
    assert row["image_bytes"] == 2 * len("notepad.exe")
