"""The one error tree.

Every error a user can meet is a noun here that carries data and prints one clear line: what is wrong and the way out.
The command line turns the class into an exit code in one table (`tracerd.cli.exits`); nobody formats a message twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field


class TracerdError(Exception):
    """Something the user should read as one sentence, without a traceback."""


@dataclass(eq=False)
class ObjectError(TracerdError):
    """An object file cannot be used: truncated, not eBPF, or it asks for something not supported."""

    object: str
    cause: str

    def __str__(self) -> str:
        return f"{self.object}: {self.cause}"


@dataclass(eq=False)
class InstructionError(TracerdError):
    """A sequence of bytes or a line of text is not an eBPF instruction (RFC 9669)."""

    instruction: int
    cause: str

    def __str__(self) -> str:
        return f"instruction {self.instruction}: {self.cause}"


@dataclass(eq=False)
class ConfigError(TracerdError):
    """A configuration file or a name in it is wrong."""

    where: str
    cause: str

    def __str__(self) -> str:
        return f"{self.where}: {self.cause}"


@dataclass(eq=False)
class VerifierUnavailable(TracerdError):
    """The verifier process died, hung or outgrew its budget; nothing was proved, so nothing runs."""

    program: str
    cause: str

    def __str__(self) -> str:
        return f"{self.program}: not verified: {self.cause}"


@dataclass(eq=False)
class PolicyRefusal(TracerdError):
    """The machine's code-integrity policy forbids the engine that was asked for."""

    engine: str
    fact: str

    def __str__(self) -> str:
        return f"engine {self.engine!r} refused: {self.fact}"


@dataclass(eq=False)
class NotPermitted(TracerdError):
    """The operating system refuses something to this user; `fix` is the way to get it."""

    what: str
    fix: str

    def __str__(self) -> str:
        return f"{self.what}: not permitted; {self.fix}"


@dataclass(eq=False)
class NotSupported(TracerdError):
    """This machine or this version cannot do it at all."""

    what: str
    why: str

    def __str__(self) -> str:
        return f"{self.what}: not supported here: {self.why}"


@dataclass(eq=False)
class SourceError(TracerdError):
    """An event source cannot be opened or read."""

    source: str
    cause: str

    def __str__(self) -> str:
        return f"{self.source}: {self.cause}"


@dataclass(eq=False)
class NotFound(TracerdError):
    """Nothing live has that id or name; `known` are some that exist."""

    what: str
    known: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"no {self.what}" + (f"; there are: {', '.join(self.known[:12])}" if self.known else "")


@dataclass(eq=False)
class NoSuchKey(NotFound):
    """A map that is there has not that key."""


@dataclass(eq=False)
class Conflict(TracerdError):
    """What was asked for is right in itself, and something that is there already is in its way."""

    what: str
    cause: str

    def __str__(self) -> str:
        return f"{self.what}: {self.cause}"


@dataclass(eq=False)
class ExportError(TracerdError):
    """What was collected could not be handed over; it stays as it is, and the next attempt has it again."""

    what: str
    cause: str

    def __str__(self) -> str:
        return f"{self.what}: {self.cause}"


@dataclass(eq=False)
class CompileError(TracerdError):
    """A C source does not compile; `messages` are the compiler's own."""

    source: str
    compiler: str
    messages: str = field(repr=False)

    def __str__(self) -> str:
        return f"{self.source}: does not compile (with {self.compiler})"


@dataclass(eq=False)
class RunError(TracerdError):
    """Loading or running something failed for a reason that is none of the above."""

    what: str
    cause: str

    def __str__(self) -> str:
        return f"{self.what}: {self.cause}"


@dataclass(eq=False)
class UnfitValue(RunError):
    """A key or a value that was given has not the shape or the range of its type."""
