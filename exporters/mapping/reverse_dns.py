"""From addresses to names, in the background: whoever asks gets what is known now."""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from collections import deque
from collections.abc import Callable

MOST_NAMES = 4096
MOST_WAITING = 256
THREADS = 2
KNOWN_SECONDS, UNKNOWN_SECONDS = 3600.0, 300.0

Resolve = Callable[[str], str]


def resolve(address: str) -> str:
    """Ask this machine's resolver; "" if the address has no name. Blocks."""
    try:
        return socket.getnameinfo((address, 0), socket.NI_NAMEREQD)[0]
    except OSError:                # gaierror: no name, or nobody who could say; asked again later
        return ""


class ReverseNames:
    """The names of addresses. Thread-safe. At most two daemon threads ask, while there is something to ask."""

    def __init__(self, ask: Resolve = resolve, clock: Callable[[], float] = time.monotonic) -> None:
        self.arrived = 0             # names that came to be known
        self.skipped = 0             # questions that found no room among those that wait
        self._ask = ask
        self._clock = clock
        self._lock = threading.Lock()
        self._names: dict[str, tuple[str, float]] = {}     # address -> name, until when; the oldest first
        self._waiting: deque[str] = deque()
        self._asked: set[str] = set()                      # waiting, or being asked
        self._threads = 0

    @property
    def waiting(self) -> int:
        """Addresses whose names are being asked for."""
        return len(self._asked)

    def name(self, address: str) -> str:
        """Return the name of an address; the address itself while that is not known. What is no address stays."""
        with self._lock:
            known, until = self._names.get(address, ("", 0.0))
            if self._clock() >= until and address not in self._asked and _is_address(address):
                self._wonder(address)
        return known or address

    def _wonder(self, address: str) -> None:
        if len(self._waiting) >= MOST_WAITING or not self._has_room(address):
            self.skipped += 1
            return
        self._waiting.append(address)
        self._asked.add(address)
        if self._threads < THREADS:
            self._threads += 1
            threading.Thread(target=self._work, name="reverse-dns", daemon=True).start()

    def _has_room(self, address: str) -> bool:
        """Forget old names if need be, but none that is in use: it would be asked for again at once, for ever."""
        if address not in self._names and len(self._names) + len(self._asked) >= MOST_NAMES:
            now = self._clock()
            self._names = {name: known for name, known in self._names.items() if now < known[1]}
        return address in self._names or len(self._names) + len(self._asked) < MOST_NAMES

    def _work(self) -> None:
        while (address := self._next()) is not None:
            try:
                name = self._ask(address)
            except BaseException:
                with self._lock:
                    self._threads -= 1
                    self._asked.discard(address)
                raise
            self._learn(address, name)

    def _next(self) -> str | None:
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            self._threads -= 1
            return None

    def _learn(self, address: str, name: str) -> None:
        with self._lock:
            before = self._names.pop(address, ("", 0.0))[0]
            life = KNOWN_SECONDS if name else UNKNOWN_SECONDS
            self._names[address] = name, self._clock() + life
            self._asked.discard(address)
            self.arrived += name != before


def _is_address(text: str) -> bool:
    try:
        return not ipaddress.ip_address(text).is_unspecified
    except ValueError:
        return False
