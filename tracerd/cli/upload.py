"""From what a user names to what the daemon is sent: names and bytes, never paths."""

from __future__ import annotations

from pathlib import Path

from tracerd.config.probe import read_probe
from tracerd.config.strict import read_text
from tracerd.errors import ObjectError
from tracerd.runtime.upload import Upload


def upload_of(what: str) -> Upload:
    """Return a shipped probe by its name, or a probe.toml with its object, or a bare object.

    Raises:
        ConfigError: the probe.toml is wrong, or cannot be read.
        ObjectError: the object cannot be read.
    """
    path = Path(what)
    if path.suffix == ".o":
        return Upload(None, None, _bytes(path), path.name)
    if path.is_dir():
        path = path / "probe.toml"
    elif path.suffix != ".toml":
        return Upload(what, None)
    probe = read_probe(path)
    return Upload(None, read_text(path), _bytes(probe.object), probe.object.name)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ObjectError(str(path), f"cannot be read: {error.strerror}") from error
