"""Recorded packets: `packet:FILE.pcap`. A capture (pcap, pcapng) read by the C core, in file order.

Nothing here runs per packet. The clock that programs see is unix time; no packet says which task or CPU it was of, so
all run on CPU 0 for nobody.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tracerd.errors import SourceError
from tracerd.native import ffi, lib
from tracerd.snapshot import Ledger
from tracerd.sources.base import LinkRequest, ledger
from tracerd.sources.files import open_regular
from tracerd.sources.names import parse_attach
from tracerd.sources.ticks import new_run, take_printed

_SEED = 0x7472616365726400                    # of get_prandom_u32: replays give the same numbers

DAMAGE = {
    "large": "packets of 64 KiB or more, not run",
    "senseless": "end before the file's end in what makes no sense",
    "torn": "the last packet is cut off",
    "unread": "refused reads",
}
"""What can be wrong with a capture: fields of the native `struct tr_capture_counts`, in words."""


class PacketSource:
    """A capture as an event source. Every attach name is all of its packets.

    Raises:
        SourceError: the file cannot be read or is no capture.
    """

    cpus = 1

    def __init__(self, path: Path) -> None:
        self.path = path
        self._run, self._print_buffer = new_run(_SEED)
        self._names: dict[str, int] = {}
        self._descriptor = open_regular(path)
        error: Any = ffi.new("int32_t *")
        system: Any = ffi.new("int32_t *")
        self._capture: Any = lib.tr_capture_open(self._descriptor, error, system)
        if self._capture == ffi.NULL:
            os.close(self._descriptor)
            raise SourceError(str(path), _refusal(error[0], system[0]))

    def open(self, links: list[LinkRequest]) -> None:
        """Make the links.

        Raises:
            SourceError: a program reads more than a packet's context, or memory is short.
        """
        timed = next((link for link in links if parse_attach(link.event).kind.timed), None)
        if timed is not None:
            raise SourceError(timed.event, "timed programs do not run over a capture of packets")
        native: Any = ffi.new("struct tr_link[]", len(links))
        for row, link in zip(native, links, strict=True):
            row.program, row.need = link.program, link.need
            row.event = self._names.setdefault(link.event, len(self._names))
        if lib.tr_capture_set_links(self._live(), native, len(links), len(self._names)) < 0:
            raise SourceError(str(self.path), "its links cannot be made: no memory, or no program of packets")

    def pump(self, timeout_ms: int) -> int:
        """Read on for about `timeout_ms`, inside one native call. Returns packets passed, or -1 at the end."""
        return int(lib.tr_capture_pump(self._live(), self._run, max(timeout_ms, 0)))

    def printed(self) -> bytes:
        """Take what programs printed, as lines."""
        return take_printed(self._run, self._print_buffer)

    def stop(self) -> None:
        """What has not been read yet was never produced."""

    def statistics(self) -> Mapping[str, Ledger]:
        """Return each name's ledger; `via` says what is wrong with the file."""
        raw: Any = ffi.new("struct tr_ledger *")
        ledgers = {}
        for name, number in self._names.items():
            lib.tr_capture_ledger(self._live(), number, raw)
            ledgers[name] = replace(ledger(raw), via=self._damage())
        return ledgers

    def close(self) -> None:
        """Release everything. May be called twice."""
        if self._capture is not None:
            lib.tr_capture_free(self._capture)
            os.close(self._descriptor)
            self._capture = None

    def _damage(self) -> str:
        counts: Any = ffi.new("struct tr_capture_counts *")
        lib.tr_capture_counts(self._live(), counts)
        found = [f"{getattr(counts, cause):,} {words}" for cause, words in DAMAGE.items() if getattr(counts, cause)]
        return f"damaged capture: {', '.join(found)}" if found else ""

    def _live(self) -> Any:
        if self._capture is None:
            raise SourceError(str(self.path), "is closed")
        return self._capture


def _refusal(error: int, system: int) -> str:
    if error == lib.TR_CAPTURE_READ:
        return f"cannot be read: {os.strerror(system)}"
    if error == lib.TR_CAPTURE_NO_MEMORY:
        return "no memory to read it"
    return "is no capture of packets: it starts neither as a pcap nor as a pcapng"
