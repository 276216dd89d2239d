"""From a stream of server-sent events to what they say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.client import HTTPException, HTTPResponse
from typing import Any

from tracerd.errors import RunError


def events(stream: HTTPResponse) -> Iterator[tuple[dict[str, Any], int]]:
    """Yield each event's data until the daemon ends the stream, with how many were lost so far, as it was told last.

    Raises:
        RunError: the daemon went away within an event.
    """
    lost = 0
    try:
        for line in iter(stream.readline, b""):
            if line.startswith(b"data: "):
                data = json.loads(line[6:])
                lost = data.get("lost", lost)
                yield data, lost
    except (OSError, HTTPException, ValueError) as error:
        raise RunError("stream", f"the daemon went away: {error}") from error
