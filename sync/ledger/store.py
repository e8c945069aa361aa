"""Reads and writes of the ledger. Each writing method is one transaction, committed when it returns."""

import secrets
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from sync.ledger import rows, sealing
from sync.ledger import tables as t
from sync.ledger.artifacts import Artifacts, save_pushed
from sync.ledger.counts import Counts
from sync.ledger.database import Database, put
from sync.ledger.drift import DriftChecks
from sync.ledger.leases import Lease
from sync.ledger.mails import Mails
from sync.ledger.occurrences import Occurrences
from sync.ledger.overview import Overview
from sync.ledger.records import WATCH, Intent, Link, LinkState, Pushed, Registered, Run, SourceState, VendorState
from sync.ledger.steps import Steps
from sync.ledger.vault import Vault
from sync.ledger.write_backs import WriteBacks
from sync.ledger.write_backs import rekey as rekey_write_backs
from sync.model import MeetingKey, content_digest, recurrence_text

RUNS_KEPT = timedelta(days=31)
PRUNED_EVERY = 100


class Ledger:
    """The database of one installation. Personal links are kept through the vault, and are clear in what is read."""

    def __init__(self, engine: AsyncEngine, vault: Vault | None = None, leases: tuple[Lease, ...] = ()) -> None:
        self._db = Database(engine, leases)
        self._vault = vault or Vault()
        self.occurrences = Occurrences(self._db)
        self.artifacts = Artifacts(self._db)
        self.mails = Mails(self._db)
        self.write_backs = WriteBacks(self._db)
        self.steps = Steps(self._db)
        self.overview = Overview(self._db)
        self.counts = Counts(self._db)
        self.drift = DriftChecks(self._db, self._vault)

    def under(self, *leases: Lease) -> "Ledger":
        """The same ledger, for work that is ours by these leases: each write checks them in its own transaction, and
        raises LeaseLost, having written nothing, when another process has taken one over."""
        return Ledger(self._db.engine, self._vault, leases)

    async def close(self) -> None:
        """Close the connections."""
        await self._db.engine.dispose()

    async def open_vault(self, *, seal: bool) -> None:
        """Make sure that the personal links can be read; with `seal`, that all of them are sealed with the first key,
        if there is one. Raises LedgerError."""
        await sealing.open_vault(self._db, self._vault, seal=seal)

    async def forget_links(self) -> int:
        """Drop the sealed personal links, which takes no key; how many there were."""
        return await sealing.forget_links(self._db)

    async def installation(self) -> str:
        """This installation's random name, part of every marker; made at the first call."""
        query = select(t.meta.c.value).where(t.meta.c.name == "installation")
        if not (found := await self._db.all(query)):
            async with self._db.write() as connection:
                await put(connection, t.meta, {"name": "installation", "value": secrets.token_hex(6)}, {})
            found = await self._db.all(query)  # another process may have been first
        return str(found[0].value)

    async def new_marker(self, route: str, key: MeetingKey) -> str:
        """A marker for a session to be made: ours by the installation's name, this meeting's by route and key, and
        never the same again after a person made us forget the meeting. At most 64 characters."""
        return f"convener/{await self.installation()}/{content_digest(route, key)}/{secrets.token_hex(4)}"

    # -- links ---------------------------------------------------------------------------------------------

    async def links(self, route: str | None = None, key: str | None = None) -> list[Link]:
        """The links of a route, or of all of them, or of one meeting on every route, by start."""
        query = select(t.links).order_by(t.links.c.starts_at, t.links.c.key)
        people = select(t.invitees).join(t.links).order_by(t.invitees.c.email)
        for column, value in ((t.links.c.route, route), (t.links.c.key, key)):
            if value is not None:
                query, people = query.where(column == value), people.where(column == value)
        async with self._db.engine.connect() as connection:
            found = list(await connection.execute(query))
            by_link: dict[int, list[Registered]] = {}
            for person in await connection.execute(people):
                by_link.setdefault(person.link_id, []).append(rows.registered(person, self._vault))
        return [rows.link(row, tuple(by_link.get(row.id, ()))) for row in found]

    async def save_link(self, link: Link, now: datetime) -> None:
        """Insert or replace a link with its invitees."""
        await self.save_links([link], now)

    async def save_links(self, links: Iterable[Link], now: datetime) -> None:
        """Insert or replace links with their invitees, all or none."""
        async with self._db.write() as connection:
            for link in links:
                await rows.save_link(connection, link, now, self._vault)

    async def delete_link(self, route: str, key: MeetingKey) -> None:
        """Forget a link, its open intents, what is looked for after it and what it was given; files are not touched,
        and what its source got back is remembered: it stands there still."""
        async with self._db.write() as connection:
            o, d = t.occurrences.c, t.documents.c
            off = update(t.occurrences).values(session="", look_at=None)
            await connection.execute(off.where(o.route == route, o.link_key == str(key)))
            await connection.execute(delete(t.documents).where(d.route == route, d.key == str(key)))
            found = select(t.links.c.id).where(t.links.c.route == route, t.links.c.key == str(key))
            await connection.execute(delete(t.invitees).where(t.invitees.c.link_id.in_(found)))
            await connection.execute(delete(t.links).where(t.links.c.route == route, t.links.c.key == str(key)))
            await connection.execute(delete(t.intents).where(t.intents.c.route == route, t.intents.c.key == str(key)))

    async def rekey(self, route: str, moved: Mapping[MeetingKey, MeetingKey], now: datetime) -> None:
        """Give links other keys; links without a session that stand under a new key make room."""
        async with self._db.write() as connection:
            for old, new in moved.items():
                taken = select(t.links.c.id).where(t.links.c.route == route, t.links.c.key == str(new))
                await connection.execute(delete(t.invitees).where(t.invitees.c.link_id.in_(taken)))
                await connection.execute(delete(t.links).where(t.links.c.route == route, t.links.c.key == str(new)))
                named = {"key": str(new), "recurrence_id": recurrence_text(new.recurrence_id), "updated_at": now}
                where = (t.links.c.route == route, t.links.c.key == str(old))
                await connection.execute(update(t.links).where(*where).values(named))
                o, d = t.occurrences.c, t.documents.c
                off = update(t.occurrences).values(session="", look_at=None, off=True)
                await connection.execute(off.where(o.route == route, o.link_key == str(old)))
                await connection.execute(
                    update(t.documents).where(d.route == route, d.key == str(old)).values(key=str(new))
                )
                await rekey_write_backs(connection, route, old, new)

    async def sessions_of_others(self, vendor: str, link: Link) -> frozenset[str]:
        """The vendor's sessions that belong to other meetings than the link's."""
        other = (t.links.c.key != str(link.key)) | (t.links.c.route != link.route)
        held = (t.links.c.session.is_not(None), t.links.c.state != LinkState.CANCELLED.value)
        found = await self._db.all(select(t.links.c.session).where(t.links.c.vendor == vendor, other, *held))
        return frozenset(row.session for row in found)

    async def witnesses(self, link: Link, number: int) -> list[tuple[str, str]]:
        """Marker and session of the newest other sessions that this installation made at the link's vendor."""
        other = (t.links.c.key != str(link.key)) | (t.links.c.route != link.route)
        held = (t.links.c.session.is_not(None), t.links.c.state == LinkState.LIVE.value, t.links.c.marker != "")
        query = select(t.links.c.marker, t.links.c.session).where(t.links.c.vendor == link.vendor, other, *held)
        return [tuple(row) for row in await self._db.all(query.order_by(t.links.c.created_at.desc()).limit(number))]

    # -- intents -------------------------------------------------------------------------------------------

    async def open_intent(
        self,
        link: Link,
        action: str,
        now: datetime,
        *,
        participant: str | None = None,
        payload: Mapping[str, Any] | None = None,
        recorded: bool = False,
    ) -> Intent:
        """Write ahead: when this returns, the decision to write is on disk (and the link it belongs to, unless it is
        `recorded` as it is)."""
        async with self._db.write() as connection:
            if not recorded:
                await rows.save_link(connection, link, now, self._vault)
            values = {
                "route": link.route,
                "key": str(link.key),
                "vendor": link.vendor,
                "action": action,
                "participant": participant,
                "marker": link.marker,
                "session": link.session,
                "payload": dict(payload or {}),
                "opened_at": now,
            }
            number = (await connection.execute(insert(t.intents).values(values).returning(t.intents.c.id))).scalar_one()
        return Intent(
            number,
            link.route,
            str(link.key),
            link.vendor,
            action,
            participant,
            link.marker,
            link.session,
            payload or {},
            now,
        )

    async def open_intents(self, route: str) -> list[Intent]:
        """The intents of a route without an outcome, oldest first."""
        query = select(t.intents).where(t.intents.c.route == route, t.intents.c.settled_at.is_(None))
        return [rows.intent(row) for row in await self._db.all(query.order_by(t.intents.c.id))]

    async def undecided(self, route: str) -> list[Intent]:
        """The open intents that keep a meeting waiting (all but those that watch for late effects)."""
        return [intent for intent in await self.open_intents(route) if intent.action != WATCH]

    async def looked(self, intent: Intent, now: datetime) -> None:
        """Remember that the vendor was looked at once and the effect was not there."""
        async with self._db.write() as connection:
            await connection.execute(update(t.intents).where(t.intents.c.id == intent.id).values(looked_at=now))

    async def taken_for_absent(self, intent: Intent) -> bool:
        """Whether the same step for the same participant and session was lost before, and repeated."""
        c = t.intents.c
        same = (c.route == intent.route, c.key == intent.key, c.action == intent.action, c.outcome == "absent")
        whom = (c.participant == intent.participant, c.session == intent.session)
        return bool(await self._db.all(select(c.id).where(*same, *whom).limit(1)))

    async def settle(
        self, intent: Intent, outcome: str, now: datetime, link: Link | None = None, *, pushed: Pushed | None = None
    ) -> None:
        """Close an intent and record what it did to its link or its document, in one transaction."""
        async with self._db.write() as connection:
            if pushed is not None:
                await save_pushed(connection, pushed)
            if link is not None:
                await rows.save_link(connection, link, now, self._vault)
            await connection.execute(
                update(t.intents).where(t.intents.c.id == intent.id).values(settled_at=now, outcome=outcome)
            )

    # -- sources, vendors, runs ----------------------------------------------------------------------------

    async def source(self, name: str) -> SourceState:
        """What is remembered of the source; empty when it was never read."""
        found = await self._db.all(select(t.sources).where(t.sources.c.name == name))
        if not found:
            return SourceState()
        row = found[0]
        rejected = frozenset((uid, reason) for uid, reason in row.rejected)
        return SourceState(row.cursor, row.read_at, row.complete_at, row.problem, rejected)

    async def save_source(self, name: str, state: SourceState) -> None:
        """Remember the source."""
        values = {
            "cursor": state.cursor,
            "read_at": state.read_at,
            "complete_at": state.complete_at,
            "problem": state.problem,
            "rejected": sorted(([uid, why] for uid, why in state.rejected), key=str),
        }
        async with self._db.write() as connection:
            await put(connection, t.sources, {"name": name}, values)

    async def vendor(self, name: str) -> VendorState:
        """What is remembered of the vendor."""
        found = await self._db.all(select(t.vendors).where(t.vendors.c.name == name))
        if not found:
            return VendorState()
        return VendorState(found[0].cooldown_until, found[0].problem, found[0].troubled_at)

    async def save_vendor(self, name: str, state: VendorState) -> None:
        """Remember the vendor."""
        values = {
            "cooldown_until": state.cooldown_until,
            "problem": state.problem,
            "troubled_at": state.troubled_at,
        }
        async with self._db.write() as connection:
            await put(connection, t.vendors, {"name": name}, values)

    async def start_run(self, route: str, now: datetime) -> int:
        """A new run's number."""
        async with self._db.write() as connection:
            values = {"route": route, "started_at": now, "counts": {}}
            return int((await connection.execute(insert(t.runs).values(values).returning(t.runs.c.id))).scalar_one())

    async def finish_run(
        self, number: int, now: datetime, exit_code: int, counts: Mapping[str, int], reason: str
    ) -> None:
        """Record how a run ended. Now and then forget the old ones, but the last good one of each route."""
        async with self._db.write() as connection:
            values = {"finished_at": now, "exit": exit_code, "counts": dict(counts), "reason": reason or None}
            await connection.execute(update(t.runs).where(t.runs.c.id == number).values(values))
            if number % PRUNED_EVERY == 0:
                good = select(func.max(t.runs.c.id)).where(t.runs.c.exit == 0).group_by(t.runs.c.route)
                old = (t.runs.c.started_at < now - RUNS_KEPT, t.runs.c.id.not_in(good))
                await connection.execute(delete(t.runs).where(*old))

    async def amend_run(self, number: int, exit_code: int) -> None:
        """What came after a run gives it another exit code."""
        async with self._db.write() as connection:
            await connection.execute(update(t.runs).where(t.runs.c.id == number).values(exit=exit_code))

    async def last_run(self, route: str, *, successful: bool = False) -> Run | None:
        """The newest run of the route, or the newest with exit code 0."""
        query = select(t.runs).where(t.runs.c.route == route).order_by(t.runs.c.id.desc()).limit(1)
        found = await self._db.all(query.where(t.runs.c.exit == 0) if successful else query)
        if not found:
            return None
        r = found[0]
        return Run(r.id, r.route, r.started_at, r.finished_at, r.exit, r.counts, r.reason)
