"""From what a user names to what the daemon is sent: names and bytes, never paths."""

from __future__ import annotations

from pathlib import Path

from tracerd.config.probe import read_probe
from tracerd.config.strict import read_text
from tracerd.elf.load import read_object
from tracerd.errors import ObjectError
from tracerd.runtime.upload import Upload

_MAGIC = b"\x7fELF"


def upload_of(what: str) -> Upload:
    """Return a shipped probe by its name, or a probe.toml with its object, or a bare object.

    Raises:
        ConfigError: the probe.toml is wrong, or cannot be read.
        ObjectError: the object cannot be read, or is none.
    """
    path = Path(what)
    if path.suffix == ".c":
        raise ObjectError(what, "is C: compile it with `tracerd build` first, and load the .bpf.o that it makes")
    if path.is_dir():
        path = path / "probe.toml"
    if path.suffix == ".toml":
        probe = read_probe(path)
        return Upload(None, read_text(path), _bytes(probe.object), probe.object.name)
    if path.suffix == ".o" or _names_a_file(path):
        return Upload(None, None, _bytes(path), path.name)
    return Upload(what, None)


def _names_a_file(path: Path) -> bool:
    """True for what is no shipped probe's name; a file beside us that is called like one does not stand for it."""
    return len(path.parts) > 1 or (bool(path.suffix) and path.is_file())


def _bytes(path: Path) -> bytes:
    data = read_object(path)
    if not data.startswith(_MAGIC):
        raise ObjectError(str(path), "is no object: that is what `tracerd build` or `clang -target bpf -c` makes of C")
    return data
