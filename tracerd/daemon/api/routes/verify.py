"""Proofs of objects that are not loaded."""

from __future__ import annotations

from tracerd.daemon.api.host import Service
from tracerd.daemon.api.models import VerifyRequest
from tracerd.daemon.api.route import Call, Route
from tracerd.daemon.feed import Verification
from tracerd.errors import ConfigError
from tracerd.runtime.upload import Upload


def _verify(service: Service, call: Call) -> list[Verification]:
    asked: VerifyRequest = call.body
    if bool(asked.name) == bool(asked.object):
        raise ConfigError("upload", "has either the name of a shipped probe or an object's bytes")
    upload = Upload(None, None, asked.object, asked.object_name) if asked.object else Upload(asked.name)
    return service.host.verify(upload, asked.platform, asked.type)


ROUTES = (
    Route(
        method="POST",
        path="/v1/verify",
        summary="Prove an object's programs, and load nothing",
        role="admin",
        body=VerifyRequest,
        upload=True,
        large=True,
        proof=True,
        answer=list[Verification],
        run=_verify,
    ),
)
