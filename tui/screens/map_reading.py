"""How the columns of maps come to a screen: asked for in threads beside, one question at a time."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import closing

from textual import on
from textual.message import Message

from tracerd.daemon.feed import MapInfo
from tracerd.errors import TracerdError
from tracerd.snapshot import Column
from tui.model.map_rows import map_rows
from tui.model.maps import Item, is_array
from tui.model.slots import slot_columns
from tui.screens.view import View

Columns = Mapping[str, Column]


class MapReading(View):
    """A screen that asks. What comes of it, be it an error, is always told: so the next question can be asked."""

    class Read(Message):
        """A map's elements have come, or will not."""

        def __init__(self, taken_ns: int, info: MapInfo, found: Columns | TracerdError) -> None:
            super().__init__()
            self.taken_ns, self.info, self.found = taken_ns, info, found

    class Searched(Message):
        """It is known which maps have histograms."""

        def __init__(self, found: Sequence[Item] | TracerdError) -> None:
            super().__init__()
            self.found = found

    def __init__(self) -> None:
        super().__init__()
        self._asked_ns = 0                       # the moment that was asked at last
        self._asking = self._searching = False

    def read(self, taken_ns: int, info: MapInfo) -> None:
        """Ask for a map's elements, unless it is still being asked, or was at this moment; `taken` gets the answer."""
        if not self._asking and taken_ns != self._asked_ns:
            self._asking, self._asked_ns = True, taken_ns
            threading.Thread(target=self._read, args=(taken_ns, info), name="columns", daemon=True).start()

    def search(self, among: Sequence[tuple[Item, MapInfo]]) -> None:
        """Ask which of some maps have histograms: only their columns tell. `found` gets the answer."""
        if not self._searching:
            self._searching = True
            threading.Thread(target=self._search, args=(among,), name="search", daemon=True).start()

    def taken(self, message: Read) -> None:
        """Take what was read."""

    def found(self, items: Sequence[Item] | TracerdError) -> None:
        """Take what was searched for."""

    def _read(self, taken_ns: int, info: MapInfo) -> None:
        try:
            with closing(self.top.connect()) as feed:
                self.post_message(self.Read(taken_ns, info, feed.columns(info.id)))
        except TracerdError as error:
            self.post_message(self.Read(taken_ns, info, error))

    def _search(self, among: Sequence[tuple[Item, MapInfo]]) -> None:
        found = []
        try:
            with closing(self.top.connect()) as feed:
                for item, info in among:
                    sheet = map_rows(item.sheet, feed.columns(info.id), slots=info.per_cpu)
                    if slot_columns(sheet, array=is_array(info)):
                        found.append(item)
        except TracerdError as error:
            self.post_message(self.Searched(error))
            return
        self.post_message(self.Searched(found))

    @on(Read)
    def _was_read(self, message: Read) -> None:
        self._asking = False
        self.taken(message)

    @on(Searched)
    def _was_searched(self, message: Searched) -> None:
        self._searching = False
        self.found(message.found)
