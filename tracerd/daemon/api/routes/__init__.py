"""All routes, by topic."""

from __future__ import annotations

from tracerd.daemon.api.route import Route
from tracerd.daemon.api.routes import links, maps, pins, probes, programs, status, streams, tables, verify

ROUTES: tuple[Route, ...] = (
    *status.ROUTES,
    *probes.ROUTES,
    *programs.ROUTES,
    *verify.ROUTES,
    *maps.ROUTES,
    *pins.ROUTES,
    *links.ROUTES,
    *tables.ROUTES,
    *streams.ROUTES,
)
"""In the order of the OpenAPI document."""
