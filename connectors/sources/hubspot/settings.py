"""The table `[sources.<name>]` of a HubSpot account."""

import re
from typing import Literal

from pydantic import Field, SecretStr, field_validator

from connectors.addresses import is_safe
from connectors.settings import server_root
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
        root = server_root(value)
        if not is_safe(root):
            raise ValueError("must begin with https://, because the key goes there")
        return root
