"""What keeps the ledger's links true beside the planned steps: missing join and personal links, links nobody needs."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

from sync.degrade import instant_text
from sync.echo import echoes
from sync.effects import refreshed, settled
from sync.errors import ConfigurationError, LedgerError, OutsideError
from sync.gate import VendorGate
from sync.ledger.records import DOUBT, GONE, Link, LinkState, Registered
from sync.ledger.store import Ledger
from sync.model import Invitee, MeetingKey
from sync.plan import Situation
from sync.ports import Clock, Log, Unfindable
from sync.route import Route

T = TypeVar("T")


ASKED = "asked"
"""What `Registered.link_for` says where the vendor gives personal links with its list of participants: it was asked
for this participant's, and showed none."""


async def finish_sessions(
    route: Route, ledger: Ledger, gate: VendorGate, clock: Clock, log: Log, concurrency: int
) -> None:
    """Ask the vendor for the join link of sessions that were just made (a creation answers with an id only), and for
    the personal links that it shows with its list of participants.

    The first look tells also whether the vendor shows the start that was sent: if not, the account's zone is wrong.
    """
    looks = _Looks(gate, log, concurrency)
    now = clock.now()

    async def join_link(link: Link) -> Link:
        session = await looks.answer(link, "get", lambda: gate.connector.get(str(link.session)))
        if session is None:
            return link  # the next change to it, or a drift check, finds that it vanished
        shown = instant_text(session.start) if session.start else None
        if shown is not None and link.applied.get("start") not in (None, shown):
            log("session.time_differs", route=route.name, vendor=route.vendor, key=str(link.key), session=link.session)
        # "" means: asked, and the vendor has none. It is not asked again.
        return replace(link, join_url=session.join_url or "", echo=echoes(link.applied, session))

    async def personal_links(link: Link) -> Link:
        listed = await looks.answer(link, "invitees", lambda: gate.connector.invitees(str(link.session)))
        return link if listed is None else with_listed_links(link, () if isinstance(listed, Unfindable) else listed)

    running = [link for link in await ledger.links(route.name) if link.has_session and link.end > now]
    joined = await looks.changed([link for link in running if link.join_url is None], join_link)
    await ledger.save_links(joined, now)
    can = gate.connector.capabilities
    if can.personal_links and can.list_invitees and not can.mints_links:
        newest = {link.key: link for link in (*running, *joined)}
        lacking = [link for link in newest.values() if any(map(_lacks_its_link, link.invitees))]
        await ledger.save_links(await looks.changed(lacking, personal_links), now)


@dataclass(frozen=True, slots=True)
class _Looks:
    """Looks at some sessions at a time; one that fails is left as it is, to be looked at in the next pass."""

    gate: VendorGate
    log: Log
    concurrency: int

    async def changed(self, links: list[Link], look: Callable[[Link], Awaitable[Link]]) -> list[Link]:
        """The links that are different after their look."""
        slots = asyncio.Semaphore(self.concurrency)

        async def one(link: Link) -> Link:
            async with slots:
                return await look(link)

        async with asyncio.TaskGroup() as tasks:
            looks = [tasks.create_task(one(link)) for link in links]
        return [after for link, task in zip(links, looks, strict=True) if (after := task.result()) != link]

    async def answer(self, link: Link, action: str, ask: Callable[[], Awaitable[T]]) -> T | None:
        """What the vendor says; None when it could not be asked, which the gate has noted."""
        try:
            return await self.gate.call(ask)
        except OutsideError:
            return None
        except (ConfigurationError, LedgerError):
            raise
        except Exception as error:  # noqa: BLE001 - the fence between meetings, as in `apply`
            log_defect(self.log, link, action, error)
            return None


def with_listed_links(link: Link, listed: Iterable[Invitee]) -> Link:
    """The link with the personal links that the vendor's list shows; those that it lacks are marked as asked for."""
    given: dict[str, str] = {}
    for invitee in listed:
        if invitee.personal_link:
            given.setdefault(invitee.email.lower(), invitee.personal_link)
    people = tuple(
        replace(p, personal_link=given.get(p.email), link_for="" if p.email in given else ASKED)
        if _lacks_its_link(p)
        else p
        for p in link.invitees
    )
    return replace(link, invitees=people)


def _lacks_its_link(person: Registered) -> bool:
    return person.stale not in (GONE, DOUBT) and person.personal_link is None and person.link_for != ASKED


def log_defect(log: Log, link: Link, action: str, error: Exception) -> None:
    """A defect of ours in one meeting's work: logged, and no reason to stop the others."""
    reason = f"{type(error).__name__}: {error}"
    log("meeting.defect", route=link.route, vendor=link.vendor, key=str(link.key), action=action, reason=reason)


async def tidy(situation: Situation, changing: frozenset[MeetingKey], ledger: Ledger) -> None:
    """Bring links up to date that need no step: what the vendor never sees of a meeting may have changed, what failed
    before may be in step now, and what was never made may be wanted no longer.

    `changing` are the meetings for which the plan had a step that was not carried out.
    """
    tidied = []
    for link in await ledger.links(situation.route.name):
        if str(link.key) in situation.unsettled or link.key in changing:
            continue
        new, wish = link, situation.wishes.get(link.key)
        if link.has_session and wish is not None and not wish.cancelled:
            new = refreshed(link, wish, situation.capabilities)
            if link.problem_digest is not None:
                new = replace(settled(new), state=LinkState.LIVE)
        elif link.state in (LinkState.PENDING, LinkState.QUARANTINED) and _unwanted(situation, link):
            new = replace(settled(link), state=LinkState.CANCELLED)
        if new != link:
            tidied.append(new)
    await ledger.save_links(tidied, situation.now)


def _unwanted(situation: Situation, link: Link) -> bool:
    wish = situation.wishes.get(link.key)
    if wish is not None:
        return wish.cancelled or wish.end <= situation.now
    if link.end <= situation.now:
        return True
    return situation.snapshot.proves_absent(link.key, link.in_window(situation.window))
