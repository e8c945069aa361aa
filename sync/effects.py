"""What a vendor write does to the ledger's link, told from the intent alone. Pure.

The intent carries everything, so that an effect can be recorded by the process that caused it and equally by the
one that finds it after a crash.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sync.change import Action, Change
from sync.degrade import PEOPLE, held_fields, instant_text, people_findings, wish_digest
from sync.ledger.records import DOUBT, GONE, Intent, Link, LinkState, Registered
from sync.model import Capabilities, Invitee, Meeting, Participant, Role

QUARANTINE_AFTER = 5
"""Failures of one meeting, with a vendor that answers otherwise, before it is set aside."""

FIRST_BACKOFF = timedelta(seconds=30)
LONGEST_BACKOFF = timedelta(hours=1)


def sends(change: Change, action: Action, link: Link, capabilities: Capabilities) -> bool:
    """Whether the step needs a call to the vendor; otherwise there is none for it, or nothing that it would change."""
    match action:
        case Action.UPDATE:
            return any(diff.name in capabilities.update for diff in change.fields)
        case Action.CANCEL:
            return capabilities.delete
        case Action.INVITE:
            return capabilities.invite and _registration(change, link) is None
        case Action.UNINVITE:
            return capabilities.uninvite
        case Action.ROLE:
            return capabilities.change_role
    return True


def payload_of(change: Change, action: Action, link: Link, capabilities: Capabilities, *, mail: bool) -> dict[str, Any]:
    """What has to be written ahead of the vendor call."""
    wish, person = change.wish, change.person
    payload: dict[str, Any] = {"mail": mail}
    if wish is not None:
        payload["digest"] = wish_digest(wish, capabilities)
    if action in (Action.CREATE, Action.UPDATE) and wish is not None:
        held = held_fields(wish, capabilities)
        payload |= {"title": wish.title, "start": instant_text(wish.start), "end": instant_text(wish.end)}
        if action is Action.CREATE:
            payload["fields"] = {n: v for n, v in held.items() if n not in capabilities.set_after_create}
        else:
            changed = {diff.name for diff in change.fields}
            sent = {n: v for n, v in held.items() if n in changed and n in capabilities.update}
            payload["fields"] = {**link.applied, **sent}
            payload["stale"] = {
                n: v for n, v in held.items() if n not in capabilities.update and link.applied.get(n) != v
            }
    if action is Action.CREATE and wish is not None and capabilities.create_invites:
        payload["people"] = [_person(p) for p in wish.participants]
    if person is not None:
        payload["people"] = [_person(person)]
        payload["alone"] = action is Action.INVITE and capabilities.limits.participants == 1
    return payload


def recorded(intent: Intent, link: Link, *, session: str | None = None, ref: str | None = None) -> Link:
    """The link once the intent's effect is known to be there; `session` and `ref` are the vendor's ids."""
    people = _people(intent.payload)
    match Action(intent.action):
        case Action.CREATE:
            link = replace(
                _showing(link, intent.payload),
                session=session,
                invitees=people,
                join_url=None,
                stale={},
                echo={},
                lost=0,
            )
        case Action.UPDATE:
            link = _showing(link, intent.payload)
        case Action.CANCEL:
            return replace(settled(link), state=LinkState.CANCELLED, retry_at=None)
        case Action.INVITE | Action.ROLE:
            old = {p.email: p for p in link.invitees}
            new = {p.email: _renewed(old.get(p.email), p, ref) for p in people}
            link = replace(link, invitees=tuple((new if intent.payload.get("alone") else old | new).values()))
        case Action.UNINVITE:
            gone = {p.email for p in people}
            link = replace(link, invitees=tuple(p for p in link.invitees if p.email not in gone))
        case Action.REPLACE:
            raise ValueError("a replacement is a cancellation and a creation, each with an intent of its own")
    return settled(replace(link, state=LinkState.LIVE))


def noted(change: Change, action: Action, link: Link, capabilities: Capabilities) -> Link:
    """The link after a step for which the vendor has no call: what it now lacks is remembered, and not said again."""
    person = change.person
    if action is Action.CANCEL:
        return replace(settled(link), state=LinkState.CANCELLED)
    if action is Action.UPDATE:
        link = replace(link, stale={**link.stale, **{diff.name: diff.after or "" for diff in change.fields}})
    elif person is not None:
        people = {p.email: p for p in link.invitees}
        before = people.get(person.email)
        if action is Action.INVITE:
            people[person.email] = replace(before or Registered(person.email, person.name, person.role), stale="")
        elif before is not None and action is Action.ROLE:
            kept = replace(before, stale=person.role.value)
            people[person.email] = replace(before, role=person.role) if capabilities.mints_links else kept
        elif before is not None and (capabilities.invite or before.personal_link):
            people[person.email] = replace(before, stale=GONE)
        else:
            people.pop(person.email, None)
        link = replace(link, invitees=tuple(people.values()))
    return settled(replace(link, state=LinkState.LIVE))


def refreshed(link: Link, wish: Meeting, capabilities: Capabilities) -> Link:
    """The link with what the calendar says now, for a meeting that needs no (further) step."""
    held = held_fields(wish, capabilities)
    stale = {n: v for n, v in link.stale.items() if held.get(n) == v and link.applied.get(n) != v}
    if told := people_findings(wish):
        stale[PEOPLE] = told
    roles = {person.email: person.role for person in wish.participants}
    people = tuple(replace(p, stale="") if p.stale and roles.get(p.email) == p.role else p for p in link.invitees)
    return replace(link, title=wish.title, start=wish.start, end=wish.end, stale=stale, invitees=people)


def doubtful(intent: Intent, link: Link) -> Link:
    """The link after a registration of which nobody can tell whether it was done: the others are not concerned."""
    people = {p.email: p for p in link.invitees}
    for person in _people(intent.payload):
        people[person.email] = replace(people.get(person.email, person), stale=DOUBT)
    return replace(link, invitees=tuple(people.values()))


def with_personal_link(link: Link, invitee: Invitee) -> Link:
    """The link with the personal link that the vendor gave for this participant, if it gave one."""
    if invitee.personal_link is None:
        return link
    people = (
        replace(p, personal_link=invitee.personal_link) if p.email == invitee.email.lower() else p
        for p in link.invitees
    )
    return replace(link, invitees=tuple(people))


def settled(link: Link) -> Link:
    """The link without its troubles."""
    return replace(link, attempts=0, retry_at=None, problem=None, problem_digest=None)


def released(link: Link) -> Link:
    """The link when a person says that it shall be tried again: back-off, quarantine, doubts, refused links."""
    state = LinkState.CANCELLED if link.state is LinkState.CANCELLED else LinkState.LIVE
    people = tuple(
        replace(p, personal_link=None) if p.personal_link == "" else p
        for p in link.invitees
        if p.stale != DOUBT  # registered once more
    )
    return replace(settled(link), state=state if link.session else LinkState.PENDING, invitees=people, lost=0)


def failed(link: Link, why: str, digest: str, now: datetime) -> Link:
    """The link after one more failure of its own: tried again later, and set aside after QUARANTINE_AFTER of them."""
    attempts = link.attempts + 1
    wait = min(FIRST_BACKOFF * 2 ** (attempts - 1), LONGEST_BACKOFF)
    state = LinkState.QUARANTINED if attempts >= QUARANTINE_AFTER else link.state
    return replace(link, attempts=attempts, retry_at=now + wait, problem=why, problem_digest=digest, state=state)


def vanished(link: Link, *, repair: bool) -> Link:
    """The link whose session is gone at the vendor without our doing."""
    if repair:
        return replace(link, state=LinkState.PENDING, session=None, join_url=None, invitees=(), problem="it vanished")
    return replace(link, state=LinkState.QUARANTINED, problem="the session vanished at the vendor (drift = report)")


def new_link(change: Change, wish: Meeting, route: str, vendor: str, marker: str) -> Link:
    """The link of a meeting that has none yet."""
    return Link(route, change.key, vendor, marker, LinkState.PENDING, None, wish.title, wish.start, wish.end, None, {})


def parse_instant(text: str) -> datetime:
    """The inverse of `instant_text`."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def _showing(link: Link, payload: Mapping[str, Any]) -> Link:
    return replace(
        link,
        title=payload["title"],
        start=parse_instant(payload["start"]),
        end=parse_instant(payload["end"]),
        applied=dict(payload["fields"]),
        stale={n: v for n, v in {**link.stale, **payload.get("stale", {})}.items() if payload["fields"].get(n) != v},
        echo={n: v for n, v in link.echo.items() if payload["fields"].get(n) == link.applied.get(n)},
    )


def _registration(change: Change, link: Link) -> Registered | None:
    """The step's participant as the vendor still has them."""
    return next((p for p in link.invitees if change.person and p.email == change.person.email), None)


def _renewed(before: Registered | None, person: Registered, ref: str | None) -> Registered:
    if before is None:
        return replace(person, ref=ref)
    return replace(before, name=person.name, role=person.role, ref=ref or before.ref, stale="")


def _person(person: Participant) -> list[str]:
    return [person.email, person.name, person.role.value]


def _people(payload: Mapping[str, Any]) -> tuple[Registered, ...]:
    return tuple(Registered(email, name, Role(role)) for email, name, role in payload.get("people", ()))
