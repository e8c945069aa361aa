"""A drift check of one route: looks at what the vendor holds, and does about it what the route says.

Nothing is changed at the vendor here but the removal of sessions of ours that are one too many, each written ahead.
Everything else is a change of the ledger, from which the pass that follows plans as from any other.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from sync.change import Action
from sync.degrade import held_fields, instant_text
from sync.drift import (
    DriftReport,
    Policy,
    Sight,
    Stray,
    comparable,
    due,
    held_back,
    judged,
    meant_for,
    sight_of,
    still_pending,
    strays,
    watched,
    without,
)
from sync.effects import vanished
from sync.errors import ConfigurationError, CredentialsRefused, LedgerError, OutsideError, UnknownOutcome, Unreachable
from sync.gate import Halted, VendorGate
from sync.ledger.drift import Drift, DriftCheck, Outcome
from sync.ledger.records import Link, LinkState
from sync.ledger.store import Ledger
from sync.model import Capabilities, Meeting, MeetingKey, Session, Window, content_digest
from sync.plan import Situation
from sync.ports import Clock, Listing, Log
from sync.route import Route
from sync.search import DOUBLE

Wanted = Callable[[], Awaitable[Situation]]
"""Reads what the calendar wants now."""


async def due_at(
    ledger: Ledger, route: str, capabilities: Capabilities, every: timedelta, now: datetime
) -> datetime | None:
    """When a route's next check is due; None where the vendor shows nothing that could be compared."""
    if not comparable(capabilities):
        return None
    return due(await ledger.drift.last(route), await ledger.drift.first_pass(route), every, now)


@dataclass(slots=True)
class DriftCheckup:
    """One check of one route. `force` believes what looks like an accident."""

    route: Route
    ledger: Ledger
    gate: VendorGate
    clock: Clock
    log: Log
    capabilities: Capabilities
    concurrency: int
    force: bool
    _problem: OutsideError | None = None
    _adopted: set[MeetingKey] = field(default_factory=set)

    async def run(self, wanted: Wanted) -> DriftReport:
        """Look, conclude, do, remember. Raises nothing for what the outside does, and a defect stops no pass."""
        can = self.capabilities
        if not comparable(can):
            note = f"{can.name} shows nothing of what it holds: nothing can be compared"
            return DriftReport(self.route.name, self.route.vendor, note=note)
        await self.gate.begin((await self.ledger.vendor(self.gate.name)).cooldown_until)
        last = await self.ledger.drift.last(self.route.name)
        try:
            return await self._check(last, wanted)
        except OutsideError as error:
            return await self._failed(last, error)
        except (SQLAlchemyError, ConfigurationError, LedgerError):
            raise
        except Exception as error:  # noqa: BLE001 - the fence before the pass that follows; logged and reported
            return await self._failed(last, OutsideError(f"a defect of convener: {type(error).__name__}: {error}"))

    async def _check(self, last: DriftCheck | None, wanted: Wanted) -> DriftReport:
        route = self.route
        busy = {intent.key for intent in await self.ledger.undecided(route.name)}
        links = {link.key: link for link in await self.ledger.links(route.name)}
        now = self.clock.now()
        looked_at = [link for link in links.values() if watched(link, route.vendor, now, busy)]
        sight = await self._look(looked_at, route.window(now))
        told = {one.identity: one.outcome for one in last.found} if last else {}
        policy = Policy.of(route, self.capabilities)
        judgements = [(link, *judged(link, sight, policy, told)) for link in looked_at]
        found = [one for _, _, drifts in judgements for one in drifts if one.kind != "missing"]
        saved = [after for before, after, _ in judgements if after != before]
        gone_for_sure = {after.key for _, after, drifts in judgements if any(map(_is_gone, drifts))}
        beside = await self._strays(sight, links, gone_for_sure, wanted)
        missing = [
            (after, one)
            for _, after, drifts in judgements
            for one in drifts
            if one.kind == "missing" and after.key not in self._adopted
        ]
        reason = held_back(sum(_is_gone(one) for _, one in missing), len(looked_at), route, force=self.force)
        gone = [self._gone(link, one, held=bool(reason)) for link, one in missing]
        changed = {link.key: link for link in (*saved, *(link for link, _ in gone)) if link.key not in self._adopted}
        found += [one for _, one in gone] + beside
        pending = still_pending(last, (links | changed).values(), found)
        problem = str(self._problem or "")
        complete = not problem and all(one.outcome != "suspected" for one in found)
        compared_at = now if not problem else last.compared_at if last else None
        check = DriftCheck(route.name, now, complete, (*found, *pending), problem, compared_at)
        if self.gate.stopped:
            return self._report(len(looked_at), (), reason)  # cut short by our own end: nothing was learned
        await self.ledger.drift.save(check, changed.values())
        self._say(check, last, found, reason, len(looked_at))
        return self._report(len(looked_at), found, reason)

    # Looking

    async def _look(self, links: list[Link], window: Window) -> Sight:
        """The vendor's list, and each session of the links that is not on it."""
        can, connector = self.capabilities, self.gate.connector
        listing: Listing | None = None
        if can.list:
            listing = await self.gate.call(lambda: connector.list(window))
        listed = {session.ref for session in listing.sessions} if listing else set()
        unlisted = [link for link in links if link.session not in listed]
        asked: dict[str, Session | None] = {}
        if can.reads_back:
            asked = await self._ask([str(link.session) for link in unlisted])
        elif listing is not None and listing.complete:
            asked = {str(link.session): None for link in unlisted if link.in_window(window)}
        return sight_of(listing, asked, window, asks=can.reads_back)

    async def _ask(self, refs: Iterable[str]) -> dict[str, Session | None]:
        """Each session as the vendor shows it; those about which it could not be asked are left out."""
        slots = asyncio.Semaphore(self.concurrency)
        answers: dict[str, Session | None] = {}

        async def one(ref: str) -> None:
            async with slots:
                try:
                    answers[ref] = await self.gate.call(lambda: self.gate.connector.get(ref))
                except OutsideError as error:
                    self._problem = self._problem or error

        async with asyncio.TaskGroup() as tasks:
            for ref in refs:
                tasks.create_task(one(ref))
        return answers

    # Doing

    def _gone(self, link: Link, drift: Drift, *, held: bool) -> tuple[Link, Drift]:
        """What becomes of a link whose session is absent."""
        if drift.outcome == "suspected":
            return link, drift
        if held:
            return link, replace(drift, outcome="held")
        outcome: Outcome = "repaired" if self.route.drift == "repair" else "reported"
        return without(link, self.route), replace(drift, outcome=outcome)

    async def _strays(
        self, sight: Sight, links: Mapping[MeetingKey, Link], gone: Collection[MeetingKey], wanted: Wanted
    ) -> list[Drift]:
        """Sessions of ours beside those of the ledger: adopted where their meeting has none, removed where that was
        decided already, told of otherwise."""
        if not any(session.marker for session in sight.listed.values()):
            return []
        vendor, route = self.route.vendor, self.route.name
        known, waiting = await self.ledger.drift.held(vendor), await self.ledger.drift.open_markers(vendor)
        installation = await self.ledger.installation()
        found = list(strays(sight, known, waiting, installation, route, self.clock.now()))
        by_text = {str(key): link for key, link in links.items()}
        situation: Situation | None = None
        drifts = []
        for stray in found:
            link = by_text.get(stray.owner.key) if stray.owner else None
            if stray.kind != "orphan" and link is not None:
                drifts.append(await self._one_too_many(stray, link))
                continue
            if link is not None and link.has_session and link.key not in gone:
                continue  # whether its own session is gone is not certain yet
            if link is None or link.state is LinkState.CANCELLED:
                situation = situation or await wanted()
                if link is not None and _unwanted(situation, link):
                    drifts.append(await self._one_too_many(replace(stray, kind="leftover"), link))
                    continue
                link = self._homeless(stray.session, situation.wishes, links)
            drifts.append(await self._orphan(stray, link))
        return drifts

    async def _one_too_many(self, stray: Stray, link: Link) -> Drift:
        """Remove a second session of a meeting, or one that was removed before. A short form of a marker does not prove
        that it is ours."""
        session, reason = stray.session, _WHY_REMOVED[stray.kind]
        drift = Drift(stray.kind, str(link.key), session.ref, link.title)
        if self.route.drift == "report" or session.marker != link.marker or not self.capabilities.delete:
            return drift
        now = self.clock.now()
        intent = await self.ledger.open_intent(link, DOUBLE, now, payload={"double": session.ref}, recorded=True)
        try:
            await self.gate.call(lambda: self.gate.connector.delete(session.ref))
        except UnknownOutcome:
            return replace(drift, outcome="repaired")  # the pass settles it
        except OutsideError as error:
            await self.ledger.settle(intent, "no effect", self.clock.now())
            self._problem = self._problem or error
            return drift
        await self.ledger.settle(intent, "removed", self.clock.now())
        self._tell("session.deleted", key=str(link.key), session=session.ref, reason=reason)
        return replace(drift, outcome="repaired")

    def _homeless(
        self, session: Session, wishes: Mapping[MeetingKey, Meeting], links: Mapping[MeetingKey, Link]
    ) -> Link | None:
        """A link for the meeting that the session was made for, when the calendar wants it and it has no session: the
        ledger was put back to an earlier state. None when there is no such meeting."""
        marker = str(session.marker)
        for key, wish in wishes.items():
            if not meant_for(marker, content_digest(self.route.name, key)):
                continue
            known = links.get(key)
            if wish.cancelled or wish.end <= self.clock.now() or (known is not None and known.has_session):
                return None
            held = held_fields(wish, self.capabilities)
            route, vendor = self.route.name, self.route.vendor
            return Link(
                route, key, vendor, marker, LinkState.PENDING, None, wish.title, wish.start, wish.end, None, held
            )
        return None

    async def _orphan(self, stray: Stray, link: Link | None) -> Drift:
        """Have it taken over by its meeting: as a creation whose outcome is not known, for which the pass that follows
        looks. Nothing changes at the vendor, so the route's policy does not matter."""
        session = stray.session
        if link is None or link.key in self._adopted:
            return Drift("orphan", "", session.ref, session.title or "")
        self._adopted.add(link.key)
        lost = replace(vanished(link, repair=True), problem=None, missing=0)
        await self.ledger.open_intent(lost, Action.CREATE, self.clock.now(), payload=_as_if_made(link))
        return Drift("orphan", str(link.key), session.ref, link.title, "adopted")

    # Telling

    async def _failed(self, last: DriftCheck | None, error: OutsideError) -> DriftReport:
        """Nothing is concluded from a look that failed; the findings of the last one stay."""
        self._problem = error
        if not self.gate.stopped:
            found, compared_at = (last.found, last.compared_at) if last else ((), None)
            check = DriftCheck(self.route.name, self.clock.now(), False, found, str(error), compared_at)
            await self.ledger.drift.save(check)
            if not (last and last.problem) and not isinstance(error, Halted):
                self._tell("drift.failed", reason=str(error))
        return self._report(0, (), "")

    def _report(self, compared: int, found: Iterable[Drift], reason: str) -> DriftReport:
        out = self._problem is not None and (
            isinstance(self._problem, Unreachable | CredentialsRefused)
            or self.gate.trouble in ("unreachable", "refused")
        )
        problem = str(self._problem or "")
        return DriftReport(self.route.name, self.route.vendor, compared, tuple(found), problem, out, reason)

    def _say(self, check: DriftCheck, last: DriftCheck | None, found: list[Drift], reason: str, compared: int) -> None:
        """What is new since the last check; the same is not said again."""
        before = {(one.identity, one.outcome) for one in last.found} if last else set()
        for one in found:
            if (one.identity, one.outcome) in before:
                continue
            changed = [diff.name for diff in one.fields]
            about = {"key": one.key, "session": one.session}
            self._tell("drift.found", **about, kind=one.kind, outcome=one.outcome, changed=changed)
            if one.kind == "missing" and one.outcome in ("repaired", "reported"):
                self._tell("session.vanished", **about)
        held = sum(one.outcome == "held" for one in found)
        if reason and not any(outcome == "held" for _, outcome in before):
            self.log("guard.held", route=self.route.name, held=held, reason=reason)
        if check.problem and not (last and last.problem):
            self._tell("drift.failed", reason=check.problem)
        elif not check.problem:
            self._tell("drift.checked", sessions=compared, found=len(found))

    def _tell(self, event: str, **fields: Any) -> None:
        self.log(event, route=self.route.name, vendor=self.route.vendor, **fields)


def _is_gone(drift: Drift) -> bool:
    """Whether the session is believed to be gone, before it is decided what is done about it."""
    return drift.kind == "missing" and drift.outcome == "reported"


def _unwanted(situation: Situation, link: Link) -> bool:
    """Whether the calendar says that the removed meeting does not take place: explicitly, or by a proof."""
    wish = situation.wishes.get(link.key)
    if wish is not None:
        return wish.cancelled
    return situation.snapshot.proves_absent(link.key, link.in_window(situation.window))


_WHY_REMOVED = {"double": "a late double of ours", "leftover": "its meeting was removed before, and it is still there"}


def _as_if_made(link: Link) -> dict[str, Any]:
    """What would have been written ahead of the creation of the link's session."""
    return {
        "mail": False,
        "title": link.title,
        "start": instant_text(link.start),
        "end": instant_text(link.end),
        "fields": dict(link.applied),
        "people": [[person.email, person.name, person.role.value] for person in link.invitees],
    }
