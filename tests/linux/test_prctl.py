"""What prctl and the probe page say is what really happens to this process."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tracerd.linux.prctl import REFUSE_EXEC_GAIN, can_make_executable, mdwe

_LOCKED = """
import mmap
from tracerd.linux.prctl import can_make_executable, mdwe, set_mdwe
before = can_make_executable(), mdwe()
set_mdwe()
try:
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC, flags=mmap.MAP_PRIVATE | mmap.MAP_ANON)
    mapped = True
except PermissionError:
    mapped = False
print(before, can_make_executable(), mdwe(), mapped)
"""


def _has_mdwe() -> bool:
    try:
        mdwe()
    except OSError:
        return False
    return True


def test_the_probe_page_tells_the_same_as_an_executable_mapping() -> None:
    """Where the kernel gives this process writable and executable memory, the probe page runs too."""
    import mmap

    try:
        mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()
        allowed = True
    except PermissionError:
        allowed = False
    assert can_make_executable() == allowed


@pytest.mark.skipif(not _has_mdwe(), reason="this kernel has no PR_GET_MDWE (Linux 6.3)")
def test_after_set_mdwe_nothing_becomes_executable() -> None:
    """Once locked, the flag shows; the probe page is refused without a crash, and so is a mapping by Python."""
    run = subprocess.run([sys.executable, "-c", _LOCKED], capture_output=True, text=True, timeout=60, check=False)
    before, _, after = run.stdout.strip().rpartition(")")
    assert run.returncode == 0, run.stderr
    assert before.startswith("(")
    assert after.split() == ["False", str(REFUSE_EXEC_GAIN), "False"]


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_no_new_privileges_shows_in_proc() -> None:
    """The kernel itself says that the flag is set."""
    code = (
        "from tracerd.linux.prctl import set_no_new_privileges as f; f(); "
        "print([l.split()[1] for l in open('/proc/self/status') if l.startswith('NoNewPrivs')])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert run.stdout.strip() == "['1']"
