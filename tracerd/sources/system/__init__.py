"""Processes, connections and the machine's own numbers as typed events, by polling: on any OS, without privilege.

`source.SystemSource` is the event source. `reader.Reader` is what it asks of an operating system: `linux.LinuxReader`
reads /proc in the C core, `portable.PsutilReader` asks psutil. `processes`, `connections` and `machine` make events of
what changed between two polls; nothing there touches the operating system.

The psutil reader has not been run on Windows or macOS.
"""

from __future__ import annotations

from tracerd.sources.system.source import SystemCost, SystemOptions, SystemSource

__all__ = ["SystemCost", "SystemOptions", "SystemSource"]
