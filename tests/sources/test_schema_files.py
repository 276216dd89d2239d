"""`.events` files: their grammar, what is wrong with them said by line, and that all shipped ones are sound."""

from __future__ import annotations

from contextlib import closing
from uuid import UUID

import pytest

from tracerd.errors import ConfigError
from tracerd.sources.etl_names import EtwMatch, parse_etw, parse_etw_kernel
from tracerd.sources.etw_schemas import EtwSchemas
from tracerd.sources.schema.catalog import Catalog, load, shipped
from tracerd.sources.schema.etw_names import KERNEL_GROUPS, PROVIDERS
from tracerd.sources.schema.events_file import parse_fields, read_events
from tracerd.sources.schema.model import Event, Field, ValueMap
from tracerd.sources.schema.profiles import PROFILES

HEAD = "provider Some-Provider {11111111-2222-3333-4444-555555555555}\n"


def test_a_file_has_provider_keywords_maps_and_events() -> None:
    """Comments and blank lines mean nothing; fields go over several lines; `=` shares a payload."""
    provider = read_events(
        "# comment\n\n" + HEAD + "source somewhere (MIT)\nkeyword 0x10 PROCESS\nmap Kind 0=None 0x1=Some\n"
        "bits Flags 0x1=A 0x2=B\nevent 1 0 Start level=4 opcode=1 task=2 keyword=0x10\n"
        "  A:u32=Kind\n  # inside\n  B:x8=Flags C:utf16[A]\nevent 2 0 Stop\n  = 1 0\nevent 3 1 Empty\n",
        "here",
    )
    fields = (Field("A", "u32", map="Kind"), Field("B", "x8", map="Flags"), Field("C", "utf16", length="A"))
    assert provider.name == "Some-Provider"
    assert provider.events == {
        (1, 0): Event(1, 0, "Start", fields, 4, 1, 2, 0x10),
        (2, 0): Event(2, 0, "Stop", fields),
        (3, 1): Event(3, 1, "Empty"),
    }
    assert provider.maps == {"Kind": ValueMap({0: "None", 1: "Some"}), "Flags": ValueMap({1: "A", 2: "B"}, bits=True)}
    assert (provider.keywords, provider.sources) == ({"PROCESS": 0x10}, ("somewhere (MIT)",))
    assert (provider.numbers(), provider.versions(1)) == ({"Start": 1, "Stop": 2, "Empty": 3}, [0])


def test_a_class_may_have_a_group_of_hooks() -> None:
    """Its events go by opcode."""
    provider = read_events("class Image 2cb15d1d-5fc1-11d2-abe1-00a0c911f518 group=0x14\nevent 10 2 Load\n", "here")
    assert (provider.is_class, provider.group, provider.events) == (True, 0x14, {(10, 2): Event(10, 2, "Load")})


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "here:0: does not start with"),
        ("event 1 0 A\n", "here:1: does not start with"),
        ("provider A nothing\n", "here:1: is not the one line `provider NAME GUID`"),
        (HEAD + HEAD, "here:2: is not the one line"),
        (HEAD + "  A:u8\n", "here:1: fields before any event"),
        (HEAD + "evnt 1 0 A\n", "here:2: 'evnt' is no line of a schema file"),
        (HEAD + "event 1 A\n", "here:2: is not `event NUMBER VERSION NAME"),
        (HEAD + "event x 0 A\n", "here:2: 'x' is no number"),
        (HEAD + "event 65536 0 A\n", "here:2: a number is up to 65535"),
        (HEAD + "event 1 0 A colour=2\n", "here:2: 'colour' is no option"),
        (HEAD + "event 1 0 A\nevent 1 0 B\n", "here:3: event 1 0 is there twice"),
        (HEAD + "event 1 0 A\n  = 2 0\n", "here:2: = 2 0: there is no such event before it"),
        (HEAD + "event 1 0 A\n  B\n", "here:2: ':' is missing before the end"),
        (HEAD + "event 1 0 A\n  B:u7\n", "here:2: B: 'u7' is no type"),
        (HEAD + "event 1 0 A\n  B:bytes\n", "here:2: B: bytes takes a length"),
        (HEAD + "event 1 0 A\n  B:u8[2]\n", "here:2: B: u8 takes no length"),
        (HEAD + "event 1 0 A\n  B:bytes[N] N:u8\n", "here:2: B: 'N' is no number before it"),
        (HEAD + "event 1 0 A\n  N:guid B:bytes[N]\n", "here:2: B: 'N' is no number before it"),
        (HEAD + "event 1 0 A\n  B:u8=M\n", "here:2: B: there is no map 'M' before it"),
        (HEAD + "event 1 0 A\n  B:{C:u8\n", "here:2: '}' is missing before the end"),
        (HEAD + "event 1 0 A\n  B:u8}\n", "here:2: '}' closes nothing"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text: str, error: str) -> None:
    """One sentence, the place first."""
    with pytest.raises(ConfigError) as caught:
        read_events(text, "here")
    assert str(caught.value).startswith(error)


@pytest.mark.parametrize(
    "text",
    ["A:u8 B:utf16[A]*3", "A:u8*rest", "N:u16 S:{A:u8 B:{C:ptr}*N}*N", "A:rest", "rest:u8 B:u8*rest", "A:sockaddr[16]"],
)
def test_fields_have_a_written_form(text: str) -> None:
    """What is read is written the same again."""
    assert " ".join(map(str, parse_fields(text))) == text


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in shipped()])
def test_every_shipped_file_is_sound(path: object) -> None:
    """It is read, the core takes all of it, it names its source, and it is named as its provider is."""
    provider = load(path)  # type: ignore[arg-type]
    assert provider.sources
    assert provider.events
    with closing(EtwSchemas()) as schemas:
        schemas.add(provider)
        keys = 2 if provider.group is not None else 1
        assert len(schemas) == keys * len(provider.events)


def test_shipped_files_agree_with_the_tables_of_names() -> None:
    """A provider or group has one name and one GUID, and an event one number, wherever they stand."""
    heads = list(shipped().values())
    assert len({head.guid for head in heads}) == len(heads) == len({head.name.lower() for head in heads})
    for row in (*PROVIDERS, *KERNEL_GROUPS):
        for provider in Catalog().by_guid(UUID(row.guid)):
            assert provider.name == row.name
            numbers = provider.numbers()
            assert {name: numbers[name] for name in row.events if name in numbers} == {
                name: number for name, number in row.events.items() if name in numbers
            }
            assert getattr(row, "group", None) == provider.group


def test_names_of_shipped_schemas_are_attach_names() -> None:
    """An event of a schema can be named, in any case of letters."""
    assert parse_etw("Microsoft-Windows-Kernel-Process:processrundown").event == 15
    match = parse_etw_kernel("Process:Defunct")
    assert match == EtwMatch(UUID("3d6fa8d0-fe05-11d0-9dda-00c04fd7ba7c"), 3, 39)


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_names_what_is_known(profile: str) -> None:
    """Providers without a GUID of their own are in the tables."""
    for want in PROFILES[profile]:
        assert want.guid or (parse_etw_kernel(want.name) if want.kernel else parse_etw(want.name))
