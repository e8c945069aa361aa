"""The HTTP server: a guest in the service's event loop, with a bound on all that a client can make it wait for."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from daemon.listen import listen_address
from sync.errors import ConfigurationError

SHUTDOWN = 2
"""Seconds that answers under way may take when the service stops."""

REQUEST_TIME = 20.0
"""Seconds in which the head of a request has to come, and what is left of one that was answered already."""

ANSWER_TIME = 120.0
"""Seconds in which a request has to be answered and the answer has to be taken."""

_MAX_REQUESTS = 64
"""At once; more are told to come back (503)."""

_MAX_HEAD = 16 * 1024
"""Bytes of a request's line and headers that are waited for."""

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""On every answer: nothing runs in the browser, nothing comes from elsewhere, nobody is told where one came from."""


@contextlib.asynccontextmanager
async def serving(listen: str, app: ASGIApp, *, anywhere: bool = False) -> AsyncIterator[str]:
    """Serve the application until the block ends; gives the address that was bound, `127.0.0.1:8377`, or "" when
    `listen` is "": off. `anywhere`: the application asks for a token, so that addresses beyond loopback are allowed.
    Raises ConfigurationError for an address that is not, OSError when it is taken.

    The caller's signal handlers and log stay as they are.
    """
    try:
        address = listen_address(listen, anywhere=anywhere)
    except ValueError as error:  # the configuration is checked when it is loaded
        raise ConfigurationError(f"[daemon] listen: {error}") from error
    if address is None:
        yield ""
        return
    with _bound(*address) as listener:
        server = _Server(_config(app))
        task = asyncio.create_task(server.serve(sockets=[listener]), name="web")
        try:
            yield _shown(listener)
        finally:
            server.should_exit = True
            await task


@contextlib.contextmanager
def _bound(host: str, port: int) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    both = host == "::" and socket.has_dualstack_ipv6()
    with socket.create_server((host, port), family=family, dualstack_ipv6=both) as listener:
        # Head and body are two writes; the second would wait for the client's delayed ACK.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield listener


def _shown(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _config(app: Any) -> uvicorn.Config:
    """Plain HTTP/1.1; what is to be logged goes through the service's own log."""
    return uvicorn.Config(
        app,
        http=_Connection,
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        headers=list(HEADERS.items()),
        h11_max_incomplete_event_size=_MAX_HEAD,
        limit_concurrency=_MAX_REQUESTS,
        timeout_graceful_shutdown=SHUTDOWN,
    )


class _Connection(H11Protocol):
    """uvicorn's connection, dropped when the client is too slow: by itself it waits for ever for the rest of a request,
    and for an answer to be taken, and some dozens of those would keep everybody else out."""

    _deadline: asyncio.TimerHandle | None = None
    _phase: tuple[object, int] | None = None
    _answers = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The request has to come."""
        super().connection_made(transport)
        self._note()

    def data_received(self, data: bytes) -> None:
        """A part of a request has come, or all of it."""
        super().data_received(data)
        self._note()

    def on_response_complete(self) -> None:
        """The answer is on its way."""
        self._answers += 1
        super().on_response_complete()
        self._note()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        super().connection_lost(exc)
        if self._deadline is not None:
            self._deadline.cancel()

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP gets an answer of the same kind as everything else, and no other."""
        headers = [*HEADERS.items(), ("Content-Type", "text/plain; charset=utf-8"), ("Connection", "close")]
        with contextlib.suppress(h11.LocalProtocolError):  # an answer may have begun
            body = b"Bad Request"
            head = h11.Response(status_code=400, headers=[*headers, ("Content-Length", str(len(body)))])
            for part in (head, h11.Data(data=body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(part) or b"")
        self.transport.close()

    def _note(self) -> None:
        """One deadline for each phase; what trickles in does not put it off."""
        answering = self.cycle is not None and not self.cycle.response_complete
        phase = ("answer" if answering else self.conn.their_state, self._answers)
        if phase == self._phase:
            return
        self._phase = phase
        if self._deadline is not None:
            self._deadline.cancel()
        patient = answering or self.transport.get_write_buffer_size() > 0
        self._deadline = self.loop.call_later(ANSWER_TIME if patient else REQUEST_TIME, self.transport.abort)


class _Server(uvicorn.Server):
    """uvicorn's server as a guest in the service's event loop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the service."""
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let answers end, within bounds, then drop the connections whose clients do not read them."""
        await super().shutdown(sockets)
        for connection in list(self.server_state.connections):
            if connection.transport:
                connection.transport.abort()
        await asyncio.sleep(0)  # let the transports say good-bye to the loop
