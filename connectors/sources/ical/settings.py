"""The table `[sources.<name>]` of an iCalendar feed."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from pydantic import Field, SecretStr, field_validator

from connectors.settings import DoorSecret, Duration, StrictSettings
from connectors.sources.ical.zones import iana_zone


class IcalSettings(StrictSettings):
    """A feed's address, how often and how it is read. The address of a private feed is itself a secret."""

    type: Literal["ical"]
    url: SecretStr = Field(min_length=1)
    poll: Duration = timedelta(minutes=5)
    timezone: str = "UTC"
    all_day: bool = False
    tentative: bool = True
    max_occurrences: int = Field(default=1000, ge=1)
    allow_private: bool = False
    timeout: Duration = timedelta(seconds=30)
    hook_secret: DoorSecret | None = None

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if iana_zone(value) is None:
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
    def _some_time(cls, value: timedelta) -> timedelta:
        if value <= timedelta(0):
            raise ValueError("must be longer than nothing")
        return value

    @field_validator("url")
    @classmethod
    def _readable_address(cls, value: SecretStr) -> SecretStr:
        locate(value.get_secret_value(), Path("/"))
        return value


def locate(url: str, base: Path) -> str | Path:
    """Where a feed is: an http(s) URL (webcal:// is https), or a file (paths are relative to `base`).

    Raises ValueError when the address is neither.
    """
    text = url.strip()
    scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]+):", text)
    if scheme is None:
        return base / Path(text).expanduser()
    name = scheme[1].lower()
    if name == "file":
        parts = urlsplit(text)
        if parts.netloc.lower() not in ("", "localhost"):
            raise ValueError("a file URL must not name another host")
        return base / unquote(parts.path)
    if name in ("http", "https", "webcal", "webcals"):
        rest = text[scheme.end() :]
        try:
            host = urlsplit("https:" + rest).hostname
        except ValueError as error:
            raise ValueError("the address is not a valid URL") from error
        if not host:
            raise ValueError("the address has no host")
        return ("http:" if name == "http" else "https:") + rest
    raise ValueError("must be an http, https, webcal or file URL, or the path of a file")
