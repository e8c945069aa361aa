"""A loopback HTTP server that says exactly what a test tells it to, byte by byte."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Script = Callable[["Asked", asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Asked:
    path: str
    headers: dict[str, str]


@dataclass
class Server:
    url: str
    script: Script
    asked: list[Asked] = field(default_factory=list)

    def answer(self, *args: object, **kwargs: object) -> None:
        self.script = answer(*args, **kwargs)  # type: ignore[arg-type]


def answer(
    body: bytes = b"",
    status: int = 200,
    headers: dict[str, str] | None = None,
    *,
    length: int | str | None = "fits",
    reset: bool = False,
) -> Script:
    """A fixed answer; `length` None leaves Content-Length out (close-delimited), a number is sent as it is."""

    async def script(_: Asked, writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status} X", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        if length is not None:
            lines.append(f"Content-Length: {len(body) if length == 'fits' else length}")
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        await writer.drain()
        if reset:
            writer.transport.abort()

    return script


@asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    async def client(stream: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await stream.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            pairs = [line.partition(":")[::2] for line in head[1:] if line]
            asked = Asked(head[0].split()[1], {name.lower(): value.strip() for name, value in pairs})
            server.asked.append(asked)
            await server.script(asked, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    listener = await asyncio.start_server(client, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    server = Server(f"http://127.0.0.1:{port}", answer(b"", 404))
    try:
        yield server
    finally:
        listener.close()
