"""What a daemon must remember over a restart beside its configuration: plain values for a document."""

from __future__ import annotations

import msgspec

Pairs = tuple[tuple[str, str], ...]
"""(program, source) of links."""


class SavedLinks(msgspec.Struct, frozen=True):
    """Links that were changed at run time: they hold as long as the probe still attaches what it did then."""

    declared: Pairs
    links: Pairs


class SavedPin(msgspec.Struct, frozen=True):
    """Which map of which probe lives in a pin's file."""

    probe: str
    map: str


class Saved(msgspec.Struct, frozen=True):
    """The whole document. `links` by probe, `pins` by name."""

    version: int = 1
    links: dict[str, SavedLinks] = {}
    pins: dict[str, SavedPin] = {}

    def with_links(self, probe: str, declared: Pairs, links: Pairs) -> Saved:
        """Remember a probe's links, or forget them where they are what it declares."""
        others = {name: each for name, each in self.links.items() if name != probe}
        changed = {} if links == declared else {probe: SavedLinks(declared, links)}
        return msgspec.structs.replace(self, links={**others, **changed})

    def links_of(self, probe: str, declared: Pairs) -> Pairs:
        """Return the links a probe is to have."""
        saved = self.links.get(probe)
        return saved.links if saved is not None and saved.declared == declared else declared

    def pin_of(self, probe: str, map_name: str) -> str:
        """Return the pin that was asked for at run time for a map, or ""."""
        return next((name for name, pin in self.pins.items() if pin == SavedPin(probe, map_name)), "")

    def with_pin(self, name: str, probe: str, map_name: str) -> Saved:
        """Remember that a map lives in a pin."""
        return msgspec.structs.replace(self, pins={**self.pins, name: SavedPin(probe, map_name)})

    def without_pin(self, name: str) -> Saved:
        """Forget a pin."""
        return msgspec.structs.replace(self, pins={each: pin for each, pin in self.pins.items() if each != name})

    def without_probe(self, probe: str) -> Saved:
        """Forget the links of a probe. Its pins stay: they outlive it."""
        return msgspec.structs.replace(self, links={name: each for name, each in self.links.items() if name != probe})
