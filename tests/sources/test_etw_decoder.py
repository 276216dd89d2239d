"""The decoder as a consumer: what passes, when it asks its source to pause, and what it does without room."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from uuid import UUID

import pytest

from tests.sources.schema_support import GUID, provider_of, run_decoder
from tracerd.sources.etl_names import EtwMatch
from tracerd.sources.etw_decoder import EtwDecoder, Rule
from tracerd.sources.etw_schemas import EtwSchemas

LARGE = bytes(60_000)                    # 120,000 characters of hex


@pytest.fixture
def schemas() -> Iterator[EtwSchemas]:
    """A table with one schema: a byte A."""
    with closing(EtwSchemas()) as table:
        table.add(provider_of("A:u8"))
        yield table


def test_a_limit_ends_it_and_asks_for_a_pause(schemas: EtwSchemas) -> None:
    """What comes after is filtered."""
    with closing(EtwDecoder(schemas, "json", limit=2)) as decoder:
        pauses = [run_decoder(decoder, b"\1").pause for _ in range(3)]
        assert (pauses, decoder.full) == ([0, 1, 0], True)
        assert (decoder.counts().decoded, decoder.counts().filtered) == (2, 1)
        assert len(decoder.take().splitlines()) == 2


def test_much_text_asks_for_a_pause_until_it_is_taken(schemas: EtwSchemas) -> None:
    """So a file is walked in bounded memory."""
    with closing(EtwDecoder(schemas, "json")) as decoder:
        events = 0
        while not run_decoder(decoder, LARGE, id=2).pause:
            events += 1
        assert 512 << 10 < len(decoder.take()) < 1 << 20
        assert not run_decoder(decoder, LARGE, id=2).pause


def test_a_source_that_cannot_wait_loses_text_and_counts_it(schemas: EtwSchemas) -> None:
    """At 64 MiB that nobody took; the run counts as failed, so the source's ledger says it too."""
    with closing(EtwDecoder(schemas, "json")) as decoder:
        runs = [run_decoder(decoder, LARGE, id=2) for _ in range(600)]
        counts = decoder.counts()
        assert counts.lost == sum(bool(run.aborted) for run in runs) > 0
        assert counts.events + counts.lost == 600
        assert len(decoder.take().splitlines()) == counts.events


@pytest.mark.parametrize(
    ("rule", "header", "passes"),
    [
        (Rule(EtwMatch()), {}, True),
        (Rule(EtwMatch(GUID)), {}, True),
        (Rule(EtwMatch(UUID(int=1))), {}, False),
        (Rule(EtwMatch(GUID, None, 1)), {}, True),
        (Rule(EtwMatch(GUID, None, 2)), {}, False),
        (Rule(EtwMatch(UUID(int=1), 3, 1)), {"hook": 0x0301, "kind": 2, "opcode": 1}, True),
        (Rule(EtwMatch(UUID(int=1), 4)), {"hook": 0x0301, "kind": 2}, False),
        (Rule(EtwMatch(), any_keyword=6), {"keyword": 4}, True),
        (Rule(EtwMatch(), any_keyword=6), {"keyword": 8}, False),
        (Rule(EtwMatch(), any_keyword=6), {"keyword": 0}, True),
        (Rule(EtwMatch(), all_keywords=6), {"keyword": 4}, False),
        (Rule(EtwMatch(), all_keywords=6), {"keyword": 14}, True),
        (Rule(EtwMatch(), level=4), {"level": 5}, False),
        (Rule(EtwMatch(), level=4), {"level": 4}, True),
        (Rule(EtwMatch(), level=4), {"level": 0}, True),
        (Rule(EtwMatch(), own_name="MY.source"), {"traits": b"\x0c\0My.Source\0"}, True),
        (Rule(EtwMatch(), own_name="My.Sourc"), {"traits": b"\x0c\0My.Source\0"}, False),
        (Rule(EtwMatch(), own_name="My.Source"), {"traits": b"\x0c\0My.Source"}, False),
    ],
)
def test_rules_are_those_of_windows(schemas: EtwSchemas, rule: Rule, header: dict[str, object], passes: bool) -> None:
    """Provider or group, number, keywords and level, as EnableTraceEx2 filters by them."""
    with closing(EtwDecoder(schemas, "look", rules=[Rule(EtwMatch(UUID(int=7))), rule])) as decoder:
        run_decoder(decoder, b"\1", **header)  # type: ignore[arg-type]
        assert (decoder.counts().events, decoder.counts().filtered) == (int(passes), int(not passes))


def test_the_one_schema_is_known_until_another_comes(schemas: EtwSchemas) -> None:
    """Events without a schema do not count."""
    with closing(EtwDecoder(schemas, "look")) as decoder:
        assert decoder.only_schema() is None
        run_decoder(decoder, b"\1")
        run_decoder(decoder, b"\1", id=9)
        (column,) = decoder.only_schema() or []
        assert (column.name, column.type) == ("A", "u8")
        run_decoder(decoder, b"", flags=0x04, id=9)
        assert decoder.only_schema() is None
