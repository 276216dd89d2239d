"""What the control API may do with a daemon (see `api/host.py`): look, change, and read the configuration again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from tracerd.daemon.feed import Verification
from tracerd.daemon.verification import verifications
from tracerd.elf.spec import ProgramSpec
from tracerd.errors import NotFound
from tracerd.runtime.host import Host
from tracerd.runtime.inspect import Inspector
from tracerd.runtime.map_view import MapView
from tracerd.runtime.objects import Changes, LinkInfo, MapInfo, PinInfo, ProbeInfo, ProgramInfo
from tracerd.runtime.printed import PrintedFollower
from tracerd.runtime.ring_types import TypedFollower
from tracerd.runtime.upload import Upload
from tracerd.snapshot import Moment, Table
from tracerd.verifier.job import Options, VerifiedProgram
from tracerd.verifier.verdict import Prover
from tracerd.views.spec import ViewSpec

Row = TypeVar("Row")


class Control:
    """One object for all of it. Thread-safe; every method may block, changes for as long as a proof takes."""

    def __init__(
        self, host: Host, inspector: Inspector, reload: Callable[[], Changes], verifier: Prover, options: Options
    ) -> None:
        """`verifier` proves what is only looked at, within the limits of `options`."""
        self._host = host
        self._inspector = inspector
        self._reload = reload
        self._verifier = verifier
        self._options = options

    def probes(self) -> list[ProbeInfo]:
        """Every probe, those that failed to load too."""
        return self._inspector.probes()

    def programs(self) -> list[ProgramInfo]:
        """Every program."""
        return self._inspector.programs()

    def maps(self) -> list[MapInfo]:
        """Every map; those of pins that no probe has loaded come last."""
        return [*self._inspector.maps(), *self._inspector.resting_maps()]

    def links(self) -> list[LinkInfo]:
        """Every link."""
        return self._inspector.links()

    def pins(self) -> list[PinInfo]:
        """Every pin."""
        return self._inspector.pins()

    def pin_entries(self, name: str, limit: int) -> list[dict[str, object]]:
        """What is in a pin, whether a probe has loaded it or none has."""
        return self._inspector.pin_entries(name, limit)

    def program_text(self, program_id: int) -> tuple[ProgramSpec, VerifiedProgram]:
        """A program as it stood in its object, and with its proof."""
        return self._inspector.program_text(program_id)

    def verify(self, upload: Upload, platform: str = "linux", type_name: str | None = None) -> list[Verification]:
        """Prove an object's programs, and load nothing."""
        return verifications(self._verifier, self._options, upload, platform, type_name)

    def load(self, upload: Upload) -> ProbeInfo:
        """Load, attach and keep a probe."""
        return self._probe(self._host.load(upload).name)

    def unload(self, probe: str) -> None:
        """Unload a probe that was loaded so."""
        self._host.unload(probe)

    def attach(self, program_id: int, source: str) -> LinkInfo:
        """Run a program on an event."""
        made = self._host.attach(program_id, source)
        return _still_there((link for link in self.links() if link.id == made.id), f"link {made.id}")

    def detach(self, link_id: int) -> None:
        """Take a link away."""
        self._host.detach(link_id)

    def pin(self, map_id: int, name: str) -> PinInfo:
        """Move a map into a file."""
        self._host.pin(map_id, name)
        return _still_there((pin for pin in self.pins() if pin.name == name), f"pin {name!r}")

    def unpin(self, name: str) -> None:
        """Remove a pin."""
        self._host.unpin(name)

    def map(self, map_id: int) -> MapView:
        """One map."""
        return self._inspector.map(map_id)

    def reload(self) -> Changes:
        """Read the configuration again; all or nothing."""
        return self._reload()

    def moment(self, max_age: float = 0.0) -> Moment:
        """A copy of everything."""
        return self._inspector.moment(max_age)

    def table(self, probe: str, table: str) -> tuple[ViewSpec, Table]:
        """One table as it is now."""
        return self._inspector.table(probe, table)

    def follow(self, map_id: int, queue_bytes: int) -> TypedFollower:
        """A ring buffer's records from now on."""
        return self._inspector.follow(map_id, queue_bytes)

    def follow_printed(self) -> PrintedFollower:
        """What programs print: the last lines, then what comes."""
        return self._host.sources.printed.follow()

    def _probe(self, name: str) -> ProbeInfo:
        for info in self.probes():
            if info.name == name:
                return info
        raise NotFound(f"probe {name!r}")    # unloaded by somebody else in this moment


def _still_there(rows: Iterator[Row], what: str) -> Row:
    """Return the row of what was just made.

    Raises:
        NotFound: somebody else has removed it meanwhile.
    """
    for row in rows:
        return row
    raise NotFound(f"{what}: it was made, and somebody else has removed it already")
