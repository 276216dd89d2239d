"""Check the configured probes: files, objects, maps, proofs, and every attach point on this machine."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from tracerd.config import Probe
from tracerd.config.daemon import DaemonConfig
from tracerd.daemon.finding import Finding, Findings, note, ok, problem, refused
from tracerd.daemon.layouts import differences
from tracerd.daemon.settings import live_options, verify_options
from tracerd.elf.load import load
from tracerd.elf.spec import ObjectSpec
from tracerd.errors import ConfigError, TracerdError
from tracerd.linux.cpus import cpu_slots
from tracerd.linux.tracefs import tracefs
from tracerd.runtime.configured import files_of, passed_over, read_configured, refuse_twins
from tracerd.runtime.load import exports_of, make_maps, platform_of
from tracerd.runtime.program import prove, runs_on
from tracerd.runtime.tables import ProbeViews
from tracerd.sources.choose import machine_sources
from tracerd.sources.names import AttachName, parse_attach
from tracerd.sources.perf import PerfSource
from tracerd.sources.schema.tracefs import read_format
from tracerd.verifier.job import VerifiedProgram
from tracerd.verifier.sandbox import Verifier
from tracerd.vm.policy import choice_here

NAMED = "probes"
"""The check whose problems are mistakes in the configuration."""


def check_probes(config: DaemonConfig) -> Findings:
    """Yield what is found of every probe that the configuration names; a wrong one does not hide the others."""
    read: list[tuple[str, Probe]] = []
    for entry in config.probes:
        yield from _read(entry, config, read)
    try:
        refuse_twins(read)
    except ConfigError as error:
        yield refused(NAMED, error.where, error)
    if not config.probes:
        yield note(NAMED, config.where, "no probes are configured: the daemon attaches nothing until it is told to")
    if len(read) > config.limits.probes:
        yield problem(NAMED, config.where, f"{len(read)} probes, limits.probes = {config.limits.probes} allows no more")
    map_bytes = 0
    with Verifier(config.limits.verify_memory_mb) as verifier:
        for _, probe in read:
            checked = ProbeCheck(probe, config, verifier)
            yield from checked.run()
            map_bytes += checked.map_bytes
    if map_bytes > config.limits.map_memory_mb << 20:
        yield problem(
            "maps", config.where,
            f"all maps take {map_bytes >> 20} MiB, limits.map_memory_mb = {config.limits.map_memory_mb} allows no more",
        )  # fmt: skip
    yield from _live(config, [probe for _, probe in read])


def _read(entry: str, config: DaemonConfig, read: list[tuple[str, Probe]]) -> Findings:
    try:
        files = files_of(entry, config)
    except TracerdError as error:
        yield refused(NAMED, entry, error)
        return
    if not files:
        yield note(NAMED, entry, "matches no file")
    for said in passed_over(entry, config):
        yield note(NAMED, entry, said)
    for file in files:
        if file in (known for known, _ in read):
            continue
        try:
            read.append((file, read_configured(file)))
            yield ok(NAMED, file, f"probe {read[-1][1].name!r}")
        except TracerdError as error:
            yield refused(NAMED, file, error)


class ProbeCheck:
    """One probe, step by step; what a step needs and did not get ends it. `map_bytes` is what its maps take."""

    def __init__(self, probe: Probe, config: DaemonConfig, verifier: Verifier) -> None:
        self.map_bytes = 0
        self._probe = probe
        self._config = config
        self._verifier = verifier
        self._proved: dict[str, VerifiedProgram] = {}

    def run(self) -> Findings:
        """Yield what is found."""
        try:
            spec = load(self._probe.object)
        except TracerdError as error:
            yield refused("object", self._probe.name, error)
            return
        yield ok("object", self._probe.name, f"{len(spec.programs)} programs, {len(spec.maps)} maps")
        yield from self._tried("views", lambda: ProbeViews(self._probe.views, spec))
        yield from self._tried("exports", lambda: exports_of(self._probe, spec, platform_of(self._probe, spec)))
        yield from self._tried("engine", lambda: choice_here(self._probe.engine, self._config.code_integrity))
        yield from self._maps(spec)
        for name in dict.fromkeys([name for name, _ in self._probe.attach] or [each.name for each in spec.programs]):
            yield self._proof(spec, name)
        for name, source in self._probe.attach:
            yield from self._attach(spec, name, source)

    def _tried(self, check: str, attempt: Callable[[], object]) -> Findings:
        """Yield only what went wrong."""
        try:
            attempt()
        except TracerdError as error:
            yield refused(check, self._probe.name, error)

    def _maps(self, spec: ObjectSpec) -> Findings:
        """Make all maps as the daemon would, and free them again."""
        platform = platform_of(self._probe, spec)
        unknown = [each for each in spec.maps if each.type not in platform.maps]
        for each in unknown:
            yield problem("maps", self._probe.name, f"map {each.name!r} is of type {each.type}, which is not supported")
        if unknown:
            return
        try:
            made = make_maps(spec, cpu_slots() + 2, platform)
        except TracerdError as error:
            yield refused("maps", self._probe.name, error)
            return
        self.map_bytes = sum(live.statistics.memory_bytes for live in made)
        for live in made:
            live.close()
        if made:
            yield ok("maps", self._probe.name, f"{len(made)} maps take {self.map_bytes / (1 << 20):.1f} MiB")

    def _proof(self, spec: ObjectSpec, name: str) -> Finding:
        subject = f"{self._probe.name}/{name}"
        try:
            platform = platform_of(self._probe, spec)
            self._proved |= prove(self._verifier, spec, [name], platform, verify_options(self._config))
        except TracerdError as error:
            return refused("proof", subject, error)
        certificate = self._proved[name].certificate
        return ok("proof", subject, f"proved safe: {certificate.instructions} instructions")

    def _attach(self, spec: ObjectSpec, program: str, source: str) -> Findings:
        """Check one attach point: its name, its event on this machine, and that the program fits it."""
        subject = f"{self._probe.name}/{program} on {source}"
        proved = self._proved.get(program)
        try:
            name = parse_attach(source)
            served = machine_sources([name], poll=self._config.sources.polling.always)
            if proved is not None and not runs_on(proved, name):
                wrong = f"runs programs of type {name.kind.program_type}; {program!r} is of type {proved.job.type}"
                yield problem("attach", subject, wrong, "name another program or event in its probe.toml")
                return
            found = list(_tracepoint(spec, subject, program, name, proved)) if name.kind.live_linux else []
        except TracerdError as error:
            yield refused("attach", subject, error)
            return
        by = next(kind.value for kind, names in served.items() if names)
        yield from found or [ok("attach", subject, f"served by {by}")]


def _tracepoint(
    spec: ObjectSpec, subject: str, program: str, name: AttachName, proved: VerifiedProgram | None
) -> Findings:
    """Yield where a tracepoint's record is not what the program was compiled for."""
    layout = read_format(tracefs(), name.category, name.event)
    need = proved.certificate.context_bytes if proved is not None else 0
    if need > layout.record_bytes:
        short = f"the program reads {need} bytes of the record, the event has {layout.record_bytes}"
        yield problem("attach", subject, short, _COMPILE)
    for difference in differences(spec, program, layout):
        yield problem("layout", subject, difference, _COMPILE)


_COMPILE = "compile it for this kernel's layout: tracerd list shows the fields"


def _live(config: DaemonConfig, probes: list[Probe]) -> Findings:
    """Yield whether this user may have live events at all, with rings as large as configured."""
    names: list[AttachName] = []
    for _, event in [attach for probe in probes for attach in probe.attach]:
        with suppress(TracerdError):             # told where it is attached
            names.append(parse_attach(event))
    if not any(name.kind.live_linux for name in names):
        return
    source = PerfSource(live_options(config).perf)
    try:
        source.open([])
        yield ok("live events", "perf", f"rings of {config.sources.perf.pages} pages on {source.cpus} CPUs")
    except TracerdError as error:
        yield refused("live events", "perf", error)
    finally:
        source.close()
