"""Read the fenced blocks of a page, with the comments in front of them that say how a test is to take them.

    <!-- file: NAME -->               the block is that file
    <!-- test: exit N -->             its last command ends with N, not 0
    <!-- test: needs live events -->  skip the rest where perf events are refused
    <!-- test: skip because … -->     not run at all
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_COMMENT = re.compile(r"<!-- (file|test): (.*?) -->")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block; `line` is that of its fence."""

    page: str
    line: int
    language: str
    text: str
    file: str = ""
    hint: str = ""

    @property
    def skipped(self) -> bool:
        return self.hint.startswith("skip because ")

    def commands(self) -> list[tuple[str, list[str]]]:
        """Return a console's commands, each with the output that the page shows."""
        found: list[tuple[str, list[str]]] = []
        for line in self.text.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            elif found:
                found[-1][1].append(line)
        return found


def blocks_of(page: Path) -> list[Block]:
    """Return all fenced blocks of a page in order."""
    found: list[Block] = []
    comments: dict[str, str] = {}
    lines = iter(enumerate(page.read_text(encoding="utf-8").splitlines(), 1))
    for number, line in lines:
        if line.startswith("```"):
            text = []
            for _, inside in lines:
                if inside.startswith("```"):
                    break
                text.append(inside)
            language = line.strip("`").strip()
            found.append(
                Block(page.name, number, language, "\n".join(text) + "\n", comments.get("file", ""),
                      comments.get("test", ""))
            )  # fmt: skip
            comments = {}
        elif match := _COMMENT.fullmatch(line.strip()):
            comments[match[1]] = match[2]
        elif line.strip():
            comments = {}
    return found


def matches(shown: list[str], printed: str) -> str:
    """Return the first shown line that was not printed, or nothing.

    Numbers (with their units) may differ, runs of spaces too; "…" stands for anything, also for lines left out.
    """
    rest = printed.splitlines()
    for line in shown:
        if line.strip() in ("", "…"):
            continue
        pattern = _pattern(line)
        place = next((i for i, each in enumerate(rest) if pattern.fullmatch(each.strip())), None)
        if place is None:
            return line
        rest = rest[place + 1 :]
    return ""


def _pattern(line: str) -> re.Pattern[str]:
    parts = re.split(r"(…|\d[\d,.]*(?:ns|µs|ms|s)?\b%?|\s+)", line.strip())
    return re.compile("".join(map(_part, parts)))


def _part(part: str) -> str:
    if part == "…":
        return ".*"
    if part.isspace():
        return r"\s+"
    if part[:1].isdigit():
        return r"(?:\d[\d,.]*(?:ns|µs|ms|s)?%?|-)"
    return re.escape(part)
