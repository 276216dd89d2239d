"""tracerd.toml: what the daemon does, who may ask it, and its limits.

Every key has a default, so no file at all is a daemon that attaches nothing. What a section of `exporters` may say is
the exporter's own business: here it is only a table.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, PlainValidator, PrivateAttr, model_validator

from tracerd.config.probe import Name
from tracerd.config.strict import StrictTable, parse_toml, validate
from tracerd.config.trust import read_trusted
from tracerd.config.units import FileMode, Listen, seconds_from, size_from
from tracerd.errors import ConfigError

DEFAULT_FILE = Path("/etc/tracerd/tracerd.toml")
"""Read where no other file is named; it need not be there."""


def _absolute(path: Path) -> Path:
    if not path.is_absolute() or "\0" in str(path):
        raise ValueError(f"'{path}' must be an absolute path: the daemon has no folder of its own")
    return path


def _account(value: object) -> str | int:
    """A user or group: by name, or by number for one that has none."""
    number = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 32
    if number or (isinstance(value, str) and value and "\0" not in value):
        return value  # type: ignore[return-value]    # one of the two, as just seen
    raise ValueError(f"{value!r} is neither a name nor a number of a user or group")


def _power_of_two(number: int) -> int:
    if number & (number - 1):
        raise ValueError(f"{number} is not a power of two")
    return number


AbsolutePath = Annotated[Path, AfterValidator(_absolute)]
OptionalPath = Annotated[AbsolutePath | None, BeforeValidator(lambda value: None if value == "" else value)]
Account = Annotated[str | int, PlainValidator(_account)]
Count = Annotated[int, Field(strict=True)]
Flag = Annotated[bool, Field(strict=True)]


class TcpSection(StrictTable):
    """[control.tcp]: the control API for other machines, only with a token and TLS."""

    listen: Listen = ""                        # "": not at all
    token_file: OptionalPath = None
    certificate: OptionalPath = None
    key: OptionalPath = None

    @model_validator(mode="after")
    def _is_whole(self) -> TcpSection:
        missing = [name for name in ("token_file", "certificate", "key") if getattr(self, name) is None]
        if self.listen and missing:
            raise ValueError(f"listens only with a token and TLS; not given: {', '.join(missing)}")
        return self


class ControlSection(StrictTable):
    """[control]: where the control API answers. The mode and group are the socket's."""

    socket: AbsolutePath = Path("/run/tracerd/control.sock")
    mode: FileMode = 0o660
    group: str = ""                            # "": the daemon's own
    tcp: TcpSection = TcpSection()


class RoleSection(StrictTable):
    """Who has a role."""

    users: tuple[Account, ...] = ()
    groups: tuple[Account, ...] = ()


class AccessSection(StrictTable):
    """[access]: who may look, and who may change things, beside root and the user that runs the daemon."""

    read: RoleSection = RoleSection()
    admin: RoleSection = RoleSection()


class LimitsSection(StrictTable):
    """[limits]: what anybody may ask of the daemon, and what it may take of the machine."""

    request_bytes: Annotated[int, size_from("64KiB", "256MiB")] = 16 << 20
    requests_per_second: Annotated[float, Field(ge=1, le=100_000, allow_inf_nan=False)] = 200.0    # of one peer
    connections: Annotated[Count, Field(ge=1, le=10_000)] = 64
    streams: Annotated[Count, Field(ge=1, le=1_000)] = 16
    verify_seconds: Annotated[float, Field(ge=0.1, le=600, allow_inf_nan=False)] = 10.0            # of one program
    verify_memory_mb: Annotated[Count, Field(ge=128, le=65_536)] = 1024
    map_memory_mb: Annotated[Count, Field(ge=1, le=1 << 20)] = 1024                                # of all maps
    cache_mb: Annotated[Count, Field(ge=0, le=65_536)] = 256                                       # proofs and code
    probes: Annotated[Count, Field(ge=0, le=1_000)] = 64


class PerfSection(StrictTable):
    """[sources.perf]: rings of live kernel events."""

    pages: Annotated[Count, Field(ge=1, le=1 << 16), AfterValidator(_power_of_two)] = 2048         # of one CPU
    window: Annotated[float, seconds_from("0s", "1s")] = 0.001
    include_self: Flag = False


class PollingSection(StrictTable):
    """[sources.polling]: what is looked at, not told by the kernel."""

    interval: Annotated[float, seconds_from("10ms", "1h")] = 1.0
    share: Annotated[float, Field(ge=0.0001, le=0.5, allow_inf_nan=False)] = 0.025                 # of one core
    always: Flag = False                       # processes too where tracepoints could tell them


class SourcesSection(StrictTable):
    """[sources]"""

    perf: PerfSection = PerfSection()
    polling: PollingSection = PollingSection()


class LogSection(StrictTable):
    """[log]: what goes to the standard error output."""

    format: Literal["auto", "console", "json"] = "auto"
    level: Literal["debug", "info", "warning", "error"] = "info"


class ServiceSection(StrictTable):
    """[service]: whom a daemon started by root becomes once it has opened what needs root; "": nobody else."""

    user: str = ""


class DaemonConfig(StrictTable):
    """A whole tracerd.toml."""

    state_dir: AbsolutePath = Path("/var/lib/tracerd")
    probes: tuple[str, ...] = ()
    code_integrity: Literal["auto", "enforce"] = "auto"
    control: ControlSection = ControlSection()
    access: AccessSection = AccessSection()
    limits: LimitsSection = LimitsSection()
    sources: SourcesSection = SourcesSection()
    log: LogSection = LogSection()
    service: ServiceSection = ServiceSection()
    exporters: dict[Name, dict[str, Any]] = Field(default_factory=dict)
    _path: Path | None = PrivateAttr(default=None)
    _where: str = PrivateAttr(default="configuration")

    @property
    def path(self) -> Path | None:
        """The file it was read from; None: there is none, all is by default."""
        return self._path

    @property
    def where(self) -> str:
        """What errors call it."""
        return self._where

    @property
    def folder(self) -> Path:
        """What the paths of `probes` are relative to."""
        return (self._path if self._path is not None else DEFAULT_FILE).absolute().parent


def read_config(path: Path | None = None) -> DaemonConfig:
    """Read and validate a tracerd.toml; None means the default file, which need not be there.

    Raises:
        ConfigError: it cannot be read, somebody else could have written it, it is not TOML, or it says something
            unknown or impossible.
    """
    if path is None:
        path = DEFAULT_FILE
        try:
            path.lstat()                 # a link that leads nowhere is a mistake, not an absent file
        except (FileNotFoundError, NotADirectoryError):
            return DaemonConfig()
        except OSError as error:
            raise ConfigError(str(path), f"cannot be read: {error.strerror}") from error
    config = parse_config(read_trusted(path), str(path))
    config._path = path
    return config


def parse_config(text: str, where: str) -> DaemonConfig:
    """Validate the text of a tracerd.toml; `where` is what errors call it.

    Raises:
        ConfigError: it is not TOML, or says something unknown or impossible.
    """
    config = validate(DaemonConfig, parse_toml(text, where), where)
    config._where = where
    return config


def exporter_kind(name: str, section: dict[str, Any], where: str) -> tuple[str, dict[str, Any]]:
    """Return which exporter a section configures, and what is left for it to validate.

    It is the one that the section is named after, unless `kind` says another: so there can be two of a kind.

    Raises:
        ConfigError: `kind` is not a name.
    """
    kind = section.get("kind", name)
    if not isinstance(kind, str):
        raise ConfigError(f"{where}: exporters.{name}.kind", f"{kind!r} is not the name of an exporter")
    return kind, {key: value for key, value in section.items() if key != "kind"}


def changed_keys(before: BaseModel, after: BaseModel, name: str) -> list[str]:
    """Return the keys under `name` in which two configurations differ, as one writes them: "sources.perf.pages"."""
    old, new = getattr(before, name), getattr(after, name)
    if isinstance(old, BaseModel) and isinstance(new, BaseModel):
        return [f"{name}.{key}" for each in type(old).model_fields for key in changed_keys(old, new, each)]
    return [name] if old != new else []
