"""How long all shipped probes take to load, without the caches, with empty ones and with full ones.

`python -m tests.bench.warm_start [REPETITIONS]`; every load is a new process.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

CHILD = """
import json, sys, time
start = time.perf_counter()
from pathlib import Path
from tracerd.runtime.caches import open_caches
from tracerd.runtime.load import load_probe
from tracerd.runtime.locate import locate, shipped_probes
from tracerd.verifier.job import Options
from tracerd.verifier.sandbox import Verifier
imported = time.perf_counter()
engine, state = sys.argv[1:]
verifier = Verifier()
caches = open_caches(Path(state), verifier) if state else None
for name in shipped_probes():
    load_probe(
        locate(name), 2, caches.prover if caches else verifier, asked=engine, integrity="auto", options=Options(),
        background=False, code_cache=caches.code if caches else None,
    )
loaded = time.perf_counter()
resident = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmRSS"))
print(json.dumps([(imported - start) * 1e3, (loaded - imported) * 1e3, resident / 1024]))
verifier.close()
"""


def main() -> None:
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    print(f"{'engine':12} {'caches':8} {'import ms':>10} {'load ms':>9} {'RSS MB':>7}   medians of {repetitions}")
    for engine in ("jit", "interpreter"):
        with tempfile.TemporaryDirectory() as folder:
            measure(engine, "none", [""] * repetitions)
            measure(engine, "empty", [f"{folder}/{number}" for number in range(repetitions)])
            measure(engine, "full", [f"{folder}/0"] * repetitions)


def measure(engine: str, name: str, states: list[str]) -> None:
    rows = [once(engine, state) for state in states]
    imported, loaded, resident = (statistics.median(column) for column in zip(*rows, strict=True))
    print(f"{engine:12} {name:8} {imported:10.0f} {loaded:9.0f} {resident:7.0f}")


def once(engine: str, state: str) -> list[float]:
    command = [sys.executable, "-c", CHILD, engine, state]
    run = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    found: list[float] = json.loads(run.stdout)
    return found


if __name__ == "__main__":
    main()
