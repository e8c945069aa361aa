"""A route's published feed as an iCalendar file (RFC 5545, RFC 7986).

Every meeting stands alone: an occurrence of a series is a VEVENT with a RECURRENCE-ID and there is no master, because
each occurrence may have a session of its own. Nothing in the text depends on when it is written, so that an unchanged
feed is the same to the byte.
"""

import asyncio
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from hashlib import sha256
from pathlib import Path

from icalendar import Calendar, Event
from icalendar.prop import vDuration, vUri

from connectors.archive.local import LocalArchive
from connectors.ical_text import ical_text
from sync.errors import ArchiveError
from sync.outlets import Published, Stored

REFRESH = timedelta(minutes=5)
"""How often a client is asked to look at the feed."""

_PRODUCT = "-//convener//published feed//EN"
_FILE_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,95}\.ics")
_WEB_ADDRESS = re.compile("https?://[^\\s\\\\\x00-\x20\x7f-\x9f\ud800-\udfff]+", re.IGNORECASE)


def feed_path(folder: Path, name: str) -> Path:
    """The file of the feed that the configuration calls `name`. Raises ValueError unless it is a plain file name."""
    if _FILE_NAME.fullmatch(name):
        return folder / name
    raise ValueError(
        f"{name[:100]!r} is not a plain file name: only letters, digits, '.', '_' and '-', not a '.' in front, "
        f"'.ics' at the end, 100 characters at most"
    )


class FileFeed:
    """A feed in a file that only the service can read. Implements the port `Feed`; `name` is what clients call it.

    It keeps the text of the meetings that it wrote last, so that a pass costs what changed.
    """

    def __init__(self, path: Path, name: str) -> None:
        self._folder = LocalArchive(path.parent)
        self._file = path.name
        self._name = name
        self._texts: dict[Published, bytes] = {}

    async def write(self, meetings: Sequence[Published]) -> bool:
        """Publish these instead of what was there, at once and whole; whether that changed anything. Raises
        ArchiveError."""
        content = await asyncio.to_thread(self._content, tuple(meetings))
        try:
            if await self._folder.stored(self._file) == Stored(len(content), sha256(content).hexdigest()):
                return False
            await self._folder.write(self._file, content)
        except ArchiveError as error:
            raise ArchiveError(f"feed: {str(error).removeprefix('archive: ')}") from error
        return True

    def _content(self, meetings: tuple[Published, ...]) -> bytes:
        in_order = sorted(meetings, key=lambda one: (one.start, str(one.key)))
        self._texts = {one: self._texts.get(one) or event_text(one) for one in in_order}
        head, foot = calendar_text(self._name)
        return b"".join((head, *self._texts.values(), foot))


def calendar_text(name: str) -> tuple[bytes, bytes]:
    """What stands in front of the meetings and behind them: UTF-8, lines ended by CRLF and folded at 75 octets."""
    calendar = Calendar()
    calendar.add("version", "2.0")
    calendar.add("prodid", _PRODUCT)
    calendar.add("name", ical_text(name))  # RFC 7986 section 5.1, and what clients read that are older than that
    calendar.add("x-wr-calname", ical_text(name))
    # RFC 7986 section 5.7 wants the VALUE to be there. Outlook reads the other one.
    calendar.add("refresh-interval", vDuration(REFRESH), parameters={"VALUE": "DURATION"})
    calendar.add("x-published-ttl", vDuration(REFRESH))
    foot = b"END:VCALENDAR\r\n"
    return calendar.to_ical().removesuffix(foot), foot


def event_text(meeting: Published) -> bytes:
    """One meeting (RFC 5545 section 3.6.1), without the people: whoever has the feed need not know them."""
    event = Event()
    event.add("uid", ical_text(meeting.key.uid))
    if meeting.key.recurrence_id is not None:
        event.add("recurrence-id", meeting.key.recurrence_id)
    event.add("dtstamp", meeting.changed_at)
    event.add("last-modified", meeting.changed_at)
    event.add("sequence", meeting.sequence)
    start, end = _times(meeting)
    event.add("dtstart", start)
    if end > start:  # section 3.8.2.2: DTEND is later, and one without it ends when it starts
        event.add("dtend", end)
    event.add("status", "CONFIRMED")
    event.add("transp", "OPAQUE")
    said = {"summary": meeting.title, "location": meeting.location, "description": meeting.description}
    for name, value in said.items():
        if value:
            event.add(name, ical_text(value))
    if meeting.join_url and _WEB_ADDRESS.fullmatch(meeting.join_url):
        event.add("url", vUri(meeting.join_url))
        # RFC 7986 section 5.11
        way_in = {"VALUE": "URI", "FEATURE": "VIDEO", "LABEL": "Join"}
        event.add("conference", vUri(meeting.join_url), parameters=way_in)
    text: bytes = event.to_ical()
    return text


def _times(meeting: Published) -> tuple[date, date]:
    """Start and end: whole days of an all-day series as DATE, everything else as UTC date-times.

    Section 3.8.4.4 wants RECURRENCE-ID to be of the type that DTSTART has in the series, so it is a DATE for every
    instance of an all-day series. An instance that was moved to an hour of its own has a date-time for its start all
    the same, as it has in the calendar that it comes from: there the series' master is a DATE, too. Other parsers and
    our own source find the same key either way, which they would not if the RECURRENCE-ID was made a date-time.
    Days are whole in UTC: in which other zone a day might be meant is not known here.
    """
    known_by_its_day = meeting.key.recurrence_id is not None and not isinstance(meeting.key.recurrence_id, datetime)
    start, end = meeting.start.astimezone(UTC), meeting.end.astimezone(UTC)
    if known_by_its_day and start < end and start.time() == end.time() == time():
        return start.date(), end.date()
    return meeting.start, meeting.end
