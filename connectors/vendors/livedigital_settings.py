"""The configuration of one livedigital account."""

import re
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator, model_validator

from connectors.settings import Duration, VendorSettings
from connectors.vendors.livedigital_wire import TTL_LONGEST

Secret = Annotated[SecretStr, Field(min_length=1)]
Name = Annotated[str, Field(min_length=1)]

SHORTEST_LIFE, LONGEST_LIFE = timedelta(minutes=1), timedelta(days=30)
GRANT_KEYS = ("client_id", "client_secret", "username", "password")


class LivedigitalSettings(VendorSettings):
    """`[vendors.<name>]` with type = "livedigital": `url` is the API's root, `front_url` where people meet.

    The account is let in by `access_token`, or by `client_id`, `client_secret`, `username` (the e-mail) and
    `password`. One and the same user has to make all rooms: only a private room's maker may let others in.
    """

    type: Literal["livedigital"]
    front_url: str = Field(min_length=1)
    space: str = Field(min_length=1)
    access_token: Secret | None = None
    client_id: Name | None = None
    client_secret: Secret | None = None
    username: Name | None = None
    password: Secret | None = None
    create_space: bool = False
    public: bool = False
    guest_links: bool = True
    guest_link_life: Duration = TTL_LONGEST
    marker: Literal["redirect_url", "name"] = "redirect_url"
    attendance: bool = True
    lists_are_whole: bool = False
    retention: Duration | None = None

    @field_validator("url")
    @classmethod
    def _root_of_the_api(cls, value: str) -> str:
        if value.endswith("/v1"):
            raise ValueError("must be the server's root, without /v1")
        return value

    @field_validator("front_url")
    @classmethod
    def _root_of_the_front(cls, value: str) -> str:
        return cls._web_address(value)

    @field_validator("space")
    @classmethod
    def _trimmed(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("must name a space")
        return value.strip()

    @field_validator("access_token")
    @classmethod
    def _sendable(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not re.fullmatch(r"[\x21-\x7e]+", value.get_secret_value()):
            raise ValueError("must be one word of plain characters")
        return value

    @field_validator("client_secret", "password")
    @classmethod
    def _not_blank(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not value.get_secret_value().strip():
            raise ValueError("must not be empty")
        return value

    @field_validator("client_id")
    @classmethod
    def _named(cls, value: str | None) -> str | None:
        if value is not None and not value.strip():
            raise ValueError("must not be empty")
        return value

    @field_validator("username")
    @classmethod
    def _an_address(cls, value: str | None) -> str | None:
        if value is not None and "@" not in value:
            raise ValueError("must be the account's e-mail address: names are not unique there")
        return value

    @field_validator("guest_link_life")
    @classmethod
    def _a_sensible_life(cls, value: timedelta) -> timedelta:
        if not SHORTEST_LIFE <= value <= LONGEST_LIFE:
            raise ValueError('must be from "1m" to "30d"; servers are known to take "5d" at most')
        return value

    @model_validator(mode="after")
    def _one_way_in(self) -> "LivedigitalSettings":
        given = [name for name in GRANT_KEYS if getattr(self, name) is not None]
        if self.access_token is not None and given:
            raise ValueError(f"access_token: it and {given[0]} exclude each other")
        if self.access_token is None and len(given) < len(GRANT_KEYS):
            missing = ", ".join(name for name in GRANT_KEYS if name not in given)
            raise ValueError(f"access_token: missing (or give {missing})")
        return self
