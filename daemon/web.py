"""What the daemon serves over HTTP: the published feeds. On loopback only, for there is no token to show yet."""

import asyncio
import contextlib
import hashlib
import os
import re
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from email.utils import formatdate
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from daemon.listen import is_loopback, listen_address
from sync.errors import ConfigurationError

SHUTDOWN = 2
"""Seconds that answers under way may take when the service stops."""

_MAX_REQUESTS = 64
"""At once; more are told to come back (503)."""

_HOST = re.compile(r"(\[[^\[\]]+\]|[^:\[\]]+)(?::[0-9]*)?")
_ENTITY_TAG = re.compile(r'(?:W/)?("[^"]*")')


def application(feeds: Mapping[str, Path]) -> Starlette:
    """The web application. `feeds` are the files behind `/feeds/{name}`; nothing else is ever read."""

    async def feed(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in feeds:
            raise HTTPException(404)
        try:
            content, modified = await asyncio.to_thread(_read, feeds[name])
        except FileNotFoundError as error:
            raise HTTPException(404, "not written yet") from error
        except OSError as error:
            raise HTTPException(503, "cannot be read now") from error
        return _feed_answer(request, name, content, modified)

    app = Starlette(routes=[Route("/feeds/{name}", feed)], middleware=[Middleware(_LoopbackNames)])
    app.router.redirect_slashes = False  # /feeds/x/ is nothing, and no reason to send anybody elsewhere
    return app


@contextlib.asynccontextmanager
async def serving(listen: str, app: ASGIApp) -> AsyncIterator[str]:
    """Serve the application until the block ends; gives the address that was bound, `127.0.0.1:8377`, or "" when
    `listen` is "": off. Raises ConfigurationError for what is no loopback address, OSError when it is taken.

    The caller's signal handlers and log stay as they are.
    """
    try:
        address = listen_address(listen)
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


def _read(path: Path) -> tuple[bytes, float]:
    """The content, and when it was written (seconds since 1970): both of one and the same file."""
    with path.open("rb") as file:
        return file.read(), os.fstat(file.fileno()).st_mtime


def _feed_answer(request: Request, name: str, content: bytes, modified: float) -> Response:
    """RFC 9110: 200, or 304 by If-None-Match (section 13.1.2). If-Modified-Since is left alone: its seconds cannot tell
    apart two changes within one."""
    tag = f'"{hashlib.sha256(content).hexdigest()}"'
    headers = {
        "ETag": tag,
        "Last-Modified": formatdate(modified, usegmt=True),
        "Cache-Control": "private, max-age=60",
        "X-Content-Type-Options": "nosniff",
    }
    known = ",".join(request.headers.getlist("if-none-match")).strip()
    if known == "*" or tag in _ENTITY_TAG.findall(known):
        return Response(status_code=304, headers=headers)
    headers["Content-Disposition"] = f'inline; filename="{name}"'
    return Response(content, headers=headers, media_type="text/calendar")


class _LoopbackNames:
    """Refuses requests that name another host than a loopback one: a page in somebody's browser whose name was made to
    resolve to 127.0.0.1 would otherwise read what is served here (DNS rebinding)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            hosts = Request(scope).headers.getlist("host")
            named = _HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
            if named is None or not is_loopback(named[1].strip("[]")):
                refusal = PlainTextResponse("Misdirected Request", status_code=421)
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)


@contextlib.contextmanager
def _bound(host: str, port: int) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family) as listener:
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
        http="h11",
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=_MAX_REQUESTS,
        timeout_graceful_shutdown=SHUTDOWN,
    )


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
