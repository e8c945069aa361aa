"""The one HTTP client of convener: every request to a vendor or a source goes through `Wire`.

What it guarantees to those above:

- a write is sent at most once, is never redirected, and fails with an error that says what is known of its effect;
- a locked client (plan, check, --dry-run) cannot send a write at all;
- time, size, redirects and request rate are bounded;
- where an address from outside may lead is decided in `addresses.py`, and credentials never go there;
- an answer is the whole body: a cut gzip stream is an error, however well its length fits;
- messages name method and host only, because paths and queries may hold secrets.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from functools import lru_cache
from typing import Any

import certifi
import httpx
from tenacity import (
    AsyncRetrying,
    retry_if_exception,
    stop_after_attempt,
    stop_after_delay,
    wait_random_exponential,
)

from connectors.addresses import Target, approach
from connectors.answers import Answer, BodyTooLarge, CutBody, decompress, place, raise_for_status, reason, redirection
from connectors.clients import begun, new_client
from connectors.downloads import from_byte, goes_on, receiving, unless
from connectors.passage import before_writing, count, still_wanted
from sync.errors import UnknownOutcome, Unreachable, WritesLocked
from sync.ports import Download

MAX_REDIRECTS = 5
READ_ATTEMPTS = 3
MAX_DOWNLOAD = 8 * 1024**3
"""Bytes: the longest recordings have some gigabytes."""

LOOK_UP = 0.5
"""Seconds after which a write that waits for its turn asks whether it is still wanted."""

_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)

_HARMLESS = (
    "accept",
    "accept-encoding",
    "content-type",
    "depth",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "range",
)
"""The headers that a redirect may carry to another origin; credentials may be in any other."""


@lru_cache(maxsize=1)
def trusted() -> ssl.SSLContext:
    """The certificate authorities that are believed; read once, because reading them takes a while."""
    return ssl.create_default_context(cafile=certifi.where())


class Wire:
    """A bounded HTTP client for one vendor account or one source. Times in seconds, sizes in bytes."""

    def __init__(
        self,
        *,
        timeout: float = 30.0,
        max_bytes: int = 16 * 1024 * 1024,
        concurrency: int = 8,
        rate: float | None = None,
        locked: bool = False,
        allow_private: bool = False,
        auth: tuple[str, str] | None = None,
    ) -> None:
        self._timeout = timeout
        self._max_bytes = max_bytes
        self._locked = locked
        self._allow_private = allow_private
        self._auth = httpx.BasicAuth(*auth) if auth else None
        self._concurrency = concurrency
        self._slots = asyncio.Semaphore(concurrency)
        self._interval = 1 / rate if rate else 0.0
        self._next_send = 0.0
        self._opened: dict[bool, httpx.AsyncClient] = {}

    async def close(self) -> None:
        """Close the connections."""
        while self._opened:
            _, client = self._opened.popitem()
            await client.aclose()

    def _client(self, *, strangers: bool) -> httpx.AsyncClient:
        """Made at the first request: a quiet pass needs none. The one for `strangers` is told IP addresses, under which
        a connection could be mistaken for that to another name: so it keeps none."""
        if strangers not in self._opened:
            self._opened[strangers] = new_client(self._timeout, self._concurrency, trusted(), keeps=not strangers)
        return self._opened[strangers]

    async def read(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: dict[str, str] | None = None,
        content: bytes | None = None,
        redirects: bool = False,
        raw_status: bool = False,
        raw_500: bool = False,
    ) -> Answer:
        """A request without effect; tried up to three times within the time-out.

        With `redirects`, up to five are followed: never from https to http, and to another host only when
        it is public (or `allow_private`) and without our credentials. With `raw_status` every status is
        below 500 is returned as it is, with `raw_500` that one too, for servers that put their answers there;
        otherwise anything but 2xx raises. Raises Unreachable, CredentialsRefused, RateLimited, Gone, Refused (also
        for a redirect to where it must not go).
        """
        retrying = AsyncRetrying(
            stop=stop_after_attempt(READ_ATTEMPTS) | stop_after_delay(self._timeout),
            wait=wait_random_exponential(multiplier=0.1, max=2),
            retry=retry_if_exception(_worth_another_try),
            reraise=True,
        )

        async def attempt() -> Answer:
            answer = await self._follow(method, url, headers or {}, content, redirects=redirects)
            if not ((raw_status and answer.status < 500) or (raw_500 and answer.status == 500)):
                raise_for_status(answer, write=False, what=f"{method} {place(url)}")
            return answer

        answer: Answer = await retrying(attempt)
        return answer

    async def write(
        self,
        url: str,
        *,
        method: str,
        headers: dict[str, str] | None = None,
        content: bytes | None = None,
        raw_status: bool = False,
    ) -> Answer:
        """A request with an effect: sent once, never redirected.

        Raises WritesLocked; UnknownOutcome when the effect is not known; Unreachable, CredentialsRefused,
        RateLimited, Gone and Refused when there was certainly none.
        """
        if self._locked:
            raise WritesLocked(f"{method} {place(url)}: this is a read-only run")
        answer = await self._send(method, Target(httpx.URL(url)), headers or {}, content, write=True)
        if not raw_status:
            raise_for_status(answer, write=True, what=f"{method} {place(url)}")
        return answer

    @asynccontextmanager
    async def stream(
        self,
        url: str,
        *,
        home: str | None,
        headers: dict[str, str] | None = None,
        start: int = 0,
        validator: str = "",
        most: int = MAX_DOWNLOAD,
    ) -> AsyncIterator[Download]:
        """A GET for what is too large to be held; not retried, the whole is `most` bytes long at most.

        With `start` and a `validator` only the rest is asked for; what comes from the beginning has start 0: the whole,
        because it is another version or the server knows no parts.

        `url` may come from outside: unless it is on the host of `home` (the vendor's own address, None when there is
        none) it must be public, and neither it nor a host that it is redirected to gets our credentials. The time-out
        is for the answer's beginning and for each chunk; a download that drips is given up (`downloads.SLOWEST`).
        Raises what `read` raises, also while it is read; an end without an error is the end that the server declared.
        """
        rest = from_byte(start, validator)
        for part in (rest, {}) if rest else ({},):
            async with self._answering(url, home, {**(headers or {}), **part}) as (response, here):
                if part and not goes_on(response, start, validator):
                    continue
                what = f"GET {place(here)}"
                async with receiving(response, what=what, url=here, start=start if part else 0, most=most) as download:
                    yield download
                return

    @asynccontextmanager
    async def stream_if_changed(
        self,
        url: str,
        *,
        home: str | None,
        known: str,
        headers: dict[str, str] | None = None,
        most: int = MAX_DOWNLOAD,
    ) -> AsyncIterator[Download | None]:
        """Like `stream`, from the beginning; None when it is still what `known`, the validator of an earlier download
        ("" for none), stands for (304)."""
        condition = unless(known)
        async with self._answering(url, home, {**(headers or {}), **condition}) as (response, here):
            if condition and response.status_code == 304:
                yield None
                return
            async with receiving(response, what=f"GET {place(here)}", url=here, start=0, most=most) as download:
                yield download

    @asynccontextmanager
    async def _answering(
        self, url: str, home: str | None, headers: dict[str, str]
    ) -> AsyncIterator[tuple[httpx.Response, httpx.URL]]:
        """An answer whose body is still to be read, after the redirects, and where it comes from."""
        first = httpx.URL(home) if home else None
        headers = {**headers, "Accept-Encoding": "identity"}
        target = await self._next(url, home=first, here=first)
        async with self._slots:
            for _ in range(MAX_REDIRECTS + 1):
                await self._pace()
                try:
                    async with asyncio.timeout(self._timeout):
                        response = await self._opening("GET", target, headers)
                    count("GET", str(response.status_code))
                except (TimeoutError, httpx.HTTPError) as error:
                    why = reason(error) if isinstance(error, httpx.HTTPError) else f"none within {self._timeout:g} s"
                    raise Unreachable(f"GET {place(target.url)}: no answer ({why})") from error
                async with aclosing(response):
                    location = redirection(response.status_code, response.headers)
                    if not location:
                        yield response, target.url
                        return
                target = await self._next(location, home=first, here=target.url)
        raise Unreachable(f"GET {place(target.url)}: more than {MAX_REDIRECTS} redirects")

    async def _follow(
        self, method: str, url: str, headers: dict[str, str], content: bytes | None, *, redirects: bool
    ) -> Answer:
        try:
            first = httpx.URL(url)
        except (httpx.InvalidURL, ValueError) as error:
            raise Unreachable("the address is not a valid URL") from error
        target = Target(first)
        for _ in range(MAX_REDIRECTS + 1):
            answer = await self._send(method, target, headers, content, write=False)
            location = redirection(answer.status, answer.headers)
            if not (redirects and location):
                return answer
            target = await self._next(location, home=first, here=target.url)
        raise Unreachable(f"{place(url)}: more than {MAX_REDIRECTS} redirects")

    async def _next(self, location: str, *, home: httpx.URL | None, here: httpx.URL | None) -> Target:
        return await approach(location, home=home, here=here, allow_private=self._allow_private)

    async def _opening(
        self, method: str, target: Target, headers: dict[str, str], content: bytes | None = None, *, write: bool = False
    ) -> httpx.Response:
        """The beginning of the answer; only a target of ours gets headers that may hold credentials."""
        if not target.ours:
            headers = {name: text for name, text in headers.items() if name.lower() in _HARMLESS}
        client = self._client(strangers=bool(target.checked))

        async def through(url: httpx.URL, named: dict[str, str], extensions: dict[str, Any]) -> httpx.Response:
            sent = {**headers, **named}
            extensions = {**extensions, "trace": before_writing} if write else extensions
            request = client.build_request(method, url, headers=sent, content=content, extensions=extensions)
            return await begun(client, request, self._auth if target.ours else None)

        *others, last = target.doors()
        for door in others:
            with suppress(httpx.ConnectError, httpx.ConnectTimeout):
                return await through(*door)
        return await through(*last)

    async def _send(
        self, method: str, target: Target, headers: dict[str, str], content: bytes | None, *, write: bool
    ) -> Answer:
        url = target.url
        what = f"{method} {place(url)}"
        async with self._slots:
            await self._pace(write=write)
            raw = bytearray()
            response: httpx.Response | None = None
            try:
                async with asyncio.timeout(self._timeout):
                    response = await self._opening(method, target, headers, content, write=write)
                    await self._receive(response, raw)
                count(method, str(response.status_code))
            except _NEVER_SENT as error:
                count(method, "unreachable")
                raise Unreachable(f"{what}: no connection ({reason(error)})") from error
            except BodyTooLarge as error:
                raise (UnknownOutcome if write else BodyTooLarge)(f"{what}: {error}") from error
            except (TimeoutError, httpx.HTTPError) as error:
                slow = isinstance(error, (TimeoutError, httpx.TimeoutException))
                count(method, "timeout" if slow else "broken")
                why = f"no answer within {self._timeout:g} s" if slow else f"the connection broke ({reason(error)})"
                if write:
                    raise UnknownOutcome(f"{what}: {why}", silent=response is None) from error
                if response is None or not raw:
                    raise Unreachable(f"{what}: {why}") from error
                raise CutBody(f"{what}: {why}", self._answer(response, raw, url, whole=False)) from error
        return self._whole(response, raw, url, what, write=write)

    async def _receive(self, response: httpx.Response, raw: bytearray) -> None:
        try:
            async for chunk in response.aiter_raw():
                raw += chunk
                if len(raw) > self._max_bytes:
                    raise BodyTooLarge(f"the body is larger than {self._max_bytes} bytes")
        finally:
            await response.aclose()

    def _whole(self, response: httpx.Response, raw: bytearray, url: httpx.URL, what: str, *, write: bool) -> Answer:
        try:
            return self._answer(response, raw, url, whole=True)
        except Unreachable as error:
            message = f"{what}: {error}"
            if write:
                raise UnknownOutcome(message) from error
            if isinstance(error, CutBody):
                raise CutBody(message, self._answer(response, raw, url, whole=False)) from error
            raise type(error)(message) from error

    def _answer(self, response: httpx.Response, raw: bytearray, url: httpx.URL, *, whole: bool) -> Answer:
        """The answer with its body decompressed: all of it, or (not `whole`) as much as there is."""
        encoding = response.headers.get("content-encoding", "")
        body = decompress(bytes(raw), encoding, self._max_bytes, whole=whole) if raw else b""
        return Answer(response.status_code, response.headers, body, url)

    async def _pace(self, *, write: bool = False) -> None:
        """Keep to `rate` requests per second by handing out send times one after another. A write that is not to be
        sent any more leaves the line."""
        if not self._interval:
            return
        now = asyncio.get_running_loop().time
        mine = max(now(), self._next_send)
        self._next_send = mine + self._interval
        while (left := mine - now()) > 0:
            await asyncio.sleep(min(left, LOOK_UP) if write else left)
            if write:
                still_wanted()


def _worth_another_try(error: BaseException) -> bool:
    return isinstance(error, Unreachable) and not isinstance(error, BodyTooLarge)
