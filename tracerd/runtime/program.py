"""A program on its way from an object to an engine, and its counts once it runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tracerd.elf.spec import ObjectSpec
from tracerd.errors import ConfigError
from tracerd.isa.decode import decode
from tracerd.isa.instruction import CALL, CALL_HELPER, JMP
from tracerd.platforms.linux import ETW, ETW_HELPERS
from tracerd.platforms.model import Platform
from tracerd.snapshot import ProgramStatistics
from tracerd.sources.base import LinkRequest
from tracerd.sources.names import parse_attach
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
        )

    def link(self, source: str) -> LinkRequest:
        """Return what a source needs to run it on its event of that name.

        Raises:
            ConfigError: the event's context is not what the program was proved for.
        """
        wanted, have = parse_attach(source).kind.program_type, self.verified.job.type
        if wanted != have:
            raise ConfigError(source, f"runs programs of type {wanted}; {self.name!r} is of type {have} (its section)")
        return LinkRequest(
            source, self.executable.native, self.verified.certificate.context_bytes, fields=self._reads_fields()
        )

    def _reads_fields(self) -> bool:
        job = self.verified.job
        return job.type == ETW.name and any(
            each.opcode == JMP | CALL and each.src == CALL_HELPER and each.imm in _FIELD_HELPERS
            for each in decode(job.code)
        )


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
