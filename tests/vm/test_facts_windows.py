"""Windows' facts, from made answers of its system calls: the tables of the documentation, not a Windows machine."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tracerd.vm.facts_windows import WindowsFacts
from tracerd.vm.policy import choose


@dataclass
class Answers:
    """What the system would say. None: the call fails."""

    integrity: int | None = 0
    dynamic_code: int | None = 0
    prohibited: bool = False

    def code_integrity_options(self) -> int:
        if self.integrity is None:
            raise OSError("NTSTATUS 0xc0000003")
        return self.integrity

    def dynamic_code_policy(self) -> int:
        if self.dynamic_code is None:
            raise OSError("access denied")
        return self.dynamic_code

    def prohibit_dynamic_code(self) -> None:
        self.prohibited = True


@pytest.mark.parametrize(
    ("answers", "engine", "reason"),
    [
        (Answers(), "jit", "nothing here"),
        (Answers(integrity=0x01), "jit", "nothing here"),
        (Answers(integrity=0x400), "interpreter", "hvci is running"),
        (Answers(integrity=0x1400), "interpreter", "hvci is running, strict"),
        (Answers(integrity=0x800), "jit", "nothing here"),
        (Answers(integrity=None), "interpreter", "unreadable"),
        (Answers(dynamic_code=0x1), "interpreter", "acg is on"),
        (Answers(dynamic_code=0x8), "jit", "nothing here"),
        (Answers(dynamic_code=None), "interpreter", "unreadable"),
    ],
)
def test_hvci_running_or_acg_on_forbid_the_jit(answers: Answers, engine: str, reason: str) -> None:
    """HVCI on (0x400) or strict (0x1000) and ACG's bit 0 decide; audit modes do not; unreadable counts as enforced."""
    choice = choose(WindowsFacts(answers).read())
    assert choice.engine == engine
    assert reason in choice.reason


def test_test_signing_is_shown_but_does_not_decide() -> None:
    """Test signing (0x02) weakens the machine; it neither forbids nor allows the JIT."""
    facts = {fact.name: fact for fact in WindowsFacts(Answers(integrity=0x402)).read()}
    assert facts["test signing"].value == "on"
    assert not facts["test signing"].decides
    assert facts["hvci"].enforced


def test_locking_turns_acg_on() -> None:
    """The door is locked by prohibiting dynamic code for the process."""
    answers = Answers()
    WindowsFacts(answers).lock()
    assert answers.prohibited
