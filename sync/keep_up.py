"""What keeps the ledger's links true beside the planned steps: missing join links, and links nobody needs."""

import asyncio
from dataclasses import replace

from sync.degrade import instant_text
from sync.echo import echoes
from sync.effects import refreshed, settled
from sync.errors import ConfigurationError, OutsideError
from sync.gate import VendorGate
from sync.ledger.records import Link, LinkState
from sync.ledger.store import Ledger
from sync.model import MeetingKey
from sync.plan import Situation
from sync.ports import Clock, Log
from sync.route import Route


async def finish_sessions(
    route: Route, ledger: Ledger, gate: VendorGate, clock: Clock, log: Log, concurrency: int
) -> None:
    """Ask the vendor for the join link of sessions that were just made (a creation answers with an id only).

    The same look tells whether the vendor shows the start that was sent: if not, the account's zone is wrong.
    """
    now = clock.now()
    slots = asyncio.Semaphore(concurrency)

    async def look(link: Link) -> Link:
        async with slots:
            try:
                session = await gate.call(lambda: gate.connector.get(str(link.session)))
            except OutsideError:
                return link  # the gate has noted the trouble; the next pass asks again
            except ConfigurationError:
                raise
            except Exception as error:  # noqa: BLE001 - the fence between meetings, as in `apply`
                log_defect(log, link, "get", error)
                return link
        if session is None:
            return link  # the next change to it, or a drift check, finds that it vanished
        shown = instant_text(session.start) if session.start else None
        if shown is not None and link.applied.get("start") not in (None, shown):
            log("session.time_differs", route=route.name, vendor=route.vendor, key=str(link.key), session=link.session)
        # "" means: asked, and the vendor has none. It is not asked again.
        return replace(link, join_url=session.join_url or "", echo=echoes(link.applied, session))

    unfinished = [x for x in await ledger.links(route.name) if x.has_session and x.join_url is None and x.end > now]
    async with asyncio.TaskGroup() as tasks:
        looks = [tasks.create_task(look(link)) for link in unfinished]
    await ledger.save_links([link for link in (task.result() for task in looks) if link.join_url is not None], now)


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
