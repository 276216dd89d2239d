"""The tables of a session: every view its probes declare, or every map of a probe without views."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping

from tracerd.elf.spec import ObjectSpec
from tracerd.errors import ConfigError
from tracerd.snapshot import MapSnapshot, Table
from tracerd.views.columns import MapColumns
from tracerd.views.spec import ViewSpec
from tracerd.views.table import build, check


class ProbeViews:
    """A probe's views, checked against its object. Without views every map that programs may write is a table."""

    def __init__(self, views: tuple[ViewSpec, ...], obj: ObjectSpec) -> None:
        """Check the views.

        Raises:
            ConfigError: a view names a map, a field, a decoder or a column that does not exist.
        """
        self._columns = {spec.name: MapColumns(spec, obj.btf) for spec in obj.maps}
        shown = [spec.name for spec in obj.maps if not spec.read_only and spec.key_size]
        self._views = views or tuple(ViewSpec(name, name) for name in shown)
        for view in self._views:
            if view.map not in shown:
                raise ConfigError(f"view {view.name!r}", f"no map {view.map!r}; the object has: {', '.join(shown)}")
            check(view, self._columns[view.map])

    @property
    def names(self) -> tuple[str, ...]:
        """The tables' names."""
        return tuple(view.name for view in self._views)

    def tables(self, maps: dict[str, MapSnapshot]) -> list[tuple[ViewSpec, Table]]:
        """Return every view with its table at one moment."""
        return [(view, build(view, self._columns[view.map], maps[view.map])) for view in self._views]


class LazyTables(Mapping[str, Table]):
    """A probe's tables at one moment, made when somebody first looks: metrics do not need them. Thread-safe."""

    def __init__(self, views: ProbeViews, maps: dict[str, MapSnapshot]) -> None:
        self._views = views
        self._maps = maps
        self._making = threading.Lock()
        self._made: dict[str, Table] | None = None

    def __getitem__(self, name: str) -> Table:
        with self._making:
            if self._made is None:
                self._made = {view.name: table for view, table in self._views.tables(self._maps)}
            return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._views.names)

    def __len__(self) -> int:
        return len(self._views.names)
