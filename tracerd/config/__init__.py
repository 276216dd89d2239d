"""Configuration files: what they may say, and how a mistake in one is told."""

from __future__ import annotations

from tracerd.config.probe import Engine, Name, Probe, parse_probe, read_probe
from tracerd.config.strict import unknown_name

__all__ = ["Engine", "Name", "Probe", "parse_probe", "read_probe", "unknown_name"]
