"""One call of a method of Odoo's models, and what Odoo answers when it does not carry one out.

Each call is a database transaction of its own: one that ends in an error had no effect. Which error it was is told by
the name of the exception class, the same in both transports (JSON-RPC: `error.data.name` in a 200, JSON-2: `name` in
the body of a 401, 403, 404, 422 or 500).
"""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from sync.errors import CredentialsRefused, Gone, OutsideError, Refused, UnknownOutcome, Unreachable

MOST_SHOWN = 200
"""Characters of a server's own words."""

_NO = frozenset(
    {"ValueError", "TypeError", "KeyError", "NotFound", "UnprocessableEntity", "UserError", "ValidationError"}
)
"""What Odoo says to a question that it will never answer."""
_ADDRESS = re.compile(r"\S+://\S+")


@dataclass(frozen=True, slots=True)
class Call:
    """`method` of `model`, for the records `ids` where it is about some. `args` are those that JSON-RPC takes by place
    (in this order) and JSON-2 by name, `options` those that both take by name. `write`: it is to have an effect."""

    model: str
    method: str
    ids: tuple[int, ...] | None = None
    args: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    write: bool = False

    @property
    def name(self) -> str:
        """For messages: `calendar.event/write`."""
        return f"{self.model}/{self.method}"


class Transport(Protocol):
    """A way to call methods as one user of one database."""

    async def call(self, call: Call) -> Any:
        """The method's result. Raises OutsideError; for a write, what `Wire.write` raises."""
        ...

    async def uid(self) -> int:
        """The user's own id."""
        ...

    async def enter(self) -> None:
        """Show the credentials afresh, whatever was refused before. Raises CredentialsRefused."""
        ...


class SessionOver(Unreachable):
    """The server wants another login; nothing was done."""


class PasswordRefused(CredentialsRefused):
    """Odoo itself does not take the credentials."""


class NoDatabase(Unreachable):
    """The server does not know which database is meant."""


def complaint(said: Mapping[str, Any], what: str, *, write: bool, secrets: Collection[str]) -> OutsideError:
    """The error that Odoo's own words (`{"name", "message", …}`) stand for."""
    name = said.get("name")
    module, _, kind = (name if isinstance(name, str) else "").rpartition(".")
    message = f"{what}: {kind or 'error'}: {for_people(said.get('message'), secrets)}".rstrip(": ")
    if kind in ("AccessDenied", "Unauthorized"):
        return PasswordRefused(message)
    if kind == "SessionExpiredException":
        return SessionOver(message)
    if kind == "MissingError":
        return Gone(message, 404)
    if kind == "AccessError":
        return Refused(message, 403)
    if module.partition(".")[0] == "psycopg2":  # the database itself, which may have broken off at the very commit
        return UnknownOutcome(message) if write else Unreachable(message)
    if write or kind in _NO:
        return Refused(message)
    return Unreachable(message)  # a read that failed for whatever reason says nothing of what there is


def for_people(text: object, secrets: Collection[str]) -> str:
    """One short line of what a server says, without addresses and secrets."""
    line = " ".join(text.split()) if isinstance(text, str) else ""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        line = line.replace(secret, "…")
    line = _ADDRESS.sub("…", line)
    return line if len(line) <= MOST_SHOWN else line[: MOST_SHOWN - 1] + "…"


def json_of(body: bytes) -> Any:
    """The JSON value. Raises ValueError."""
    try:
        return json.loads(body)
    except RecursionError:
        raise ValueError("nested too deep") from None


def body_of(value: Any) -> bytes:
    """A request's body."""
    return json.dumps(value).encode("ascii")


def unreadable(what: str, why: str, *, write: bool) -> OutsideError:
    """The answer is none of Odoo's: a write may have had its effect."""
    message = f"{what}: unreadable answer ({why})"
    return UnknownOutcome(message) if write else Unreachable(message)
