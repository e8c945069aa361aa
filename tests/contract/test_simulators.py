"""What the stand-in servers share: faults, serving, stopping."""

import socket
import threading
import time
from typing import Any

import pytest

from connectors.simulators.faults import Fault, Faults
from connectors.simulators.onstream import OnstreamSimulator
from connectors.simulators.serve import loopback_port, serve_in_thread
from connectors.simulators.stage import Reply, Request, Stage

ASK = b"GET /api/2/acme/authverify HTTP/1.1\r\nHost: x\r\nAuthorization: Basic YWNtZTpzZWNyZXQ=\r\n\r\n"


def connected(url: str) -> socket.socket:
    host, _, port = url.removeprefix("http://").partition(":")
    return socket.create_connection((host, int(port)), timeout=5)


def test_a_fault_strikes_as_often_as_it_says_after_letting_some_pass() -> None:
    faults = Faults()
    faults.add(Fault("500_before", "PUT", "session", times=2, after=1), Fault("429", resource="sessions"))
    struck = [faults.take("PUT", "session") for _ in range(4)]
    assert [fault.kind if fault else None for fault in struck] == [None, "500_before", "500_before", None]
    assert faults.take("POST", "session") is None
    assert [fault.kind for fault in faults.pending()] == ["429"]
    faults.clear()
    assert faults.take("GET", "sessions") is None


@pytest.mark.parametrize("kind", ["500", "late_after", "200_before", "reset", ""])
def test_an_unknown_fault_is_refused(kind: str) -> None:
    with pytest.raises(ValueError, match="is not a fault"):
        Fault(kind)


@pytest.mark.parametrize("kind", ["reset_before", "reset_after"])
def test_a_reset_is_a_reset_and_not_just_an_end(kind: str) -> None:
    sim = OnstreamSimulator()
    sim.faults.add(Fault(kind))
    with serve_in_thread(sim.app) as served, connected(served.url) as client:
        client.sendall(ASK)
        with pytest.raises(ConnectionResetError):
            client.recv(1000)


def test_a_server_stops_at_once_although_a_client_is_kept_waiting() -> None:
    for kind in ("hang_before", "hang_after", "late"):
        sim = OnstreamSimulator()
        seen = threading.Event()
        noted = sim.log

        def log(entry: Any, seen: threading.Event = seen, noted: Any = noted) -> None:
            noted(entry)
            seen.set()

        sim.log = log  # type: ignore[method-assign]
        sim.faults.add(Fault(kind))
        with serve_in_thread(sim.app) as served:
            client = connected(served.url)
            client.sendall(ASK)
            assert seen.wait(5)
            began = time.monotonic()
        assert time.monotonic() - began < 1
        client.close()
        sim.faults.release()


def test_a_server_that_nobody_asked_stops_too() -> None:
    with serve_in_thread(OnstreamSimulator().app) as served:
        assert served.url.startswith("http://127.0.0.1:")


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "example.com"])
def test_a_stand_in_is_served_on_loopback_only(host: str) -> None:
    with pytest.raises(ValueError), loopback_port(host, 0):
        pass


def test_an_actor_is_all_that_a_new_stand_in_needs() -> None:
    class Echo:
        def __init__(self) -> None:
            self.logged: list[Any] = []

        def resource(self, request: Request) -> str:
            return request.path.strip("/")

        def params(self, request: Request) -> dict[str, Any]:
            return {}

        def answer(self, request: Request) -> Reply:
            return Reply(200, request.body or b"nothing")

        def log(self, entry: Any) -> None:
            self.logged.append((entry.method, entry.resource, entry.status))

        def state(self) -> dict[str, Any]:
            return {}

        def seed(self, things: dict[str, Any]) -> None:
            return None

        def reset(self) -> None:
            self.logged.clear()

    echo = Echo()
    with serve_in_thread(Stage(echo, Faults())) as served, connected(served.url) as client:
        client.sendall(b"PUT /thing HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
        answer = b"".join(iter(lambda: client.recv(1000), b""))
    assert answer.endswith(b"\r\n\r\nhello")
    assert echo.logged == [("PUT", "thing", 200)]
