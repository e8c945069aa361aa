"""What a vendor write does to the ledger's link, told from the intent alone. Pure.

The intent carries everything, so that an effect can be recorded by the process that caused it and equally by the
one that finds it after a crash.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sync.degrade import held_fields, instant_text
from sync.ledger.records import Intent, Link, LinkState, Registered
from sync.model import Capabilities, Meeting, Participant, Role, content_digest
from sync.plan import Action, Change

QUARANTINE_AFTER = 5
"""Failures of one meeting, with a vendor that answers otherwise, before it is set aside."""

FIRST_BACKOFF = timedelta(seconds=30)
LONGEST_BACKOFF = timedelta(hours=1)


def payload_of(change: Change, action: Action, capabilities: Capabilities, *, mail: bool) -> dict[str, Any]:
    """What has to be written ahead of the vendor call."""
    wish, person = change.wish, change.person
    payload: dict[str, Any] = {"mail": mail}
    if action in (Action.CREATE, Action.UPDATE) and wish is not None:
        payload |= {
            "title": wish.title,
            "start": instant_text(wish.start),
            "end": instant_text(wish.end),
            "fields": held_fields(wish, capabilities),
        }
    if action is Action.CREATE and wish is not None and capabilities.create_invites:
        payload["people"] = [_person(p) for p in wish.participants]
    if person is not None:
        payload["people"] = [_person(person)]
    return payload


def recorded(intent: Intent, link: Link, *, session: str | None = None, ref: str | None = None) -> Link:
    """The link once the intent's effect is known to be there; `session` and `ref` are the vendor's ids."""
    people = _people(intent.payload)
    match Action(intent.action):
        case Action.CREATE:
            link = replace(_showing(link, intent.payload), session=session, invitees=people, join_url=None)
        case Action.UPDATE:
            link = _showing(link, intent.payload)
        case Action.CANCEL:
            return replace(settled(link), state=LinkState.CANCELLED, retry_at=None)
        case Action.INVITE | Action.ROLE:
            old = {p.email: p for p in link.invitees}
            new = {p.email: replace(p, ref=ref or (old[p.email].ref if p.email in old else None)) for p in people}
            link = replace(link, invitees=tuple((old | new).values()))
        case Action.UNINVITE:
            gone = {p.email for p in people}
            link = replace(link, invitees=tuple(p for p in link.invitees if p.email not in gone))
        case Action.REPLACE:
            raise ValueError("a replacement is a cancellation and a creation, each with an intent of its own")
    return settled(replace(link, state=LinkState.LIVE))


def settled(link: Link) -> Link:
    """The link without its troubles."""
    return replace(link, attempts=0, retry_at=None, problem=None, problem_digest=None)


def failed(link: Link, why: str, digest: str, now: datetime) -> Link:
    """The link after one more failure of its own: tried again later, and set aside after QUARANTINE_AFTER of them."""
    attempts = link.attempts + 1
    wait = min(FIRST_BACKOFF * 2 ** (attempts - 1), LONGEST_BACKOFF)
    state = LinkState.QUARANTINED if attempts >= QUARANTINE_AFTER else link.state
    return replace(link, attempts=attempts, retry_at=now + wait, problem=why, problem_digest=digest, state=state)


def payload_digest(payload: Mapping[str, Any]) -> str:
    """Digest of the wish behind an intent, equal to `degrade.wish_digest` of it."""
    people = [tuple(person) for person in payload.get("people", ())]
    return content_digest(sorted(payload.get("fields", {}).items()), people)


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
    )


def _person(person: Participant) -> list[str]:
    return [person.email, person.name, person.role.value]


def _people(payload: Mapping[str, Any]) -> tuple[Registered, ...]:
    return tuple(Registered(email, name, Role(role)) for email, name, role in payload.get("people", ()))
