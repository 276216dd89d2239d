"""Exit codes: the one table from an error's class to what the shell sees (DESIGN §7)."""

from __future__ import annotations

from tracerd import errors
from tracerd.verifier.job import Rejection

OK, FAILED, USAGE, NOT_PERMITTED, NOT_SUPPORTED = range(5)

EXIT_CODES: tuple[tuple[type[errors.TracerdError], int], ...] = (
    (Rejection, FAILED),
    (errors.ConfigError, USAGE),
    (errors.UnfitValue, USAGE),
    (errors.NoSuchKey, FAILED),          # an answer, as with grep: the question was right
    (errors.NotFound, USAGE),
    (errors.PolicyRefusal, NOT_PERMITTED),
    (errors.NotPermitted, NOT_PERMITTED),
    (errors.NotSupported, NOT_SUPPORTED),
    (errors.TracerdError, FAILED),
)


def exit_code(error: errors.TracerdError) -> int:
    """Return the exit code of an error: the first row whose class it is."""
    return next(code for kind, code in EXIT_CODES if isinstance(error, kind))
