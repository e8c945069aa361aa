"""The table `[sources.<name>]` of a calendar on a CalDAV server."""

import re
from typing import Literal, Self

import httpx
from pydantic import Field, SecretStr, field_validator, model_validator

from connectors.addresses import same_origin
from connectors.sources.ical.settings import CalendarSettings

_IN_A_HEADER = re.compile(r"[\x21-\x7e]+")


class CalDavSettings(CalendarSettings):
    """Where the calendar is, who reads it and how. `url` is the server, an account on it or the calendar itself;
    `calendar` (an address, a path or a display name) says which one when there are several. `full_every`: of so many
    reads one lists the whole calendar, for servers that forget to tell of a deletion."""

    type: Literal["caldav"]
    url: str = Field(min_length=1)
    username: str | None = None
    password: SecretStr | None = None
    token: SecretStr | None = None
    calendar: str = ""
    full_every: int = Field(default=24, ge=1, le=10_000)

    @field_validator("url")
    @classmethod
    def _web_address(cls, value: str) -> str:
        try:
            parsed = httpx.URL(value.strip())
        except httpx.InvalidURL:
            raise ValueError("not a valid URL") from None
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise ValueError("must begin with http:// or https:// and a host")
        if parsed.port is not None and not 0 < parsed.port < 65536:
            raise ValueError("there is no such port")
        if parsed.userinfo or parsed.query or parsed.fragment:
            raise ValueError("must be an address without a user, a query and a fragment")
        return str(parsed)

    @field_validator("token")
    @classmethod
    def _sendable(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not _IN_A_HEADER.fullmatch(value.get_secret_value()):
            raise ValueError("must be plain characters, without a space")
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.username is None) != (self.password is None):
            missing = "password" if self.password is None else "username"
            raise ValueError(f"{missing}: missing (both are needed to log in, or none)")
        if self.username == "" or (self.password is not None and not self.password.get_secret_value()):
            raise ValueError("username and password: must not be empty")
        if self.token is not None and self.username is not None:
            raise ValueError("token: there is a password as well; only one of them is possible")
        if is_address(self.calendar):
            try:
                there = httpx.URL(self.url).join(self.calendar)
                ours = same_origin(there, httpx.URL(self.url)) and not there.userinfo
            except (httpx.InvalidURL, ValueError):
                ours = False
            if not ours:
                raise ValueError("calendar: must be on the host of url, which is the only one that gets the password")
        return self


def is_address(calendar: str) -> bool:
    """Whether the setting `calendar` is an address or a path, and no name."""
    return calendar.startswith(("http://", "https://", "/"))
