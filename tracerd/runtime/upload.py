"""Probes that come as bytes through the control API: checked, kept in the state directory, found again after a restart.

What a client sends is content, never a path: the object's name in a probe.toml is not followed. A probe is written
into a folder under another name, which is renamed when all of it is on the disk: after a crash it is there whole or
not at all.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from tracerd.config import Name, Probe, parse_probe, read_probe, unknown_name
from tracerd.errors import ConfigError, ObjectError, RunError, TracerdError
from tracerd.runtime.locate import probe_of_object, shipped_probes

OBJECT_FILE, TOML_FILE = "probe.bpf.o", "probe.toml"
DRAFT = ".draft-"


@dataclass(frozen=True, slots=True)
class Upload:
    """A probe as a client sends it: the name of a shipped one, or an object with or without its probe.toml."""

    name: str | None = None      # of a shipped probe
    toml: str | None = None      # text of a probe.toml
    object: bytes = b""
    object_name: str = "object.bpf.o"    # what to call it in messages and, without toml, what the probe is named after


class Uploads:
    """The folder of kept probes, one folder each."""

    def __init__(self, directory: Path, look: Callable[[], object] = lambda: None) -> None:
        """`directory` is ours alone; what a killed process left half written is removed. `look` is called before
        anything is written: it makes the directory again if it was removed, or raises if it is no longer ours.

        Raises:
            RunError: it cannot be made.
        """
        self._directory = directory
        self._look = look
        try:
            directory.mkdir(mode=0o700, exist_ok=True)
            for draft in directory.glob(f"{DRAFT}*"):
                shutil.rmtree(draft)
        except OSError as error:
            raise RunError(str(directory), f"cannot be used for loaded probes: {error.strerror}") from error

    def draft(self, upload: Upload) -> tuple[Probe, Path]:
        """Write an upload into a folder that nobody knows yet; returns the probe as it would be, and that folder.

        Raises:
            ConfigError: its probe.toml or its name is wrong, or there is no such shipped probe.
            ObjectError: a bare object cannot be read.
            RunError: it cannot be written.
        """
        self._look()
        try:
            folder = Path(tempfile.mkdtemp(prefix=DRAFT, dir=self._directory))
        except OSError as error:
            raise RunError(str(self._directory), f"cannot keep a probe: {error.strerror}") from error
        try:
            return self._written(upload, folder), folder
        except (ConfigError, ObjectError) as error:
            shutil.rmtree(folder, ignore_errors=True)
            name_as_sent(error, folder, upload)
            raise
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise RunError(str(folder), f"cannot keep a probe: {error.strerror}") from error
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def keep(self, folder: Path, name: str) -> Probe:
        """Give a draft its name, for good; returns the probe from where it is now.

        Raises:
            RunError: it cannot be renamed.
        """
        final = self._folder(name)
        try:
            if final.exists():
                shutil.rmtree(final)
            folder.rename(final)
            _sync(self._directory)
        except OSError as error:
            raise RunError(str(final), f"cannot keep the probe: {error.strerror}") from error
        return self.read(name)

    def discard(self, folder: Path) -> None:
        """Remove a draft."""
        shutil.rmtree(folder, ignore_errors=True)

    def remove(self, name: str) -> None:
        """Forget a kept probe: first its name, then its files, so that a crash leaves no half of it."""
        final = self._folder(name)
        self._look()
        try:
            gone = Path(tempfile.mkdtemp(prefix=DRAFT, dir=self._directory)) / name
            with suppress(FileNotFoundError):        # somebody removed it: then it is forgotten already
                final.rename(gone)
        except OSError as error:
            raise RunError(str(final), f"cannot be removed: {error.strerror}") from error
        shutil.rmtree(gone.parent, ignore_errors=True)

    def names(self) -> list[str]:
        """Return the names of all kept probes, sorted."""
        try:
            return sorted(each.name for each in self._directory.iterdir() if not each.name.startswith(DRAFT))
        except FileNotFoundError:
            return []                # the state directory was removed: nothing is kept any more

    def read(self, name: str) -> Probe:
        """Return a kept probe.

        Raises:
            TracerdError: it is damaged or gone.
        """
        return _probe_in(self._folder(name))

    def _folder(self, name: str) -> Path:
        return self._directory / checked_name(name)

    def _written(self, upload: Upload, folder: Path) -> Probe:
        toml, contents = contents_of(upload)
        _write(folder / OBJECT_FILE, contents)
        if toml is not None:
            _write(folder / TOML_FILE, toml.encode())
            return _probe_in(folder)
        name = checked_name(upload.object_name.removesuffix(".o").removesuffix(".bpf"))
        _write(folder / TOML_FILE, _toml_of(name, folder / OBJECT_FILE).encode())
        return _probe_in(folder)


def checked_name(name: str) -> str:
    """Return a probe's name if it is one: letters, digits, `_`, `-` and `.`, never a path.

    Raises:
        ConfigError: it is not.
    """
    try:
        return str(TypeAdapter(Name).validate_python(name))
    except ValidationError as error:
        rule = "is no probe's name: a letter, then letters, digits, _, - or .; at most 64"
        raise ConfigError(repr(name), rule) from error


def name_as_sent(error: TracerdError, folder: Path, upload: Upload) -> None:
    """Have an error name the object as the client does, not by the path of ours."""
    ours = {str(folder / OBJECT_FILE): upload.name or upload.object_name, str(folder / TOML_FILE): TOML_FILE}
    for name, value in vars(error).items():
        if isinstance(value, str):
            for path, theirs in ours.items():
                value = value.replace(path, theirs)
            setattr(error, name, value)


def contents_of(upload: Upload) -> tuple[str | None, bytes]:
    """Return the text of the probe.toml, if there is one, and the object's bytes.

    Raises:
        ConfigError: there is no such shipped probe.
    """
    if upload.name is None:
        return upload.toml, upload.object
    shipped = shipped_probes()
    if upload.name not in shipped:           # never a path of ours: "x.toml" is a name too
        raise ConfigError("probe", unknown_name("probe", checked_name(upload.name), list(shipped)))
    return shipped[upload.name].read_text(), read_probe(shipped[upload.name]).object.read_bytes()


def _toml_of(name: str, path: Path) -> str:
    """Return the probe.toml of a bare object, whose sections say where programs attach."""
    probe = probe_of_object(path)
    lines = ["[probe]", f'name = "{name}"', f'object = "{OBJECT_FILE}"']
    for program, source in probe.attach:
        lines += ["[[attach]]", f'program = "{program}"', f'source = "{source}"']
    return "\n".join(lines) + "\n"


def _probe_in(folder: Path) -> Probe:
    """Read a folder's probe; its object is the one that lies there, whatever the file calls it."""
    try:
        text = (folder / TOML_FILE).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(str(folder / TOML_FILE), f"cannot be read: {error}") from error
    return replace(parse_probe(text, folder, TOML_FILE), object=folder / OBJECT_FILE)


def _write(path: Path, contents: bytes) -> None:
    with path.open("xb") as file:
        file.write(contents)
        file.flush()
        os.fsync(file.fileno())


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def kept(uploads: Uploads) -> Iterator[tuple[str, Probe | TracerdError]]:
    """Yield every kept probe by name, or why it cannot be read."""
    for name in uploads.names():
        try:
            yield name, uploads.read(name)
        except TracerdError as error:
            yield name, error
