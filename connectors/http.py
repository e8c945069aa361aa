"""The one HTTP client of convener: every request to a vendor or a source goes through `Wire.read` or `Wire.write`.

What it guarantees to those above:

- a write is sent at most once, is never redirected, and fails with an error that says what is known of its effect;
- a locked client (plan, check, --dry-run) cannot send a write at all;
- time, size, redirects and request rate are bounded;
- an answer is the whole body: a cut gzip stream is an error, however well its length fits;
- messages name method and host only, because paths and queries may hold secrets.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator
from functools import lru_cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
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

from connectors.answers import Answer, BodyTooLarge, CutBody, decompress, place, raise_for_status
from sync.errors import UnknownOutcome, Unreachable, WritesLocked

MAX_REDIRECTS = 5
READ_ATTEMPTS = 3
MAX_DOWNLOAD = 8 * 1024**3
"""Bytes: the longest recordings have some gigabytes."""

_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)

_HARMLESS = ("accept", "content-type", "depth", "if-modified-since", "if-none-match", "range")
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
        self._slots = asyncio.Semaphore(concurrency)
        self._interval = 1 / rate if rate else 0.0
        self._next_send = 0.0
        self._limits = httpx.Limits(max_connections=concurrency, keepalive_expiry=2.0)
        self._opened: httpx.AsyncClient | None = None

    async def close(self) -> None:
        """Close the connections."""
        if self._opened is not None:
            await self._opened.aclose()
            self._opened = None

    @property
    def _client(self) -> httpx.AsyncClient:
        """Made at the first request: a quiet pass needs none."""
        if self._opened is None:
            self._opened = httpx.AsyncClient(
                timeout=httpx.Timeout(self._timeout, connect=min(self._timeout, 10.0)),
                limits=self._limits,
                verify=trusted(),
                follow_redirects=False,
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
                trust_env=False,
                headers={"User-Agent": "convener", "Accept-Encoding": "gzip"},
            )
        return self._opened

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
        otherwise anything but 2xx raises. Raises Unreachable, CredentialsRefused, RateLimited, Gone, Refused.
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
        answer = await self._send(method, httpx.URL(url), headers or {}, content, write=True, auth=True)
        if not raw_status:
            raise_for_status(answer, write=True, what=f"{method} {place(url)}")
        return answer

    async def stream(
        self, url: str, *, home: str, headers: dict[str, str] | None = None, most: int = MAX_DOWNLOAD
    ) -> AsyncIterator[bytes]:
        """The body of a GET in chunks, for what is too large to be held; not retried, `most` bytes long at most.

        `url` may come from outside: unless it is on the host of `home` (the vendor's own address) it must be public,
        and neither it nor a host that it is redirected to gets our credentials. The time-out is that of one chunk.
        Raises what `read` raises; an end without an error is the end that the server declared.
        """
        first = httpx.URL(home)
        here = await self._redirect_target(first, first, url)
        async with self._slots:
            for _ in range(MAX_REDIRECTS + 1):
                ours = _same_origin(first, here)
                sent = {**(headers or {}), "Accept-Encoding": "identity"}
                if not ours:
                    sent = {
                        name: text for name, text in sent.items() if name.lower() in (*_HARMLESS, "accept-encoding")
                    }
                await self._pace()
                request = self._client.build_request("GET", here, headers=sent)
                what = f"GET {place(here)}"
                try:
                    response = await self._client.send(
                        request, stream=True, auth=self._auth if ours else httpx.USE_CLIENT_DEFAULT
                    )
                    location = response.headers.get("location")
                    if response.status_code in (301, 302, 303, 307, 308) and location:
                        await response.aclose()
                        here = await self._redirect_target(first, here, location)
                        continue
                    async for chunk in _checked(response, what, here, most):
                        yield chunk
                except httpx.HTTPError as error:
                    raise Unreachable(f"{what}: the download broke ({_reason(error)})") from error
                return
        raise Unreachable(f"{place(url)}: more than {MAX_REDIRECTS} redirects")

    async def _follow(
        self, method: str, url: str, headers: dict[str, str], content: bytes | None, *, redirects: bool
    ) -> Answer:
        try:
            first = here = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise Unreachable("the address is not a valid URL") from error
        for _ in range(MAX_REDIRECTS + 1):
            ours = _same_origin(first, here)
            sent = headers if ours else {name: text for name, text in headers.items() if name.lower() in _HARMLESS}
            answer = await self._send(method, here, sent, content, write=False, auth=ours)
            location = answer.headers.get("location")
            if not (redirects and answer.status in (301, 302, 303, 307, 308) and location):
                return answer
            here = await self._redirect_target(first, here, location)
        raise Unreachable(f"{place(url)}: more than {MAX_REDIRECTS} redirects")

    async def _redirect_target(self, first: httpx.URL, here: httpx.URL, location: str) -> httpx.URL:
        try:
            target = here.join(location)
        except httpx.InvalidURL as error:
            raise Unreachable(f"{place(here)}: redirect to an invalid address") from error
        if target.scheme not in ("http", "https") or (here.scheme == "https" and target.scheme != "https"):
            raise Unreachable(f"{place(here)}: redirect away from {here.scheme} refused")
        if target.host != first.host and not self._allow_private and not await is_public(target):
            raise Unreachable(f"{place(here)}: redirect to a private address refused (see allow_private)")
        return target.copy_with(fragment=None)

    async def _send(
        self,
        method: str,
        url: httpx.URL,
        headers: dict[str, str],
        content: bytes | None,
        *,
        write: bool,
        auth: bool,
    ) -> Answer:
        what = f"{method} {place(url)}"
        async with self._slots:
            await self._pace()
            request = self._client.build_request(method, url, headers=headers, content=content)
            raw = bytearray()
            response: httpx.Response | None = None
            try:
                async with asyncio.timeout(self._timeout):
                    response = await self._client.send(
                        request, stream=True, auth=self._auth if auth else httpx.USE_CLIENT_DEFAULT
                    )
                    await self._receive(response, raw)
            except _NEVER_SENT as error:
                raise Unreachable(f"{what}: no connection ({_reason(error)})") from error
            except BodyTooLarge as error:
                raise (UnknownOutcome if write else BodyTooLarge)(f"{what}: {error}") from error
            except (TimeoutError, httpx.HTTPError) as error:
                slow = isinstance(error, (TimeoutError, httpx.TimeoutException))
                why = f"no answer within {self._timeout:g} s" if slow else f"the connection broke ({_reason(error)})"
                if write:
                    raise UnknownOutcome(f"{what}: {why}") from error
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

    async def _pace(self) -> None:
        """Keep to `rate` requests per second by handing out send times one after another."""
        if not self._interval:
            return
        now = asyncio.get_running_loop().time()
        mine = max(now, self._next_send)
        self._next_send = mine + self._interval
        if mine > now:
            await asyncio.sleep(mine - now)


async def _checked(response: httpx.Response, what: str, url: httpx.URL, most: int) -> AsyncIterator[bytes]:
    """The body's chunks, when the status is a good one and as long as they are not too many."""
    try:
        raise_for_status(Answer(response.status_code, response.headers, b"", url), write=False, what=what)
        if response.headers.get("content-encoding", "identity") != "identity":
            raise Unreachable(f"{what}: the download is compressed, which was not asked for")
        received = 0
        async for chunk in response.aiter_raw():
            received += len(chunk)
            if received > most:
                raise BodyTooLarge(f"{what}: the download is larger than {most} bytes")
            yield chunk
    finally:
        await response.aclose()


async def is_public(url: httpx.URL) -> bool:
    """Whether every address that the host's name resolves to is a public one."""
    try:
        found: list[Any] = await asyncio.get_running_loop().getaddrinfo(
            url.host, url.port or 443, type=socket.SOCK_STREAM
        )
    except OSError as error:
        raise Unreachable(f"{place(url)}: the name does not resolve") from error
    return bool(found) and all(ipaddress.ip_address(entry[4][0]).is_global for entry in found)


def _worth_another_try(error: BaseException) -> bool:
    return isinstance(error, Unreachable) and not isinstance(error, BodyTooLarge)


def _same_origin(a: httpx.URL, b: httpx.URL) -> bool:
    return (a.scheme, a.host, a.port) == (b.scheme, b.host, b.port)


def _reason(error: Exception) -> str:
    text = str(error).split("\n", 1)[0]
    return text[:120] if text and "://" not in text else type(error).__name__
