"""What a configuration of ebpf_exporter says. Keys that it does not have are told, not refused: it may be newer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from tracerd.config.strict import StrictTable, unknown_name, validate
from tracerd.errors import ConfigError

MOST_BYTES = 1 << 20


def _list(value: object) -> object:
    return () if value == "" else value          # `labels:` with nothing behind it


def _table(value: object) -> object:
    return {} if value == "" else value


class _Table(StrictTable):
    model_config = ConfigDict(extra="allow", frozen=True)


class Decoder(_Table):
    """One decoder of a label, with what it needs."""

    name: str
    static_map: Annotated[dict[str, str], BeforeValidator(_table)] = Field(default_factory=dict)
    regexps: Annotated[tuple[str, ...], BeforeValidator(_list)] = ()
    allow_unknown: bool = False
    skip_cache_size: Any = None                  # how it works, not what it gives


class Label(_Table):
    """A part of the map's key. Sizes in bytes; some write the padding into the size."""

    name: str
    size: int = Field(ge=1)
    padding: int = Field(default=0, ge=0)
    decoders: Annotated[tuple[Decoder, ...], BeforeValidator(_list)] = ()


class Value(_Table):
    """One number of a map's value that is a struct of them."""

    name: str
    help: str = ""


class Counter(_Table):
    """A counter over the map of its name."""

    name: str
    help: str = ""
    perf_event_array: bool = False
    flush_interval: str = ""
    labels: Annotated[tuple[Label, ...], BeforeValidator(_list)] = ()
    values: Annotated[tuple[Value, ...], BeforeValidator(_list)] = ()


class Histogram(_Table):
    """A histogram over the map of its name. The last label is the bucket's key."""

    name: str
    help: str = ""
    bucket_type: Literal["exp2", "exp2zero", "linear", "fixed"]
    bucket_multiplier: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    bucket_min: int = 0
    bucket_max: int = 0
    bucket_keys: Annotated[tuple[float, ...], BeforeValidator(_list)] = ()
    labels: Annotated[tuple[Label, ...], Field(min_length=1)]


class Metrics(_Table):
    """All metrics."""

    counters: Annotated[tuple[Counter, ...], BeforeValidator(_list)] = ()
    histograms: Annotated[tuple[Histogram, ...], BeforeValidator(_list)] = ()


class Document(_Table):
    """A whole file."""

    metrics: Annotated[Metrics, BeforeValidator(_table)] = Field(default_factory=Metrics)
    tracing: Any = None
    kaddrs: Any = None
    cgroup_id_map: Any = None


def read_document(text: str, where: str) -> Document:
    """Read a configuration; `where` is what errors call it.

    Raises:
        ConfigError: it is not YAML, is of version 1, or misses or mistakes something that must be there.
    """
    if len(text) > MOST_BYTES:
        raise ConfigError(where, f"has more than {MOST_BYTES} letters: no configuration of ebpf_exporter")
    try:
        # Nothing but text, lists and tables: a static map's 0x1, on and 010 are texts, as ebpf_exporter takes them.
        document = yaml.load(text, Loader=yaml.BaseLoader)
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError(where, f"is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(document, dict):
        raise ConfigError(where, "is no configuration of ebpf_exporter: must have metrics: or tracing:")
    if "programs" in document:
        raise ConfigError(where, "is of ebpf_exporter 1, with programs in it; only version 2, with objects, is read")
    return validate(Document, document, where)


def unknown_keys(table: BaseModel, where: str = "") -> Iterator[str]:
    """Yield a sentence for every key that is not known, in the tables below too."""
    names = list(type(table).model_fields)
    for key in table.model_extra or ():
        yield f"{where}{unknown_name('key', str(key), names)}"
    for name, value in table:
        for inner in value if isinstance(value, tuple) else (value,):
            if isinstance(inner, BaseModel):
                yield from unknown_keys(inner, f"{where}{_called(name, inner)}: ")


def _called(name: str, table: BaseModel) -> str:
    """Return what a table is called in a sentence: "counter 'calls_total'"."""
    own = getattr(table, "name", "")
    return f"{name.removesuffix('s')} {own!r}" if own else name
