"""What the one HTTP client guarantees, over real loopback connections to a server that sends what a test tells it."""

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from connectors import answers, http
from connectors.answers import Answer, BodyTooLarge, CutBody, decompress, place, retry_after
from connectors.http import Wire
from sync.errors import (
    CredentialsRefused,
    Gone,
    OutsideError,
    RateLimited,
    Refused,
    UnknownOutcome,
    Unreachable,
    WritesLocked,
)
from tests.unit.scripted_server import Handler, drip, nothing, reply, serving, silence

SECRET_PATH = "/secret-path?token=t0ken"


@asynccontextmanager
async def client(**options: Any) -> AsyncIterator[Wire]:
    given: dict[str, Any] = {"timeout": 3.0, "auth": ("acme", "p4ssword")}
    wire = Wire(**given | options)
    try:
        yield wire
    finally:
        await wire.close()


def said(error: BaseException | None) -> str:
    """Everything that a log could show of the error."""
    texts = []
    while error is not None:
        texts.append(f"{error} {error!r}")
        error = error.__cause__
    return " ".join(texts)


# Bodies


@pytest.mark.parametrize("cut", [1, 9, 30])
async def test_a_cut_gzip_body_is_an_error_though_its_length_fits(cut: int) -> None:
    packed = gzip.compress(b"BEGIN:VCALENDAR\r\n" * 50)[:-cut]
    async with serving(reply(body=packed, content_encoding="gzip")) as server, client() as wire:
        with pytest.raises(CutBody):
            await wire.read(server.url)
        with pytest.raises(UnknownOutcome):
            await wire.write(server.url, method="PUT")


async def test_all_members_of_a_gzip_body_are_read() -> None:
    packed = gzip.compress(b"one ") + gzip.compress(b"two") + b"\0\0\0"
    async with serving(reply(body=packed, content_encoding="gzip")) as server, client() as wire:
        assert (await wire.read(server.url)).body == b"one two"


def test_a_second_member_that_is_cut_is_an_error() -> None:
    with pytest.raises(CutBody):
        decompress(gzip.compress(b"one ") + gzip.compress(b"two")[:-4], "gzip", 1000)


async def test_a_gzip_bomb_is_stopped_at_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    largest = 0
    genuine = zlib.decompressobj

    class Watched:
        def __init__(self, wbits: int) -> None:
            self._stream = genuine(wbits)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._stream, name)

        def decompress(self, data: bytes, limit: int) -> bytes:
            nonlocal largest
            out = self._stream.decompress(data, limit)
            largest = max(largest, len(out))
            return out

    bomb = gzip.compress(b"\0" * 20_000_000)
    monkeypatch.setattr(zlib, "decompressobj", Watched)
    async with serving(reply(body=bomb, content_encoding="gzip")) as server, client(max_bytes=100_000) as wire:
        with pytest.raises(BodyTooLarge):
            await wire.read(server.url)
    assert largest == 100_001


async def test_a_body_of_exactly_the_limit_is_read_and_one_byte_more_is_not() -> None:
    for encoding, pack in (("identity", bytes), ("gzip", gzip.compress), ("deflate", zlib.compress)):
        exact, more = (reply(body=pack(b"x" * size), content_encoding=encoding) for size in (1000, 1001))
        async with serving(exact, more) as server, client(max_bytes=1000) as wire:
            assert len((await wire.read(server.url)).body) == 1000
            with pytest.raises(BodyTooLarge):
                await wire.read(server.url)


async def test_an_encoding_that_was_not_asked_for_is_an_error() -> None:
    async with serving(reply(body=b"x", content_encoding="br")) as server, client() as wire:
        with pytest.raises(Unreachable, match="'br'"):
            await wire.read(server.url)


async def test_a_body_shorter_than_promised_is_an_error() -> None:
    async with serving(reply(body=b"half", content_length="8")) as server, client() as wire:
        with pytest.raises(Unreachable):
            await wire.read(server.url)
        with pytest.raises(UnknownOutcome):
            await wire.write(server.url, method="POST", content=b"x")


# Redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_write_is_never_redirected(status: int) -> None:
    async with serving(reply(200)) as other, serving(reply(status, location=f"{other.url}/x")) as server:
        async with client() as wire:
            with pytest.raises(UnknownOutcome, match=str(status)):
                await wire.write(server.url, method="PUT")
        assert (server.methods, other.methods) == (["PUT"], [])


async def test_a_read_follows_only_when_it_is_told_to() -> None:
    async with serving(reply(302, location="/there"), reply(body=b"here")) as server, client() as wire:
        assert (await wire.read(server.url, redirects=True)).body == b"here"
        assert "GET /there " in server.heads[1]
    async with serving(reply(302, location="/there")) as server, client() as wire:
        with pytest.raises(Unreachable, match="302"):
            await wire.read(server.url)


async def test_credentials_stay_with_their_own_origin() -> None:
    headers = {"Authorization": "Bearer t0ken", "X-Api-Key": "k3y", "Accept": "text/calendar"}
    for wire_headers, options in ((headers, {"auth": None}), ({"Accept": "text/calendar"}, {})):
        async with serving(reply(body=b"other")) as other, client(allow_private=True, **options) as wire:
            hop = reply(302, location="/again"), reply(302, location=f"{other.url}/feed")
            async with serving(*hop) as server:
                assert (await wire.read(server.url, headers=wire_headers, redirects=True)).body == b"other"
            for head in server.heads:
                assert "authorization: " in head.lower()
            (head,) = other.heads
            assert "authorization" not in head.lower()
            assert "k3y" not in head
            assert "text/calendar" in head


async def test_a_redirect_to_a_private_address_needs_leave() -> None:
    async with serving(reply(body=b"inside")) as inside:
        target = inside.url.replace("127.0.0.1", "localhost")
        async with serving(reply(302, location=target)) as server:
            async with client() as wire:
                with pytest.raises(Refused, match="private"):
                    await wire.read(server.url, redirects=True)
            assert inside.heads == []
            async with client(allow_private=True) as wire:
                assert (await wire.read(server.url, redirects=True)).body == b"inside"


@pytest.mark.parametrize("location", ["ftp://127.0.0.1/x", "file:///etc/passwd", "http://["])
async def test_a_redirect_to_somewhere_odd_is_refused_and_not_tried_again(location: str) -> None:
    async with serving(reply(302, location=location)) as server, client() as wire:
        with pytest.raises(Refused):
            await wire.read(server.url, redirects=True)
        assert len(server.heads) == 1


async def test_a_circle_of_redirects_ends() -> None:
    async with serving(reply(302, location="/again")) as server, client() as wire:
        with pytest.raises(Unreachable, match="redirects"):
            await wire.read(server.url, redirects=True)
        assert len(server.heads) == http.READ_ATTEMPTS * (http.MAX_REDIRECTS + 1)


# Repeating


@pytest.mark.parametrize("trouble", [reply(500), reply(502), nothing, reply(408)], ids=["500", "502", "closed", "408"])
async def test_a_read_is_repeated_and_a_write_is_not(trouble: bytes | Handler) -> None:
    async with serving(trouble, trouble, reply(body=b"fine")) as server, client() as wire:
        assert (await wire.read(server.url)).body == b"fine"
        assert len(server.heads) == 3
    for method in ("PUT", "POST", "DELETE"):
        async with serving(trouble, reply(body=b"fine")) as server, client() as wire:
            with pytest.raises(UnknownOutcome):
                await wire.write(server.url, method=method)
            assert server.methods == [method]


async def test_a_read_gives_up_after_three_times() -> None:
    async with serving(reply(500)) as server, client() as wire:
        with pytest.raises(Unreachable, match="500"):
            await wire.read(server.url, raw_status=True)
        assert len(server.heads) == 3


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, CredentialsRefused),
        (403, CredentialsRefused),
        (404, Gone),
        (410, Gone),
        (400, Refused),
        (409, Refused),
        (429, RateLimited),
    ],
)
async def test_what_was_refused_had_no_effect_and_is_not_repeated(status: int, error: type[OutsideError]) -> None:
    async with serving(reply(status)) as server, client() as wire:
        with pytest.raises(error) as read:
            await wire.read(server.url)
        with pytest.raises(error) as written:
            await wire.write(server.url, method="POST")
        assert type(read.value) is type(written.value) is error
        assert len(server.heads) == 2
        assert (await wire.read(server.url, raw_status=True)).status == status


async def test_503_with_retry_after_is_a_limit_for_reads_and_unknown_for_writes() -> None:
    async with serving(reply(503, retry_after="5")) as server, client() as wire:
        with pytest.raises(RateLimited):
            await wire.read(server.url)
        with pytest.raises(UnknownOutcome):
            await wire.write(server.url, method="POST")


# Time


@pytest.mark.parametrize("slow", [silence, drip])
async def test_the_time_out_is_for_the_whole_answer(slow: Handler) -> None:
    async with serving(slow) as server, client(timeout=0.3) as wire:
        began = asyncio.get_running_loop().time()
        with pytest.raises(Unreachable, match=r"within 0\.3 s"):
            await wire.read(server.url)
        with pytest.raises(UnknownOutcome, match=r"within 0\.3 s"):
            await wire.write(server.url, method="PUT")
        assert asyncio.get_running_loop().time() - began < 2.5


async def test_no_connection_is_no_effect() -> None:
    async with client() as wire:
        for call in (wire.read("http://127.0.0.1:1/"), wire.write("http://127.0.0.1:1/", method="PUT")):
            with pytest.raises(Unreachable):
                await call


async def test_requests_keep_to_the_rate() -> None:
    async with serving(reply()) as server, client(rate=20, concurrency=4) as wire:
        began = asyncio.get_running_loop().time()
        await asyncio.gather(*(wire.read(server.url) for _ in range(5)))
        assert asyncio.get_running_loop().time() - began >= 0.19


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7),
        ("0", 0),
        ("-5", 0),
        ("1e9", answers.MAX_RETRY_AFTER),
        ("inf", answers.MAX_RETRY_AFTER),
        ("nan", answers.DEFAULT_RETRY_AFTER),
        ("", answers.DEFAULT_RETRY_AFTER),
        ("soon", answers.DEFAULT_RETRY_AFTER),
        ("Tue, 01 Dec 2026 12:01:30 GMT", 90),
        ("Tue, 01 Dec 2026 11:00:00 GMT", 0),
        ("Tue, 01 Dec 2026 12:01:30 -0000", answers.DEFAULT_RETRY_AFTER),
    ],
)
def test_retry_after_in_seconds_and_as_a_date_on_the_servers_clock(value: str, seconds: float) -> None:
    headers = httpx.Headers({"retry-after": value, "date": "Tue, 01 Dec 2026 12:00:00 GMT"})
    assert retry_after(Answer(429, headers, b"", httpx.URL("http://x/"))) == seconds


async def test_a_limit_says_how_long() -> None:
    async with serving(reply(429, retry_after="7")) as server, client() as wire:
        for call in (wire.read(server.url), wire.write(server.url, method="PUT")):
            with pytest.raises(RateLimited) as caught:
                await call
            assert caught.value.retry_after == 7


# Locks and secrets


async def test_a_locked_client_reads_and_sends_no_write() -> None:
    async with serving(reply(body=b"fine")) as server, client(locked=True) as wire:
        for method in ("PUT", "POST", "DELETE", "PATCH"):
            with pytest.raises(WritesLocked):
                await wire.write(server.url + SECRET_PATH, method=method)
        assert server.heads == []
        assert (await wire.read(server.url)).body == b"fine"


TROUBLES: dict[str, bytes | Handler] = {
    **{str(status): reply(status, location=SECRET_PATH) for status in (301, 400, 401, 404, 429, 500, 503)},
    "silence": silence,
    "closed": nothing,
    "no http": b"what?\r\n\r\n",
    "cut": reply(body=b"x", content_encoding="gzip"),
}


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)
async def test_no_message_holds_path_query_or_credentials(trouble: bytes | Handler) -> None:
    async with serving(trouble) as server, client(timeout=0.3) as wire:
        for call in (wire.read(server.url + SECRET_PATH), wire.write(server.url + SECRET_PATH, method="PUT")):
            with pytest.raises(OutsideError) as caught:
                await call
            text = said(caught.value)
            assert place(server.url) in text
            for secret in ("secret-path", "t0ken", "p4ssword", "acme"):
                assert secret not in text


def test_a_place_is_scheme_host_and_port() -> None:
    assert place("https://user:pw@x.example:8443/path?query#fragment") == "https://x.example:8443"
    assert place("https://x.example/path") == "https://x.example"
    assert place("http://x:port/secret") == "an invalid address"


async def test_an_answer_does_not_show_its_address() -> None:
    async with serving(reply(body=b"x", content_type="Text/Calendar; charset=utf-8")) as server, client() as wire:
        answer = await wire.read(server.url + SECRET_PATH)
    assert "t0ken" not in repr(answer)
    assert answer.media_type == "text/calendar"
