"""The leases of this process on PostgreSQL: taken, renewed in the background, counted on no longer than they surely
last, and divided among the services of one database."""

import asyncio
import os
import random
import secrets
import socket
import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

from sqlalchemy.exc import SQLAlchemyError

from daemon.locks import taken_words
from sync.errors import LockTaken
from sync.ledger.leases import PASS, Lease, Leases, lost_words
from sync.ports import Log

POLL = 0.2
"""Seconds between two tries to get a lease that somebody has."""

SLOW = 5.0
"""Seconds that the database may take, at least, until work that cannot begin without its answer is given up."""

BREATH = 0.1
"""Seconds between two looks at the leases, however often somebody says that there is something to see."""

MARGIN = 0.1
"""The part of a lease that is not counted on: clocks do not run equally fast, and a request takes a while to leave."""

FREE = '{"free": true}'
"""What the other processes are told when something is given back."""

AWAY = (SQLAlchemyError, OSError, TimeoutError)
"""What is raised when the database cannot be asked."""

_SERVICE = "service "

_STOPPING = "this process is stopping"
_NOT_WANTED = "the configuration does not have the route any more"
_FEWER = "another process has fewer routes"
_BORROWED = "a command is working on it"


def boottime() -> float:
    """Seconds of a clock that nobody can set, and that goes on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def new_owner() -> str:
    """A name for this process that no other has, and that tells people where it is: at most 80 characters."""
    return f"{socket.gethostname()[:60]}:{os.getpid()}:{secrets.token_hex(4)}"


@dataclass(eq=False, slots=True)
class Kept:
    """A lease as this process knows it: it is surely ours until `until` (boottime), whatever becomes of the connection;
    `gone` says why it is not ours any more. `busy`: the work is going on."""

    lease: Lease
    until: float
    busy: bool
    gone: str = ""

    def lost(self) -> str | None:
        """Why nothing may be done under it any more; None while all is well."""
        if not self.gone and boottime() >= self.until:
            return f'the lease of route "{self.lease.route}" could not be renewed in time'
        return self.gone or None


class Trouble:
    """Says once that something does not work, and once that everything works again."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._parts: set[str] = set()

    def met(self, part: str, error: Exception) -> None:
        """This part does not work."""
        if not self._parts:
            reason = str(getattr(error, "orig", None) or error) or "no answer in time"
            self._log("sharing.failed", reason=f"{part}: {reason.splitlines()[0]}")
        self._parts.add(part)

    def over(self, part: str) -> None:
        """This part works."""
        if self._parts == {part}:
            self._log("sharing.recovered")
        self._parts.discard(part)


class Leasing:
    """A service (between `start` and `stop`) keeps the leases of its routes while it does nothing, too. A command takes
    one for each piece of work, from an idle service as well, and gives it back.

    The database is asked one thing at a time, so that what is known here and what stands there do not drift apart.
    """

    def __init__(
        self,
        leases: Leases,
        life: timedelta,
        log: Log,
        on_gained: Callable[[str], None] = lambda _route: None,
        on_lost: Callable[[str], None] = lambda _route: None,
    ) -> None:
        self.trouble = Trouble(log)
        self.serving = False
        self._leases = leases
        self._life = life.total_seconds()
        self._log = log
        self._on_gained, self._on_lost = on_gained, on_lost
        self._wanted: tuple[str, ...] = ()
        self._kept: dict[tuple[str, str], Kept] = {}
        self._told: set[str] = set()
        self._reasons: dict[str, str] = {}
        self._owners: dict[tuple[str, str], str] = {}
        self._one_at_a_time = asyncio.Lock()
        self._wake = asyncio.Event()
        self._background: asyncio.Task[None] | None = None

    # -- a service's routes ----------------------------------------------------------------------------------

    async def start(self, routes: Sequence[str]) -> None:
        """Look after as many of these routes as fall to us, and after no other any more."""
        self.serving, self._wanted = True, tuple(routes)
        self._told &= set(routes)
        others = [k for k in self._kept.values() if not k.busy and k.lease.work == PASS and k.lease.route not in routes]
        others += [k for (_, work), k in self._kept.items() if work.startswith(_SERVICE) and work != self._service]
        await self._give_back(others, _NOT_WANTED)
        self._keep_looking()
        self.look()

    async def stop(self) -> None:
        """Give everything back; what is still going on finds that its lease is lost."""
        self.serving = False
        if self._background:
            self._background.cancel()
            await asyncio.wait({self._background})
            self._background = None
        await self._give_back(list(self._kept.values()), _STOPPING)
        self._told.clear()

    def look(self) -> None:
        """See at once what has become free, and what is not ours any more."""
        self._wake.set()

    def holds(self, route: str) -> bool:
        """Whether the route is ours now."""
        kept = self._kept.get((route, PASS))
        return kept is not None and kept.lost() is None

    def owner(self, route: str) -> str:
        """Who has it, as last seen; "" when nobody does."""
        return self._leases.owner if self.holds(route) else self._owners.get((route, PASS), "")

    # -- one piece of work -----------------------------------------------------------------------------------

    async def acquire(self, route: str, work: str, patience: float) -> Kept:
        """The lease for this work, which begins. Raises LockTaken after `patience` seconds, and what AWAY names."""
        ends = boottime() + patience
        while True:
            async with self._asking(SLOW):
                if kept := await self._begun(route, work):
                    self._keep_looking()
                    return kept
                if boottime() >= ends:
                    await self._look_around()
                    raise LockTaken(taken_words(route, self._owners.get((route, work), "")))
            await asyncio.sleep(POLL)

    async def finish(self, kept: Kept) -> None:
        """The work is over: a service keeps its route, all else is given back."""
        kept.busy = False
        lease = kept.lease
        if self._kept.get((lease.route, lease.work)) is not kept:
            return
        if not (self.serving and lease.work == PASS and lease.route in self._wanted):
            await self._give_back([kept], "")
            return
        with suppress(*AWAY):  # the next renewal says it as well
            async with self._asking():
                await self._leases.end(lease)

    async def _begun(self, route: str, work: str) -> Kept | None:
        sent = boottime()
        kept = self._kept.get((route, work))
        if kept and await self._leases.begin(kept.lease):
            kept.until, kept.busy = self._surely(sent), True
            return kept
        taken = await self._leases.take([route], work, busy=True, from_idle=not self.serving)
        if taken:
            return self._keep(taken[0], sent, busy=True)
        if kept:
            self._drop(kept, _taken(kept))
            self._tell()
        return None

    # -- in the background -----------------------------------------------------------------------------------

    def _keep_looking(self) -> None:
        if self._background is None or self._background.done():
            self._background = asyncio.create_task(self._look_after(), name="leases")

    async def _look_after(self) -> None:
        while self.serving or self._kept:
            self._wake.clear()
            try:
                async with self._asking():
                    await self._renew()
                    if self.serving:
                        await self._divide()
                self.trouble.over("leases")
            except Exception as error:  # noqa: BLE001 - said; and without this loop no lease would last
                self.trouble.met("leases", error)
            for kept in list(self._kept.values()):
                if why := kept.lost():
                    self._drop(kept, why)
            self._tell()
            await asyncio.sleep(BREATH)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), self._life / 6)

    async def _renew(self) -> None:
        sent, kept = boottime(), list(self._kept.values())
        renewed = await self._leases.renew([k.lease.route for k in kept if k.busy and k.lease.work == PASS])
        await self._released(renewed - {k.lease for k in kept})  # giving them back had failed
        for one in kept:
            if one.lease in renewed:
                one.until = self._surely(sent)
        if any(one.lease not in renewed for one in kept):
            there = await self._look_around()
            for one in kept:
                if one.lease not in there:  # else it was only locked just then
                    self._drop(one, _taken(one))

    async def _divide(self) -> None:
        """Take what is free, up to our part of the routes; above it only what the others leave lying about."""
        sent = boottime()
        if (self._leases.owner, self._service) not in self._kept:
            await self._leases.sweep(_SERVICE)
            for lease in await self._leases.take([self._leases.owner], self._service, busy=True):
                self._keep(lease, sent, busy=True)
        await self._look_around()
        services = max(1, sum(work == self._service for _, work in self._owners))
        part = -(-len(self._wanted) // services)
        ours = [k for k in self._kept.values() if k.lease.work == PASS and k.lease.route in self._wanted]
        for most, free_for in ((max(0, part - len(ours)), 0.0), (None, self._life / 2)):
            lacking = [route for route in self._wanted if (route, PASS) not in self._kept]
            if lacking and most != 0:
                sent, longest = boottime(), timedelta(seconds=free_for)
                for lease in await self._leases.take(lacking, PASS, busy=False, most=most, free_for=longest):
                    self._keep(lease, sent, busy=False)
        idle = [kept for kept in ours if not kept.busy]
        if (over := min(len(ours) - part, len(idle))) > 0:
            given = random.sample(idle, over)
            for kept in given:
                self._drop(kept, _FEWER)
            await self._released([kept.lease for kept in given])

    async def _look_around(self) -> set[Lease]:
        """See who has what; all leases that nobody else has taken yet."""
        standings = await self._leases.standings()
        self._owners = {(s.lease.route, s.lease.work): s.lease.owner for s in standings if s.live}
        return {s.lease for s in standings}

    @property
    def _service(self) -> str:
        """The work under which a service shows, in a row of its own, that it is there: among services of the same
        routes, for only they can divide them."""
        return _SERVICE + sha256("\0".join(sorted(self._wanted)).encode()).hexdigest()[:12]

    # -- what is kept ----------------------------------------------------------------------------------------

    def _keep(self, lease: Lease, sent: float, *, busy: bool) -> Kept:
        kept = self._kept[lease.route, lease.work] = Kept(lease, self._surely(sent), busy)
        return kept

    def _drop(self, kept: Kept, why: str) -> None:
        kept.gone = why
        if self._kept.get((kept.lease.route, kept.lease.work)) is kept:
            del self._kept[kept.lease.route, kept.lease.work]
        if kept.lease.work == PASS:
            self._reasons[kept.lease.route] = why

    async def _give_back(self, given: Collection[Kept], why: str) -> None:
        for kept in given:
            self._drop(kept, why)
        with suppress(*AWAY):  # they run out, or the next renewal finds them
            async with self._asking():
                await self._released([kept.lease for kept in given])

    async def _released(self, leases: Collection[Lease]) -> None:
        if leases:
            # For what exists only as long as the work nobody waits.
            await self._leases.release(leases, FREE if any(one.work == PASS for one in leases) else "")

    def _tell(self) -> None:
        """Say what has changed since the last time: a route that went and came back in between has not."""
        ours = {route for (route, work) in self._kept if work == PASS and self.serving and route in self._wanted}
        gained, lost, self._told = ours - self._told, self._told - ours, ours
        if gained:
            self._log("lease.gained", routes=len(gained), names=", ".join(sorted(gained)))
        for why in sorted({self._reasons.get(route, "") for route in lost}):
            names = sorted(route for route in lost if self._reasons.get(route, "") == why)
            event = "lease.given" if why in (_FEWER, _BORROWED) else "lease.lost"
            self._log(event, routes=len(names), names=", ".join(names), reason=why)
        self._reasons.clear()
        for route in sorted(lost):
            self._on_lost(route)
        for route in sorted(gained):
            self._on_gained(route)

    def _surely(self, sent: float) -> float:
        return sent + self._life * (1 - MARGIN)

    @asynccontextmanager
    async def _asking(self, patience: float = 0.0) -> AsyncIterator[None]:
        async with self._one_at_a_time, asyncio.timeout(max(self._life / 3, patience)):
            yield


def _taken(kept: Kept) -> str:
    """Why it is not ours any more: while it was still good, only a command can have taken it."""
    return lost_words(kept.lease.route) if kept.lost() else _BORROWED
