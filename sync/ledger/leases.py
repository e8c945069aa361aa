"""Leases: which process works on which route, decided by PostgreSQL with its own clock alone.

A row of `leases` stands for one kind of work on one route. Its `owner` has it until `expires_at` and keeps it by
renewing; `generation` counts the owners, and never goes back. A row without an owner is free.

The locks on these rows are chosen so that nobody waits for a process that is frozen in the middle of a transaction: a
writer's fence is FOR KEY SHARE, which lets the renewal through (it changes no key) and holds off only the one who takes
the row over, FOR UPDATE; and that one skips what is locked. See "Explicit Locking" in PostgreSQL's manual.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from sync.errors import LeaseLost
from sync.ledger import tables as t

PASS = "pass"  # noqa: S105 - a kind of work
"""The work of which a route's renewals say whether it is going on; all other kinds exist only while they do."""

CHANNEL = "convener"
"""Where the processes of one database hear of each other (LISTEN and NOTIFY)."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to do this work on this route, as long as owner and generation are those of the row."""

    route: str
    work: str
    owner: str
    generation: int


@dataclass(frozen=True, slots=True)
class Standing:
    """One row as it is now: who has it, and whether that is still so by PostgreSQL's clock."""

    lease: Lease
    live: bool


class Leases:
    """The leases of one owner, which last for `life` from each renewal."""

    def __init__(self, engine: AsyncEngine, owner: str, life: timedelta) -> None:
        self._engine = engine
        self.owner = owner
        self._mine = {"me": owner, "life": life.total_seconds()}

    async def take(
        self,
        routes: Collection[str],
        work: str,
        *,
        busy: bool,
        from_idle: bool = False,
        most: int | None = None,
        free_for: timedelta = timedelta(0),
    ) -> list[Lease]:
        """Those of these routes, `most` at most and by chance, that have been free or expired for so long, or are ours
        already; with `from_idle` also those whose owner is doing nothing."""
        async with self._engine.begin() as connection:
            await connection.execute(_MAKE, {"routes": list(routes), "work": work})
            given = {"routes": list(routes), "work": work, "busy": busy, "from_idle": from_idle, "most": most}
            rows = await connection.execute(_TAKE, {**self._mine, **given, "free_for": free_for.total_seconds()})
            return [self._lease(row) for row in rows]

    async def renew(self, busy: Collection[str]) -> set[Lease]:
        """Prolong all that are ours; which those are. `busy` are the routes on which a pass is going on."""
        async with self._engine.begin() as connection:
            rows = await connection.execute(_RENEW, {**self._mine, "busy": list(busy), "pass": PASS})
            return {self._lease(row) for row in rows}

    async def begin(self, lease: Lease) -> bool:
        """Whether it is (still) ours; if so it is prolonged, and no command takes it until `end`."""
        return await self._set(lease, "busy = true, expires_at = clock_timestamp() + make_interval(secs => :life)")

    async def end(self, lease: Lease) -> None:
        """The work is done for now; the lease stays ours."""
        await self._set(lease, "busy = false")

    async def release(self, leases: Iterable[Lease], notice: str) -> None:
        """Give these back and, with a notice, tell the other processes, in one transaction."""
        async with self._engine.begin() as connection:
            for lease in leases:
                await connection.execute(_RELEASE, _row_of(lease))
            if notice:
                await notify(connection, notice)

    async def sweep(self, work: str) -> None:
        """Remove the rows of work whose name begins like this, and whose owners have been gone for a day."""
        async with self._engine.begin() as connection:
            await connection.execute(_SWEEP, {"work": work})

    async def standings(self) -> list[Standing]:
        """All rows that have an owner."""
        async with self._engine.connect() as connection:
            return [Standing(Lease(*row[:4]), row.live) for row in await connection.execute(_STANDINGS)]

    async def tell(self, *notices: str) -> None:
        """Send these texts to all processes that listen."""
        async with self._engine.begin() as connection:
            for notice in notices:
                await notify(connection, notice)

    async def _set(self, lease: Lease, values: str) -> bool:
        statement = text(f"UPDATE leases SET {values} WHERE {_THIS} RETURNING route")  # noqa: S608 - our own words
        async with self._engine.begin() as connection:
            given = {name: value for name, value in self._mine.items() if f":{name}" in values}
            return (await connection.execute(statement, {**given, **_row_of(lease)})).first() is not None

    def _lease(self, row: Any) -> Lease:
        return Lease(row.route, row.work, self.owner, row.generation)


async def fence(connection: AsyncConnection, leases: Collection[Lease]) -> None:
    """Make sure that nobody takes these leases over until the transaction ends. Raises LeaseLost when somebody has."""
    c = t.leases.c
    rows = [(lease.route, lease.work, lease.owner, lease.generation) for lease in leases]
    query = select(c.route).where(tuple_(c.route, c.work, c.owner, c.generation).in_(rows))
    found = {row.route for row in await connection.execute(query.with_for_update(read=True, key_share=True))}
    for lease in leases:
        if lease.route not in found:
            raise LeaseLost(lost_words(lease.route))


def lost_words(route: str) -> str:
    """For people: that somebody else has the route now."""
    return f'another convener process has taken over route "{route}"'


async def notify(connection: AsyncConnection, notice: str) -> None:
    """Send a text (of at most 7999 bytes) to all processes that listen, when the transaction is committed."""
    await connection.execute(_NOTIFY, {"channel": CHANNEL, "notice": notice})


def _row_of(lease: Lease) -> dict[str, Any]:
    return {"route": lease.route, "work": lease.work, "owner": lease.owner, "generation": lease.generation}


_THIS = "route = :route AND work = :work AND owner = :owner AND generation = :generation"

_MAKE = text(
    """
    INSERT INTO leases (route, work, owner, generation, busy, expires_at)
    SELECT named.route, CAST(:work AS text), '', 0, false, clock_timestamp()
    FROM unnest(CAST(:routes AS text[])) AS named (route)
    WHERE NOT EXISTS (SELECT FROM leases WHERE leases.route = named.route AND leases.work = CAST(:work AS text))
    ON CONFLICT DO NOTHING
    """
)

_TAKE = text(
    """
    WITH free AS (
        SELECT route, work FROM leases
        WHERE work = :work AND route = ANY (CAST(:routes AS text[]))
          AND (owner = :me OR (NOT busy AND :from_idle)
               OR (owner = '' OR expires_at <= clock_timestamp())
                   AND expires_at <= clock_timestamp() - make_interval(secs => :free_for))
        ORDER BY random() LIMIT CAST(:most AS bigint) FOR UPDATE SKIP LOCKED
    )
    UPDATE leases SET owner = :me, generation = generation + CASE owner WHEN :me THEN 0 ELSE 1 END, busy = :busy,
        expires_at = clock_timestamp() + make_interval(secs => :life)
    FROM free WHERE leases.route = free.route AND leases.work = free.work
    RETURNING leases.route, leases.work, generation
    """
)

_RENEW = text(
    """
    WITH mine AS (SELECT route, work FROM leases WHERE owner = :me FOR NO KEY UPDATE SKIP LOCKED)
    UPDATE leases SET expires_at = clock_timestamp() + make_interval(secs => :life),
        busy = leases.work <> :pass OR leases.route = ANY (CAST(:busy AS text[]))
    FROM mine WHERE leases.route = mine.route AND leases.work = mine.work
    RETURNING leases.route, leases.work, generation
    """
)

_RELEASE = text(f"UPDATE leases SET owner = '', busy = false, expires_at = clock_timestamp() WHERE {_THIS}")  # noqa: S608

_SWEEP = text("DELETE FROM leases WHERE starts_with(work, :work) AND expires_at < clock_timestamp() - interval '1 day'")

_STANDINGS = text(
    "SELECT route, work, owner, generation, expires_at > clock_timestamp() AS live FROM leases WHERE owner <> ''"
)

_NOTIFY = text("SELECT pg_notify(:channel, :notice)")
