"""The ledger's occurrences: meetings with a session at their own times, what is published and looked for of them."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Row, and_, func, insert, or_, select, update

from sync.ledger import tables as t
from sync.ledger.database import Database
from sync.ledger.records import Occurrence
from sync.model import MeetingKey, Participant, Role, parse_recurrence, recurrence_text

_C = t.occurrences.c


class Occurrences:
    """The occurrences of all routes."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def since(self, route: str, instant: datetime) -> list[Occurrence]:
        """Those of a route that end after `instant`, by start."""
        return await self._found(_C.route == route, _C.ends_at > instant)

    async def at(self, route: str, session: str) -> list[Occurrence]:
        """Those of a route that take place in a session, by start."""
        return await self._found(_C.route == route, _C.session == session)

    async def named(self, route: str, keys: Iterable[str]) -> list[Occurrence]:
        """Those with these keys, by start."""
        return await self._found(_C.route == route, _C.key.in_(list(keys)))

    async def due(self, route: str, now: datetime, *, at_once: bool) -> list[Occurrence]:
        """Those for which a look is due, the longest first; `at_once`: also those whose last look failed."""
        due = and_(_C.look_at <= now, _C.session != "")
        if at_once:
            due = or_(due, and_(_C.look_at.is_not(None), _C.failures > 0, _C.session != ""))
        return await self._found(_C.route == route, due, order=_C.look_at)

    async def save_looks(self, one: Occurrence) -> None:
        """What is known of its looks; nothing when a pass has meanwhile given it another session or time, or none."""
        values = {"looks": one.looks, "look_at": one.look_at, "failures": one.failures, "problem": one.problem}
        await self._set(one, values, _C.session == one.session, _C.ends_at == one.end)

    async def save_published(self, *occurrences: Occurrence) -> None:
        """What was published of them."""
        for one in occurrences:
            values = {"sequence": one.sequence, "published": one.published, "changed_at": one.changed_at}
            await self._set(one, values)

    async def in_room(self, route: str, link: str) -> list[Occurrence]:
        """Those that take place in the session of the link with this key (as text)."""
        return await self._found(_C.route == route, _C.link_key == link)

    async def troubled(self, route: str) -> list[Occurrence]:
        """Those whose last look failed, or that were given up because of it."""
        return await self._found(_C.route == route, _C.problem != "")

    async def unlisted(self, route: str) -> list[Occurrence]:
        """Those whose manifest does not say what is in the archive."""
        return await self._found(_C.route == route, _C.manifest_due)

    async def listed(self, one: Occurrence) -> None:
        """The manifest says it now."""
        await self._set(one, {"manifest_due": False})

    async def _set(self, one: Occurrence, values: Mapping[str, Any], *unchanged: Any) -> None:
        async with self._db.write() as connection:
            where = (_C.route == one.route, _C.key == str(one.key), *unchanged)
            await connection.execute(update(t.occurrences).where(*where).values(values))

    async def looked_for(self, route: str) -> frozenset[str]:
        """The keys of the links of which something is still looked for."""
        found = await self._db.all(select(_C.link_key).where(_C.route == route, _C.look_at.is_not(None)))
        return frozenset(row.link_key for row in found)

    async def next_look(self, route: str, now: datetime) -> datetime | None:
        """When the first look after `now` is due."""
        first = select(func.min(_C.look_at).label("at")).where(_C.route == route, _C.look_at > now)
        at: datetime | None = (await self._db.all(first))[0].at
        return at

    async def look_soon(self, route: str, now: datetime) -> None:
        """Have the looks of meetings that are over made now, as if they were due: something was heard of."""
        async with self._db.write() as connection:
            over = (_C.route == route, _C.look_at > now, _C.ends_at <= now, _C.session != "")
            await connection.execute(update(t.occurrences).where(*over).values(look_at=now))

    async def save(self, *occurrences: Occurrence) -> None:
        """Insert or replace, all or none; their folders and whether manifests are due follow from artifacts, not from
        here."""
        if not occurrences:
            return
        async with self._db.write() as connection:
            places = select(_C.route, _C.key).where(_C.key.in_([str(one.key) for one in occurrences]))
            known = {(row.route, row.key) for row in await connection.execute(places)}
            new = []
            for one in occurrences:
                if (one.route, str(one.key)) in known:
                    same = (_C.route == one.route, _C.key == str(one.key))
                    await connection.execute(update(t.occurrences).where(*same).values(_values(one)))
                else:
                    new.append(_identity(one) | _values(one))
            if new:
                await connection.execute(insert(t.occurrences), new)

    async def _found(self, *where: Any, order: Any = _C.starts_at) -> list[Occurrence]:
        query = select(t.occurrences).where(*where).order_by(order, _C.key)
        return [_occurrence(row) for row in await self._db.all(query)]


def _identity(one: Occurrence) -> dict[str, Any]:
    """What a pass writes once."""
    return {
        "route": one.route,
        "key": str(one.key),
        "source": one.key.source,
        "uid": one.key.uid,
        "recurrence_id": recurrence_text(one.key.recurrence_id),
        "folder": one.folder,
        "manifest_due": False,
    }


def _values(one: Occurrence) -> dict[str, Any]:
    """What a pass writes again when it has changed."""
    return {
        "link_key": one.link,
        "vendor": one.vendor,
        "session": one.session,
        "title": one.title,
        "starts_at": one.start,
        "ends_at": one.end,
        "location": one.location,
        "description": one.description,
        "organizer": one.organizer,
        "people": [[p.email, p.name, p.role.value] for p in one.people],
        "sequence": one.sequence,
        "published": one.published,
        "changed_at": one.changed_at,
        "looks": one.looks,
        "look_at": one.look_at,
        "failures": one.failures,
        "problem": one.problem,
        "off": one.off,
    }


def _occurrence(row: Row[Any]) -> Occurrence:
    return Occurrence(
        route=row.route,
        key=MeetingKey(row.source, row.uid, parse_recurrence(row.recurrence_id)),
        link=row.link_key,
        vendor=row.vendor,
        session=row.session,
        title=row.title,
        start=row.starts_at,
        end=row.ends_at,
        location=row.location,
        description=row.description,
        organizer=row.organizer,
        people=tuple(Participant(email, name, Role(role)) for email, name, role in row.people),
        sequence=row.sequence,
        published=row.published,
        changed_at=row.changed_at,
        looks=row.looks,
        look_at=row.look_at,
        failures=row.failures,
        problem=row.problem,
        folder=row.folder,
        manifest_due=row.manifest_due,
        off=row.off,
    )
