"""The configuration: a TOML file, overridden by systemd credentials, overridden by the environment.

`load` gives a validated `Settings` or raises ConfigurationError with a line that names file, table and key.
"""

import difflib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ByteSize, Field, SecretStr, ValidationError, field_validator, model_validator
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from connectors.feed import feed_path
from connectors.mail import MailSettings
from connectors.settings import (
    DoorSecret,
    Duration,
    SourcePlugin,
    SourceSettings,
    StrictSettings,
    VendorPlugin,
    VendorSettings,
)
from daemon.keys import checked_key
from daemon.layers import first_problem, merged
from daemon.listen import listen_address
from daemon.ping import checked_url
from daemon.urls import BaseAddress
from sync.errors import ConfigurationError

M = TypeVar("M", bound=BaseModel)

PLACES = ("convener.toml", "/etc/convener/convener.toml")

_VENDORS, _SOURCES = "convener.connectors", "convener.sources"
_SIZE = re.compile(r"\s*(\d+|\d+(\.\d+)?\s*[kKmMgGtTpP]i?[bB]?)\s*")


class TopSettings(StrictSettings):
    """The keys about the archive, which stand outside of any table. `archive_max_size` is in bytes."""

    archive: str = Field(min_length=1)
    archive_url: BaseAddress = ""
    archive_max_age: Duration | None = None
    archive_max_size: ByteSize | None = None

    @field_validator("archive_max_size", mode="before")
    @classmethod
    def _whole_bytes(cls, value: Any) -> Any:
        # What stands for a size would else be cut to whole bytes, and 1 byte empties the archive.
        if value is not None and not _SIZE.fullmatch(str(value)):
            raise ValueError('must be a size such as "50GB", or a whole number of bytes')
        return value

    @field_validator("archive_max_size")
    @classmethod
    def _some_bytes(cls, value: ByteSize | None) -> ByteSize | None:
        if value == 0:
            raise ValueError("must be over 0")
        return value

    @field_validator("archive_max_age")
    @classmethod
    def _some_time(cls, value: timedelta | None) -> timedelta | None:
        if value == timedelta(0):
            raise ValueError("must be longer than nothing")
        return value


class DaemonSettings(StrictSettings):
    """The `[daemon]` table. `token` lets people in over HTTP; without one, only this very machine is listened to."""

    listen: str = "127.0.0.1:8377"
    token: DoorSecret | None = None
    drift_every: Duration = timedelta(hours=6)
    lease: Duration = timedelta(seconds=30)
    drain: Duration = timedelta(seconds=40)
    ping_url: SecretStr | None = None

    @field_validator("ping_url")
    @classmethod
    def _safe_to_call(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            checked_url(value.get_secret_value())
        return value

    @field_validator("lease")
    @classmethod
    def _renewable(cls, value: timedelta) -> timedelta:
        if value < timedelta(seconds=1):
            raise ValueError("must be at least 1s")
        return value

    @field_validator("listen")
    @classmethod
    def _an_address(cls, value: str) -> str:
        listen_address(value, anywhere=True)
        return value

    @model_validator(mode="after")
    def _on_this_machine_without_a_token(self) -> "DaemonSettings":
        try:
            listen_address(self.listen, anywhere=self.token is not None)
        except ValueError as error:
            raise ValueError(f"listen: {error}") from error
        return self


class MatchSettings(StrictSettings):
    """The `[routes.<name>.match]` table."""

    categories: tuple[str, ...] = Field(default=(), examples=['["Webinar"]'])
    summary: re.Pattern[str] | None = None
    location: re.Pattern[str] | None = None
    organizer: tuple[str, ...] = Field(default=(), examples=['["@example.com"]'])


class PublishSettings(StrictSettings):
    """The `[routes.<name>.publish]` table."""

    feed: str | None = None
    write_back: bool = False

    @field_validator("feed")
    @classmethod
    def _plain_name(cls, value: str | None) -> str | None:
        if value is not None:
            feed_path(Path(), value)
        return value


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
    looks: tuple[Duration, ...] = Field(
        default=tuple(timedelta(minutes=m) for m in (5, 30, 120, 360, 1440, 4320)), examples=['["5m", "1h"]']
    )
    max_delete_percent: int = Field(default=30, ge=0, le=100)
    guard_from: int = Field(default=5, ge=1)
    freeze: Duration = timedelta(minutes=15)
    match: MatchSettings = MatchSettings()
    publish: PublishSettings = PublishSettings()


@dataclass(frozen=True, slots=True)
class Settings:
    """The validated configuration. `path` is the file, to whose folder relative paths belong."""

    path: Path
    database: SecretStr
    archive: str
    archive_max_age: timedelta | None
    archive_max_size: int | None
    daemon: DaemonSettings
    sources: Mapping[str, SourceSettings]
    vendors: Mapping[str, VendorSettings]
    routes: Mapping[str, RouteSettings]
    mail: MailSettings | None = None
    secret_key: SecretStr | None = None
    archive_url: str = ""

    @property
    def folder(self) -> Path:
        """The folder that relative paths belong to."""
        return self.path.parent

    @property
    def state(self) -> Path:
        """Where what a remote archive needs locally is kept: the StateDirectory of systemd, else `folder`."""
        given = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
        return Path(given) if given else self.folder

    @property
    def feeds(self) -> Mapping[str, Path]:
        """The files of the published feeds, by route: in the folder `feeds` beside the archive."""
        local = "://" not in self.archive or self.archive.lower().startswith("file://")
        beside = (self.folder / self.archive.removeprefix("file://")).parent if local else self.state
        named = {name: route.publish.feed for name, route in self.routes.items()}
        return {name: feed_path(beside / "feeds", feed) for name, feed in named.items() if feed}

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
    if not path.is_file():
        raise ConfigurationError(f"{path}: no such configuration file")
    raw = merged(path)
    shown = path.name
    if not _is_database_url(raw["database"]):
        raise ConfigurationError(f"{shown}: database: not a database URL (sqlite:///file or postgresql://…)")
    sources = {
        n: _table(shown, f"sources.{n}", _source_model(shown, n, t), t, path.parent) for n, t in raw["sources"].items()
    }
    vendors = {n: _table(shown, f"vendors.{n}", _vendor_model(shown, n, t), t) for n, t in raw["vendors"].items()}
    routes = {n: _table(shown, f"routes.{n}", RouteSettings, t) for n, t in raw["routes"].items()}
    for name, route in routes.items():
        _known(shown, f"routes.{name}", "source", route.source, sources)
        _known(shown, f"routes.{name}", "vendor", route.vendor, vendors)
        _publishable(shown, name, routes, sources[route.source].type)
    given = {key: raw[key] for key in TopSettings.model_fields if raw[key] is not None}
    top = _table(shown, "", TopSettings, given)
    return Settings(
        path=path,
        database=SecretStr(raw["database"]),
        archive=top.archive,
        archive_max_age=top.archive_max_age,
        archive_max_size=top.archive_max_size,
        daemon=_table(shown, "daemon", DaemonSettings, raw["daemon"]),
        sources=sources,
        vendors=vendors,
        routes=routes,
        mail=_table(shown, "mail", MailSettings, raw["mail"]) if raw["mail"] is not None else None,
        secret_key=checked_key(shown, raw["secret_key"]),
        archive_url=top.archive_url,
    )


def _is_database_url(text: str) -> bool:
    try:
        return make_url(text).get_backend_name() in ("sqlite", "postgresql", "postgres")
    except (ArgumentError, ValueError):  # a port that is no number is a ValueError that quotes it
        return False


def vendor_plugins() -> dict[str, VendorPlugin]:
    """The vendors that are installed, by type (entry points of the group `convener.connectors`)."""
    return {point.name: point.load() for point in entry_points(group=_VENDORS)}


def source_plugins() -> dict[str, SourcePlugin]:
    """The types of sources that are installed (entry points of the group `convener.sources`)."""
    return {point.name: point.load() for point in entry_points(group=_SOURCES)}


@cache
def vendor_plugin(kind: str) -> VendorPlugin | None:
    """The vendor of that type, None when there is none; the others are not even imported. What is installed is looked
    through once a process, for that is slow."""
    for point in entry_points(group=_VENDORS, name=kind):
        plugin: VendorPlugin = point.load()
        return plugin
    return None


@cache
def source_plugin(kind: str) -> SourcePlugin | None:
    """The same for sources."""
    for point in entry_points(group=_SOURCES, name=kind):
        plugin: SourcePlugin = point.load()
        return plugin
    return None


def _source_model(file: str, name: str, table: Any) -> type[SourceSettings]:
    kind = table.get("type") if isinstance(table, dict) else None
    plugin = source_plugin(kind) if isinstance(kind, str) else None
    if plugin is None:
        raise ConfigurationError(_unknown_type(file, f"sources.{name}", kind, _SOURCES))
    return plugin.settings


def _vendor_model(file: str, name: str, table: Any) -> type[VendorSettings]:
    kind = table.get("type") if isinstance(table, dict) else None
    plugin = vendor_plugin(kind) if isinstance(kind, str) else None
    if plugin is None:
        raise ConfigurationError(_unknown_type(file, f"vendors.{name}", kind, _VENDORS))
    return plugin.settings


def _unknown_type(file: str, table: str, kind: object, group: str) -> str:
    known = sorted(entry_points(group=group).names)
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


def _publishable(file: str, name: str, routes: Mapping[str, RouteSettings], source: str) -> None:
    """What a route publishes has a place of its own, and goes back only to a source that can be written."""
    publish = routes[name].publish
    plugin = source_plugin(source)
    if publish.write_back and not (plugin and plugin.writable):
        raise ConfigurationError(
            f'{file}: [routes.{name}.publish] write_back: a source of type "{source}" cannot be written; publish a feed'
        )
    for other, route in routes.items():
        if publish.feed and other != name and route.publish.feed == publish.feed:
            raise ConfigurationError(f'{file}: [routes.{name}.publish] feed: route "{other}" has "{publish.feed}", too')


def _table(file: str, name: str, model: type[M], table: Any, folder: Path | None = None) -> M:
    if not isinstance(table, dict):
        raise ConfigurationError(f"{file}: [{name}]: must be a table")
    try:
        return model.model_validate(table, context={"folder": folder})
    except ValidationError as error:
        raise ConfigurationError(first_problem(file, name, model, error)) from error
