"""Requests to one Onstream account: reading, writing and paging. What the answers mean is in `onstream_wire.py`."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any, Generic, Protocol, TypeVar

from connectors.answers import Answer, place, raise_for_status
from connectors.http import Wire
from connectors.vendors import onstream_wire as wire_format
from connectors.vendors.onstream_wire import NothingSaid, Unreadable
from sync.errors import CredentialsRefused, Gone, Refused, UnknownOutcome, Unreachable
from sync.ports import Download

PAGE = 100
"""Rows asked for at once. The server may give fewer: its maximum is not documented."""
MAX_PAGES = 1000

_ABSENT = (404, 410)
_JSON = {"Accept": "application/json"}
_FORM = {**_JSON, "Content-Type": "application/x-www-form-urlencoded"}

_Read = TypeVar("_Read")


class Row(Protocol):
    """A row of a list, by id."""

    id: int


_AnyRow = TypeVar("_AnyRow", bound=Row)


class CutShort(Unreachable, Generic[_AnyRow]):
    """The list could not be read to its end; `rows` are those that were read."""

    def __init__(self, message: str, rows: dict[int, _AnyRow]) -> None:
        super().__init__(message)
        self.rows = rows


class Astray(Unreachable):
    """A 404 of somebody in between (a proxy, a server that is starting): it says nothing about what was asked for."""


class EmptyAnswer(Astray):
    """An answer of the service that does not say either: at the end of a list it is one more way to end it."""


class OnstreamApi:
    """One account on one server, reached through `wire` (which holds the credentials)."""

    def __init__(self, wire: Wire, *, url: str, version: int, username: str, secret: str) -> None:
        self._wire = wire
        self._url = url
        self._version = version
        self._username = username
        self._secret = secret

    async def close(self) -> None:
        """Let go of connections."""
        await self._wire.close()

    def stream(self, url: str, start: int, validator: str) -> AbstractAsyncContextManager[Download]:
        """The content behind an address that the vendor gave."""
        return self._wire.stream(url, home=self._url, start=start, validator=validator)

    async def verify(self) -> None:
        """Section "GET authverify" (its sample sends a PUT; the text says GET). Raises CredentialsRefused."""
        answer = await self._wire.read(self._address("authverify"), headers=_JSON)
        if not self._readable(wire_format.authenticated, answer.body, "authverify"):
            raise CredentialsRefused(f"{place(self._url)}: authverify does not accept the account")

    async def read(
        self, parse: Callable[[bytes], _Read], resource: str, *pairs: object, own: bool = False
    ) -> _Read | None:
        """What the GET answers; None for 404 and 410, which stand for an empty list, too.

        Raises Unreachable for an answer that cannot be read, Astray for a 404 or 410 that must be the service's `own`
        and is not, and what `Wire.read` raises.
        """
        answer = await self._wire.read(self._address(resource, *pairs), headers=_JSON, raw_status=True)
        if answer.status in _ABSENT:
            if own and not wire_format.is_own_absence(answer.body):
                raise Astray(f"GET {place(self._url)} {resource}: answered {answer.status} with a page")
            return None
        raise_for_status(answer, write=False, what=f"GET {place(self._url)} {resource}")
        return self._readable(parse, answer.body, resource)

    async def read_twice(self, parse: Callable[[bytes], _Read], resource: str, *pairs: object) -> _Read | None:
        """Like `read`, but None only when the server says so twice, with a login in between that it accepts.

        A stray 404 (a proxy's, a server that is starting) must not turn into "gone" or "nobody".
        """
        found = await self.read(parse, resource, *pairs)
        if found is None:
            await self.verify()
            found = await self.read(parse, resource, *pairs)
        return found

    async def read_all(
        self,
        parse: Callable[[bytes], Sequence[_AnyRow]],
        resource: str,
        *pairs: object,
        order: str = "desc",
        own: bool = False,
    ) -> dict[int, _AnyRow]:
        """All rows of a list by id, page by page until an empty one: a short page proves nothing.

        Raises CutShort when there is no end to it or paging does not advance, and what `read` raises.
        """
        rows: dict[int, _AnyRow] = {}
        offset = longest = 0
        for _ in range(MAX_PAGES):
            paging = ("count", PAGE, "offset", offset, "order", order)
            try:
                page = await self.read(parse, resource, *paging, *pairs, own=own)
            except EmptyAnswer:
                if not rows:
                    raise
                page = None
            if not page:
                return rows
            longest = max(longest, len(page))
            fresh = {row.id: row for row in page if row.id not in rows}
            if not fresh and len(page) >= longest:
                raise CutShort(f"{place(self._url)}: paging of {resource} does not advance", rows)
            rows |= fresh
            offset += len(page)
        raise CutShort(f"{place(self._url)}: {resource} has more than {MAX_PAGES} pages", rows)

    async def read_all_or_none(
        self, parse: Callable[[bytes], Sequence[_AnyRow]], resource: str, *pairs: object
    ) -> dict[int, _AnyRow]:
        """Like `read_all`, oldest first; but none at all only when the service says so after a login that it accepts.

        What was not found, or went astray, is looked for once more. Raises Astray when that does so again.
        """
        rows: dict[int, _AnyRow] = {}
        with suppress(Astray):
            rows = await self.read_all(parse, resource, *pairs, order="asc", own=True)
        if not rows:
            await self.verify()
            rows = await self.read_all(parse, resource, *pairs, order="asc", own=True)
        return rows

    async def create(self, resource: str, data: dict[str, Any], *, located: bool = False) -> str:
        """PUT; gives the new id. A 2xx without one is an UnknownOutcome. `located`: the Location ends with it, too."""
        answer = await self._write("PUT", resource, data)
        ref = wire_format.new_id(answer.body)
        if ref is None and located:
            ref = wire_format.id_at_the_end(str(answer.headers.get("location", "")))
        if ref is None:
            raise UnknownOutcome(f"PUT {place(self._url)} {resource}: the answer names no id")
        return ref

    async def edit(self, resource: str, data: dict[str, Any]) -> None:
        """POST. A 2xx that cannot be read is an UnknownOutcome."""
        answer = await self._write("POST", resource, data)
        if not wire_format.is_done(answer.body):
            raise UnknownOutcome(f"POST {place(self._url)} {resource}: unreadable answer")

    async def remove(self, resource: str, data: dict[str, Any], *pairs: object) -> None:
        """DELETE; 404 and 410 mean that it is gone already. DELETE invitee may answer nothing at all."""
        try:
            answer = await self._write("DELETE", resource, data, *pairs)
        except Gone:
            return
        if answer.body.strip() and not wire_format.is_done(answer.body):
            raise UnknownOutcome(f"DELETE {place(self._url)} {resource}: unreadable answer")

    async def _write(self, method: str, resource: str, data: dict[str, Any], *pairs: object) -> Answer:
        what = f"{method} {place(self._url)} {resource}"
        body = wire_format.form_body(data)
        address = self._address(resource, *pairs)
        answer = await self._wire.write(address, method=method, headers=_FORM, content=body, raw_status=True)
        try:
            raise_for_status(answer, write=True, what=what)
        except Gone:
            raise
        except Refused as error:
            said = wire_format.refusal(answer.body).replace(self._secret, "…")
            raise Refused(f"{error}: {said}" if said else str(error), error.status) from None
        return answer

    def _address(self, resource: str, *pairs: object) -> str:
        return self._url + wire_format.path(self._username, self._version, resource, *pairs)

    def _readable(self, parse: Callable[[bytes], _Read], body: bytes, resource: str) -> _Read:
        try:
            return parse(body)
        except NothingSaid as error:
            raise EmptyAnswer(f"GET {place(self._url)} {resource}: {error}") from None
        except Unreadable as error:
            raise Unreachable(f"GET {place(self._url)} {resource}: unreadable answer ({error})") from None
