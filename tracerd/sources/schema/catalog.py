"""Which schemas there are: those that the package ships, and what a user adds. A shipped file is read when its provider
is asked for; until then only its first line is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from uuid import UUID

from tracerd.errors import ConfigError
from tracerd.sources.schema.events_file import Head, read_events, read_head
from tracerd.sources.schema.model import Provider

DATA = Path(__file__).parent / "data"


@cache
def shipped() -> dict[Path, Head]:
    """Return the first line of every shipped file, by file."""
    heads = {}
    for path in sorted(DATA.glob("*.events")):
        with path.open(encoding="utf-8") as file:
            head = read_head(file.read(16384))
        if head is None:
            raise ConfigError(str(path), "does not start with `provider NAME GUID` or `class NAME GUID`")
        heads[path] = head
    return heads


@cache
def load(path: Path) -> Provider:
    """Read one shipped file."""
    return read_events(path.read_text(encoding="utf-8"), path.name)


class Catalog:
    """All schemas that may be looked up. What the user added comes before what is shipped; `more`, where there is one,
    is asked for providers that neither has.
    """

    def __init__(self, added: Iterable[Provider] = (), more: Callable[[UUID], Provider | None] | None = None) -> None:
        self.added = tuple(added)
        self._more = more

    def heads(self) -> Iterator[Provider | Head]:
        """Yield every provider, those shipped as their first line only."""
        yield from self.added
        yield from shipped().values()

    def by_guid(self, guid: UUID) -> Iterator[Provider]:
        """Yield what is known of a provider or class."""
        known = [each for each in self.added if each.guid == guid]
        known += [load(path) for path, head in shipped().items() if head.guid == guid]
        yield from known
        asked = self._more(guid) if self._more is not None and not known else None
        if asked is not None:
            yield asked

    def by_group(self, group: int) -> Iterator[Provider]:
        """Yield the kernel classes of a group of hooks."""
        yield from (each for each in self.added if each.group == group)
        yield from (load(path) for path, head in shipped().items() if head.group == group)

    def by_name(self, name: str) -> Iterator[Provider]:
        """Yield what is known of a provider or class; names are not case-sensitive."""
        yield from (each for each in self.added if each.name.lower() == name.lower())
        yield from (load(path) for path, head in shipped().items() if head.name.lower() == name.lower())
