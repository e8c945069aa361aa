"""Requests of a profile on their way: addressed, signed, bounded, read as JSON.

A read follows redirects within the source's own origin only, and waits out what the CRM asks it to wait for, when that
is not long. A write is sent once.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from connectors.answers import Answer, place, raise_for_status, redirection, retry_after
from connectors.http import MAX_REDIRECTS, Wire
from connectors.login import Login, NotUnderstood
from connectors.sources.http_json.addresses import neighbour
from connectors.sources.http_json.expressions import truth
from connectors.sources.http_json.profile import Call, Request, Send
from connectors.sources.http_json.settings import HttpJsonSettings
from connectors.sources.http_json.templates import Unfit, Values, fill_header, fill_json, fill_path, fill_query
from sync.errors import CredentialsRefused, RateLimited, Refused, UnknownOutcome, Unreachable

MAX_BYTES = 16 * 1024 * 1024
"""Of one answer."""
TRIES = 3
LONGEST_WAIT = 20.0
"""Seconds that a read waits before it is tried again; what the CRM asks beyond that is for the next pass."""


@dataclass(slots=True)
class _Budget:
    """How many requests went out on this day (UTC)."""

    most: int
    day: str = ""
    used: int = 0

    def spend(self, now: datetime, what: str) -> None:
        """Count one. Raises RateLimited when it is one too many."""
        if not self.most:
            return
        if self.day != (today := now.date().isoformat()):
            self.day, self.used = today, 0
        if self.used >= self.most:
            tomorrow = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
            wait = (tomorrow - now).total_seconds()
            raise RateLimited(f"{what}: the day's {self.most} requests (limits.daily) are used up", wait)
        self.used += 1


@dataclass(frozen=True, slots=True)
class Heard:
    """What a read brought: the status, the JSON document (None without one), and the address that gave it."""

    status: int
    document: Any
    url: str = field(repr=False)


class Calls:
    """The calls of one source. Raises OutsideError; a message names method and host only."""

    def __init__(
        self,
        settings: HttpJsonSettings,
        *,
        locked: bool,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._settings = settings
        self._now = now
        self._sleep = sleep
        self._budget = _Budget(settings.limits.daily)
        self._wire = Wire(
            timeout=settings.timeout.total_seconds(),
            max_bytes=MAX_BYTES,
            rate=settings.limits.per_second,
            locked=locked,
        )
        token = settings.auth.kind == "oauth2-client-credentials"
        self._login = Login(self._token) if token else None

    async def close(self) -> None:
        """Let go of connections."""
        await self._wire.close()

    async def read(
        self, request: Request, values: Values, *, missing: frozenset[int] = frozenset(), url: str = ""
    ) -> Heard:
        """What the request finds (or what is at `url`, which an earlier answer named). A status of `missing` comes back
        as it is, without a document; what is no well-formed answer raises."""
        url = url or self._address(request, values)
        headers, content = self._rest(request, values)
        what = f"{request.method} {place(url)}"
        answer = await self._asked(request.method, url, headers, content, what)
        if answer.status == 404 and request.empty_when is not None:
            document = _parsed(answer)
            if document is not None and truth(request.empty_when, document):
                return Heard(404, None, url)
        if answer.status in missing:
            return Heard(answer.status, None, url)
        raise_for_status(answer, write=False, what=what)
        document = _parsed(answer)
        if document is None:
            raise Unreachable(f"{what}: the answer is not JSON")
        if self._is_error(request, document):
            raise Unreachable(f"{what}: the answer says that it is an error (error_when)")
        return Heard(answer.status, document, url)

    async def write(self, request: Send, values: Values) -> Any:
        """Send it; the answer's document, None when there is none. Raises what `Wire.write` raises, and Refused when
        the answer says that it is an error."""
        url = self._address(request, values)
        headers, content = self._rest(request, values)
        what = f"{request.method} {place(url)}"
        answer = await self._sent(request.method, url, headers, content, what)
        document = _parsed(answer) if answer.body.strip() else None
        if document is None and answer.media_type == "text/html":
            raise UnknownOutcome(f"{what}: the answer is a page")
        if document is not None and self._is_error(request, document):
            raise Refused(f"{what}: the answer says that it is an error (error_when)", answer.status)
        return document

    async def afresh(self) -> None:
        """Log in anew, where there is something to log in with."""
        if self._login is not None:
            await self._login.afresh()

    async def _asked(self, method: str, url: str, headers: dict[str, str], content: bytes | None, what: str) -> Answer:
        answer = await self._followed(method, url, headers, content, what)
        for attempt in range(TRIES - 1):
            named = "retry-after" in answer.headers
            wait = retry_after(answer) if named else float(2**attempt)
            if answer.status not in self._settings.limits.retry_on or wait > LONGEST_WAIT:
                break
            await self._sleep(wait)
            answer = await self._followed(method, url, headers, content, what)
        return answer

    async def _followed(
        self, method: str, url: str, headers: dict[str, str], content: bytes | None, what: str
    ) -> Answer:
        for _ in range(MAX_REDIRECTS + 1):
            answer = await self._signed_read(method, url, headers, content, what)
            location = redirection(answer.status, answer.headers)
            if not location or (method != "GET" and answer.status not in (307, 308)):
                return answer
            url = neighbour(location, url)
        raise Unreachable(f"{what}: more than {MAX_REDIRECTS} redirects")

    async def _signed_read(
        self, method: str, url: str, headers: dict[str, str], content: bytes | None, what: str
    ) -> Answer:
        async def once(signed: dict[str, str]) -> Answer:
            self._budget.spend(self._now(), what)
            return await self._wire.read(
                url, method=method, headers={**headers, **signed}, content=content, raw_status=True
            )

        return await self._with_login(once)

    async def _sent(self, method: str, url: str, headers: dict[str, str], content: bytes | None, what: str) -> Answer:
        async def once(signed: dict[str, str]) -> Answer:
            self._budget.spend(self._now(), what)
            return await self._wire.write(
                url, method=method, headers={**headers, **signed}, content=content, raw_status=True
            )

        answer = await self._with_login(once)
        raise_for_status(answer, write=True, what=what)
        return answer

    async def _with_login(self, once: Callable[[dict[str, str]], Awaitable[Answer]]) -> Answer:
        """The request with what proves who we are; once more with a new token when the old one has run out (401, which
        had no effect)."""
        if self._login is None:
            return await once(self._settings.auth.fixed_headers())
        token = await self._login.key()
        answer = await once({"Authorization": f"Bearer {token}"})
        if answer.status == 401:
            token = await self._login.key(stale=token)
            answer = await once({"Authorization": f"Bearer {token}"})
        return answer

    async def _token(self) -> str:
        """A token (RFC 6749 section 4.4). Raises CredentialsRefused for a refusal (section 5.2)."""
        auth = self._settings.auth
        url = self._settings.url + auth.token_url if auth.token_url.startswith("/") else auth.token_url
        fields = {
            "grant_type": "client_credentials",
            "client_id": auth.client_id,
            "client_secret": auth.secret.get_secret_value() if auth.secret is not None else "",
            **({"scope": auth.scope} if auth.scope else {}),
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        what = f"POST {place(url)}"
        self._budget.spend(self._now(), what)
        answer = await self._wire.read(
            url, method="POST", headers=headers, content=urlencode(fields).encode("ascii"), raw_status=True
        )
        if answer.status in (400, 401, 403):
            raise CredentialsRefused(f"{what}: gives no token (answered {answer.status})")
        raise_for_status(answer, write=False, what=what)
        document = _parsed(answer)
        token = document.get("access_token") if isinstance(document, dict) else None
        if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable():
            raise NotUnderstood(f"{what}: the answer holds no access token")
        return token

    def _address(self, request: Call, values: Values) -> str:
        try:
            query = fill_query(request.query, values)
            return self._settings.url + fill_path(request.path, values) + (f"?{query}" if query else "")
        except Unfit as error:
            raise Refused(f"{place(self._settings.url)}: {error}") from error

    def _rest(self, request: Call, values: Values) -> tuple[dict[str, str], bytes | None]:
        """The headers, without credentials, and the body."""
        try:
            own = {name: fill_header(text, values) for name, text in request.headers.items()}
            headers = {"Accept": "application/json", **self._settings.headers, **own}
            if request.body is None:
                return headers, None
            content = json.dumps(fill_json(request.body, values)).encode("ascii")
        except Unfit as error:
            raise Refused(f"{place(self._settings.url)}: {error}") from error
        return {"Content-Type": "application/json", **headers}, content

    def _is_error(self, request: Call, document: Any) -> bool:
        rules = (request.error_when, self._settings.error_when)
        return any(rule is not None and truth(rule, document) for rule in rules)


def _parsed(answer: Answer) -> Any:
    """The JSON document of an answer, None when it is not one. (JSON's own null is no answer either.)"""
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
