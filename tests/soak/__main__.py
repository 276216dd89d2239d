"""`python -m tests.soak -s 1200 -o docs/soak.md`: soak a daemon and write down what became of it. Needs root."""

from __future__ import annotations

import argparse
import json
import platform
import re
import sys
import tempfile
import time
from pathlib import Path

from tests.daemon.running import RunningDaemon
from tests.soak.load import Hammer, Trouble
from tests.soak.report import report
from tests.soak.watch import Life, balance, pinned, sample

KILLS = 5
BALANCE_EVERY = 25.0
SAMPLE_EVERY = 2.0
SHIPPED = Path(__file__).parents[2] / "probes"


def ten_probes(daemon: RunningDaemon) -> None:
    """Nine shipped probes under names of their own, and the pinned one."""
    daemon.probe("tally")
    for number in range(9):
        name = ("syscalls", "processes", "churn", "connections", "host")[number % 5]
        text = (SHIPPED / name / "probe.toml").read_text()
        alias = name if number < 5 else f"{name}_{number}"
        text = re.sub(rf'name\s*=\s*"{name}"', f'name = "{alias}"', text, count=1)
        text = re.sub(r'object\s*=\s*"([^"]+)"', rf'object = "{SHIPPED / name}/\1"', text, count=1)
        (daemon.root / "probes.d" / f"{alias}.toml").write_text(text)


def live(daemon: RunningDaemon, hammer: Hammer, trouble: Trouble, seconds: float, floor: int) -> Life:
    """One life: start it, let it be troubled, check what it says, and leave it running."""
    began = time.monotonic()
    daemon.start().close()
    life = Life(time.monotonic(), time.monotonic() - began, hammer.calls)
    hammer.run()
    trouble.calm.clear()
    next_balance = next_sample = 0.0
    while (age := time.monotonic() - life.began) < seconds:
        count = pinned(daemon)
        if count is not None:
            assert count >= max(floor, life.pinned_last), f"the pinned count went back: {count} after {floor}"
            life.pinned_first = life.pinned_first or count
            life.pinned_last = count
        if age >= next_sample:
            sample(daemon, life)
            next_sample = age + SAMPLE_EVERY
        if age >= next_balance and age < seconds - 5:
            trouble.calm.set()
            time.sleep(1)
            balance(daemon, hammer, life)
            trouble.calm.clear()
            next_balance = age + BALANCE_EVERY
        time.sleep(0.5)
    return life


def soak(seconds: float, output: Path | None) -> int:
    """Run it all; returns the exit code."""
    with tempfile.TemporaryDirectory(prefix="soak-", dir="/var/tmp") as folder:
        daemon = RunningDaemon(Path(folder), more="[limits]\nrequests_per_second = 100000")
        ten_probes(daemon)
        hammer, trouble, lives = Hammer(), Trouble(daemon), list[Life]()
        trouble.calm.set()
        began, failure, last = time.monotonic(), "", {}
        try:
            for number in range(KILLS + 1):
                life = live(daemon, hammer, trouble, seconds / (KILLS + 1), lives[-1].pinned_last if lives else 0)
                lives.append(life)
                if number == 0:
                    trouble.start()
                if number < KILLS:
                    trouble.calm.set()
                    daemon.kill()
                    hammer.pause()
                    life.ended = "kill -9"
            trouble.stop()
            balance(daemon, hammer, lives[-1])
            with daemon.client() as client:
                last = client.status()
            stopping = time.monotonic()
            code = daemon.stop()
            lives[-1].ended = f"SIGTERM: exit {code} after {time.monotonic() - stopping:.1f} s"
        except BaseException as error:  # noqa: BLE001  the report says it
            failure = repr(error)
            print(daemon.log[-4000:], file=sys.stderr)
            if daemon.process is not None:
                daemon.kill()
        finally:
            hammer.close()
        text = report(lives, trouble, last, time.monotonic() - began, failure, platform.release())
        print(text)
        print(json.dumps(last.get("own", {}), indent=1), file=sys.stderr)
        if output is not None and not failure:
            output.write_text(text)
        return 1 if failure or trouble.unexpected else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-s", "--seconds", type=float, default=1200)
    parser.add_argument("-o", "--output", type=Path)
    given = parser.parse_args()
    sys.exit(soak(given.seconds, given.output))
