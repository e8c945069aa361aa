"""The configuration that sources and vendors have in common, and the types their own settings use."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import available_timezones

import httpx
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, field_validator

from sync.model import Capabilities
from sync.ports import Connector, Source

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_DURATION = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)\s*$")

LONGEST = timedelta(days=36525)
"""A hundred years: what is longer would leave the calendar when it is added to a date."""


def parse_duration(value: Any) -> timedelta:
    """A duration such as "90s", "5m", "1h" or "30d". Raises ValueError."""
    if isinstance(value, timedelta):
        return value
    match = _DURATION.match(value) if isinstance(value, str) else None
    if not match:
        raise ValueError('not a duration; write for example "90s", "5m", "1h" or "30d"')
    seconds = float(match[1]) * _UNITS[match[2]]
    if seconds > LONGEST.total_seconds():
        raise ValueError(f'longer than "{LONGEST.days}d"')
    return timedelta(seconds=seconds)


@cache
def _zones() -> dict[str, str]:
    return {name.lower(): name for name in available_timezones()}


def iana_name(name: str) -> str | None:
    """The zone's name as the IANA database spells it, whatever the case; None when it has none."""
    return _zones().get(name.strip().lower())


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]

_SENDABLE = re.compile(r"[\x21-\x7e]{16,512}")


def _hard_to_guess(value: SecretStr) -> SecretStr:
    if not _SENDABLE.fullmatch(value.get_secret_value()):
        raise ValueError("must be 16 to 512 plain characters, without a space")
    return value


DoorSecret = Annotated[SecretStr, AfterValidator(_hard_to_guess)]
"""What lets others in over HTTP: long enough not to be guessed, and such that it can stand in a header."""


def server_root(text: str) -> str:
    """The address of a server's root as people write it, without a slash at its end. Raises ValueError unless it is an
    http(s) one with a host, and without a user, a query and a fragment."""
    try:
        parsed = httpx.URL(text.strip())
        host = parsed.host
    except (httpx.InvalidURL, ValueError):
        raise ValueError("not a valid URL") from None
    if parsed.scheme not in ("http", "https") or not host:
        raise ValueError("must begin with http:// or https:// and a host")
    if parsed.port is not None and not 0 < parsed.port < 65536:
        raise ValueError("there is no such port")
    if parsed.userinfo or parsed.query or parsed.fragment:
        raise ValueError("must be the server's root: no user, no query, no fragment")
    return str(parsed).rstrip("/")


class StrictSettings(BaseModel):
    """A table of the configuration: unknown keys are errors, defaults are checked, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, hide_input_in_errors=True)


class VendorSettings(StrictSettings):
    """What every `[vendors.<name>]` table may set."""

    type: str
    url: str = Field(min_length=1)
    concurrency: int = Field(default=8, ge=1, le=64)
    timeout: Duration = timedelta(seconds=30)
    rate: float | None = Field(default=None, gt=0)
    settle: Duration = timedelta(seconds=60)
    allow_private: bool = False
    hook_secret: DoorSecret | None = None

    @field_validator("url")
    @classmethod
    def _web_address(cls, value: str) -> str:
        return server_root(value)

    @field_validator("timeout")
    @classmethod
    def _some_time(cls, value: timedelta) -> timedelta:
        if value <= timedelta(0):
            raise ValueError("must be longer than nothing")
        return value


class SourceSettings(StrictSettings):
    """What every `[sources.<name>]` table may set. `timezone` is the zone of times that name none."""

    type: str
    poll: Duration = timedelta(minutes=5)
    timezone: str = "UTC"
    all_day: bool = False
    tentative: bool = True
    allow_private: bool = False
    timeout: Duration = timedelta(seconds=30)
    hook_secret: DoorSecret | None = None

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if iana_name(value) is None:
            raise ValueError('not a time zone of the IANA database; write for example "Europe/Berlin" or "UTC"')
        return value

    @field_validator("poll")
    @classmethod
    def _not_too_often(cls, value: timedelta) -> timedelta:
        if value < timedelta(seconds=1):
            raise ValueError('must be at least "1s"')
        return value

    @field_validator("timeout")
    @classmethod
    def _some_time_to_answer(cls, value: timedelta) -> timedelta:
        if value <= timedelta(0):
            raise ValueError("must be longer than nothing")
        return value


@dataclass(frozen=True, slots=True)
class SourcePlugin:
    """A type of source: its settings and how to connect. `connect(name, settings, folder, locked)`: relative paths
    belong to `folder`, and a locked source cannot write. `writable`: it is a `sync.outlets.WritableSource`, too."""

    settings: type[SourceSettings]
    connect: Callable[[str, Any, Path, bool], Source]
    writable: bool = False


@dataclass(frozen=True, slots=True)
class VendorPlugin:
    """What a vendor's entry point (group `convener.connectors`) offers: its settings and how to connect.

    `connect(settings, locked)` gives a connector; a locked one cannot write. `capabilities` are those of an account
    that uses all that its settings offer; a connector's own may be less. `check_hook(secret, body)` is the vendor's own
    way to prove what it posts, where it has one: it raises a ConvenerError for what is not genuine.
    """

    settings: type[VendorSettings]
    connect: Callable[[Any, bool], Connector]
    capabilities: Capabilities
    check_hook: Callable[[str, bytes], object] | None = None
