"""What a platform's objects mean: helpers, map type numbers, sections, contexts. Tables, not logic."""

from __future__ import annotations

from tracerd.platforms.linux import LINUX
from tracerd.platforms.model import Platform
from tracerd.platforms.windows import WINDOWS

PLATFORMS: dict[str, Platform] = {platform.name: platform for platform in (LINUX, WINDOWS)}
"""Platforms by the name used in `--platform` and in certificates."""
