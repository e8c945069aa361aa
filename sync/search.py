"""Looking for a session by its marker: adopting what is found, removing late doubles, doubting an empty answer."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from sync.change import Action
from sync.echo import as_sent, echoes
from sync.effects import recorded
from sync.errors import Unreachable
from sync.gate import VendorGate
from sync.ledger.records import Intent, Link, Registered
from sync.ledger.store import Ledger
from sync.model import Invitee, Role, Session
from sync.ports import Clock, Log, Unfindable

DOUBLE = "double"
"""Action of an intent that removes one of several sessions with the same marker."""

WITNESSES = 3
"""How many known sessions may be missing from a search before it is taken that they are really gone."""


class Search:
    """Searches one vendor for one route's sessions."""

    def __init__(self, ledger: Ledger, gate: VendorGate, clock: Clock, log: Log) -> None:
        self._ledger = ledger
        self._gate = gate
        self._clock = clock
        self._log = log
        self._trusted = False

    async def find(self, intent: Intent, link: Link) -> Link | Unfindable | None:
        """The link with the session that carries the intent's marker, None when there certainly is none.

        Of several, the one in the ledger, else the oldest, is kept; the others are ours and are removed. What is
        adopted is recorded as the vendor shows it, which may be an earlier attempt's content. Raises OutsideError,
        also when the search cannot be trusted.
        """
        if not intent.marker:
            return Unfindable("the session carries no marker to look for")
        found = await self._gate.call(lambda: self._gate.connector.find(intent.marker))
        if isinstance(found, Unfindable):
            return found
        # A moved series hands sessions on under their old markers: those of other meetings are not this one's.
        taken = await self._ledger.sessions_of_others(intent.vendor, link)
        mine = [session for session in found if session.ref not in taken]
        if not mine:
            await self._doubt(link)
            return None
        kept = next((s for s in mine if s.ref == link.session), mine[0])
        await self._remove_doubles(link, [s for s in mine if s is not kept])
        if link.has_session and link.session == kept.ref:
            return link
        self._log("session.adopted", route=link.route, vendor=link.vendor, key=str(link.key), session=kept.ref)
        return await self._adopted(intent, link, kept)

    async def _doubt(self, link: Link) -> None:
        """An empty answer is believed only when the same search finds a session that we know to exist."""
        if self._trusted:
            return
        for marker, ref in await self._ledger.witnesses(link, WITNESSES):
            found = await self._gate.call(partial(self._gate.connector.find, marker))
            if isinstance(found, Unfindable) or any(session.ref == ref for session in found):
                break
            if await self._gate.call(partial(self._gate.connector.get, ref)) is not None:
                raise Unreachable(f"{link.vendor}: its listing lacks session {ref}, which exists: nothing is concluded")
        self._trusted = True

    async def _adopted(self, intent: Intent, link: Link, session: Session) -> Link:
        adopted = recorded(replace(intent, action=Action.CREATE.value), link, session=session.ref)
        shown = {n: value for n, value in as_sent(adopted.applied, session).items() if n in adopted.applied}
        listed = await self._gate.call(lambda: self._gate.connector.invitees(session.ref))
        return replace(
            adopted,
            title=shown.get("title", adopted.title),
            join_url=session.join_url,
            start=session.start or adopted.start,
            end=session.end or adopted.end,
            applied={**adopted.applied, **shown},
            echo=echoes(adopted.applied, session),
            invitees=adopted.invitees if isinstance(listed, Unfindable) else registered_as(listed, adopted.invitees),
        )

    async def _remove_doubles(self, link: Link, doubles: list[Session]) -> None:
        for ref in [double.ref for double in doubles]:
            intent = await self._ledger.open_intent(link, DOUBLE, self._clock.now(), payload={"double": ref})
            await self._gate.call(partial(self._gate.connector.delete, ref))
            await self._ledger.settle(intent, "removed", self._clock.now())
            common: Mapping[str, str] = {"route": link.route, "vendor": link.vendor, "key": str(link.key)}
            self._log("session.deleted", **common, session=ref, reason="a late double of ours")


def registered_as(listed: tuple[Invitee, ...], believed: tuple[Registered, ...] = ()) -> tuple[Registered, ...]:
    """The people as the vendor lists them; what it does not say of one is taken from what was believed."""
    known = {person.email: person for person in believed}
    people: dict[str, Registered] = {}
    for invitee in listed:
        email = invitee.email.lower()
        before = known.get(email, Registered(email, invitee.name, Role.PARTICIPANT))
        link = invitee.personal_link or before.personal_link
        people.setdefault(email, replace(before, role=invitee.role or before.role, ref=invitee.ref, personal_link=link))
    return tuple(people.values())
