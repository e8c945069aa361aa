"""A large answer on its way: which part of the whole it is, which version, and whether all of it has come.

Source: RFC 9110 sections 8.8 (validators), 13.1.5 (If-Range), 14 (range requests), 15.3.7 (206) and 15.5.17 (416).
"""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from typing import cast

import httpx

from connectors.answers import Answer, BodyTooLarge, raise_for_status, reason
from connectors.boxes import Boxes
from sync.errors import CredentialsRefused, Refused, Unreachable
from sync.ports import Download

PATIENCE = 60.0
"""Seconds of waiting for a server that are always granted."""
SLOWEST = 64 * 1024
"""Bytes per second that a download makes on average once that is used up; time spent on storing does not count."""

_CONTENT_RANGE = re.compile(r"bytes\s+(\d{1,18})-(\d{1,18})/(\d{1,18})", re.IGNORECASE)
_VALIDATOR = re.compile(r"[\x20-\x7e]{1,200}")


@dataclass(frozen=True, slots=True)
class Span:
    """The part of the whole that an answer holds: its first byte, its length and that of the whole, where known."""

    start: int = 0
    length: int | None = None
    size: int | None = None


# What is asked


def from_byte(start: int, validator: str) -> dict[str, str]:
    """The headers that ask for the rest of what `validator` stands for; none where there is nothing to go on with."""
    if start <= 0 or not _VALIDATOR.fullmatch(validator):
        return {}
    return {"Range": f"bytes={start}-", "If-Range": validator}


def unless(known: str) -> dict[str, str]:
    """The headers that ask for something only when it is not what `known` stands for (sections 13.1.2, 13.1.3)."""
    if not _VALIDATOR.fullmatch(known):
        return {}
    return {"If-None-Match" if known.startswith(('"', "W/")) else "If-Modified-Since": known}


# What is answered


def goes_on(response: httpx.Response, start: int, validator: str) -> bool:
    """Whether the answer to a request for the rest can be used: it is the rest, or the whole, or something else
    altogether. Another part, one of a whole of unknown length, one of another version than `validator` stands for (from
    a server that does not know If-Range), and 416 cannot."""
    if response.status_code == 206:
        span = _part(response)
        return span is not None and span.start == start and not _of_another_version(response.headers, validator)
    return response.status_code != 416


def _of_another_version(headers: httpx.Headers, validator: str) -> bool:
    """Whether the answer says so by what the validator is one of; an answer that says nothing has kept to If-Range."""
    if validator.startswith('"'):
        own = str(headers.get("etag", "")).strip().removeprefix("W/")
    else:
        own = str(headers.get("last-modified", "")).strip()
    return own not in ("", validator)


def validator_of(headers: httpx.Headers) -> str:
    """What stands for this very version: a strong ETag, else a Last-Modified that is certain to (section 8.8.2.2: the
    answer was made at least a second later). "" when there is none."""
    etag = str(headers.get("etag", "")).strip()
    if etag.startswith('"') and _VALIDATOR.fullmatch(etag):
        return etag
    modified = str(headers.get("last-modified", "")).strip()
    try:
        age = parsedate_to_datetime(str(headers.get("date", ""))) - parsedate_to_datetime(modified)
    except (ValueError, TypeError):
        return ""
    return modified if age.total_seconds() >= 1 and _VALIDATOR.fullmatch(modified) else ""


@asynccontextmanager
async def receiving(
    response: httpx.Response, *, what: str, url: httpx.URL, start: int, most: int
) -> AsyncIterator[Download]:
    """The download behind an answer whose body is still to be read; `start` is the first byte of a part that was
    asked for, 0 when the whole was. Raises what the status means; Unreachable for what cannot be used."""
    try:
        raise_for_status(Answer(response.status_code, response.headers, b"", url), write=False, what=what)
    except CredentialsRefused as error:
        if "authorization" in response.request.headers:
            raise
        raise Refused(str(error), response.status_code) from None  # says nothing about credentials it did not get
    if response.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise Unreachable(f"{what}: the download is compressed, which was not asked for")
    span = _part(response) if response.status_code == 206 and start else _whole(response)
    if span is None:
        raise Unreachable(f"{what}: answered {response.status_code}, which was not asked for")
    if span.size is not None and span.size > most:
        raise BodyTooLarge(f"{what}: the download is larger than {most} bytes")
    media_type = str(response.headers.get("content-type", "")).partition(";")[0].strip().lower()
    async with aclosing(_chunks(response, what, span, most)) as chunks:
        yield Download(chunks, span.start, span.size, validator_of(response.headers), media_type)


async def _chunks(response: httpx.Response, what: str, span: Span, most: int) -> AsyncGenerator[bytes]:
    """The body, as long as it comes fast enough and is not too much; its end is believed when all of it has come.

    Where nobody tells the length, a film must be as long as its boxes say; of anything else that ends with its
    connection (RFC 9112 section 6.3, point 8) nobody can tell, and it is taken for whole.
    """
    clock = asyncio.get_running_loop().time
    boxes = Boxes() if span.size is None else None
    received, waited = 0, 0.0
    async with aclosing(cast(AsyncGenerator[bytes], response.aiter_raw())) as body:
        while True:
            began = clock()
            try:
                chunk = await anext(body, None)
            except httpx.HTTPError as error:
                raise Unreachable(f"{what}: the download broke ({reason(error)})") from error
            if chunk is None:
                break
            waited += clock() - began
            received += len(chunk)
            if span.start + received > most:
                raise BodyTooLarge(f"{what}: the download is larger than {most} bytes")
            if span.length is not None and received > span.length:
                raise Unreachable(f"{what}: the server gives more than the {span.length} bytes that it promised")
            if waited > PATIENCE + received / SLOWEST:
                raise Unreachable(f"{what}: the download is too slow ({received} bytes in {waited:.0f} s)")
            if boxes:
                boxes.take(chunk)
            yield chunk
    if boxes and boxes.lacking:
        raise Unreachable(f"{what}: the download broke (the film goes on for {boxes.lacking} bytes or more)")
    if span.length is not None and received < span.length:
        raise Unreachable(f"{what}: the download broke ({received} of {span.length} bytes)")
    if span.size is not None and span.start + received < span.size:
        raise Unreachable(f"{what}: the server gave only a part ({span.start + received} of {span.size} bytes)")


def at_once(content: bytes, media_type: str, *, more: str = "") -> Download:
    """A download of what is there already."""

    async def chunks() -> AsyncGenerator[bytes]:
        yield content

    return Download(chunks(), size=len(content), media_type=media_type, more=more)


@asynccontextmanager
async def looked_into(download: Download, length: int) -> AsyncIterator[tuple[bytes, Download]]:
    """The first bytes (up to `length` and a bit more, all of it when it is shorter), and the download with them still
    to come. Raises what reading raises."""
    head = b""
    async for chunk in download.chunks:
        head += chunk
        if len(head) >= length:
            break

    async def chunks() -> AsyncGenerator[bytes]:
        if head:
            yield head
        async for chunk in download.chunks:
            yield chunk

    async with aclosing(chunks()) as whole:
        yield head, replace(download, chunks=whole)


def _part(response: httpx.Response) -> Span | None:
    match = _CONTENT_RANGE.fullmatch(str(response.headers.get("content-range", "")).strip())
    if not match:
        return None
    first, last, size = (int(group) for group in match.groups())
    return Span(first, last - first + 1, size) if first <= last < size else None


def _whole(response: httpx.Response) -> Span | None:
    if response.status_code not in (200, 203):
        return None
    length = str(response.headers.get("content-length", ""))
    if "transfer-encoding" in response.headers or not length.isdecimal():
        return Span()
    return Span(0, int(length), int(length))
