"""Text that others wrote, made fit for a terminal or a log."""

from __future__ import annotations


def printable(text: str) -> str:
    """Return a line as a terminal may have it, with escapes for all that it would obey.

    Any process chooses its own name and command line, and a file what it says of itself.
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def cut(value: object) -> str:
    """Return a value as a message has it: whoever sends a mebibyte need not have it back."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:79]}…"
