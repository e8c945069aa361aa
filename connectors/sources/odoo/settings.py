"""The table `[sources.<name>]` of an Odoo server."""

import re
from typing import Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from connectors.settings import server_root
from connectors.sources.crm.settings import CrmSettings

_KEY = re.compile(r"[\x21-\x7e]{1,512}")


class OdooSettings(CrmSettings):
    """An account with an Odoo server. `url` is the server's root, `transport` how it is spoken to: JSON-2 takes an
    `api_key` (and the `database`, where the server has several), JSON-RPC `database`, `username` and `password`, or
    the `api_key` in place of the password (14 and later). "auto" asks the server for its version."""

    type: Literal["odoo"]
    url: str = Field(min_length=1)
    database: str = ""
    username: str = ""
    password: SecretStr | None = Field(default=None, min_length=1)
    api_key: SecretStr | None = Field(default=None, min_length=1)
    transport: Literal["auto", "json-2", "json-rpc"] = "auto"

    @field_validator("url")
    @classmethod
    def _root_of_a_server(cls, value: str) -> str:
        return server_root(value)

    @field_validator("database")
    @classmethod
    def _fits_into_a_header(cls, value: str) -> str:
        if value and not _KEY.fullmatch(value):
            raise ValueError("must be the database's name: plain characters without a space")
        return value

    @field_validator("api_key")
    @classmethod
    def _is_a_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not _KEY.fullmatch(value.get_secret_value()):
            raise ValueError("must be a key as Odoo shows it: plain characters without a space")
        return value

    @model_validator(mode="after")
    def _can_get_in(self) -> Self:
        if self.transport == "json-2" and self.api_key is None:
            raise ValueError('api_key: missing; transport = "json-2" knows no passwords')
        if self.transport == "json-rpc" and self.lacking_for_rpc:
            raise ValueError(f'{self.lacking_for_rpc}: missing, with transport = "json-rpc"')
        if self.transport == "auto" and self.api_key is None and self.lacking_for_rpc:
            raise ValueError(
                f"{self.lacking_for_rpc}: missing; give an api_key (Odoo 19 and later), or database, username, password"
            )
        return self

    @property
    def lacking_for_rpc(self) -> str:
        """The first key that JSON-RPC needs and that is not given, "" when there is none."""
        if not self.database:
            return "database"
        if not self.username:
            return "username"
        return "" if self.password or self.api_key else "password"

    @property
    def password_for_rpc(self) -> str:
        """The password, or the key in its place."""
        given = self.password or self.api_key
        return given.get_secret_value() if given else ""
