"""Serving a stand-in: in a thread for tests and the demonstration, or in the foreground as a command."""

import asyncio
import contextlib
import ipaddress
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import uvicorn


@dataclass(frozen=True, slots=True)
class Served:
    """A stand-in that is being served; `url` is its root, without a slash at the end."""

    url: str


@contextlib.contextmanager
def serve_in_thread(app: Any) -> Iterator[Served]:
    """Serve the ASGI application on a free loopback port until the block ends.

    The port listens before the thread starts, so that no client has to wait for it. At the end, requests that
    are still being served are cancelled and their connections dropped: nothing hangs.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        _without_delay(listener)
        server = _ThreadServer(_config(app), listener)
        thread = threading.Thread(target=server.main, name="stand-in", daemon=True)
        thread.start()
        try:
            yield Served(f"http://127.0.0.1:{listener.getsockname()[1]}")
        finally:
            server.stop()
            thread.join()


@contextlib.contextmanager
def loopback_port(host: str, port: int) -> Iterator[socket.socket]:
    """A listening socket; port 0 takes a free one. Raises ValueError unless `host` is a loopback address, and
    OSError when the port is taken."""
    if host != "localhost" and not ipaddress.ip_address(host).is_loopback:
        raise ValueError(f"{host}: a stand-in is served on a loopback address only")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family) as listener:
        _without_delay(listener)
        yield listener


def _without_delay(listener: socket.socket) -> None:
    """Answers go out at once: head and body are two writes, and the second would wait for the client's delayed ACK."""
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def run_forever(app: Any, listener: socket.socket) -> None:
    """Serve in the foreground until SIGINT or SIGTERM; requests still under way then get a second."""
    config = _config(app)
    config.timeout_graceful_shutdown = 1
    with contextlib.suppress(KeyboardInterrupt):  # which uvicorn passes on when it has stopped
        uvicorn.Server(config).run(sockets=[listener])


def _config(app: Any) -> uvicorn.Config:
    """Plain HTTP/1.1 and silence; the stage sends the Date header itself."""
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
        date_header=False,
    )


class _ThreadServer(uvicorn.Server):
    """uvicorn's server, stopped by an event and at once, where the original looks every tenth of a second."""

    def __init__(self, config: uvicorn.Config, listener: socket.socket) -> None:
        super().__init__(config)
        self._listener = listener
        self._ready = threading.Event()
        self._stop: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def main(self) -> None:
        """The thread's work."""
        try:
            asyncio.run(self.serve(sockets=[self._listener]))
        finally:
            self._ready.set()

    def stop(self) -> None:
        """From another thread."""
        self._ready.wait()
        if self._loop and self._stop:
            with contextlib.suppress(RuntimeError):  # the loop ended by itself
                self._loop.call_soon_threadsafe(self._stop.set)

    async def main_loop(self) -> None:
        """Serve until stopped."""
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._ready.set()
        await self._stop.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drop everything."""
        for listening in self.servers:
            listening.close()
        tasks = list(self.server_state.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for connection in list(self.server_state.connections):
            if connection.transport:
                connection.transport.abort()
        await asyncio.sleep(0)  # let the transports say good-bye to the loop
