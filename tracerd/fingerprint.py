"""What this package's own code is, as a number: results that are kept belong to the code that made them."""

from __future__ import annotations

import hashlib
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path


@cache
def fingerprint(*packages: str) -> bytes:
    """Return the SHA-256 of all Python sources of some packages (or modules) and of the interpreter's version.

    Raises:
        FileNotFoundError: there are no sources; nothing may be kept then.
    """
    whole = hashlib.sha256(sys.version.encode())
    for package in packages:
        for path in _sources(package):
            body = path.read_bytes()
            whole.update(f"{package} {path.name} {len(body)}\n".encode())
            whole.update(body)
    return whole.digest()


def _sources(package: str) -> list[Path]:
    spec = find_spec(package)                # nothing of it is imported, but for its parents
    place = Path(spec.origin if spec is not None and spec.origin is not None else "")
    found = sorted(place.parent.rglob("*.py")) if place.name == "__init__.py" else [place]
    if not all(path.suffix == ".py" and path.is_file() for path in found) or not found:
        raise FileNotFoundError(f"no sources of {package}")
    return found
