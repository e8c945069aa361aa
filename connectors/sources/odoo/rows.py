"""Rows of `calendar.event` and `calendar.attendee` as meetings and participants. No request is made here.

Every empty field is `false`. Times are UTC without saying so. Up to 13 an occurrence of a series is a row with a
virtual id (`2-20261202090000`: the series' record and the occurrence's start), and one that was changed by itself is a
record that names its series (`recurrent_id`, `recurrent_id_date`); from 14 on each occurrence is a record of its own.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from connectors.sources.crm.api import Record
from connectors.sources.ical.links import conference_links
from connectors.sources.odoo.text import plain_text
from sync.model import Meeting, MeetingKey, Participant, RecurrenceId, Role

ALWAYS = (
    "id",
    "name",
    "start",
    "stop",
    "allday",
    "active",
    "user_id",
    "partner_ids",
    "location",
    "description",
    "privacy",
    "write_date",
)
"""The fields that every version has."""
SOMETIMES = (
    "start_date",
    "stop_date",
    "effective_privacy",
    "videocall_location",
    "recurrent_id",
    "recurrent_id_date",
)
"""Those that only some have."""
ATTENDEE = ("id", "event_id", "partner_id", "email", "state", "common_name", "write_date")
USER = ("name", "login", "email", "tz", "partner_id")
"""The fields that are asked for of `calendar.attendee` and `res.users`."""

MASKED = "Busy"
"""What a meeting is called to those who may not see more of it than that it is there."""
ROBOT = "__system__"
"""The login of the user under whose name Odoo itself acts: no person."""

_ID = re.compile(r"(?P<real>[1-9][0-9]{0,17})(?:-(?P<start>[0-9]{14}))?", re.ASCII)
_ADDRESS = re.compile(r"[^\s@<>,;:\"]+@[^\s@<>,;:\"]+")

Row = Mapping[str, Any]


class Unreadable(ValueError):
    """A row is no meeting; the message is the reason for people."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with an e-mail address, in lower case."""

    email: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """How rows are meant: the source's name, the zone of its days, our own user, the users by id."""

    source: str
    zone: ZoneInfo
    uid: int
    users: Mapping[int, Person | None]
    markup: bool


def record(row: Row, reading: Reading) -> Record:
    """The row as a record; what cannot be read costs itself only."""
    given = row.get("id")
    match = _ID.fullmatch(str(given)) if isinstance(given, int | str) and not isinstance(given, bool) else None
    if match is None:
        return Record("", None, problem="a record has no id that can be read")
    id_, uid = match[0], match["real"]
    try:
        updated = instant(row.get("write_date")) if row.get("write_date") else None
        if not_for_us(row, reading.uid):
            return Record(id_, updated, private=True, uid=uid)
        return Record(id_, updated, meeting=_meeting(row, uid, match["start"], reading))
    except Unreadable as error:
        return Record(id_, None, problem=str(error), uid=uid)


def not_for_us(row: Row, uid: int) -> bool:
    """Whether the meeting is somebody else's private one, or shown without its content."""
    if first(row.get("user_id")) == uid:
        return False
    private = "private" in (row.get("privacy"), row.get("effective_privacy"))
    return private or (row.get("name") == MASKED and not row.get("partner_ids") and not row.get("privacy"))


def _meeting(row: Row, uid: str, virtual: str | None, reading: Reading) -> Meeting:
    recurrence: RecurrenceId = None
    if virtual:
        recurrence = _instant_of(virtual, "%Y%m%d%H%M%S")
    elif row.get("recurrent_id") and row.get("recurrent_id_date"):
        uid, recurrence = str(first(row["recurrent_id"])), instant(row["recurrent_id_date"])
    start, end = _times(row, reading.zone)
    organizer = reading.users.get(first(row.get("user_id")) or 0)
    location, description = text(row.get("location")), text(row.get("description"))
    if reading.markup:
        description = plain_text(description)
    return Meeting(
        MeetingKey(reading.source, uid, recurrence),
        text(row.get("name")),
        start,
        end,
        organizer=organizer.email if organizer else "",
        organizer_name=organizer.name if organizer else "",
        description=description,
        location=location,
        all_day=bool(row.get("allday")),
        cancelled=row.get("active") is False,
        conference_links=conference_links([text(row.get("videocall_location"))], [location, description]),
    )


def _times(row: Row, zone: ZoneInfo) -> tuple[datetime, datetime]:
    if not row.get("allday"):
        return instant(row.get("start")), instant(row.get("stop"))
    first_day = _day(row.get("start_date") or row.get("start"))
    last_day = _day(row.get("stop_date") or row.get("stop"))
    try:
        return _midnight(first_day, zone), _midnight(last_day + timedelta(days=1), zone)
    except OverflowError:
        raise Unreadable("its day is beyond the calendar") from None


def people(rows: Iterable[Row]) -> dict[int, dict[str, Participant]]:
    """The participants with an address, by event and address; of several rows of one address one that did not
    decline."""
    found: dict[int, dict[str, Participant]] = {}
    for row in rows:
        event, email = first(row.get("event_id")), address(row.get("email"))
        if event is None or not email:
            continue
        name = text(row.get("common_name")) or _called(row.get("partner_id"))
        one = Participant(email, "" if name.lower() == email else name, declined=row.get("state") == "declined")
        there = found.setdefault(event, {})
        if email not in there or there[email].declined:
            there[email] = one
    return found


def with_organizer(participants: Mapping[str, Participant], organizer: Person | None) -> tuple[Participant, ...]:
    """The participants, and the organizer as a moderator, listed or not."""
    if organizer is None:
        return tuple(participants.values())
    listed = participants.get(organizer.email, Participant(organizer.email))
    moderator = Participant(organizer.email, listed.name or organizer.name, Role.MODERATOR, declined=listed.declined)
    return tuple({**participants, organizer.email: moderator}.values())


def person(row: Row) -> Person | None:
    """A user, None without an address, and for Odoo's own one."""
    login = text(row.get("login"))
    email = address(row.get("email")) or address(login)
    return Person(email, text(row.get("name"))) if email and login != ROBOT else None


def address(value: object) -> str:
    """The first e-mail address of a field, in lower case, "" when there is none (`"Ada" <ada@client.example>`)."""
    match = _ADDRESS.search(value) if isinstance(value, str) else None
    return match[0].lower() if match else ""


def first(value: object) -> int | None:
    """The id in a field that points to a record: `[2, "Administrator"]`, or the bare number."""
    if isinstance(value, list | tuple) and value:
        value = value[0]
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def text(value: object) -> str:
    """A text; `false` is none."""
    return value.strip() if isinstance(value, str) else ""


def instant(value: object) -> datetime:
    """`2026-12-01 09:00:00`, UTC. Raises Unreadable."""
    if not isinstance(value, str):
        raise Unreadable("a time is missing")
    return _instant_of(value.strip().partition(".")[0], "%Y-%m-%d %H:%M:%S")


def stamp(moment: datetime) -> str:
    """The inverse of `instant`, without fractions of a second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def _instant_of(value: str, form: str) -> datetime:
    try:
        return datetime.strptime(value, form).replace(tzinfo=UTC)
    except ValueError:
        raise Unreadable(f"{value[:40]!r} is not a time") from None


def _day(value: object) -> date:
    if not isinstance(value, str):
        raise Unreadable("a day is missing")
    try:
        return date.fromisoformat(value[:10])
    except ValueError:
        raise Unreadable(f"{value[:40]!r} is not a day") from None


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _called(value: object) -> str:
    """The name beside the id in a field that points to a record."""
    return text(value[1]) if isinstance(value, list | tuple) and len(value) > 1 else ""
