"""tracerd runs verified eBPF programs in user space against the event streams a machine already has.

For scripts: `Object.open`, `Session`, `Settings`; errors are `TracerdError`s. See docs/first-probe.md.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tracerd.errors import TracerdError
    from tracerd.runtime.api import Link, Object, ObjectMap, ObjectProgram, Session
    from tracerd.runtime.session import Settings

__version__ = "0.1.0"
__all__ = ["Link", "Object", "ObjectMap", "ObjectProgram", "Session", "Settings", "TracerdError", "__version__"]

_HOMES = {
    "Link": "tracerd.runtime.api",
    "Object": "tracerd.runtime.api",
    "ObjectMap": "tracerd.runtime.api",
    "ObjectProgram": "tracerd.runtime.api",
    "Session": "tracerd.runtime.api",
    "Settings": "tracerd.runtime.session",
    "TracerdError": "tracerd.errors",
}


def __getattr__(name: str) -> object:
    """Import a name from its room when it is first used: `import tracerd` stays cheap."""
    if name not in _HOMES:
        raise AttributeError(f"module 'tracerd' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
