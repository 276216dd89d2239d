"""Find what a user means by PROBE: a shipped probe's name, a probe.toml, a folder with one, or a bare object."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from tracerd.config import Probe, read_probe, unknown_name
from tracerd.elf.load import load
from tracerd.elf.spec import ObjectSpec, ProgramSpec
from tracerd.errors import ConfigError
from tracerd.platforms.detect import detect
from tracerd.platforms.windows import WINDOWS
from tracerd.sources.captures import SUFFIXES, is_capture
from tracerd.sources.hook_feeds import default_sources
from tracerd.sources.names import begins_as_name
from tracerd.verifier.prepare import unserved

RECORDINGS = (".etl", ".trec")
"""What recordings are called; captures of packets have their own names."""


def shipped_probes() -> dict[str, Path]:
    """Return the probes that come with the package: name to probe.toml."""
    root = Path(str(files("probes")))
    return {path.parent.name: path for path in sorted(root.glob("*/probe.toml"))}


def locate(what: str, recording: Path | None = None) -> Probe:
    """Return the probe a user named; `recording` is what it is to be run over, if that is known.

    Raises:
        ConfigError: there is no such probe or file, or its probe.toml is wrong.
        ObjectError: a bare object cannot be read.
    """
    path = Path(what)
    if path.suffix == ".o":
        return probe_of_object(path, recording)
    if path.suffix == ".toml":
        return read_probe(path)
    if path.is_dir():
        return read_probe(path / "probe.toml")
    shipped = shipped_probes()
    if what not in shipped:
        raise ConfigError("probe", _what_else(what, path, list(shipped)))
    return read_probe(shipped[what])


def _what_else(what: str, path: Path, shipped: list[str]) -> str:
    """Say what is wrong with a name that is no probe's."""
    if path.suffix.lower() in (*RECORDINGS, *SUFFIXES):
        return f"{what!r} is a recording, not a probe: tracerd replay {what} PROBE"
    if begins_as_name(what):
        return f"{what!r} is an event, not a probe; a probe says which program runs on it: tracerd new NAME makes one"
    return f"{unknown_name('probe', what, shipped)}; or name a probe.toml or .bpf.o file"


def probe_of_object(path: Path, recording: Path | None = None) -> Probe:
    """Make a probe of a bare object: its programs attach where their sections say, its maps are its tables.

    Hooks of eBPF for Windows attach to what feeds them by default, or to the packets of `recording` if it has some.

    Raises:
        ObjectError: the object cannot be read.
        ConfigError: a section does not say where its program attaches.
    """
    spec = load(path)
    attach = tuple(
        (program.name, source) for program in spec.programs for source in _sources(spec, program, recording)
    )
    return Probe(path.name.removesuffix(".bpf.o"), path, "auto", attach, ())


def _sources(spec: ObjectSpec, program: ProgramSpec, recording: Path | None) -> tuple[str, ...]:
    platform = detect(spec)
    kind = platform.type_of_section(program.section)
    takes_packets = kind is not None and kind.name in ("xdp", "netevent_monitor")
    if takes_packets and recording is not None and is_capture(recording):
        return (f"packet:{recording}",)
    if platform is WINDOWS and kind is not None:
        return default_sources(kind.name)
    if kind is None and program.section.split("/", 1)[0] in platform.unserved_sections:
        raise unserved(spec.path, program, platform)
    return (source_of(spec.path, program.name, program.section),)


def source_of(path: str, program: str, section: str) -> str:
    """Return the attach name that a program's section says.

    Raises:
        ConfigError: it says none.
    """
    kind, _, rest = section.partition("/")
    if kind in ("tracepoint", "tp") and rest.count("/") == 1:
        return "tracepoint:" + rest.replace("/", ":")
    if kind in _NAMED and rest:
        return f"{kind}:{rest.replace('/', ':')}"
    if section in ("begin", "end"):
        return section
    raise ConfigError(
        path, f"section {section!r} of program {program!r} does not say where to attach; a probe.toml can"
    )


_NAMED = ("etw", "etw-kernel", "process", "net", "system", "interval")
"""Sections that are attach names with slashes for colons: "process/start", "interval/5s"."""
