"""Turns what a route wishes into what a vendor can hold, and says what is lost on the way."""

import unicodedata
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sync.model import Capabilities, Document, Finding, Meeting, Participant, Role, content_digest
from sync.route import Route

ASSUMED_LENGTH = timedelta(minutes=30)
"""Length of the session for a meeting whose calendar entry has none."""

PEOPLE = "participants"
"""Under this name a link remembers what was said about participants whom the vendor cannot take as they are."""

PEOPLE_CODES = ("participants-cut", "role-unsupported", "invite-unsupported")

UNTITLED = "Untitled meeting"


def for_route(capabilities: Capabilities, route: Route) -> Capabilities:
    """What the vendor can do for this route: where titles must stay clean, a marker in the title is none."""
    if capabilities.marker == "title" and not route.title_marker:
        return replace(capabilities, marker="none")
    return capabilities


def degrade(meeting: Meeting, capabilities: Capabilities, route: Route) -> Meeting:
    """The meeting as the vendor can hold it; `findings` grow by what differs from the wish."""
    findings = list(meeting.findings)
    title = _title(meeting.title, capabilities, findings)
    start, end = _times(meeting, capabilities, findings)
    participants = _participants(meeting, capabilities, route, findings)
    _say_what_is_lost(meeting, capabilities, findings)
    documents = _documents(meeting, capabilities, findings)
    if route.series == "room" and capabilities.session != "room" and meeting.key.recurrence_id is not None:
        findings.append(
            Finding("series-unsupported", f"{capabilities.name} has no rooms: each occurrence gets its own session")
        )
    if participants and route.invite == "email":
        _say_who_mails(capabilities, route, findings)
    return replace(
        meeting,
        title=title,
        start=start,
        end=end,
        participants=participants,
        organizer_name=next((p.name for p in meeting.participants if p.email == meeting.organizer), ""),
        findings=tuple(findings),
        documents=documents,
    )


def held_fields(wish: Meeting, capabilities: Capabilities) -> dict[str, str]:
    """The wish's fields that the vendor stores, as texts (times in ISO 8601, UTC with Z), in a fixed order."""
    guest = wish.participants[0] if wish.participants else None
    values = {
        "title": wish.title,
        "start": instant_text(wish.start),
        "end": instant_text(wish.end),
        "description": wish.description,
        "location": wish.location,
        "organizer": _person(wish.organizer_name, wish.organizer),
        "participant": _person(guest.name, guest.email) if guest else "",
    }
    return {name: value for name, value in values.items() if name in capabilities.holds}


def people_findings(wish: Meeting) -> str:
    """What is to be said about participants whom the vendor cannot take as the calendar has them, "" if nothing."""
    return "; ".join(finding.message for finding in wish.findings if finding.code in PEOPLE_CODES)


def wish_digest(wish: Meeting, capabilities: Capabilities) -> str:
    """Digest of everything that would be sent for this wish; equal digests need no work."""
    people = [(p.email, p.name, p.role.value) for p in wish.participants]
    return content_digest(sorted(held_fields(wish, capabilities).items()), people)


def instant_text(instant: datetime) -> str:
    """`2026-12-01T09:00:00Z`."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _person(name: str, email: str) -> str:
    return f"{name} <{email}>" if name else email


def _say_what_is_lost(meeting: Meeting, capabilities: Capabilities, findings: list[Finding]) -> None:
    texts = ("title", "description", "location")
    lost = [name for name in texts if getattr(meeting, name) and name not in capabilities.holds]
    times = [name for name in ("start", "end") if name not in capabilities.holds]
    if lost or times:
        names = " and no ".join([*times, *lost])
        them = "them" if len(times) + len(lost) > 1 else "it"
        consequence = f"only the calendar shows {them}" + (", and people can join at any time" if times else "")
        findings.append(Finding("field-unsupported", f"{capabilities.name} stores no {names}: {consequence}"))


def _documents(meeting: Meeting, capabilities: Capabilities, findings: list[Finding]) -> tuple[Document, ...]:
    """Those that the vendor takes."""
    if not meeting.documents:
        return ()
    taken = meeting.documents if capabilities.documents_push else ()
    if capabilities.documents_by_url:
        taken = tuple(document for document in taken if document.url)
    if left := len(meeting.documents) - len(taken):
        lacking = " without an address" if capabilities.documents_push else ""
        what = f"{left} stay" if left > 1 else "1 stays"
        message = f"{capabilities.name} takes no documents{lacking}: {what} in the calendar only"
        findings.append(Finding("documents-unsupported", message))
    if taken:
        what = f"{len(taken)} documents are" if len(taken) > 1 else "1 document is"
        findings.append(Finding("documents", f"{what} handed to the session"))
    return taken


def _say_who_mails(capabilities: Capabilities, route: Route, findings: list[Finding]) -> None:
    if not capabilities.vendor_mail and route.mails:
        findings.append(Finding("mail-by-convener", f"{capabilities.name} cannot mail: convener sends the invitations"))
    elif not capabilities.vendor_mail:
        findings.append(
            Finding("mail-unsupported", f"{capabilities.name} cannot mail: the participants get no invitation from it")
        )
    elif capabilities.mails_besides:
        findings.append(Finding("mail-by-vendor", f"{capabilities.name} also mails {capabilities.mails_besides}"))


def _title(title: str, capabilities: Capabilities, findings: list[Finding]) -> str:
    # Control characters would end a line or a request somewhere; vendors cut or refuse them.
    spaced = "".join(" " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c for c in title)
    text = " ".join(spaced.encode("utf-8", "replace").decode("utf-8").split())
    if not text:
        findings.append(Finding("untitled", f"the calendar entry has no title: the session is called {UNTITLED!r}"))
        return UNTITLED
    limit = capabilities.limits.title
    if limit is not None and len(text) > limit:
        findings.append(Finding("title-cut", f"{capabilities.name} allows {limit} characters: the title is cut"))
        return text[: limit - 1].rstrip() + "…"
    return text


def _times(meeting: Meeting, capabilities: Capabilities, findings: list[Finding]) -> tuple[datetime, datetime]:
    start, end = meeting.start.replace(microsecond=0), meeting.end.replace(microsecond=0)
    if end <= start:
        minutes = int(ASSUMED_LENGTH.total_seconds() // 60)
        findings.append(
            Finding("duration-assumed", f"the calendar entry has no length: the session gets {minutes} minutes")
        )
        end = start + ASSUMED_LENGTH
    if capabilities.limits.whole_minutes:
        length = end - start
        whole = timedelta(minutes=max(-(-length // timedelta(minutes=1)), capabilities.limits.min_minutes))
        if whole != length:
            findings.append(
                Finding("duration-rounded", f"{capabilities.name} knows whole minutes: the end is rounded up")
            )
        end = start + whole
    return start, end


def _participants(
    meeting: Meeting, capabilities: Capabilities, route: Route, findings: list[Finding]
) -> tuple[Participant, ...]:
    if route.invite == "none":
        return ()
    people = [p for p in meeting.participants if route.declined == "keep" or not p.declined]
    name = capabilities.name
    if not (capabilities.invite or capabilities.mints_links):
        if people:
            findings.append(Finding("invite-unsupported", f"{name} registers nobody: everybody uses the join link"))
        return ()
    if capabilities.hosts_apart:
        people = [p for p in people if p.role is not Role.MODERATOR]
    missing = sorted({p.role.value for p in people if p.role not in capabilities.roles})
    if missing:
        findings.append(
            Finding(
                "role-unsupported", f"{name} has no role {' and no role '.join(missing)}: they join as participants"
            )
        )
        people = [p if p.role in capabilities.roles else replace(p, role=Role.PARTICIPANT) for p in people]
    limit = capabilities.limits.participants
    if limit is not None and len(people) > limit:
        people.sort(key=lambda p: p.role is not Role.MODERATOR)
        left = ", ".join(p.email for p in people[limit : limit + 3]) + (" …" if len(people) > limit + 3 else "")
        findings.append(
            Finding(
                "participants-cut",
                f"{name} takes {limit} participant{'s' if limit > 1 else ''}: "
                f"{len(people) - limit} more ({left}) can only use the join link",
            )
        )
        people = people[:limit]
    return tuple(sorted(people, key=lambda p: p.email))
