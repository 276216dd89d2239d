"""The resource: which machine and which tracerd tells all this (OpenTelemetry semantic conventions, host, os, process).

What the user says (OTEL_RESOURCE_ATTRIBUTES, OTEL_SERVICE_NAME, the section's `resource`) comes before what is found.
"""

from __future__ import annotations

import os
import platform
import socket
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path

from exporters.otlp.wire import block, key_value
from tracerd import __version__
from tracerd.signals import Scalar

_NAMESPACE = uuid.UUID("5c8f7a4e-2f0b-4a5e-9a53-7a3f9c1d2b60")
_RANDOM = uuid.uuid4()
"""Of a machine without an id."""

_ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64", "i686": "x86"}


def attributes(given: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """Return all attributes; `given` are the user's."""
    found: dict[str, Scalar] = {
        "service.name": "tracerd",
        "service.version": __version__,
        "service.instance.id": _instance(),
        "telemetry.sdk.name": "opentelemetry",
        "telemetry.sdk.language": "python",
        "host.name": socket.gethostname(),
        "host.arch": _ARCHITECTURES.get(platform.machine().lower(), platform.machine().lower()),
        "os.type": {"win32": "windows"}.get(sys.platform, sys.platform),
        "os.version": platform.release(),
        "os.description": platform.platform(),
        "process.pid": os.getpid(),
        "process.executable.path": sys.executable,
        "process.runtime.name": platform.python_implementation().lower(),
        "process.runtime.version": platform.python_version(),
    }
    if machine := _machine_id():
        found["host.id"] = machine
    return found | dict(given)


def encode(given: Mapping[str, Scalar]) -> bytes:
    """Return a Resource message (resource.proto)."""
    return b"".join(block(1, key_value(name, value)) for name, value in given.items())


def _instance() -> str:
    """Return this daemon's id: the same after a restart and a reload, another for another command line or machine."""
    machine = _machine_id()
    named = "\0".join((machine, *sys.argv[1:]))
    return str(uuid.uuid5(_NAMESPACE, named) if machine else _RANDOM)


def _machine_id() -> str:
    """Return this machine's id, "" if it has none (machine-id(5))."""
    for file in ("/etc/machine-id", "/var/lib/dbus/machine-id"):
        try:
            found = Path(file).read_text().strip()
        except OSError:
            continue
        if found:
            return found
    return ""
