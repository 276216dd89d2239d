"""Whether process events may come from tracepoints here: the answer, its reason, and nothing left open."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sources.live import need_live_events
from tests.sources.live_processes import need_process_events
from tracerd.errors import NotPermitted, NotSupported
from tracerd.linux import perf as machine
from tracerd.sources.base import LinkRequest
from tracerd.sources.perf import PerfSource
from tracerd.sources.perf_process import ProcessEvents

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("perf")]


def test_permission_is_asked_without_a_trace() -> None:
    """The answer here is yes, and nothing stays open."""
    need_process_events()
    before = len(list(Path("/proc/self/fd").iterdir()))
    assert PerfSource.permitted() is None
    assert len(list(Path("/proc/self/fd").iterdir())) == before


_AS_NOBODY = """
import os, sys
from tracerd.sources import perf
made = perf.ProcessEvents(perf.tracefs())
if sys.argv[1] == "perf":
    perf.ProcessEvents, perf.tracefs = lambda *_: made, lambda: None
os.setresuid(65534, 65534, 65534)
print(type(perf.PerfSource.permitted()).__name__, len(os.listdir("/proc/self/fd")))
"""


@pytest.mark.parametrize("closed", ["tracefs", "perf"])
def test_a_user_who_may_not_trace_is_told_so(closed: str) -> None:
    """NotPermitted is an answer, not an exception, whatever refuses; nothing stays open."""
    need_process_events()
    if os.getuid() != 0 or (closed == "perf" and (machine.paranoid() or 0) < 0):
        pytest.skip("needs root to become nobody, and a kernel that refuses nobody")
    run = subprocess.run([sys.executable, "-c", _AS_NOBODY, closed], capture_output=True, text=True, check=True)
    assert run.stdout.split() == [NotPermitted.__name__, "4"]    # the standard streams and the listing itself


def test_in_a_container_with_its_own_process_ids_it_is_not_supported(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel's records would name other processes than /proc does."""
    need_live_events()
    monkeypatch.setattr("tracerd.sources.perf_process.initial_pid_namespace", lambda: False)
    assert "container" in str(PerfSource.permitted())


def test_the_machine_s_own_process_ids_are_recognised() -> None:
    """A child in a pid namespace of its own sees that it is in one."""
    need_live_events()
    code = "from tracerd.linux.perf import initial_pid_namespace; print(initial_pid_namespace())"
    command = ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", code]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        pytest.skip(f"no namespaces here: {run.stderr.strip()}")
    assert run.stdout.strip() == "False"
    assert machine.initial_pid_namespace() is (PerfSource.permitted() is None)


_FORMAT = """name: {name}
ID: {number}
format:
\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;
{fields}
print fmt: ""
"""


def _tracefs(root: Path, **events: str) -> Path:
    """Make a tracefs with the named events; each value is `field:type name;offset;size` lines by blanks."""
    rows = []
    for number, (name, fields) in enumerate(events.items()):
        category, event = name.split("__")
        folder = root / "events" / category / event
        folder.mkdir(parents=True)
        lines = [
            f"\tfield:{kind} {field};\toffset:{offset};\tsize:{size};\tsigned:0;"
            for kind, field, offset, size in (one.split(",") for one in fields.split())
        ]
        (folder / "format").write_text(_FORMAT.format(name=event, number=number + 1, fields="\n".join(lines)))
        rows.append(f"{category}:{event}\n")
    (root / "available_events").write_text("".join(rows))
    return root


_NEWTASK, _EXEC = "pid_t,pid,8,4 u64,clone_flags,32,8", "int,filename,8,4"


def test_an_older_kernel_says_what_it_cannot_see(tmp_path: Path) -> None:
    """Without group_dead and tracepoints of system calls there are process events, and `via` names what is missing."""
    root = _tracefs(tmp_path, task__task_newtask=_NEWTASK, sched__sched_process_exec=_EXEC,
                    sched__sched_process_exit="pid_t,pid,24,4")
    if not machine.initial_pid_namespace():
        pytest.skip("in a container process events are refused at once")
    events = ProcessEvents(root)
    layouts = events.layouts([LinkRequest("process:exit", None, 0)])
    assert len(layouts) == 3
    assert events._via("process:exit") == (
        "tracepoint sched:sched_process_exit, no exit codes (this kernel does not trace system calls), "
        "a process ends with its first thread (before Linux 6.16)"
    )


@pytest.mark.parametrize(("newtask", "says"), [
    ("pid_t,pid,8,4", "task:task_newtask has another layout"),
    ("pid_t,pid,8,4 u32,clone_flags,32,4", "task:task_newtask has another layout"),
    ("", "no tracepoint task:task_newtask"),
])
def test_a_kernel_with_other_records_is_not_supported(tmp_path: Path, newtask: str, says: str) -> None:
    """Rather refused than read wrongly: polling serves then."""
    if not machine.initial_pid_namespace():
        pytest.skip("in a container process events are refused at once")
    others = {"sched__sched_process_exec": _EXEC, "sched__sched_process_exit": "bool,group_dead,32,1"}
    root = _tracefs(tmp_path, **({"task__task_newtask": newtask} if newtask else {}), **others)
    with pytest.raises(NotSupported, match=says):
        ProcessEvents(root)
