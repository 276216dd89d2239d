"""What the dashboard remembers from one start to the next: theme, screen, interval, order and filter of each table."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from platformdirs import user_state_path

LARGEST = 1 << 20


@dataclass(slots=True)
class TableState:
    """How one table is looked at. `sort` "" is its own order."""

    sort: str = ""
    descending: bool = True
    filter: str = ""


@dataclass(slots=True)
class Remembered:
    """All of it. Changed by the screens, written once when the dashboard ends."""

    theme: str = ""
    screen: str = ""
    interval: float = 0.0                # seconds; 0: never chosen
    tables: dict[str, TableState] = field(default_factory=dict)
    problem: str = ""                    # why what was there could not be used, or could not be written
    _path: Path | None = None

    @classmethod
    def open(cls, *, keep: bool = True, path: Path | None = None) -> Remembered:
        """Read what there is. `keep` False: nothing is read or written."""
        if not keep:
            return cls()
        where = path or user_state_path("tracerd", appauthor=False) / "top.json"
        try:
            with where.open("rb") as file:
                found = _read(json.loads(file.read(LARGEST)))
        except FileNotFoundError:
            found = cls()
        except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
            found = cls(problem=f"{where}: what was remembered cannot be used ({error}); it begins anew")
        found._path = where
        return found

    def table(self, name: str) -> TableState:
        """Return how a table is looked at, to be read and changed."""
        return self.tables.setdefault(name, TableState())

    def save(self) -> None:
        """Write it whole or not at all; what cannot be written is told in `problem`."""
        if self._path is None:
            return
        document = {name: value for name, value in asdict(self).items() if name not in ("problem", "_path")}
        temporary = self._path.with_name(f".{self._path.name}.{os.getpid()}.tmp")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            temporary.write_text(json.dumps(document, indent=1))
            temporary.replace(self._path)
        except OSError as error:
            self.problem = f"{self._path}: cannot be written: {error.strerror}"
            with suppress(OSError):
                temporary.unlink()


def _read(document: Mapping[str, Any]) -> Remembered:
    """Take what is of the right type; a file of another version may have more or less."""
    found = Remembered()
    for name in ("theme", "screen"):
        if isinstance(document.get(name), str):
            setattr(found, name, document[name])
    if isinstance(document.get("interval"), int | float):
        found.interval = float(document["interval"])
    for name, state in document.get("tables", {}).items():
        table = TableState()
        for each in fields(TableState):
            if isinstance(state.get(each.name), type(getattr(table, each.name))):
                setattr(table, each.name, state[each.name])
        found.tables[name] = table
    return found
