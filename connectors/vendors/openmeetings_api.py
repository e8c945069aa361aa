"""Requests to one OpenMeetings server: the session, reading and writing. `openmeetings_rows.py` reads the answers.

The server says nearly everything with 500: an expired session, a missing right, a missing room, a defect. The body
tells: `error.notallowed` means that nothing was done (log in once more, then it is a missing right), another
serviceResult is the service's own word, anything else is a sick server.
"""

import json
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from connectors.answers import Answer, place, raise_for_status
from connectors.http import READ_ATTEMPTS, Wire
from connectors.login import Login
from connectors.vendors import openmeetings_rows as rows
from connectors.vendors.openmeetings_rows import Health, Info, ServiceResult, Unreadable
from sync.errors import CredentialsRefused, Refused, UnknownOutcome, Unreachable
from sync.ports import Download

MAX_IDLE = 20 * 60.0
"""Seconds after which a session is not trusted any more; the server ends it when it was idle for 30 minutes."""

RIGHTS = "LOGIN, ROOM and SOAP"

_JSON = {"Accept": "application/json"}
_FORM = {**_JSON, "Content-Type": "application/x-www-form-urlencoded"}

_Read = TypeVar("_Read")


class Failed(Unreachable):
    """The service itself failed at a call: 500 with a serviceResult."""


class OpenMeetingsApi:
    """One user's sessions on one server. `door` is the client for logins, which may take longer.

    `clock` gives seconds that only grow.
    """

    def __init__(
        self,
        wire: Wire,
        door: Wire,
        *,
        url: str,
        username: str,
        secret: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wire = wire
        self._door = door
        self._url = url
        self._credentials = {"user": username, "pass": secret}
        self._login = Login(self._enter, idle=MAX_IDLE, clock=clock)
        self._methods = ("POST", "GET")

    async def close(self) -> None:
        """Let go of connections."""
        await self._wire.close()
        await self._door.close()

    # Sessions

    async def verify(self) -> str:
        """Log in afresh, whatever was refused before; the server's version."""
        await self._login.afresh()
        return (await self._open("info/version", lambda body: rows.one(Info, "info", body))).version

    async def healthy(self) -> None:
        """Raises Unreachable unless the server says that all of it works."""
        health = await self._open("info/health", lambda body: rows.one(Health, "health", body))
        if not (health.inited and health.installed and health.db_ok):
            raise Unreachable(f"{place(self._url)}: the server says that it is not ready")

    async def fresh_sid(self) -> str:
        """A session for one hash and nothing else: whoever uses the hash takes that session over."""
        return await self._login.another()

    async def _enter(self) -> str:
        """POST from 9.0.0 on, GET before; the other one is always 405."""
        what = f"login at {place(self._url)}"
        answer = await self._knock(self._methods[0])
        if answer.status == 405:
            self._methods = self._methods[::-1]
            answer = await self._knock(self._methods[0])
        if answer.status in (404, 405, 500):
            raise Unreachable(f"{what}: answered {answer.status}: is there an OpenMeetings, and is it started?")
        raise_for_status(answer, write=False, what=what)
        result = rows.said(answer.body)
        if result is None or (result.type == "SUCCESS" and not result.message):
            raise Unreachable(f"{what}: unreadable answer")
        if result.type == "SUCCESS":
            return str(result.message)
        message = f"{what} refused ({rows.for_people(result.message)})"
        if result.message == "error.unknown":
            raise Unreachable(message)
        raise CredentialsRefused(message)

    async def _knock(self, method: str) -> Answer:
        form = urlencode(self._credentials)
        address, body = f"{self._url}/services/user/login", form.encode("ascii")
        if method == "GET":
            return await self._door.read(f"{address}?{form}", headers=_JSON, raw_status=True, raw_500=True)
        return await self._door.read(address, method="POST", headers=_FORM, content=body, raw_status=True, raw_500=True)

    async def _with_session(self, what: str, send: Callable[[str], Awaitable[Answer]]) -> Answer:
        """What the call answers; made once more, with a new session, when the server did not carry it out."""
        sid = await self._login.key()
        answer = await send(sid)
        if not _not_allowed(answer):
            return answer
        answer = await send(await self._login.key(sid))
        if _not_allowed(answer):
            raise CredentialsRefused(f"{what}: not allowed: the user needs the rights {RIGHTS}")
        return answer

    # Reading

    async def read(self, parse: Callable[[bytes], _Read], *path: object, **query: str) -> _Read | None:
        """What the GET answers, None for 204, the server's explicit word for nothing.

        Raises Failed when the service itself fails, Unreachable for what cannot be read.
        """
        what = f"GET {place(self._url)} {path[0]}"

        async def send(sid: str) -> Answer:
            address = self._address(path, query, sid)
            return await self._wire.read(address, headers=_JSON, raw_status=True, raw_500=True)

        for attempt in range(READ_ATTEMPTS):
            answer = await self._with_session(what, send)
            if answer.status != 500 or rows.said(answer.body):
                break
            if attempt == 0:
                self._login.forget(self._login.known)  # before 6.3.0 an ended session is a 500 without a word
        return self._readable(parse, answer, what)

    async def _open(self, path: str, parse: Callable[[bytes], _Read]) -> _Read:
        """A GET that needs no session."""
        answer = await self._wire.read(f"{self._url}/services/{path}", headers=_JSON, raw_status=True)
        found = self._readable(parse, answer, f"GET {place(self._url)} info")
        if found is None:
            raise Unreachable(f"GET {place(self._url)} info: nothing came")
        return found

    def _readable(self, parse: Callable[[bytes], _Read], answer: Answer, what: str) -> _Read | None:
        if answer.status == 204:
            return None
        if answer.status == 500 and (result := rows.said(answer.body)):
            raise Failed(f"{what}: answered 500 {rows.for_people(result.message)}".rstrip())
        if answer.status == 404:
            raise Unreachable(f"{what}: answered 404: is there an OpenMeetings, and is it started?")
        raise_for_status(answer, write=False, what=what)
        try:
            return parse(answer.body)
        except Unreadable as error:
            raise Unreachable(f"{what}: unreadable answer ({error})") from None

    def stream(self, *path: object, start: int, validator: str) -> AbstractAsyncContextManager[Download]:
        """The content of a GET outside of the services."""
        address = "/".join([self._url, *(quote(str(part), safe="") for part in path)])
        return self._wire.stream(address, home=self._url, start=start, validator=validator)

    # Writing

    async def write(
        self,
        parse: Callable[[bytes], _Read],
        method: str,
        *path: object,
        query: Mapping[str, str] | None = None,
        form: Mapping[str, Any] | None = None,
        sid: str | None = None,
        upload: tuple[str, bytes] | None = None,
    ) -> _Read:
        """One call with an effect; the values of `form` are sent as JSON, `upload` is a content type and a body.

        With `sid` it is made in that session or not at all. Raises UnknownOutcome for every 500 (it may come after
        the effect) and for what cannot be read.
        """
        what = f"{method} {place(self._url)} {path[0]}"
        headers, content = _JSON, None
        if form is not None:
            headers = _FORM
            content = urlencode({name: json.dumps(value) for name, value in form.items()}).encode("ascii")
        if upload is not None:
            headers, content = {**_JSON, "Content-Type": upload[0]}, upload[1]

        async def send(session: str) -> Answer:
            address = self._address(path, query or {}, session)
            return await self._wire.write(address, method=method, headers=headers, content=content, raw_status=True)

        answer = await (send(sid) if sid else self._with_session(what, send))
        if _not_allowed(answer):
            raise CredentialsRefused(f"{what}: not allowed: the user needs the rights {RIGHTS}")
        if answer.status == 404:
            raise Refused(f"{what}: answered 404: the server cannot read a value", 404)
        if answer.status == 500 and (result := rows.said(answer.body)):
            raise BrokenOff(f"{what}: answered 500 {rows.for_people(result.message)}".rstrip(), result)
        if answer.status == 500:
            self._login.forget(self._login.known)  # see `read`: the look that follows logs in anew
        raise_for_status(answer, write=True, what=what)
        try:
            return parse(answer.body)
        except Unreadable as error:
            raise UnknownOutcome(f"{what}: unreadable answer ({error})") from None

    async def order(self, method: str, *path: object, **options: Any) -> str:
        """A write that answers with a serviceResult; its message. Raises Refused when that is an ERROR."""
        result = await self.write(_service_result, method, *path, **options)
        if result.type != "SUCCESS":
            said = rows.for_people(result.message)
            raise Refused(f"{method} {place(self._url)} {path[0]}: refused: {said}")
        return result.message or ""

    def _address(self, path: tuple[object, ...], query: Mapping[str, str], sid: str) -> str:
        segments = "/".join(quote(str(part), safe="") for part in path)
        return f"{self._url}/services/{segments}?{urlencode({'sid': sid, **query})}"


class BrokenOff(UnknownOutcome):
    """A write at which the service itself failed, maybe after its effect; `result` is what it says."""

    def __init__(self, message: str, result: ServiceResult) -> None:
        super().__init__(message)
        self.result = result


def _not_allowed(answer: Answer) -> bool:
    result = rows.said(answer.body) if answer.status == 500 else None
    return result is not None and result.not_allowed


def _service_result(body: bytes) -> ServiceResult:
    return rows.one(ServiceResult, "serviceResult", body)
