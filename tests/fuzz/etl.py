"""Fuzz what reads ETW and captures under sanitizers: walker, decompressors, decoder, callback, hooks (libFuzzer)."""

from __future__ import annotations

import random
import shutil
import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

from tests.fuzz import etw_seeds
from tests.sources.etl_support import SAMPLES
from tests.sources.test_etl_damage import sound
from tests.sources.test_packets import FRAME, enhanced, interface, pcap, section
from tests.sources.xca import FORMATS, compress, compress_recording
from tracerd.sources.etl_writer import EtlWriter

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent / "native"
NATIVE = ROOT / "tracerd" / "native"
BUILD = ROOT / "build" / "fuzz"
"""The targets, what they found to be new (kept for the next run) and, if they fail, the input that did it."""

_CLANGS = ("clang-19", "clang", "clang-18", "clang-20")
_FLAGS = (
    "-std=gnu11", "-O2", "-g", "-fno-omit-frame-pointer", "-fsanitize=fuzzer,address,undefined",
    "-fno-sanitize-recover=undefined",
)
_LARGEST_SEED = 30_000
_INTERRUPTED = 72                            # libFuzzer's exit code when somebody stops it
_TARGETS = {
    "fuzz_walk": 65_536, "fuzz_decompress": 8_192, "fuzz_decode": 4_096, "fuzz_record": 1_024, "fuzz_hooks": 4_096,
}
"""Each with the longest input worth trying."""

_FROM_MEMORY = ("fuzz_walk", "fuzz_hooks")                       # in place of a file


def fuzz(seconds: float, seed: int) -> int:
    """Run all targets for their share of the time; return how many failed. Skips, with a reason, without libFuzzer."""
    clang = next((name for name in _CLANGS if shutil.which(name)), None)
    if clang is None:
        print("etl: skipped: no clang is installed", flush=True)
        return 0
    for name in _TARGETS:
        (BUILD / name).mkdir(parents=True, exist_ok=True)
    why_not = _build(clang)
    if why_not:
        print(f"etl: skipped: {clang} cannot build a fuzzer here (libclang-rt?): {why_not}", flush=True)
        return 0
    _write_recordings(BUILD / "fuzz_walk")
    _write_packed(BUILD / "fuzz_decompress")
    etw_seeds.write_seeds(BUILD / "fuzz_decode")
    etw_seeds.write_records(BUILD / "fuzz_record")
    _write_hooked(BUILD / "fuzz_hooks")
    return sum(_run(name, seconds / len(_TARGETS), seed) for name in _TARGETS)


def _build(clang: str) -> str:
    """Compile the core under the sanitizers and link the targets. Returns why it failed."""
    sources = [*sorted((NATIVE / "src").glob("*.c")), *(HERE / f"{name}.c" for name in _TARGETS)]
    include = [f"-I{NATIVE / 'border'}", f"-I{NATIVE / 'src'}"]

    def run(*arguments: str | Path) -> str:
        command = [clang, *_FLAGS, *include, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.stderr.strip() if done.returncode else ""

    with ThreadPoolExecutor(2) as pool:
        errors = list(pool.map(lambda source: run("-c", source, "-o", BUILD / f"{source.stem}.o"), sources))
    core = [BUILD / f"{path.stem}.o" for path in sources if path.stem not in _TARGETS]
    reads = BUILD / "etl_io.o"
    for name in _TARGETS:
        objects = [path for path in core if path != reads or name not in _FROM_MEMORY]
        errors.append(run(*objects, BUILD / f"{name}.o", "-o", BUILD / f"{name}.fuzzer", "-pthread"))
    return next((error.splitlines()[-1] for error in errors if error), "")


def _run(name: str, seconds: float, seed: int) -> int:
    command = [
        str(BUILD / f"{name}.fuzzer"), str(BUILD / name), f"-max_total_time={max(1, round(seconds))}",
        f"-max_len={_TARGETS[name]}", f"-seed={seed & 0x7FFFFFFF or 1}", f"-artifact_prefix={BUILD}/{name}-",
        "-print_final_stats=1", "-timeout=20", "-rss_limit_mb=3000",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    log = done.stderr.splitlines()
    stats = {line.split()[0].removeprefix("stat::"): line.split()[-1] for line in log if line.startswith("stat::")}
    coverage = next((line for line in reversed(log) if " cov: " in line), "")
    runs = stats.get("number_of_executed_units:", "?")
    failed = done.returncode not in (0, _INTERRUPTED)
    end = ", interrupted by a signal" if done.returncode == _INTERRUPTED else ""
    print(f"{name}: {runs} inputs in at most {seconds:.0f} s{end}, {int(failed)} failures (seed {seed}) {coverage}",
          flush=True)
    if failed:
        print(done.stderr[-6000:], file=sys.stderr, flush=True)
    return int(failed)


def _write_recordings(folder: Path) -> None:
    """Seeds of the walk: the smaller samples, and ours of all header kinds, plain and in every compression."""
    for path in sorted(SAMPLES.glob("*.etl")):
        if path.stat().st_size <= _LARGEST_SEED:
            shutil.copy(path, folder / path.name)
    for clock, pointer_size in ((1, 8), (2, 4), (3, 8)):
        write_odd(folder / f"odd{clock}.etl", clock, pointer_size)
    plain = sound(folder / "plain.etl")
    for kind in FORMATS:
        compress_recording(plain, folder / f"packed{kind}.etl", kind)
        odd = (folder / "odd3.etl").read_bytes()
        compress_recording(odd, folder / f"packed-odd{kind}.etl", kind)


def write_odd(path: Path, clock: int, pointer_size: int) -> None:
    """What `sound` has not: threads that are switched, extended items, counters, messages without a time."""
    start = 133_444_736_000_000_000 if clock == 2 else 1_000_000
    with EtlWriter(
        path, cpus=2, buffer_size=1024, clock=clock, frequency=3_000_000, start_ticks=start, pointer_size=pointer_size
    ) as writer:
        thread = struct.pack("<II40x", 7, 9)
        writer.system_event(start, 0x0503, thread, version=3)
        writer.manifest_event(start, UUID(int=1), 1, b"x", extended=[(1, bytes(16)), (11, b"schema")], pid=7, tid=9)
        for i in range(12):
            cpu = i % 2
            writer.perfinfo_event(start + i, 0x0524, struct.pack("<II16x", 9 * (i % 3), 0), cpu=cpu, version=2)
            writer.perfinfo_event(start + i, 0x0F33, b"address.", cpu=cpu, pebs=bool(i & 1), counters=i % 4)
            writer.perfinfo_event(start + i, 0x0F2E, bytes(pointer_size) + struct.pack("<II", 9, 1), cpu=cpu)
            writer.message_event(None, i, b"m", cpu=cpu, sequence=i, component=3)


def _write_packed(folder: Path) -> None:
    source = random.Random(1)
    words = [b"process", bytes(9), b"tracerd", b"\x12\xc0", b"abc" * 200]
    for i, size in enumerate((1, 50, 300, 5000, 5000, 70_000)):
        plain = b"".join(source.choice(words) for _ in range(size // 3 + 1))[:size]
        for kind in FORMATS:
            head = bytes([(kind - 2) + 66 * (size >> 16), size & 255, size >> 8 & 255])
            (folder / f"seed{kind}-{i}").write_bytes(head + compress(kind, plain))


def _write_hooked(folder: Path) -> None:
    """Seeds of the hooks: captures in both formats and orders, and payloads of processes, binds and frames."""
    for number, order in enumerate("<>"):
        packets = [(n, 0, FRAME[: 20 * n]) for n in range(4)]
        (folder / f"pcap{number}").write_bytes(b"\1" + pcap(packets, order))
        blocks = section(order) + interface(order) + interface(order, 101, (9, b"\x09"), (14, bytes(8)))
        blocks += enhanced(order, 0, 5, FRAME) + enhanced(order, 1, 6, b"")
        (folder / f"pcapng{number}").write_bytes(b"\1" + blocks)
    sid = bytes(range(1, 17)) + bytes.fromhex("010500000000000515000000") + bytes(16)
    process = struct.pack("<QII", 1, 2, 3) + sid + b"a.exe\0" + "a -b".encode("utf-16-le") + b"\0\0"
    (folder / "process").write_bytes(b"\0" + process)
    (folder / "bind").write_bytes(b"\2" + struct.pack("<IHHIQI", 16, 2, 80, 1, 0, 0))
    (folder / "frame").write_bytes(b"\4" + struct.pack("<IH", 7, len(FRAME)) + FRAME)
