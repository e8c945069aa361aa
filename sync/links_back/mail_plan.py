"""Which mails are due: what each participant has to know of a meeting, against what they were last mailed. Pure.

Only what is proved is acted upon: a meeting that cannot be told from the ledger, or whose link is not there yet, leaves
everything as it is. A cancellation goes to those alone who were invited before.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count

from sync.keep_up import ASKED
from sync.ledger.records import DOUBT, Link, Mail, MailState, Occurrence, Registered
from sync.model import Capabilities, Participant, Role, content_digest
from sync.rekey import FURTHEST_MOVE

KEPT = timedelta(days=31)
"""So long after a meeting's end it is remembered who was mailed: it may be put off, and its mails go on counting."""

LOST = "the mail server broke off twice: nobody can tell whether the participant was mailed"


@dataclass(frozen=True, slots=True)
class Due:
    """A mail that has to be sent now: the record to be written ahead of it, and what is only in the mail."""

    mail: Mail
    location: str = ""
    description: str = ""
    link: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class MailPlan:
    """What has to be done: `due` mails in their order, records that change without a mail (`settled`), and records of
    which nobody was ever mailed and nobody will be (`dropped`)."""

    due: tuple[Due, ...] = ()
    settled: tuple[Mail, ...] = ()
    dropped: tuple[Mail, ...] = ()


@dataclass(frozen=True, slots=True)
class Situation:
    """What the planning looks at. `occurrences` are the route's by key as text: all that have not ended, and those of
    the mails' meetings as far as there are any; `links` the route's by key as text."""

    installation: str
    route: str
    occurrences: Mapping[str, Occurrence]
    links: Mapping[str, Link]
    capabilities: Capabilities
    now: datetime
    respect_backoff: bool = False


def due_mails(s: Situation, mails: Iterable[Mail]) -> MailPlan:
    """What to mail, at most one mail to a person about a meeting; those with the fewest attempts come first."""
    known = list(mails)
    moves = _moves(s, known)
    current = [replace(mail, key=moves.get(mail.key, mail.key)) for mail in known]
    settled = {_whose(mail): mail for mail in current if mail.key in moves.values()}
    by_person = {(mail.key, mail.email): mail for mail in current}
    due: list[Due] = []
    dropped: list[Mail] = []
    for wanted in [*_invitations(s, current), *_cancellations(s, current, dropped)]:
        before = by_person.get((wanted.mail.key, wanted.mail.email))
        mail = wanted.mail if before is None else _next(s, before, wanted.mail)
        if mail is None:
            continue
        settled.pop(_whose(mail), None)
        if mail.state is MailState.SENDING:
            due.append(replace(wanted, mail=mail))
        else:
            settled[_whose(mail)] = mail
    due.sort(key=lambda one: (one.mail.attempts, one.mail.start, one.mail.key, one.mail.email))
    return MailPlan(tuple(due), tuple(settled.values()), tuple(dropped))


def way_in(person: Participant, one: Occurrence, link: Link, capabilities: Capabilities, now: datetime) -> str:
    """The link that this participant is mailed for this occurrence; "" while there is none (yet).

    It is their own where the vendor gives such links, and everybody's for those to whom it gives none: it said no, it
    does not register them, or a person has to find out whether it did. Whoever is yet to be registered, or to get a
    link that lasts until the start, waits.
    """
    everybodys = link.join_url or ""
    registered = next((p for p in link.invitees if p.email == person.email), None)
    if not capabilities.personal_links or _has_none_of_their_own(person, registered, link, capabilities):
        return everybodys
    if registered is None or not registered.personal_link:
        return ""
    expires = registered.link_expires
    return registered.personal_link if expires is None or expires > max(one.start, now) else ""


def _has_none_of_their_own(
    person: Participant, registered: Registered | None, link: Link, capabilities: Capabilities
) -> bool:
    if registered is not None:
        to_come = capabilities.mints_links or (capabilities.list_invitees and registered.link_for != ASKED)
        refused = registered.personal_link == "" or not to_come or registered.stale == DOUBT
        return refused and not registered.personal_link
    most = capabilities.limits.participants
    apart = capabilities.hosts_apart and person.role is Role.MODERATOR
    nobody = not (capabilities.invite or capabilities.mints_links)
    return apart or nobody or (most is not None and len(link.invitees) >= most)


def _invitations(s: Situation, mails: list[Mail]) -> Iterable[Due]:
    """What everybody who is to be invited has to know, as if nobody had been mailed so far."""
    uids = {mail.key: mail.uid for mail in mails}
    told = {(mail.key, mail.email): (mail.title, mail.start, mail.end) for mail in mails if mail.invited}
    taken = set(uids.values())
    for key, one in s.occurrences.items():
        link = s.links.get(one.link)
        takes_place = link is not None and link.has_session and link.session == one.session
        if link is None or not takes_place or one.end <= s.now:
            continue
        if key not in uids:
            uids[key] = _new_uid(s, key, taken)
            taken.add(uids[key])
        for person in one.people:
            if person.email == one.organizer.lower():
                continue
            url = way_in(person, one, link, s.capabilities, s.now)
            before = told.get((key, person.email))
            # Who was invited hears of another time at once, even when the link for it is yet to come.
            if url or (before is not None and before != (one.title, one.start, one.end)):
                yield Due(_invitation(one, person, uids[key], url), one.location, one.description, url)


def _invitation(one: Occurrence, person: Participant, uid: str, url: str) -> Mail:
    named = next((p.name for p in one.people if p.email == one.organizer.lower() and p.name), one.organizer)
    draft = Mail(
        route=one.route,
        key=str(one.key),
        uid=uid,
        email=person.email,
        name=person.name,
        role=person.role,
        organizer=named,
        session=one.session,
        title=one.title,
        start=one.start,
        end=one.end,
        method="REQUEST",
        sequence=0,
        digest=content_digest("REQUEST", one.title, one.start, one.end, one.location, url),
        message_id="",
        state=MailState.SENDING,
    )
    return replace(draft, message_id=_message_id(draft))


def _cancellations(s: Situation, mails: list[Mail], dropped: list[Mail]) -> Iterable[Due]:
    """What those have to know who were mailed and are no longer invited; the others of them are `dropped`."""
    for mail in mails:
        if mail.end <= s.now or _is_invited(s, mail):
            continue
        if mail.invited or mail.state is MailState.SENDING:
            yield Due(replace(mail, method="CANCEL", digest=content_digest("CANCEL")))
        else:
            dropped.append(mail)


def _is_invited(s: Situation, mail: Mail) -> bool:
    """Whether the person still belongs to the meeting; when that cannot be told, they do."""
    one = s.occurrences.get(mail.key)
    if one is None:
        return True
    if one.off:
        return False
    return (
        not one.session
        or one.end <= s.now
        or mail.email == one.organizer.lower()
        or any(p.email == mail.email for p in one.people)
    )


def _next(s: Situation, before: Mail, wanted: Mail) -> Mail | None:
    """The record with which the wanted mail is sent (state SENDING), one that is settled without, or None."""
    if before.digest != wanted.digest:
        # What was certainly never taken leaves its number to its successor.
        certainly_not = before.state in (MailState.WAITING, MailState.REFUSED) and not before.doubted
        sequence = before.sequence if certainly_not else before.sequence + 1
        invited = before.invited or before.state is MailState.SENDING
        fresh = replace(wanted, sequence=sequence, state=MailState.SENDING, attempts=1, invited=invited)
        fresh = replace(fresh, doubted=False, retry_at=None, problem="")
        return replace(fresh, message_id=_message_id(fresh))
    if before.state is MailState.SENDING:
        if before.doubted:
            return replace(before, state=MailState.SENT, retry_at=None, problem=LOST)
        return replace(before, doubted=True, invited=True, attempts=before.attempts + 1)
    if before.state is MailState.WAITING:
        if s.respect_backoff and before.retry_at is not None and before.retry_at > s.now:
            return None
        return replace(before, state=MailState.SENDING, attempts=before.attempts + 1)
    return None


def _moves(s: Situation, mails: list[Mail]) -> dict[str, str]:
    """Old key to new key of meetings that were moved with their series: the same session under another name, nearby.

    Told as changed times, and not as a cancellation and an invitation.
    """
    mailed = {mail.key for mail in mails}
    off = {key for key, one in s.occurrences.items() if not one.session}
    gone = {mail.key: mail for mail in mails if mail.end > s.now and mail.key not in s.occurrences.keys() - off}
    sessions = {mail.session for mail in gone.values()}
    fresh = [o for key, o in s.occurrences.items() if key not in mailed and o.session and o.session in sessions]
    pairs = sorted(
        (abs(mail.start - one.start), mail.key, str(one.key))
        for mail in gone.values()
        for one in fresh
        if mail.session == one.session and abs(mail.start - one.start) < FURTHEST_MOVE
    )
    moves: dict[str, str] = {}
    for _, old, new in pairs:
        if old not in moves and new not in moves.values():
            moves[old] = new
    return moves


def _new_uid(s: Situation, key: str, taken: set[str]) -> str:
    """The meeting's UID in mails (RFC 5545 section 3.8.4.7): not the calendar's, under which the organizer's own entry
    may stand beside. Another meeting may have taken it along when it was moved."""
    made = (f"{content_digest(s.installation, s.route, key, number)}@convener" for number in count())
    return next(uid for uid in made if uid not in taken)


def _message_id(mail: Mail) -> str:
    """The same for the same mail, so that one that is sent twice is known to be one."""
    return content_digest(mail.uid, mail.email, mail.sequence, mail.method)


def _whose(mail: Mail) -> tuple[str, str]:
    return (mail.uid, mail.email)
