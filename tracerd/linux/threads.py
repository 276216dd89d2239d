"""The threads of this process as the kernel sees them."""

from __future__ import annotations

from pathlib import Path


def thread_ids() -> tuple[int, ...]:
    """Return the ids of this process's threads."""
    return tuple(sorted(int(task.name) for task in Path("/proc/self/task").iterdir()))


def status(tid: int) -> dict[str, str]:
    """Return what /proc/self/task/TID/status says of a thread, by its names ("Uid", "CapEff", …)."""
    lines = Path(f"/proc/self/task/{tid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
