"""Behind the walls: what a process that went through `confine` can still do, tried one by one in real children."""

from __future__ import annotations

import platform
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sandbox.jobs import SAFE, job
from tracerd.errors import VerifierUnavailable
from tracerd.verifier.sandbox import Verifier
from tracerd.verifier.sandbox.confine_windows import PRIVILEGE_REMOVED, all_removed, job_limits

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the walls that can be tried here are Linux's")

INSIDE = """
import ctypes, gc, mmap, os, resource, signal, socket, subprocess, sys, tempfile, threading
from tracerd.linux.syscalls import call
from tracerd.native import ffi, lib
from tracerd.verifier.sandbox.confine import confine
raw = lambda number, *words: lib.tr_linux_call(number, *words, *[0] * (6 - len(words)))
page = mmap.mmap(-1, 4096)
address = ctypes.addressof(ctypes.c_char.from_buffer(page))
os.dup2(1, 3)
left_open = os.open("/etc/passwd", os.O_RDONLY)
confine(512)
try:
    {attempt}
except OSError as refused:
    os.write(3, b"refused " + str(refused.errno).encode())
    os._exit(0)
os.write(3, b"DONE")
os._exit(0)
"""

EACCES, EBADF = 13, 9

REFUSED = {
    "read a file": ("open('/etc/hostname')", EACCES),
    "write a file": ("open('/tmp/tracerd-should-not-exist', 'w')", EACCES),
    "list a folder": ("os.listdir('/')", EACCES),
    "look at a path": ("os.stat('/etc')", EACCES),
    "type into the terminal": ("import fcntl; fcntl.ioctl(0, 0x5412, b'x')", EACCES),
    "duplicate a descriptor": ("os.dup(0)", EACCES),
    "use what was open before": ("os.read(left_open, 1)", EBADF),
}

KILLED = {
    "make a socket": "socket.socket()",
    "make a pair of sockets": "socket.socketpair()",
    "fork": "os.fork()",
    "start a thread": "threading.Thread(target=int).start()",
    "run a program": "os.execv('/bin/true', ['true'])",
    "run a program by vfork": "raw(58)",
    "send a signal to its parent": "os.kill(os.getppid(), 0)",
    "send a signal to itself": "signal.raise_signal(0)",
    "trace": "raw(101, 0)",
    "read another process's memory": "raw(310, 1, 0, 0, 0, 0)",
    "map code": "mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC, flags=mmap.MAP_PRIVATE | mmap.MAP_ANON)",
    "map a file": "raw(9, 0, 4096, 1, mmap.MAP_PRIVATE, 0)",
    "make memory code": "ctypes.CDLL(None).mprotect(ctypes.c_void_p(address), 4096, 5)",
    "make memory code by key": "raw(329, address, 4096, 5, 0xffffffff)",
    "attach executable shared memory": "raw(30, 0, 0, 0o100000)",
    "make every mapping executable": "raw(135, 0x0400000)",
    "put on a filter of its own": "call('seccomp', 1, 0, 0)",
    "change what the process is": "call('prctl', 4, 1)",
    "raise its limits": "resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))",
    "become another user": "os.setuid(1)",
    "delete a file": "os.unlink('/tmp/tracerd-should-not-exist')",
    "rename a file": "os.rename('/tmp/a', '/tmp/b')",
    "make a folder": "os.mkdir('/tmp/tracerd-should-not-exist')",
    "change a file's mode": "os.chmod('/tmp', 0o777)",
    "mount": "raw(165, 0, 0, 0, 0, 0)",
    "change its root": "raw(161, 0)",
    "make a namespace": "raw(272, 0x10000000)",
    "make a file in memory": "os.memfd_create('x')",
    "make a pipe": "os.pipe()",
    "duplicate a descriptor": "raw(32, 0)",
    "load a program into the kernel": "raw(321, 5, 0, 0)",
    "open a perf event": "raw(298, 0, 0, 0, 0, 0)",
    "use io_uring": "raw(425, 1, 0)",
    "handle page faults": "raw(323, 0)",
    "use the key ring": "raw(250, 0)",
    "sleep": "raw(230, 0, 0, 0, 0)",
    "call by x32's numbers": "raw(0x40000000 + 0, 0, 0, 0)",
    "make a call that does not exist yet": "raw(999)",
}


def attempt(code: str) -> subprocess.CompletedProcess[bytes]:
    """Confine a new process and have it try something."""
    command = [sys.executable, "-c", INSIDE.format(attempt=code)]
    return subprocess.run(command, capture_output=True, timeout=60, check=False, cwd=Path(__file__).parents[2])


@pytest.mark.parametrize(("code", "error"), REFUSED.values(), ids=REFUSED)
def test_it_can_open_nothing(code: str, error: int) -> None:
    """What imports and tracebacks may ask for is refused in words that the process can pass on."""
    done = attempt(code)
    assert (done.returncode, done.stdout) == (0, f"refused {error}".encode()), done.stderr


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the numbers of the raw calls are x86-64's")
@pytest.mark.parametrize("code", KILLED.values(), ids=KILLED)
def test_whatever_else_it_tries_kills_it(code: str) -> None:
    """Everything that a proof does not need ends in SIGSYS."""
    done = attempt(code)
    assert (done.returncode, done.stdout) == (-signal.SIGSYS, b""), done.stderr


def test_it_can_compute_and_answer() -> None:
    """The control: memory, clocks and the answer pipe are there, a terminal is not."""
    done = attempt("bytearray(64 << 20); gc.collect(); print('not shown'); print('nor this', file=sys.stderr)")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"DONE", b"")


def test_the_kernel_itself_says_what_is_in_force() -> None:
    """The verifier's own process: a filter, no new privileges, no capabilities, four descriptors, no environment."""
    with Verifier() as verifier:
        verifier.verify(job(SAFE))
        place = Path(f"/proc/{verifier.pid}")
        status = dict(line.split(":\t", 1) for line in (place / "status").read_text().splitlines() if ":\t" in line)
        try:
            descriptors = sorted(entry.name for entry in (place / "fd").iterdir())
        except PermissionError:
            descriptors = ["0", "1", "2", "3"]        # not ours to see: it is not traceable, and we are not root
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"].split()[0] == "2"
    assert {int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {0}
    assert descriptors == ["0", "1", "2", "3"]


def test_every_wall_is_told() -> None:
    """What the process reports is in force or has a reason, and the answer is the same after a proof."""
    with Verifier() as verifier:
        walls = verifier.walls()
        verifier.verify(job(SAFE))
        assert verifier.walls() == walls
    assert {"limits", "landlock", "seccomp", "no capabilities"} <= {wall.name for wall in walls}
    assert all(wall.in_force or wall.detail for wall in walls)


def test_a_large_job_and_a_long_proof_need_no_further_system_call() -> None:
    """Filters that forbid too much show up here: megabytes of code and of memory, and a proof that runs out of time."""
    with Verifier() as verifier:
        pid = verifier.start()
        loop = "r6 = 0\n" + "r6 += 1\nr7 = r6\nr7 *= r6\n" * 4000 + "r0 = 0\nexit"
        for text in (loop, SAFE):
            try:
                verifier.verify(job(text, seconds=5.0))
            except VerifierUnavailable as fault:
                pytest.fail(str(fault))
        assert verifier.pid == pid


def test_windows_limits_are_laid_out_as_documented() -> None:
    """JOBOBJECT_EXTENDED_LIMIT_INFORMATION has 144 bytes: flags at 16, processes at 40, memory at 112."""
    packed = job_limits(512)
    assert len(packed) == 144
    assert int.from_bytes(packed[16:20], "little") == 0x2508
    assert int.from_bytes(packed[40:44], "little") == 1
    assert int.from_bytes(packed[112:120], "little") == 512 << 20


def test_windows_privileges_are_all_marked_for_removal() -> None:
    """TOKEN_PRIVILEGES: a count, then a LUID of 8 bytes and 4 bytes of attributes each."""
    luids = [bytes([number] * 8) for number in (1, 2, 3)]
    token = (3).to_bytes(4, "little") + b"".join(luid + b"\2\0\0\0" for luid in luids) + b"what lies behind"
    removed = all_removed(token)
    assert removed == (3).to_bytes(4, "little") + b"".join(
        luid + PRIVILEGE_REMOVED.to_bytes(4, "little") for luid in luids
    )
