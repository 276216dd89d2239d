"""What was known before an instruction, taken apart and in words."""

from __future__ import annotations

import pytest

from tests.tui.feeds import ACCEPTED
from tracerd.verifier.values import KIND_NAMES, NOTHING, NUMBER
from tui.model.states import Known, known


def test_a_state_is_taken_apart() -> None:
    """Registers, stack cells and what is held; values may have blanks."""
    state = "r1=packet + s1+0 (14..65535) r2=packet+14 [-16:8]=(0x0..0xff, bits 0x3/0xfc) held=[4, 5]"
    assert known(state) == [
        Known("r1", "packet end: packet + 14..65535"),
        Known("r2", "packet + 14"),
        Known("stack - 16 (8 bytes):", "0x0..0xff, bits 0x3 set, 0xfc unknown"),
        Known("held", "ring records 4, 5, which must be submitted or discarded"),
    ]
    assert known("") == []
    assert known(ACCEPTED.states[1][0])[1] == Known("r6", "context")  # type: ignore[index]


def test_what_was_not_so_a_step_before_is_fresh() -> None:
    """By what the verifier wrote, not by our words for it."""
    state = "r1=packet + s1+0 (14..65535) r2=packet+14 [-16:8]=0"
    fresh = [each.name for each in known(state, "r1=packet + s1+0 (14..65535) r2=packet") if each.fresh]
    assert fresh == ["r2", "stack - 16 (8 bytes):"]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("0", "0"),
        ("-1", "-1"),
        ("0x65", "0x65"),
        ("any", "any"),
        ("(0..7)", "0..7"),
        ("(0x0..0xffffffff)", "any 32-bit number"),
        ("(0..7, signed -3..4)", "0..7, signed -3..4"),
        ("context", "context"),
        ("packet", "packet"),
        ("packet + s133+2 (2..40)", "packet + 2..40 (s133 + 2)"),
        ("packet + s1-1 (13..65534)", "packet + 13..65534 (s1 - 1)"),
        ("packet + s7+0 any", "packet + any (s7)"),
        ("stack 0", "stack"),
        ("stack 0-8", "stack - 8"),
        ("stack 1-16", "stack of call 1 - 16"),
        ("map 1", "map #1"),
        ("map 0", "map #0"),
        ("map value 3+8", "map value #3 + 8"),
        ("map value or null 3", "map value #3 or null"),
        ("map value 3 + s9+4 (4..11)", "map value #3 + 4..11 (s9 + 4)"),
        ("ring record or null 2", "ring record #2 or null"),
        ("nothing like it", "nothing like it"),
    ],
)  # fmt: skip
def test_values_are_words(value: str, said: str) -> None:
    """What is not understood is left as it is."""
    assert known(f"r3={value}") == [Known("r3", said)]


@pytest.mark.parametrize("kind", [name for number, name in enumerate(KIND_NAMES) if number not in (NUMBER, NOTHING)])
def test_every_kind_of_pointer_is_understood(kind: str) -> None:
    """Whatever the verifier writes of it."""
    (found,) = known(f"r3={kind} 4 + s9+4 (4..11)")
    assert found.value.endswith(" + 4..11 (s9 + 4)")
