"""Tables and maps as rows of one list, and one of them in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tracerd.daemon.feed import Look, MapInfo
from tracerd.snapshot import Moment, Table
from tracerd.views.format import count, counted, size
from tui.draw.meter import bar
from tui.model.rows import Field, sheet_of_rows
from tui.model.seen import Seen
from tui.model.sheet import LEAST_SLOTS, Sheet

RING = "ringbuf"

FIELDS = (
    Field("name", key=True), Field("kind", key=True), Field("entries", "count"), Field("change", "count", title="±/s"),
    Field("fill_permille", "permille", title="fill"), Field("notes"), Field("refused", "count", alert=True),
    Field("memory", "bytes"),
)  # fmt: skip

KINDS: Mapping[str, str] = {
    "percpu_hash": "hash with a value for each CPU",
    "percpu_array": "array with a value for each CPU",
    "lru_hash": "hash where the longest unused makes room",
    "lru_percpu_hash": "hash with a value for each CPU, where the longest unused makes room",
    "lpm_trie": "trie that finds the longest prefix",
    "ringbuf": "ring buffer: records on their way out",
    "perf_event_array": "records on their way out, by CPU",
    "prog_array": "programs for tail calls",
}
"""What `bpftool`'s word for a kind means, where it does not say it itself."""

_METER = 20


@dataclass(frozen=True, slots=True)
class Item:
    """A table that a probe declares, or a map, by its names: they stay when a daemon begins anew, ids do not."""

    table: bool
    probe: str
    name: str

    @property
    def title(self) -> str:
        """Its full name."""
        return f"{self.probe}/{self.name}" if self.probe else self.name

    @property
    def sheet(self) -> str:
        """What its sheet is called: a table and a map may have the same name."""
        return self.title if self.table else f"map {self.title}"


class Growth:
    """How fast numbers of entries change, from one count of them to the next."""

    def __init__(self) -> None:
        self._entries: Mapping[Item, int] = {}
        self._taken_ns = 0
        self._rates: Mapping[Item, float] = {}

    def add(self, taken_ns: int, entries: Mapping[Item, int]) -> None:
        """Take how many there are at a moment; the same moment again changes nothing."""
        if taken_ns == self._taken_ns:
            return
        seconds, before = (taken_ns - self._taken_ns) / 1e9, self._entries
        both = [item for item in entries if item in before] if self._taken_ns and seconds > 0 else []
        self._rates = {item: (entries[item] - before[item]) / seconds for item in both}
        self._taken_ns, self._entries = taken_ns, entries

    def rate(self, item: Item) -> float | None:
        """Return the change per second; None if it is not known yet."""
        return self._rates.get(item)


class Listed:
    """The list. It has to see every sight that it is to tell of: how many there were before is known to it alone."""

    def __init__(self) -> None:
        self._tables, self._maps = Growth(), Growth()
        self._look: Look | None = None

    def sheet(self, seen: Seen) -> Sheet:
        """Return all tables, then all maps; those that programs only read come last."""
        if seen.moment is not None:
            self._tables.add(seen.moment.taken_ns, {item: len(table) for item, table in tables(seen.moment)})
        if seen.moment is not None and seen.look is not None and seen.look is not self._look:
            self._look = seen.look       # looks come more seldom than moments
            self._maps.add(seen.moment.taken_ns, {item: info.entries for item, info in maps(seen.look)})
        return sheet_of_rows("maps", FIELDS, self._rows(seen))

    def _rows(self, seen: Seen) -> Iterator[tuple[object, ...]]:
        for item, table in tables(seen.moment):
            yield item.title, "table", len(table), self._tables.rate(item), None, "", 0, None
        for item, info in maps(seen.look):
            fill = 1000 * info.entries / info.max_entries if info.max_entries and not is_array(info) else None
            rate = self._maps.rate(item) if info.kind != RING else None      # bytes that wait come and go
            yield (item.title, info.kind, info.entries, rate, fill, _notes(info), info.refused,
                   info.resident_bytes or info.memory_bytes)  # fmt: skip


def tables(moment: Moment | None) -> list[tuple[Item, Table]]:
    """Return every table of a moment."""
    probes = moment.probes.values() if moment is not None else ()
    return [(Item(True, probe.name, table.name), table) for probe in probes for table in probe.tables.values()]


def maps(look: Look | None) -> list[tuple[Item, MapInfo]]:
    """Return every map, those that programs only read last."""
    infos = sorted(look.maps, key=lambda info: info.read_only) if look is not None else ()
    return [(Item(False, info.probe, info.name), info) for info in infos]


def item_of(row: Mapping[str, object] | None) -> Item | None:
    """Return what a row of the list is."""
    if row is None:
        return None
    probe, slash, name = str(row["name"]).partition("/")
    return Item(row["kind"] == "table", probe if slash else "", name if slash else probe)


def table_of(moment: Moment | None, item: Item) -> Table | None:
    """Return a table as it is now, if it is there."""
    probe = moment.probes.get(item.probe) if moment is not None else None
    return probe.tables.get(item.name) if probe is not None else None


def map_of(look: Look | None, item: Item) -> MapInfo | None:
    """Return what is told of a map, if it is there: a pinned one that is also loaded is the loaded one."""
    found = [info for each, info in maps(look) if each == item]
    return max(found, key=lambda info: info.id, default=None)


def expired(look: Look | None, item: Item, *, briefly: bool) -> str:
    """Return how many rows have left because their processes had ended, in words; "" for none.

    Of which map a table is nobody says: those of all maps of its probe are counted.
    """
    gone = sum(info.expired for each, info in maps(look) if (item.table and each.probe == item.probe) or each == item)
    if not gone:
        return ""
    return f"{count(gone)} gone" if briefly else f"{counted(gone, 'row')} of ended processes gone"


def is_array(info: MapInfo) -> bool:
    """True if its keys are 0, 1, 2 … and all there at any time."""
    return info.kind in ("array", "percpu_array")


def may_have_slots(info: MapInfo) -> bool:
    """True if there is room for a histogram in a map: in each value, or in an array of numbers."""
    if not info.id or info.read_only or not info.key_bytes:
        return False
    return info.value_bytes >= 4 * LEAST_SLOTS or (is_array(info) and info.max_entries >= LEAST_SLOTS)


def facts(seen: Seen, item: Item) -> list[tuple[str, str]]:
    """Return one of them in words; nothing if it is not there."""
    if item.table:
        table = table_of(seen.moment, item)
        return _table_facts(item, table) if table is not None else []
    info = map_of(seen.look, item)
    return _map_facts(seen.look, info) if info is not None and seen.look is not None else []


def _table_facts(item: Item, table: Table) -> list[tuple[str, str]]:
    return [
        ("table", f"{item.title}: fields of a map, as [[view]] in probe.toml says"),
        ("rows", count(len(table))),
        ("columns", ", ".join(table.columns)),
    ]


def _map_facts(look: Look, info: MapInfo) -> list[tuple[str, str]]:
    told = [("map", f"{Item(False, info.probe, info.name).title}: {KINDS.get(info.kind, info.kind)}")]
    if info.key_bytes:
        each = f" for each of {info.per_cpu} CPUs" if info.per_cpu > 1 else ""
        told.append(("entry", f"a key of {info.key_bytes} bytes, a value of {info.value_bytes}{each}"))
    told.append(("fill", _fill(info)))
    told += _refused(info)
    if info.expired:
        told.append(("expired", f"{count(info.expired)} entries of ended processes made room for others"))
    resident = f"{size(info.resident_bytes)} in use of " if 0 < info.resident_bytes < info.memory_bytes else ""
    told.append(("memory", f"{resident}{size(info.memory_bytes)}"))
    if info.pin:
        told.append(("pinned", f"as {info.pin}: it is a file, and outlives the daemon"))
    users = [f"{each.probe}/{each.name}" for each in look.programs if info.id and info.id in each.maps]
    told.append(("used by", ", ".join(users) if users else "no program that is loaded"))
    return told


def _fill(info: MapInfo) -> str:
    if is_array(info):
        return f"an array has all of its entries at any time: {count(info.max_entries)}"
    share = info.entries / info.max_entries if info.max_entries else 0.0
    meter = f"{bar(share, _METER):╌<{_METER}} {share:.1%}"
    if info.kind == RING:
        return f"{meter}  {size(info.entries)} of {size(info.max_entries)} wait to be read"
    return f"{meter}  {count(info.entries)} of {count(info.max_entries)} entries"


def _refused(info: MapInfo) -> list[tuple[str, str]]:
    if not info.refused:
        return []
    if info.kind == RING:
        return [("refused", f"! {counted(info.refused, 'record')} found no room"),
                ("→", "raise its max_entries in the C source, or send fewer records")]  # fmt: skip
    return [
        ("refused", f"! {counted(info.refused, 'update')} found no room, because it was full"),
        ("→", f"raise max_entries of {info.name} in the C source; or let entries of ended processes make room: "
              f'[[map]] name = "{info.name}" with expire = "process-exit" and pid = "key.…" in probe.toml'),
    ]  # fmt: skip


def _notes(info: MapInfo) -> str:
    said = []
    if info.refused:
        full = info.kind != RING and info.entries >= info.max_entries
        said.append("! refuses" if full else "! had no room")
    if info.kind == RING:
        said.append("see 4 Events")
    if info.pin:
        said.append(f"pinned {info.pin}")
    if not info.id:
        said.append("not loaded")
    if info.read_only:
        said.append("read-only")
    return ", ".join(said)
