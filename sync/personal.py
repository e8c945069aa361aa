"""Personal links that a vendor makes on request: made when they are due, made anew before they expire.

They are no steps of a plan: the calendar does not ask for them, the clock does.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sync.degrade import held_fields, instant_text
from sync.errors import OutsideError, Refused, UnknownOutcome
from sync.gate import VendorGate
from sync.ledger.records import GONE, MINT, Link, LinkState, Registered
from sync.ledger.store import Ledger
from sync.model import Capabilities, Meeting, MeetingKey, Participant, content_digest
from sync.ports import Clock, Log

RENEW = timedelta(hours=12)
"""A link that ends before its meeting does is made anew so long before it expires, or at half of its life."""


def due_links(
    links: Iterable[Link], wishes: Mapping[MeetingKey, Meeting], capabilities: Capabilities, now: datetime
) -> list[tuple[Link, list[Registered]]]:
    """The meetings with the participants for whom a personal link has to be made now. Pure."""
    if not capabilities.mints_links:
        return []
    due = []
    life = capabilities.limits.link_life
    for link in links:
        wish = wishes.get(link.key)
        if wish is None or wish.cancelled or not link.has_session or link.state is not LinkState.LIVE:
            continue
        # In a standing room it is the next meeting that counts, for its beginning and for its end.
        if wish.end <= now or (life is not None and wish.start - now >= life):
            continue
        people = [p for p in link.invitees if p.stale != GONE and _needs_one(p, wish, capabilities, now)]
        if people:
            due.append((link, people))
    return due


def _needs_one(person: Registered, wish: Meeting, capabilities: Capabilities, now: datetime) -> bool:
    if person.link_for != _purpose(person, wish, capabilities):
        return True
    if person.personal_link is None:
        return True
    if person.link_expires is None or person.link_expires >= wish.end:
        return False
    life = capabilities.limits.link_life or 2 * RENEW
    return person.link_expires - now <= min(RENEW, life / 2)


def _purpose(person: Registered, wish: Meeting, capabilities: Capabilities) -> str:
    """Digest of what a link depends on: when it changes, the link is for something else."""
    times = {"start": instant_text(wish.start), "end": instant_text(wish.end)}
    shown = {**times, **held_fields(wish, capabilities)}
    return content_digest(person.role, *(shown.get(name) for name in sorted(capabilities.personal_relinks_on)))


@dataclass(frozen=True, slots=True)
class Minter:
    """Makes the links that are due for one route."""

    ledger: Ledger
    gate: VendorGate
    clock: Clock
    log: Log
    capabilities: Capabilities
    concurrency: int

    async def make(self, links: Iterable[Link], wishes: Mapping[MeetingKey, Meeting]) -> int:
        """Make them; how many meetings still lack one because the vendor said no or nobody knows what it did."""
        slots = asyncio.Semaphore(self.concurrency)

        async def one(link: Link, people: list[Registered]) -> bool:
            async with slots:
                return await self._meeting(link, people, wishes[link.key])

        due = due_links(links, wishes, self.capabilities, self.clock.now())
        return sum(await asyncio.gather(*(one(link, people) for link, people in due)))

    async def _meeting(self, link: Link, people: list[Registered], wish: Meeting) -> bool:
        lacking = False
        for person in people:
            link, made = await self._person(link, person, wish)
            lacking = lacking or not made
        return lacking

    async def _person(self, link: Link, person: Registered, wish: Meeting) -> tuple[Link, bool]:
        if self.gate.halted:
            return link, False
        participant = Participant(person.email, person.name, person.role)
        intent = await self.ledger.open_intent(
            link, MINT, self.clock.now(), participant=person.email, payload={}, recorded=True
        )
        common = {"route": link.route, "vendor": link.vendor, "key": str(link.key), "session": link.session}
        purpose = _purpose(person, wish, self.capabilities)
        try:
            made = await self.gate.call(lambda: self.gate.connector.personal_link(str(link.session), wish, participant))
        except Refused as error:
            # Asked again when what the link is for changes, or when a person says `retry`.
            link = _with(link, replace(person, personal_link="", link_for=purpose, link_expires=None))
            await self.ledger.settle(intent, "refused", self.clock.now(), link)
            self.log("link.refused", **common, reason=str(error))
            return link, False
        except OutsideError as error:
            outcome = "unknown" if isinstance(error, UnknownOutcome) else "no effect"
            await self.ledger.settle(intent, outcome, self.clock.now())
            return link, False
        again = bool(person.personal_link)
        link = _with(link, replace(person, personal_link=made.url, link_for=purpose, link_expires=made.expires))
        await self.ledger.settle(intent, "done", self.clock.now(), link)
        self.log("link.minted", **common, again=again)
        return link, True


def _with(link: Link, person: Registered) -> Link:
    people = tuple(person if p.email == person.email else p for p in link.invitees)
    return replace(link, invitees=people)
