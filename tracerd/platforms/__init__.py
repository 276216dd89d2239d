"""What a platform's objects mean: helpers, map type numbers, sections, contexts. Tables, not logic."""

from __future__ import annotations

from tracerd.platforms.linux import LINUX
from tracerd.platforms.model import Platform

PLATFORMS: dict[str, Platform] = {platform.name: platform for platform in (LINUX,)}
"""Platforms by the name used in `--platform` and in certificates."""
