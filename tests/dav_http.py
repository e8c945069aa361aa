"""A bare HTTP server in the test's own event loop, and a proxy made of it that keeps and breaks what goes through."""

import asyncio
import http.client
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Asked:
    """A request as it came; names of headers are lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def kind(self) -> str:
        """The method, and of a REPORT which one."""
        reports = (b"sync-collection", b"calendar-multiget", b"calendar-query")
        return next(
            (name.decode() for name in reports if b"<D:" + name in self.body or b":" + name in self.body), self.method
        )


@dataclass(frozen=True)
class Reply:
    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


Respond = Callable[[Asked], Awaitable[Reply]]


@asynccontextmanager
async def serving(respond: Respond) -> AsyncIterator[str]:
    """The server's URL."""
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        try:
            while True:
                lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                headers = {
                    name.lower(): text.strip() for name, _, text in (line.partition(":") for line in lines[1:-2])
                }
                body = await reader.readexactly(int(headers.get("content-length") or 0))
                method, path, _ = lines[0].split(" ")
                reply = await respond(Asked(method, path, headers, body))
                head = {"Content-Length": str(len(reply.body))} | reply.headers
                said = "".join(f"{name}: {text}\r\n" for name, text in head.items())
                writer.write(f"HTTP/1.1 {reply.status} X\r\n{said}\r\n".encode() + reply.body)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client is gone, or the test is over
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Proxy:
    """Hands requests on to a real server, keeps them, and fails on demand."""

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream.removeprefix("http://")
        self._broken = ""
        self._after = 0
        self.url = ""
        self.asked: list[Asked] = []
        self.hook: Respond | None = None
        """What answers in place of `forward`, which it may call."""

    def kinds(self) -> list[str]:
        """What was asked since the last time."""
        kinds = [one.kind for one in self.asked]
        self.asked.clear()
        return kinds

    @contextmanager
    def breaking(self, kind: str, after: int = 0) -> Iterator[None]:
        self._broken, self._after = kind, after
        try:
            yield
        finally:
            self._broken = ""

    async def respond(self, asked: Asked) -> Reply:
        self.asked.append(asked)
        if self._broken and self._after <= 0:
            return await self._fail(asked)
        self._after -= 1
        return await (self.hook or self.forward)(asked)

    async def forward(self, asked: Asked) -> Reply:
        """What the real server says."""
        return await asyncio.to_thread(self._forward, asked)

    async def _fail(self, asked: Asked) -> Reply:
        if self._broken.isdigit():
            return Reply(int(self._broken))
        if self._broken == "hang":
            await asyncio.sleep(3600)
        if self._broken == "truncate":
            whole = await self.forward(asked)
            return Reply(whole.status, whole.body[: len(whole.body) // 2], whole.headers)
        return Reply(207, b"<html>no" if self._broken == "garbage" else b"")

    def _forward(self, asked: Asked) -> Reply:
        connection = http.client.HTTPConnection(self._upstream, timeout=20)
        try:
            own = {name: text for name, text in asked.headers.items() if name not in ("host", "connection")}
            connection.request(asked.method, asked.path, asked.body or None, own)
            answer = connection.getresponse()
            kept = ("content-type", "content-encoding", "etag", "location", "www-authenticate")
            headers = {name: text for name in kept if (text := answer.headers.get(name))}
            return Reply(answer.status, answer.read(), headers)
        finally:
            connection.close()
