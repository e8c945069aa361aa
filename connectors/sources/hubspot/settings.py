"""The table `[sources.<name>]` of a HubSpot account."""

import ipaddress
import re
from typing import Literal

import httpx
from pydantic import Field, SecretStr, field_validator

from connectors.sources.crm.settings import CrmSettings

_SENDABLE = re.compile(r"[\x21-\x7e]+")


class HubspotSettings(CrmSettings):
    """The account's key and how its meetings are understood. `version` is the dated version of the API, or "v3" for the
    paths before these (associations are those of v4 then). `rescheduled`: what the outcome of that name means."""

    type: Literal["hubspot"]
    token: SecretStr = Field(min_length=1)
    url: str = "https://api.hubapi.com"
    version: str = Field(default="2026-09", pattern=r"^(20\d\d-(03|09)|v3)$")
    rescheduled: Literal["keep", "cancel"] = "keep"

    @field_validator("token")
    @classmethod
    def _fits_a_header(cls, value: SecretStr) -> SecretStr:
        if not _SENDABLE.fullmatch(value.get_secret_value()):
            raise ValueError("must be plain characters, without a space")
        return value

    @field_validator("url")
    @classmethod
    def _safe_address(cls, value: str) -> str:
        try:
            parsed = httpx.URL(value.strip())
            host = parsed.host
        except (httpx.InvalidURL, ValueError):
            raise ValueError("not a valid URL") from None
        if not host or parsed.userinfo or parsed.query or parsed.fragment:
            raise ValueError("must be the server's root: a host, no user, no query, no fragment")
        if parsed.scheme != "https" and not (parsed.scheme == "http" and _is_here(host)):
            raise ValueError("must begin with https://, because the key goes there")
        return str(parsed).rstrip("/")


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
