"""Turns what a route wishes into what a vendor can hold, and says what is lost on the way."""

import unicodedata
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sync.model import Capabilities, Finding, Meeting, Participant, Role, content_digest
from sync.route import Route

ASSUMED_LENGTH = timedelta(minutes=30)
"""Length of the session for a meeting whose calendar entry has none."""

UNTITLED = "Untitled meeting"


def degrade(meeting: Meeting, capabilities: Capabilities, route: Route) -> Meeting:
    """The meeting as the vendor can hold it; `findings` grow by what differs from the wish."""
    findings = list(meeting.findings)
    title = _title(meeting.title, capabilities, findings)
    start, end = _times(meeting, capabilities, findings)
    participants = _participants(meeting, capabilities, route, findings)
    lost = [name for name in ("description", "location") if getattr(meeting, name) and name not in capabilities.holds]
    if lost:
        findings.append(
            Finding("field-unsupported", f"the vendor stores no {' and no '.join(lost)}: only the calendar shows it")
        )
    if route.series == "room" and capabilities.session != "room" and meeting.key.recurrence_id is not None:
        findings.append(Finding("series-unsupported", "this vendor has no rooms: each occurrence gets its own session"))
    if route.invite == "email" and participants and not capabilities.vendor_mail:
        findings.append(Finding("mail-unsupported", "this vendor cannot mail: the participants get no invitation"))
    return replace(meeting, title=title, start=start, end=end, participants=participants, findings=tuple(findings))


def held_fields(wish: Meeting, capabilities: Capabilities) -> dict[str, str]:
    """The wish's fields that the vendor stores, as texts (times in ISO 8601, UTC with Z), in a fixed order."""
    values = {
        "title": wish.title,
        "start": instant_text(wish.start),
        "end": instant_text(wish.end),
        "description": wish.description,
        "location": wish.location,
    }
    return {name: value for name, value in values.items() if name in capabilities.holds}


def wish_digest(wish: Meeting, capabilities: Capabilities) -> str:
    """Digest of everything that would be sent for this wish; equal digests need no work."""
    people = [(p.email, p.name, p.role.value) for p in wish.participants]
    return content_digest(sorted(held_fields(wish, capabilities).items()), people)


def instant_text(instant: datetime) -> str:
    """`2026-12-01T09:00:00Z`."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _title(title: str, capabilities: Capabilities, findings: list[Finding]) -> str:
    # Control characters would end a line or a request somewhere; vendors cut or refuse them.
    spaced = "".join(" " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c for c in title)
    text = " ".join(spaced.encode("utf-8", "replace").decode("utf-8").split())
    if not text:
        findings.append(Finding("untitled", f"the calendar entry has no title: the session is called {UNTITLED!r}"))
        return UNTITLED
    limit = capabilities.limits.title
    if limit is not None and len(text) > limit:
        findings.append(Finding("title-cut", f"the vendor allows {limit} characters: the title is cut"))
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
            findings.append(Finding("duration-rounded", "the vendor knows whole minutes: the end is rounded up"))
        end = start + whole
    return start, end


def _participants(
    meeting: Meeting, capabilities: Capabilities, route: Route, findings: list[Finding]
) -> tuple[Participant, ...]:
    if route.invite == "none" or not capabilities.invite:
        return ()
    people = [p for p in meeting.participants if route.declined == "keep" or not p.declined]
    missing = sorted({p.role.value for p in people if p.role not in capabilities.roles})
    if missing:
        findings.append(
            Finding("role-unsupported", f"the vendor has no role {', '.join(missing)}: they join as participants")
        )
        people = [p if p.role in capabilities.roles else replace(p, role=Role.PARTICIPANT) for p in people]
    limit = capabilities.limits.participants
    if limit is not None and len(people) > limit:
        findings.append(
            Finding("participants-cut", f"the vendor takes {limit} participants: {len(people) - limit} are left out")
        )
        people = sorted(people, key=lambda p: p.role is not Role.MODERATOR)[:limit]
    return tuple(sorted(people, key=lambda p: p.email))
