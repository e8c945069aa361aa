"""The server and the feeds, over real loopback connections: what is configured and nothing else, and to nobody else."""

import asyncio
import contextlib
import email.utils
import importlib
import os
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from daemon.listen import listen_address
from daemon.web import application, serving
from sync.errors import ConfigurationError
from tests.live import StillLife, still_life

server = importlib.import_module("daemon.web.serving")  # whose name in its package is the function's

TEXT = b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nNAME:B\xc3\xbcro\r\nEND:VCALENDAR\r\n"
FEED = "/feeds/sales.ics"
CONFIG = """\
[sources.sales]
type = "ical"
url = "sales.ics"
[vendors.main]
type = "onstream"
url = "https://vendor.example"
username = "acme"
password = "the-vendors-secret"
""" + "".join(
    f"""
[routes.{name}]
source = "sales"
vendor = "main"
[routes.{name}.publish]
feed = "{name}.ics"
"""
    for name in ("sales", "later", "broken")
)


async def nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that has nothing."""
    await PlainTextResponse("Not Found", 404)(scope, receive, send)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "feeds").mkdir()
    (tmp_path / "feeds" / "sales.ics").write_bytes(TEXT)
    (tmp_path / "feeds" / "private.ics").write_bytes(b"not configured")
    (tmp_path / "feeds" / "broken.ics").mkdir()
    (tmp_path / "convener.toml").write_text(CONFIG)
    return tmp_path


@pytest.fixture
async def life(folder: Path) -> AsyncIterator[StillLife]:
    async with still_life(folder / "convener.toml") as made:
        yield made


@pytest.fixture
async def address(life: StillLife) -> AsyncIterator[str]:
    async with serving("127.0.0.1:0", application(life)) as bound:
        yield bound


@pytest.fixture
async def client(address: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://{address}", trust_env=False) as made:
        yield made


async def raw(address: str, *lines: str) -> bytes:
    """The answer to a request that is sent as it stands."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write("\r\n".join([*lines, "Connection: close", "", ""]).encode())
    answer = await reader.read()
    writer.close()
    return answer


class TestFeeds:
    async def test_a_feed_is_served_as_the_calendar_that_it_is(self, client: httpx.AsyncClient, folder: Path) -> None:
        answer = await client.get(FEED)
        assert (answer.status_code, answer.content) == (200, TEXT)
        written = int((folder / "feeds" / "sales.ics").stat().st_mtime)
        assert email.utils.parsedate_to_datetime(answer.headers["last-modified"]).timestamp() == written
        assert {name: answer.headers[name] for name in (
            "content-type", "content-disposition", "cache-control", "x-content-type-options", "content-length",
        )} == {
            "content-type": "text/calendar; charset=utf-8",
            "content-disposition": 'inline; filename="sales.ics"',
            "cache-control": "private, max-age=60",
            "x-content-type-options": "nosniff",
            "content-length": str(len(TEXT)),
        }  # fmt: skip
        assert "date" in answer.headers
        assert "server" not in answer.headers

    async def test_head_says_the_same_without_the_feed(self, client: httpx.AsyncClient) -> None:
        whole, head = await client.get(FEED), await client.head(FEED)
        assert (head.status_code, head.content) == (200, b"")
        for name in ("etag", "content-length", "content-type", "last-modified"):
            assert head.headers[name] == whole.headers[name]

    async def test_the_entity_tag_follows_the_content_alone(self, client: httpx.AsyncClient, folder: Path) -> None:
        path = folder / "feeds" / "sales.ics"
        first = (await client.get(FEED)).headers["etag"]
        assert (await client.get(FEED)).headers["etag"] == first
        assert first[0] == first[-1] == '"'
        os.utime(path, (1, 1))
        assert (await client.get(FEED)).headers["etag"] == first
        path.write_bytes(TEXT[:-1])
        os.utime(path, (1, 1))
        assert (await client.get(FEED)).headers["etag"] != first

    async def test_a_client_that_has_it_gets_304_until_it_changes(
        self, client: httpx.AsyncClient, folder: Path
    ) -> None:
        tag = (await client.get(FEED)).headers["etag"]
        for known in (tag, f"W/{tag}", f'"other", {tag}', f'W/"a,b" ,{tag},"c"', "*"):
            for method in ("GET", "HEAD"):
                answer = await client.request(method, FEED, headers={"If-None-Match": known})
                assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag), known
        two = await client.get(FEED, headers=[("If-None-Match", '"x"'), ("If-None-Match", tag)])
        assert two.status_code == 304
        (folder / "feeds" / "sales.ics").write_bytes(TEXT + b"\r\n")
        answer = await client.get(FEED, headers={"If-None-Match": tag})
        assert (answer.status_code, answer.content) == (200, TEXT + b"\r\n")

    @pytest.mark.parametrize("known", ['"other"', "", "other", '"', "W/", '"*"', ", ,"])
    async def test_a_client_that_has_something_else_gets_the_feed(self, client: httpx.AsyncClient, known: str) -> None:
        assert (await client.get(FEED, headers={"If-None-Match": known})).status_code == 200

    async def test_its_bare_tag_without_quotes_is_none(self, client: httpx.AsyncClient) -> None:
        tag = (await client.get(FEED)).headers["etag"].strip('"')
        assert (await client.get(FEED, headers={"If-None-Match": tag})).status_code == 200

    async def test_the_time_alone_never_makes_a_304(self, client: httpx.AsyncClient) -> None:
        written = (await client.get(FEED)).headers["last-modified"]
        assert (await client.get(FEED, headers={"If-Modified-Since": written})).status_code == 200

    async def test_one_that_is_not_written_yet_is_404_until_it_is(
        self, client: httpx.AsyncClient, folder: Path
    ) -> None:
        assert (await client.get("/feeds/later.ics")).status_code == 404
        assert (await client.get("/feeds/later.ics", headers={"If-None-Match": "*"})).status_code == 404
        (folder / "feeds" / "later.ics").write_bytes(TEXT)
        assert (await client.get("/feeds/later.ics")).content == TEXT

    async def test_one_that_cannot_be_read_is_503_and_says_nothing_of_the_machine(
        self, client: httpx.AsyncClient, folder: Path
    ) -> None:
        answer = await client.get("/feeds/broken.ics")
        assert (answer.status_code, str(folder) in answer.text) == (503, False)


class TestNothingElse:
    @pytest.mark.parametrize(
        "path",
        [
            "/feeds",
            "/feeds/",
            "/feeds/private.ics",
            "/feeds/sales.ics/",
            "/feeds//sales.ics",
            "/feeds/Sales.ics",
            "/feeds/../convener.toml",
            "/feeds/../feeds/private.ics",
            "/../convener.toml",
            "/feeds/%2e%2e/convener.toml",
            "/feeds/%2e%2e%2fconvener.toml",
            "/feeds/..%2Fconvener.toml",
            "/feeds/..%5cconvener.toml",
            "/feeds/%2e%2e",
            "/feeds/sales.ics%00",
            "/feeds/sales.ics%2f..%2fprivate.ics",
            "/feeds/%252e%252e%252fconvener.toml",
            "/docs",
            "/openapi.json",
            "/metrics",
            "/assets/../application.py",
            "/assets/%2e%2e%2fapplication.py",
            "/assets/",
            "/templates/page.html.j2",
            "/hooks/../api/status",
            "/hooks%2f..%2fapi%2fstatus",
            "//api/status",
            "/api/",
        ],
    )
    async def test_whatever_is_asked_for_nothing_else_is_found(self, address: str, path: str) -> None:
        answer = await raw(address, f"GET {path} HTTP/1.1", f"Host: {address}")
        assert answer.startswith(b"HTTP/1.1 404 ")
        assert b"the-vendors-secret" not in answer
        assert b"not configured" not in answer

    @pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"])
    async def test_nothing_can_be_done_but_reading(self, client: httpx.AsyncClient, folder: Path, method: str) -> None:
        answer = await client.request(method, FEED)
        assert answer.status_code == 405
        assert sorted(answer.headers["allow"].split(", ")) == ["GET", "HEAD"]
        assert (folder / "feeds" / "sales.ics").read_bytes() == TEXT

    @pytest.mark.parametrize("host", ["{}", "localhost", "LOCALHOST:1", "127.1.2.3:80", "[::1]", "[::1]:8377"])
    async def test_it_answers_to_loopback_names(self, address: str, host: str) -> None:
        answer = await raw(address, f"GET {FEED} HTTP/1.1", f"Host: {host.format(address)}")
        assert answer.startswith(b"HTTP/1.1 200 ")

    @pytest.mark.parametrize(
        "host",
        [
            "evil.example", "evil.example:8377", "127.0.0.1.evil.example", "localhost.evil.example", "evil.localhost",
            "localhost@evil.example", "192.168.1.5", "0.0.0.0", "[::]", "169.254.169.254", "127.0.0.1:80:80", "",
            ":8377", "[::1", "2130706433", "127.1",
        ],
        ids=ascii,
    )  # fmt: skip
    async def test_a_page_whose_name_was_made_to_lead_here_gets_nothing(self, address: str, host: str) -> None:
        for path in (FEED, "/nothing"):
            answer = await raw(address, f"GET {path} HTTP/1.1", f"Host: {host}")
            assert answer.startswith(b"HTTP/1.1 421 ")
            assert TEXT not in answer

    async def test_nor_does_one_that_names_no_host_or_two(self, address: str) -> None:
        assert (await raw(address, f"GET {FEED} HTTP/1.0")).split()[1] == b"421"
        two = await raw(address, f"GET {FEED} HTTP/1.1", "Host: localhost", "Host: evil.example")
        assert two.split()[1] in (b"400", b"421")


class TestAddress:
    @pytest.mark.parametrize(
        ("listen", "address"),
        [
            ("127.0.0.1:8377", ("127.0.0.1", 8377)),
            ("127.9.9.9:0", ("127.9.9.9", 0)),
            ("[::1]:8377", ("::1", 8377)),
            ("localhost:65535", ("127.0.0.1", 65535)),
            ("", None),
        ],
    )
    def test_what_can_be_listened_on(self, listen: str, address: tuple[str, int] | None) -> None:
        assert listen_address(listen) == address

    @pytest.mark.parametrize(
        "listen",
        [
            "8377",
            ":8377",
            "127.0.0.1",
            "127.0.0.1:",
            "127.0.0.1:65536",
            "::1:8377",
            "127.0.0.1:web",
            "[]:1",
            "a b:-1",
            "127.0.0.1:١",
        ],
    )
    def test_what_is_no_address_is_said_in_one_line(self, listen: str) -> None:
        with pytest.raises(ValueError, match=r"^\".*\" is not host:port, such as 127") as caught:
            listen_address(listen)
        assert len(str(caught.value).splitlines()) == 1

    @pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "[::]", "convener.example.com", "*"])
    async def test_what_can_be_reached_from_elsewhere_is_refused(self, host: str) -> None:
        with pytest.raises(ConfigurationError, match=r"^\[daemon\] listen: .*only loopback addresses until there is a"):
            async with serving(f"{host}:0", nothing):
                pytest.fail("it was served")

    async def test_nothing_is_served_when_it_is_off(self) -> None:
        async with serving("", nothing) as bound:
            assert bound == ""

    async def test_an_address_that_is_taken_is_an_error_of_the_system(self, address: str) -> None:
        with pytest.raises(OSError, match="in use"):
            async with serving(address, nothing):
                pytest.fail("it was served")

    @pytest.mark.parametrize(
        ("listen", "address"),
        [("0.0.0.0:80", ("0.0.0.0", 80)), ("[::]:0", ("::", 0)), ("192.168.1.5:1", ("192.168.1.5", 1))],
    )
    def test_with_a_token_other_addresses_can_be_listened_on(self, listen: str, address: tuple[str, int]) -> None:
        assert listen_address(listen, anywhere=True) == address

    @pytest.mark.parametrize("host", ["convener.example.com", "*", "2130706433"])
    def test_but_no_names_for_no_resolver_is_asked(self, host: str) -> None:
        with pytest.raises(ValueError, match="is no IP address of this machine"):
            listen_address(f"{host}:80", anywhere=True)

    async def test_it_serves_on_ipv6_too(self, life: StillLife) -> None:
        try:
            socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        except OSError as error:
            pytest.skip(f"no IPv6 here: {error}")
        async with serving("[::1]:0", application(life)) as bound:
            assert bound.startswith("[::1]:")
            async with httpx.AsyncClient(trust_env=False) as client:
                assert (await client.get(f"http://{bound}{FEED}")).content == TEXT


class TestSlowAndHuge:
    """What a client can make the server hold is bounded in bytes and seconds."""

    async def dropped_after(self, address: str, *pieces: bytes) -> tuple[bytes, float]:
        """What is answered to pieces that come one by one, the last again and again, and when the connection ended."""
        host, _, port = address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        answer = bytearray()

        async def read() -> None:
            with contextlib.suppress(ConnectionResetError):
                while block := await reader.read(1 << 16):
                    answer.extend(block)

        begun, reading = asyncio.get_running_loop().time(), asyncio.create_task(read())
        for piece in pieces:
            writer.write(piece)
        while not reading.done() and asyncio.get_running_loop().time() < begun + 10:
            writer.write(pieces[-1])
            await asyncio.wait([reading], timeout=0.02)
        writer.close()
        return bytes(answer), asyncio.get_running_loop().time() - begun

    async def test_a_head_that_trickles_in_is_not_waited_for(
        self, address: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(server, "REQUEST_TIME", 0.3)
        answer, seconds = await self.dropped_after(
            address, b"GET /feeds/sales.ics HTTP/1.1\r\nHost: localhost\r\n", b"X: y\r\n"
        )
        assert answer == b""
        assert 0.2 < seconds < 5

    async def test_a_second_head_that_trickles_in_is_not_either(
        self, address: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(server, "REQUEST_TIME", 0.3)
        answer, seconds = await self.dropped_after(
            address, f"GET {FEED} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode(), b"G"
        )
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert seconds < 5

    async def test_a_body_that_nobody_asked_for_is_not_swallowed_for_ever(
        self, address: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(server, "REQUEST_TIME", 0.3)
        head = f"GET {FEED} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000000\r\n\r\n".encode()
        answer, seconds = await self.dropped_after(address, head, b"x")
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert seconds < 5

    async def test_an_answer_that_is_not_taken_is_given_up(
        self, folder: Path, address: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(server, "ANSWER_TIME", 0.3)
        (folder / "feeds" / "sales.ics").write_bytes(b"x" * 64_000_000)
        host, _, port = address.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=10) as slow:
            slow.sendall(f"GET {FEED} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            assert await asyncio.to_thread(slow.recv, 1)
            await asyncio.sleep(0.5)
            assert await asyncio.to_thread(rest_of, slow) < 64_000_000

    @pytest.mark.parametrize(
        "lines",
        [
            ("GET / HTTP/1.1", "X: " + "x" * 20_000),
            (f"GET /{'x' * 20_000} HTTP/1.1",),
            ("GET / HTTP/1.1", *["XX: yy"] * 5000),
        ],
        ids=["one", "path", "many"],
    )
    async def test_a_huge_head_is_refused(self, address: str, lines: tuple[str, ...]) -> None:
        answer = await raw(address, *lines, "Host: localhost")
        assert answer.split()[1] in (b"400", b"431")
        assert b"content-security-policy" in answer.lower()

    async def test_every_answer_tells_browsers_to_do_nothing_but_show_it(
        self, client: httpx.AsyncClient, address: str
    ) -> None:
        for path in (FEED, "/nothing", "/healthz", "/", "/assets/style.css", "/api/status"):
            headers = (await client.get(path)).headers
            assert "default-src 'none'" in headers["content-security-policy"], path
            assert "script-src" not in headers["content-security-policy"], path
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "no-referrer"
            assert headers.get_list("content-security-policy") == [headers["content-security-policy"]]
        refused = await raw(address, "GET / HTTP/1.1", "Host: evil.example")
        assert b"content-security-policy: default-src 'none'" in refused.lower()


class TestGuest:
    """The server lives in the service's loop and leaves everything there as it was."""

    async def test_the_services_signal_handlers_stay(self) -> None:
        loop, told = asyncio.get_running_loop(), asyncio.Event()
        loop.add_signal_handler(signal.SIGTERM, told.set)
        before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
        try:
            async with serving("127.0.0.1:0", nothing) as bound:
                await raw(bound, "GET /x HTTP/1.1", "Host: localhost")
                assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before
                os.kill(os.getpid(), signal.SIGTERM)
                await asyncio.wait_for(told.wait(), 5)
                assert (await raw(bound, "GET /x HTTP/1.1", "Host: localhost")).startswith(b"HTTP/1.1 404 ")
        finally:
            loop.remove_signal_handler(signal.SIGTERM)

    async def test_it_says_nothing_by_itself(self, life: StillLife, capfd: pytest.CaptureFixture[str]) -> None:
        async with serving("127.0.0.1:0", application(life)) as bound:
            await raw(bound, f"GET {FEED} HTTP/1.1", "Host: localhost")
            await raw(bound, "this is no HTTP")
        assert capfd.readouterr() == ("", "")

    async def test_the_port_is_free_again_afterwards(self) -> None:
        async with serving("127.0.0.1:0", nothing) as bound:
            pass
        async with serving(bound, nothing) as again:
            assert again == bound

    async def test_a_failure_in_the_block_ends_the_server_and_is_passed_on(self) -> None:
        with pytest.raises(ZeroDivisionError):
            async with serving("127.0.0.1:0", nothing) as bound:
                raise ZeroDivisionError
        with pytest.raises(ConnectionRefusedError):
            await raw(bound, "GET / HTTP/1.1")

    async def test_a_client_that_does_not_read_is_dropped_at_the_end(
        self, folder: Path, life: StillLife, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(server, "SHUTDOWN", 0)
        size = 64_000_000
        (folder / "feeds" / "sales.ics").write_bytes(b"x" * size)
        with contextlib.ExitStack() as clients:
            async with asyncio.timeout(20):
                async with serving("127.0.0.1:0", application(life)) as bound:
                    host, _, port = bound.rpartition(":")
                    slow = clients.enter_context(socket.create_connection((host, int(port)), timeout=10))
                    idle = clients.enter_context(socket.create_connection((host, int(port)), timeout=10))
                    slow.sendall(f"GET {FEED} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                    idle.sendall(b"GET /fe")
                    assert await asyncio.to_thread(slow.recv, 1)
                assert await asyncio.to_thread(rest_of, slow) < size
                assert await asyncio.to_thread(rest_of, idle) == 0


def rest_of(client: socket.socket) -> int:
    """How many bytes still come until the connection ends."""
    size = 0
    with contextlib.suppress(ConnectionResetError):
        while block := client.recv(1 << 20):
            size += len(block)
    return size
