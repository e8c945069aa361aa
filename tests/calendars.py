"""Calendars for tests: entries as data, written as iCalendar text."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tests.clock import START


@dataclass(frozen=True)
class Entry:
    """One VEVENT; `people` are (email, ROLE) pairs, `extra` further lines."""

    uid: str
    start: datetime
    minutes: int = 60
    title: str = "Meeting"
    organizer: str = "mara@example.com"
    people: tuple[tuple[str, str], ...] = (("jon@example.com", "REQ-PARTICIPANT"),)
    cancelled: bool = False
    extra: tuple[str, ...] = ()

    def but(self, **changes: object) -> "Entry":
        return replace(self, **changes)  # type: ignore[arg-type]

    def lines(self, stamp: datetime) -> list[str]:
        title = self.title.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,").replace("\n", "\\n")
        return [
            "BEGIN:VEVENT",
            f"UID:{self.uid}",
            f"DTSTAMP:{stamp:%Y%m%dT%H%M%SZ}",
            f"DTSTART:{self.start:%Y%m%dT%H%M%SZ}",
            f"DTEND:{self.start + timedelta(minutes=self.minutes):%Y%m%dT%H%M%SZ}",
            f"SUMMARY:{title}",
            *([f"ORGANIZER:mailto:{self.organizer}"] if self.organizer else []),
            *(f"ATTENDEE;ROLE={role}:mailto:{email}" for email, role in self.people),
            *(["STATUS:CANCELLED"] if self.cancelled else []),
            *self.extra,
            "END:VEVENT",
        ]


def calendar(entries: Iterable[Entry], stamp: datetime = START) -> str:
    """The whole text, CRLF."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test//EN"]
    for entry in entries:
        lines += entry.lines(stamp)
    return "\r\n".join([*lines, "END:VCALENDAR", ""])


def entries(number: int, *, first: datetime = START + timedelta(days=1)) -> dict[str, Entry]:
    """So many meetings, one every three hours."""
    return {
        f"m{n}": Entry(f"m{n}@example.com", first + timedelta(hours=3 * n), title=f"Meeting {n}") for n in range(number)
    }
