"""The document says what the server does: schemathesis asks everything that it allows, and much that it does not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from tests.daemon.api.fake import COUNTS
from tests.daemon.api.serving import Serving, serving
from tests.daemon.api.unix_requests import session
from tracerd.daemon.api.models import Nothing
from tracerd.daemon.api.openapi import all_routes, document

EXAMPLES = 15
"""For each operation, once within what the document allows and once without."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """Serve a fake host to everybody here, as fast as he asks."""
    with serving(tmp_path_factory.mktemp("api"), requests_per_second=1e6) as found:
        yield found


@pytest.fixture(scope="module")
def asking(served: Serving) -> Iterator[requests.Session]:
    """Return what cases are sent with."""
    with session(served.path) as found:
        yield found


CASES = [
    pytest.param(route.method, route.path, mode, id=f"{route.method} {route.path} {mode.value}")
    for route in all_routes()
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    if route.stream is None and (mode is GenerationMode.POSITIVE or route.body or route.query is not Nothing)
]
"""Streams do not end, so they are asked in `test_streams`; `test_limits` has the names that are no names."""


@pytest.mark.parametrize(("method", "path", "mode"), CASES)
def test_answers_are_what_the_document_says(
    served: Serving, asking: requests.Session, method: str, path: str, mode: GenerationMode
) -> None:
    """Status, media type and shape of each; what the document forbids is refused; nothing is a fault of the server."""
    operation = schemathesis.openapi.from_dict(document())[path][method]
    checks = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
    if mode is GenerationMode.NEGATIVE:
        checks.append(negative_data_rejection)

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        response = case.call(base_url="http://localhost", session=asking)
        case.validate_response(response, checks=checks)

    ask()
    assert served.host.maps()[0].id == COUNTS, "the daemon is unharmed"
    assert asking.get("http://localhost/healthz").json() == {"ok": True, "reasons": []}


def test_every_route_is_in_the_document_and_no_other() -> None:
    """With its role in words."""
    paths = document()["paths"]
    described = {(method.upper(), path): item[method] for path, item in paths.items() for method in item}
    assert set(described) == {(route.method, route.path) for route in all_routes()}
    for route in all_routes():
        assert (f"Role: {route.role}" if route.role else "whoever can connect") in described[route.method, route.path][
            "description"
        ]


def test_operations_have_names_of_their_own() -> None:
    """Generators make functions of them."""
    names = [operation["operationId"] for item in document()["paths"].values() for operation in item.values()]
    assert len(set(names)) == len(names)


def test_whatever_changes_something_takes_the_administrator_and_is_audited() -> None:
    """A route that is no GET either only asks, or is named in the audit log. What is costly to ask takes him too."""
    asking_only, costly = {"/v1/maps/{id}/lookup"}, {"/v1/verify"}
    for route in all_routes():
        changes = route.method != "GET" and route.path not in asking_only | costly
        assert bool(route.action) == changes, route.path
        assert (route.role == "admin") == (changes or route.path in costly), route.path


def test_what_a_route_takes_is_closed() -> None:
    """No body and no query has room for what is not declared."""
    for route in all_routes():
        for model in (route.body or Nothing, route.query):
            assert model.__struct_config__.forbid_unknown_fields, route.path


def test_the_server_serves_the_document(asking: requests.Session) -> None:
    """As it is made here."""
    served = asking.get("http://localhost/v1/openapi.json").json()
    assert served == json.loads(msgspec.json.encode(document()))
    assert set(served["paths"]) == {route.path for route in all_routes()}
