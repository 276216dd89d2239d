"""A program on its way from an object to an engine, and its counts once it runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tracerd.elf.spec import ObjectSpec
from tracerd.errors import ConfigError
from tracerd.isa.decode import decode
from tracerd.isa.instruction import CALL, CALL_HELPER, JMP
from tracerd.platforms import PLATFORMS
from tracerd.platforms.linux import ETW, ETW_HELPERS
from tracerd.platforms.model import Platform
from tracerd.platforms.windows import WINDOWS
from tracerd.snapshot import ProgramStatistics
from tracerd.sources.base import LinkRequest
from tracerd.sources.hooks import Hook
from tracerd.sources.names import AttachKind, AttachName, parse_attach
from tracerd.verifier.job import Options, Rejection, VerifiedProgram
from tracerd.verifier.prepare import make_job
from tracerd.verifier.verdict import Prover
from tracerd.vm.engine import Executable
from tracerd.vm.policy import EngineChoice

_FIELD_HELPERS = frozenset(helper.id for helper in ETW_HELPERS)


@dataclass(frozen=True, slots=True)
class Program:
    """A verified program, the engine chosen for it and what runs."""

    verified: VerifiedProgram
    choice: EngineChoice
    executable: Executable
    hooks: dict[str, Hook] = field(default_factory=dict)     # for Windows' programs and for packets, by attach name

    @property
    def name(self) -> str:
        return self.verified.job.program

    def statistics(self) -> ProgramStatistics:
        """Return its counts so far."""
        counted = self.executable.statistics()
        certificate = self.verified.certificate
        return ProgramStatistics(
            name=self.name,
            engine=self.executable.engine,
            reason=self.choice.reason,
            runs=counted.runs,
            aborted=counted.aborted,
            mean_ns=counted.mean_ns or 0.0,
            verify_seconds=certificate.seconds,
            instructions=certificate.instructions,
            timed_runs=counted.timed_runs,
            timed_ns=counted.timed_ns,
            slots=counted.slots,
            hooks=tuple(hook.statistics() for hook in self.hooks.copy().values()),
        )

    def link(self, source: str) -> LinkRequest:
        """Return what a source needs to run it on its event of that name.

        Raises:
            ConfigError: the event's context is not what the program was proved for.
        """
        name = parse_attach(source)
        if not runs_on(self.verified, name):
            wanted, have = name.kind.program_type, self.verified.job.type
            raise ConfigError(source, f"runs programs of type {wanted}; {self.name!r} is of type {have} (its section)")
        if self.verified.job.platform == WINDOWS.name or name.kind is AttachKind.PACKET:
            hook = self._hook(source)
            return LinkRequest(source, hook.native, hook.need, fields=hook.fields)
        return LinkRequest(
            source, self.executable.native, self.verified.certificate.context_bytes, fields=self._reads_fields()
        )

    def _reads_fields(self) -> bool:
        job = self.verified.job
        return job.type == ETW.name and any(
            each.opcode == JMP | CALL and each.src == CALL_HELPER and each.imm in _FIELD_HELPERS
            for each in decode(job.code)
        )

    def close(self) -> None:
        """Free it; no source may run it any more. May be called twice."""
        for hook in self.hooks.values():
            hook.close()
        self.executable.close()

    def _hook(self, source: str) -> Hook:
        """Return what makes a hook's events of an attach name's: always the same, so that its counts go on."""
        if source not in self.hooks:
            job = self.verified.job
            kind = PLATFORMS[job.platform].type_by_name[job.type]
            linux = job.platform != WINDOWS.name
            self.hooks[source] = Hook(kind.name, source, self.executable.native, kind.verdicts, linux=linux)
        return self.hooks[source]


def runs_on(program: VerifiedProgram, name: AttachName) -> bool:
    """True if a program was proved for the contexts that events of that name have. Hooks make their own of ETW's."""
    if program.job.platform == WINDOWS.name:
        return name.kind.etw or name.kind is AttachKind.PACKET
    return name.kind.program_type == program.job.type


def prove(
    verifier: Prover, obj: ObjectSpec, names: Sequence[str], platform: Platform, options: Options
) -> dict[str, VerifiedProgram]:
    """Prove the named programs of an object.

    Raises:
        Rejection: a proof failed.
        VerifierUnavailable: the verifier's process failed.
        ConfigError: the object has no program of that name.
    """
    proved = {}
    known = [program.name for program in obj.programs]
    for name in dict.fromkeys(names):
        if name not in known:
            raise ConfigError(obj.path, f"has no program {name!r}; it has: {', '.join(known) or 'none'}")
        outcome = verifier.verify(make_job(obj, obj.program(name), platform, options=options))
        if isinstance(outcome, Rejection):
            raise outcome
        proved[name] = outcome
    return proved
