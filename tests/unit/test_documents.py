"""Documents behind addresses from outside, over real loopback HTTP: what is taken, what is refused, in what words."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from connectors import addresses
from connectors.documents import Documents
from connectors.sources.ical import IcalSource
from sync.errors import Gone, OutsideError, Refused, Unreachable
from sync.model import Document
from tests.feed_server import Asked, Script, Server, answer, serving
from tests.unit.ical.support import settings
from tests.unit.test_media import DOCX, PDF, PNG

MIB = 1024 * 1024
PAGE = b"<!DOCTYPE html><html><body>Please log in</body></html>"
SECRET = "/plan.pdf?token=geheim"
DATES = {"Date": "Sun, 22 Nov 2026 10:00:00 GMT", "Last-Modified": "Sun, 01 Nov 2026 00:00:00 GMT"}


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serving() as running:
        yield running


@pytest.fixture
async def documents() -> AsyncIterator[Documents]:
    fetching = Documents(timeout=5, allow_private=True, most=MIB)
    yield fetching
    await fetching.close()


def document(server: Server, path: str = SECRET, name: str = "", media_type: str = "") -> Document:
    return Document(name, media_type, url=server.url + path)


def served(body: bytes, kind: str, status: int = 200) -> Script:
    return answer(body, status, {"Content-Type": kind})


async def test_a_document_comes_with_its_content_and_keeps_its_identity(server: Server, documents: Documents) -> None:
    server.script = answer(PDF, headers={"Content-Type": "application/pdf", "ETag": '"v1"'})
    wanted = document(server, name="Plan", media_type="application/pdf")
    fetched = await documents.fetch(wanted, "")
    assert fetched is not None
    assert fetched.validator == '"v1"'
    assert fetched.document == Document("Plan", "application/pdf", PDF, wanted.url)
    assert fetched.document.identity == wanted.identity


@pytest.mark.parametrize(
    ("headers", "condition"),
    [({"ETag": '"v1"'}, "if-none-match"), (DATES, "if-modified-since"), ({**DATES, "ETag": '"v1"'}, "if-none-match")],
)
async def test_what_did_not_change_is_not_sent_again(
    server: Server, documents: Documents, headers: dict[str, str], condition: str
) -> None:
    known = {"if-none-match": '"v1"', "if-modified-since": DATES["Last-Modified"]}[condition]

    async def script(asked: Asked, writer: asyncio.StreamWriter) -> None:
        same = asked.headers.get(condition) == known
        await (answer(b"", 304, length=None) if same else answer(PDF, headers=headers))(asked, writer)

    server.script = script
    first = await documents.fetch(document(server), "")
    assert first is not None
    assert condition not in server.asked[0].headers
    assert await documents.fetch(document(server), first.validator) is None
    changed = await documents.fetch(document(server), '"v0"')
    assert changed is not None
    assert changed.document.content == PDF


async def test_a_server_without_validators_sends_it_again(server: Server, documents: Documents) -> None:
    server.answer(PDF)
    for _ in range(2):
        fetched = await documents.fetch(document(server), "")
        assert fetched is not None
        assert (fetched.document.content, fetched.validator) == (PDF, "")


@pytest.mark.parametrize(
    ("body", "kind", "said", "name", "expected"),
    [
        (PDF, "application/octet-stream", "", "plan", "application/pdf"),
        (PDF, "text/html", "application/pdf", "plan.pdf", "application/pdf"),
        (PNG, "application/pdf", "application/pdf", "plan.pdf", "image/png"),
        (DOCX, "application/zip", "", "", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        (b"a,b\n", "text/plain", "text/csv", "", "text/csv"),
        (b"a,b\n", "text/csv; charset=utf-8", "", "", "text/csv"),
        (b"a,b\n", "application/octet-stream", "application/octet-stream", "x.csv", "text/csv"),
        (b"a,b\n", "", "", "", "text/plain"),
        (b"\0\1\2", "", "", "", "application/octet-stream"),
    ],
)
async def test_the_type_is_that_of_the_content_then_what_is_said_of_it(
    server: Server, documents: Documents, body: bytes, kind: str, said: str, name: str, expected: str
) -> None:
    server.script = served(body, kind)
    fetched = await documents.fetch(document(server, name=name, media_type=said), "")
    assert fetched is not None
    assert (fetched.document.media_type, fetched.document.name) == (expected, name)


@pytest.mark.parametrize(
    ("body", "kind", "said", "name"),
    [
        (PAGE, "text/html; charset=utf-8", "application/pdf", ""),
        (PAGE, "application/pdf", "application/pdf", ""),
        (PAGE, "application/octet-stream", "", "plan.PDF"),
        (b"\xef\xbb\xbf \n<!-- x --><HTML lang=en>", "", "application/octet-stream", "plan.docx"),
        (b"please log in", "text/html", "image/png", ""),
        (PAGE, "text/html", "application/vnd.google-apps.document", "Notes"),
        (PAGE, "text/html", "text/plain", ""),
        (b'<?xml version="1.0"?><html xmlns="x">', "application/xhtml+xml", "application/pdf", ""),
    ],
)
async def test_a_web_page_in_place_of_the_document_is_refused(
    server: Server, documents: Documents, body: bytes, kind: str, said: str, name: str
) -> None:
    server.script = served(body, kind)
    with pytest.raises(Refused) as refused:
        await documents.fetch(document(server, media_type=said, name=name), "")
    assert str(refused.value) == f"{server.url}: answers with a web page instead of the document: is a login needed?"


@pytest.mark.parametrize(
    ("body", "kind", "said", "name"),
    [
        (PAGE, "text/html", "text/html", ""),
        (PAGE, "text/html", "", "agenda.html"),
        (PAGE, "text/html", "", "agenda"),
        (b"<div align=center>\n# Agenda\n", "text/plain", "text/markdown", "README.md"),
    ],
)
async def test_a_web_page_that_was_promised_is_a_document(
    server: Server, documents: Documents, body: bytes, kind: str, said: str, name: str
) -> None:
    server.script = served(body, kind)
    fetched = await documents.fetch(document(server, media_type=said, name=name), "")
    assert fetched is not None
    assert fetched.document.content == body


BAD = {
    "400": (answer(PDF, 400), Refused, "answered 400"),
    "401": (answer(PDF, 401), Refused, "a login is needed (answered 401)"),
    "403": (answer(PDF, 403), Refused, "a login is needed (answered 403)"),
    "404": (answer(PDF, 404), Gone, "no document any more (answered 404)"),
    "410": (answer(PDF, 410), Gone, "answered 410"),
    "429": (answer(PDF, 429, {"Retry-After": "9"}), Unreachable, "asks to wait 9 s"),
    "500": (answer(PDF, 500), Unreachable, "answered 500"),
    "503 with Retry-After": (answer(PDF, 503, {"Retry-After": "7"}), Unreachable, "asks to wait 7 s"),
    "204": (answer(b"", 204, length=None), OutsideError, ""),
    "304 unasked": (answer(b"", 304, length=None), Unreachable, "304"),
    "206 unasked": (answer(PDF, 206, {"Content-Range": "bytes 0-9/99"}), Unreachable, "206"),
    "nothing": (answer(b""), Refused, "answers with nothing instead of the document"),
    "declared too large": (answer(PDF, length=MIB + 1), Refused, "larger than 1 MiB"),
    "too large": (answer(bytes(MIB + 1), length=None), Refused, "larger than 1 MiB"),
    "cut": (answer(PDF[:9], length=len(PDF)), Unreachable, "broke"),
    "reset": (answer(PDF[:9], length=len(PDF), reset=True), Unreachable, ""),
    "a chunk is cut": (
        answer(b"99\r\n%PDF", headers={"Transfer-Encoding": "chunked"}, length=None),
        Unreachable,
        "broke",
    ),
    "compressed": (answer(PDF, headers={"Content-Encoding": "gzip"}), Unreachable, "compressed"),
    "redirect loop": (answer(b"", 302, {"Location": SECRET}), Unreachable, "redirects"),
    "redirect to a file": (answer(b"", 302, {"Location": "file:///etc/passwd"}), Refused, "https is refused"),
}


@pytest.mark.parametrize("kind", BAD)
async def test_a_bad_answer_is_no_document_and_shows_no_more_than_its_host(
    server: Server, documents: Documents, kind: str
) -> None:
    server.script, error, words = BAD[kind]
    with pytest.raises(error) as raised:
        await documents.fetch(document(server, media_type="application/pdf"), "")
    assert words in str(raised.value)
    assert server.url in str(raised.value)
    for secret in ("geheim", "token", "plan.pdf", "etc"):
        assert secret not in str(raised.value)


async def test_a_server_that_stops_in_the_middle_costs_its_time_out(server: Server) -> None:
    async def script(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n%PDF-")
        await writer.drain()
        await stopped.wait()

    stopped = asyncio.Event()
    server.script = script
    fetching = Documents(timeout=0.2, allow_private=True)
    async with asyncio.timeout(5):
        with pytest.raises(Unreachable):
            await fetching.fetch(document(server), "")
    stopped.set()
    await fetching.close()


async def test_nobody_listening_is_unreachable(documents: Documents) -> None:
    async with serving() as server:
        pass
    with pytest.raises(Unreachable, match="no answer"):
        await documents.fetch(document(server), "")


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/a.pdf",
        "http://localhost:1/a.pdf",
        "http://[::1]/a.pdf",
        "http://[::ffff:127.0.0.1]/a.pdf",
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1/a.pdf",
        "http://0/a.pdf",
        "http://2130706433/a.pdf",
        "file:///etc/passwd",
        "ftp://127.0.0.1/a",
        "https://",
        "http://[x/a",
        "http://[::1/a",
        "http://xn--/a",
        "https://xn--a.example/a",
        "http://127.0.0.1:99999/a",
        "http://127.0.0.1:-1/a",
        f"http://127.0.0.1:{'9' * 5000}/a",
        f"http://{'b' * 64}.example/a",
        "http://files.example/a\ud800",
    ],
)
async def test_what_is_not_in_public_is_not_fetched(url: str) -> None:
    feed = IcalSource("s", settings(), Path("/"))
    with pytest.raises((Refused, Unreachable)) as raised:
        await feed.document(Document("a.pdf", "", url=url), "")
    await feed.close()
    assert "/a" not in str(raised.value)
    if "1" in url.partition("//")[2].partition("/")[0]:
        assert isinstance(raised.value, Refused)


@pytest.mark.parametrize(
    "url",
    ["http://xn--/a", "http://127.0.0.1:99999/a", "http://[::1]:0/a", f"http://{'b' * 64}.example/a", "http://[::1"],
)
async def test_an_address_that_can_be_none_is_refused_whatever_is_allowed(documents: Documents, url: str) -> None:
    with pytest.raises(Refused) as raised:
        await documents.fetch(Document("a.pdf", "", url=url), "")
    assert "/a" not in str(raised.value)


async def test_a_public_place_cannot_send_on_to_a_private_one(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "is_public", lambda address: address == "127.0.0.1")  # the server's, and no other
    feed = IcalSource("s", settings(), Path("/"))
    port = httpx.URL(server.url).port
    for hidden in (f"http://127.0.0.2:{port}/a.pdf", f"http://[::1]:{port}/a.pdf", "http://169.254.169.254/x"):
        server.answer(b"", 302, {"Location": hidden})
        with pytest.raises(Refused, match="a private address is refused"):
            await feed.document(document(server), "")
    server.answer(PDF)
    assert await feed.document(document(server), "") is not None
    await feed.close()
    assert len(server.asked) == 4


async def test_a_source_fetches_what_its_settings_allow_and_shows_no_credentials(server: Server) -> None:
    server.answer(PDF)
    address = server.url.replace("http://", "http://ann:geheim@") + "/feed.ics"
    for allowed in (False, True):
        feed = IcalSource("s", settings(url=address, allow_private=allowed), Path("/"))
        if allowed:
            fetched = await feed.document(document(server), "")
            assert fetched is not None
            assert hashlib.sha256(fetched.document.content).digest() == hashlib.sha256(PDF).digest()
        else:
            with pytest.raises(Refused, match="allow_private"):
                await feed.document(document(server), "")
        await feed.close()
    (asked,) = server.asked
    assert "authorization" not in asked.headers


async def test_content_of_the_calendar_itself_needs_no_server(documents: Documents) -> None:
    fetched = await documents.fetch(Document("plan", "", PDF), "")
    assert fetched is not None
    assert fetched.document == Document("plan", "application/pdf", PDF)


async def test_a_document_that_does_not_come_in_time_may_work_later() -> None:
    async def slow(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 X\r\nContent-Type: application/pdf\r\nContent-Length: 9000\r\n\r\n%PDF-1.4")
        await writer.drain()
        await asyncio.Event().wait()

    documents = Documents(timeout=30, allow_private=True, longest=0.2)
    async with serving() as server:
        server.script = slow
        with pytest.raises(Unreachable, match=r"did not come within 0\.2 s"):
            await documents.fetch(Document("a.pdf", "", url=f"{server.url}/a.pdf"), "")
    await documents.close()
