"""Lines of records: what is kept and shown, how it reads, how it is filtered, and the threads that fetch it."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.tui.rings import RingFeed
from tui.model.seen import Seen
from tui.model.streams import Counted, ReadThen, streams
from tui.model.tail import Line, Lines, Note, clock, expanded, fields, sheet_of_lines, shown, title
from tui.model.tail_filter import choose, example
from tui.model.writing import as_csv, as_json
from tui.tail import KEPT, PRINTED, Tail, Tap, taps

AT = 1_764_000_000_123_000_000
RECORD = {"pid": 7, "comm": "dd", "latency_ns": 12_000_000, "from": {"cpu": 1}}


def line(value: object, stream: str = "slow/calls", at: int = AT) -> Line:
    return Line(at, stream, value)


def lines(*values: object) -> Lines:
    made = Lines()
    made.add([line(value) for value in values])
    return made


def values(made: Lines) -> list[object]:
    return [made[place].value for place in range(len(made))]


# ---- what is kept and shown


def test_the_oldest_lines_give_way_and_are_counted() -> None:
    """By as many places have what is shown moved."""
    made = Lines(kept=3)
    assert made.add([line(n) for n in range(3)]) == 0
    assert made.add([line(n) for n in range(3, 5)]) == 2
    assert values(made) == [2, 3, 4]
    assert made.gone == 2


def test_more_than_is_kept_at_once_leaves_the_newest() -> None:
    """The others were never there."""
    made = Lines(kept=3)
    made.add([line(n) for n in range(10)])
    assert values(made) == [7, 8, 9]


def test_only_lines_that_are_wanted_are_shown_also_of_those_that_come() -> None:
    """All are kept."""
    made = lines(1, 2, 3, 4)
    made.show(lambda each: each.value in (2, 4, 6))
    made.add([line(5), line(6)])
    assert values(made) == [2, 4, 6]
    assert made.total == 6
    made.show(None)
    assert values(made) == [1, 2, 3, 4, 5, 6]


def test_a_line_keeps_its_number_when_others_give_way_or_are_hidden() -> None:
    """So what was drawn of it can be kept."""
    made = Lines(kept=4)
    made.add([line(n) for n in range(4)])
    number = made.number(3)
    assert made.add([line(n) for n in range(4, 6)]) == 2
    assert made.number(1) == number
    made.show(lambda each: each.value == 3)
    assert made.number(0) == number


def test_places_move_only_by_shown_lines_that_give_way() -> None:
    """Hidden ones do not count."""
    made = Lines(kept=4)
    made.add([line(n) for n in range(4)])
    made.show(lambda each: each.value in (0, 3, 4))
    assert made.add([line(4), line(5)]) == 1
    assert values(made) == [3, 4]


def test_cleared_lines_are_gone_and_new_ones_come() -> None:
    """The filter stays."""
    made = lines(1, 2)
    made.show(lambda each: each.value != 2)
    made.clear()
    assert (len(made), made.total) == (0, 0)
    made.add([line(2), line(3)])
    assert values(made) == [3]


# ---- how a line reads


def test_fields_are_told_by_their_whole_path() -> None:
    """Those within others with a dot between."""
    assert list(fields(RECORD)) == [("pid", 7), ("comm", "dd"), ("latency_ns", 12_000_000), ("from.cpu", 1)]
    assert list(fields("a line")) == [("", "a line")]


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        ("pid", 12345, "12345"),
        ("latency_ns", 12_000_000, "12.0ms"),
        ("key.latency", 900, "900ns"),
        ("duration", 2_500_000_000, "2.50s"),
        ("share", 0.25, "0.25"),
        ("ok", True, "true"),
        ("comm", "dd", "dd"),
        ("comm", "two words", '"two words"'),
        ("comm", "", '""'),
        ("comm", "\x1b[31m[bold]", "\\x1b[31m[bold]"),
        ("", "a printed line", "a printed line"),
        ("bytes", list(range(20)), "[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,…]"),
        ("nothing", None, "null"),
    ],
)
def test_a_value_is_printed_plainly(path: str, value: object, text: str) -> None:
    """Numbers as they are, durations with their unit, texts without what a terminal would obey."""
    assert shown(path, value, line({path: value}), 0) == text


def test_a_time_of_the_events_clock_is_a_time_of_day() -> None:
    """Where it is about when the record was read; else it is as any number of nanoseconds."""
    record, offset = line({"time_ns": 5_000_000_000}), AT - 6_000_000_000
    assert shown("time_ns", 5_000_000_000, record, offset) == clock(AT - 1_000_000_000)
    assert shown("time_ns", 5_000_000_000, record, 0) == "5.00s"


def test_the_unit_in_a_name_is_left_out_where_the_value_has_one() -> None:
    """latency=12.0ms, not latency_ns=12.0ms."""
    assert (title("latency_ns", 5), title("name_ns", "x")) == ("latency", "name_ns")


def test_an_expanded_line_has_the_plain_numbers_too() -> None:
    """And when and whence it came, beside fields that are called the same."""
    told = expanded(line({"latency_ns": 12_000_000, "from": "here", "pid": 3}), 0)
    assert told == {"read at": clock(AT), "from": "slow/calls", "latency_ns": "12.0ms  (12000000)", "from.": "here",
                    "pid": "3"}  # fmt: skip
    assert expanded(line("tick"), 0)["text"] == "tick"
    assert expanded(line(Note("a gap")), 0)["note"] == "a gap"


def test_exported_lines_have_a_column_for_every_field_that_any_has() -> None:
    """Numbers stay numbers, the largest too."""
    made = lines({"pid": 1, "mask": 2**64 - 1}, {"pid": 2, "mask": 0, "comm": "=dd"}, "text", Note("gap"))
    sheet = sheet_of_lines(made)
    rows = range(len(sheet))
    assert [column.name for column in sheet.columns] == ["time_ns", "from", "pid", "mask", "comm", "text"]
    assert as_csv(sheet, sheet.columns[0].values.argsort(kind="stable")).splitlines()[1:3] == [
        f"{AT},slow/calls,1,18446744073709551615,,",
        f"{AT},slow/calls,2,0,'=dd,",
    ]
    assert '"mask": 18446744073709551615' in as_json(sheet, sheet.columns[0].values.argsort(kind="stable"), AT)
    assert len(rows) == 4


# ---- how lines are filtered


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("dd", True),
        ("DD", True),
        ("slow/", True),
        ("cat", False),
        ("pid=7", True),
        ("pid=0x7", True),
        ("pid!=7", False),
        ("latency>10ms", True),
        ("latency_ns>=13ms", False),
        ("comm=dd pid<8", True),
        ("comm=d", False),
        ("comm~d", True),
        ("comm!~d", False),
        ("cpu=1", True),
        ("from.cpu=1", True),
        ("from~slow", True),
        ("pidd=7", False),
        ("pid!=8 comm=cat", False),
        ("", True),
    ],
)
def test_a_filter_is_asked_of_fields_and_words(text: str, found: bool) -> None:
    """Terms that all must hold; numbers with their units."""
    wanted = choose(text).wanted
    assert (wanted is None or wanted(line(RECORD))) is found


def test_printed_lines_are_found_by_their_text() -> None:
    """As a word, or by name."""
    for text in ("tick", "text~tick", "12"):
        wanted = choose(text).wanted
        assert wanted is not None
        assert wanted(line("tick 12"))


def test_one_stream_alone_may_be_wanted_with_a_filter_or_without() -> None:
    """Both must hold."""
    alone, filtered = choose("", "slow/calls").wanted, choose("pid=8", "slow/calls").wanted
    assert alone is not None
    assert alone(line(RECORD))
    assert not alone(line(RECORD, "other"))
    assert filtered is not None
    assert not filtered(line(RECORD))


def test_a_term_that_is_not_typed_to_its_end_hides_nothing() -> None:
    """It says what is missing."""
    choice = choose("pid> dd")
    assert choice.problem == ""
    choice = choose("dd pid>")
    assert "needs a value" in choice.problem
    assert choice.wanted is not None
    assert choice.wanted(line(RECORD))
    assert "needs a field" in choose(">5").problem


THERE = "there are comm, pid, latency, from.cpu"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("PIDD=7", f"no field 'PIDD'; did you mean pid? {THERE}"),
        ("zzz~k dd", f"no field 'zzz'; {THERE}"),
        ("latency>1s", ""),
        ("from~slow text~dd", ""),
    ],
)
def test_a_field_that_no_line_has_is_named_with_those_that_there_are(text: str, problem: str) -> None:
    """And with the one that was probably meant."""
    assert choose(text, "", lines(RECORD)).problem == problem


def test_a_field_that_no_line_has_hides_nothing() -> None:
    """The other terms hold."""
    made = lines(RECORD)
    assert choose("zzz=1", "", made).wanted is None
    wanted = choose("zzz=1 comm=cat", "", made).wanted
    assert wanted is not None
    assert not wanted(line(RECORD))
    assert wanted(line({"comm": "cat"}))


def test_a_filter_is_open_while_a_field_of_it_is_not_there() -> None:
    """Before there are lines nothing is wrong with it, either."""
    made = Lines()
    choice = choose("pid=7", "", made)
    assert (choice.wanted, choice.problem, choice.open) == (None, "", True)
    made.add([line("tick")])
    assert choose("pid=7", "", made).problem == "no field 'pid' so far: these lines are plain text"
    made.add([line(RECORD)])
    choice = choose("pid=7", "", made)
    assert choice.wanted is not None
    assert (choice.problem, choice.open) == ("", False)


def test_a_field_of_a_rare_stream_is_known_however_many_lines_of_others_come() -> None:
    """Of one stream alone only its own fields count."""
    made = lines(RECORD)
    made.add([line("tick", PRINTED)] * 1_000)
    assert choose("pid=7", "", made).problem == ""
    assert "no field 'pid'" in choose("pid=7", PRINTED, made).problem


@pytest.mark.parametrize(
    ("records", "wanted"),
    [
        ([RECORD], "comm=dd"),
        ([{"n": 1, "a": {"name": "sh"}}, {"n": 2}], "a.name=sh"),
        ([{"comm": "two words", "path": "/bin/true"}], "path=/bin/true"),
        ([{"comm": "x" * 99}, {"comm": ""}, "printed"], ""),
    ],
)
def test_an_example_of_a_filter_is_one_that_a_line_passes(records: list[object], wanted: str) -> None:
    """By a text that can be typed as it is."""
    made = lines(*records)
    assert example(made) == wanted
    passed = choose(wanted, "", made).wanted
    assert not wanted or (passed is not None and any(passed(line(each)) for each in records))


def test_an_example_is_of_a_line_that_is_shown() -> None:
    """If any is."""
    made = lines({"comm": "a"}, {"comm": "b"})
    made.show(lambda each: each.value == {"comm": "a"})
    assert example(made) == "comm=a"
    made.show(lambda _: False)
    assert example(made) == "comm=b"


# ---- the threads


@contextmanager
def tail(feed: RingFeed, now: Callable[[], int] = lambda: AT) -> Iterator[Tail]:
    """Give a tail of all that a feed has, whose readers have come."""
    made = Tail(feed.connect, now)
    made.follow(taps(feed.look()))
    until(lambda: feed.opened == len(made.streams))
    try:
        yield made
    finally:
        made.stop()
        feed.gone = True


def until(there: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not there():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_every_ring_and_what_is_printed_can_be_followed() -> None:
    """By probe and name."""
    assert taps(RingFeed(ring_names=("a", "b")).look()) == [Tap("slow/a", 3), Tap("slow/b", 13), Tap(PRINTED, 0)]


def test_lines_of_all_streams_come_in_the_order_they_were_read() -> None:
    """Each with its stream and time."""
    feed, clock_ns = RingFeed(), itertools.count(AT)
    with tail(feed, lambda: next(clock_ns)) as made:
        for n in range(3):
            feed.put({"n": n})
            until(lambda: made.read % 2 == 1)
            feed.print(f"line {n}")
            until(lambda: made.read % 2 == 0)
        taken = made.take()
        assert [each.value for each in taken] == [{"n": 0}, "line 0", {"n": 1}, "line 1", {"n": 2}, "line 2"]
        assert [each.stream for each in taken[:2]] == ["slow/slow_calls", PRINTED]
        assert [each.at_ns for each in taken] == list(range(AT, AT + 6))
        assert made.take() == []


def test_what_nobody_takes_gives_way_and_is_counted() -> None:
    """The newest wait."""
    feed = RingFeed()
    with tail(feed) as made:
        feed.put(*range(KEPT + 7))
        until(lambda: made.read == KEPT + 7)
        assert made.given_way == 7
        taken = made.take()
        assert (len(taken), taken[0].value, taken[-1].value) == (KEPT, 7, KEPT + 6)
        assert made.given_way == 7


def test_a_stream_that_breaks_off_is_followed_again_with_a_note() -> None:
    """What was missed before and after adds up."""
    feed, now = RingFeed(missed=2), [AT]
    with tail(feed, lambda: now[0]) as made:
        stream = made.streams["slow/slow_calls"]
        feed.put("before")
        until(lambda: stream.read == 1)
        feed.cut()
        until(lambda: stream.trouble != "")
        assert "broke off" in stream.trouble
        now[0] += 3_000_000_000
        until(lambda: feed.opened == 4)
        assert stream.trouble == ""
        feed.put("after")
        until(lambda: stream.read == 2)
        note = Note("not followed for 3.00s: what came meanwhile is not here")
        assert [each.value for each in made.take()] == ["before", note, "after"]
        assert stream.missed == 4


def test_a_ring_that_is_unloaded_is_followed_no_more_and_a_new_one_is() -> None:
    """The others go on undisturbed."""
    feed = RingFeed(ring_names=("a", "b"))
    with tail(feed) as made:
        feed.print("one")
        until(lambda: made.read == 1)
        feed.ring_names = ("a",)
        made.follow(taps(feed.look()))
        assert list(made.streams) == ["slow/a", PRINTED]
        feed.put("gone", ring=13)
        feed.print("two")
        until(lambda: made.read == 2)
        assert [each.value for each in made.take()] == ["one", "two"]


def test_a_ring_of_the_same_name_and_another_id_keeps_its_counts() -> None:
    """A daemon that has begun anew."""
    feed = RingFeed()
    with tail(feed) as made:
        feed.put("old")
        until(lambda: made.read == 1)
        made.follow([Tap("slow/slow_calls", 33), Tap(PRINTED, 0)])
        until(lambda: feed.opened == 3)
        feed.put("new", ring=33)
        until(lambda: made.streams["slow/slow_calls"].read == 2)
        assert [each.value for each in made.take()][::2] == ["old", "new"]


def test_a_tail_that_is_stopped_reads_no_more() -> None:
    """The reader ends with the next record."""
    feed = RingFeed()
    with tail(feed) as made:
        stream = made.streams["slow/slow_calls"]
        made.stop()
        feed.put("late")
        feed.cut()
        until(lambda: feed.opened == 2)
        assert stream.read == 0


# ---- streams as rows


def test_a_rings_counts_are_its_own_and_those_of_printed_lines_are_what_was_read() -> None:
    """Rates are between two moments."""
    feed, seen = RingFeed(dropped=5), Seen()
    for _ in range(2):
        seen.see(feed.moment(), feed.look())
        feed.at += 1
    assert seen.moment is not None
    counted = [Counted("slow/slow_calls", 9, 2, ""), Counted(PRINTED, 8, 0, "no daemon")]
    then = ReadThen(seen.moment.taken_ns - 2 * 10**9, (("slow/slow_calls", 0), (PRINTED, 2)))
    rows = streams(counted, seen, then, only="slow/slow_calls")
    told = [[column.values[row] for column in rows.columns] for row in range(len(rows))]
    assert told == [
        ["slow/slow_calls", 12 * 11, 12, 5, 2, 9, "only this one"],
        [PRINTED, 8, 3, 0, 0, 8, "not followed: no daemon"],
    ]
