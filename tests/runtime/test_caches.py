"""Proofs and code from the disk: the same as new ones, for the same job, rules and options only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.sandbox.jobs import SAFE, UNSAFE, job
from tracerd.fingerprint import fingerprint
from tracerd.runtime import proofs
from tracerd.runtime.cache import BlobStore
from tracerd.runtime.caches import Caches, open_caches
from tracerd.runtime.load import load_probe
from tracerd.runtime.locate import locate
from tracerd.runtime.proofs import CachingVerifier
from tracerd.verifier.job import Job, MapFacts, Options, Rejection, VerifiedProgram
from tracerd.verifier.verdict import Prover, accepted
from tracerd.verifier.verify import verify
from tracerd.vm.policy import choice_here

LOOP = "r1 = 0\nr0 = 0\nr1 += 1\nif r1 != 0 goto -2\nexit"


class Counting:
    """Proves in this process and counts."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []

    def verify(self, asked: Job) -> VerifiedProgram | Rejection:
        self.jobs.append(asked)
        return verify(asked)


@pytest.fixture
def prover() -> Counting:
    return Counting()


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "proofs", 1 << 20)


def test_a_proof_is_made_once(prover: Counting, store: BlobStore) -> None:
    """The certificate from the disk is the one that was made, also for a program of another name."""
    first = CachingVerifier(prover, store).verify(job(SAFE))
    second = CachingVerifier(prover, store).verify(
        msgspec.structs.replace(job(SAFE, seconds=1.0), program="other")
    )
    assert len(prover.jobs) == 1
    assert isinstance(first, VerifiedProgram)
    assert isinstance(second, VerifiedProgram)
    assert second.certificate == first.certificate
    assert second.job.program == "other"


def test_a_refutation_is_not_kept(prover: Counting, store: BlobStore) -> None:
    """It is looked for again each time."""
    for _ in range(2):
        assert isinstance(CachingVerifier(prover, store).verify(job(UNSAFE)), Rejection)
    assert len(prover.jobs) == 2
    assert store.statistics().stored == 0


def test_explaining_asks_the_verifier_itself(prover: Counting, store: BlobStore) -> None:
    """The states it is asked for are not kept, and neither is the proof they come with."""
    caching = CachingVerifier(prover, store)
    explained = msgspec.structs.replace(job(SAFE), options=Options(explain=True))
    caching.verify(job(SAFE))
    outcome = caching.verify(explained)
    assert isinstance(outcome, VerifiedProgram)
    assert outcome.certificate.log
    assert len(prover.jobs) == 2
    assert store.statistics().stored == 1


FACTS = MapFacts("m", 2, 4, 8, 1)
DIFFERENT = {
    "code": job("r0 = 1\nexit"),
    "type": msgspec.structs.replace(job(SAFE), type="xdp"),
    "a map": msgspec.structs.replace(job(SAFE), maps=(FACTS,)),
    "fuel": msgspec.structs.replace(job(SAFE), options=Options(allow_fuel=False)),
    "disjuncts": msgspec.structs.replace(job(SAFE), options=Options(disjuncts=8)),
}


@pytest.mark.parametrize("other", DIFFERENT.values(), ids=DIFFERENT)
def test_whatever_decides_a_proof_is_in_the_key(prover: Counting, store: BlobStore, other: Job) -> None:
    """A change in any of it is another proof."""
    caching = CachingVerifier(prover, store)
    caching.verify(job(SAFE))
    assert isinstance(caching.verify(other), VerifiedProgram)
    assert len(prover.jobs) == 2


def test_a_loop_that_needs_fuel_is_not_taken_from_the_disk_where_fuel_is_forbidden(
    prover: Counting, store: BlobStore
) -> None:
    """What was accepted with fuel stays rejected without."""
    caching = CachingVerifier(prover, store)
    assert isinstance(caching.verify(job(LOOP)), VerifiedProgram)
    strict = msgspec.structs.replace(job(LOOP), options=Options(allow_fuel=False))
    assert isinstance(caching.verify(strict), Rejection)


def test_other_rules_know_nothing_of_old_proofs(
    prover: Counting, store: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change in the code that proves makes every kept proof unfindable."""
    CachingVerifier(prover, store).verify(job(SAFE))
    monkeypatch.setattr(proofs, "proving_code", lambda: b"other sources")
    CachingVerifier(prover, store).verify(job(SAFE))
    assert len(prover.jobs) == 2


def test_rules_that_cannot_be_told_from_others_keep_nothing(
    prover: Counting, store: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Installed without sources: every start proves."""
    monkeypatch.setattr(proofs, "proving_code", lambda: b"")
    for _ in range(2):
        CachingVerifier(prover, store).verify(job(SAFE))
    assert len(prover.jobs) == 2
    assert store.statistics().stored == 0


def test_an_authentic_certificate_of_another_job_is_refused(
    prover: Counting, store: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if two jobs had one key, the digest inside would tell them apart."""
    caching = CachingVerifier(prover, store)
    monkeypatch.setattr(CachingVerifier, "_key", lambda *_: b"one for all")
    caching.verify(job(SAFE))
    other = caching.verify(job("r0 = 1\nexit"))
    assert isinstance(other, VerifiedProgram)
    assert other.certificate.digest == job("r0 = 1\nexit").digest()
    assert len(prover.jobs) == 2


def test_a_certificate_proves_its_own_job_only() -> None:
    """The one door to a VerifiedProgram looks."""
    proved = verify(job(SAFE))
    assert isinstance(proved, VerifiedProgram)
    with pytest.raises(ValueError, match="does not prove p"):
        accepted(job("r0 = 1\nexit"), proved.certificate)


def test_the_fingerprint_changes_with_any_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte in a file, a new file, a renamed file."""
    package = tmp_path / "some_package"
    (package / "inner").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "inner" / "rules.py").write_text("LIMIT = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    seen = set()

    def look() -> None:
        fingerprint.cache_clear()
        seen.add(fingerprint("some_package"))

    look()
    look()
    assert len(seen) == 1
    (package / "inner" / "rules.py").write_text("LIMIT = 2\n")
    look()
    (package / "new.py").write_text("")
    look()
    (package / "new.py").rename(package / "newer.py")
    look()
    assert len(seen) == 4


def test_without_sources_there_is_no_fingerprint() -> None:
    """An extension module or a missing package cannot be told from its next version."""
    for module in ("tracerd.native._core", "tracerd.nothing_of_that_name"):
        with pytest.raises(FileNotFoundError):
            fingerprint(module)


@pytest.fixture
def caches(tmp_path: Path, prover: Counting) -> Iterator[Caches]:
    opened = open_caches(tmp_path, prover)
    yield opened
    opened.close()


def load_shipped(prover: Prover, caches: Caches, name: str = "syscalls") -> dict[str, bytes]:
    """Load a probe with the JIT; return what its programs run as."""
    asked = "jit"
    loaded = load_probe(
        locate(name), 2, prover, asked=asked, integrity="auto", options=Options(), background=False,
        code_cache=caches.code,
    )  # fmt: skip
    try:
        return {name: program.executable.engine.encode() for name, program in loaded.programs.items()}
    finally:
        loaded.close()


needs_jit = pytest.mark.skipif(choice_here().engine != "jit", reason="code made at run time is forbidden here")


@needs_jit
def test_a_shipped_probe_loads_warm_without_a_proof_and_without_compiling(
    caches: Caches, prover: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Second time, nothing is proved and LLVM compiles nothing; the programs run as compiled code all the same."""
    from tracerd.vm.jit import Compiler

    cold = load_shipped(caches.prover, caches)
    proved = len(prover.jobs)
    assert proved > 0
    monkeypatch.setattr(Compiler, "compile", lambda *_: pytest.fail("compiled again"))
    assert load_shipped(caches.prover, caches) == cold
    assert len(prover.jobs) == proved
    found = caches.statistics()
    assert found["proofs"].hits == proved
    assert found["code"].hits == found["code"].stored == len(cold)
    assert caches.refused == ()


@needs_jit
def test_an_object_that_cannot_be_linked_is_compiled_again(caches: Caches, monkeypatch: pytest.MonkeyPatch) -> None:
    """Authentic bytes that LLVM does not take, as after a fault of ours, cost a compilation."""
    code = caches.code
    assert code is not None
    load_shipped(caches.prover, caches)
    monkeypatch.setattr(code, "get", lambda _key: b"\x7fELF and nothing else")
    assert set(load_shipped(caches.prover, caches).values()) == {b"jit"}


@needs_jit
def test_damaged_code_is_compiled_again(caches: Caches) -> None:
    """A flipped bit in an object file is never executed."""
    assert caches.code is not None
    load_shipped(caches.prover, caches)
    for path in caches.code.directory.iterdir():
        if path.name != "key":
            body = bytearray(path.read_bytes())
            body[-1] ^= 1
            path.write_bytes(bytes(body))
    assert set(load_shipped(caches.prover, caches).values()) == {b"jit"}
    assert caches.statistics()["code"].damaged > 0


def test_a_cache_that_cannot_be_had_is_left_out_and_told(tmp_path: Path, prover: Counting) -> None:
    """The rest works as if there had never been one."""
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "proofs").symlink_to(tmp_path)
    opened = open_caches(tmp_path, prover)
    assert isinstance(opened.prover.verify(job(SAFE)), VerifiedProgram)
    assert [str(error) for error in opened.refused] == [
        f"cache {tmp_path / 'cache' / 'proofs'}: is not a folder of its own"
    ]
    assert list(opened.statistics()) == ["code"]
    opened.close()
