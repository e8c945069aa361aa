"""The stage that every stand-in server plays on: an ASGI application that adds faults, a log and control over HTTP.

A stand-in is an Actor: a plain function from request to reply, with state of its own. The stage reads the request,
lets the faults have their way, keeps the log of requests and serves these, without authentication:

    GET    /_sim/state    the state, the log of requests, the faults still to come (JSON)
    POST   /_sim/faults   add faults: a JSON list of objects with the fields of `faults.Fault`
    DELETE /_sim/faults   drop those still to come
    POST   /_sim/release  let the requests go on that a fault keeps waiting
    POST   /_sim/reset    forget everything
    POST   /_sim/seed     put things there as if somebody else had made them (JSON object, see the stand-in)

For development and tests only: it belongs on a loopback address.
"""

import asyncio
import gzip
import json
import struct
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import asdict, dataclass, field, replace
from email.utils import formatdate
from socket import SO_LINGER, SOL_SOCKET
from typing import Any, Protocol

from connectors.simulators.faults import Fault, Faults, Held

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

GARBAGE = b"<!DOCTYPE html><html><head><title>Please wait</title></head><body>Maintenance</body></html>"


@dataclass(frozen=True, slots=True)
class Request:
    """A whole request; `path` is still percent-encoded, header names are lower case."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    base: str


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Logged:
    """One line of the request log. `status` is None when no answer was sent; `fault` is the kind that struck."""

    method: str
    resource: str
    params: dict[str, Any]
    status: int | None
    fault: str | None = None


class Actor(Protocol):
    """What a stand-in server has to offer to the stage. Everything is called in the server's thread."""

    def resource(self, request: Request) -> str:
        """The short name of what the request is about: what faults match and the log shows."""
        ...

    def params(self, request: Request) -> dict[str, Any]:
        """The request's parameters as far as they can be read, for the log."""
        ...

    def answer(self, request: Request) -> Reply:
        """Do it."""
        ...

    def log(self, entry: Logged) -> None:
        """Note the request; called before the answer leaves."""
        ...

    def state(self) -> dict[str, Any]:
        """Everything that a test may want to see, as JSON types."""
        ...

    def seed(self, things: dict[str, Any]) -> None:
        """Put things there. Raises ValueError, TypeError or KeyError for what it cannot read."""
        ...

    def reset(self) -> None:
        """Forget everything."""
        ...


class Stage:
    """The ASGI application around an actor. Meant for uvicorn with h11: a reset needs its transport."""

    def __init__(self, actor: Actor, faults: Faults) -> None:
        self._actor = actor
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        request = await _read(scope, receive)
        if request.path.startswith("/_sim/"):
            await _respond(send, await self._control(request))
            return
        fault = self._faults.take(request.method, self._actor.resource(request))
        if fault is None:
            reply = self._actor.answer(request)
            self._log(request, reply.status)
            await _respond(send, reply)
        elif fault.kind == "late":
            await self._late(fault, request, send)
        elif fault.takes_effect:
            await self._after(fault, request, receive, send)
        else:
            await self._before(fault, request, receive, send)

    async def _before(self, fault: Fault, request: Request, receive: Receive, send: Send) -> None:
        self._log(request, fault.status, fault.kind)
        if fault.status:
            await _respond(send, _status_reply(fault, fault.status))
        elif fault.kind == "reset_before":
            await _reset(receive, send)
        else:
            await self._silence(fault.delay, receive)
            await _respond(send, Reply(503))

    async def _after(self, fault: Fault, request: Request, receive: Receive, send: Send) -> None:
        reply = self._actor.answer(request)
        self._log(request, fault.status or reply.status, fault.kind)
        if fault.status:
            await _respond(send, _status_reply(fault, fault.status))
        elif fault.kind == "reset_after":
            await _reset(receive, send)
        elif fault.kind == "hang_after":
            await self._silence(fault.delay, receive)
            await _respond(send, reply)
        elif fault.kind == "truncate":
            whole = _with_a_body(reply)
            await _break_off(receive, send, whole, len(whole.body) // 2)
        elif fault.kind == "cut":
            await _break_off(receive, send, reply, fault.at)
        elif fault.kind == "truncate_gzip":
            packed = gzip.compress(reply.body or GARBAGE)
            half = packed[: len(packed) // 2]
            status = _with_a_body(reply).status
            await _respond(send, Reply(status, half, {**reply.headers, "content-encoding": "gzip"}))
        elif fault.kind == "garbage":
            await _respond(send, Reply(200, GARBAGE, {"content-type": "text/html"}))
        else:
            await _respond(send, Reply(200))

    async def _late(self, fault: Fault, request: Request, send: Send) -> None:
        self._log(request, None, fault.kind)
        held = self._faults.hold()
        try:
            await held.wait(fault.delay)
            reply = self._actor.answer(request)
        finally:
            held.settled()
        await _respond(send, reply)

    async def _silence(self, seconds: float, receive: Receive) -> None:
        """Until the time is over, the client has gone away or somebody releases it."""
        held = self._faults.hold()
        gone = asyncio.ensure_future(_disconnected(receive))
        waited = asyncio.ensure_future(held.wait(seconds))
        try:
            await asyncio.wait((gone, waited), return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            waited.cancel()
            held.settled()

    def _log(self, request: Request, status: int | None, fault: str | None = None) -> None:
        actor = self._actor
        actor.log(Logged(request.method, actor.resource(request), actor.params(request), status, fault))

    async def _control(self, request: Request) -> Reply:
        what = f"{request.method} {request.path.removeprefix('/_sim/')}"
        try:
            if what == "GET state":
                pending = [asdict(fault) for fault in self._faults.pending()]
                return json_reply(200, {**self._actor.state(), "faults": pending})
            if what == "POST faults":
                self._faults.add(*[Fault(**item) for item in json.loads(request.body)])
            elif what == "DELETE faults":
                self._faults.clear()
            elif what == "POST release":
                await asyncio.to_thread(self._faults.release)
            elif what == "POST seed":
                self._actor.seed(json.loads(request.body))
            elif what == "POST reset":
                self._faults.clear()
                self._actor.reset()
            else:
                return json_reply(404, {"error": f"there is no {what}"})
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            return json_reply(400, {"error": str(error)})
        return json_reply(200, {"done": True})


def json_reply(status: int, value: Any) -> Reply:
    """A JSON answer."""
    return Reply(status, json.dumps(value).encode(), {"content-type": "application/json"})


def _with_a_body(reply: Reply) -> Reply:
    """Something that can be cut: a 204 has no body, and would arrive whole."""
    return reply if reply.body else replace(reply, status=200, body=GARBAGE)


def _status_reply(fault: Fault, status: int) -> Reply:
    headers = {}
    if fault.retry_after is not None or status == 429:
        headers["retry-after"] = str(1 if fault.retry_after is None else fault.retry_after)
    if status == 401:
        headers["www-authenticate"] = 'Basic realm="stand-in"'
    if 300 <= status < 400:
        headers["location"] = "/elsewhere"
    return Reply(status, b"", headers)


async def _read(scope: Scope, receive: Receive) -> Request:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    return Request(
        method=scope["method"],
        path=scope["raw_path"].decode("latin-1"),
        query=scope["query_string"].decode("latin-1"),
        headers=headers,
        body=bytes(body),
        base=f"http://{headers.get('host', '127.0.0.1')}",
    )


async def _respond(send: Send, reply: Reply) -> None:
    await _start(send, reply, len(reply.body))
    await send({"type": "http.response.body", "body": reply.body})


async def _start(send: Send, reply: Reply, length: int) -> None:
    headers = {"date": formatdate(usegmt=True), **reply.headers}
    if reply.status >= 200 and reply.status not in (204, 304):
        headers["content-length"] = str(length)
    encoded = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": reply.status, "headers": encoded})


async def _break_off(receive: Receive, send: Send, reply: Reply, at: int) -> None:
    """The first `at` bytes of the body under the whole length; uvicorn's transport is closed under it, with what it
    holds sent. A body that ends before that arrives whole."""
    if at >= len(reply.body):
        await _respond(send, reply)
        return
    await _start(send, reply, len(reply.body))
    await send({"type": "http.response.body", "body": reply.body[:at], "more_body": True})
    _transport(send).close()
    await _disconnected(receive)


async def _reset(receive: Receive, send: Send) -> None:
    """Close with RST (linger of 0 s) instead of an answer."""
    transport = _transport(send)
    transport.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    await _disconnected(receive)


def _transport(send: Send) -> Any:
    return send.__self__.transport  # type: ignore[attr-defined]


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


__all__ = ["Actor", "Fault", "Faults", "Held", "Logged", "Reply", "Request", "Stage", "json_reply"]
