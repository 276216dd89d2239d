"""Names of a provider's events and fields in C, and the numbers by which programs ask for fields. Pure."""

from __future__ import annotations

import re

from tracerd.sources.schema.model import Event, Provider

BY_NAME = 0x80000000
"""Set in a field's number that is made of its name; below 1024 a number is a place in the event's schema
(TR_ETW_BY_NAME, native/border/etw_layouts.h)."""

_KEYWORDS = frozenset((
    "auto", "break", "case", "char", "const", "continue", "default", "do", "double", "else", "enum",
    "extern", "float", "for", "goto", "if", "inline", "int", "long", "register", "restrict", "return",
    "short", "signed", "sizeof", "static", "struct", "switch", "typedef", "union", "unsigned", "void",
    "volatile", "while", "bool", "true", "false", "asm", "typeof", "s8", "s16", "s32", "s64", "u8", "u16",
    "u32", "u64",
))
"""Words that no member of a struct may have: of C, and types of tracerd.bpf.h."""

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def field_number(name: str) -> int:
    """Return the number of the field of that name, in whatever version of an event has it: FNV-1a, 32 bits."""
    number = 2166136261
    for byte in name.encode("utf-8", "replace"):
        number = (number ^ byte) * 16777619 & 0xFFFFFFFF
    return number | BY_NAME


def identifier(text: str) -> str:
    """Return a text as a C identifier: what is no letter, digit or underscore becomes an underscore."""
    plain = re.sub(r"[^A-Za-z0-9_]+", "_", text).strip("_") or "_"
    return f"_{plain}" if plain[0].isdigit() or plain in _KEYWORDS else plain


def provider_prefix(provider: Provider) -> str:
    """Return what a provider's names start with: "KERNEL_PROCESS" of Microsoft-Windows-Kernel-Process."""
    short = re.sub(r"^Microsoft-(Windows-)?", "", provider.name)
    return identifier(short).upper()


def event_prefixes(provider: Provider) -> dict[int, str]:
    """Return what the names of each event start with, by number: "KERNEL_PROCESS_START" of ProcessStart.

    A first word that the provider's name ends with is not said twice. Events of one name get their number behind it.
    """
    prefix = provider_prefix(provider)
    names = {
        number: f"{prefix}_{_without_overlap(prefix, _newest(provider, number).name)}" for number in _numbers(provider)
    }
    taken = list(names.values())
    return {number: f"{name}_{number}" if taken.count(name) > 1 else name for number, name in names.items()}


def field_macro(event_prefix: str, field: str) -> str:
    """Return what the number of an event's field is called."""
    return f"{event_prefix}_{identifier(field).upper().lstrip('_') or '_'}"


def _numbers(provider: Provider) -> list[int]:
    return sorted({number for number, _ in provider.events})


def _newest(provider: Provider, number: int) -> Event:
    return provider.events[number, provider.versions(number)[-1]]


def _without_overlap(prefix: str, event: str) -> str:
    first = _WORD.match(event)
    if first and first.end() < len(event) and first[0].upper() == prefix.rpartition("_")[2]:
        event = event[first.end() :]
    return identifier(event).upper().lstrip("_") or "_"
