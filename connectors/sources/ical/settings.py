"""The table `[sources.<name>]` of an iCalendar feed, and what every source of iCalendar text may set."""

import re
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from pydantic import Field, SecretStr, field_validator

from connectors.settings import SourceSettings


class CalendarSettings(SourceSettings):
    """How iCalendar text is read, wherever it comes from."""

    max_occurrences: int = Field(default=1000, ge=1)


class IcalSettings(CalendarSettings):
    """A feed's address, how often and how it is read. The address of a private feed is itself a secret."""

    type: Literal["ical"]
    url: SecretStr = Field(min_length=1)

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
