"""One log record for every change that somebody asked for, done or refused, written before he is answered."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass

from tracerd.daemon.api.access import Peer
from tracerd.runtime.upload import Upload

LOG = logging.getLogger("tracerd.audit")

UNFINISHED = 499
"""Client or daemon ended the connection before the change was answered (nginx's number for it)."""

_MOST_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Change:
    """What was asked for: "probe.load" and of what. Names are as the peer wrote them, so they are cut and escaped."""

    action: str
    target: Mapping[str, object]


def record(peer: Peer, change: Change, status: int, cause: str, seconds: float) -> None:
    """Write the record. Every field is in `fields` of the log record; the message is one sentence."""
    outcome = _outcome(status)
    target = {name: _short(value) for name, value in change.target.items()}
    what = " ".join((change.action, *(f"{name}={value}" for name, value in target.items())))
    who = f"uid {peer.uid} (pid {peer.pid})" if peer.uid is not None else f"{peer.transport} {peer.address}"
    fields = {
        "action": change.action,
        "target": target,
        "outcome": outcome,
        "status": status,
        "cause": _short(cause),
        "uid": peer.uid,
        "gid": peer.gid,
        "pid": peer.pid,
        "role": peer.role,
        "transport": peer.transport,
        "address": peer.address,
        "seconds": round(seconds, 6),
    }
    why = f": {_short(cause)}" if cause else ""
    LOG.info("%s %s by %s%s", what, outcome, who, why, extra={"fields": fields})


def _outcome(status: int) -> str:
    if status == UNFINISHED:
        return "unfinished"
    return "done" if status < 300 else "refused" if status < 500 else "failed"


def _short(value: object) -> object:
    """Return a value that cannot break a log: bounded, and without what a terminal or a line-based reader obeys."""
    if value is None or isinstance(value, int | float):
        return value
    text = str(value)
    text = text if text.isprintable() else "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)
    return text if len(text) <= _MOST_CHARACTERS else text[:_MOST_CHARACTERS] + "…"


def of_upload(upload: Upload) -> dict[str, object]:
    """Return what tells one upload from another: names, and the digest of what was sent."""
    told: dict[str, object] = {"name": upload.name or upload.object_name}
    if upload.object:
        told["sha256"] = hashlib.sha256(upload.object).hexdigest()
    return told
