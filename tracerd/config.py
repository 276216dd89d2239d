"""probe.toml: read with the standard library, validated by pydantic; an unknown key is told with the nearest."""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from tracerd.errors import ConfigError
from tracerd.views.spec import ColumnSpec, ViewSpec

Engine = Literal["auto", "jit", "interpreter", "native"]
Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]*$", max_length=64)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class ProbeSection(_Table):
    """[probe]"""

    name: Name
    object: str
    engine: Engine = "auto"
    description: str = ""


class AttachSection(_Table):
    """[[attach]]: which program runs on which event."""

    program: str
    source: str


class ColumnSection(_Table):
    """An entry of a view's `columns`."""

    name: Name
    source: str = Field(alias="from")
    decode: str | None = None
    percentile: float | None = Field(default=None, ge=0, le=100)
    merge: Literal["auto", "sum", "first", "max", "min"] = "auto"
    unit: Literal["", "count", "ns", "unix_ns", "boot_ns", "bytes", "permille"] = ""
    rate: bool = False


class ViewSection(_Table):
    """[[view]]: a table over a map."""

    name: Name
    map: str
    columns: tuple[ColumnSection, ...] = ()
    sort: str = ""
    rows: int = Field(default=0, ge=0)

    def spec(self) -> ViewSpec:
        """Return what `tracerd.views` works with."""
        return ViewSpec(self.name, self.map, tuple(ColumnSpec(**dict(c)) for c in self.columns), self.sort, self.rows)


class ProbeFile(_Table):
    """A whole probe.toml."""

    probe: ProbeSection
    attach: tuple[AttachSection, ...] = ()
    view: tuple[ViewSection, ...] = ()


@dataclass(frozen=True, slots=True)
class Probe:
    """What to load and where it goes: one object, its engine, its attach points and the tables it shows."""

    name: str
    object: Path
    engine: Engine
    attach: tuple[tuple[str, str], ...]      # (program, source)
    views: tuple[ViewSpec, ...]
    description: str = ""


def read_probe(path: Path) -> Probe:
    """Read and validate a probe.toml. The object's name is relative to the file.

    Raises:
        ConfigError: the file cannot be read, is not TOML, or says something unknown or impossible.
    """
    file = _validate(ProbeFile, _read_toml(path), path)
    return Probe(
        name=file.probe.name,
        object=path.parent / file.probe.object,
        engine=file.probe.engine,
        attach=tuple((attach.program, attach.source) for attach in file.attach),
        views=tuple(view.spec() for view in file.view),
        description=file.probe.description,
    )


def _read_toml(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(str(path), f"cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(str(path), f"is not TOML: {error}") from error


Model = TypeVar("Model", bound=_Table)


def _validate(model: type[Model], document: dict[str, object], path: Path) -> Model:
    try:
        return model.model_validate(document)
    except ValidationError as error:
        # A misspelt key also makes the right one missing: the misspelling is the cause.
        cause = min(error.errors(), key=lambda detail: detail["type"] != "extra_forbidden")
        raise _told(model, cause, path) from error


def _told(model: type[BaseModel], detail: ErrorDetails, path: Path) -> ConfigError:
    where = f"{path}: {'.'.join(str(part) for part in detail['loc'])}"
    if detail["type"] != "extra_forbidden":
        return ConfigError(where, detail["msg"])
    valid = _names_at(model, detail["loc"][:-1])
    return ConfigError(where, unknown_name("key", str(detail["loc"][-1]), valid))


def unknown_name(what: str, name: str, valid: list[str]) -> str:
    """Return the sentence that refuses a name and offers the nearest valid one, or all of a short list."""
    near = difflib.get_close_matches(name, valid, 1)
    if near:
        return f"unknown {what} {name!r}; did you mean {near[0]!r}?"
    return f"unknown {what} {name!r}; valid: {', '.join(sorted(valid)[:12])}"


def _names_at(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    for part in location:
        if isinstance(part, int):
            continue
        model = _model_of(model.model_fields[part].annotation)
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_of(annotation: object) -> type[BaseModel]:
    """Return the model inside an annotation like tuple[Model, ...]."""
    arguments = getattr(annotation, "__args__", None)
    found = arguments[0] if arguments else annotation
    assert isinstance(found, type)
    assert issubclass(found, BaseModel)
    return found
