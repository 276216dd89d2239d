"""Objects damaged on purpose, uploaded to a real daemon: refused in sentences, and nothing of them stays."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.daemon.running import OBJECTS, RunningDaemon, daemon, until
from tests.daemon.tallies import counted, hammer
from tests.sources.live import need_live_events
from tracerd.errors import TracerdError
from tracerd.runtime.upload import Upload

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("perf")]

UPLOADS = 250
SEEDS = sorted(OBJECTS.glob("*.bpf.o")) + sorted((Path(__file__).parents[2] / "probes").glob("*/*.bpf.o"))
NAMES = ("../../../../etc/cron.d/x", "/etc/passwd", "a/b", "..", "ok", "x" * 70, "ü", "a\nb")
MOST_GROWTH = 64 << 20


@pytest.fixture
def served(tmp_path: Path) -> Iterator[RunningDaemon]:
    need_live_events()
    with daemon(tmp_path, more="[limits]\nrequests_per_second = 100000") as made:
        made.probe("tally")
        yield made


def damaged(chance: random.Random) -> bytes:
    """Return an object with bytes flipped, exchanged, cut out, repeated or overwritten, where it hurts."""
    contents = bytearray(chance.choice(SEEDS).read_bytes())
    for _ in range(chance.choice((1, 1, 2, 4, 16, 64))):
        at = chance.randrange(min(len(contents), chance.choice((64, 4096, 1 << 30))))
        match chance.randrange(5):
            case 0:
                contents[at] ^= 1 << chance.randrange(8)
            case 1:
                contents[at : at + 4] = chance.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\0\0\0\x80", b"\1\0\0\0"))
            case 2:
                del contents[at : at + chance.randrange(1, 64)]
            case 3:
                contents[at:at] = contents[at : at + chance.randrange(1, 256)]
            case _:
                contents[at : at + 8] = chance.randbytes(8)
        if not contents:
            return b""
    return bytes(contents[: chance.randrange(1, len(contents) + 1)] if chance.random() < 0.1 else contents)


def test_damaged_objects_are_refused_in_sentences_and_leave_nothing(served: RunningDaemon) -> None:
    """It lives, answers, counts on, keeps no draft and no path of theirs, and does not grow without bound."""
    chance, outcomes, told = random.Random(20261128), Counter[str](), list[str]()
    client = served.start()
    process = psutil.Process(served.pid)
    before = process.memory_info().rss
    for number in range(UPLOADS):
        name = chance.choice(NAMES)
        toml = f'[probe]\nname = {name!r}\nobject = "../../../etc/shadow"\n' if chance.random() < 0.3 else None
        try:
            loaded = client.load(Upload(toml=toml, object=damaged(chance), object_name=f"hostile{number}.bpf.o"))
        except TracerdError as error:
            outcomes[type(error).__name__] += 1
            told.append(str(error))
        else:
            outcomes["loaded"] += 1
            client.unload(loaded.name)
    assert sum(outcomes.values()) == UPLOADS
    assert all(each.strip() and "Traceback" not in each for each in told)
    assert len(outcomes) > 2, outcomes           # they get as far as different checks
    assert [info.name for info in client.probes()] == ["tally"]
    assert list((served.root / "state" / "probes").iterdir()) == []
    assert process.memory_info().rss - before < MOST_GROWTH
    assert client.ready() == (True, [])
    pid = hammer(10_000)
    until(lambda: counted(client, pid, "tally") == 10_000)
    assert served.stop() == 0
    assert "Traceback" not in served.log
