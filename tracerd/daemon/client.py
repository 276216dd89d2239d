"""Talk to a daemon. Synchronous, standard library only, and quick to import: every command starts with it.

    client = connect()
    for program in client.programs(): ...
    for moment in client.moments(1.0): ...

What the daemon refuses is raised as the error it raised there. One client belongs to one thread.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from http.client import HTTPResponse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tracerd.daemon.client_errors import raised
from tracerd.daemon.client_events import events
from tracerd.daemon.client_http import ANSWER_SECONDS, SOCKET, Connection, Endpoint, local, over_tls
from tracerd.daemon.client_look import look_of
from tracerd.daemon.client_rows import row, rows
from tracerd.daemon.feed import Look, Printed, Record, Verification
from tracerd.errors import RunError
from tracerd.runtime.objects import Changes, LinkInfo, MapInfo, PinInfo, ProbeInfo, ProgramInfo

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from tracerd.runtime.upload import Upload
    from tracerd.snapshot import Moment, Table

__all__ = ["SOCKET", "Client", "Record", "connect", "connect_tls"]

_COLUMNS = "application/vnd.tracerd.columns"
Json = dict[str, Any]


def connect(socket: Path | None = None) -> Client:
    """Return a client of the daemon of this machine. It connects with its first request.

    Raises, with every request:
        RunError: no daemon answers there.
        NotPermitted: this user may not talk to it, or not ask for that.
    """
    return Client(local(socket))


def connect_tls(address: str, token: str, certificate: Path | None = None) -> Client:
    """Return a client of another machine's daemon at HOST:PORT; `certificate` is an authority of your own."""
    return Client(over_tls(address, token, certificate))


class Client:
    """One daemon. Requests share a connection, streams have their own."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._connection = Connection(endpoint)
        self._streams: set[Connection] = set()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def name(self) -> str:
        """Where the daemon is, for people."""
        return self._endpoint.name

    def close(self) -> None:
        """Close the connection, and end its streams, also those that another thread waits for.

        A later request opens another connection.
        """
        self._connection.close()
        for stream in tuple(self._streams):
            stream.break_off()

    def status(self) -> Json:
        """Return what runs and what it lost (DESIGN §11)."""
        return dict(self._json("GET", "/v1/status"))

    def look(self) -> Look:
        """Return what the daemon says of itself, and what this client may do there."""
        return look_of(self.status())

    def ready(self) -> tuple[bool, list[str]]:
        """Return whether the daemon does all it was asked to, and why not."""
        answer = self._json("GET", "/readyz", also=503)
        return bool(answer["ok"]), list(answer["reasons"])

    def openapi(self) -> Json:
        """Return the API's own description."""
        return dict(self._json("GET", "/v1/openapi.json"))

    def reload(self) -> Changes:
        """Have the configuration read again, all or nothing."""
        return row(Changes, self._json("POST", "/v1/reload"))

    def probes(self) -> list[ProbeInfo]:
        """Return all probes."""
        return rows(ProbeInfo, self._json("GET", "/v1/probes"))

    def load(self, upload: Upload) -> ProbeInfo:
        """Have a probe proved, loaded and attached; it is kept across restarts."""
        body: Json = {"name": upload.name, "toml": upload.toml}
        if upload.object:
            body |= {"object": b64encode(upload.object).decode(), "object_name": upload.object_name}
        return row(ProbeInfo, self._json("POST", "/v1/probes", body))

    def verify(self, upload: Upload) -> list[Verification]:
        """Have an object's programs proved, and nothing loaded. Its probe.toml, if it has one, says nothing of that."""
        from tracerd.daemon.client_verify import verifications  # of all commands the dashboard alone needs it

        if upload.name is not None:
            body: Json = {"name": upload.name}
        else:
            body = {"object": b64encode(upload.object).decode(), "object_name": upload.object_name}
        return verifications(self._json("POST", "/v1/verify", body))

    def unload(self, probe: str) -> None:
        """Unload a probe that was loaded at run time."""
        self._json("DELETE", f"/v1/probes/{_quoted(probe)}")

    def programs(self) -> list[ProgramInfo]:
        """Return all programs."""
        return rows(ProgramInfo, self._json("GET", "/v1/programs"))

    def program(self, program: int) -> ProgramInfo:
        """Return one program."""
        return row(ProgramInfo, self._json("GET", f"/v1/programs/{program}"))

    def disasm(self, program: int, *, source: bool = False) -> Json:
        """Return a program as text: {"program", "section", "instructions", "lines": [{"instruction", "text", …}]}."""
        return dict(self._json("GET", f"/v1/programs/{program}/disasm?source={str(source).lower()}"))

    def maps(self) -> list[MapInfo]:
        """Return all maps."""
        return rows(MapInfo, self._json("GET", "/v1/maps"))

    def map(self, map_id: int) -> MapInfo:
        """Return one map."""
        return row(MapInfo, self._json("GET", f"/v1/maps/{map_id}"))

    def entries(self, map_id: int, limit: int = 10_000) -> tuple[list[Json], bool]:
        """Return elements, and whether there are more than the limit."""
        answer = self._json("GET", f"/v1/maps/{map_id}/entries?limit={limit}")
        return answer["entries"], answer["truncated"]

    def columns(self, map_id: int) -> Mapping[str, npt.NDArray[np.generic]]:
        """Return all elements as numpy columns by BTF path."""
        (block,) = self._blocks(f"/v1/maps/{map_id}/columns")
        return dict(block.columns)

    def lookup(self, map_id: int, key: object) -> object:
        """Return one element's value; per-CPU maps have a list."""
        return self._json("POST", f"/v1/maps/{map_id}/lookup", {"key": key})["value"]

    def update(self, map_id: int, key: object, value: object, flags: str = "any") -> None:
        """Write one element; `flags` is any, noexist or exist."""
        self._json("PUT", f"/v1/maps/{map_id}/entry", {"key": key, "value": value, "flags": flags})

    def delete(self, map_id: int, key: object) -> None:
        """Delete one element."""
        self._json("DELETE", f"/v1/maps/{map_id}/entry", {"key": key})

    def pin(self, map_id: int, name: str) -> PinInfo:
        """Pin a map under a name."""
        return row(PinInfo, self._json("POST", f"/v1/maps/{map_id}/pin", {"name": name}))

    def unpin(self, name: str) -> None:
        """Remove a pin and its file."""
        self._json("DELETE", f"/v1/pins/{_quoted(name)}")

    def pins(self) -> list[PinInfo]:
        """Return all pinned maps."""
        return rows(PinInfo, self._json("GET", "/v1/pins"))

    def pin_entries(self, name: str, limit: int = 10_000) -> tuple[list[Json], bool]:
        """Return elements of a pin, whether a probe has loaded it or not, and whether there are more than the limit."""
        answer = self._json("GET", f"/v1/pins/{_quoted(name)}/entries?limit={limit}")
        return answer["entries"], answer["truncated"]

    def links(self) -> list[LinkInfo]:
        """Return all links."""
        return rows(LinkInfo, self._json("GET", "/v1/links"))

    def attach(self, program: int, source: str) -> LinkInfo:
        """Attach a program to an event."""
        return row(LinkInfo, self._json("POST", "/v1/links", {"program": program, "source": source}))

    def detach(self, link: int) -> None:
        """Detach a link."""
        self._json("DELETE", f"/v1/links/{link}")

    def table(self, probe: str, table: str) -> Table:
        """Return a probe's table as it is now."""
        from tracerd.snapshot import Table  # numpy takes longer to import than most requests take

        (block,) = self._blocks(f"/v1/tables/{_quoted(probe)}/{_quoted(table)}")
        return Table(block.name, block.columns, block.meanings)

    def moments(self, interval: float = 1.0) -> Iterator[Moment]:
        """Yield what the daemon has collected, again and again: the newest there is whenever the next is asked for.

        Maps are empty (`columns` has them), rings have their counts and no records (`records` has them).
        """
        from tracerd.daemon import client_moments

        patience = ANSWER_SECONDS + interval
        with self._stream(f"/v1/stream/moments?interval={interval}", _COLUMNS, patience) as stream:
            yield from client_moments.moments(stream)

    def records(self, map_id: int) -> Iterator[Record]:
        """Yield a ring buffer's records from now on."""
        for data, lost in self._events(f"/v1/stream/rings/{map_id}"):
            if "record" in data:
                yield Record(data["record"], lost)

    def printed(self) -> Iterator[Printed]:
        """Yield what programs print: the last lines that there are, then what comes."""
        for data, lost in self._events("/v1/stream/printed"):
            if "line" in data:
                yield Printed(data["line"], lost)

    def _events(self, path: str) -> Iterator[tuple[Json, int]]:
        with self._stream(path, "text/event-stream") as stream:
            yield from events(stream)

    @contextmanager
    def _stream(self, path: str, accept: str, patience: float = ANSWER_SECONDS) -> Iterator[HTTPResponse]:
        """Begin a stream, which has a connection of its own. It ends with `close`, which is no error."""
        begun = False
        with closing(Connection(self._endpoint, patience)) as connection:
            self._streams.add(connection)
            try:
                with closing(connection.request("GET", path, accept=accept)) as stream:
                    if stream.status != 200:
                        raise raised(stream.read(), stream.status)
                    begun = True
                    yield stream
            except RunError:
                if not (begun and connection.broken_off):
                    raise
            finally:
                self._streams.discard(connection)

    def _blocks(self, path: str) -> Any:
        from tracerd.daemon import columns

        answer = self._connection.request("GET", path, accept=_COLUMNS)
        data = self._connection.read(answer)
        if answer.status != 200:
            raise raised(data, answer.status)
        return columns.decode(data)[1]

    def _json(self, method: str, path: str, body: Json | None = None, also: int = 0) -> Any:
        data = None if body is None else json.dumps(body, default=_plain).encode()
        answer = self._connection.request(method, path, data)
        text = self._connection.read(answer)
        if answer.status >= 300 and answer.status != also:
            raise raised(text, answer.status)
        try:
            return json.loads(text)
        except ValueError as error:
            raise RunError(self._endpoint.name, f"answers with something else than JSON: {error}") from error


def _quoted(name: str) -> str:
    from urllib.parse import quote

    return quote(name, safe="")


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(f"{type(value).__name__} has no JSON form")
