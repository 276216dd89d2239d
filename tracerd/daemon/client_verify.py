"""From JSON to what was proved of an object, with nothing but the standard library."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tracerd.daemon.client_rows import row, rows
from tracerd.daemon.feed import ListingLine, Verification
from tracerd.errors import RunError


def verifications(documents: Any) -> list[Verification]:
    """Return the rows of an answer.

    Raises:
        RunError: they lack what every daemon says.
    """
    try:
        return [_verification(document) for document in documents]
    except (TypeError, ValueError, AttributeError) as error:
        raise RunError("daemon", f"is of another version: its proofs are not ours ({error})") from error


def _verification(document: Mapping[str, Any]) -> Verification:
    states = document.get("states")
    nested = {
        "lines": rows(ListingLine, document.get("lines", ())),
        "states": None if states is None else {int(at): tuple(each) for at, each in states.items()},
    }
    return row(Verification, {**document, **nested})
