"""What the tests of sharing need: a PostgreSQL database, processes that share it, and a way to it that breaks."""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from daemon.database import upgrade
from daemon.sharing import Sharing
from sync.ledger.engine import make_engine
from sync.ledger.store import Ledger
from sync.ledger.tables import metadata
from tests.unit.postgresql import Server

ROOT = Path(__file__).parents[2]
SHORT = timedelta(seconds=1.2)

CHILD = """
import asyncio, sys
from datetime import timedelta
from daemon.sharing import Sharing
from sync.errors import LeaseLost
from sync.ledger.engine import make_engine
from sync.ledger.store import Ledger

async def main(url, route, how, lease):
    ledger = Ledger(make_engine(url, lease))
    sharing = Sharing(url, ledger, lambda *_, **__: None, lease)
    try:
        async with sharing.at_work(route) as held:
            async def write():
                async with held.ledger._db.write():
                    if how == "inside":
                        print("inside", flush=True)
                        await asyncio.to_thread(sys.stdin.readline)
            if how == "held":
                print("held", flush=True)
                await asyncio.to_thread(sys.stdin.readline)
                print("lost" if held.lost() else "ours", flush=True)
            await write()
            print("written", flush=True)
    except LeaseLost:
        print("LeaseLost", flush=True)
    await sharing.stop()
    await ledger.close()

asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], timedelta(seconds=float(sys.argv[4]))))
"""


_databases: dict[Path, str] = {}


async def empty_database(server: Server) -> str:
    """The URL of a database at the newest schema with nothing in it; made once for each server."""
    new = server.folder not in _databases
    url = _databases.setdefault(server.folder, server.new_database() if new else "")
    engine = make_engine(url)
    if new:
        await upgrade(engine)
    async with engine.begin() as connection:
        for table in reversed(metadata.sorted_tables):
            await connection.execute(table.delete())
    await engine.dispose()
    return url


class Process:
    """A Sharing with what it has said, as one process of several has it."""

    def __init__(self, url: str, lease: timedelta = SHORT) -> None:
        self.log: list[tuple[str, dict[str, Any]]] = []
        self.looks: list[tuple[str, str]] = []
        self.ours: set[str] = set()
        self.ledger = Ledger(make_engine(url, lease))
        self.sharing = Sharing(
            url,
            self.ledger,
            lambda event, /, **fields: self.log.append((event, fields)),
            lease,
            on_gained=self.ours.add,
            on_lost=self.ours.remove,
            on_look=lambda route, why: self.looks.append((route, why)),
        )

    def events(self, *names: str) -> list[str]:
        """The names of what was logged: all, or those of these."""
        return [event for event, _ in self.log if not names or event in names]

    async def close(self) -> None:
        await self.sharing.stop()
        await self.ledger.close()

    async def crash(self) -> None:
        """End as a killed process does: nothing is given back, nobody is told."""
        for task in (self.sharing._leasing._background, self.sharing._listening):
            if task:
                task.cancel()
                await asyncio.wait({task})
        await self.sharing._engine.dispose()
        await self.ledger.close()


@asynccontextmanager
async def processes(url: str, number: int, lease: timedelta = SHORT) -> AsyncIterator[list[Process]]:
    """So many, which are stopped afterwards."""
    made = [Process(url, lease) for _ in range(number)]
    try:
        yield made
    finally:
        for one in made:
            await one.close()


async def until(holds: Callable[[], object], seconds: float = 10) -> float:
    """Wait until it holds; how long (seconds) that took. Fails when it takes too long."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() < began + seconds, "it does not come true"
        await asyncio.sleep(0.02)
    return time.monotonic() - began


@contextmanager
def child(url: str, route: str, how: str = "held", lease: timedelta = SHORT) -> Iterator[subprocess.Popen[str]]:
    """A real process at work on a route; it has got as far as `how` says and waits for a line on its standard input."""
    command = [sys.executable, "-c", CHILD, url, route, how, str(lease.total_seconds())]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=ROOT, **pipes) as process:
        try:
            assert process.stdout
            assert process.stdout.readline().strip() == how
            yield process
        finally:
            process.kill()


class Line:
    """A way to the server's socket that can go silent (`silent`), be cut, or refuse to let anybody listen."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.silent = False
        self.refuses_listen = False
        self._server = server
        self._folder = folder
        self._writers: set[asyncio.StreamWriter] = set()

    def url(self, url: str) -> str:
        """The same database, by this way."""
        return url.replace(quote(str(self._server.folder), safe="/"), str(self._folder))

    def cut(self) -> None:
        """Break all connections."""
        for writer in self._writers:
            writer.transport.abort()

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Line"]:
        async with await asyncio.start_unix_server(self._serve, self._folder / ".s.PGSQL.5432"):
            try:
                yield self
            finally:
                self.cut()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_unix_connection(self._server.folder / ".s.PGSQL.5432")
        self._writers |= {writer, back}
        with suppress(OSError):
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump(reader, back))
                both.create_task(self._pump(there, writer))

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                if self.refuses_listen and b"LISTEN" in data:
                    break
                while self.silent:
                    await asyncio.sleep(0.02)
                sink.write(data)
                await sink.drain()
        except OSError:
            pass
        finally:
            sink.close()


async def at_once(work: Awaitable[Any]) -> Any:
    """The result of what must not take long."""
    async with asyncio.timeout(10):
        return await work
