"""What the ledger shows a person at a glance, over all routes. No personal link is read here."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, exists, func, literal, or_, select

from sync.ledger import rows
from sync.ledger import tables as t
from sync.ledger.database import Database
from sync.ledger.records import DOUBT, Link, LinkState, MailState, PulledState, PushedState, Registered
from sync.ledger.write_backs import LINK, OVER, WriteState
from sync.model import Role

_L, _I, _O = t.links.c, t.invitees.c, t.occurrences.c
_A, _D, _M, _W = t.artifacts.c, t.documents.c, t.mails.c, t.write_backs.c
_ASIDE = (LinkState.QUARANTINED.value, LinkState.IN_DOUBT.value)


@dataclass(frozen=True, slots=True)
class Upcoming:
    """A meeting that has not ended, at its own time, be it in a standing room. `state` is the one that people see;
    `people` are their names, or addresses where they have none."""

    route: str
    key: str
    vendor: str
    state: str
    title: str
    start: datetime
    end: datetime
    join_url: str | None
    people: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stored:
    """A file that came into the archive; `size` in bytes, `title` is its meeting's."""

    route: str
    key: str
    title: str
    kind: str
    name: str
    size: int | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Missed:
    """Something of a meeting that did not get where it should: `what` it is and how it stands, in the words that
    `convener status` uses, and its own `name`."""

    what: str
    route: str
    key: str
    title: str
    name: str
    problem: str


class Overview:
    """The newest, the next and the troubled, each bounded in number."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def upcoming(self, now: datetime, limit: int) -> list[Upcoming]:
        """The meetings that end after `now`, by start. Of a standing room its uses are listed, not the room."""
        used = exists().where(_O.route == _L.route, _O.link_key == _L.key, _O.key != _L.key)
        ahead = (_L.ends_at > now, _L.state != LinkState.CANCELLED.value)
        query = select(t.links).where(*ahead, ~used).order_by(_L.starts_at, _L.key).limit(limit)
        found = [_meeting(link, now) for link in await self._links(query)]
        return sorted([*found, *await self._in_rooms(now, limit)], key=lambda one: (one.start, one.key))[:limit]

    async def _in_rooms(self, now: datetime, limit: int) -> list[Upcoming]:
        ahead = (_O.ends_at > now, _O.session != "", ~_O.off, _O.key != _O.link_key)
        rooms = and_(_L.route == _O.route, _L.key == _O.link_key)
        query = select(t.occurrences, _L.state, _L.join_url).join(t.links, rooms).where(*ahead)
        return [
            Upcoming(
                row.route, row.key, row.vendor, row.state, row.title, row.starts_at, row.ends_at, row.join_url,
                tuple(name or email for email, name, _ in row.people),
            )
            for row in await self._db.all(query.order_by(_O.starts_at, _O.key).limit(limit))
        ]  # fmt: skip

    async def troubled(self, now: datetime, limit: int) -> list[Link]:
        """The links that are quarantined or in doubt, or failed and wait, or have a participant in doubt or whose
        personal link was refused; those that are set aside first, then by start."""
        first = case((_L.state.in_(_ASIDE), 0), else_=1)
        query = select(t.links).where(_in_trouble(now)).order_by(first, _L.starts_at, _L.key).limit(limit)
        return await self._links(query)

    async def number_troubled(self, now: datetime) -> tuple[int, int]:
        """How many those are in all, and how many of them are quarantined or in doubt."""
        aside = func.coalesce(func.sum(case((_L.state.in_(_ASIDE), 1), else_=0)), 0).label("aside")
        query = select(func.count().label("number"), aside).select_from(t.links).where(_in_trouble(now))
        row = (await self._db.all(query))[0]
        return int(row.number), int(row.aside)

    async def ahead(self, now: datetime) -> dict[str, int]:
        """How many sessions are still to come, by route."""
        coming = (_L.ends_at > now, _L.session.is_not(None), _L.state != LinkState.CANCELLED.value)
        query = select(_L.route, func.count().label("number")).where(*coming).group_by(_L.route)
        return Counter({row.route: row.number for row in await self._db.all(query)})

    async def lately_stored(self, limit: int) -> list[Stored]:
        """What came into the archive and is there, the newest first."""
        held = and_(_O.route == _A.route, _O.key == _A.key)
        linked = and_(_L.route == _A.route, _L.key == _A.key)
        title = func.coalesce(_O.title, _L.title, "").label("title")
        columns = (_A.route, _A.key, _A.kind, _A.name, _A.size, _A.stored_at, title)
        query = select(*columns).select_from(t.artifacts).outerjoin(t.occurrences, held).outerjoin(t.links, linked)
        stored = query.where(_A.state == PulledState.STORED.value, _A.stored_at.is_not(None))
        return [
            Stored(row.route, row.key, row.title, row.kind, row.name, row.size, row.stored_at)
            for row in await self._db.all(stored.order_by(_A.stored_at.desc(), _A.id.desc()).limit(limit))
        ]

    async def missed(self, now: datetime, limit: int) -> list[Missed]:
        """Documents, mails and written-back links of meetings that have not ended, and what meetings left, that did not
        get where they should; of each kind so many at most. What is merely under way is left out."""
        document = and_(_D.route == _L.route, _D.key == _L.key, _L.ends_at > now)
        refused = or_(_D.state != PushedState.PUSHED.value, _D.problem != "")
        held = and_(_O.route == _A.route, _O.key == _A.key)
        not_again = and_(_W.state == WriteState.REFUSED.value, _W.retry_at.is_(None))
        unwritten = case((not_again, "write_backs_refused"), else_="write_backs_waiting").label("state")
        queries = (
            select(_D.state, _D.route, _D.key, _L.title, _D.name, _D.problem)
            .select_from(t.documents.join(t.links, document))
            .where(refused)
            .order_by(_D.id.desc()),
            select(_A.state, _A.route, _A.key, _O.title, _A.name, _A.problem)
            .select_from(t.artifacts.outerjoin(t.occurrences, held))
            .where(_A.state == PulledState.GIVEN_UP.value)
            .order_by(_A.id.desc()),
            select(literal("look").label("state"), _O.route, _O.key, _O.title, _O.title.label("name"), _O.problem)
            .where(_O.problem != "")
            .order_by(_O.ends_at.desc()),
            select(_M.state, _M.route, _M.key, _M.title, _M.email.label("name"), _M.problem)
            .where(_M.state.in_([MailState.REFUSED.value, MailState.WAITING.value]), _M.ends_at > now)
            .order_by(_M.id.desc()),
            select(unwritten, _W.route, _W.key, _O.title, _W.name, _W.problem)
            .select_from(t.write_backs.outerjoin(t.occurrences, and_(_O.route == _W.route, _O.key == _W.key)))
            .where(_W.problem != "", _W.state.not_in(OVER), or_(_W.thing != LINK, _W.ends_at > now))
            .order_by(_W.id.desc()),
        )
        words = (
            {PushedState.IN_DOUBT.value: "documents_in_doubt"},
            {PulledState.GIVEN_UP.value: "artifacts_given_up"},
            {"look": "looks_failed"},
            {MailState.REFUSED.value: "mails_refused", MailState.WAITING.value: "mails_waiting"},
            {what: what for what in ("write_backs_refused", "write_backs_waiting")},
        )
        found = []
        for query, word in zip(queries, words, strict=True):
            for row in await self._db.all(query.limit(limit)):
                what = word.get(row.state, "documents_refused")
                found.append(Missed(what, row.route, row.key, row.title or "", row.name, row.problem))
        return found

    async def _links(self, query: Select[Any]) -> list[Link]:
        found = await self._db.all(query)
        people = await self._people(row.id for row in found)
        return [rows.link(row, tuple(people.get(row.id, ()))) for row in found]

    async def _people(self, links: Iterable[int]) -> dict[int, list[Registered]]:
        """By link. Of a personal link only that it was refused, as `Registered` says it."""
        refused = (func.coalesce(_I.personal_link, "-") == "").label("refused")
        columns = (_I.link_id, _I.email, _I.name, _I.role, _I.stale, refused)
        by_link: dict[int, list[Registered]] = {}
        for row in await self._db.all(select(*columns).where(_I.link_id.in_(list(links))).order_by(_I.email)):
            person = Registered(
                row.email, row.name, Role(row.role), stale=row.stale, personal_link="" if row.refused else None
            )
            by_link.setdefault(row.link_id, []).append(person)
        return by_link


def _in_trouble(now: datetime) -> ColumnElement[bool]:
    person = or_(_I.stale == DOUBT, _I.personal_link == "")
    concerned = exists().where(_I.link_id == _L.id, person)
    aside = _L.state.in_(_ASIDE)
    waits = and_(_L.ends_at > now, _L.state != LinkState.CANCELLED.value, or_(_L.problem.is_not(None), concerned))
    return or_(aside, waits)


def _meeting(link: Link, now: datetime) -> Upcoming:
    people = tuple(person.name or person.email for person in link.invitees)
    return Upcoming(
        link.route, str(link.key), link.vendor, link.shown_state(now), link.title, link.start, link.end,
        link.join_url or None, people,
    )  # fmt: skip
