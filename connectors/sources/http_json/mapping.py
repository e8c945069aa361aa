"""One item of an answer as a record, one as a participant. Pure."""

import re
from datetime import datetime, timedelta
from typing import Any

from connectors.sources.crm.api import Record
from connectors.sources.http_json.expressions import Unanswerable, search, truth
from connectors.sources.http_json.lines import artifact_lines, without_artifacts
from connectors.sources.http_json.profile import PersonMap
from connectors.sources.http_json.settings import HttpJsonSettings
from connectors.sources.http_json.templates import USABLE_ID
from connectors.sources.http_json.times import (
    DEFAULT_LENGTH,
    is_null,
    read_day,
    read_instant,
    read_length,
    read_parts,
    zone_of,
)
from connectors.sources.ical.links import conference_links
from sync.model import Finding, Meeting, MeetingKey, Participant, Role

LONGEST_TEXT = 100_000
"""Characters."""
MOST_PEOPLE = 5_000

_ADDRESS = re.compile(r"[^\s@<>,;:\"]{1,200}@[^\s@<>,;:\"]{1,200}")
_ESSENTIAL = ("id", "start", "end")


class _Problem(ValueError):
    """Why an item is no meeting, in words."""


class Mapper:
    """Maps the items of the source `name`."""

    def __init__(self, name: str, settings: HttpJsonSettings) -> None:
        self.name = name
        self.settings = settings
        self._noted = artifact_lines(settings)

    def record(self, item: Any, now: datetime) -> Record:
        """The item as a record; what is wrong with it is its problem."""
        id_ = identity(self._found("id", item))
        if not id_:
            return Record("", None, problem="the id is null: see map.id")
        updated = self._updated(item)
        if not USABLE_ID.fullmatch(id_):
            return Record(id_, updated, problem="its id holds characters that cannot be asked for")
        if self._holds("private", item):
            return Record(id_, updated, private=True)
        try:
            meeting = self._meeting(id_, item)
        except _Problem as error:
            return Record(id_, updated, problem=str(error))
        if meeting.start - now > self.settings.limits.horizon:
            days = self.settings.limits.horizon.days
            return Record(id_, updated, problem=f"it starts more than {days} days from now (limits.horizon)")
        return Record(id_, updated, meeting)

    def missing(self, item: Any) -> list[str]:
        """Which of id, start and end the map gives nothing for."""
        days = self._holds("all_day", item) and self.settings.map.all_day_start is not None
        parts = self.settings.map.time.format == "parts"
        names = ("id",) if days else ("id", "time.date") if parts else _ESSENTIAL
        return [name for name in names if self._value(self._expression(name), item) is None]

    def person(self, item: Any, table: PersonMap) -> Participant | None:
        """The item as a participant, None without an address that can be used."""
        email = self._text(table.email, item).strip().lower()
        if not _ADDRESS.fullmatch(email):
            return None
        role = self._text(table.role, item).strip().lower()
        return Participant(
            email,
            " ".join(self._text(table.name, item).split()),
            Role(role) if role in tuple(Role) else Role.PARTICIPANT,
            self._text(table.language, item).strip() or None,
            table.declined is not None and truth(table.declined, item),
        )

    def people_of(self, item: Any) -> tuple[Participant, ...]:
        """The people that the record itself names."""
        found: list[Participant] = []
        for table in self.settings.attendees.values():
            if not table.path and table.people is not None:
                rows = self._value(table.people, item)
                people = [self.person(row, table.map) for row in rows] if isinstance(rows, list) else []
                found += [person for person in people if person is not None]
        return merged_people(found)

    def _meeting(self, id_: str, item: Any) -> Meeting:
        findings: list[Finding] = []
        start, end, all_day = self._times(item, findings)
        if end < start:
            raise _Problem("it ends before it starts")
        description = without_artifacts(self._text_of("description", item).strip(), self._noted).strip()
        location = self._text_of("location", item).strip()
        organizer = self._text_of("organizer", item).strip().lower()
        return Meeting(
            key=MeetingKey(self.name, id_),
            title=" ".join(self._text_of("subject", item).split()),
            start=start,
            end=end,
            participants=self.people_of(item),
            organizer=organizer if _ADDRESS.fullmatch(organizer) else "",
            organizer_name=" ".join(self._text_of("organizer_name", item).split()),
            description=description,
            location=location,
            categories=self._categories(item),
            all_day=all_day,
            tentative=self._holds("tentative", item),
            cancelled=self._holds("cancelled", item),
            conference_links=conference_links([self._text_of("link", item)], [location, description]),
            findings=tuple(findings),
        )

    def _times(self, item: Any, findings: list[Finding]) -> tuple[datetime, datetime, bool]:
        """Start, end, and whether it is a matter of days."""
        table = self.settings.map
        zone = zone_of(table.time.zone or self.settings.timezone)
        all_day = self._holds("all_day", item)
        if all_day and table.all_day_start is not None:
            first = self._essential("all_day_start", item)
            last = self._found("all_day_end", item)
            last = first if last is None else last
            return self._day("all_day_start", first, 0), self._day("all_day_end", last, 1), True
        if table.time.format != "parts":
            start = self._instant("start", self._essential("start", item))
            return start, self._instant("end", self._essential("end", item)), all_day
        day, clock = self._essential("time.date", item), self._found("time.time", item)
        if clock is None:
            return self._day("time.date", day, 0), self._day("time.date", day, 1), True
        try:
            start = read_parts(day, clock, zone)
            length = self._found("time.duration", item) if table.time.duration is not None else None
            span = read_length(length) if length is not None else timedelta(0)
            end = start + span
        except (ValueError, OverflowError) as error:
            raise _Problem("date, time or duration cannot be read (see map.time)") from error
        if not span:
            findings.append(Finding("duration-assumed", "the record has no duration: the session gets 30 minutes"))
            end = start + DEFAULT_LENGTH
        return start, end, False

    def _essential(self, name: str, item: Any) -> Any:
        value = self._found(name, item)
        if value is None:
            raise _Problem(f"{name} is null: see map.{name}")
        return value

    def _instant(self, name: str, value: Any) -> datetime:
        time = self.settings.map.time
        try:
            return read_instant(value, time.format, zone_of(time.zone or self.settings.timezone))
        except ValueError as error:
            raise _Problem(f"{name} is not a time as map.time says ({time.format})") from error

    def _day(self, name: str, value: Any, after: int) -> datetime:
        try:
            return read_day(value, zone_of(self.settings.timezone), after=after)
        except ValueError as error:
            raise _Problem(f"{name} is not a date") from error

    def _updated(self, item: Any) -> datetime | None:
        time = self.settings.map.time
        form = time.updated or (time.format if time.format != "parts" else "iso")
        value = self._found("updated", item)
        try:
            return None if value is None else read_instant(value, form, zone_of(time.zone or "UTC"))
        except ValueError:
            return None

    def _categories(self, item: Any) -> tuple[str, ...]:
        value = self._found("categories", item)
        values = value if isinstance(value, list) else [value]
        return tuple(one.strip() for one in values if isinstance(one, str) and one.strip())

    def _expression(self, name: str) -> str | None:
        table: Any = self.settings.map
        for part in name.split("."):
            table = getattr(table, part)
        return table if isinstance(table, str) else None

    def _found(self, name: str, item: Any) -> Any:
        return self._value(self._expression(name), item)

    def _holds(self, name: str, item: Any) -> bool:
        expression = self._expression(name)
        return expression is not None and truth(expression, item)

    def _text_of(self, name: str, item: Any) -> str:
        return self._text(self._expression(name), item)

    def _text(self, expression: str | None, item: Any) -> str:
        return as_text(self._value(expression, item))

    def _value(self, expression: str | None, item: Any) -> Any:
        """What is found, None for what means nothing."""
        if expression is None:
            return None
        try:
            value = search(expression, item)
        except Unanswerable:
            return None
        return None if is_null(value, self.settings.map.time.null) else value


def as_text(value: Any) -> str:
    """A text or a number as a text, "" for anything else."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    return value[:LONGEST_TEXT] if isinstance(value, str) else ""


def identity(value: Any) -> str:
    """An id as a text, "" for what cannot be one."""
    return as_text(value).strip() if not isinstance(value, float) else ""


def merged_people(people: list[Participant]) -> tuple[Participant, ...]:
    """Each address once, as it came first; whoever is anywhere a moderator is one."""
    found: dict[str, Participant] = {}
    for person in people[:MOST_PEOPLE]:
        if person.email not in found or (person.role is Role.MODERATOR and found[person.email].role is not person.role):
            found[person.email] = person
    return tuple(found.values())
