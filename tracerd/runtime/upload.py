"""What somebody hands the daemon to load: bytes and names, never paths."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Upload:
    """A shipped probe by name, a probe.toml with its object, or a bare object."""

    name: str | None                               # of a shipped probe ("syscalls"), or None
    toml: str | None                               # text of a probe.toml, or None for a bare object
    object: bytes = field(default=b"", repr=False)
    object_name: str = ""                          # what messages call it; without toml the probe is named after it
