"""Recordings give the same map contents, ledgers and text on Linux and, built for Windows, under Wine."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import chain
from pathlib import Path

import pytest

from tests.fuzz.etl import write_odd
from tests.sources.etl_support import SAMPLES, buffer_offsets, needs_samples
from tests.sources.etw_records import set_clock
from tests.sources.etw_shim import installed
from tests.sources.test_etl_damage import BUFFER, sound
from tests.sources.test_etl_demo import DEMO
from tests.sources.test_etw_live import names_in
from tests.sources.xca import FORMATS, compress_recording
from tests.wine import expected, jobs
from tests.wine.scenes import Scene, all_kinds, all_named, etw_processes
from tests.wine.systems import Systems
from tracerd.sources.etl import EtlSource
from tracerd.sources.schema.catalog import load, shipped
from tracerd.sources.schema.model import Provider

FILES = sorted(SAMPLES.glob("*.etl")) if SAMPLES.is_dir() else []


def compare(systems: Systems, recordings: list[Path], make: Callable[[int], Scene]) -> int:
    """Walk all recordings with a scene of their own on each system."""
    scenes = [(path, make(cpus_of(path))) for path in recordings]
    groups = expected.groups()
    providers, told = all_schemas()
    return systems.compare(
        [jobs.schemas(providers), *(jobs.walk(path, scene, groups, expected.matches(scene)) for path, scene in scenes)],
        chain(told, (line for path, scene in scenes for line in expected.walk(path, scene))),
    )


def all_schemas() -> tuple[list[Provider], list[bytes]]:
    """Return the schemas by which programs read fields, and what the driver says of them."""
    providers = [load(path) for path in shipped()]
    prepared, told = expected.schemas(providers)
    prepared.close()
    return providers, told


def cpus_of(path: Path) -> int:
    with closing(EtlSource(path)) as source:
        return source.cpus


@pytest.fixture
def made(tmp_path: Path) -> list[Path]:
    """Recordings of all header kinds, clocks and pointer sizes, plain and in every compression, whole and damaged."""
    plain = sound(tmp_path / "plain.etl")
    for clock, pointer_size in ((1, 8), (2, 4), (3, 8)):
        write_odd(tmp_path / f"odd{clock}.etl", clock, pointer_size)
    odd = (tmp_path / "odd3.etl").read_bytes()
    for kind in FORMATS:
        compress_recording(plain, tmp_path / f"packed{kind}.etl", kind)
        compress_recording(odd, tmp_path / f"packed-odd{kind}.etl", kind)
        packed = bytearray((tmp_path / f"packed{kind}.etl").read_bytes())
        packed[len(packed) // 2 : len(packed) // 2 + 40] = bytes(range(40))
        (tmp_path / f"broken{kind}.etl").write_bytes(packed)
    (tmp_path / "torn.etl").write_bytes(plain[:-700])
    (tmp_path / "holes.etl").write_bytes(plain[:3000] + bytes(5000) + plain[3072:])
    return [DEMO, *sorted(tmp_path.glob("*.etl"))]


@needs_samples
@pytest.mark.parametrize("make", [etw_processes, all_kinds])
def test_real_recordings_fill_maps_alike(systems: Systems, make: Callable[[int], Scene]) -> None:
    """All 13, compressed ones too: every row of every map, every record, ledger and count."""
    assert len(FILES) == 13
    assert compare(systems, FILES, make) > 300


@pytest.mark.parametrize("make", [etw_processes, all_kinds])
def test_made_recordings_fill_maps_alike(
    systems: Systems, made: list[Path], make: Callable[[int], Scene]
) -> None:
    """What no real recording has: all header kinds, clocks, compressions and damages, beside the shipped recording."""
    assert compare(systems, made, make) > 400


def test_recordings_are_decoded_alike(systems: Systems, made: list[Path]) -> None:
    """Events become the same JSON to the byte: numbers, times, text of any script."""
    recordings = [*made, *FILES]
    providers = [load(path) for path in shipped()]
    prepared, told = expected.schemas(providers)

    def lines() -> Iterator[bytes]:
        yield from told
        for path in recordings:
            yield from expected.decoding(path, prepared)

    decodings = [jobs.decoding(path, expected.groups()) for path in recordings]
    with closing(prepared):
        assert systems.compare([jobs.schemas(providers), *decodings], lines()) > 1000


@pytest.mark.filterwarnings("ignore:isSet:DeprecationWarning")       # pywintrace's thread calls it
def test_live_callbacks_fill_maps_alike(
    systems: Systems, made: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recordings once more, event by event as EVENT_RECORDs, into the callback that Windows would call."""
    given, told = [], []
    for path in [*made, *FILES]:
        with installed(monkeypatch) as windows:
            set_clock(windows, path)
            scene = all_named(names_in(path), cpus_of(path))
            clock = (windows.frequency, windows.ticks, windows.filetime, windows.monotonic_ns())
            given.append(jobs.live(path, scene, expected.groups(), expected.matches(scene), clock))
            told.extend(expected.live(path, scene, windows))
    assert systems.compare(given, told) > 400


def test_buffers_beyond_four_gib_are_read(systems: Systems, tmp_path: Path) -> None:
    """Offsets of more than 31 and of more than 32 bits find the same events."""
    path = tmp_path / "large.etl"
    spread(sound(tmp_path / "plain.etl"), path, buffers=300)
    assert path.stat().st_size > 4 << 30
    assert path.stat().st_blocks * 512 < 64 << 20, "this file system has no holes in files"
    assert compare(systems, [path], all_kinds) > 50


def spread(plain: bytes, path: Path, buffers: int) -> None:
    """Write a recording's header buffer, then its others in turn, 16 MiB apart: between them the file is a hole."""
    stride = 16 << 20
    header, *others = [plain[at : at + BUFFER] for at in buffer_offsets(plain)]
    with path.open("wb") as file:
        for number in range(buffers):
            buffer = bytearray(others[number % len(others)] if number else header)
            struct.pack_into("<I", buffer, 0, stride)
            struct.pack_into("<q", buffer, 0x18, number)
            file.seek(number * stride)
            file.write(buffer)
        file.truncate(buffers * stride)
