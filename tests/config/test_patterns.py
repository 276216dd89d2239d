"""Regular expressions of a probe.toml: what may keep the daemon busy for ever is refused, the usual is not."""

from __future__ import annotations

import re
import time

import pytest

from tracerd.config.patterns import TEXT_LETTERS, pattern

USUAL = [r"^(?!\w+/u?\d)", ".*foo.*bar", "[ab]+", "(ab)+c", "x{3}", "(x{2}y)+", "^sd|nvme", "(?:abc|de)", "", r"\.exe$"]
ENDLESS = ["^(a|aa)+$", "(a+)+b", "a*b*c*d*", "(a?){30}", r"(\w+)\1*", "((a*)b)*", "(?=(a+)+)b", "(x|y*)+"]


@pytest.mark.parametrize("text", USUAL)
def test_the_usual_is_taken_and_is_quick_on_any_text(text: str) -> None:
    """The longest text that is looked at, made of what it repeats."""
    search = re.compile(pattern(text)).search
    began = time.perf_counter()
    for letters in ("a", "ab", "x", "foo", "kworker/", "\\"):
        search((letters * TEXT_LETTERS)[:TEXT_LETTERS])
    assert time.perf_counter() - began < 5       # seconds where it takes milliseconds: an endless one takes years


@pytest.mark.parametrize("text", ENDLESS)
def test_what_may_take_for_ever_is_refused(text: str) -> None:
    """With what to write instead."""
    with pytest.raises(ValueError, match="may take for ever to match; repeat nothing inside a repetition"):
        pattern(text)


@pytest.mark.parametrize(("text", "said"), [("(", "is no regular expression"), ("a" * 300, "at most 256 letters")])
def test_what_is_none_is_refused(text: str, said: str) -> None:
    """In a sentence."""
    with pytest.raises(ValueError, match=said):
        pattern(text)
