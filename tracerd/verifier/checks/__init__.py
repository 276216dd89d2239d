"""What every instruction demands before it may run, as explicit assertions, and who answers them from a state.

`assertions(…)` depends on the instruction alone. Each assertion looks at a state and says nothing, or what is missing.
"""

from __future__ import annotations

from tracerd.verifier.checks.assertion import Assertion, Unmet
from tracerd.verifier.checks.assign import assertions

__all__ = ["Assertion", "Unmet", "assertions"]
