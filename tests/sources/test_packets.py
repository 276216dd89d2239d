"""Captures of packets: both formats, both byte orders, all units of time, and files that make no sense."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.cli.test_commands import answer, tracerd
from tracerd.errors import SourceError
from tracerd.native import ffi, lib
from tracerd.sources.base import LinkRequest
from tracerd.sources.captures import is_capture
from tracerd.sources.packets import PacketSource

OBJECT = Path(__file__).parents[1] / "platforms" / "objects" / "xdp.bpf.o"
LINUX = Path(__file__).parent / "objects" / "xdp_linux.bpf.o"
NAME = "packet:test.pcap"
FRAME = bytes(12) + b"\x08\x00" + bytes(46)
ORDERS = pytest.mark.parametrize("order", ["<", ">"])


@dataclass(frozen=True)
class Packet:
    time_ns: int
    data: bytes
    interface: int
    link_type: int
    original: int


class Recorder:
    """A native program that keeps what it sees."""

    def __init__(self) -> None:
        self.seen: list[Packet] = []
        self.program: Any = lib.tr_program_new()
        self._entry = ffi.callback("tr_entry", self._run)
        lib.tr_program_set_entry(self.program, self._entry, ffi.NULL)

    def _run(self, context: Any, run: Any) -> int:
        c: Any = ffi.cast("struct tr_packet_context *", context)
        assert run.now_ns == c.time_ns
        data = bytes(ffi.buffer(c.data, c.data_end - c.data)) if c.data_end > c.data else b""
        self.seen.append(Packet(c.time_ns, data, c.interface, c.link_type, c.original_bytes))
        return 0


def read(path: Path) -> tuple[list[Packet], Any]:
    """Return every packet and the ledger."""
    recorder = Recorder()
    with closing(PacketSource(path)) as source:
        source.open([LinkRequest(NAME, recorder.program, 48)])
        passed = 0
        while (some := source.pump(10)) >= 0:
            passed += some
        ledger = source.statistics()[NAME]
    lib.tr_program_free(recorder.program)
    broken = "cut off" in ledger.via or "makes no sense" in ledger.via         # what a capture ends in is one drop
    assert passed + broken == ledger.produced
    assert ledger.missing == 0
    return recorder.seen, ledger


def pcap(packets: list[tuple[int, int, bytes]], order: str = "<", *, nano: bool = False, link: int = 1) -> bytes:
    """Return a file: (seconds, fraction, bytes) of each packet."""
    magic = 0xA1B23C4D if nano else 0xA1B2C3D4
    out = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 262144, link)
    return out + b"".join(struct.pack(order + "IIII", s, f, len(data), len(data) + 9) + data for s, f, data in packets)


def block(order: str, kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    size = struct.pack(order + "I", len(body) + 12)
    return struct.pack(order + "I", kind) + size + body + size


def section(order: str) -> bytes:
    return block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))


def interface(order: str, link: int = 1, *options: tuple[int, bytes]) -> bytes:
    padded = b"".join(struct.pack(order + "HH", n, len(data)) + data + bytes(-len(data) % 4) for n, data in options)
    return block(order, 1, struct.pack(order + "HHI", link, 0, 0) + padded + (bytes(4) if options else b""))


def enhanced(order: str, number: int, time: int, data: bytes) -> bytes:
    return block(order, 6, struct.pack(order + "IIIII", number, time >> 32, time & 0xFFFFFFFF, len(data), 999) + data)


@ORDERS
@pytest.mark.parametrize("nano", [False, True])
def test_a_pcap_is_read_in_either_byte_order(order: str, nano: bool, tmp_path: Path) -> None:
    """Seconds and micro- or nanoseconds; the length on the wire is kept apart from what was captured."""
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap([(1, 5, b"one"), (2, 999_999, b"")], order, nano=nano, link=101))
    seen, ledger = read(path)
    unit = 1 if nano else 1000
    assert seen == [
        Packet(10**9 + 5 * unit, b"one", 0, 101, 12), Packet(2 * 10**9 + 999_999 * unit, b"", 0, 101, 9)
    ]  # fmt: skip
    assert (ledger.delivered, ledger.via) == (2, "")


@ORDERS
def test_a_pcapng_is_read_in_either_byte_order(order: str, tmp_path: Path) -> None:
    """Interfaces with clocks of their own, packets with and without a time, blocks that are no packets."""
    path = tmp_path / "a.pcapng"
    offset = struct.pack(order + "q", 100)
    path.write_bytes(
        section(order) + interface(order) + interface(order, 105, (9, b"\x09")) + block(order, 5, bytes(8))
        + interface(order, 1, (2, b"eth0"), (9, b"\x8a"), (14, offset)) + enhanced(order, 0, 1_500_000, b"abc")
        + enhanced(order, 1, 1_500_000_001, b"de") + enhanced(order, 2, 1536, b"") + block(order, 0xBAD, b"")
        + block(order, 3, struct.pack(order + "I", 2) + b"xy\0\0") + section("<" if order == ">" else ">")
        + interface("<" if order == ">" else ">", 7) + enhanced("<" if order == ">" else ">", 0, 1, b"z")
    )  # fmt: skip
    seen, ledger = read(path)
    assert seen == [
        Packet(1_500_000_000, b"abc", 0, 1, 999),
        Packet(1_500_000_001, b"de", 1, 105, 999),
        Packet(101_500_000_000, b"", 2, 1, 999),
        Packet(0, b"xy", 0, 1, 2),
        Packet(1_000, b"z", 0, 7, 999),
    ]
    assert ledger.via == ""


@pytest.mark.parametrize(
    ("data", "packets", "said"),
    [
        (pcap([(1, 0, b"abc")])[:-1], 0, "the last packet is cut off"),
        (pcap([(1, 0, b"abc")]) + b"\0", 1, "the last packet is cut off"),
        (pcap([(1, 0, b"abc")]) + struct.pack("<IIII", 1, 1, 1 << 31, 5), 1, "what makes no sense"),
        (section("<") + enhanced("<", 0, 1, b"a"), 0, "what makes no sense"),
        (section("<") + interface("<") + struct.pack("<II", 6, 13) + bytes(20), 0, "what makes no sense"),
        (section("<") + interface("<") + struct.pack("<II", 6, 8) + bytes(20), 0, "what makes no sense"),
        (section("<") + interface("<") + enhanced("<", 0, 1, b"abcd")[:-3], 0, "the last packet is cut off"),
        (section("<") + interface("<", 1, (9, b"\xff")) + enhanced("<", 0, 1, b"a"), 0, "what makes no sense"),
        (section("<") + interface("<") * 257, 0, "what makes no sense"),
        (section("<") + block("<", 1, b"1234"), 0, "what makes no sense"),
        (section("<")[:8] + bytes(20), 0, "what makes no sense"),
        (section("<") + interface("<") + block("<", 6, struct.pack("<IIIII", 0, 0, 0, 5, 5)), 0, "what makes no sense"),
    ],
    ids=count(),
)
def test_what_makes_no_sense_ends_a_capture_and_is_told(data: bytes, packets: int, said: str, tmp_path: Path) -> None:
    """Packets before the damage are run; no length is believed that goes beyond what holds it."""
    path = tmp_path / "a.pcap"
    path.write_bytes(data)
    seen, ledger = read(path)
    assert len(seen) == packets
    assert said in ledger.via
    assert (ledger.delivered, ledger.dropped_in_ring) == (packets, 1)


def test_packets_that_no_proof_covers_are_dropped_and_counted(tmp_path: Path) -> None:
    """65,535 bytes are a payload, 65,536 are not; a packet may be as large as the window all the same."""
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap([(1, 0, bytes(65535)), (2, 0, bytes(65536)), (3, 0, bytes(1 << 19)), (4, 0, b"end")]))
    seen, ledger = read(path)
    assert [len(packet.data) for packet in seen] == [65535, 3]
    assert (ledger.delivered, ledger.dropped_in_ring) == (2, 2)
    assert "2 packets of 64 KiB or more, not run" in ledger.via


def test_packets_across_the_reader_s_window_are_whole(tmp_path: Path) -> None:
    """A file of several MiB of packets of all sizes comes out as it went in."""
    random, path = Random(7), tmp_path / "a.pcap"
    packets = [(n, 0, random.randbytes(random.choice((0, 1, 60, 1500, 9000, 65535)))) for n in range(400)]
    path.write_bytes(pcap(packets))
    seen, ledger = read(path)
    assert [packet.data for packet in seen] == [data for _, _, data in packets]
    assert ledger.delivered == 400


def mutants() -> Iterator[bytes]:
    random = Random(20250711)
    ng = section("<") + interface("<", 1, (9, b"\x06")) + b"".join(enhanced("<", 0, n, FRAME) for n in range(6))
    for source in (pcap([(n, 0, FRAME) for n in range(6)]), ng):
        for _ in range(400):
            data = bytearray(source)
            for _ in range(random.choice((1, 1, 2, 5))):
                at = random.randrange(len(data))
                data[at] = random.choice((0, 1, 0x7F, 0xFF, random.randrange(256)))
            yield bytes(data[: random.choice((len(data), random.randrange(len(data))))])


def test_no_damage_breaks_the_reader(tmp_path: Path) -> None:
    """800 damaged files: packets and a balance, or one sentence; never more bytes than the file has."""
    path, opened = tmp_path / "a.pcap", 0
    for data in mutants():
        path.write_bytes(data)
        with suppress(SourceError):
            seen, _ = read(path)
            opened += 1
            assert sum(len(packet.data) for packet in seen) <= len(data)
    assert opened > 400


def test_what_is_no_capture_is_refused(tmp_path: Path) -> None:
    """By how it starts; so is a folder, and what is not there."""
    path = tmp_path / "a.pcap"
    path.write_bytes(b"MZ and more")
    with pytest.raises(SourceError, match="is no capture of packets"):
        PacketSource(path)
    with pytest.raises(SourceError, match="is not a regular file"):
        PacketSource(tmp_path)
    with pytest.raises(SourceError, match="cannot be read"):
        PacketSource(tmp_path / "none.pcap")
    assert is_capture(path), "what is called one is refused as one"
    assert not is_capture(path.rename(tmp_path / "a.bin"))
    assert not is_capture(tmp_path / "none.bin")


def test_replay_runs_an_object_over_a_capture(tmp_path: Path) -> None:
    """A bare object of eBPF for Windows is attached to the packets; its verdicts are in the JSON and on the screen."""
    path = tmp_path / "some.dump"                # told by how it starts, not by its name
    path.write_bytes(pcap([(1, 0, FRAME), (2, 0, FRAME), (3, 0, bytes(14)), (4, 0, b"few")]))
    document = answer("replay", path, OBJECT)
    assert document["tables"]["types"] == [{"key": 0x0800, "value": 2}, {"key": 0, "value": 1}]
    rows = {row["verdict"]: row for row in document["verdicts"]}
    assert rows[1] == {
        "program": "CountFrames", "source": f"packet:{path}", "verdict": 1, "meaning": "pass", "runs": 2
    }  # fmt: skip
    assert (rows[2]["meaning"], rows[2]["runs"]) == ("drop", 2)
    shown = " ".join(tracerd("replay", path, OBJECT).stdout.split())
    assert "2 × 1 (pass), 2 × 2 (drop), not enforced" in shown


def test_an_xdp_program_of_linux_runs_over_ethernet(tmp_path: Path) -> None:
    """With Linux's context and verdicts; packets of another medium are passed over and counted."""
    path = tmp_path / "a.pcapng"
    path.write_bytes(
        section("<") + interface("<", 101) + interface("<") + enhanced("<", 0, 1, FRAME) + enhanced("<", 1, 2, FRAME)
        + enhanced("<", 1, 3, b"few")
    )  # fmt: skip
    document = answer("replay", path, LINUX)
    assert [(row["verdict"], row["meaning"], row["runs"]) for row in document["verdicts"]] == [
        (2, "pass", 1), (1, "drop", 1)
    ]  # fmt: skip
    assert document["tables"]["seen"] == [{"key": 0, "value": 2}]        # interface 1, twice
    assert "1 events were none of its hook's" in tracerd("replay", path, LINUX).stdout


def test_packets_of_an_interface_are_named_as_missing(tmp_path: Path) -> None:
    """Exit code 4 and the way out."""
    probe = tmp_path / "probe.toml"
    probe.write_text(
        f'[probe]\nname = "p"\nobject = "{OBJECT}"\n[[attach]]\nprogram = "CountFrames"\nsource = "packet:eth0"\n'
    )
    done = tracerd("run", "-d", "1", probe)
    assert done.returncode == 4
    assert "capture them first: tcpdump -w FILE.pcap" in done.stderr


def test_a_capture_is_not_recorded_again(tmp_path: Path) -> None:
    """It is a recording; exit code 4, and no file is left."""
    path, made = tmp_path / "a.pcap", tmp_path / "a.trec"
    path.write_bytes(pcap([(1, 0, FRAME)]))
    done = tracerd("record", f"packet:{path}", "-o", made)
    assert done.returncode == 4
    assert "a capture is a recording itself" in done.stderr
    assert not made.exists()
