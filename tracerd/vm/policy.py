"""Decide which engine may run programs on this machine, and say why.

Facts come in, an EngineChoice comes out; nothing here compiles, loads or runs code. Reading the facts from the
operating system is `facts.py`'s work, so every decision can be tested on any machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tracerd.errors import NotSupported, PolicyRefusal
from tracerd.vm.facts import ACG, HVCI, MDWE, PROBE_PAGE, Fact, FactReader, facts_of_this_system

Asked = Literal["auto", "jit", "interpreter", "native"]
Engine = Literal["jit", "interpreter", "native"]
Integrity = Literal["auto", "enforce"]

WAYS_OUT = {
    MDWE: "start tracerd in a process without PR_SET_MDWE (systemd: MemoryDenyWriteExecute=no): then jit",
    PROBE_PAGE: "let tracerd make anonymous memory executable (SELinux: execmem): then jit",
    HVCI: "turn memory integrity (HVCI) off for this machine: then jit",
    ACG: "start tracerd without the process mitigation ProhibitDynamicCode (ACG): then jit",
}
"""What would have to change for a deciding fact to let the JIT pass."""

OVERRIDE = 'code_integrity = "enforce" in the configuration'


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """Which engine runs, and why. `enforced` tells that code integrity forbids the JIT: the door is to be locked."""

    engine: Engine
    reason: str
    facts: tuple[Fact, ...]
    enforced: bool


def choose(facts: Sequence[Fact], asked: Asked = "auto", integrity: Integrity = "auto") -> EngineChoice:
    """Choose an engine. The configuration's `integrity` can make the answer stricter, never laxer.

    Raises:
        PolicyRefusal: the JIT was asked for by name, and a fact forbids it. There is no falling back then.
        NotSupported: `native` was asked for; ahead-of-time modules are not made yet.
    """
    if asked == "native":
        raise NotSupported("engine 'native'", "this version of tracerd makes no ahead-of-time modules")
    forbids = forbidding(facts, integrity)
    if asked == "jit" and forbids:
        raise PolicyRefusal(asked, forbids)
    if asked == "interpreter":
        return EngineChoice("interpreter", "asked for by name", tuple(facts), bool(forbids))
    if forbids:
        return EngineChoice("interpreter", forbids, tuple(facts), True)
    return EngineChoice("jit", "nothing here forbids code made at run time", tuple(facts), False)


def forbidding(facts: Sequence[Fact], integrity: Integrity = "auto") -> str:
    """Return what forbids code made at run time, in one phrase, or "" if nothing does.

    A deciding fact that cannot be read forbids it; so does having no deciding fact at all.
    """
    if integrity == "enforce":
        return OVERRIDE
    deciding = [fact for fact in facts if fact.decides]
    for fact in deciding:
        if fact.enforced:
            return f"{fact.name} is {fact.value} ({fact.source})"
    for fact in deciding:
        if fact.enforced is None:
            return f"{fact.name} is {fact.value} ({fact.source}), which counts as enforced"
    return "" if deciding else "no fact about code integrity is known, which counts as enforced"


def choice_here(asked: Asked = "auto", integrity: Integrity = "auto") -> EngineChoice:
    """Read this system's facts and choose.

    Raises:
        PolicyRefusal, NotSupported: as `choose`.
    """
    return choose(facts_of_this_system().read(), asked, integrity)


def lock_the_door(choice: EngineChoice, system: FactReader | None = None) -> bool:
    """Where code integrity forbids the JIT, see to it that nothing in this process becomes executable from now on.

    Returns whether the door is locked; it stays open when a probe merely asked for the interpreter.

    Raises:
        NotSupported: it should be locked, the system cannot do it, and nothing else does.
    """
    if not choice.enforced:
        return False
    system = system or facts_of_this_system()
    try:
        system.lock()
    except OSError as error:
        if not any(fact.decides and fact.enforced for fact in system.read()):
            raise NotSupported("locking this process against executable memory", str(error)) from error
    return True


def explain(choice: EngineChoice) -> dict[str, object]:
    """Return the choice as `policy explain --json` shows it (DESIGN §11)."""
    return {
        "engine": choice.engine,
        "reason": choice.reason,
        "facts": [{"name": fact.name, "value": fact.value, "source": fact.source} for fact in choice.facts],
        "would_change": _would_change(choice),
    }


def _would_change(choice: EngineChoice) -> list[str]:
    if choice.engine == "jit":
        return [
            f"{OVERRIDE}: then interpreter, and the door is locked",
            'engine = "interpreter" in a probe: then interpreter for that probe',
        ]
    if choice.reason == OVERRIDE:
        remedies = ['code_integrity = "auto" in the configuration: then the facts decide']
    elif not choice.enforced:
        remedies = ['engine = "auto": then jit']
    else:
        remedies = []
    return remedies + [WAYS_OUT[fact.name] for fact in choice.facts if _stands_in_the_way(fact)]


def _stands_in_the_way(fact: Fact) -> bool:
    return fact.decides and fact.enforced is not False and fact.name in WAYS_OUT
