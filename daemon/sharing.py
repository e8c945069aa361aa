"""Which routes this process may work on, beside other processes with the same database.

On SQLite there is one service, and now and then a command: a route's lock is a file's, and dies with its process
(`daemon.locks`). On PostgreSQL any number of services divide the routes among themselves by leases (`daemon.leasing`),
and tell each other what they hear (`daemon.hints`). docs/adr/0010-leases.md says why.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from daemon.database import LEASE, close_engine, reason_of
from daemon.hints import Hint, listen, notices
from daemon.leasing import AWAY, Kept, Leasing, new_owner
from daemon.locks import FileLocks, taken_words
from sync.errors import LeaseLost, LedgerError, LockTaken
from sync.ledger.engine import make_engine
from sync.ledger.leases import Lease, Leases
from sync.ledger.store import Ledger
from sync.ports import Log

LOCK_PATIENCE = 30.0
"""Seconds that a command waits for another convener process to finish its work on a route."""

LONGEST_TELLING = 2.0
"""Seconds that a hint to other processes may take to be sent."""

Work = Literal["pass", "harvest"]
"""What only one process does at a time on a route: a pass or a command that changes the ledger; fetching artifacts."""


@dataclass(frozen=True, slots=True)
class Held:
    """Routes that are ours for now. `ledger` refuses to write (LeaseLost) once they are not; `lost()` says why nothing
    may be sent to a vendor any more, None while all is well. `leases` is empty on SQLite."""

    ledger: Ledger
    lost: Callable[[], str | None] = lambda: None
    leases: tuple[Lease, ...] = ()


class Sharing:
    """`shared`: whether other services may have some of the routes (PostgreSQL). `ledger` and `log` may be changed for
    others of the same database while nothing is at work."""

    def __init__(
        self,
        url: str,
        ledger: Ledger,
        log: Log,
        lease: timedelta = LEASE,
        *,
        on_gained: Callable[[str], None] = lambda _route: None,
        on_lost: Callable[[str], None] = lambda _route: None,
        on_look: Callable[[str, str], None] = lambda _route, _why: None,
    ) -> None:
        """The callbacks are for a service (`start`): a route is ours to look after; it is not any more; somebody hints
        that a pass of it is worth while (route, why). They are called on the loop and must not raise."""
        parsed = make_url(url)
        self.shared = parsed.get_backend_name() != "sqlite"
        self.ledger, self.log = ledger, log
        self.on_gained, self.on_lost, self.on_look = on_gained, on_lost, on_look
        self._life = lease.total_seconds()
        self._routes: frozenset[str] = frozenset()
        self._doors: dict[tuple[str, str], asyncio.Lock] = {}
        self._listening: asyncio.Task[None] | None = None
        if self.shared:
            # Connections of its own: a renewal must not stand in line behind what it is for.
            self._engine = make_engine(url, lease)
            self._leases = Leases(self._engine, new_owner(), lease)
            self._leasing = Leasing(self._leases, lease, self._say, self._gained, self._lost)
        else:
            stored = parsed.database not in (None, "", ":memory:")
            self._files = FileLocks(Path(str(parsed.database)) if stored else None)

    async def start(self, routes: Sequence[str]) -> None:
        """From now on look after as many of these routes as fall to us, in the background. Called again with others
        (the configuration was read again) it lets go of those that are not named any more, without a word, and of no
        other. On SQLite all are gained at once."""
        new, self._routes = [route for route in routes if route not in self._routes], frozenset(routes)
        if not self.shared:
            for route in new:
                self.on_gained(route)
            return
        if self._listening is None:
            hearing = listen(self._engine, self._heard, self._leasing.trouble, self._life)
            self._listening = asyncio.create_task(hearing, name="hints")
        await self._leasing.start(routes)

    async def stop(self) -> None:
        """Let go of everything and tell the others, so that they take over at once. Safe to call twice; what is used
        afterwards opens new connections."""
        self._routes = frozenset()
        if not self.shared:
            return
        if self._listening:
            self._listening.cancel()
            await asyncio.wait({self._listening})
            self._listening = None
        await self._leasing.stop()
        await close_engine(self._engine)

    def holds(self, route: str) -> bool:
        """Whether this process looks after that route now, or is at work on it (on SQLite: always)."""
        return self._leasing.holds(route) if self.shared else True

    def owner(self, route: str) -> str:
        """The process that looks after it (host:pid:random), as last seen; "" when none does, or nobody shares."""
        return self._leasing.owner(route) if self.shared else ""

    @asynccontextmanager
    async def at_work(self, route: str, work: Work = "pass", patience: float | None = None) -> AsyncIterator[Held]:
        """Alone at this work on this route, here and in every other process. Raises LockTaken when somebody else is for
        `patience` seconds (else LOCK_PATIENCE), LedgerError when the database cannot be asked, and LeaseLost, by itself
        and in no group, when the work ran into the loss of its lease."""
        ends = _now() + (LOCK_PATIENCE if patience is None else patience)
        if not self.shared:
            async with self._files.held(route, work, ends - _now()):
                yield Held(self.ledger)
            return
        async with self._alone_here(route, work, ends):
            try:
                kept = await self._leasing.acquire(route, work, max(0.0, ends - _now()))
            except AWAY as error:
                raise LedgerError(f"the database cannot be used: {reason_of(error)}") from error
            try:
                yield Held(self.ledger.under(kept.lease), kept.lost, (kept.lease,))
            except Exception as error:
                lost = _loss(error, kept)
                if lost is None or lost is error:
                    raise
                raise lost from error
            finally:
                await self._leasing.finish(kept)

    @asynccontextmanager
    async def all_at_work(self, routes: Iterable[str], patience: float | None = None) -> AsyncIterator[Held]:
        """`at_work` on all of these routes together, always taken in the same order so that two cannot wait for each
        other; `patience` is for all of them together."""
        ends = _now() + (LOCK_PATIENCE if patience is None else patience)
        async with AsyncExitStack() as stack:
            parts = [
                await stack.enter_async_context(self.at_work(route, "pass", max(0.0, ends - _now())))
                for route in sorted(set(routes))
            ]
            if not (leases := tuple(lease for part in parts for lease in part.leases)):
                yield Held(self.ledger)
                return
            yield Held(self.ledger.under(*leases), lambda: next(filter(None, (p.lost() for p in parts)), None), leases)

    async def tell(self, routes: Iterable[str], why: str) -> None:
        """Hint to whoever looks after these routes that a pass is worth while: `on_look` at once for ours, and in the
        process that has it for the others. Never an error: a hint that is lost costs a poll interval."""
        wanted = list(dict.fromkeys(routes))
        for route in wanted:
            if route in self._routes and self.holds(route):
                self.on_look(route, why)
        others = [route for route in wanted if not self.holds(route)]
        if others:
            with suppress(*AWAY):
                async with asyncio.timeout(min(self._life / 3, LONGEST_TELLING)):
                    await self._leases.tell(*notices(others, why))

    @asynccontextmanager
    async def _alone_here(self, route: str, work: str, ends: float) -> AsyncIterator[None]:
        """Alone in this process."""
        door = self._doors.setdefault((route, work), asyncio.Lock())
        if door.locked() and ends <= _now():
            raise LockTaken(taken_words(route))
        try:
            async with asyncio.timeout(max(1.0, ends - _now())):
                await door.acquire()
        except TimeoutError as error:
            raise LockTaken(taken_words(route)) from error
        try:
            yield
        finally:
            door.release()

    def _heard(self, hint: Hint) -> None:
        if hint.free:
            self._leasing.look()
        for route in hint.routes:
            if route in self._routes and self.holds(route):
                self.on_look(route, hint.why)

    # What the service sets after we were made counts.

    def _say(self, event: str, /, **fields: Any) -> None:
        self.log(event, **fields)

    def _gained(self, route: str) -> None:
        self.on_gained(route)

    def _lost(self, route: str) -> None:
        self.on_lost(route)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _loss(error: Exception, kept: Kept) -> LeaseLost | None:
    """The loss of the lease that this error comes down to, if it does."""
    if isinstance(error, LeaseLost):
        return error
    if isinstance(error, ExceptionGroup) and (part := error.subgroup(LeaseLost)):
        inner: Exception = part
        while isinstance(inner, ExceptionGroup):
            inner = inner.exceptions[0]
        return LeaseLost(str(inner))
    # A frozen process finds its transaction ended by the server.
    away = isinstance(error, SQLAlchemyError) or (isinstance(error, ExceptionGroup) and error.subgroup(SQLAlchemyError))
    return LeaseLost(why) if away and (why := kept.lost()) else None
