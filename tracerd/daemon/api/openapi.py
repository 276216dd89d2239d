"""The OpenAPI 3.1 document, written from the routes: what is validated and what is documented cannot differ."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import msgspec

from tracerd import __version__
from tracerd.daemon.api.errors import MEANING, ErrorAnswer
from tracerd.daemon.api.models import LARGEST_ID
from tracerd.daemon.api.route import EVENTS, JSON, Route
from tracerd.daemon.api.routes import ROUTES

Schema = dict[str, Any]

ID: Schema = {"type": "integer", "minimum": 0, "maximum": LARGEST_ID}
_BYTES: Schema = {"type": "string", "contentEncoding": "binary"}
_REFERENCE = "#/components/schemas/{name}"


def all_routes() -> tuple[Route, ...]:
    """Return every route, the document's own included."""
    return (*ROUTES, DOCUMENT)


@cache
def document() -> Schema:
    """Return the document."""
    routes = all_routes()
    types = [ErrorAnswer, *(kind for route in routes for kind in (route.answer, route.body) if kind is not None)]
    schemas, components = msgspec.json.schema_components(types, ref_template=_REFERENCE)
    # msgspec gives schemas by position; types need not be hashable.
    schema_of = {id(kind): schema for kind, schema in zip(types, schemas, strict=True)}
    paths: dict[str, Schema] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schema_of)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "tracerd control API",
            "version": __version__,
            "description": "Over a Unix socket the peer's user and groups give its role; over TCP a bearer token does.",
        },
        "servers": [{"url": "http://localhost"}],
        "security": [{}, {"token": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "responses": {str(status): _refusal(meaning) for status, meaning in MEANING.items()},
        },
    }


def _operation(route: Route, schema_of: dict[int, Schema]) -> Schema:
    operation: Schema = {
        "operationId": _identifier(route),
        "tags": [route.path.split("/")[2] if route.path.startswith("/v1/") else "health"],
        "summary": route.summary,
        "description": f"Role: {route.role}." if route.role else "For whoever can connect.",
        "responses": {
            str(route.status): {
                "description": "Done.",
                "content": {media: {"schema": _answer(media, schema_of[id(route.answer)])} for media in route.media},
            },
            **{str(status): {"$ref": f"#/components/responses/{status}"} for status in MEANING},
        },
    }
    if route.health:
        operation["responses"]["503"] = {
            "description": "No.",
            "content": {JSON: {"schema": {"anyOf": [schema_of[id(route.answer)], _of(ErrorAnswer)]}}},
        }
    parameters = [*_path_parameters(route), *_query_parameters(route)]
    if parameters:
        operation["parameters"] = parameters
    if route.body is not None:
        operation["requestBody"] = {"required": True, "content": {JSON: {"schema": schema_of[id(route.body)]}}}
    return operation


def _identifier(route: Route) -> str:
    words = re.findall(r"[a-z]+", route.path.removeprefix("/v1"))
    return "_".join((route.method.lower(), *words))


def _answer(media: str, schema: Schema) -> Schema:
    return schema if media == JSON else {"type": "string"} if media == EVENTS else _BYTES


def _of(kind: type) -> Schema:
    return {"$ref": _REFERENCE.format(name=kind.__name__)}


def _refusal(meaning: str) -> Schema:
    return {"description": meaning, "content": {JSON: {"schema": _of(ErrorAnswer)}}}


def _path_parameters(route: Route) -> list[Schema]:
    names = re.findall(r"\{(\w+)\}", route.path)
    kind: Schema = {"type": "string", "pattern": route.names, "maxLength": 64}
    return [{"name": name, "in": "path", "required": True, "schema": ID if name == "id" else kind} for name in names]


def _query_parameters(route: Route) -> list[Schema]:
    schema = msgspec.json.schema_components([route.query])[1][route.query.__name__]
    return [
        {"name": name, "in": "query", "required": name in schema.get("required", ()), "schema": kind}
        for name, kind in schema["properties"].items()
    ]


DOCUMENT = Route(
    method="GET",
    path="/v1/openapi.json",
    summary="This document",
    answer=dict[str, Any],
    run=lambda service, call: document(),  # noqa: ARG005  a route's signature
)

