"""From `probes` of a tracerd.toml to probes: shipped ones by name, others by path or glob."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Iterable
from itertools import takewhile
from pathlib import Path

from tracerd.config import Probe, parse_probe
from tracerd.config.daemon import DaemonConfig
from tracerd.config.trust import distrusted, read_trusted
from tracerd.errors import ConfigError
from tracerd.runtime.locate import locate, probe_of_object


def resolve_probes(config: DaemonConfig) -> list[Probe]:
    """Return the probes that a configuration names, in its order.

    Raises:
        ConfigError: an entry names nothing, a file is wrong or others may write it, two probes have one name, or there
            are more than `limits.probes`.
        ObjectError: a bare object cannot be read.
    """
    files = [file for entry in config.probes for file in files_of(entry, config)]
    distinct = list(dict.fromkeys(files))                # a file that two globs match is meant once
    if len(distinct) > config.limits.probes:
        raise ConfigError(
            config.where, f"names {len(distinct)} probes; limits.probes = {config.limits.probes} allows no more"
        )
    return refuse_twins([(file, read_configured(file)) for file in distinct])


def files_of(entry: str, config: DaemonConfig) -> list[str]:
    """Return what one entry of `probes` names: a shipped probe's name as it is, else the paths of files, sorted.

    A glob may match nothing, and does not match hidden files; what is named must be there.

    Raises:
        ConfigError: the entry can name nothing, or its file is not there.
    """
    where = f"{config.where}: probes: {entry!r}"
    if not entry or "\0" in entry:
        raise ConfigError(where, "is neither the name of a probe nor a path")
    if not _is_path(entry):
        locate(entry)
        return [entry]
    try:
        return _files(entry, config.folder)
    except OSError as error:
        what = error.strerror or str(error)
        hint = "a glob, such as 'probes.d/*.toml', may match nothing"
        raise ConfigError(where, f"{what}: {error.filename}; {hint}") from error


def _files(entry: str, folder: Path) -> list[str]:
    path = folder / entry
    if glob.has_magic(entry):
        pattern = entry if Path(entry).is_absolute() else _under(folder, entry)
        found = sorted(glob.glob(pattern))  # noqa: PTH207  pathlib's has hidden files too
        return [name for name in found if name.endswith(".toml") and Path(name).is_file()]
    if path.is_dir():
        path = path / "probe.toml"
    path.stat()
    return [str(path)]


def passed_over(entry: str, config: DaemonConfig) -> list[str]:
    """Return in words what a glob says that is probably not meant: a folder that is not there, or files of no use."""
    if not glob.has_magic(entry) or not entry or "\0" in entry:
        return []
    folder = config.folder               # whose own name is taken literally
    for part in takewhile(lambda part: not glob.has_magic(part), Path(entry).parent.parts):
        folder /= part
    if not folder.is_dir():
        return [f"{folder} is not there: a misspelt folder?"]
    pattern = entry if Path(entry).is_absolute() else _under(config.folder, entry)
    found = [Path(name) for name in sorted(glob.glob(pattern))]  # noqa: PTH207  as `_files`
    return [f"{path} is no regular file, so it is passed over" for path in found
            if path.suffix == ".toml" and not path.is_file()]  # fmt: skip


def read_configured(file: str) -> Probe:
    """Read one of the files that `files_of` returned. Nobody but root and us may be able to write what is used.

    Raises:
        ConfigError, ObjectError: as `resolve_probes`.
    """
    if not _is_path(file):
        return locate(file)
    path = Path(file)
    if path.suffix == ".o":
        _trust(path)
        return probe_of_object(path)
    probe = parse_probe(read_trusted(path), path.parent, str(path))
    _trust(probe.object)
    return probe


def refuse_twins(probes: Iterable[tuple[str, Probe]]) -> list[Probe]:
    """Return the probes of (where it is from, probe).

    Raises:
        ConfigError: two have one name.
    """
    seen: dict[str, str] = {}
    found = []
    for file, probe in probes:
        if probe.name in seen:
            other = seen[probe.name]
            if _is_path(file) and _is_path(other):
                raise ConfigError(file, f"a probe named {probe.name!r} is already in {other}; rename one")
            mine = file if _is_path(file) else other
            raise ConfigError(mine, f"a probe that comes with tracerd and is named in `probes`, too, has the name "
                                    f"{probe.name!r}; rename yours")  # fmt: skip
        seen[probe.name] = file
        found.append(probe)
    return found


def _is_path(entry: str) -> bool:
    return "/" in entry or os.sep in entry or entry.endswith((".toml", ".o")) or glob.has_magic(entry)


def _under(folder: Path, pattern: str) -> str:
    """Return a pattern below a folder whose own name is taken literally."""
    return str(Path(glob.escape(str(folder))) / pattern)


def _trust(path: Path) -> None:
    try:
        status = path.stat()
    except OSError as error:
        raise ConfigError(str(path), f"cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(status.st_mode):
        raise ConfigError(str(path), "is not a regular file")
    why = distrusted(status)
    if why:
        raise ConfigError(str(path), f"is not used, since {why}; run: chown root {path} && chmod go-w {path}")
