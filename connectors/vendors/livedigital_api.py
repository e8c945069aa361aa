"""Requests to one livedigital account: tokens, statuses, paging. What the answers mean is in `livedigital_wire.py`."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import quote, urlencode

from connectors.answers import Answer, place, raise_for_status
from connectors.http import Wire
from connectors.vendors import livedigital_wire as wire_format
from connectors.vendors.livedigital_auth import Bearer
from connectors.vendors.livedigital_wire import Row, Unreadable
from sync.errors import CredentialsRefused, Gone, Refused, UnknownOutcome, Unreachable
from sync.ports import Download

PAGE = 100
"""Rows asked for at once, where a first answer does not hold all of them."""
MAX_PAGES = 500
SMALLEST_PAGE = 10

_READ = {"Accept": "application/json"}
_WRITE = {**_READ, "Content-Type": "application/json"}

_OF_THE_ACCOUNT = ("account", "spaces")
"""What every account is shown: a 403 there is about its credentials."""

_T = TypeVar("_T")
_AnyRow = TypeVar("_AnyRow", bound=Row)


@dataclass(frozen=True, slots=True)
class Found(Generic[_AnyRow]):
    """The rows of a list by id. `lacking` says in words why there may be more of them, "" when there are not."""

    rows: dict[str, _AnyRow]
    lacking: str


class LivedigitalApi:
    """One account on one server. `lists_are_whole`: what a list without a `total` shows is all that there is."""

    def __init__(self, wire: Wire, bearer: Bearer, *, url: str, lists_are_whole: bool = False) -> None:
        self._wire = wire
        self._bearer = bearer
        self._url = url
        self._where = place(url)
        self._lists_are_whole = lists_are_whole

    async def close(self) -> None:
        """Let go of connections."""
        await self._wire.close()

    async def verify(self) -> None:
        """Section "getMe": the cheapest call that only a user's token may make."""
        await self.read("account", "users", "me")

    async def verify_afresh(self) -> None:
        """The same, with a new login."""
        await self._bearer.forget()
        await self.verify()

    def stream(self, url: str, start: int, validator: str) -> AbstractAsyncContextManager[Download]:
        """The content behind an address that the vendor gave; no credentials go there."""
        return self._wire.stream(url, home=self._url, start=start, validator=validator)

    async def read(self, name: str, *path: str) -> Any:
        """The JSON that a GET answers. `name` is for messages. Raises what `Wire.read` raises."""
        answer = await self.fetch(name, *path)
        return self._readable(wire_format.json_value, answer, name)

    async def fetch(
        self,
        name: str,
        *path: str,
        query: dict[str, str] | None = None,
        redirect: bool = False,
    ) -> Answer:
        """The answer to a GET; with `redirect` a 3xx is an answer, too, and not followed."""
        answer = await self._sent("GET", None, path, query or {})
        if not (redirect and 300 <= answer.status < 400):
            await self._check(answer, "GET", name)
        return answer

    async def read_all(self, model: type[_AnyRow], name: str, *path: str) -> Found[_AnyRow]:
        """All rows of a list, as far as it can be known.

        How lists are paged is not documented; where a `total` is shown, it is believed. So the first request names no
        parameters (a strict server might refuse unknown ones), and only what that answer leaves open is asked for by
        limit and offset, until the total is reached or a page is empty. A server that ignores these repeats itself:
        what it repeats without a total is all there is, unless so many rows may be the first page of more.
        """
        rows: dict[str, _AnyRow] = {}
        query: dict[str, str] = {}
        for _ in range(MAX_PAGES):
            try:
                answer = await self.fetch(name, *path, query=query)
            except Refused as error:
                if not query or isinstance(error, Gone):
                    raise
                return self._cut(rows, name, f"the server refuses to page ({error.status})")
            page = self._readable(wire_format.page, answer, name)
            found = [self._row(model, item, name) for item in page.items]
            fresh = {row.id: row for row in found if row.id not in rows}
            rows |= fresh
            if not found:
                short = page.total is not None and len(rows) < page.total
                return self._cut(rows, name, f"{page.total} are counted") if short else Found(rows, "")
            if page.total is not None and len(rows) >= page.total:
                return Found(rows, "")
            if not fresh:
                if page.total is None and (self._lists_are_whole or not _may_be_a_page(len(rows))):
                    return Found(rows, "")
                return self._cut(rows, name, "paging does not advance")
            query = {"limit": str(PAGE), "offset": str(len(rows))}
        return self._cut(rows, name, f"there are more than {MAX_PAGES} pages")

    async def create(self, name: str, *path: str, data: dict[str, Any]) -> tuple[dict[str, Any], Answer]:
        """POST; what it answers, which must be a JSON object: anything else is an UnknownOutcome."""
        return await self._object("POST", name, path, data)

    async def replace(self, name: str, *path: str, data: dict[str, Any]) -> None:
        """PUT; the status is all that its answer is known to say. An unreadable 2xx is an UnknownOutcome."""
        await self._done("PUT", name, path, data)

    async def remove(self, name: str, *path: str) -> None:
        """DELETE. Gone already is success."""
        try:
            await self._done("DELETE", name, path, None)
        except Gone:
            return

    # The webhook of a space (there is one at most; sections "createWebhook" and following)

    async def webhook(self, space: str) -> dict[str, Any] | None:
        """Where the space's events are sent to and whether they are: `url`, `isActive`; never the secret."""
        try:
            answer = await self.fetch("webhook", "spaces", space, "webhook")
        except Gone:
            return None
        return self._readable(wire_format.json_object, answer, "webhook")

    async def register_webhook(self, space: str, url: str) -> str:
        """Have the space's events sent to `url`; gives the secret, which is shown here and never again."""
        answer, _ = await self._object("POST", "webhook", ("spaces", space, "webhook"), {"url": url})
        return self._secret(answer, "POST")

    async def change_webhook(self, space: str, url: str, *, active: bool) -> None:
        """Another address, or a pause. The secret stays."""
        await self._done("PUT", "webhook", ("spaces", space, "webhook"), {"url": url, "isActive": active})

    async def renew_webhook_secret(self, space: str) -> str:
        """A new secret; deliveries signed with the old one are worth nothing from now on."""
        answer, _ = await self._object("PUT", "webhook secret", ("spaces", space, "webhook", "refresh-secret"), None)
        return self._secret(answer, "PUT")

    async def remove_webhook(self, space: str) -> None:
        """Have no events sent. Gone already is success."""
        await self.remove("webhook", "spaces", space, "webhook")

    def _secret(self, answer: dict[str, Any], method: str) -> str:
        secret = answer.get("secret")
        if not (isinstance(secret, str) and secret):
            raise UnknownOutcome(f"{method} {self._where} webhook: the answer holds no secret")
        return secret

    # One request

    async def _object(
        self, method: str, name: str, path: tuple[str, ...], data: dict[str, Any] | None
    ) -> tuple[dict[str, Any], Answer]:
        answer = await self._written(method, name, path, data)
        try:
            return wire_format.json_object(answer.body), answer
        except Unreadable as error:
            raise UnknownOutcome(f"{method} {self._where} {name}: unreadable answer ({error})") from None

    async def _done(self, method: str, name: str, path: tuple[str, ...], data: dict[str, Any] | None) -> None:
        answer = await self._written(method, name, path, data)
        if not wire_format.is_done(answer.body):
            raise UnknownOutcome(f"{method} {self._where} {name}: unreadable answer")

    async def _written(self, method: str, name: str, path: tuple[str, ...], data: dict[str, Any] | None) -> Answer:
        answer = await self._sent(method, data, path, {})
        await self._check(answer, method, name)
        return answer

    async def _sent(
        self, method: str, data: dict[str, Any] | None, path: tuple[str, ...], query: dict[str, str]
    ) -> Answer:
        """The answer, whatever its status, to a request with a token that is renewed once: 401 proves that the
        first attempt was not carried out."""
        token = await self._bearer.token()
        answer = await self._once(method, token, data, path, query)
        if answer.status != 401:
            return answer
        token = await self._bearer.renewed(token)
        answer = await self._once(method, token, data, path, query)
        if answer.status == 401:
            await self._bearer.refuse(token)
        return answer

    async def _once(
        self, method: str, token: str, data: dict[str, Any] | None, path: tuple[str, ...], query: dict[str, str]
    ) -> Answer:
        address = f"{self._url}/v1/" + "/".join(quote(part, safe="") for part in path)
        authorization = {"Authorization": f"Bearer {token}"}
        if method == "GET":
            address += f"?{urlencode(query)}" if query else ""
            return await self._wire.read(address, headers={**_READ, **authorization}, raw_status=True)
        content = None if data is None else wire_format.json_body(data)
        headers = {**(_READ if data is None else _WRITE), **authorization}
        return await self._wire.write(address, method=method, headers=headers, content=content, raw_status=True)

    async def _check(self, answer: Answer, method: str, name: str) -> None:
        """Raise what the status means, with what the server says about it.

        A 403 may be about the account (a client's token may do nothing), or about one room or the plan: only who made
        a private room may let others in. It is the latter when the server says it in words and still shows its
        spaces to the account; one room's trouble must not stop the others.
        """
        try:
            raise_for_status(answer, write=method != "GET", what=f"{method} {self._where} {name}")
        except Gone:
            raise
        except (Refused, CredentialsRefused) as error:
            said = wire_format.refusal(answer.body, self._bearer.secrets)
            message = f"{error}: {said}" if said else str(error)
            if isinstance(error, Refused):
                raise Refused(message, error.status) from None
            if answer.status == 403 and said and name not in _OF_THE_ACCOUNT:
                await self.fetch("spaces", "spaces")
                raise Refused(message, 403) from None
            raise CredentialsRefused(message) from None

    # Reading

    def _cut(self, rows: dict[str, _AnyRow], name: str, why: str) -> Found[_AnyRow]:
        return Found(rows, f"{self._where}: the list of {name} is cut short after {len(rows)}: {why}")

    def _row(self, model: type[_AnyRow], item: dict[str, Any], name: str) -> _AnyRow:
        try:
            return wire_format.parsed(model, item)
        except Unreadable as error:
            raise Unreachable(f"GET {self._where} {name}: unreadable answer ({error})") from None

    def _readable(self, parse: Callable[[bytes], _T], answer: Answer, name: str) -> _T:
        try:
            return parse(answer.body)
        except Unreadable as error:
            raise Unreachable(f"GET {self._where} {name}: unreadable answer ({error})") from None


def _may_be_a_page(rows: int) -> bool:
    """Whether a server may give so many rows at once when there are more: pages have round sizes."""
    return rows >= SMALLEST_PAGE and rows % 5 == 0
