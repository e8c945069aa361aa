"""Downloads: an end is believed only when all has come, and what broke off is gone on with only when it is the same."""

import asyncio
import random
from email.utils import formatdate
from typing import Any

import httpx
import pytest

from connectors import downloads
from connectors.answers import BodyTooLarge
from connectors.downloads import at_once, looked_into, validator_of
from connectors.http import Wire
from connectors.simulators.media import film, served
from connectors.simulators.stage import Request
from sync.errors import CredentialsRefused, Gone, OutsideError, RateLimited, Refused, Unreachable
from sync.ports import Download
from tests.unit.scripted_server import Handler, drip, nothing, reply, serving, silence
from tests.unit.test_http import SECRET_PATH, client, said

FILM = random.Random(4).randbytes(5000)
ETAG = '"v1"'
EARLIER, NOW = formatdate(1_700_000_000, usegmt=True), formatdate(1_800_000_000, usegmt=True)


def part(first: int, last: int | None = None, size: object = len(FILM), **headers: str) -> bytes:
    """A 206 that holds that part of the film."""
    last = len(FILM) - 1 if last is None else last
    body = FILM[first : last + 1]
    return reply(206, body, content_range=f"bytes {first}-{last}/{size}", etag=ETAG, **headers)


async def got(wire: Wire, url: str, **options: Any) -> tuple[Download, bytes]:
    async with wire.stream(url, home=url, **options) as download:
        return download, b"".join([chunk async for chunk in download.chunks])


# The whole


async def test_a_download_says_what_the_server_says_of_it() -> None:
    film = reply(body=FILM, etag=ETAG, content_type="Video/MP4; codecs=x")
    async with serving(film) as server, client() as wire:
        download, content = await got(wire, server.url)
        assert content == FILM
        assert (download.start, download.size, download.validator) == (0, len(FILM), ETAG)
        assert (download.media_type, download.more) == ("video/mp4", "")
        (head,) = server.heads
        assert "accept-encoding: identity" in head.lower()
        assert "range" not in head.lower()


async def test_a_length_that_nobody_tells_is_not_known() -> None:
    chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    closed = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nabc"
    async with serving(chunked, closed) as server, client() as wire:
        for _ in range(2):
            download, content = await got(wire, server.url)
            assert (download.size, download.validator, content) == (None, "", b"abc")


CUT: dict[str, bytes | Handler] = {
    "cut below its Content-Length": reply(body=FILM[:4999], content_length="5000"),
    "cut at once": reply(body=b"", content_length="5000"),
    "cut within a chunk": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab",
    "cut between chunks": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
    "no body at all": nothing,
    "compressed": reply(body=b"x", content_encoding="gzip"),
    "a part that was not asked for": part(0),
    "no content": reply(204),
    "500": reply(500),
}


@pytest.mark.parametrize("answer", CUT.values(), ids=CUT)
async def test_what_did_not_all_come_is_an_error_and_no_end(answer: bytes | Handler) -> None:
    async with serving(answer) as server, client() as wire:
        with pytest.raises(Unreachable) as caught:
            await got(wire, server.url + SECRET_PATH)
        assert len(server.heads) == 1
        assert "t0ken" not in said(caught.value)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, Refused),
        (401, CredentialsRefused),
        (403, CredentialsRefused),
        (404, Gone),
        (410, Gone),
        (429, RateLimited),
    ],
)
async def test_a_status_means_what_it_always_means(status: int, error: type[OutsideError]) -> None:
    async with serving(reply(status)) as server, client() as wire:
        with pytest.raises(error):
            await got(wire, server.url)


@pytest.mark.parametrize("status", [401, 403])
async def test_who_got_no_credentials_cannot_refuse_them(status: int) -> None:
    async with serving(reply(status)) as server, client(auth=None) as wire:
        with pytest.raises(Refused) as caught:
            await got(wire, server.url)
        assert caught.value.status == status


async def test_too_large_is_noticed_at_once_where_it_is_told_and_by_the_byte_where_not() -> None:
    closed = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n" + FILM
    async with serving(reply(body=FILM), closed, part(4000), reply(body=FILM)) as server, client() as wire:
        for options in ({}, {}, {"start": 4000, "validator": ETAG}):
            with pytest.raises(BodyTooLarge, match="4999"):
                await got(wire, server.url, most=4999, **options)
        assert (await got(wire, server.url, most=5000))[1] == FILM


@pytest.mark.parametrize("media_type", ["video/mp4", "audio/mp4", "application/octet-stream", ""])
async def test_a_film_of_unknown_length_is_whole_when_its_boxes_are(media_type: str) -> None:
    closed = f"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: {media_type}\r\n\r\n".encode()
    whole, dice = film(FILM), random.Random(8)
    async with serving(closed + whole) as server, client() as wire:
        assert (await got(wire, server.url))[1] == whole
    for cut in (9, len(whole) - 1, *(dice.randrange(200, len(whole)) for _ in range(5))):
        async with serving(closed + whole[:cut]) as server, client() as wire:
            with pytest.raises(Unreachable, match=f"broke .* {len(whole) - cut if cut > 200 else ''}"):
                await got(wire, server.url)


async def test_a_film_that_a_server_cuts_with_a_proper_last_chunk_is_not_whole() -> None:
    cut = film(FILM)[:-1]
    chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(cut), cut)
    async with serving(chunked) as server, client() as wire:
        with pytest.raises(Unreachable, match="for 1 bytes or more"):
            await got(wire, server.url)


# Time


async def test_the_time_out_is_that_of_the_beginning_and_of_each_chunk() -> None:
    async def beginning(writer: asyncio.StreamWriter, head: bytes) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\nx")
        await silence(writer, head)

    async def dripping_head(writer: asyncio.StreamWriter, head: bytes) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        for number in range(1000):
            writer.write(b"x-%d: y\r\n" % number)
            await asyncio.sleep(0.02)

    for slow in (silence, beginning, dripping_head):
        async with serving(slow) as server, client(timeout=0.3) as wire:
            began = asyncio.get_running_loop().time()
            with pytest.raises(Unreachable):
                await got(wire, server.url)
            assert asyncio.get_running_loop().time() - began < 2.5


async def test_a_download_that_drips_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "PATIENCE", 0.2)
    async with serving(drip) as server, client(timeout=3.0) as wire:
        with pytest.raises(Unreachable, match="too slow"):
            await got(wire, server.url)


async def test_a_reader_may_take_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "PATIENCE", 0.25)
    monkeypatch.setattr(downloads, "SLOWEST", 10**12)
    loop = asyncio.get_running_loop()
    genuine, spent = loop.time, 0.0
    monkeypatch.setattr(loop, "time", lambda: genuine() + spent)
    async with (
        serving(reply(body=FILM * 200)) as server,
        client() as wire,
        wire.stream(server.url, home=server.url) as download,
    ):
        async for _ in download.chunks:
            spent += 3600.0
    assert spent > 3600.0


# A part


async def test_the_rest_is_asked_for_with_its_validator() -> None:
    async with serving(part(3000)) as server, client() as wire:
        download, content = await got(wire, server.url, start=3000, validator=ETAG)
        assert (download.start, download.size, download.validator) == (3000, 5000, ETAG)
        assert content == FILM[3000:]
        (head,) = server.heads
        assert "Range: bytes=3000-\r\n" in head
        assert f"If-Range: {ETAG}\r\n" in head


@pytest.mark.parametrize(("start", "validator"), [(0, ETAG), (3000, ""), (3000, "a\r\nX-Injected: b"), (-5, ETAG)])
async def test_no_part_is_asked_for_without_a_version_or_a_beginning(start: int, validator: str) -> None:
    async with serving(reply(body=FILM)) as server, client() as wire:
        download, content = await got(wire, server.url, start=start, validator=validator)
        assert (download.start, content) == (0, FILM)
        assert "range" not in server.heads[0].lower()
        assert "injected" not in server.heads[0].lower()


async def test_another_version_comes_from_the_beginning() -> None:
    async with serving(reply(body=FILM, etag='"v2"')) as server, client() as wire:
        download, content = await got(wire, server.url, start=3000, validator=ETAG)
        assert (download.start, download.validator, content) == (0, '"v2"', FILM)


OTHER_VERSIONS = {
    "another ETag": (ETAG, part(3000).replace(b"v1", b"v2")),
    "another ETag, weak": (ETAG, part(3000).replace(b'"v1"', b'W/"v2"')),
    "another date": (EARLIER, part(3000, last_modified=NOW)),
    "another date, the same ETag": (EARLIER, part(3000, last_modified="Mon, 01 Jan 2024 00:00:00 GMT")),
}


@pytest.mark.parametrize(("validator", "answer"), OTHER_VERSIONS.values(), ids=OTHER_VERSIONS)
async def test_a_part_of_another_version_is_never_gone_on_with(validator: str, answer: bytes) -> None:
    async with serving(answer, reply(body=FILM[::-1], etag='"v2"')) as server, client() as wire:
        download, content = await got(wire, server.url, start=3000, validator=validator)
        assert (download.start, download.validator, content) == (0, '"v2"', FILM[::-1])
        assert ["range" in head.lower() for head in server.heads] == [True, False]


@pytest.mark.parametrize(
    ("validator", "answer"),
    [
        (ETAG, part(3000, last_modified=NOW)),
        (ETAG, part(3000).replace(b"etag", b"x-tag")),
        (EARLIER, part(3000, last_modified=EARLIER)),
        (EARLIER, part(3000)),
    ],
    ids=["the same ETag", "no ETag", "the same date", "no date"],
)
async def test_a_part_that_does_not_say_otherwise_is_the_rest(validator: str, answer: bytes) -> None:
    async with serving(answer) as server, client() as wire:
        download, content = await got(wire, server.url, start=3000, validator=validator)
        assert (download.start, content, len(server.heads)) == (3000, FILM[3000:], 1)


USELESS = {
    "another beginning": part(2999),
    "no beginning": reply(206, FILM),
    "a whole of unknown length": part(3000, size="*"),
    "an end beyond the whole": part(3000, size=4000),
    "several parts": reply(206, b"--x", content_type="multipart/byteranges; boundary=x"),
    "416": reply(416, content_range="bytes */5000"),
}


@pytest.mark.parametrize("answer", USELESS.values(), ids=USELESS)
async def test_a_part_that_is_of_no_use_is_followed_by_the_whole(answer: bytes) -> None:
    async with serving(answer, reply(body=FILM)) as server, client() as wire:
        download, content = await got(wire, server.url, start=3000, validator=ETAG)
        assert (download.start, content) == (0, FILM)
        assert ["range" in head.lower() for head in server.heads] == [True, False]
    async with serving(answer) as server, client() as wire:
        with pytest.raises(OutsideError):
            await got(wire, server.url, start=3000, validator=ETAG)
        assert len(server.heads) == 2


async def test_a_part_that_ends_before_its_end_is_an_error() -> None:
    closed = b"HTTP/1.1 206 X\r\nconnection: close\r\ncontent-range: bytes 3000-4999/5000\r\n\r\n" + FILM[3000:4999]
    more = closed + FILM[4999:] + b"x"
    short = part(3000, 4000)
    for answer, why in ((closed, "1999 of 2000"), (more, "more than"), (short, "only a part"), (part(3000), "")):
        async with serving(answer) as server, client() as wire:
            if not why:
                assert (await got(wire, server.url, start=3000, validator=ETAG))[1] == FILM[3000:]
                continue
            with pytest.raises(Unreachable, match=why):
                await got(wire, server.url, start=3000, validator=ETAG)


async def test_a_part_is_asked_for_through_redirects_to_other_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(part(3000)) as other, client(allow_private=True) as wire:
        async with serving(reply(302, location=other.url)) as server:
            assert (await got(wire, server.url, start=3000, validator=ETAG))[1] == FILM[3000:]
        assert "If-Range" in other.heads[0]


async def test_a_circle_of_redirects_ends() -> None:
    async with serving(reply(302, location="/again")) as server, client() as wire:
        with pytest.raises(Unreachable, match="redirects"):
            await got(wire, server.url)
        assert len(server.heads) == 6


async def test_what_the_reader_raises_is_not_the_servers_fault_and_frees_the_connection() -> None:
    async with serving(reply(body=FILM)) as server, client(concurrency=1) as wire:
        for _ in range(3):
            with pytest.raises(httpx.ReadError):
                async with wire.stream(server.url, home=server.url):
                    raise httpx.ReadError("ours")
        assert (await wire.read(server.url)).body == FILM


# Versions


@pytest.mark.parametrize(
    ("headers", "validator"),
    [
        ({"etag": ETAG}, ETAG),
        ({"etag": ETAG, "last-modified": EARLIER, "date": NOW}, ETAG),
        ({"etag": 'W/"v1"'}, ""),
        ({"etag": 'W/"v1"', "last-modified": EARLIER, "date": NOW}, EARLIER),
        ({"etag": "unquoted", "last-modified": EARLIER, "date": NOW}, EARLIER),
        ({"etag": '"' + "x" * 300 + '"'}, ""),
        ({"last-modified": EARLIER, "date": NOW}, EARLIER),
        ({"last-modified": NOW, "date": NOW}, ""),
        ({"last-modified": EARLIER}, ""),
        ({"last-modified": "yesterday", "date": NOW}, ""),
        ({}, ""),
    ],
)
def test_a_version_is_known_by_what_is_certain_to_change_with_it(headers: dict[str, str], validator: str) -> None:
    assert validator_of(httpx.Headers(headers)) == validator


@pytest.mark.parametrize(
    ("known", "header"),
    [(ETAG, f"If-None-Match: {ETAG}"), ('W/"v1"', 'If-None-Match: W/"v1"'), (EARLIER, f"If-Modified-Since: {EARLIER}")],
)
async def test_what_is_known_already_does_not_come_again(known: str, header: str) -> None:
    async with serving(reply(304), reply(body=FILM, etag='"v2"')) as server, client() as wire:
        async with wire.stream_if_changed(server.url, home=server.url, known=known) as download:
            assert download is None
        async with wire.stream_if_changed(server.url, home=server.url, known=known) as download:
            assert download is not None
            assert download.validator == '"v2"'
            assert b"".join([chunk async for chunk in download.chunks]) == FILM
        assert all(header in head for head in server.heads)


async def test_nothing_is_unchanged_for_who_knows_nothing() -> None:
    async with serving(reply(304)) as server, client() as wire:
        with pytest.raises(Unreachable, match="304"):
            async with wire.stream_if_changed(server.url, home=server.url, known=""):
                pass
        assert "If-" not in server.heads[0]


# Parts of it


@pytest.mark.parametrize("length", [0, 1, 8, 5000, 9000])
async def test_a_look_at_the_beginning_takes_nothing_away(length: int) -> None:
    async with (
        serving(reply(body=FILM)) as server,
        client() as wire,
        wire.stream(server.url, home=server.url) as download,
        looked_into(download, length) as (head, same),
    ):
        assert len(head) >= min(length, len(FILM))
        assert (same.size, b"".join([chunk async for chunk in same.chunks])) == (len(FILM), FILM)


async def test_what_is_there_already_is_a_download_too() -> None:
    download = at_once(b"{}", "application/json", more="later")
    assert (download.size, download.media_type, download.more, download.validator) == (
        2,
        "application/json",
        "later",
        "",
    )
    assert [chunk async for chunk in download.chunks] == [b"{}"]


# The stand-ins' side


@pytest.mark.parametrize(
    ("asked", "status", "first", "last"),
    [
        ("bytes=0-", 206, 0, 9),
        ("bytes=4-", 206, 4, 9),
        ("bytes=4-5", 206, 4, 5),
        ("bytes=4-99", 206, 4, 9),
        ("bytes=-3", 206, 7, 9),
        ("bytes=-99", 206, 0, 9),
        ("bytes=10-", 416, 0, 0),
        ("bytes=5-4", 416, 0, 0),
        ("bytes=-0", 416, 0, 0),
        ("bytes=0-1,3-4", 200, 0, 9),
        ("bytes=-", 200, 0, 9),
        ("lines=1-", 200, 0, 9),
    ],
)
def test_stand_ins_serve_parts_as_the_standard_says(asked: str, status: int, first: int, last: int) -> None:
    request = Request("GET", "/", "", {"range": asked}, b"", "")
    answer = served(request, b"0123456789", "text/plain", "etag")
    assert answer.status == status
    if status != 416:
        assert answer.body == b"0123456789"[first : last + 1]
    expected = {206: f"bytes {first}-{last}/10", 416: "bytes */10", 200: None}[status]
    assert answer.headers.get("content-range") == expected


def test_stand_ins_serve_parts_of_the_named_version_only() -> None:
    for way in ("etag", "modified"):
        whole = served(Request("GET", "/", "", {}, b"", ""), b"0123456789", "text/plain", way)  # type: ignore[arg-type]
        validator = whole.headers.get("etag") or whole.headers["last-modified"]
        for content, status in ((b"0123456789", 206), (b"9876543210", 200)):
            request = Request("GET", "/", "", {"range": "bytes=4-", "if-range": validator}, b"", "")
            assert served(request, content, "text/plain", way).status == status  # type: ignore[arg-type]
    asked = Request("GET", "/", "", {"range": "bytes=4-"}, b"", "")
    answer = served(asked, b"0123456789", "text/plain", "never")
    assert (answer.status, answer.headers) == (200, {"content-type": "text/plain"})
