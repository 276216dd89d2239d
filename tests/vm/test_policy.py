"""Which engine may run is decided from facts alone; the facts of this machine are read and shown as they are."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracerd.errors import NotSupported, PolicyRefusal
from tracerd.vm import facts as facts_module
from tracerd.vm.facts import Fact, LinuxFacts, NoFacts, facts_of_this_system
from tracerd.vm.policy import Asked, EngineChoice, choose, explain, lock_the_door

ROOT = Path(__file__).parents[2]

OFF = Fact("mdwe", "off", "prctl", False)
ON = Fact("mdwe", "on", "prctl", True)
RUNS = Fact("probe page", "runs", "probe", False)
REFUSED = Fact("probe page", "refused", "probe", True)
UNREADABLE = Fact("probe page", "unreadable: Input/output error", "probe", None)
SHOWN = Fact("selinux", "enforcing", "/sys/fs/selinux/enforce", None, decides=False)

FACTS = st.lists(st.sampled_from([OFF, ON, RUNS, REFUSED, UNREADABLE, SHOWN]), max_size=4)


def test_a_machine_that_forbids_nothing_gets_the_jit() -> None:
    """With MDWE off and a probe page that runs, `auto` means the JIT, and the door stays open."""
    choice = choose([OFF, RUNS, SHOWN])
    assert (choice.engine, choice.enforced) == ("jit", False)


@pytest.mark.parametrize("fact", [ON, REFUSED, UNREADABLE])
def test_one_deciding_fact_is_enough_for_the_interpreter(fact: Fact) -> None:
    """A fact that forbids, or that cannot be read, decides; the reason names it and where it was seen."""
    choice = choose([OFF, RUNS, fact])
    assert (choice.engine, choice.enforced) == ("interpreter", True)
    assert fact.name in choice.reason
    assert fact.value in choice.reason
    assert fact.source in choice.reason


@pytest.mark.parametrize("fact", [ON, REFUSED, UNREADABLE])
def test_a_forbidden_jit_is_refused_by_the_fact_and_never_replaced(fact: Fact) -> None:
    """Asking for the JIT by name where a fact forbids it is refused; nothing falls back to the interpreter."""
    with pytest.raises(PolicyRefusal, match=fact.value.split(":")[0]) as refusal:
        choose([RUNS, fact], "jit")
    assert refusal.value.engine == "jit"


def test_facts_that_are_only_shown_decide_nothing() -> None:
    """SELinux in enforcing mode says nothing about our own pages: the probe page does."""
    assert choose([OFF, RUNS, SHOWN]).engine == "jit"
    assert choose([SHOWN]).engine == "interpreter"       # and without a deciding fact, nothing is known


def test_no_facts_count_as_enforced() -> None:
    """Where nothing is known, nothing is compiled."""
    assert choose([]).enforced
    assert choose(NoFacts().read()).enforced


def test_the_override_makes_the_answer_stricter() -> None:
    """`code_integrity = "enforce"` behaves like a machine that forbids the JIT."""
    choice = choose([OFF, RUNS], "auto", "enforce")
    assert (choice.engine, choice.enforced) == ("interpreter", True)
    assert "code_integrity" in choice.reason
    with pytest.raises(PolicyRefusal, match="code_integrity"):
        choose([OFF, RUNS], "jit", "enforce")


@given(FACTS, st.sampled_from(["auto", "jit", "interpreter"]))
def test_the_override_is_never_laxer(facts: list[Fact], asked: Asked) -> None:
    """Whatever runs with the override is the interpreter, and whatever is refused without it is refused with it."""
    try:
        strict = choose(facts, asked, "enforce").engine
    except PolicyRefusal:
        strict = None
    assert strict == (None if asked == "jit" else "interpreter")


@given(FACTS)
def test_the_jit_needs_a_fact_that_allows_it_and_none_that_forbids_it(facts: list[Fact]) -> None:
    """`auto` answers jit only if there is a deciding fact and all deciding facts were read as not enforced."""
    deciding = [fact.enforced for fact in facts if fact.decides]
    assert (choose(facts).engine == "jit") == (bool(deciding) and all(each is False for each in deciding))


def test_the_interpreter_may_always_be_asked_for() -> None:
    """A probe's own wish for the interpreter is granted anywhere, and is not a reason to lock the door."""
    choice = choose([OFF, RUNS], "interpreter")
    assert (choice.engine, choice.enforced) == ("interpreter", False)
    assert choose([ON, RUNS], "interpreter").enforced


def test_native_modules_are_not_made_yet() -> None:
    """`native` is refused as not supported, whatever the facts."""
    with pytest.raises(NotSupported, match="native"):
        choose([OFF, RUNS], "native")


@pytest.mark.parametrize("facts", [[OFF, RUNS], [ON, REFUSED], [UNREADABLE], []])
@pytest.mark.parametrize("asked", sorted(set(get_args(Asked)) - {"native", "jit"}))
def test_explanation_has_the_promised_shape(facts: list[Fact], asked: Asked) -> None:
    """`policy explain --json` shows engine, reason, every fact with its source, and what would change the answer."""
    choice = choose(facts, asked)
    shown = json.loads(json.dumps(explain(choice)))
    assert (shown["engine"], shown["reason"]) == (choice.engine, choice.reason)
    assert shown["facts"] == [{"name": f.name, "value": f.value, "source": f.source} for f in facts]
    assert all(isinstance(line, str) for line in shown["would_change"])


def test_every_forbidding_fact_has_a_way_out() -> None:
    """Each fact that stands in the way has a line that says what would have to change."""
    lines = explain(choose([ON, REFUSED]))["would_change"]
    assert isinstance(lines, list)
    assert len(lines) == 2
    assert "PR_SET_MDWE" in lines[0]
    assert "execmem" in lines[1]
    assert explain(choose([OFF, RUNS], "auto", "enforce"))["would_change"] == [
        'code_integrity = "auto" in the configuration: then the facts decide'
    ]


class Door:
    """A system that locks, or fails to, and reads its facts."""

    def __init__(self, facts: tuple[Fact, ...], error: OSError | None = None) -> None:
        self.facts, self.error, self.locked = facts, error, False

    def read(self) -> tuple[Fact, ...]:
        return self.facts

    def lock(self) -> None:
        if self.error:
            raise self.error
        self.locked = True


def test_the_door_is_locked_only_when_integrity_forbids_the_jit() -> None:
    """A choice that merely prefers the interpreter leaves the process as it is."""
    door = Door((OFF, RUNS))
    assert not lock_the_door(choose(door.facts, "interpreter"), door)
    assert not door.locked
    assert lock_the_door(choose(door.facts, "auto", "enforce"), door)
    assert door.locked


def test_a_door_that_cannot_be_locked_is_an_error_unless_it_is_shut_anyway() -> None:
    """Without MDWE in the kernel, `enforce` cannot be kept and says so; where pages are refused anyway, it is kept."""
    error = OSError(22, "Invalid argument")
    with pytest.raises(NotSupported, match="Invalid argument"):
        lock_the_door(choose([OFF, RUNS], "auto", "enforce"), Door((OFF, RUNS), error))
    assert lock_the_door(choose([OFF, REFUSED]), Door((OFF, REFUSED), error))


def test_shown_facts_read_absent_present_and_unreadable_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lockdown and SELinux are shown as their files say, `absent` without a file, and never decide."""
    lockdown, selinux = tmp_path / "lockdown", tmp_path / "enforce"
    monkeypatch.setattr(facts_module, "LOCKDOWN", lockdown)
    monkeypatch.setattr(facts_module, "SELINUX", selinux)
    reader = LinuxFacts()
    assert [fact.value for fact in reader.read()[2:]] == ["absent", "absent"]
    lockdown.write_text("none [integrity] confidentiality\n")
    selinux.mkdir()
    shown = reader.read()[2:]
    assert shown[0].value == "integrity"
    assert shown[1].value.startswith("unreadable: ")
    assert not any(fact.decides for fact in shown)


@pytest.mark.skipif(sys.platform != "linux", reason="reads the facts of a Linux kernel")
def test_facts_of_this_process_agree_with_each_other() -> None:
    """MDWE and the probe page are read here; if MDWE is on, the page must be refused."""
    facts = {fact.name: fact for fact in facts_of_this_system().read()}
    assert {"mdwe", "probe page", "lockdown", "selinux"} <= facts.keys()
    if facts["mdwe"].enforced:
        assert facts["probe page"].enforced


LOCKED = """
import ctypes, mmap, sys
from tracerd.vm.policy import choice_here, choose, lock_the_door
from tracerd.vm.facts import facts_of_this_system

assert lock_the_door(choice_here("auto", "enforce"))
assert "llvmlite" not in sys.modules, "LLVM was loaded before the policy had spoken"
try:
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    sys.exit("a writable and executable page was mapped")
except OSError:
    pass
page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE)
address = ctypes.addressof(ctypes.c_char.from_buffer(page))
if ctypes.CDLL(None).mprotect(ctypes.c_void_p(address), 4096, 5) == 0:
    sys.exit("a page that was writable became executable")
choice = choose(facts_of_this_system().read())
print(choice.engine, choice.reason)
from tracerd.vm.unverified import run_unverified
print(run_unverified(bytes.fromhex("b700000007000000 9500000000000000"), b"", "interpreter"))
"""


def linux_can_lock() -> bool:
    """True if the kernel knows PR_SET_MDWE (Linux 6.3)."""
    return sys.platform == "linux" and LinuxFacts().read()[0].value != "unknown to this kernel"


@pytest.mark.skipif(not linux_can_lock(), reason="this kernel does not know PR_SET_MDWE")
def test_behind_the_locked_door_nothing_becomes_executable_and_programs_still_run() -> None:
    """After `enforce`, no memory can be made executable, the facts say so, and the interpreter works."""
    done = subprocess.run([sys.executable, "-c", LOCKED], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first.startswith("interpreter mdwe is on")
    assert second == "7"


def test_a_choice_is_frozen() -> None:
    """A choice crosses threads: it cannot be changed afterwards."""
    choice = choose([OFF, RUNS])
    assert isinstance(choice, EngineChoice)
    with pytest.raises(AttributeError):
        choice.engine = "interpreter"  # type: ignore[misc]
