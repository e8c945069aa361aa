"""What systemd hears: real datagrams over real Unix sockets."""

import os
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from daemon.notify import Notifier


class Listener:
    """systemd's end: a socket in the file system, or in the abstract namespace."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.settimeout(5)
        self.socket.bind(address)

    def heard(self) -> list[str]:
        """The lines of the next datagram."""
        return self.socket.recv(65536).decode().split("\n")

    def silent(self) -> bool:
        self.socket.settimeout(0)
        try:
            self.socket.recv(65536)
        except BlockingIOError:
            return True
        return False


@pytest.fixture(params=["a path", "an abstract name"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Listener, str]]:
    name = f"convener-test-{secrets.token_hex(8)}"
    address, shown = (f"\0{name}", f"@{name}") if "abstract" in request.param else (str(tmp_path / "notify"),) * 2
    listener = Listener(address)
    with listener.socket:
        yield listener, shown


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    made = Listener(str(tmp_path / "notify"))
    with made.socket:
        yield made


@pytest.fixture
def notifier(listener: Listener, tmp_path: Path) -> Notifier:
    return Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify")})


def test_systemd_hears_the_whole_life_of_the_service(systemd: tuple[Listener, str]) -> None:
    listener, address = systemd
    notifier = Notifier({"NOTIFY_SOCKET": address})
    before = time.monotonic_ns() // 1000
    notifier.ready("12 routes")
    notifier.status("12 routes, last pass at 09:00 UTC")
    notifier.watchdog()
    notifier.reloading()
    notifier.stopping()
    assert listener.heard() == ["READY=1", "STATUS=12 routes"]
    assert listener.heard() == ["STATUS=12 routes, last pass at 09:00 UTC"]
    assert listener.heard() == ["WATCHDOG=1"]
    first, second = listener.heard()
    assert first == "RELOADING=1"
    name, _, moment = second.partition("=")
    assert name == "MONOTONIC_USEC"
    assert before <= int(moment) <= time.monotonic_ns() // 1000
    assert listener.heard() == ["STOPPING=1"]
    assert listener.silent()


@pytest.mark.parametrize(
    "text",
    [
        "a\nREADY=1",
        "a\r\nWATCHDOG=trigger",
        "\n\nMAINPID=1",
        "a\x00b",
        "a\u2028STOPPING=1",
        "a\x85STOPPING=1",
        "a\x0bB=1\x0cC=1",
        "\x1b[31mred",
        "lone \ud83d",
        "x" * 100_000,
        "👩‍👩‍👧" * 1000,
    ],
)
def test_a_status_from_outside_stays_one_line(listener: Listener, notifier: Notifier, text: str) -> None:
    for say in (notifier.status, notifier.ready):
        say(text)
        *others, status = listener.heard()
        assert others == (["READY=1"] if say == notifier.ready else [])
        assert status.startswith("STATUS=")
        assert len(status.splitlines()) == 1
        assert len(status) <= 207
        assert not set(status) & {chr(n) for n in (*range(32), *range(0x7F, 0xA0))}


@pytest.mark.parametrize("address", [None, "", "relative", "vsock:2:1234", "@", "/no/such/socket", "/dev/null"])
def test_without_anybody_who_listens_nothing_happens(address: str | None) -> None:
    notifier = Notifier({} if address is None else {"NOTIFY_SOCKET": address})
    notifier.ready("")
    notifier.status("x")
    notifier.reloading()
    notifier.watchdog()
    notifier.stopping()


def test_a_systemd_that_does_not_read_holds_nobody_up_for_long(listener: Listener, notifier: Notifier) -> None:
    listener.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    full = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    with full:
        full.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                full.sendto(b"X=1", listener.socket.getsockname())
    begun = time.monotonic()
    notifier.watchdog()
    assert time.monotonic() - begun < 10


class TestWatchdog:
    def test_it_is_fed_twice_in_the_time_that_systemd_waits(self) -> None:
        assert Notifier({"WATCHDOG_USEC": "120000000"}).watchdog_every == 60.0
        assert Notifier({"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": str(os.getpid())}).watchdog_every == 0.5

    @pytest.mark.parametrize(
        "environment",
        [
            {},
            {"WATCHDOG_USEC": "0"},
            {"WATCHDOG_USEC": "-5"},
            {"WATCHDOG_USEC": ""},
            {"WATCHDOG_USEC": "soon"},
            {"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": str(os.getpid() + 1)},
            {"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "me"},
        ],
    )
    def test_it_is_not_fed_where_systemd_does_not_wait_for_us(self, environment: dict[str, str]) -> None:
        assert Notifier(environment).watchdog_every is None


def test_by_itself_it_takes_the_environment_of_the_process(
    listener: Listener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "3000000")
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    notifier = Notifier()
    notifier.stopping()
    assert listener.heard() == ["STOPPING=1"]
    assert notifier.watchdog_every == 1.5
