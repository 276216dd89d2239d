"""Decoders that ask the machine: kept answers, answers that grow old, and no waiting."""

from __future__ import annotations

import os
import pwd
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest

from exporters.mapping import machine as module
from exporters.mapping.kallsyms import KernelSymbols
from exporters.mapping.machine import Machine
from exporters.mapping.reverse_dns import MOST_NAMES, MOST_WAITING, THREADS, ReverseNames
from tracerd.snapshot import NO_PROCESSES, Column, Process


class Clock:
    """A clock that a test sets."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


class Resolver:
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.lock = threading.Lock()
        self.asked: list[str] = []
        self.at_once = self.most_at_once = 0

    def __call__(self, address: str) -> str:
        with self.lock:
            self.asked.append(address)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        self.go.wait(20)
        with self.lock:
            self.at_once -= 1
        return "" if address.endswith(".99") else f"host-{address}"


@pytest.fixture
def clock() -> Clock:
    """A clock of its own for each test."""
    return Clock()


@pytest.fixture
def resolver() -> Iterator[Resolver]:
    """A resolver that lets its threads go in the end."""
    made = Resolver()
    yield made
    made.go.set()


def settle(names: ReverseNames) -> None:
    """Wait until nothing is being asked."""
    for thread in threading.enumerate():
        if thread.name == "reverse-dns":
            thread.join(20)
    assert names.waiting == 0


def texts(*values: str) -> Column:
    """Make a column of text."""
    return np.array(values, dtype=object)


def test_users_have_names_and_strangers_stay_numbers() -> None:
    """Of a signed field too: -1 is the kernel's for nobody."""
    made = Machine().decode(np.array([os.getuid(), -1], "<i4"), "user", NO_PROCESSES).tolist()
    assert made == [pwd.getpwuid(os.getuid()).pw_name, "4294967295"]


def test_without_users_there_are_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows."""
    monkeypatch.setattr(module, "pwd", None)
    assert Machine().decode(np.array([0], "<u4"), "user", NO_PROCESSES).tolist() == ["0"]


def test_interfaces_have_names_and_those_that_are_gone_stay_numbers() -> None:
    """What is no number stays what it is."""
    made = Machine().decode(np.array([1, 0, 1 << 40], "<u8"), "ifname", NO_PROCESSES).tolist()
    assert made == ["lo", "0", str(1 << 40)]
    assert Machine().decode(texts("eth0"), "ifname", NO_PROCESSES).tolist() == ["eth0"]


def test_answers_are_kept_for_a_while(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    """An interface that was renamed is told by its new name a minute later, and `changed` says when to ask."""
    names = iter(["eth0", "wan0"])
    monkeypatch.setattr("socket.if_indextoname", lambda _: next(names))
    machine = Machine(clock=clock)
    column = np.array([2, 2], "<u4")
    assert machine.decode(column, "ifname", NO_PROCESSES).tolist() == ["eth0", "eth0"]
    clock.now += 59
    before = machine.changed
    assert machine.decode(column, "ifname", NO_PROCESSES).tolist() == ["eth0", "eth0"]
    clock.now += 1
    assert machine.changed == before + 1
    assert machine.changed == before + 1
    assert machine.decode(column, "ifname", NO_PROCESSES).tolist() == ["wan0", "wan0"]


def test_what_was_not_asked_does_not_change(clock: Clock) -> None:
    """Decoders that need no machine never make callers ask again."""
    machine = Machine(clock=clock)
    assert machine.decode(np.array([2], "<u4"), "errno", NO_PROCESSES).tolist() == ["ENOENT"]
    clock.now += 1e6
    assert machine.changed == 0


def test_names_of_addresses_come_later(resolver: Resolver) -> None:
    """The address until then; when the name is there `changed` has grown."""
    machine = Machine(resolver)
    column = np.array([[10, 0, 0, 1], [10, 0, 0, 99]], np.uint8)
    before = machine.changed
    assert machine.decode(column, "dns", NO_PROCESSES).tolist() == ["10.0.0.1", "10.0.0.99"]
    assert machine.statistics()["dns_waiting"] == 2
    resolver.go.set()
    settle(machine._dns)
    assert machine.changed == before + 1
    assert machine.decode(column, "dns", NO_PROCESSES).tolist() == ["host-10.0.0.1", "10.0.0.99"]


def test_what_is_no_address_is_asked_of_nobody(resolver: Resolver) -> None:
    """Text that is none, bytes of another length, and the address of any interface."""
    machine = Machine(resolver)
    assert machine.decode(texts("a b", "::", "0.0.0.0"), "dns", NO_PROCESSES).tolist() == ["a b", "::", "0.0.0.0"]
    assert machine.decode(np.zeros((1, 5), np.uint8), "dns", NO_PROCESSES).tolist() == ["0000000000"]
    assert machine.statistics() == {"dns_waiting": 0, "dns_skipped": 0}


def test_few_are_asked_at_once_and_the_surplus_is_counted(resolver: Resolver) -> None:
    """Two threads, 256 that wait, and the rest is asked another time."""
    names = ReverseNames(resolver)
    addresses = [f"10.1.{i // 250}.{i % 250 + 1}" for i in range(400)]
    for address in addresses:
        assert names.name(address) == address
    assert 400 - MOST_WAITING - THREADS <= names.skipped <= 400 - MOST_WAITING
    resolver.go.set()
    settle(names)
    assert resolver.most_at_once <= THREADS
    assert len(resolver.asked) == 400 - names.skipped
    assert names.name(addresses[0]) == f"host-{addresses[0]}"


def test_names_are_asked_for_again_after_their_time(clock: Clock, resolver: Resolver) -> None:
    """A name after an hour, and is told meanwhile; an address without one after five minutes."""
    resolver.go.set()
    names = ReverseNames(resolver, clock)
    for seconds, asked in ((0, 2), (299, 2), (2, 3), (3300, 5)):
        clock.now += seconds
        names.name("10.0.0.1")
        names.name("10.0.0.99")
        settle(names)
        assert len(resolver.asked) == asked
    assert names.name("10.0.0.1") == "host-10.0.0.1"


def test_names_in_use_are_not_forgotten_for_others(clock: Clock, resolver: Resolver) -> None:
    """When there are as many as there may be, others are not asked for, counted; old ones make room."""
    resolver.go.set()
    names = ReverseNames(resolver, clock)
    for i in range(MOST_NAMES):
        names._learn(f"10.2.{i // 250}.{i % 250}", f"n{i}")
    assert names.name("10.9.0.1") == "10.9.0.1"
    assert (names.skipped, names.waiting, resolver.asked) == (1, 0, [])
    assert names.name("10.2.0.0") == "n0"
    clock.now += 3601
    names.name("10.9.0.1")
    settle(names)
    assert names.name("10.9.0.1") == "host-10.9.0.1"
    assert len(names._names) == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_resolver_that_breaks_leaves_room_for_the_next() -> None:
    """A thread that dies of a defect is not counted as one that works."""
    failed = threading.Event()

    def broken(_: str) -> str:
        failed.set()
        raise RuntimeError("a defect")

    names = ReverseNames(broken)
    names.name("10.0.0.1")
    assert failed.wait(20)
    settle(names)
    assert names._threads == 0


SYMBOLS = """ffffffff81000000 T _stext
ffffffff81000100 t do_work
ffffffff81000200 D some_data
ffffffffc0000000 t module_work [module]
0000000000000000 A hidden
broken
"""


def test_kernel_addresses_are_functions(tmp_path: Path, clock: Clock) -> None:
    """The function that an address is in, hex below the first; read again when it is old."""
    path = tmp_path / "kallsyms"
    path.write_text(SYMBOLS)
    machine = Machine(symbols=KernelSymbols(path, clock), clock=clock)
    column = np.array([0xFFFFFFFF81000000, 0xFFFFFFFF810001F0, 0xFFFFFFFFC0000008, 0x1000], "<u8")
    expected = ["_stext", "do_work", "module_work", "0x1000"]
    assert machine.decode(column, "ksym", NO_PROCESSES).tolist() == expected
    assert machine.decode(column.view("<i8"), "ksym", NO_PROCESSES).tolist() == expected
    path.unlink()
    assert machine.decode(column, "ksym", NO_PROCESSES).tolist() == expected
    clock.now += 301
    assert machine.decode(column, "ksym", NO_PROCESSES).tolist()[0] == "0xffffffff81000000"


def test_hidden_addresses_are_no_symbols(tmp_path: Path) -> None:
    """kptr_restrict writes zeros."""
    path = tmp_path / "kallsyms"
    path.write_text("0000000000000000 T _stext\n0000000000000000 t do_work\n")
    assert KernelSymbols(path).symbol(0xFFFFFFFF81000000) == "0xffffffff81000000"


class Known:
    """One process."""

    def look(self, pids: Iterable[int]) -> Mapping[int, Process]:
        """Return it if it was asked for."""
        return {pid: Process("sh", "sh -c true", alive=True) for pid in pids if pid == 7}


def test_processes_have_names_and_command_lines(clock: Clock) -> None:
    """One that is not known has none, and may be known a little later."""
    machine = Machine(clock=clock)
    column = np.array([7, 8, 7], "<u4")
    assert machine.decode(column, "process.name", Known()).tolist() == ["sh", "", "sh"]
    assert machine.decode(texts("7", "x"), "process.command_line", Known()).tolist() == ["sh -c true", ""]
    before = machine.changed
    clock.now += 10
    assert machine.changed > before
