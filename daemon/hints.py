"""What the processes of one PostgreSQL database tell each other: that something has become free, and where a pass is
worth while. Only ever a hint: whoever may write to the database may send anything, and what is not understood, or does
not arrive, is as if it had not been sent.

A notice is a JSON object in ASCII, of at most 7999 bytes (PostgreSQL's bound): `{"free": true}`, or
`{"look": [route], "why": text}`.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from asyncpg import InterfaceError, PostgresError
from sqlalchemy.ext.asyncio import AsyncEngine

from daemon.leasing import AWAY, Trouble
from sync.ledger.leases import CHANNEL

MOST = 7000
"""Bytes of a notice of ours."""

MOST_ROUTES = 1000
LONGEST_WHY = 200

FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0
"""Seconds until listening is tried again; they double with each failure."""


@dataclass(frozen=True, slots=True)
class Hint:
    """`free`: there are routes to be had. Otherwise a pass of `routes` is worth while, for the reason in `why`."""

    routes: tuple[str, ...] = ()
    why: str = ""
    free: bool = False


def read(notice: str) -> Hint | None:
    """What was told; None when it is nothing that we say."""
    try:
        told: Any = json.loads(notice)
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict):
        return None
    if told.get("free") is True:
        return Hint(free=True)
    routes, why = told.get("look"), told.get("why")
    if not isinstance(routes, list) or not isinstance(why, str) or len(routes) > MOST_ROUTES:
        return None
    names = tuple(route for route in routes if isinstance(route, str))
    return Hint(names, why[:LONGEST_WHY]) if names else None


def notices(routes: Iterable[str], why: str) -> Iterator[str]:
    """The hint to look at these routes, in as many notices as it takes."""
    part: list[str] = []
    for route in routes:
        if part and len(_look([*part, route], why)) > MOST:
            yield _look(part, why)
            part = []
        part.append(route)
    if part:
        yield _look(part, why)


def _look(routes: list[str], why: str) -> str:
    return json.dumps({"look": routes, "why": why[:LONGEST_WHY]})


async def listen(engine: AsyncEngine, heard: Callable[[Hint], None], trouble: Trouble, life: float) -> None:
    """Pass on what is told, for ever; and that there may be something free when something may have been missed.
    Whether the connection is alive is asked every `life` seconds."""
    wait = FIRST_WAIT
    while True:
        try:
            async with _connection(engine) as connection:
                await connection.add_listener(CHANNEL, lambda _from, _pid, _channel, notice: _understood(notice, heard))
                trouble.over("hints")
                wait = FIRST_WAIT
                heard(Hint(free=True))
                await _until_gone(connection, life)
        except (*AWAY, PostgresError, InterfaceError) as error:
            trouble.met("hints", error)
        await asyncio.sleep(wait)
        wait = min(wait * 2, LONGEST_WAIT)


@asynccontextmanager
async def _connection(engine: AsyncEngine) -> AsyncIterator[Any]:
    """The driver's own connection, which serves nothing else afterwards: it may go on listening."""
    async with engine.connect() as connection:
        try:
            yield (await connection.get_raw_connection()).driver_connection
        finally:
            await connection.invalidate()


async def _until_gone(connection: Any, life: float) -> None:
    gone = asyncio.Event()
    connection.add_termination_listener(lambda *_: gone.set())
    while not gone.is_set():
        with suppress(TimeoutError):
            await asyncio.wait_for(gone.wait(), life)
        await connection.execute("SELECT 1", timeout=life / 3)


def _understood(notice: str, heard: Callable[[Hint], None]) -> None:
    if hint := read(notice):
        heard(hint)
