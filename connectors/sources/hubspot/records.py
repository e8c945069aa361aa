"""A meeting of HubSpot, as a meeting.

Source: developers.hubspot.com, "Meetings" (the properties, all of them text or null in JSON).
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from connectors.sources.crm.api import Record
from connectors.sources.hubspot.texts import text_of
from connectors.sources.ical.links import conference_links
from sync.model import Finding, Meeting, MeetingKey

PROPERTIES = (
    "hs_meeting_title",
    "hs_meeting_start_time",
    "hs_meeting_end_time",
    "hs_timestamp",
    "hs_meeting_body",
    "hs_meeting_location",
    "hs_meeting_outcome",
    "hs_activity_type",
    "hubspot_owner_id",
    "hs_lastmodifieddate",
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CANCELLED = frozenset({"CANCELED", "CANCELLED"})
_OVER = frozenset({"COMPLETED", "NO_SHOW"})


@dataclass(frozen=True, slots=True)
class Owner:
    """A user of the account; `email` is lower case."""

    email: str
    name: str


def owner_of(row: Any) -> str:
    """The id of a meeting's owner, "" when it has none."""
    return _text(row.get("properties"), "hubspot_owner_id") if isinstance(row, dict) else ""


def read_record(
    row: Any, source: str, owners: Mapping[str, Owner], rescheduled: Literal["keep", "cancel"] = "keep"
) -> Record:
    """One row of an answer. An archived one is a cancelled meeting that changed when it was archived."""
    if not isinstance(row, dict) or row.get("id") in (None, ""):
        return Record("", None, problem="HubSpot shows a meeting without an id")
    id_, fields = str(row["id"]), row.get("properties")
    if not isinstance(fields, dict):
        return Record(id_, None, problem="HubSpot shows none of its properties")
    archived = bool(row.get("archived"))
    updated = _updated(row, fields)
    try:
        start = _instant(fields.get("hs_meeting_start_time")) or _instant(fields.get("hs_timestamp"))
        end = _instant(fields.get("hs_meeting_end_time"))
    except (ValueError, OverflowError) as error:
        return Record(id_, updated, problem=str(error))
    if start is None:
        return Record(id_, updated, problem="it has no start")
    outcome = _text(fields, "hs_meeting_outcome").upper()
    owner = owners.get(owner_of(row))
    description, location = text_of(_text(fields, "hs_meeting_body")), _text(fields, "hs_meeting_location")
    activity = _text(fields, "hs_activity_type")
    meeting = Meeting(
        key=MeetingKey(source, id_),
        title=_text(fields, "hs_meeting_title"),
        start=start,
        end=start if end is None else end,
        organizer=owner.email if owner else "",
        organizer_name=owner.name if owner else "",
        description=description,
        location=location,
        categories=(activity,) if activity else (),
        cancelled=archived or _off(outcome, start, updated, rescheduled),
        conference_links=conference_links((), (location, description)),
        findings=_findings(outcome, owner, owner_of(row), rescheduled),
    )
    return Record(id_, updated, meeting)


def _updated(row: dict[str, Any], fields: dict[str, Any]) -> datetime | None:
    """The stamp of the last change, None when there is none that can be read."""
    stamps = (
        row.get("archivedAt") if row.get("archived") else None,
        fields.get("hs_lastmodifieddate"),
        row.get("updatedAt"),
    )
    for stamp in stamps:
        with suppress(ValueError, OverflowError):
            if (moment := _instant(stamp)) is not None:
                return moment
    return None


def address_of(value: Any) -> str:
    """An e-mail address in lower case, "" when it is none that mail could go to."""
    text = value.strip().lower() if isinstance(value, str) else ""
    local, at, host = text.partition("@")
    plain = not any(sign.isspace() or sign in '<>,;:"@' for sign in local + host)
    return text if local and at and host and plain else ""


def name_of(*parts: Any) -> str:
    """First and last name as one, "" when there is neither."""
    return " ".join(word for part in parts if isinstance(part, str) for word in part.split())


def _off(outcome: str, start: datetime, updated: datetime | None, rescheduled: str) -> bool:
    """Whether the meeting will not take place. What was declared over before it began is not waited for; one that is
    over afterwards is left as it was."""
    if outcome in _OVER:
        return updated is not None and updated < start
    return outcome in _CANCELLED or (outcome == "RESCHEDULED" and rescheduled == "cancel")


def _findings(outcome: str, owner: Owner | None, owner_id: str, rescheduled: str) -> tuple[Finding, ...]:
    findings = []
    if outcome == "RESCHEDULED" and rescheduled == "keep":
        message = "its outcome in the CRM is RESCHEDULED: it stays a meeting at the time that it has there"
        findings.append(Finding("outcome-rescheduled", message))
    if owner_id and owner is None:
        message = "its owner in the CRM is no active user with an e-mail address: it has no organizer"
        findings.append(Finding("owner-unknown", message))
    return tuple(findings)


def _text(fields: Any, name: str) -> str:
    value = fields.get(name) if isinstance(fields, dict) else None
    return "" if value is None else str(value).strip()


def _instant(value: Any) -> datetime | None:
    """ISO 8601 (without a zone: UTC), or milliseconds since 1970; None for nothing. Raises ValueError."""
    text = "" if value is None else str(value).strip()
    if not text:
        return None
    if text.lstrip("-").isdigit():
        return _EPOCH + timedelta(milliseconds=int(text))
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{text[:40]!r} is no time") from None
