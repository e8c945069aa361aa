"""The table `auth`: how a CRM knows us. A secret may stand there itself, or be named: `env:NAME`, `file:/path`."""

import os
from base64 import b64encode
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo, model_validator

from connectors.addresses import is_safe
from connectors.settings import StrictSettings

MOST_BYTES = 65_536
_NEEDS = {
    "none": (),
    "header": ("name", "secret"),
    "bearer": ("secret",),
    "basic": ("username", "secret"),
    "oauth2-client-credentials": ("client_id", "secret", "token_url"),
}


def folder_of(info: ValidationInfo) -> Path:
    """The folder that relative paths belong to: that of the configuration file, when whoever validates says so."""
    context = info.context if isinstance(info.context, dict) else {}
    return Path(context.get("folder") or ".")


def _resolved(value: SecretStr, info: ValidationInfo) -> SecretStr:
    """The secret itself. Raises ValueError when it is named and not there, or cannot be sent."""
    text = value.get_secret_value()
    if text.startswith("env:"):
        text = os.environ.get(name := text.removeprefix("env:"), "")
        if not text:
            raise ValueError(f"the environment variable {name} is not set")
    elif text.startswith("file:"):
        text = _from_file(folder_of(info) / Path(text.removeprefix("file:").removeprefix("//")))
    if not text:
        raise ValueError("must not be empty")
    if not all(" " <= one <= "\xff" and one != "\x7f" for one in text):
        raise ValueError("holds characters that cannot be sent")
    return SecretStr(text)


def _from_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
        text = raw.decode("utf-8")
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror or type(error).__name__})") from error
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8") from None
    if len(raw) > MOST_BYTES:
        raise ValueError(f"{path} is larger than {MOST_BYTES} bytes")
    return text.rstrip("\r\n")


class Auth(StrictSettings):
    """The account. `secret` is the key, the token, the password or the client's secret, whichever `kind` takes;
    `name` is the header that holds a key. `token_url` is a path behind the source's `url`, or an address."""

    kind: Literal["none", "header", "bearer", "basic", "oauth2-client-credentials"]
    name: str = Field(default="", pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]*$")
    username: str = ""
    client_id: str = ""
    secret: Annotated[SecretStr, AfterValidator(_resolved)] | None = None
    token_url: str = ""
    scope: str = ""

    @model_validator(mode="after")
    def _all_it_takes(self) -> Self:
        for key in _NEEDS[self.kind]:
            if not getattr(self, key):
                raise ValueError(f'{key}: missing; kind = "{self.kind}" takes {" and ".join(_NEEDS[self.kind])}')
        if self.token_url and not self.token_url.startswith("/"):
            parsed = urlsplit(self.token_url)
            if not (is_safe(self.token_url) and parsed.netloc and "@" not in parsed.netloc):
                raise ValueError("token_url: must be a path, or an https:// address")
        if any(not " " <= one <= "\x7e" for one in self.username + self.client_id + self.scope):
            raise ValueError("username, client_id and scope: plain characters only")
        return self

    def fixed_headers(self) -> dict[str, str]:
        """The headers that every request carries; none for OAuth, whose token is asked for first."""
        secret = self.secret.get_secret_value() if self.secret is not None else ""
        if self.kind == "header":
            return {self.name: secret}
        if self.kind == "bearer":
            return {"Authorization": f"Bearer {secret}"}
        if self.kind == "basic":
            return {"Authorization": "Basic " + b64encode(f"{self.username}:{secret}".encode()).decode("ascii")}
        return {}
