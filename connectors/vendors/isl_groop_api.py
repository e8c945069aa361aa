"""Calls to one ISL Groop account: logging in, asking, writing. What the answers mean is in `isl_groop_wire.py`.

All calls are POSTs to one address. The session identifier (sid) that a login gives is sent with each of them. How long
it lives is not documented, and an answer to an expired one looks like any other error: which of the two it was is found
out by a harmless question with the same sid.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from connectors.answers import place, raise_for_status
from connectors.http import Wire
from connectors.login import Login, NotUnderstood
from connectors.vendors import isl_groop_wire as wire_format
from connectors.vendors.isl_groop_wire import ENCODINGS, Encoding, SessionRow, Unreadable
from sync.errors import (
    CredentialsRefused,
    Gone,
    OutsideError,
    RateLimited,
    Refused,
    UnknownOutcome,
    Unreachable,
)

_OWNED = {"user_owned": 1}


class Denied(Refused):
    """The vendor answered with an error, whatever that is about; nothing was changed."""


class LoginExpired(Refused):
    """The call was not let in, because the login had ended: nothing was changed. There is a new login now."""


class IslApi:
    """One account on one server. `functions` are the names of the API's functions by our own names of them."""

    def __init__(
        self,
        wire: Wire,
        *,
        url: str,
        username: str,
        secret: str,
        functions: dict[str, str],
        encoding: Encoding | None,
        lang: str,
    ) -> None:
        self._wire = wire
        self._url = url
        self._username = username
        self._secret = secret
        self._functions = functions
        self._encoding = encoding
        self._lang = lang
        # Finding out the encoding takes two requests by itself.
        self._login = Login(self._enter, tries=2 if encoding else 1)

    async def close(self) -> None:
        """Let go of connections."""
        await self._wire.close()

    # Looking

    async def verify(self) -> None:
        """Log in afresh, look at the account's sessions, log out. Raises OutsideError."""
        sid = await self._login.another(after_all=True)
        if "sessions" not in await self._ask("get_info", sid, _OWNED):
            raise Refused(f"{self._what('get_info')}: the account's sessions are not shown")
        with suppress(OutsideError):  # how to log out is documented in two ways; nothing depends on it
            await self._ask("logout", sid, {})

    async def owned(self) -> list[SessionRow]:
        """All sessions that the account owns: there is no paging. Those shown without a name are asked for again,
        all in one call. Raises OutsideError."""
        rows: list[SessionRow] = await self._read("get_info", _OWNED, "sessions")
        nameless = [row.session_code for row in rows if row.session_name is None]
        if not nameless:
            return rows
        named = {row.session_code: row for row in await self._read("get_info", _of(nameless), "sessions")}
        return [named.get(row.session_code, row) for row in rows]

    async def session(self, code: str) -> SessionRow | None:
        """One session, None when it does not exist. An error or an empty answer alone proves nothing: it is absent
        when a new login does not see it either and the account's list lacks it. Raises OutsideError."""
        row = await self._glimpse(code, await self._login.key())
        if row is None:
            row = await self._glimpse(code, await self._login.key(self._login.known))
        if row is None:
            row = next((one for one in await self.owned() if one.session_code == code), None)
        return row

    async def join_script(self, code: str, uid: str = "") -> str:
        """The JavaScript call that starts the ISL Groop client in a browser: no link, hence of use to pages only."""
        args = {**_of([code]), **({"join_uid": uid} if uid else {})}
        return str(await self._read("join", args, "func"))

    # Writing

    async def create(self, args: dict[str, Any]) -> str:
        """A new session's code. Raises what `Wire.write` raises, Denied and LoginExpired."""
        return str(await self._write("create", args, "session_code"))

    async def add_registered_user(self, code: str, args: dict[str, Any]) -> str:
        """The join_uid of a new participant; raises like `create`."""
        return str(await self._write("add_registered_user", {"session_id": code, **args}, "uid"))

    async def delete(self, code: str) -> None:
        """Remove a session and see that it is gone; raises like `create`."""
        await self._write("delete", {"session_id": code}, None)
        with self.settling("delete"):
            left = [row for row in await self.owned() if row.session_code == code]
        if left:
            raise UnknownOutcome(f"{self._what('delete')}: answered as done, but the session is still there")

    @contextmanager
    def settling(self, name: str) -> Iterator[None]:
        """Questions that tell what became of a write: when they fail, its outcome stays unknown."""
        try:
            yield
        except OutsideError as error:
            raise UnknownOutcome(f"{self._what(name)}: what became of it cannot be seen ({error})") from error

    # Calls

    async def _glimpse(self, code: str, sid: str) -> SessionRow | None:
        """The session as far as one question shows it."""
        data = await self._ask("get_info", sid, _of([code]))
        rows: list[SessionRow] = self._understood("get_info", data, "sessions") if "sessions" in data else []
        if rows and [row.session_code for row in rows] != [code]:
            raise Unreachable(f"{self._what('get_info')}: the server answers with another session")
        return rows[0] if rows else None

    async def _read(self, name: str, args: dict[str, Any], key: str) -> Any:
        """What is under `key` in the answer. An answer without it is asked for once more, with a new login."""
        sid = await self._login.key()
        data = await self._ask(name, sid, args)
        if key not in data:
            sid = await self._login.key(sid)
            data = await self._ask(name, sid, args)
        if key not in data:
            raise Denied(self._refused(name, data, sid))
        return self._understood(name, data, key)

    def _understood(self, name: str, data: dict[str, Any], key: str) -> Any:
        try:
            return wire_format.expected(data, key)
        except Unreadable as error:
            raise Unreachable(f"{self._what(name)}: unreadable answer ({error})") from None

    async def _ask(self, name: str, sid: str, args: dict[str, Any]) -> dict[str, Any]:
        """The object that a harmless call answers with, error or not."""
        with self._let_in(sid):
            answer = await self._wire.read(self._address, method="POST", **self._call(name, sid, args))
        try:
            return wire_format.json_object(answer.body)
        except Unreadable as error:
            raise Unreachable(f"{self._what(name)}: unreadable answer ({error})") from None

    async def _write(self, name: str, args: dict[str, Any], key: str | None) -> Any:
        """Send once; gives what is under `key`, which is None for calls that answer nothing.

        An object without the key is a refusal, or means that the sid has expired: in both cases nothing was done.
        What is no object, or an empty one, or has something odd under the key, says nothing.
        """
        sid = await self._login.key()
        with self._let_in(sid):
            answer = await self._wire.write(self._address, method="POST", **self._call(name, sid, args))
        try:
            if key is None and answer.body.strip() in (b"", b"null"):
                return None
            data = wire_format.json_object(answer.body)
            if key is None and not wire_format.denies(data):
                return None
            if key is not None and (key in data or not data):
                return wire_format.expected(data, key)
        except Unreadable as error:
            raise UnknownOutcome(f"{self._what(name)}: unreadable answer ({error})") from None
        raise await self._why(name, data, sid)

    async def _why(self, name: str, data: dict[str, Any], sid: str) -> Denied | LoginExpired:
        """Denied when the sid is still good for something else, LoginExpired otherwise."""
        message = self._refused(name, data, sid)
        with self.settling(name):
            alive = "sessions" in await self._ask("get_info", sid, _OWNED)
        if alive:
            return Denied(message)
        await self._login.key(sid)
        return LoginExpired(message)

    @contextmanager
    def _let_in(self, sid: str) -> Iterator[None]:
        """A 401 or 403 ends the login; a 404 is about the one address that there is, never about a session."""
        try:
            yield
        except CredentialsRefused:
            self._login.forget(sid)
            raise
        except Gone as error:
            raise Refused(f"{error}: is the url the server's root?", error.status) from None

    # Logging in

    async def _enter(self) -> str:
        """Log in, in the encoding that is known, else in the first one that works, which is known from then on."""
        errors: list[OutsideError] = []
        for encoding in (self._encoding,) if self._encoding else ENCODINGS:
            outcome = await self._try_to_enter(encoding)
            if isinstance(outcome, str):
                self._encoding = encoding
                return outcome
            errors.append(outcome)
        raise next((one for one in errors if isinstance(one, CredentialsRefused)), errors[-1])

    async def _try_to_enter(self, encoding: Encoding) -> str | OutsideError:
        """A sid, or how else the server answered. Raises Unreachable and RateLimited when it did not."""
        args = {"user": self._username, "pwd": self._secret}
        content = wire_format.body(encoding, self._functions["login"], None, self._lang, args)
        answer = await self._wire.read(
            self._address,
            method="POST",
            headers=wire_format.headers(encoding),
            content=content,
            raw_status=True,
            raw_500=True,
        )
        what = self._what("login")
        try:
            raise_for_status(answer, write=False, what=what)
            data = wire_format.json_object(answer.body)
            if "sid" in data:
                return str(wire_format.expected(data, "sid"))
        except RateLimited:
            raise
        except OutsideError as error:
            trouble = isinstance(error, Unreachable) and answer.status not in (502, 503, 504)
            return NotUnderstood(str(error)) if trouble else error
        except Unreadable as error:
            return NotUnderstood(f"{what}: unreadable answer ({error})")
        return CredentialsRefused(self._refused("login", data, None))

    # Texts

    @property
    def _address(self) -> str:
        return f"{self._url}/__webapi__"

    def _call(self, name: str, sid: str, args: dict[str, Any]) -> dict[str, Any]:
        """Headers and content of a request in the encoding that the login was made in."""
        encoding = self._encoding or ENCODINGS[0]
        content = wire_format.body(encoding, self._functions[name], sid, self._lang, args)
        return {"headers": wire_format.headers(encoding), "content": content}

    def _what(self, name: str) -> str:
        return f"POST {place(self._url)} {self._functions[name]}"

    def _refused(self, name: str, data: dict[str, Any], sid: str | None) -> str:
        text = wire_format.said(data, [self._secret, sid or "", self._login.known or ""])
        return f"{self._what(name)}: refused" + (f" ({text})" if text else "")


def _of(codes: list[str]) -> dict[str, Any]:
    """The arguments that name one session or several; either way it is the session's code that they take."""
    return {"session_id": codes[0]} if len(codes) == 1 else {"session_ids": codes}
