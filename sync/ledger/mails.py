"""The ledger's mails: what each participant was last told of a meeting, where convener mails by itself."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Row, and_, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sync.ledger import tables as t
from sync.ledger.database import Database
from sync.ledger.records import Mail, MailState
from sync.model import Role

_C = t.mails.c


class Mails:
    """The mails of all routes. One is known by route, `uid` and address; its key may change."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def of_route(self, route: str) -> list[Mail]:
        """Those of a route, by the start of their meetings."""
        query = select(t.mails).where(_C.route == route).order_by(_C.starts_at, _C.uid, _C.email)
        return [_mail(row) for row in await self._db.all(query)]

    async def save(self, *mails: Mail) -> None:
        """Insert or replace, all or none."""
        if mails:
            async with self._db.write() as connection:
                for one in mails:
                    await _save(connection, one)

    async def next_try(self, route: str, now: datetime) -> datetime | None:
        """When the first mail after `now` is tried again."""
        first = select(func.min(_C.retry_at).label("at")).where(_C.route == route, _C.retry_at > now)
        at: datetime | None = (await self._db.all(first))[0].at
        return at

    async def drop(self, mails: Iterable[Mail]) -> None:
        """Forget them."""
        if gone := list(mails):
            async with self._db.write() as connection:
                for one in gone:
                    await connection.execute(delete(t.mails).where(*_same(one)))

    async def drop_ended(self, route: str, before: datetime) -> None:
        """Forget those of a route whose meetings ended before that instant."""
        async with self._db.write() as connection:
            await connection.execute(delete(t.mails).where(_C.route == route, _C.ends_at < before))

    async def release(self, route: str | None = None, key: str | None = None) -> int:
        """Let those that were refused, that wait, or of which nobody knows whether they were taken, be tried again in
        the next pass, with all attempts before them: of a route, of a meeting, or all. How many."""
        stuck = _C.state.in_([MailState.REFUSED.value, MailState.WAITING.value])
        unknown = and_(_C.state == MailState.SENT.value, _C.problem != "")
        query = update(t.mails).where(or_(stuck, unknown))
        for column, value in ((_C.route, route), (_C.key, key)):
            query = query.where(column == value) if value is not None else query
        async with self._db.write() as connection:
            fresh = {"state": MailState.WAITING.value, "attempts": 0, "retry_at": None}
            return int((await connection.execute(query.values(fresh))).rowcount)


async def _save(connection: AsyncConnection, mail: Mail) -> None:
    values = {
        "key": mail.key,
        "name": mail.name,
        "role": mail.role.value,
        "organizer": mail.organizer,
        "session": mail.session,
        "title": mail.title,
        "starts_at": mail.start,
        "ends_at": mail.end,
        "method": mail.method,
        "sequence": mail.sequence,
        "digest": mail.digest,
        "message_id": mail.message_id,
        "state": mail.state.value,
        "attempts": mail.attempts,
        "invited": mail.invited,
        "doubted": mail.doubted,
        "retry_at": mail.retry_at,
        "problem": mail.problem,
    }
    if not (await connection.execute(update(t.mails).where(*_same(mail)).values(values))).rowcount:
        identity = {"route": mail.route, "uid": mail.uid, "email": mail.email}
        await connection.execute(insert(t.mails).values(**identity, **values))


def _same(mail: Mail) -> tuple[Any, ...]:
    return (_C.route == mail.route, _C.uid == mail.uid, _C.email == mail.email)


def _mail(row: Row[Any]) -> Mail:
    return Mail(
        route=row.route,
        key=row.key,
        uid=row.uid,
        email=row.email,
        name=row.name,
        role=Role(row.role),
        organizer=row.organizer,
        session=row.session,
        title=row.title,
        start=row.starts_at,
        end=row.ends_at,
        method=row.method,
        sequence=row.sequence,
        digest=row.digest,
        message_id=row.message_id,
        state=MailState(row.state),
        attempts=row.attempts,
        invited=row.invited,
        doubted=row.doubted,
        retry_at=row.retry_at,
        problem=row.problem,
    )
