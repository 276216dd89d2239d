"""Which connections opened and closed, from one poll to the next.

A connection is a TCP or UDP socket of a process: it opens when it is first seen with its addresses and closes when it
is no more. One in TIME_WAIT has closed, one that nobody has accepted has not opened. Those that are open at the first
poll are `net:open` without KNOWN_BEGIN, so that a table can show what is open now: a program that counts openings tests
that bit. The owner is who had the socket when it was first seen.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tracerd.native import lib
from tracerd.sources.system.batch import Events
from tracerd.sources.system.layouts import NET, SOCKET, UNKNOWN_ID, Rows, blank, text, whole
from tracerd.sources.system.match import Match, Places, keys_of, match, ordered
from tracerd.sources.system.moment import Moment
from tracerd.sources.system.reader import Description, Reader

TCP_LISTEN = 10
"""A state of TCP, as the Linux kernel numbers them (include/net/tcp_states.h)."""

_TUPLE = ("family", "protocol", "local_port", "remote_port", "local", "remote")


class ConnectionTable:
    """The connections of the last poll, each with its event as it was, all in the order of their keys."""

    def __init__(self, reader: Reader, cpu: int) -> None:
        self._reader = reader
        self._cpu = cpu
        self._keys = _keys(np.zeros(0, SOCKET))
        self._events: Rows = blank(NET, 0, cpu)
        self._opened = np.zeros(0, np.int64)         # first seen, on the monotonic clock

    @property
    def hidden(self) -> tuple[int, int]:
        """How many connections there are whose owner is not known, and how many in all."""
        known = self._events["context"]["known"] & lib.TR_KNOWN_PID
        return int(np.count_nonzero(known == 0)), len(self._events)

    def poll(self, now: Moment) -> list[Events]:
        """Read the connections and return what closed and what opened since the last poll.

        Sockets that listen open before the others and close after them, so that a program can tell who is served.

        Raises:
            SourceError: the connections cannot be read; the table is as it was.
        """
        sockets = self._reader.sockets()
        keys, sockets = ordered(_keys(sockets), sockets)
        found = match(self._keys, keys)
        fresh = sockets[found.fresh]
        self._reader.find_owners(fresh, np.unique(self._events["context"]["pid"]).tolist())
        closed = self._part(self._listening_first(found.gone)[::-1], "net:close", lib.TR_NET_CLOSE, now)
        self._carry(found, keys, sockets)
        self._open(found.fresh, fresh, now)
        return [closed, self._part(self._listening_first(found.fresh), "net:open", lib.TR_NET_OPEN, now)]

    def _listening_first(self, places: Places) -> Places:
        return places[np.argsort(self._events["context"]["state"][places] != TCP_LISTEN, kind="stable")]

    def _carry(self, found: Match, keys: Any, sockets: Rows) -> None:
        events, opened = self._events, self._opened
        self._keys = keys
        self._events = blank(NET, len(sockets), self._cpu)
        whole(self._events)[found.now] = whole(events)[found.before]
        self._opened = np.zeros(len(sockets), np.int64)
        self._opened[found.now] = opened[found.before]
        self._events["context"]["state"] = sockets["state"]

    def _open(self, places: Places, sockets: Rows, now: Moment) -> None:
        """Set what a connection is."""
        self._opened[places] = now.monotonic_ns
        rows = self._events[places]
        context = rows["context"]
        for name in (*_TUPLE, "state", "pid", "uid"):
            context[name] = sockets[name]
        context["opened_ns"] = now.time_ns
        context["known"] = 0 if now.first else lib.TR_KNOWN_BEGIN
        owners: dict[int, Description | None] = {}
        for row in rows:
            pid = int(row["context"]["pid"])
            if pid not in owners:
                owners[pid] = self._reader.owner(pid) if pid else None
            _own(row, owners[pid])
        self._events[places] = rows

    def _part(self, places: Places, name: str, kind: int, now: Moment) -> Events:
        rows = self._events[places]
        context = rows["context"]
        rows["head"]["now_ns"] = now.monotonic_ns
        context["time_ns"] = now.time_ns
        context["kind"] = kind
        context["lifetime_ns"] = np.maximum(now.monotonic_ns - self._opened[places], 0)
        return Events(name, rows)


def _keys(sockets: Rows) -> Any:
    return keys_of(sockets, "identity", *_TUPLE)


def _own(row: Any, owner: Description | None) -> None:
    """Make the owner the event's task. Its user is the socket's where that is told, else its own."""
    task, context = row["task"], row["context"]
    pid = int(context["pid"])
    if context["uid"] == UNKNOWN_ID and owner is not None:
        context["uid"] = owner.uid
    if pid:
        context["known"] |= lib.TR_KNOWN_PID
    if context["uid"] != UNKNOWN_ID:
        context["known"] |= lib.TR_KNOWN_USER
    task["pid_tgid"] = pid << 32 | pid
    task["uid_gid"] = (owner.gid if owner else UNKNOWN_ID) << 32 | int(context["uid"])
    if owner is not None:
        task["comm"] = text(owner.name, 16)
        context["name"] = text(owner.name, 64)
