"""Documents of meetings go to their sessions: each content once, and again when it has changed.

They are no steps of a plan: what is behind an address is known only when it has been fetched.
"""

import asyncio
import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy.exc import SQLAlchemyError

from sync.errors import ConfigurationError, LedgerError, OutsideError, UnknownOutcome
from sync.gate import Halted, VendorGate
from sync.keep_up import log_defect
from sync.ledger.records import ATTACH, Intent, Link, Pushed, PushedState
from sync.ledger.store import Ledger
from sync.model import Capabilities, Document, Meeting, MeetingKey
from sync.ports import Clock, Fetched, Log, Source

LOOK_AGAIN = timedelta(hours=1)
"""How often the service looks whether the document behind an address has changed."""

MOST_VERSIONS = 10
"""How many versions of a document a session gets: one that is made anew at each look would fill it without end."""

FIRST_WAIT = timedelta(minutes=15)
LONGEST_WAIT = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class HandOver:
    """Hands the documents of one route's meetings over; `concurrency` meetings at a time."""

    route: str
    source: Source
    gate: VendorGate
    ledger: Ledger
    clock: Clock
    log: Log
    capabilities: Capabilities
    concurrency: int

    async def run(self, wishes: Mapping[MeetingKey, Meeting], links: Collection[Link], *, respect_backoff: bool) -> int:
        """Hand over what is due; how many documents did not get to their session.

        `respect_backoff`: what was looked at lately waits, as in the service; a one-shot pass looks at everything.
        """
        if not self.capabilities.documents_push:
            return 0
        now = self.clock.now()
        known: dict[tuple[str, str], dict[str, Pushed]] = {}
        for row in await self.ledger.artifacts.pushed(self.route):
            known.setdefault((row.key, row.session), {})[row.identity] = row
        live = {(str(link.key), str(link.session)) for link in links if link.has_session}
        stale = [row for place, rows in known.items() if place not in live for row in rows.values()]
        await self.ledger.artifacts.drop_pushed(stale)  # that session is gone, and what it was given with it
        slots = asyncio.Semaphore(self.concurrency)

        async def one(link: Link, documents: tuple[Document, ...]) -> int:
            async with slots:
                rows = known.get((str(link.key), str(link.session)), {})
                return await self._fenced(link, documents, rows, respect_backoff=respect_backoff)

        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(one(link, wish.documents))
                for link in links
                if link.has_session and (wish := wishes.get(link.key)) and wish.documents
                if wish.end > now and not wish.cancelled
            ]
        return sum(task.result() for task in running)

    async def _fenced(
        self, link: Link, documents: tuple[Document, ...], rows: dict[str, Pushed], *, respect_backoff: bool
    ) -> int:
        """A defect of ours in one meeting's documents stops no other meeting."""
        try:
            return await self._documents(link, documents, rows, respect_backoff=respect_backoff)
        except (SQLAlchemyError, ConfigurationError, LedgerError):
            raise
        except Halted:
            return 1
        except Exception as error:  # noqa: BLE001 - the fence between meetings, as in `apply`
            log_defect(self.log, link, ATTACH, error)
            return 1

    async def _documents(
        self, link: Link, documents: tuple[Document, ...], rows: dict[str, Pushed], *, respect_backoff: bool
    ) -> int:
        lacking = 0
        for document in documents:
            if self.gate.halted:
                return lacking + 1
            row = rows.get(document.identity)
            if self._is_due(document, row, respect_backoff=respect_backoff):
                there = {sha256 for known in rows.values() for sha256 in known.handed}
                row = await self._outlived(link, document, row, there)
                rows[document.identity] = row
                lacking += bool(row.problem)
            elif row is not None and row.state is PushedState.IN_DOUBT:
                lacking += 1
        return lacking

    async def _fetched(self, document: Document, row: Pushed) -> Fetched | None:
        if not document.url:
            return Fetched(document)
        return await self.source.document(document, row.validator if _is_there(row) else "")

    def _is_due(self, document: Document, row: Pushed | None, *, respect_backoff: bool) -> bool:
        if row is None:
            return True
        if row.state is PushedState.IN_DOUBT:
            return False  # until a person says `retry`
        if row.state is PushedState.PUSHED and not document.url:
            return False  # it is known by its content
        if not respect_backoff:
            return True
        wait = LOOK_AGAIN if not row.attempts else min(FIRST_WAIT * 2 ** min(row.attempts - 1, 10), LONGEST_WAIT)
        return row.looked_at + wait <= self.clock.now()

    async def _outlived(self, link: Link, document: Document, row: Pushed | None, there: set[str]) -> Pushed:
        """A defect of ours in one document stops no other."""
        try:
            return await self._document(link, document, row, there)
        except (Halted, SQLAlchemyError, ConfigurationError, LedgerError):
            raise
        except Exception as error:  # noqa: BLE001 - the fence between documents, as in `apply`
            log_defect(self.log, link, ATTACH, error)
            row = row or _new(link, document.identity, document.name, self.clock.now())
            return await self._not_handed(row, f"a defect of convener: {type(error).__name__}")

    async def _document(self, link: Link, document: Document, row: Pushed | None, there: set[str]) -> Pushed:
        """The document's row after one try; `there` are the contents that the session has."""
        row = row or _new(link, document.identity, document.name, self.clock.now())
        row = replace(row, looked_at=self.clock.now())
        try:
            fetched = await self._fetched(document, row)
        except OutsideError as error:
            return await self._not_handed(row, str(error))
        if fetched is None:
            return await self._keep(replace(row, attempts=0, problem=""))
        content = fetched.document.content
        sha256 = hashlib.sha256(content).hexdigest()
        new = replace(
            row,
            name=fetched.document.name,
            media_type=fetched.document.media_type,
            size=len(content),
            sha256=sha256,
            validator=fetched.validator,
            state=PushedState.PUSHED,
            attempts=0,
            problem="",
        )
        if sha256 in there:
            return await self._keep(new)
        if len(row.handed) >= MOST_VERSIONS:
            return await self._not_handed(row, f"it has changed {MOST_VERSIONS} times: it is not handed over any more")
        return await self._attach(link, fetched.document, row, new)

    async def _attach(self, link: Link, document: Document, before: Pushed, after: Pushed) -> Pushed:
        """The one vendor write. The ledger says `before` of the document until it is certain that it is `after`."""
        payload = {"identity": after.identity, "name": after.name}
        intent = await self.ledger.open_intent(link, ATTACH, self.clock.now(), payload=payload, recorded=True)
        try:
            ref = await self.gate.call(lambda: self.gate.connector.attach(str(link.session), document))
        except UnknownOutcome as error:
            row = await settle_attach(self.ledger, self.log, intent, self.capabilities, self.clock.now(), str(error))
            return row or await self._not_handed(before, str(error))
        except OutsideError as error:
            await self.ledger.settle(intent, "no effect", self.clock.now())
            if isinstance(error, Halted):
                raise
            return await self._not_handed(before, str(error))
        now = self.clock.now()
        done = replace(after, ref=ref, pushed_at=now, handed=(*before.handed, after.sha256))
        await self.ledger.settle(intent, "done", now, pushed=done)
        self._say("document.pushed", done, again=_is_there(before), bytes=done.size)
        return done

    async def _not_handed(self, row: Pushed, why: str) -> Pushed:
        """What the session had before, it still has."""
        state = row.state if _is_there(row) else PushedState.REFUSED
        worse = replace(row, state=state, attempts=row.attempts + 1, problem=why)
        if not row.attempts:
            self._say("document.failed", worse, reason=why)
        return await self._keep(worse)

    async def _keep(self, row: Pushed) -> Pushed:
        await self.ledger.artifacts.save_pushed(row)
        return row

    def _say(self, event: str, row: Pushed, **fields: object) -> None:
        self.log(event, route=row.route, vendor=row.vendor, key=row.key, session=row.session, **fields)


def _is_there(row: Pushed) -> bool:
    return row.state is PushedState.PUSHED


async def settle_attach(
    ledger: Ledger, log: Log, intent: Intent, capabilities: Capabilities, now: datetime, why: str
) -> Pushed | None:
    """Close an intent whose outcome is unknown. Where a document may be handed over again it simply will be (None);
    else nobody can tell whether the session has it, and a person decides: the document's row says so."""
    row = None
    if not capabilities.attach_again:
        identity, place = intent.payload["identity"], (intent.key, intent.session)
        rows = await ledger.artifacts.pushed(intent.route)
        known = next((r for r in rows if (r.key, r.session) == place and r.identity == identity), None)
        fresh = _new(intent, identity, intent.payload["name"], now)
        row = replace(known or fresh, state=PushedState.IN_DOUBT, problem=why)
        await ledger.artifacts.save_pushed(row)
        log("document.in_doubt", route=row.route, vendor=row.vendor, key=row.key, session=row.session, reason=why)
    await ledger.settle(intent, "unknown", now)
    return row


def _new(place: Link | Intent, identity: str, name: str, now: datetime) -> Pushed:
    """The row of a document that its session has not got yet."""
    return Pushed(
        place.route, str(place.key), place.vendor, str(place.session), identity, name, PushedState.REFUSED, now
    )
