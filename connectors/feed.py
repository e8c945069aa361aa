"""A route's published feed as an iCalendar file (RFC 5545, RFC 7986).

Every meeting stands alone: an occurrence of a series is a VEVENT with a RECURRENCE-ID and there is no master, because
each occurrence may have a session of its own. Nothing in the text depends on when it is written, so that an unchanged
feed is the same to the byte.
"""

import asyncio
import re
from collections.abc import Sequence
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

from icalendar import Calendar, Event
from icalendar.prop import vDuration, vText, vUri

from connectors.archive.local import LocalArchive
from sync.errors import ArchiveError
from sync.ports import Published, Stored

REFRESH = timedelta(minutes=5)
"""How often a client is asked to look at the feed."""

_PRODUCT = "-//convener//published feed//EN"
_FILE_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,95}\.ics")
# RFC 5545 section 3.1 allows no CONTROL but the tab; C1 controls and lone surrogates are no text either.
_NO_TEXT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_LINE_END = re.compile(r"\r\n?")
_WEB_ADDRESS = re.compile("https?://[^\\s\\\\\x00-\x20\x7f-\x9f\ud800-\udfff]+", re.IGNORECASE)
_ESCAPES = str.maketrans({"\\": "\\\\", ";": "\\;", ",": "\\,", "\n": "\\n"})


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
    calendar.add("name", _text(name))  # RFC 7986 section 5.1, and what clients read that are older than that
    calendar.add("x-wr-calname", _text(name))
    # RFC 7986 section 5.7 wants the VALUE to be there. Outlook reads the other one.
    calendar.add("refresh-interval", vDuration(REFRESH), parameters={"VALUE": "DURATION"})
    calendar.add("x-published-ttl", vDuration(REFRESH))
    foot = b"END:VCALENDAR\r\n"
    return calendar.to_ical().removesuffix(foot), foot


def event_text(meeting: Published) -> bytes:
    """One meeting (RFC 5545 section 3.6.1), without the people: whoever has the feed need not know them."""
    event = Event()
    event.add("uid", _text(meeting.key.uid))
    if meeting.key.recurrence_id is not None:
        event.add("recurrence-id", meeting.key.recurrence_id)
    event.add("dtstamp", meeting.changed_at)
    event.add("last-modified", meeting.changed_at)
    event.add("sequence", meeting.sequence)
    event.add("dtstart", meeting.start)
    if meeting.end > meeting.start:  # section 3.8.2.2: DTEND is later, and one without it ends when it starts
        event.add("dtend", meeting.end)
    event.add("status", "CONFIRMED")
    event.add("transp", "OPAQUE")
    said = {"summary": meeting.title, "location": meeting.location, "description": meeting.description}
    for name, value in said.items():
        if value:
            event.add(name, _text(value))
    if meeting.join_url and _WEB_ADDRESS.fullmatch(meeting.join_url):
        event.add("url", vUri(meeting.join_url))
        # RFC 7986 section 5.11
        way_in = {"VALUE": "URI", "FEATURE": "VIDEO", "LABEL": "Join"}
        event.add("conference", vUri(meeting.join_url), parameters=way_in)
    text: bytes = event.to_ical()
    return text


class _Text(vText):
    """TEXT (RFC 5545 section 3.3.11). The library's own escaping takes a backslash before an N for a line break, and
    `C:\\New` would come out as two lines."""

    def to_ical(self) -> bytes:
        return str(self).translate(_ESCAPES).encode()


def _text(value: str) -> _Text:
    """The text with line ends as LF and without what may not stand in a calendar."""
    return _Text(_NO_TEXT.sub("", _LINE_END.sub("\n", value)))
