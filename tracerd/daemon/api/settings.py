"""What the control API is told by the configuration: where it listens, who may ask, how much."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class ControlSettings:
    """[control], [access] and [limits] of tracerd.toml.

    Users and groups are names or numbers. Who is in no list may connect, if the socket's permissions let him, and is
    told only whether the daemon is alive. Root and the daemon's own user always have the role `admin`.
    """

    socket: Path
    socket_mode: int = 0o660
    socket_group: str = ""                      # "": the daemon's own
    read_users: tuple[str | int, ...] = ()
    read_groups: tuple[str | int, ...] = ()
    admin_users: tuple[str | int, ...] = ()
    admin_groups: tuple[str | int, ...] = ()
    tcp_listen: str = ""                        # "HOST:PORT"; "": no TCP
    tcp_token_file: Path | None = None
    tcp_certificate: Path | None = None
    tcp_key: Path | None = None
    request_bytes: int = 16 * MIB               # an upload; all other requests have at most 1 MiB
    requests_per_second: float = 200.0          # per user, or per token's address
    connections: int = 64
    streams: int = 16
    wait_seconds: float = 15.0                  # for a request's headers, and between two requests
    body_seconds: float = 30.0                  # for a request's body
    write_seconds: float = 30.0                 # a client that reads nothing for so long is closed
