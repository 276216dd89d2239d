"""Giving up privileges, in children that begin as root: what is left, that nothing comes back, and that it suffices."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.sources.live import need_live_events
from tracerd.daemon.privileges import NEEDS
from tracerd.linux.capabilities import NAMES
from tracerd.linux.users import account

pytestmark = pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="needs root on Linux")

ROOT = Path(__file__).parents[2]
NOBODY_HAS = 12345
ALL = frozenset(need.capability for need in NEEDS)

PRELUDE = """
import json, os, resource, subprocess, sys, threading
from pathlib import Path
from tracerd.daemon.privileges import drop, justified
from tracerd.errors import TracerdError
from tracerd.linux import capabilities
from tracerd.linux.threads import status, thread_ids
def told(tid):
    names = ("Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs")
    return {name: status(tid)[name].split() for name in names}
def attempt(what):
    try:
        what()
        return "done"
    except (OSError, TracerdError) as error:
        return type(error).__name__
def say(value):
    print(json.dumps(value))
"""


def child(code: str) -> Any:
    """Run code that begins as root in a process with one thread; return what it says."""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-c", PRELUDE + code]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment, cwd=ROOT)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def bits(*names: str) -> int:
    return sum(1 << NAMES.index(name) for name in names)


def test_the_user_changes_and_only_what_was_asked_for_is_kept() -> None:
    """The kernel's own account: all ids, no groups, two capabilities, none to inherit, none to be gained."""
    found = child(f"drop('{NOBODY_HAS}', frozenset(['PERFMON', 'SYS_PTRACE'])); say(told(os.getpid()))")
    kept = bits("PERFMON", "SYS_PTRACE")
    assert found["Uid"] == found["Gid"] == [str(NOBODY_HAS)] * 4
    assert found["Groups"] == []
    assert {name: int(found[name][0], 16) for name in ("CapPrm", "CapEff", "CapInh", "CapAmb", "CapBnd")} == {
        "CapPrm": kept, "CapEff": kept, "CapInh": 0, "CapAmb": 0, "CapBnd": 0,
    }  # fmt: skip
    assert found["NoNewPrivs"] == ["1"]


def test_threads_that_come_later_have_no_more() -> None:
    """Pump threads inherit what the first thread has left."""
    before, after = child(f"""
drop('{NOBODY_HAS}', frozenset(['PERFMON']))
seen = []
thread = threading.Thread(target=lambda: seen.append(told(threading.get_native_id())))
thread.start(); thread.join()
say([told(os.getpid()), seen[0]])
""")
    assert before == after


def test_nothing_can_be_gained_again() -> None:
    """Not by becoming root, not by capset, not by raising ambient ones, not by an exec."""
    found = child(f"""
drop('{NOBODY_HAS}', frozenset(['PERFMON']))
more = capabilities.Sets(frozenset(['SYS_ADMIN']), frozenset(['SYS_ADMIN']))
say({{
    "root": attempt(lambda: os.setuid(0)),
    "root's group": attempt(lambda: os.setgid(0)),
    "groups": attempt(lambda: os.setgroups([0])),
    "capset": attempt(lambda: capabilities.write(more)),
    "ambient": attempt(lambda: capabilities.call("prctl", 47, 2, 38, 0, 0)),
    "keepcaps": attempt(lambda: capabilities.keep_through_setuid(True)),
    "exec": subprocess.run(["/bin/grep", "CapPrm", "/proc/self/status"], capture_output=True, text=True).stdout.split(),
}})
""")
    assert found.pop("exec") == ["CapPrm:", "0" * 16]
    assert set(found.values()) == {"PermissionError"}


def test_staying_root_without_capabilities_is_being_nobody() -> None:
    """Without a user to become, root keeps its number and nothing else; an exec does not give it back."""
    found = child("""
drop(None, frozenset(['PERFMON']))
say([
    told(os.getpid()),
    attempt(lambda: os.chown("/", 0, 0)),
    subprocess.run(["/bin/grep", "CapPrm", "/proc/self/status"], capture_output=True, text=True).stdout.split(),
])
""")
    assert found[0]["Uid"][0] == "0"
    assert int(found[0]["CapPrm"][0], 16) == bits("PERFMON")
    assert found[2] == ["CapPrm:", "0" * 16]


def test_another_thread_refuses_it() -> None:
    """A thread that is already there would keep everything: nothing is dropped, and the sentence says what to do."""
    told, uid = child(f"""
threading.Thread(target=threading.Event().wait, daemon=True).start()
try:
    drop('{NOBODY_HAS}', frozenset())
except TracerdError as error:
    say([str(error), os.geteuid()])
    sys.stdout.flush()
    os._exit(0)
""")
    assert re.match(r"dropping privileges: 1 other threads would keep them \(.*\); it belongs before their start", told)
    assert uid == 0


REFUSALS = {
    "no such user": ("drop('no-such-user', frozenset())", "user 'no-such-user': there is no such user; "),
    "a number that is none": ("drop('4294967295', frozenset())", "user '4294967295': there is no such user; "),
    "not root": (
        f"drop('{NOBODY_HAS}', frozenset()); drop('{NOBODY_HAS + 1}', frozenset())",
        f"becoming user {NOBODY_HAS + 1}: not permitted; start tracerd as root",
    ),
}


@pytest.mark.parametrize(("code", "sentence"), REFUSALS.values(), ids=REFUSALS)
def test_refusals_are_one_sentence(code: str, sentence: str) -> None:
    """What is wrong and the way out."""
    told = child(f"try:\n    {code}\nexcept TracerdError as error:\n    say(str(error))")
    assert told.startswith(sentence)
    assert "\n" not in told


def test_what_was_never_had_is_told_as_missing() -> None:
    """A unit that gives fewer capabilities than the daemon would keep: it says which."""
    found = child(f"""
drop('{NOBODY_HAS}', frozenset(['PERFMON']))
again = drop(None, frozenset(['PERFMON', 'SYS_PTRACE']))
say([sorted(again.kept), sorted(again.missing)])
""")
    assert found == [["PERFMON"], ["SYS_PTRACE"]]


TRY = """
from tests.sources.programs import COUNT, Native
from tracerd.sources.base import LinkRequest
from tracerd.sources.perf import PerfOptions, PerfSource
def events():
    source, counting = PerfSource(PerfOptions(pages=PAGES)), Native(COUNT)      # which outlives the source
    try:
        source.open([LinkRequest("syscall:getppid:enter", counting.program, 12)])
        source.pump(0)
        source.stop()
    finally:
        source.close()
roots = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE)       # ends with our pipe
proc = Path(f"/proc/{roots.pid}")
def say_what_works():
    say({
        "events": attempt(events),
        "tracefs": attempt(lambda: os.listdir("/sys/kernel/tracing/events/syscalls")),
        "io": attempt(lambda: (proc / "io").read_text()),
        "files": attempt(lambda: [link.readlink() for link in (proc / "fd").iterdir()]),
    })
"""

WITHOUT = {
    frozenset(): set(),
    frozenset(["PERFMON"]): {"events"},
    frozenset(["DAC_READ_SEARCH"]): {"events", "tracefs", "io", "files"},
    frozenset(["SYS_PTRACE"]): {"io", "files"},
    frozenset(["IPC_LOCK"]): {"events"},
    ALL: {"events", "tracefs", "io", "files"},
}


@pytest.mark.parametrize(("without", "lost"), WITHOUT.items(), ids=lambda value: "+".join(sorted(value)) or "nothing")
def test_every_capability_is_needed_and_together_they_suffice(without: frozenset[str], lost: set[str]) -> None:
    """With all of them an unprivileged user sees everything; each one missing costs what the table says."""
    need_live_events()
    found = child(f"""
PAGES = 256
{TRY}
resource.setrlimit(resource.RLIMIT_MEMLOCK, (0, 0))
drop('{NOBODY_HAS}', frozenset({sorted(ALL - without)}))
say_what_works()
""")
    assert {what for what, outcome in found.items() if outcome != "done"} == lost


@pytest.mark.parametrize("short", [0, 4096])
def test_locked_memory_is_asked_for_only_where_the_limit_is_too_low(short: int) -> None:
    """`justified` computes what the kernel counts: at the limit rings can be had without IPC_LOCK, a page below not."""
    need_live_events()
    found, kept = child(f"""
PAGES = 1024
{TRY}
cpus = len(os.sched_getaffinity(0))
rings = cpus * (PAGES + 1) * 4096
free = cpus * int(Path("/proc/sys/kernel/perf_event_mlock_kb").read_text()) * 1024
resource.setrlimit(resource.RLIMIT_MEMLOCK, (rings - free - {short},) * 2)
keep = justified(rings)
drop('{NOBODY_HAS}', keep - {{"IPC_LOCK"}})
say([attempt(events), sorted(keep)])
""")
    assert (found, "IPC_LOCK" in kept) == (("done", False) if not short else ("NotPermitted", True))


def test_users_are_found_by_name_and_number() -> None:
    """A number need not be in any list of users; a name must."""
    root = account("root")
    assert root is not None
    assert (root.uid, root.gid) == (0, 0)
    assert account("0") == root
    nobody = account(str(NOBODY_HAS))
    assert nobody is not None
    assert (nobody.uid, nobody.gid, nobody.groups) == (NOBODY_HAS, NOBODY_HAS, ())
    assert account("no-such-user") is None


def test_the_documentation_has_the_table_of_the_code() -> None:
    """docs/privileges.md lists exactly what is kept, why, and what is lost without it."""
    rows = re.findall(r"^\| `CAP_(\w+)` \| (.*?) \| (.*?) \|$", (ROOT / "docs" / "privileges.md").read_text(), re.M)
    assert rows == [(need.capability, need.why, need.without) for need in NEEDS]
