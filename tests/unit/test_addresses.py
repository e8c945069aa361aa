"""Addresses from outside lead to public places only, and the connection goes to the very address that was checked."""

import asyncio
import datetime
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors import addresses, http
from connectors.addresses import is_public
from connectors.answers import place
from connectors.http import Wire
from sync.errors import Refused, Unreachable
from tests.unit.scripted_server import Server, reply, serving
from tests.unit.test_http import SECRET_PATH, client, said

PUBLIC = "8.8.8.8"
OUTSIDE = "127.0.0.2"
"""A loopback address that some tests take for a public one, so that nothing leaves this machine."""

Names = dict[str, list[list[str]]]


@pytest.mark.parametrize(
    "address",
    [
        *(
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.8.8.8",
            "169.254.169.254",
            "172.16.0.1",
            "192.168.0.1",
        ),
        *("192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "100.100.100.200"),
        *("::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "fec0::1", "ff02::1", "ff0e::1", "2001:db8::1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "::8.8.8.8"),
        *("64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b:1::808:808", "2002:7f00:1::", "2002:a00:1::1"),
        *("2001:0:7f00:1::1", "2001:0:808:808::1", "100::1", "5f00::1", "4000::1"),
    ],
)
def test_special_addresses_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", [PUBLIC, "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"]
)
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(address)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    """What names resolve to, look by look (the last one for ever). Literal addresses are what they are."""
    table: Names = {}
    genuine = asyncio.BaseEventLoop.getaddrinfo

    async def getaddrinfo(loop: Any, host: Any, port: Any, **options: Any) -> list[Any]:
        if host not in table:
            return await genuine(loop, host, port, **options)  # numbers; and names that tests must not ask for
        found = table[host].pop(0) if len(table[host]) > 1 else table[host][0]
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        family = [socket.AF_INET6 if ":" in one else socket.AF_INET for one in found]
        return [(kind, socket.SOCK_STREAM, 6, "", (one, port)) for kind, one in zip(family, found, strict=True)]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)
    return table


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The hosts to which a connection was to be made: none is."""
    tried: list[str] = []

    async def create_connection(loop: Any, factory: Any, host: str, port: int, **options: Any) -> Any:
        tried.append(host)
        raise ConnectionRefusedError

    monkeypatch.setattr(asyncio.BaseEventLoop, "create_connection", create_connection)
    return tried


async def whole(wire: Wire, url: str, home: str | None = None) -> bytes:
    async with wire.stream(url, home=home) as download:
        return b"".join([chunk async for chunk in download.chunks])


LED_ASTRAY = {
    "localhost.": [["127.0.0.1"]],
    "loopback.example": [["127.0.0.1"]],
    "mixed.example": [[PUBLIC, "127.0.0.1"]],
}
HOSTILE = [
    *("file:///etc/passwd", "ftp://8.8.8.8/x", "gopher://8.8.8.8/x", "javascript:alert(1)", "data:,x", "//8.8.8.8/x"),
    *("http:///x", "http:x", "", "x", "http://[", "http://a\x00b/", "https://\u2460.0.0.1/"),
    *("http://169.254.169.254/latest/meta-data/", "http://localhost/", "http://localhost./", "http://LOCALHOST/"),
    *("http://127.0.0.1/", "http://127.1/", "http://[::1]/", "http://0.0.0.0/", "http://0/", "https://127.0.0.1/"),
    *("http://2130706433/", "http://0x7f000001/", "http://0177.0.0.1/", "http://[::ffff:127.0.0.1]/"),
    *("http://[64:ff9b::7f00:1]/", "http://10.1.2.3/", "http://192.168.1.1:8080/", "http://[fe80::1]/"),
    *("http://user:pw@127.0.0.1/", "http://8.8.8.8@127.0.0.1/", "http://loopback.example/", "http://mixed.example/"),
]


@pytest.mark.parametrize("url", HOSTILE)
async def test_a_hostile_address_is_refused_before_a_connection_is_made(
    names: Names, connections: list[str], url: str
) -> None:
    names |= LED_ASTRAY
    async with client() as wire:
        with pytest.raises(Refused):
            await whole(wire, url)
    assert connections == []


@pytest.mark.parametrize(
    "url", [url for url in HOSTILE if ":" in url and url not in ("http:x", "http:///x", "http://a\x00b/")]
)
async def test_a_redirect_to_a_hostile_address_is_refused(names: Names, url: str) -> None:
    names |= LED_ASTRAY
    location = url.replace("127.0.0.1", "127.0.0.3")
    async with serving(reply(302, location=location)) as server, client() as wire:
        with pytest.raises(Refused):
            await wire.read(server.url, redirects=True)
        with pytest.raises(Refused):
            await whole(wire, server.url, home=server.url)
        assert len(server.heads) == 2


LONG = "a" * 64
NO_VALID_URL, NO_HOST, NO_PORT = "not a valid URL", "host that can exist", "port that does not exist"
IMPOSSIBLE = {
    "http://xn--/": NO_VALID_URL,
    "http://xn--a.example/": NO_VALID_URL,
    "http://[::1": NO_VALID_URL,
    "http://[1::2::3]/": NO_VALID_URL,
    f"http://host:{'9' * 5000}/": NO_VALID_URL,
    f"http://{'ü' * 64}.example/": NO_VALID_URL,
    "http://\ud800/": NO_VALID_URL,
    "http://host/\ud800": NO_VALID_URL,
    f"http://host/{'ü' * 30_000}": NO_VALID_URL,
    f"http://host/{'a' * 70_000}": NO_VALID_URL,
    f"http://{LONG}.example/": NO_HOST,
    f"http://{'a.' * 128}/": NO_HOST,
    "http://a..b/": NO_HOST,
    "https://.example/": NO_HOST,
    "http://./": NO_HOST,
    "http://%00/": NO_HOST,
    "http://[::1%25lo]/": NO_HOST,
    "http://127.0.0.1:99999/x": NO_PORT,
    "http://127.0.0.1:65536/x": NO_PORT,
    "http://127.0.0.1:-1/": NO_PORT,
    "http://[::1]:0/": NO_PORT,
}


@pytest.mark.parametrize("allow_private", [False, True])
@pytest.mark.parametrize(("url", "why"), IMPOSSIBLE.items(), ids=[ascii(url[:40]) for url in IMPOSSIBLE])
async def test_an_address_that_can_be_none_is_refused_whatever_is_allowed(
    connections: list[str], url: str, why: str, allow_private: bool
) -> None:
    async with client(allow_private=allow_private) as wire:
        with pytest.raises(Refused, match=why):
            await whole(wire, url)
    for here in ("http://127.0.0.1/a", "https://127.0.0.1/a"):
        home = httpx.URL(here)
        with pytest.raises(Refused, match=f"{why}|away from https"):
            await addresses.approach(url, home=home, here=home, allow_private=allow_private)
    assert connections == []


@pytest.mark.parametrize(
    "host", ["a-1.b_2.example", "xn--bcher-kva.example", f"{'a' * 63}.example", "localhost.", "::1"]
)
async def test_a_host_that_can_exist_is_no_matter_of_its_spelling(host: str) -> None:
    url = f"http://[{host}]:65535/x" if ":" in host else f"http://{host}:65535/x"
    target = await addresses.approach(url, home=None, here=None, allow_private=True)
    assert (str(target.url), target.checked) == (url, ())


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://[::1]/", "http://[::1]"),
        ("http://user:pw@[2001:db8::1]:8080/x?token=t0ken#x", "http://[2001:db8::1]:8080"),
        ("https://example.com:8443/x", "https://example.com:8443"),
        ("http://host:0/x", "http://host:0"),
        ("https://xn--bcher-kva.example/", "https://bücher.example"),
        ("http://xn--/", "an invalid address"),
        ("http://[::1", "an invalid address"),
        ("http://host/\ud800", "an invalid address"),
    ],
)
def test_all_of_an_address_that_is_shown_is_its_host(url: str, shown: str) -> None:
    assert place(url) == shown


_ANYTHING = st.text(st.characters(), max_size=30)
_HOSTS = _ANYTHING | st.text("ab1-_.:%[]@xn", max_size=70) | st.ip_addresses().map(str) | st.just("xn--")
_ADDRESSES = _ANYTHING | st.builds(
    "{}://{}{}{}".format,
    st.sampled_from(["http", "https", "HTTP"]),
    _HOSTS | _HOSTS.map("[{}]".format),
    st.just("") | st.integers(-10, 100_000).map(":{}".format) | _ANYTHING.map(":{}".format),
    st.just("/") | _ANYTHING,
)


@settings(deadline=None, max_examples=200)
@given(url=_ADDRESSES, allow_private=st.booleans())
def test_whatever_an_address_says_it_is_refused_or_not_reached(url: str, allow_private: bool) -> None:
    async def look_up(loop: Any, host: Any, port: Any, **options: Any) -> list[Any]:
        host.encode("idna") if isinstance(host, str) else host  # as the genuine one does
        try:
            address = str(ipaddress.ip_address(host))
        except ValueError:
            raise socket.gaierror(socket.EAI_NONAME, "unknown") from None
        return [(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    async def connect(loop: Any, factory: Any, host: str, port: int, **options: Any) -> Any:
        port.to_bytes(2, "big")  # OverflowError, as the genuine one has
        raise ConnectionRefusedError

    async def ask() -> None:
        async with client(allow_private=allow_private) as wire:
            for home in (None, "http://vendor.example/a"):
                with pytest.raises((Refused, Unreachable)):
                    await whole(wire, url, home=home)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(asyncio.BaseEventLoop, "getaddrinfo", look_up)
        patched.setattr(asyncio.BaseEventLoop, "create_connection", connect)
        asyncio.run(ask())
    assert place(url)


async def test_a_name_that_does_not_resolve_may_do_so_another_time(names: Names, connections: list[str]) -> None:
    names["nobody.example"] = [[]]
    async with client() as wire:
        with pytest.raises(Unreachable, match="does not resolve"):
            await whole(wire, "http://nobody.example/")
    assert connections == []


async def test_the_connection_goes_to_the_address_that_was_checked(names: Names, connections: list[str]) -> None:
    names["rebinding.example"] = [[PUBLIC], ["127.0.0.1"]]
    async with client() as wire:
        with pytest.raises(Unreachable):
            await whole(wire, "https://rebinding.example/")
    assert connections == [PUBLIC]


async def test_each_checked_address_is_tried(names: Names, connections: list[str]) -> None:
    names["many.example"] = [[PUBLIC, "2606:4700::1111", PUBLIC, "1.1.1.1"]]
    async with client() as wire:
        with pytest.raises(Unreachable):
            await whole(wire, "http://many.example/")
    assert connections == [PUBLIC, "2606:4700::1111", "1.1.1.1"]


@asynccontextmanager
async def on_both_addresses(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Server, Server, int]]:
    """One port, a server "outside" and another one on loopback; only the first counts as public."""
    monkeypatch.setattr(addresses, "is_public", lambda address: address == OUTSIDE)
    outside, inside = Server(reply(body=b"outside")), Server(reply(body=b"inside"))
    first = await asyncio.start_server(outside.serve, OUTSIDE, 0)
    port = first.sockets[0].getsockname()[1]
    second = await asyncio.start_server(inside.serve, "127.0.0.1", port)
    try:
        yield outside, inside, port
    finally:
        for server in (first, second):
            server.close()
            await server.wait_closed()


async def test_a_name_that_changes_its_address_between_two_looks_reaches_nothing_inside(
    names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with on_both_addresses(monkeypatch) as (outside, inside, port), client() as wire:
        names["rebinding.example"] = [[OUTSIDE], ["127.0.0.1"]]
        assert await whole(wire, f"http://rebinding.example:{port}{SECRET_PATH}") == b"outside"
        assert f"Host: rebinding.example:{port}" in outside.heads[0]
        with pytest.raises(Refused, match="private") as caught:
            await whole(wire, f"http://rebinding.example:{port}{SECRET_PATH}")
        assert "t0ken" not in said(caught.value)
        names["rebinding.example"] = [[OUTSIDE], ["127.0.0.1"]]
        async with serving(reply(302, location=f"http://rebinding.example:{port}/")) as server:
            assert (await wire.read(server.url, redirects=True)).body == b"outside"
        assert inside.heads == []


async def test_neither_our_credentials_nor_those_of_the_address_go_outside(
    names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    names["files.example"] = [[OUTSIDE]]
    async with on_both_addresses(monkeypatch) as (outside, _, port), client() as wire:
        url = f"http://user:pw@files.example:{port}/a"
        assert await whole(wire, url, home="http://vendor.example") == b"outside"
        async with serving(reply(302, location=url)) as server:
            assert await whole(wire, server.url, home=server.url) == b"outside"
            assert (await wire.read(server.url, redirects=True)).body == b"outside"
        assert ["authorization: " in head.lower() for head in server.heads] == [True, True]
        assert ["authorization" in head.lower() for head in outside.heads] == [False, False, False]


async def test_leave_for_private_addresses_is_leave_for_all(names: Names) -> None:
    async with serving(reply(body=b"inside")) as server, client(allow_private=True) as wire:
        for host in ("127.0.0.1", "localhost", "2130706433"):
            assert await whole(wire, server.url.replace("127.0.0.1", host)) == b"inside"
        with pytest.raises(Refused, match="http"):
            await whole(wire, "file:///etc/passwd")


async def test_the_vendors_own_host_needs_no_leave() -> None:
    async with serving(reply(body=b"mine")) as server, client() as wire:
        assert await whole(wire, "/there", home=server.url) == b"mine"
        assert "GET /there " in server.heads[0]
        with pytest.raises(Refused, match="private"):
            await whole(wire, server.url.replace("127.0.0.1", "127.0.0.4"), home=server.url)


async def test_the_way_never_leads_from_https_to_http() -> None:
    home = httpx.URL("https://vendor.example/")
    for allow_private in (False, True):
        with pytest.raises(Refused, match="away from https"):
            await addresses.approach("http://vendor.example/", home=home, here=home, allow_private=allow_private)


# TLS


@pytest.fixture
def certified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ssl.SSLContext]:
    """A server's TLS for a name, with a certificate that is believed."""
    believed = ssl.create_default_context()

    def certify(name: str) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        who = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        now = datetime.datetime.now(datetime.UTC)
        certificate = (
            x509.CertificateBuilder(who, who, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .sign(key, hashes.SHA256())
        )
        pem = certificate.public_bytes(serialization.Encoding.PEM)
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        (tmp_path / name).write_bytes(pem + key.private_bytes(*form))
        believed.load_verify_locations(cadata=pem.decode())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / name)
        return context

    monkeypatch.setattr(http, "trusted", lambda: believed)
    return certify


async def test_the_certificate_must_be_for_the_name_although_the_address_is_connected_to(
    names: Names, monkeypatch: pytest.MonkeyPatch, certified: Callable[[str], ssl.SSLContext]
) -> None:
    monkeypatch.setattr(addresses, "is_public", lambda address: ipaddress.ip_address(address).is_loopback)
    names |= {"right.example": [["127.0.0.1"]], "wrong.example": [["127.0.0.1"]]}
    script = Server(reply(body=b"secure"))
    server = await asyncio.start_server(script.serve, "127.0.0.1", 0, ssl=certified("right.example"))
    port = server.sockets[0].getsockname()[1]
    try:
        async with client() as wire:
            assert await whole(wire, f"https://right.example:{port}/") == b"secure"
            with pytest.raises(Unreachable):
                await whole(wire, f"https://wrong.example:{port}/")
    finally:
        server.close()
        await server.wait_closed()
    assert [f"Host: right.example:{port}" in head for head in script.heads] == [True]


async def test_a_connection_to_an_address_is_never_used_for_another_name(
    names: Names, monkeypatch: pytest.MonkeyPatch, certified: Callable[[str], ssl.SSLContext]
) -> None:
    monkeypatch.setattr(addresses, "is_public", lambda address: True)
    names |= {"right.example": [["127.0.0.1"]], "wrong.example": [["127.0.0.1"]]}
    heads: list[str] = []

    async def keep_alive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                heads.append(head.decode())
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecure")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(keep_alive, "127.0.0.1", 0, ssl=certified("right.example"))
    port = server.sockets[0].getsockname()[1]
    try:
        async with client() as wire:
            assert await whole(wire, f"https://right.example:{port}/") == b"secure"
            with pytest.raises(Unreachable):
                await whole(wire, f"https://wrong.example:{port}/")
    finally:
        server.close()
        await server.wait_closed()
    assert len(heads) == 1
