"""The balance: every event is on the bar and in the equation, losses above all."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.tui.drawn import assert_fits, text
from tracerd.snapshot import Ledger
from tui.draw.balance import PARTS, balance, balance_height, bar_cells
from tui.draw.palette import Palette

PALETTE = Palette()
LOSING = Ledger(1_234_567, 1_200_000, lost_in_kernel=567, filtered=34_000)
COUNT = st.one_of(st.integers(0, 2**64 - 1), st.integers(0, 3))
LEDGERS = st.builds(Ledger, COUNT, COUNT, COUNT, COUNT, COUNT, COUNT, COUNT)


def test_a_loss_stands_out() -> None:
    """A loss of one in two thousand has a cell of its own, a sign of its own, and a "!" behind its exact number."""
    strips = balance(LOSING, 60, 4, PALETTE)
    assert text(strips) == [
        "██████████████████████████████████████████████████████████░╳",
        "produced 1,234,567 = █ delivered 1,200,000",
        " + ░ filtered 34,000 + ╳ lost in kernel 567!",
        "",
    ]
    loud = [segment.text for segment in strips[2] if segment.style and segment.style.bold and segment.style.color]
    assert loud == ["╳ ", "lost in kernel ", "567", "!"]


def test_all_parts_are_named_where_there_is_room() -> None:
    """On a wide screen it also says what did not happen."""
    assert text(balance(LOSING, 140, 3, PALETTE))[1:] == [
        "produced 1,234,567 = █ delivered 1,200,000 + ░ filtered 34,000 + ╳ lost in kernel 567! + ▚ lost in session 0"
        " + ▼ dropped 0 + ! failed 0",
        " + · under way 0",
    ]


def test_every_kind_of_end_has_its_own_fill() -> None:
    """Without colours the bar still tells them apart."""
    assert text(balance(Ledger(100, 80, 1, 2, 3, 4, 5), 100, 3, PALETTE)) == [
        "█" * 80 + "░░░░╳▚▚▼▼▼!!!!!·····",
        "produced 100 = █ delivered 80 + ░ filtered 4 + ╳ lost in kernel 1! + ▚ lost in session 2!",
        " + ▼ dropped 3! + ! failed 5! + · under way 5",
    ]
    assert len({part.fill for part in PARTS}) == len(PARTS)


def test_nothing_produced_yet() -> None:
    """An empty balance is an empty bar."""
    assert text(balance(Ledger(0, 0), 20, 2, PALETTE)) == ["╌" * 20, "produced 0"]
    assert text(balance(Ledger(0, 0), 40, 2, PALETTE))[1] == "produced 0 = █ delivered 0"


def test_counters_read_at_different_times_still_balance() -> None:
    """If more was delivered than produced when it was read, the difference is subtracted, not hidden."""
    assert text(balance(Ledger(100, 103), 60, 2, PALETTE))[1] == "produced 100 = █ delivered 103 − · under way 3"


@given(LEDGERS, st.integers(0, 200), st.integers(0, 8))
def test_a_balance_always_fits(ledger: Ledger, width: int, height: int) -> None:
    """Whatever the numbers and however small the room."""
    assert_fits(balance(ledger, width, height, PALETTE), width, height)


@given(LEDGERS, st.integers(len(PARTS), 300))
def test_what_happened_is_on_the_bar(ledger: Ledger, width: int) -> None:
    """Every part that is not zero has a cell, none that is zero has one, and together they fill the bar."""
    numbers = [max(getattr(ledger, part.field), 0) for part in PARTS]
    cells = bar_cells(ledger, width)
    assert [cell > 0 for cell in cells] == [number > 0 for number in numbers]
    assert sum(cells) == (width if any(numbers) else 0)


@given(LEDGERS, st.integers(80, 250))
def test_the_equation_is_whole_at_the_height_it_asks_for(ledger: Ledger, width: int) -> None:
    """All numbers that are not zero are written out to the last digit."""
    written = " ".join(text(balance(ledger, width, balance_height(ledger, width), PALETTE))[1:])
    for part in PARTS:
        if number := getattr(ledger, part.field):
            assert f"{part.name} {abs(number):,}" in written
