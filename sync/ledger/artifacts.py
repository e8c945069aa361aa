"""The ledger's artifacts: what sessions left (pulled) and what they were given (pushed)."""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Row, Table, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sync.ledger import tables as t
from sync.ledger.database import Database
from sync.ledger.records import Pulled, PulledState, Pushed, PushedState

_A, _D, _O = t.artifacts.c, t.documents.c, t.occurrences.c
_PULLED = ("vendor", "session", "kind", "ref")
_PUSHED = ("route", "key", "session", "identity")
_Record = TypeVar("_Record", Pulled, Pushed)


class Artifacts:
    """Pulled and pushed artifacts of all routes. Records are stored under the names of their fields."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def pulled(self, route: str) -> list[Pulled]:
        """Those of a route, as they were seen."""
        return await self._pulled(_A.route == route)

    async def of_session(self, vendor: str, session: str) -> list[Pulled]:
        """Those that a session left, as they were seen."""
        return await self._pulled(_A.vendor == vendor, _A.session == session)

    async def of_meeting(self, route: str, key: str) -> list[Pulled]:
        """Those of one meeting, as they were seen."""
        return await self._pulled(_A.route == route, _A.key == key)

    async def in_archive(self, before: datetime | None = None) -> list[Pulled]:
        """Those of all routes that have a file (since before an instant), the oldest first."""
        where = [_A.state == PulledState.STORED.value] + ([_A.stored_at < before] if before else [])
        return await self._pulled(*where, order=_A.stored_at)

    async def stored(self, route: str, since: datetime) -> list[Pulled]:
        """Those of a route that have a file, since that instant or later, the oldest first."""
        fresh = (_A.state == PulledState.STORED.value, _A.stored_at >= since)
        return await self._pulled(_A.route == route, *fresh, order=_A.stored_at)

    async def _pulled(self, *where: Any, order: Any = _A.seen_at) -> list[Pulled]:
        query = select(t.artifacts).where(*where).order_by(order, _A.id)
        return [_read(Pulled, row, PulledState(row.state)) for row in await self._db.all(query)]

    async def bytes_in_archive(self) -> int:
        """The size of all files together."""
        query = select(func.sum(_A.size).label("total")).where(_A.state == PulledState.STORED.value)
        return int((await self._db.all(query))[0].total or 0)

    async def save_pulled(self, record: Pulled, *, folder: str | None = None) -> None:
        """Insert or replace. The manifest of its meeting is due then, whose `folder` may be fixed with it."""
        values = {"manifest_due": True} | ({"folder": folder} if folder is not None else {})
        async with self._db.write() as connection:
            meeting = update(t.occurrences).where(_O.route == record.route, _O.key == record.key)
            await connection.execute(meeting.values(values))
            await _save(connection, t.artifacts, record, _PULLED)

    async def pushed(self, route: str) -> list[Pushed]:
        """The documents of a route's sessions."""
        query = select(t.documents).where(_D.route == route).order_by(_D.id)
        return [_read(Pushed, row, PushedState(row.state)) for row in await self._db.all(query)]

    async def save_pushed(self, record: Pushed) -> None:
        """Insert or replace."""
        async with self._db.write() as connection:
            await save_pushed(connection, record)

    async def drop_pushed(self, records: Iterable[Pushed]) -> None:
        """Forget them."""
        async with self._db.write() as connection:
            for one in records:
                await connection.execute(delete(t.documents).where(*_same(t.documents, _values(one), _PUSHED)))


async def save_pushed(connection: AsyncConnection, record: Pushed) -> None:
    """Insert or replace one, within a transaction."""
    await _save(connection, t.documents, record, _PUSHED)


async def _save(connection: AsyncConnection, table: Table, record: Pulled | Pushed, identity: tuple[str, ...]) -> None:
    values = _values(record)
    if not (await connection.execute(update(table).where(*_same(table, values, identity)).values(values))).rowcount:
        await connection.execute(insert(table).values(values))


def _values(record: Pulled | Pushed) -> dict[str, Any]:
    return {one.name: getattr(record, one.name) for one in fields(record)} | {"state": record.state.value}


def _same(table: Table, values: Mapping[str, Any], identity: tuple[str, ...]) -> list[Any]:
    return [table.c[name] == values[name] for name in identity]


def _read(kind: type[_Record], row: Row[Any], state: Any) -> _Record:
    values: dict[str, Any] = {one.name: getattr(row, one.name) for one in fields(kind)} | {"state": state}
    as_record: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in values.items()}
    return kind(**as_record)
