"""Which schemas there are: those that the package ships, and what a user adds. A shipped file is read when its provider
is asked for; until then only its first line is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from uuid import UUID

from tracerd.errors import ConfigError
from tracerd.sources.schema.events_file import Head, read_events, read_head
from tracerd.sources.schema.manifest import read_manifest
from tracerd.sources.schema.model import Provider
from tracerd.sources.schema.tdh_cache import read_cache

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


def read_schemas(manifests: Sequence[Path]) -> list[Provider]:
    """Return the providers of what a user names: manifests, and caches of what Windows knows (`.json`).

    Raises:
        ConfigError: one of them makes no sense.
    """
    found: list[Provider] = []
    for path in manifests:
        found += read_cache(path) if path.suffix.lower() == ".json" else read_manifest(path)
    return found


def spellings(name: str) -> tuple[str, ...]:
    """Return what a provider may be meant by: its name, or the name without what all of Microsoft's begin with."""
    folded = name.lower()
    return (folded, f"microsoft-windows-{folded}", f"microsoft-{folded}")


class Catalog:
    """All schemas that may be looked up: what the user added, then what is shipped, then what a recording describes;
    `more`, where there is one, is asked for providers that none of them has.
    """

    def __init__(
        self,
        added: Iterable[Provider] = (),
        described: Iterable[Provider] = (),
        more: Callable[[UUID], Provider | None] | None = None,
    ) -> None:
        self.added = tuple(added)
        self.described = tuple(described)
        self._more = more

    def with_described(self, described: Iterable[Provider]) -> Catalog:
        """Return this catalogue with what one recording describes itself."""
        return Catalog(self.added, (*self.described, *described), self._more)

    def heads(self) -> Iterator[Provider | Head]:
        """Yield every provider, those shipped as their first line only."""
        yield from self.added
        yield from shipped().values()
        yield from self.described

    def by_guid(self, guid: UUID) -> Iterator[Provider]:
        """Yield what is known of a provider or class."""
        known = [each for each in self.added if each.guid == guid]
        known += [load(path) for path, head in shipped().items() if head.guid == guid]
        known += [each for each in self.described if each.guid == guid]
        yield from known
        asked = self._more(guid) if self._more is not None and not known else None
        if asked is not None:
            yield asked

    def by_group(self, group: int) -> Iterator[Provider]:
        """Yield the kernel classes of a group of hooks."""
        yield from (each for each in self.added if each.group == group)
        yield from (load(path) for path, head in shipped().items() if head.group == group)

    def by_name(self, name: str) -> Iterator[Provider]:
        """Yield what is known of a provider or class by one of its spellings; names are not case-sensitive."""
        for spelled in spellings(name):
            known = [each for each in self.added if each.name.lower() == spelled]
            known += [load(path) for path, head in shipped().items() if head.name.lower() == spelled]
            known += [each for each in self.described if each.name.lower() == spelled]
            if known:
                yield from known
                return
