"""The ledger's write-backs: what each source was given back of its meetings, and what stands there by us."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sync.ledger import tables as t
from sync.ledger.database import Database
from sync.model import MeetingKey, parse_recurrence, recurrence_text

LINK = "link"
"""What `WriteBack.thing` says of a join link; of an artifact it is its identity."""

_C = t.write_backs.c


class WriteState(StrEnum):
    """How a write-back stands: under way, or broken off there; done; not done, to be tried again; refused by the source
    (`retry_at` None: given up); the source has no place for it."""

    TRYING = "trying"
    DONE = "done"
    WAITING = "waiting"
    REFUSED = "refused"
    SKIPPED = "skipped"


OVER = (WriteState.DONE, WriteState.SKIPPED)


@dataclass(frozen=True, slots=True)
class WriteBack:
    """What a source was given, or is being given, of one meeting on one route.

    `thing` is LINK or an artifact's identity, `name` what the artifact is called. `wanted` is the value that `state`
    speaks of, `written` the last one that certainly was written, at `written_at`: the join link ("": none stands there
    by us), or the SHA-256 of the artifact's content. `former` are links that were written earlier and may still be
    seen. `doubted`: an attempt at `wanted` had an unknown outcome. `attempts` were made at it.
    """

    route: str
    key: MeetingKey
    thing: str
    ends_at: datetime
    state: WriteState
    wanted: str
    name: str = ""
    written: str = ""
    written_at: datetime | None = None
    former: tuple[str, ...] = ()
    attempts: int = 1
    doubted: bool = False
    retry_at: datetime | None = None
    problem: str = ""

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to be done: it was done, or there is no place for it."""
        return self.state in OVER

    @property
    def is_given_up(self) -> bool:
        """Whether it is not tried again by itself."""
        return self.state is WriteState.REFUSED and self.retry_at is None


class WriteBacks:
    """The write-backs of all routes. One is known by route, key and thing."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def links(self, source: str) -> list[WriteBack]:
        """The join links that the source was given, by whichever route."""
        return await self._found(_C.source == source, _C.thing == LINK)

    async def artifacts(self, route: str) -> list[WriteBack]:
        """The artifacts that a route's source was told of."""
        return await self._found(_C.route == route, _C.thing != LINK)

    async def of_meetings(self, route: str, keys: Iterable[str]) -> list[WriteBack]:
        """Everything about the meetings with these keys."""
        return await self._found(_C.route == route, _C.key.in_(list(keys)))

    async def of_route(self, route: str) -> list[WriteBack]:
        """Everything about the meetings of a route."""
        return await self._found(_C.route == route)

    async def ours(self, source: str) -> Mapping[str, frozenset[str]]:
        """The links that may stand at the source by us, whichever route they are of, by the UID of their meetings: what
        was written, is being written, or stood there before."""
        query = select(_C.uid, _C.written, _C.wanted, _C.former).where(_C.source == source, _C.thing == LINK)
        found: dict[str, set[str]] = {}
        for row in await self._db.all(query):
            found.setdefault(row.uid, set()).update({row.written, row.wanted, *row.former} - {""})
        return {uid: frozenset(links) for uid, links in found.items() if links}

    async def save(self, *rows: WriteBack) -> None:
        """Insert or replace, all or none."""
        if rows:
            async with self._db.write() as connection:
                for one in rows:
                    await _save(connection, one)

    async def drop(self, rows: Iterable[WriteBack]) -> None:
        """Forget them."""
        if gone := list(rows):
            async with self._db.write() as connection:
                for one in gone:
                    await connection.execute(delete(t.write_backs).where(*_same(one)))

    async def drop_ended(self, route: str, before: datetime) -> None:
        """Forget those of meetings of a route that ended before that instant."""
        async with self._db.write() as connection:
            await connection.execute(delete(t.write_backs).where(_C.route == route, _C.ends_at < before))

    async def next_try(self, route: str, now: datetime) -> datetime | None:
        """When the first one after `now` is tried again."""
        first = select(func.min(_C.retry_at).label("at")).where(_C.route == route, _C.retry_at > now)
        at: datetime | None = (await self._db.all(first))[0].at
        return at

    async def release(self, route: str, key: str | None = None) -> None:
        """Let those that wait, were refused or had no place be tried in the next pass, with all attempts before them:
        of a meeting, or all of a route."""
        stuck = _C.state.in_([WriteState.WAITING.value, WriteState.REFUSED.value, WriteState.SKIPPED.value])
        query = update(t.write_backs).where(_C.route == route, stuck)
        query = query.where(_C.key == key) if key is not None else query
        fresh = {"state": WriteState.WAITING.value, "attempts": 0, "retry_at": None, "problem": ""}
        async with self._db.write() as connection:
            await connection.execute(query.values(fresh))

    async def _found(self, *where: Any) -> list[WriteBack]:
        query = select(t.write_backs).where(*where).order_by(_C.ends_at, _C.key, _C.id)
        return [_row(row) for row in await self._db.all(query)]


async def rekey(connection: AsyncConnection, route: str, old: MeetingKey, new: MeetingKey) -> None:
    """Give the join link of a meeting its new key, within a transaction. It is written once more: the source may have
    lost it when it gave the meeting another name."""
    both = select(t.write_backs).where(_C.route == route, _C.thing == LINK, _C.key.in_([str(old), str(new)]))
    rows = {one.key: one for one in [_row(row) for row in await connection.execute(both)]}
    if old not in rows:
        return
    moved = replace(rows[old], key=new)
    if moved.state is WriteState.DONE and moved.written:
        moved = replace(moved, state=WriteState.WAITING, attempts=0)
    if there := rows.get(new):
        earlier = dict.fromkeys(link for link in (*moved.former, *there.former, there.written) if link)
        moved = replace(moved, former=tuple(earlier))
    await connection.execute(delete(t.write_backs).where(*_same(rows[old])))
    await _save(connection, moved)


async def _save(connection: AsyncConnection, one: WriteBack) -> None:
    values = {
        "name": one.name,
        "ends_at": one.ends_at,
        "state": one.state.value,
        "wanted": one.wanted,
        "written": one.written,
        "written_at": one.written_at,
        "former": list(one.former),
        "attempts": one.attempts,
        "doubted": one.doubted,
        "retry_at": one.retry_at,
        "problem": one.problem,
    }
    if not (await connection.execute(update(t.write_backs).where(*_same(one)).values(values))).rowcount:
        identity = {
            "route": one.route,
            "key": str(one.key),
            "source": one.key.source,
            "uid": one.key.uid,
            "recurrence_id": recurrence_text(one.key.recurrence_id),
            "thing": one.thing,
        }
        await connection.execute(insert(t.write_backs).values(**identity, **values))


def _same(one: WriteBack) -> tuple[Any, ...]:
    return (_C.route == one.route, _C.key == str(one.key), _C.thing == one.thing)


def _row(row: Row[Any]) -> WriteBack:
    return WriteBack(
        route=row.route,
        key=MeetingKey(row.source, row.uid, parse_recurrence(row.recurrence_id)),
        thing=row.thing,
        ends_at=row.ends_at,
        state=WriteState(row.state),
        wanted=row.wanted,
        name=row.name,
        written=row.written,
        written_at=row.written_at,
        former=tuple(row.former),
        attempts=row.attempts,
        doubted=row.doubted,
        retry_at=row.retry_at,
        problem=row.problem,
    )
