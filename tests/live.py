"""A running service as those see it who look at it: what `daemon.live.Live` says, set by hand, over a real ledger."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from daemon.live import Standing
from daemon.settings import load
from daemon.web import application, serving
from daemon.wiring import Installation, installation
from tests.clock import START, ManualClock


@dataclass
class StillLife:
    """A service that does nothing. `looked` are the hints that it got, `said` its log."""

    inside: Installation
    started_at: datetime
    well: bool = True
    standings: dict[str, Standing] = field(default_factory=dict)
    looked: list[tuple[list[str], str]] = field(default_factory=list)
    said: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    @property
    def clock(self) -> ManualClock:
        clock = self.inside.clock
        assert isinstance(clock, ManualClock)
        return clock

    def alive(self) -> bool:
        return self.well

    def standing(self, route: str) -> Standing:
        soon = self.inside.clock.now() + timedelta(seconds=100)
        return self.standings.get(route, Standing(next_run=soon, running=False))

    def look(self, routes: Iterable[str], why: str) -> None:
        self.looked.append((list(routes), why))

    def log(self, event: str, /, **fields: Any) -> None:
        self.said.append((event, fields))

    def events(self, name: str) -> list[dict[str, Any]]:
        return [fields for event, fields in self.said if event == name]


@asynccontextmanager
async def still_life(config: Path, now: datetime = START, clock: ManualClock | None = None) -> AsyncIterator[StillLife]:
    """One with that configuration, its clock standing at `now`."""
    async with installation(load(config), log_format="json") as inside:
        life = StillLife(inside, started_at=now)
        inside.clock, inside.log = clock or ManualClock(now), life.log
        yield life


async def no_metrics() -> bytes:
    return b"# nothing\n"


@contextmanager
def served_in_thread(
    config: Path,
    fill: Callable[[StillLife], Awaitable[None]],
    now: datetime = START,
    clock: ManualClock | None = None,
) -> Iterator[tuple[StillLife, str]]:
    """The web application in a thread and loop of its own, for clients that block; `fill` writes the ledger before.
    Gives the service and its address."""
    ready, stopped, found = threading.Event(), threading.Event(), []
    failed: list[BaseException] = []

    async def main() -> None:
        async with still_life(config, now, clock) as life:
            await fill(life)
            anywhere = life.inside.settings.daemon.token is not None
            async with serving("127.0.0.1:0", application(life, no_metrics), anywhere=anywhere) as address:
                found.append((life, address))
                ready.set()
                await asyncio.to_thread(stopped.wait)

    def run() -> None:
        try:
            asyncio.run(main())
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            failed.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=run, name="web", daemon=True)
    thread.start()
    try:
        ready.wait(30)
        if failed:
            raise failed[0]
        yield found[0]
    finally:
        stopped.set()
        thread.join(30)
    if failed:
        raise failed[0]
