"""A server on loopback that answers each connection with what a test scripted, byte for byte."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Handler = Callable[[asyncio.StreamWriter, bytes], Awaitable[None]]


class Server:
    """Keeps every request's head; answers each connection with the next of its scripts (the last one for ever)."""

    def __init__(self, *scripts: bytes | Handler) -> None:
        self._scripts = list(scripts)
        self.heads: list[str] = []
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, one request."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            if length := re.search(rb"content-length: (\d+)", head, re.IGNORECASE):
                await reader.readexactly(int(length[1]))
            self.heads.append(head.decode("latin-1"))
            script = self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]
            if isinstance(script, bytes):
                writer.write(script)
                await writer.drain()
            else:
                await script(writer, head)
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    @property
    def methods(self) -> list[str]:
        """The methods of the requests so far."""
        return [head.partition(" ")[0] for head in self.heads]


@asynccontextmanager
async def serving(*scripts: bytes | Handler) -> AsyncIterator[Server]:
    script = Server(*scripts)
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        tasks.add(task)
        await script.serve(reader, writer)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    script.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield script
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


def reply(status: int = 200, body: bytes = b"", **headers: str) -> bytes:
    """An answer whose Content-Length fits, unless `content_length` says something else."""
    fields = {"content_length": str(len(body)), "connection": "close"} | headers
    lines = [f"HTTP/1.1 {status} X", *(f"{name.replace('_', '-')}: {text}" for name, text in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def silence(writer: asyncio.StreamWriter, head: bytes) -> None:
    await asyncio.sleep(3600)


async def drip(writer: asyncio.StreamWriter, head: bytes) -> None:
    """A byte now and then: each one arrives within any time-out between bytes."""
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
    for _ in range(1000):
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


async def nothing(writer: asyncio.StreamWriter, head: bytes) -> None:
    """Close without a word."""
