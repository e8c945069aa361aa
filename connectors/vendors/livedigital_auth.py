"""How an account proves itself: a personal access token, or tokens by client_credentials and password grants.

Creating and reading spaces and rooms needs a user's token: a client's token is refused with 403 and only helps to get
the user's (sections "Authorization" and "createToken" of the public guides). Tokens are renewed when the server says
401, which proves that the request was not carried out; no clock is needed for it.
"""

import asyncio
from dataclasses import dataclass, field
from typing import NoReturn, Protocol

from connectors.answers import Answer, place, raise_for_status
from connectors.http import Wire
from connectors.vendors import livedigital_wire as wire_format
from connectors.vendors.livedigital_wire import Unreadable
from sync.errors import CredentialsRefused, Refused, Unreachable

_HEADERS = {"Accept": "application/json", "Content-Type": "application/json"}

_OUR_MISTAKE = ("invalid_request", "unsupported_grant_type", "invalid_scope")
"""Errors of RFC 6749 section 5.2 that say nothing about the credentials."""


class Bearer(Protocol):
    """Gives the token for the next request. The texts in `secrets` must not come out in any message."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """Everything secret that is known at this moment."""
        ...

    async def token(self) -> str:
        """A token to begin with. Raises CredentialsRefused, also when that is only remembered."""
        ...

    async def renewed(self, stale: str) -> str:
        """Another token, after the server said 401 to `stale`. Raises CredentialsRefused."""
        ...

    async def refuse(self, token: str) -> None:
        """Note that the server said 401 to a token that it had just given."""
        ...

    async def forget(self) -> None:
        """Begin again: whatever is known of tokens and refusals is dropped."""
        ...


class PersonalToken:
    """A token that a person made in the account's page "Integration". It does not expire; it can be withdrawn."""

    def __init__(self, token: str, url: str) -> None:
        self._token = token
        self._where = place(url)

    @property
    def secrets(self) -> tuple[str, ...]:
        """See Bearer."""
        return (self._token,)

    async def token(self) -> str:
        """See Bearer."""
        return self._token

    async def renewed(self, stale: str) -> str:
        """See Bearer: there is no other."""
        raise CredentialsRefused(f"{self._where}: the personal access token is not accepted (401)")

    async def refuse(self, token: str) -> None:
        """See Bearer: never called, as there is no renewal."""

    async def forget(self) -> None:
        """See Bearer: there is nothing to forget."""


@dataclass(frozen=True, slots=True)
class _Tokens:
    access: str = field(repr=False)
    refresh: str | None = field(repr=False)


class Grants:
    """Tokens of a user, for whom a client vouches. However many calls run into a 401 at once, one of them renews.

    A refusal is remembered until `forget`: a wrong password is tried once.
    """

    def __init__(self, wire: Wire, *, url: str, client: tuple[str, str], user: tuple[str, str]) -> None:
        self._wire = wire
        self._address = f"{url}/v1/auth/token"
        self._where = place(url)
        self._client = client
        self._user = user
        self._lock = asyncio.Lock()
        self._held: _Tokens | None = None
        self._refused: str | None = None

    @property
    def secrets(self) -> tuple[str, ...]:
        """See Bearer."""
        held = (self._held.access, self._held.refresh or "") if self._held else ()
        return tuple(text for text in (self._client[1], self._user[1], *held) if text)

    async def token(self) -> str:
        """See Bearer."""
        async with self._lock:
            return (self._held or await self._login()).access

    async def renewed(self, stale: str) -> str:
        """See Bearer. A refresh first, and a login where that is not taken."""
        async with self._lock:
            held = self._held
            if held is not None and held.access != stale:
                return held.access  # another call has renewed it meanwhile
            self._held = None
            return (await self._refreshed(held) or await self._login()).access

    async def refuse(self, token: str) -> None:
        """See Bearer."""
        async with self._lock:
            if self._held is not None and self._held.access == token:
                self._refused = f"{self._where}: the server does not accept the tokens that it gives (401)"
                self._held = None

    async def forget(self) -> None:
        """See Bearer."""
        async with self._lock:
            self._held = self._refused = None

    async def _login(self) -> _Tokens:
        """Client token first, then the user's with it in the header (sections "createToken"). Needs the lock."""
        if self._refused is not None:
            raise CredentialsRefused(self._refused)
        try:
            client = await self._asked("client_credentials", "the client")
            user = {"username": self._user[0], "password": self._user[1]}
            self._held = await self._asked("password", "the user", user, client.access)
        except CredentialsRefused as error:
            self._refused = str(error)
            raise
        return self._held

    async def _refreshed(self, held: _Tokens | None) -> _Tokens | None:
        """By the refresh token, None where there is none or it is not taken: no guide shows this call."""
        if held is None or held.refresh is None:
            return None
        try:
            got = await self._asked("refresh_token", "the refresh token", {"refresh_token": held.refresh})
        except (CredentialsRefused, Refused):
            return None
        self._held = _Tokens(got.access, got.refresh or held.refresh)
        return self._held

    async def _asked(
        self, grant: str, who: str, more: dict[str, str] | None = None, bearer: str | None = None
    ) -> _Tokens:
        """One grant. It has no effect that matters, so it is a read, allowed to a locked client."""
        body = {"client_id": self._client[0], "client_secret": self._client[1], "grant_type": grant, **(more or {})}
        headers = {**_HEADERS, **({"Authorization": f"Bearer {bearer}"} if bearer else {})}
        answer = await self._wire.read(
            self._address, method="POST", headers=headers, content=wire_format.json_body(body), raw_status=True
        )
        what = f"POST {self._where} token ({grant})"
        if not 200 <= answer.status < 300:
            self._deny(answer, what, who)
        try:
            data = wire_format.json_object(answer.body)
            refresh = data.get("refresh_token")
            return _Tokens(
                wire_format.bearer_token(data.get("access_token")),
                None if refresh is None else wire_format.bearer_token(refresh),
            )
        except Unreadable as error:
            raise Unreachable(f"{what}: unreadable answer ({error})") from None

    def _deny(self, answer: Answer, what: str, who: str) -> NoReturn:
        """Raise what a status other than 2xx means here (RFC 6749 section 5.2)."""
        error = _error_code(answer.body)
        said = wire_format.refusal(answer.body, self.secrets)
        if answer.status in (401, 403) or (answer.status == 400 and error not in (None, *_OUR_MISTAKE)):
            raise CredentialsRefused(f"{what}: {who} is not accepted ({answer.status}{': ' + said if said else ''})")
        if answer.status in (404, 405, 410):
            raise Unreachable(f"{what}: answered {answer.status}: there is no API at this address")
        raise_for_status(answer, write=False, what=f"{what}{': ' + said if said else ''}")
        raise Unreachable(f"{what}: answered {answer.status}")


def _error_code(body: bytes) -> str | None:
    try:
        error = wire_format.json_object(body).get("error")
    except Unreadable:
        return None
    return error if isinstance(error, str) else None
