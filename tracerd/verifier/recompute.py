"""Do a defined computation again on other operands, in another state."""

from __future__ import annotations

from tracerd.verifier.state import State
from tracerd.verifier.symbols import LOW32, SCALE, SEXT, Definition
from tracerd.verifier.transfer import numbers
from tracerd.verifier.values import Value


def recompute(state: State, definition: Definition, first: Value, second: Value) -> Value:
    """Return the value of a definition's operation on these operands, numbered and bounded in `state`."""
    facts = state.facts
    if definition.operation == LOW32:
        return numbers.low32(facts, first)
    if definition.operation == SEXT:
        return numbers.sign_extend(facts, first, definition.parameter)
    if definition.operation == SCALE:
        return numbers.scale(facts, first, definition.parameter)
    return numbers.WIDE[definition.operation](facts, first, second)
