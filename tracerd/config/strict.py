"""Strict reading of TOML: validated by pydantic, an unknown key is told with the nearest valid one."""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from tracerd.config.sentences import meaning, toml_meaning
from tracerd.errors import ConfigError


class StrictTable(BaseModel):
    """A table of a configuration file: frozen, and nothing in it that is not declared."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


def read_text(path: Path) -> str:
    """Return a configuration file's text.

    Raises:
        ConfigError: it cannot be read, or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(str(path), f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(str(path), f"is not TOML: {error}") from error


def parse_toml(text: str, where: str) -> dict[str, object]:
    """Return a TOML document.

    Raises:
        ConfigError: it is not TOML; `where` is what the user calls it.
    """
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise ConfigError(where, "is not TOML: nested too deeply") from error
    except ValueError as error:            # TOMLDecodeError, and plain ones for numbers with thousands of digits
        raise ConfigError(where, f"is not TOML: {toml_meaning(str(error))}") from error


Model = TypeVar("Model", bound=StrictTable)


def validate(model: type[Model], document: dict[str, object], where: str) -> Model:
    """Return the document as what it must be.

    Raises:
        ConfigError: a key is unknown, missing or has an impossible value; the nearest valid name is offered.
    """
    try:
        return model.model_validate(document)
    except ValidationError as error:
        # A misspelt key also makes the right one missing: the misspelling is the cause.
        cause = min(error.errors(), key=lambda detail: detail["type"] != "extra_forbidden")
        raise _told(model, cause, where) from error


def _told(model: type[BaseModel], detail: ErrorDetails, where: str) -> ConfigError:
    place = detail["loc"][:-2] if detail["loc"][-1:] == ("[key]",) else detail["loc"]      # a table's own name is wrong
    where = f"{where}: {'.'.join(str(part) for part in place)}"
    if detail["type"] != "extra_forbidden":
        return ConfigError(where, meaning(detail))
    valid = _names_at(model, detail["loc"][:-1])
    return ConfigError(where, unknown_name("key", str(detail["loc"][-1]), valid))


def unknown_name(what: str, name: str, valid: list[str]) -> str:
    """Return the sentence that refuses a name and offers the nearest valid one, or all of a short list."""
    near = difflib.get_close_matches(name, valid, 1)
    if near:
        return f"unknown {what} {name!r}; did you mean {near[0]!r}?"
    return f"unknown {what} {name!r}; valid: {', '.join(sorted(valid)[:12])}"


def _names_at(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """Return the keys of the table at a place. A part that is no field is an index, or a key that the user chose."""
    for part in location:
        declared = next((field for name, field in model.model_fields.items() if part in (name, field.alias)), None)
        if declared is not None:
            model = _model_in(declared.annotation) or model
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_in(annotation: object) -> type[BaseModel] | None:
    """Return the model inside an annotation like tuple[Model, ...] or dict[str, tuple[Model, ...]]."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_model_in(each) for each in getattr(annotation, "__args__", ()))
    return next((each for each in found if each), None)
