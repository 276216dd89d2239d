"""The store of proofs and code: what comes out is what was put in, or nothing; no fault of the disk is raised."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tracerd.errors import RunError
from tracerd.runtime.cache import BlobStore

KEY, OTHER = b"one", b"another"
BODY = bytes(range(256)) * 4

as_root = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[BlobStore]:
    opened = BlobStore(tmp_path / "cache", 1 << 20)
    yield opened
    opened.close()


def entries(store: BlobStore) -> list[Path]:
    return [path for path in store.directory.iterdir() if path.name != "key"]


def only_entry(store: BlobStore) -> Path:
    (path,) = entries(store)
    return path


def test_an_entry_is_found_again_by_another_process(tmp_path: Path) -> None:
    """The next start has what this one kept; another key has nothing."""
    first = BlobStore(tmp_path / "a" / "cache", 1 << 20)
    first.put(KEY, BODY)
    second = BlobStore(tmp_path / "a" / "cache", 1 << 20)
    assert second.get(KEY) == BODY
    assert second.get(OTHER) is None
    found = second.statistics()
    assert (found.hits, found.misses, found.damaged, found.stored) == (1, 1, 0, 0)
    assert first.statistics().stored == 1
    assert found.bytes == len(BODY) + 40


def test_folder_key_and_entries_are_for_this_user_only(store: BlobStore) -> None:
    """0700 and 0600, whatever the umask says."""
    store.put(KEY, BODY)
    assert store.directory.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in store.directory.iterdir()} == {0o600}


def test_an_empty_body_is_a_body(store: BlobStore) -> None:
    """Nothing kept and kept nothing are two answers."""
    store.put(KEY, b"")
    assert store.get(KEY) == b""


DAMAGE: dict[str, Callable[[Path], object]] = {
    "a bit of the body flipped": lambda path: flip(path, 100),
    "a bit of the authentication flipped": lambda path: flip(path, 20),
    "a bit of the format's name flipped": lambda path: flip(path, 0),
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "cut in its head": lambda path: path.write_bytes(path.read_bytes()[:10]),
    "empty": lambda path: path.write_bytes(b""),
    "something appended": lambda path: path.write_bytes(path.read_bytes() + b"\0"),
    "a link to a good entry": lambda path: link_away(path),
    "a link to nothing": lambda path: (path.unlink(), path.symlink_to("/nonexistent")),
    "a pipe": lambda path: (path.unlink(), os.mkfifo(path)),
    "a huge sparse file": lambda path: os.truncate(path, 1 << 40),
}


def flip(path: Path, at: int) -> None:
    body = bytearray(path.read_bytes())
    body[at] ^= 1
    path.write_bytes(bytes(body))


def link_away(path: Path) -> None:
    aside = path.parent.parent / "aside"
    path.rename(aside)
    path.symlink_to(aside)


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_what_is_not_as_it_was_put_is_a_miss_and_gone(store: BlobStore, damage: Callable[[Path], object]) -> None:
    """Damage is counted once, the entry is removed, and a new one can be put there."""
    store.put(KEY, BODY)
    damage(only_entry(store))
    assert store.get(KEY) is None
    assert store.statistics().damaged == 1
    assert entries(store) == []
    store.put(KEY, BODY)
    assert store.get(KEY) == BODY


def test_a_folder_in_an_entrys_place_is_a_miss(store: BlobStore) -> None:
    """It cannot be removed like an entry; it only costs time."""
    store.put(KEY, BODY)
    path = only_entry(store)
    path.unlink()
    path.mkdir()
    assert store.get(KEY) is None
    store.put(KEY, BODY)
    assert store.get(KEY) is None
    assert store.statistics().failed == 1


def test_entries_that_change_places_are_misses(store: BlobStore) -> None:
    """An authentic entry is authentic under its own key only."""
    store.put(KEY, BODY)
    first = only_entry(store)
    store.put(OTHER, b"other")
    (second,) = set(entries(store)) - {first}
    aside = store.directory / "tmp-aside"
    first.rename(aside)
    second.rename(first)
    aside.rename(second)
    assert store.get(KEY) is None
    assert store.get(OTHER) is None
    assert store.statistics().damaged == 2


def test_an_entry_of_another_store_is_a_miss(tmp_path: Path, store: BlobStore) -> None:
    """Every folder has a secret of its own: what was made elsewhere does not count here."""
    elsewhere = BlobStore(tmp_path / "elsewhere", 1 << 20)
    elsewhere.put(KEY, BODY)
    shutil.copy(only_entry(elsewhere), store.directory)
    assert store.get(KEY) is None
    assert store.statistics().damaged == 1


SECRETS: dict[str, Callable[[Path], object]] = {
    "missing": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "short": lambda path: path.write_bytes(b"x" * 31),
    "long": lambda path: path.write_bytes(b"x" * 33),
    "replaced": lambda path: path.write_bytes(b"x" * 32),
    "readable by others": lambda path: path.chmod(0o644),
    "a link": lambda path: (path.rename(path.parent.parent / "key"), path.symlink_to(path.parent.parent / "key")),
}


@pytest.mark.parametrize("change", SECRETS.values(), ids=SECRETS)
def test_with_another_secret_every_entry_is_a_miss(store: BlobStore, change: Callable[[Path], object]) -> None:
    """A key file that is gone or cannot be trusted is made anew, and what it vouched for is not believed."""
    store.put(KEY, BODY)
    change(store.directory / "key")
    again = BlobStore(store.directory, 1 << 20)
    assert again.get(KEY) is None
    assert again.statistics().damaged == 1
    secret = store.directory / "key"
    assert (secret.stat().st_mode & 0o777, secret.stat().st_size, secret.is_symlink()) == (0o600, 32, False)
    again.put(KEY, BODY)
    assert BlobStore(store.directory, 1 << 20).get(KEY) == BODY


def test_a_folder_that_others_can_write_to_is_refused(tmp_path: Path) -> None:
    """One sentence with the way out."""
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(0o777)
    with pytest.raises(RunError, match=r"cache .*: can be written by others; chmod 700"):
        BlobStore(tmp_path / "cache", 1 << 20)


def test_a_link_instead_of_a_folder_is_refused(tmp_path: Path) -> None:
    """Wherever it leads to."""
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "cache").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunError, match="is not a folder of its own"):
        BlobStore(tmp_path / "cache", 1 << 20)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_file_instead_of_a_folder_is_refused(tmp_path: Path) -> None:
    """It is left as it is."""
    (tmp_path / "cache").write_text("mine")
    with pytest.raises(RunError):
        BlobStore(tmp_path / "cache", 1 << 20)
    assert (tmp_path / "cache").read_text() == "mine"


@as_root
def test_another_users_folder_is_refused(tmp_path: Path) -> None:
    """Root could write there, and so could its owner."""
    (tmp_path / "cache").mkdir(mode=0o700)
    os.chown(tmp_path / "cache", 12345, 12345)
    with pytest.raises(RunError, match="belongs to user 12345, not to this one"):
        BlobStore(tmp_path / "cache", 1 << 20)


def test_what_was_used_last_is_kept(tmp_path: Path) -> None:
    """The store stays below its size; what was neither read nor written for longest goes first."""
    store = BlobStore(tmp_path / "cache", 10_000)
    for number in range(9):
        store.put(b"%d" % number, bytes(1000))
    for path in entries(store):
        os.utime(path, (time.time() - 1000,) * 2)
    assert store.get(b"3") is not None
    store.put(b"new", bytes(1000))
    found = store.statistics()
    assert found.bytes <= 9_000
    assert found.evicted >= 1
    assert store.get(b"3") is not None
    assert store.get(b"new") is not None


def test_what_is_larger_than_the_store_is_not_kept(tmp_path: Path) -> None:
    """It would push out everything else."""
    store = BlobStore(tmp_path / "cache", 1000)
    store.put(KEY, b"small")
    store.put(OTHER, bytes(2000))
    assert store.get(KEY) == b"small"
    assert store.statistics().failed == 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 KiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "none", place], check=False)
    if mounted.returncode:
        pytest.skip("cannot mount a tmpfs here")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


@as_root
def test_a_full_disk_costs_nothing_but_time(small_disk: Path) -> None:
    """What does not fit is not there, leaves nothing half written, and what fitted before stays."""
    store = BlobStore(small_disk / "cache", 1 << 20)
    store.put(KEY, BODY)
    store.put(OTHER, bytes(100_000))
    assert store.get(OTHER) is None
    assert store.get(KEY) == BODY
    assert store.statistics().failed == 1
    assert [path for path in store.directory.iterdir() if path.name.startswith("tmp-")] == []
    store.close()


@as_root
def test_a_disk_that_became_read_only_still_serves(small_disk: Path) -> None:
    """Reading goes on, though the time of use cannot be noted; writing is counted as failed."""
    store = BlobStore(small_disk / "cache", 1 << 20)
    store.put(KEY, BODY)
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    assert store.get(KEY) == BODY
    store.put(OTHER, BODY)
    found = store.statistics()
    assert (found.hits, found.failed, found.damaged) == (1, 1, 0)
    store.close()


def test_a_folder_that_is_removed_meanwhile_costs_nothing_but_time(store: BlobStore) -> None:
    """Somebody cleans up; entries are misses from then on."""
    store.put(KEY, BODY)
    shutil.rmtree(store.directory)
    assert store.get(KEY) is None
    store.put(KEY, BODY)
    assert store.statistics().failed == 1


def test_after_close_everything_is_a_miss(store: BlobStore) -> None:
    """A program that is still being compiled when the daemon stops meets a closed store."""
    store.put(KEY, BODY)
    store.close()
    store.close()
    assert store.get(KEY) is None
    store.put(KEY, BODY)
    assert store.statistics().failed == 1


def test_what_a_crash_left_half_written_is_cleaned_up(store: BlobStore) -> None:
    """Old temporary files go when the store is opened; those of another process that writes now stay."""
    old, new = store.directory / "tmp-old", store.directory / "tmp-new"
    old.write_bytes(b"x")
    new.write_bytes(b"x")
    os.utime(old, (time.time() - 3600,) * 2)
    BlobStore(store.directory, 1 << 20)
    assert not old.exists()
    assert new.exists()


HAMMER = """
import sys
from pathlib import Path
from tracerd.runtime.cache import BlobStore
store = BlobStore(Path(sys.argv[1]), 20_000)
for turn in range(400):
    key = b"%d" % (turn % 40)
    body = store.get(key)
    assert body in (None, key * 500), body
    if body is None:
        store.put(key, key * 500)
counted = store.statistics()
assert counted.damaged == 0 and counted.failed == 0, counted
assert counted.evicted > 0 or counted.stored < 25, counted     # 25 of them are more than there is room for
"""


def test_processes_may_share_a_store(tmp_path: Path) -> None:
    """Three of them come first at once, write the same entries and evict each other's: nobody reads half of one."""
    command = [sys.executable, "-c", HAMMER, str(tmp_path / "cache")]
    running = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(3)]
    for process in running:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors.decode()
    last = BlobStore(tmp_path / "cache", 20_000)         # each bounds what it knows of; the next writer knows of all
    last.put(b"last", b"x")
    last.close()
    assert sum(path.stat().st_size for path in (tmp_path / "cache").iterdir()) < 22_000
