"""Settling: finding out at the vendor what became of a write whose outcome is unknown. Never a blind repeat."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum

from sync.artifacts.hand_over import settle_attach
from sync.change import Action
from sync.echo import as_sent
from sync.effects import doubtful, failed, recorded, vanished
from sync.errors import OutsideError
from sync.gate import VendorGate
from sync.ledger.records import ATTACH, HOST, MINT, WATCH, Intent, Link, LinkState, Registered
from sync.ledger.store import Ledger
from sync.model import Capabilities, Invitee
from sync.ports import Clock, Log, Unfindable
from sync.route import Route
from sync.search import DOUBLE, Search


class Outcome(StrEnum):
    """What is known of a write after looking."""

    FOUND = "found"
    ABSENT = "absent"
    LATER = "later"
    IN_DOUBT = "in_doubt"


@dataclass(frozen=True, slots=True)
class Settled:
    """The outcome, and the link as it is now recorded."""

    outcome: Outcome
    link: Link
    why: str = ""


class Settler:
    """Looks for the effects of one route's open intents and closes those that are decided.

    `settle_after` (seconds) is the vendor's time for late effects: a thing is absent only when two looks, that
    far apart, did not find it. A wait of up to `gate.patience` seconds is waited out, a longer one is left to a
    later pass.
    """

    def __init__(
        self,
        route: Route,
        ledger: Ledger,
        gate: VendorGate,
        clock: Clock,
        log: Log,
        settle_after: timedelta,
        capabilities: Capabilities,
    ) -> None:
        self._capabilities = capabilities
        self._route = route
        self._ledger = ledger
        self._gate = gate
        self._clock = clock
        self._log = log
        self._settle_after = settle_after
        self._search = Search(ledger, gate, clock, log)

    async def settle_all(self, links: Mapping[str, Link]) -> frozenset[str]:
        """Settle what earlier runs left open; the keys (as text) that stay open."""
        unsettled = set()
        for intent in await self._ledger.open_intents(self._route.name):
            link = links.get(intent.key)
            if link is None:  # forgotten by a person meanwhile
                await self._ledger.settle(intent, "forgotten", self._clock.now())
            elif intent.action in (MINT, HOST):  # whether or not there is such a link now, making one again is harmless
                await self._ledger.settle(intent, "unknown", self._clock.now())
            elif intent.action == ATTACH:
                why = "the process ended while it was handed over"
                await settle_attach(self._ledger, self._log, intent, self._capabilities, self._clock.now(), why)
            elif intent.action == WATCH:
                await self._watch(intent, await self._fresh(link))
            elif (await self.settle(intent, await self._fresh(link), waited=True)).outcome is Outcome.LATER:
                unsettled.add(intent.key)
        return frozenset(unsettled)

    async def settle(self, intent: Intent, link: Link, *, waited: bool = False) -> Settled:
        """Look at the vendor for one intent's effect and record what is found.

        With `waited`, a thing that was to be made and is absent counts as a failure of its meeting: the pass that
        tried could not tell yet.
        """
        try:
            settled = await self._look(intent, link)
        except OutsideError as error:
            # A look-up that failed or was cut short is not "absent": the intent stays open.
            settled = Settled(Outcome.LATER, link, str(error))
        now = self._clock.now()
        if settled.outcome is Outcome.LATER:
            return settled
        if settled.outcome is Outcome.ABSENT and waited and intent.looked_at is not None:
            why = f"the vendor did not carry out the {intent.action}"
            settled = replace(settled, link=failed(settled.link, why, intent.payload.get("digest", ""), now))
        if settled.outcome is Outcome.ABSENT and intent.action == Action.CREATE and intent.marker:
            # It may take effect all the same, after any time that one is willing to wait.
            await self._ledger.open_intent(settled.link, WATCH, now, payload=intent.payload)
        await self._ledger.settle(intent, settled.outcome, now, settled.link)
        self._say("intent.settled", intent, outcome=settled.outcome.value)
        return settled

    async def _watch(self, intent: Intent, link: Link) -> None:
        """Look once more for a creation that was taken for absent; a late one is adopted, or removed as a double."""
        now = self._clock.now()
        if now < intent.opened_at + self._settle_after:
            return
        try:
            found = await self._search.find(intent, link)
        except OutsideError:
            return  # the gate has noted it; the watch stays open
        await self._ledger.settle(intent, "watched", now, found if isinstance(found, Link) else None)

    async def _look(self, intent: Intent, link: Link) -> Settled:
        match intent.action:
            case Action.CREATE:
                return await self._look_twice(intent, link, self._find_session)
            case Action.INVITE:
                return await self._look_twice(intent, link, self._find_invitee)
            case Action.UNINVITE | Action.ROLE:
                return await self._compare_invitee(intent, link)
            case Action.UPDATE:
                return await self._compare_session(intent, link)
            case _:
                return await self._confirm_removal(intent, link)

    async def _look_twice(
        self, intent: Intent, link: Link, look: Callable[[Intent, Link], Awaitable[Settled | None]]
    ) -> Settled:
        """What was to be made is absent only when two looks, `settle_after` apart, did not find it."""
        looked_at = intent.looked_at
        while (found := await look(intent, link)) is None:
            now = self._clock.now()
            if looked_at is not None and looked_at + self._settle_after <= now:
                return Settled(Outcome.ABSENT, link)
            if looked_at is None:
                looked_at = now
                await self._ledger.looked(intent, now)
            wait = (looked_at + self._settle_after - now).total_seconds()
            if wait > self._gate.patience:
                return Settled(Outcome.LATER, link, f"it is looked for again in {wait:.0f} s")
            await self._clock.sleep(wait)
        return found

    async def _find_session(self, intent: Intent, link: Link) -> Settled | None:
        found = await self._search.find(intent, link)
        if isinstance(found, Unfindable):
            # Where nobody ever sees what nothing can find again, one repeat is better than asking a person.
            orphan_is_harmless = self._capabilities.marker == "none" and not self._capabilities.list
            lost = replace(link, lost=link.lost + 1)
            if orphan_is_harmless and not link.lost:
                return Settled(Outcome.ABSENT, lost, found.why)
            doubt = replace(lost, state=LinkState.IN_DOUBT, problem=f"its making has an unknown outcome: {found.why}")
            return Settled(Outcome.IN_DOUBT, doubt, found.why)
        return Settled(Outcome.FOUND, found) if found else None

    async def _find_invitee(self, intent: Intent, link: Link) -> Settled | None:
        listed = await self._invitees(intent)
        if isinstance(listed, Unfindable):
            # Registering somebody twice is harmless where no mail is involved, and only there; and only once.
            harmless = not intent.payload.get("mail") and not await self._ledger.taken_for_absent(intent)
            if harmless:
                return Settled(Outcome.ABSENT, link, listed.why)
            return Settled(
                Outcome.IN_DOUBT, doubtful(intent, link), f"nobody can tell whether it was done: {listed.why}"
            )
        seen = next((i for i in listed if i.email.lower() == intent.participant), None)
        return Settled(Outcome.FOUND, recorded(intent, link, ref=seen.ref)) if seen else None

    async def _compare_invitee(self, intent: Intent, link: Link) -> Settled:
        listed = await self._invitees(intent)
        if isinstance(listed, Unfindable):
            return Settled(Outcome.ABSENT, link, listed.why)  # both steps may be repeated without harm
        link = replace(link, invitees=with_vendor_ids(link.invitees, listed))
        seen = next((i for i in listed if i.email.lower() == intent.participant), None)
        if seen is None:
            others = tuple(p for p in link.invitees if p.email != intent.participant)
            outcome = Outcome.FOUND if intent.action == Action.UNINVITE else Outcome.ABSENT
            return Settled(outcome, replace(link, invitees=others))
        if intent.action == Action.ROLE and seen.role == intent.payload["people"][0][2]:
            return Settled(Outcome.FOUND, recorded(intent, link, ref=seen.ref))
        return Settled(Outcome.ABSENT, link)

    async def _compare_session(self, intent: Intent, link: Link) -> Settled:
        if not self._capabilities.reads_back:
            return Settled(Outcome.ABSENT, link, "the vendor does not show what it holds")
        session = await self._gate.call(lambda: self._gate.connector.get(str(intent.session)))
        if session is None:
            return Settled(Outcome.ABSENT, vanished(link, repair=self._route.drift == "repair"))
        sent = intent.payload["fields"]
        before = {n: link.echo.get(n, old) for n, old in link.applied.items() if sent.get(n) != old}
        shown = {**link.applied, **as_sent(sent, session, before)}
        if all(shown.get(name) == value for name, value in intent.payload["fields"].items()):
            return Settled(Outcome.FOUND, recorded(intent, link))
        return Settled(Outcome.ABSENT, replace(link, applied=shown))

    async def _confirm_removal(self, intent: Intent, link: Link) -> Settled:
        ref = str(intent.payload.get("double") or intent.session)
        if await self._gate.call(lambda: self._gate.connector.get(ref)) is not None:
            if intent.action != DOUBLE:
                return Settled(Outcome.ABSENT, link)
            await self._gate.call(lambda: self._gate.connector.delete(ref))
        return Settled(Outcome.FOUND, link if intent.action == DOUBLE else recorded(intent, link))

    async def _invitees(self, intent: Intent) -> tuple[Invitee, ...] | Unfindable:
        return await self._gate.call(lambda: self._gate.connector.invitees(str(intent.session)))

    async def _fresh(self, link: Link) -> Link:
        """The link as it is now: settling one intent may have changed what the next one builds on."""
        rows = await self._ledger.links(self._route.name, str(link.key))
        return rows[0] if rows else link

    def _say(self, event: str, intent: Intent, **fields: object) -> None:
        common = {"route": intent.route, "vendor": intent.vendor, "key": intent.key}
        if event.startswith("intent."):
            common["action"] = intent.action
        self._log(event, **common, **fields)


def with_vendor_ids(known: tuple[Registered, ...], listed: tuple[Invitee, ...]) -> tuple[Registered, ...]:
    """The known invitees with the vendor's ids; others that the vendor lists are not ours."""
    by_email = {invitee.email.lower(): invitee for invitee in reversed(listed)}
    return tuple(replace(p, ref=by_email[p.email].ref) if p.email in by_email else p for p in known)
