"""The configuration: a TOML file, overridden by systemd credentials, overridden by the environment.

`load` gives a validated `Settings` or raises ConfigurationError with a line that names file, table and key.
"""

import difflib
import json
import os
import re
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Literal, TypeVar, get_origin

from pydantic import BaseModel, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from connectors.settings import Duration, StrictSettings, VendorPlugin, VendorSettings
from connectors.sources.ical import IcalSettings
from sync.errors import ConfigurationError

M = TypeVar("M", bound=BaseModel)

ENV_PREFIX = "CONVENER_"
PLACES = ("convener.toml", "/etc/convener/convener.toml")


class DaemonSettings(StrictSettings):
    """The `[daemon]` table."""

    listen: str = "127.0.0.1:8377"
    drift_every: Duration = timedelta(hours=6)


class MatchSettings(StrictSettings):
    """The `[routes.<name>.match]` table."""

    categories: tuple[str, ...] = ()
    summary: re.Pattern[str] | None = None
    location: re.Pattern[str] | None = None
    organizer: tuple[str, ...] = ()


class PublishSettings(StrictSettings):
    """The `[routes.<name>.publish]` table."""

    feed: str | None = None
    write_back: bool = False


class RouteSettings(StrictSettings):
    """A `[routes.<name>]` table."""

    source: str
    vendor: str
    ahead: Duration = timedelta(days=30)
    behind: Duration = timedelta(days=1)
    invite: Literal["register", "email", "none"] = "register"
    declined: Literal["skip", "keep"] = "skip"
    series: Literal["occurrences", "room"] = "occurrences"
    drift: Literal["repair", "report"] = "repair"
    existing_link: Literal["skip", "add"] = "skip"
    on_unsupported_update: Literal["keep", "replace"] = "keep"
    title_marker: bool = True
    looks: tuple[Duration, ...] = tuple(timedelta(minutes=m) for m in (5, 30, 120, 360, 1440, 4320))
    max_delete_percent: int = Field(default=30, ge=0, le=100)
    guard_from: int = Field(default=5, ge=1)
    freeze: Duration = timedelta(minutes=15)
    match: MatchSettings = MatchSettings()
    publish: PublishSettings = PublishSettings()


class _Layers(BaseSettings):
    """The raw configuration, merged from its three layers; tables are checked afterwards, each by its own model."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_nested_delimiter="__", extra="ignore", hide_input_in_errors=True
    )

    database: str = "sqlite:///convener.db"
    archive: str = "archive"
    daemon: dict[str, Any] = {}
    sources: dict[str, Any] = {}
    vendors: dict[str, Any] = {}
    routes: dict[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Settings:
    """The validated configuration. `path` is the file, to whose folder relative paths belong."""

    path: Path
    database: SecretStr
    archive: Path
    daemon: DaemonSettings
    sources: Mapping[str, IcalSettings]
    vendors: Mapping[str, VendorSettings]
    routes: Mapping[str, RouteSettings]

    @property
    def folder(self) -> Path:
        """The folder that relative paths belong to."""
        return self.path.parent

    def database_url(self) -> str:
        """The database's URL with an SQLite path made absolute. Holds a password: never show it."""
        text = self.database.get_secret_value()
        url = make_url(text)
        if url.drivername == "sqlite" and url.database and url.database != ":memory:":
            return str(url.set(database=str(self.folder / url.database)))
        return text


def find_file(given: str | None) -> Path:
    """The configuration file: `--config`, $CONVENER_CONFIG, ./convener.toml, /etc/convener/convener.toml."""
    named = given or os.environ.get("CONVENER_CONFIG")
    if named:
        path = Path(named)
        if not path.is_file():
            raise ConfigurationError(f"{named}: no such configuration file")
        return path.absolute()
    for place in PLACES:
        if Path(place).is_file():
            return Path(place).absolute()
    raise ConfigurationError("no configuration file: give --config FILE, or write one with `convener init`")


def load(path: Path) -> Settings:
    """The configuration behind `path`. Raises ConfigurationError."""
    raw = _merged(path)
    shown = path.name
    if not _is_database_url(raw["database"]):
        raise ConfigurationError(f"{shown}: database: not a database URL (sqlite:///file or postgresql://…)")
    sources = {n: _table(shown, f"sources.{n}", _source_model(shown, n, t), t) for n, t in raw["sources"].items()}
    vendors = {n: _table(shown, f"vendors.{n}", _vendor_model(shown, n, t), t) for n, t in raw["vendors"].items()}
    routes = {n: _table(shown, f"routes.{n}", RouteSettings, t) for n, t in raw["routes"].items()}
    for name, route in routes.items():
        _known(shown, f"routes.{name}", "source", route.source, sources)
        _known(shown, f"routes.{name}", "vendor", route.vendor, vendors)
    return Settings(
        path=path,
        database=SecretStr(raw["database"]),
        archive=path.parent / raw["archive"],
        daemon=_table(shown, "daemon", DaemonSettings, raw["daemon"]),
        sources=sources,
        vendors=vendors,
        routes=routes,
    )


def _is_database_url(text: str) -> bool:
    try:
        return make_url(text).get_backend_name() in ("sqlite", "postgresql", "postgres")
    except (ArgumentError, ValueError):  # a port that is no number is a ValueError that quotes it
        return False


def vendor_plugins() -> dict[str, VendorPlugin]:
    """The vendors that are installed, by type (entry points of the group `convener.connectors`)."""
    return {point.name: point.load() for point in entry_points(group="convener.connectors")}


def vendor_plugin(kind: str) -> VendorPlugin | None:
    """The vendor of that type, None when there is none; the others are not even imported."""
    for point in entry_points(group="convener.connectors", name=kind):
        plugin: VendorPlugin = point.load()
        return plugin
    return None


def _merged(path: Path) -> dict[str, Any]:
    """The three layers on top of each other."""

    class Layered(_Layers):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            toml = TomlConfigSettingsSource(settings_cls, path)
            for key in toml.toml_data:
                if key not in _Layers.model_fields:
                    raise ConfigurationError(_unknown_key(path.name, "", key, _Layers.model_fields))
            credentials = _Credentials(settings_cls, os.environ.get("CREDENTIALS_DIRECTORY"))
            above = (_Environment(settings_cls), credentials)
            return *(_as_spelled(layer, toml.toml_data) for layer in above), toml

    try:
        return Layered().model_dump()
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path.name}: not valid TOML: {error}") from error
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise ConfigurationError(f"{path.name}: cannot be read: {reason}") from error
    except ValidationError as error:
        raise ConfigurationError(_first_problem(path.name, "", _Layers, error)) from error


class _Environment(EnvSettingsSource):
    """Variables: JSON only where it is a table or a list, so that a password of digits stays one."""

    def decode_complex_value(self, field_name: str, field: Any, value: Any) -> Any:
        """Never raises: what is wrong is told by the table's own model."""
        with suppress(ValueError):
            decoded = json.loads(value)
            if isinstance(decoded, (dict, list)):
                return decoded
        return value


def _as_spelled(layer: PydanticBaseSettingsSource, file: Mapping[str, Any]) -> Any:
    """The layer's values under the names that the file uses: variables and credentials know no capitals."""

    def values() -> dict[str, Any]:
        found = layer()
        for first, table in found.items():
            if isinstance(table, dict) and isinstance(file.get(first), dict):
                spelled = {name.lower(): name for name in file[first]}
                found[first] = {spelled.get(name.lower(), name): value for name, value in table.items()}
        return found

    return values


class _Credentials(PydanticBaseSettingsSource):
    """systemd credentials: a file `vendors__main__password` is the key `password` of `[vendors.main]`."""

    def __init__(self, settings_cls: type[BaseSettings], folder: str | None) -> None:
        super().__init__(settings_cls)
        self._folder = Path(folder) if folder else None

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        """Not used: `__call__` reads all at once."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """All credentials whose name starts with one of our tables or keys; others are not ours."""
        merged: dict[str, Any] = {}
        for file in sorted(self._folder.iterdir()) if self._folder and self._folder.is_dir() else ():
            first, *rest = file.name.lower().split("__")
            if first not in _Layers.model_fields:
                continue
            table = merged
            for part in [first, *rest][:-1]:
                table = table.setdefault(part, {})
                if not isinstance(table, dict):
                    raise ConfigurationError(f"credential {file.name}: another one is given in place of its table")
            try:
                table[[first, *rest][-1]] = file.read_text(encoding="utf-8").rstrip("\r\n")
            except (OSError, UnicodeDecodeError) as error:
                reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
                raise ConfigurationError(f"credential {file.name}: cannot be read: {reason}") from error
        return merged


def _source_model(file: str, name: str, table: Any) -> type[IcalSettings]:
    kind = table.get("type") if isinstance(table, dict) else None
    if kind != "ical":
        raise ConfigurationError(_unknown_type(file, f"sources.{name}", kind, ["ical"]))
    return IcalSettings


def _vendor_model(file: str, name: str, table: Any) -> type[VendorSettings]:
    kind = table.get("type") if isinstance(table, dict) else None
    plugin = vendor_plugin(kind) if isinstance(kind, str) else None
    if plugin is None:
        known = entry_points(group="convener.connectors").names
        raise ConfigurationError(_unknown_type(file, f"vendors.{name}", kind, sorted(known)))
    return plugin.settings


def _unknown_type(file: str, table: str, kind: object, known: list[str]) -> str:
    if kind is None:
        return f"{file}: [{table}] type: missing; one of {', '.join(known)}"
    near = difflib.get_close_matches(str(kind), known, 1)
    return f'{file}: [{table}] type: "{kind}" is not known, ' + (
        f'did you mean "{near[0]}"?' if near else f"use one of {', '.join(known)}"
    )


def _known(file: str, table: str, key: str, name: str, tables: Mapping[str, Any]) -> None:
    if name not in tables:
        near = difflib.get_close_matches(name, list(tables), 1)
        hint = f', did you mean "{near[0]}"?' if near else f" (there is no [{key}s.{name}])"
        raise ConfigurationError(f'{file}: [{table}] {key}: "{name}" is not defined{hint}')


def _table(file: str, name: str, model: type[M], table: Any) -> M:
    if not isinstance(table, dict):
        raise ConfigurationError(f"{file}: [{name}]: must be a table")
    try:
        return model.model_validate(table)
    except ValidationError as error:
        raise ConfigurationError(_first_problem(file, name, model, error)) from error


_PLAIN = {"missing": "missing", "model_type": "must be a table", "dict_type": "must be a table"}


def _first_problem(file: str, table: str, model: type[BaseModel], error: ValidationError) -> str:
    """The first error as one line; unknown keys first, because a missing key is often a misspelt one."""
    problems = sorted(
        error.errors(include_url=False, include_input=False), key=lambda e: e["type"] != "extra_forbidden"
    )
    problem = problems[0]
    *outer, key = [str(part) for part in problem["loc"]] or [""]
    inner: Any = model
    for part in outer:
        field = inner.model_fields.get(part) if isinstance(inner, type) and issubclass(inner, BaseModel) else None
        inner = field.annotation if field else None
        if inner is None:
            break
        has_keys = isinstance(inner, type) and issubclass(inner, BaseModel)
        table = f"{table}.{part}" if has_keys or get_origin(inner) is dict else table
    if problem["type"] == "extra_forbidden":
        return _unknown_key(file, table, key, getattr(inner, "model_fields", {}))
    if key.isdigit() and outer:
        key = outer[-1]
    message = _PLAIN.get(problem["type"], problem["msg"].removeprefix("Value error, "))
    if problem.get("ctx", {}).get("min_length") == 1:
        message = "must not be empty"
    where = f"[{table}] " if table else ""
    # A rule about several keys names them in its message.
    return f"{file}: {where}{f'{key}: ' if key else ''}{message[:1].lower() + message[1:]}"


def _unknown_key(file: str, table: str, key: str, known: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(key, list(known), 1, 0.5)
    hint = f', did you mean "{near[0]}"?' if near else f"; known are {', '.join(sorted(known))}"
    return f"{file}: {f'[{table}] ' if table else ''}{key}: unknown key{hint}"
