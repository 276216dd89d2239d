"""Every refusal of perf_event_open becomes one sentence with the way out."""

from __future__ import annotations

import errno

import pytest

from tracerd.errors import NotPermitted, NotSupported, SourceError, TracerdError
from tracerd.linux import perf
from tracerd.linux.perf import ADDING, MAPPING, OPENING, refusal


@pytest.mark.parametrize(
    ("error", "step", "kind", "says"),
    [
        (errno.EACCES, OPENING, NotPermitted, "kernel.perf_event_paranoid is 3"),
        (errno.EPERM, OPENING, NotPermitted, "CAP_PERFMON"),
        (errno.EPERM, MAPPING, NotPermitted, "perf_event_mlock_kb="),
        (errno.ENOMEM, MAPPING, NotPermitted, "fewer --pages"),
        (errno.EMFILE, OPENING, SourceError, "ulimit -n"),
        (errno.EINVAL, OPENING, NotSupported, "Linux 6.0"),
        (errno.EINVAL, ADDING, SourceError, "Invalid argument"),
        (errno.EIO, OPENING, SourceError, "Input/output error"),
    ],
)
def test_an_errno_says_the_way_out(
    error: int, step: int, kind: type[TracerdError], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The class decides the exit code, the sentence names the limit and its fix."""
    monkeypatch.setattr(perf, "_sysctl", lambda _name: 3)
    told = refusal("live events", error, step, 2048)
    assert isinstance(told, kind)
    assert says in str(told)


def test_a_kernel_without_perf_is_not_supported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the sysctl does not exist no privilege would help."""
    monkeypatch.setattr(perf, "_sysctl", lambda _name: None)
    assert isinstance(refusal("live events", errno.ENOENT), NotSupported)
