"""How much of what is in the ledger, counted by the database: for those who look often and want numbers only."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, String, and_, case, column, exists, func, or_, select, values

from sync.ledger import tables as t
from sync.ledger.database import Database
from sync.ledger.drift import Drift, check_of
from sync.ledger.records import DOUBT, WATCH, LinkState, MailState, PulledState, PushedState, VendorState
from sync.ledger.write_backs import LINK, OVER, WriteState

MEETINGS = (*(state.value for state in LinkState), "ended")
"""The states of `Link.shown_state`."""

BESIDE = (
    "documents_refused",
    "documents_in_doubt",
    "artifacts_waiting",
    "artifacts_given_up",
    "looks_failed",
    "mails_waiting",
    "mails_refused",
    "write_backs_waiting",
    "write_backs_refused",
)
"""What may not get where it should, beside the meetings themselves."""


@dataclass(frozen=True, slots=True)
class LastRuns:
    """A route's newest runs: when the newest began, when the newest with exit code 0 ended (None: there is none); of
    the newest one that has ended its exit code, and how many of its steps were held back and put off."""

    attempt: datetime | None = None
    success: datetime | None = None
    exit: int | None = None
    held: int = 0
    deferred: int = 0


@dataclass(frozen=True, slots=True)
class LastRead:
    """A source's newest read, when it was last read whole, and how many of its entries could not be read."""

    read_at: datetime | None = None
    complete_at: datetime | None = None
    rejected: int = 0


@dataclass(frozen=True, slots=True)
class LastDrift:
    """A route's drift checks: when one last could look at everything, when the route's first pass began (None: never),
    and what the newest check left to a person."""

    compared_at: datetime | None = None
    first_pass: datetime | None = None
    unresolved: tuple[Drift, ...] = ()


class Counts:
    """Numbers by route; what there is none of may be absent."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def meetings(self, now: datetime) -> Mapping[tuple[str, str], int]:
        """Meetings by route and state, as `Link.shown_state` has it at that instant."""
        c = t.links.c
        doubtful = exists().where(t.invitees.c.link_id == c.id, t.invitees.c.stale == DOUBT)
        live = c.state == LinkState.LIVE.value
        state = case(
            (and_(live, c.ends_at <= now), "ended"), (and_(live, doubtful), LinkState.IN_DOUBT.value), else_=c.state
        )
        return await self._by_two(t.links, c.route, state)

    async def waiting(self, now: datetime) -> Mapping[str, int]:
        """Meetings by route that have not ended and wait for a step: they have no session yet, or one failed and is
        tried again."""
        c = t.links.c
        again = and_(c.state == LinkState.LIVE.value, c.attempts > 0)
        where = (c.ends_at > now, or_(c.state == LinkState.PENDING.value, again))
        return await self._by_route(t.links, *where)

    async def open_intents(self) -> Mapping[str, int]:
        """Calls by route whose outcome is not known (without the watch for late effects)."""
        return await self._by_route(t.intents, t.intents.c.settled_at.is_(None), t.intents.c.action != WATCH)

    async def beside(self, now: datetime) -> Mapping[tuple[str, str], int]:
        """What did not get where it should, by route and by the names of BESIDE: documents, mails and links of meetings
        that have not ended, and what meetings left."""
        d, a, o, m, links = t.documents.c, t.artifacts.c, t.occurrences.c, t.mails.c, t.links.c
        w = t.write_backs.c
        ahead = exists().where(links.route == d.route, links.key == d.key, links.ends_at > now)
        in_doubt = d.state == PushedState.IN_DOUBT.value
        document = case((in_doubt, "documents_in_doubt"), else_="documents_refused")
        lacking = or_(in_doubt, d.state == PushedState.REFUSED.value, d.problem != "")
        given_up = a.state == PulledState.GIVEN_UP.value
        artifact = case((given_up, "artifacts_given_up"), else_="artifacts_waiting")
        unfinished = or_(given_up, a.state.in_((PulledState.LISTED.value, PulledState.STORING.value)))
        refused = m.state == MailState.REFUSED.value
        mail = case((refused, "mails_refused"), else_="mails_waiting")
        unsent = or_(refused, m.state.in_((MailState.WAITING.value, MailState.SENDING.value)))
        not_again = and_(w.state == WriteState.REFUSED.value, w.retry_at.is_(None))
        write_back = case((not_again, "write_backs_refused"), else_="write_backs_waiting")
        unwritten = (w.state.not_in(OVER), or_(w.thing != LINK, w.ends_at > now))
        looks = await self._by_route(t.occurrences, o.problem != "")
        return {
            **await self._by_two(t.documents, d.route, document, lacking, ahead),
            **await self._by_two(t.artifacts, a.route, artifact, unfinished),
            **await self._by_two(t.mails, m.route, mail, unsent, m.ends_at > now),
            **await self._by_two(t.write_backs, w.route, write_back, *unwritten),
            **{(route, "looks_failed"): number for route, number in looks.items()},
        }

    async def last_runs(self, routes: Collection[str]) -> Mapping[str, LastRuns]:
        """The newest runs of these routes, whichever process made them."""
        if not routes:
            return {}
        c = t.runs.c
        named = _named(routes)

        def newest(*where: Any) -> Any:
            found = select(c.id).where(c.route == named.c.route, *where).order_by(c.id.desc()).limit(1)
            return found.correlate(named).scalar_subquery()

        columns = (newest(), newest(c.exit == 0), newest(c.exit.is_not(None)))
        query: Select[Any] = select(named.c.route, *columns)
        found = {name: numbers for name, *numbers in map(tuple, await self._db.all(query))}
        wanted = {number for numbers in found.values() for number in numbers if number is not None}
        known = {run.id: run for run in await self._db.all(select(t.runs).where(c.id.in_(wanted)))}
        return {route: _last(*(known.get(number) for number in numbers)) for route, numbers in found.items()}

    async def last_reads(self) -> Mapping[str, LastRead]:
        """The newest reads of all sources; what was read stays where it is."""
        c = t.sources.c
        rows = await self._db.all(select(c.name, c.read_at, c.complete_at, c.rejected))
        return {row.name: LastRead(row.read_at, row.complete_at, len(row.rejected)) for row in rows}

    async def drift_checks(self, routes: Collection[str]) -> Mapping[str, LastDrift]:
        """How these routes were last compared with what their vendors hold."""
        if not routes:
            return {}
        named, c = _named(routes), t.runs.c
        oldest = select(c.started_at).where(c.route == named.c.route).order_by(c.id).limit(1)
        query: Select[Any] = select(named.c.route, oldest.correlate(named).scalar_subquery())
        began: dict[str, datetime | None] = dict(map(tuple, await self._db.all(query)))
        checks = {row.route: check_of(row) for row in await self._db.all(select(t.drift_checks))}
        return {
            route: LastDrift(check.compared_at, at, check.unresolved) if check else LastDrift(None, at)
            for route, at in began.items()
            for check in (checks.get(route),)
        }

    async def vendors(self) -> Mapping[str, VendorState]:
        """What is remembered of all vendors."""
        rows = await self._db.all(select(t.vendors))
        return {row.name: VendorState(row.cooldown_until, row.problem) for row in rows}

    async def _by_route(self, table: Any, *where: Any) -> dict[str, int]:
        query: Select[Any] = select(table.c.route, func.count()).where(*where).group_by(table.c.route)
        return dict(map(tuple, await self._db.all(query)))

    async def _by_two(self, table: Any, route: Any, what: Any, *where: Any) -> dict[tuple[str, str], int]:
        # Told apart first and counted then: PostgreSQL takes two equal expressions with parameters for different ones.
        told = select(route.label("route"), what.label("what")).select_from(table).where(*where).subquery()
        query: Select[Any] = select(told.c.route, told.c.what, func.count()).group_by(told.c.route, told.c.what)
        return {(one, two): number for one, two, number in map(tuple, await self._db.all(query))}


def _named(routes: Collection[str]) -> Any:
    """The routes as a table, so that each takes one look into the index: there is every run that ever was."""
    return values(column("route", String), name="named").data([(route,) for route in routes]).cte("named")


def _last(attempt: Any, success: Any, ended: Any) -> LastRuns:
    return LastRuns(
        attempt.started_at if attempt else None,
        success.finished_at if success else None,
        ended.exit if ended else None,
        ended.counts.get("held", 0) if ended else 0,
        ended.counts.get("deferred", 0) if ended else 0,
    )
