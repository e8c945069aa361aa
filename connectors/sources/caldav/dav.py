"""The requests that are made of a CalDAV server, on the one HTTP client; and the names of its resources."""

import asyncio
import json
from dataclasses import dataclass
from urllib.parse import quote, unquote, unquote_to_bytes

import httpx

from connectors.addresses import same_origin
from connectors.answers import Answer, place, raise_for_status
from connectors.http import Wire
from connectors.sources.caldav.settings import CalDavSettings
from connectors.sources.caldav.xml import Multistatus, NotXml, Response, parse, propfind
from sync.errors import Refused, Unreachable

MAX_ANSWER = 64 * 1024 * 1024
"""Bytes of one answer: a list of 100,000 resources has half of it (`xml.MAX_RESPONSES`)."""

MULTISTATUS = 207


@dataclass(frozen=True, slots=True)
class Found:
    """What a server said, and where (after redirects)."""

    said: Multistatus
    at: httpx.URL


class Dav:
    """One account on one server. Nothing is asked of any other origin than that of `root`."""

    def __init__(self, settings: CalDavSettings, *, locked: bool) -> None:
        self.root = httpx.URL(settings.url)
        secret = settings.password.get_secret_value() if settings.password else ""
        self._headers = {"Authorization": f"Bearer {settings.token.get_secret_value()}"} if settings.token else {}
        self._wire = Wire(
            timeout=settings.timeout.total_seconds(),
            max_bytes=MAX_ANSWER,
            locked=locked,
            allow_private=settings.allow_private,
            auth=(settings.username, secret) if settings.username is not None else None,
        )

    async def close(self) -> None:
        """Let go of connections."""
        await self._wire.close()

    def url(self, href: str, base: httpx.URL | None = None) -> httpx.URL:
        """The address that an href stands for, found at `base`. Raises Refused for another origin."""
        try:
            there = (base or self.root).join(href).copy_with(userinfo=b"", fragment=None)
        except (httpx.InvalidURL, ValueError) as error:
            raise Refused(f"{place(self.root)}: an address of the server's is not a valid one") from error
        self._must_be_ours(there)
        return there

    async def properties(self, url: httpx.URL, *names: str, depth: int = 0, redirects: bool = False) -> Found:
        """PROPFIND (RFC 4918 section 9.1) of a resource, with `depth` 1 of what it holds too. Raises what `Wire.read`
        raises, and NotXml."""
        return await self._ask("PROPFIND", url, propfind(*names), depth, redirects=redirects)

    async def one(self, url: httpx.URL, *names: str) -> Response:
        """What is said of this very resource. Raises the same; also for what a server answers in a multistatus that a
        plain status is for."""
        found = await self.properties(url, *names)
        there = [one for one in found.said.responses if same_path(one.href, url)] or found.said.responses
        if not there:
            raise Unreachable(f"PROPFIND {place(url)}: the answer says nothing")
        if not there[0].there:
            raise_for_status(
                Answer(there[0].status, httpx.Headers(), b"", url), write=False, what=f"PROPFIND {place(url)}"
            )
        return there[0]

    async def report(self, url: httpx.URL, body: bytes, depth: int) -> Multistatus:
        """REPORT (RFC 3253 section 3.6): a question to a collection. Raises the same."""
        return (await self._ask("REPORT", url, body, depth, redirects=False)).said

    async def get(self, url: httpx.URL) -> Answer:
        """The resource as it is stored, with the validator that a PUT needs: compressed ones get weak validators.
        Raises what `Wire.read` raises."""
        headers = {**self._headers, "Accept": "text/calendar", "Accept-Encoding": "identity"}
        return await self._wire.read(str(url), headers=headers)

    async def put(self, url: httpx.URL, content: bytes, media_type: str, etag: str) -> bool:
        """Replace the resource, if it is still what `etag` stands for: whether it was. Sent once. Raises what
        `Wire.write` raises; a resource that may not be written is Refused."""
        headers = {**self._headers, "Content-Type": media_type, "If-Match": etag}
        answer = await self._wire.write(str(url), method="PUT", headers=headers, content=content, raw_status=True)
        if answer.status == 412:
            return False
        if answer.status == 403:
            raise Refused(f"PUT {place(url)}: the server does not let this account change the entry (403)", 403)
        raise_for_status(answer, write=True, what=f"PUT {place(url)}")
        return True

    async def _ask(self, method: str, url: httpx.URL, body: bytes, depth: int, *, redirects: bool) -> Found:
        what = f"{method} {place(url)}"
        headers = {**self._headers, "Content-Type": "application/xml; charset=utf-8", "Depth": str(depth)}
        answer = await self._wire.read(str(url), method=method, headers=headers, content=body, redirects=redirects)
        self._must_be_ours(answer.url)
        if answer.status != MULTISTATUS:
            raise Unreachable(f"{what}: answered {answer.status}, which is no multistatus: no CalDAV there")
        try:
            return Found(await asyncio.to_thread(parse, answer.body), answer.url)
        except NotXml as error:
            raise NotXml(f"{what}: {error}") from error

    def _must_be_ours(self, url: httpx.URL) -> None:
        if not same_origin(url, self.root):
            raise Refused(
                f"{place(self.root)}: it leads to {place(url)}, which does not get the credentials; "
                f"if that is the right server, make it the url"
            )


def canonical(href: str) -> str:
    """The path of an href in the one spelling by which two of them are compared: percent-encoding differs from answer
    to answer, and some servers put their host in front (RFC 4918 section 8.3)."""
    path = href
    if "://" in href[:12]:
        path = "/" + href.split("://", 1)[1].partition("/")[2]
    path = path.partition("?")[0].partition("#")[0]
    return "/".join(quote(unquote_to_bytes(part), safe="") for part in path.split("/"))


def same_path(href: str, url: httpx.URL) -> bool:
    """Whether the href is that of `url`; a slash at the end makes no difference."""
    return canonical(href).rstrip("/") == canonical(url.raw_path.decode("ascii")).rstrip("/")


def last_part(href: str) -> str:
    """What people may be shown of a resource's path: its last segment, without control characters, 80 characters."""
    name = unquote(href.rstrip("/").rpartition("/")[2])
    return json.dumps(name, ensure_ascii=False)[1:-1][:80]
