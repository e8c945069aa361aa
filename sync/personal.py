"""Personal links that a vendor makes on request: made when they are due, made anew before they expire.

They are no steps of a plan: the calendar does not ask for them, the clock does.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy.exc import SQLAlchemyError

from sync.degrade import instant_text
from sync.effects import vanished
from sync.errors import ConfigurationError, Gone, LedgerError, OutsideError, Refused, UnknownOutcome
from sync.gate import VendorGate
from sync.keep_up import log_defect
from sync.ledger.records import DOUBT, GONE, MINT, Link, Registered
from sync.ledger.store import Ledger
from sync.model import Capabilities, Meeting, Participant, content_digest
from sync.ports import Clock, Log

RENEW = timedelta(hours=12)
"""A link that ends before its meeting does is made anew so long before it expires, or at half of its life."""

LAST = "!"
"""At the end of `link_for`: a later one was asked for and not given."""


def due_links(links: Iterable[Link], capabilities: Capabilities, now: datetime) -> list[tuple[Link, list[Registered]]]:
    """The meetings with the participants for whom a personal link has to be made now. Pure.

    It is the ledger that says when a meeting begins, so that links are made in time while the calendar cannot be read.
    In a standing room it is the next occurrence that counts.
    """
    if not capabilities.mints_links:
        return []
    due = []
    life = capabilities.limits.link_life
    for link in links:
        if not link.has_session or link.end <= now:  # a meeting that is set aside still takes place
            continue
        if life is not None and link.start - now >= life:
            continue
        people = [p for p in link.invitees if p.stale not in (GONE, DOUBT) and _needs_one(p, link, capabilities, now)]
        if people:
            due.append((link, people))
    return due


def _needs_one(person: Registered, link: Link, capabilities: Capabilities, now: datetime) -> bool:
    if person.personal_link is None or person.link_for.removesuffix(LAST) != _purpose(person, link, capabilities):
        return True
    if person.link_expires is None:
        return False
    if person.link_for.endswith(LAST):
        return person.link_expires <= now  # a better one was not to be had; when it is over, it is worth another try
    life = capabilities.limits.link_life or 2 * RENEW
    return person.link_expires < link.end and person.link_expires - now <= min(RENEW, life / 2)


def _purpose(person: Registered, link: Link, capabilities: Capabilities) -> str:
    """Digest of what a link depends on: when it changes, the link is for something else."""
    shown = {**link.applied, "title": link.title, "start": instant_text(link.start), "end": instant_text(link.end)}
    return content_digest(person.role, *(shown.get(name) for name in sorted(capabilities.personal_relinks_on)))


@dataclass(frozen=True, slots=True)
class Minter:
    """Makes the links that are due for one route; `repair` is what becomes of a session that proves to be gone."""

    ledger: Ledger
    gate: VendorGate
    clock: Clock
    log: Log
    capabilities: Capabilities
    concurrency: int
    repair: bool

    async def make(self, links: Iterable[Link]) -> int:
        """Make them; how many meetings still lack one because the vendor said no or nobody knows what it did."""
        known, slots = list(links), asyncio.Semaphore(self.concurrency)

        async def one(link: Link, people: list[Registered]) -> bool:
            async with slots:
                return await self._fenced(link, people)

        due = due_links(known, self.capabilities, self.clock.now())
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(one(link, people)) for link, people in due]
        tried = {link.key for link, _ in due}
        refused = [link for link in known if link.key not in tried and self._was_refused(link)]
        return sum(task.result() for task in running) + len(refused)

    def _was_refused(self, link: Link) -> bool:
        return link.has_session and link.end > self.clock.now() and any(p.personal_link == "" for p in link.invitees)

    async def _fenced(self, link: Link, people: list[Registered]) -> bool:
        """Whether the meeting lacks a link after this; a defect of ours stops no other meeting."""
        try:
            return await self._meeting(link, people)
        except (SQLAlchemyError, ConfigurationError, LedgerError):
            raise
        except Exception as error:  # noqa: BLE001 - the fence between meetings, as in `apply`
            log_defect(self.log, link, MINT, error)
            return True

    async def _meeting(self, link: Link, people: list[Registered]) -> bool:
        lacking = False
        for person in people:
            if self.gate.halted or not link.has_session:
                return True
            link, made = await self._person(link, person)
            lacking = lacking or not made
        return lacking

    async def _person(self, link: Link, person: Registered) -> tuple[Link, bool]:
        meeting = Meeting(link.key, link.title, link.start, link.end)
        participant = Participant(person.email, person.name, person.role)
        intent = await self.ledger.open_intent(
            link, MINT, self.clock.now(), participant=person.email, payload={}, recorded=True
        )
        common = {"route": link.route, "vendor": link.vendor, "key": str(link.key), "session": link.session}
        purpose = _purpose(person, link, self.capabilities)
        try:
            made = await self.gate.call(
                lambda: self.gate.connector.personal_link(str(link.session), meeting, participant)
            )
        except Refused as error:
            if isinstance(error, Gone) and await self._is_gone(link):
                lost = vanished(link, repair=self.repair)
                await self.ledger.settle(intent, "gone", self.clock.now(), lost)
                self.log("session.vanished", **common)
                return lost, False
            # Asked again when what the link is for changes, or when a person says `retry`. One that works is kept.
            works = person.link_for == purpose and person.personal_link
            kept = replace(person, personal_link=person.personal_link if works else "", link_for=purpose + LAST)
            link = _with(link, kept if works else replace(kept, link_expires=None))
            await self.ledger.settle(intent, "refused", self.clock.now(), link)
            self.log("link.refused", **common, reason=str(error))
            return link, False
        except OutsideError as error:
            outcome = "unknown" if isinstance(error, UnknownOutcome) else "no effect"
            await self.ledger.settle(intent, outcome, self.clock.now())
            return link, False
        before, again = person.link_expires, bool(person.personal_link)
        better = before is None or made.expires is None or made.expires > before or person.link_for != purpose
        link = _with(
            link,
            replace(
                person,
                personal_link=made.url,
                link_for=purpose if better else purpose + LAST,
                link_expires=made.expires,
            ),
        )
        await self.ledger.settle(intent, "done", self.clock.now(), link)
        self.log("link.minted", **common, again=again)
        return link, True

    async def _is_gone(self, link: Link) -> bool:
        try:
            return await self.gate.call(lambda: self.gate.connector.get(str(link.session))) is None
        except OutsideError:
            return False


def _with(link: Link, person: Registered) -> Link:
    people = tuple(person if p.email == person.email else p for p in link.invitees)
    return replace(link, invitees=people)
