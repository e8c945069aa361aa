"""Feeds as text, read without any transport."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from connectors.sources.ical.feed import Reader
from connectors.sources.ical.settings import IcalSettings
from connectors.sources.ical.text import open_feed
from sync.model import Meeting, MeetingKey, Window
from sync.snapshot import Rejected

WINDOW = Window(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 31, tzinfo=UTC))
STAMP = "20261101T000000Z"


def event(*lines: str, uid: str = "a", start: str = ":20261201T090000Z", end: str | None = ":20261201T100000Z") -> str:
    parts = ["BEGIN:VEVENT", f"UID:{uid}", f"DTSTART{start}"]
    if end is not None:
        parts.append(f"DTEND{end}")
    return "\r\n".join([*parts, *lines, "END:VEVENT"])


def calendar(*parts: str) -> str:
    return "\r\n".join(["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test//EN", *parts, "END:VCALENDAR", ""])


@dataclass(frozen=True)
class Result:
    meetings: list[Meeting]
    rejected: list[Rejected]
    defect: str
    unproved: list[str] = field(default_factory=list)

    @property
    def one(self) -> Meeting:
        assert self.rejected == []
        (meeting,) = self.meetings
        return meeting

    def starts(self, uid: str = "a") -> list[str]:
        """Starts of the meetings that are not cancelled, as `12-01 09:00`."""
        found = [one for one in self.meetings if one.key.uid == uid and not one.cancelled]
        return sorted(one.start.strftime("%m-%d %H:%M") for one in found)

    def said(self) -> list[str]:
        """The codes of all findings."""
        return sorted({finding.code for one in self.meetings for finding in one.findings})

    def printed(self) -> list[str]:
        return sorted(str(one.key) for one in self.meetings)


def settings(**given: object) -> IcalSettings:
    return IcalSettings.model_validate({"type": "ical", "url": "/none", **given})


def reader(**given: object) -> Reader:
    return Reader("s", settings(**given))


def read_with(
    source: Reader, text: str | bytes, known: Iterable[str] = (), window: Window = WINDOW, charset: str = ""
) -> Result:
    body = text.encode() if isinstance(text, str) else text
    feed = open_feed(body, charset)
    reading = source.read(feed, window, [MeetingKey.parse(key) for key in known], {} if feed.defect else None)
    return Result(reading.meetings, reading.rejected, feed.defect, sorted(str(key) for key in reading.unproved))


def read(
    *parts: str, known: Iterable[str] = (), window: Window = WINDOW, head: Iterable[str] = (), **given: object
) -> Result:
    """Read a whole calendar of these parts; `head` are the calendar's own lines."""
    return read_with(reader(**given), calendar(*head, *parts), known, window)
