"""How the OpenMeetings server reads and writes dates, and what it makes of HTML in a description.

Sources: DateParamConverter and CalendarMapper of Apache OpenMeetings. Dates are read by three formats one after the
other, each of which ignores what follows it: everything but `+HHMM` is therefore silently read as the server's own
local time. Descriptions go through an HTML sanitizer from 9.0.0 on; what it gives comes through it unchanged again.
"""

import re
from datetime import UTC, datetime, timedelta, timezone
from html.parser import HTMLParser
from zoneinfo import ZoneInfo

_DAY = r"\s*(\d+)-\s*(\d+)-\s*(\d+)"
_TIME = r"T\s*(\d+):\s*(\d+):\s*(\d+)"
_WITH_OFFSET = re.compile(_DAY + _TIME + r"([+-])(\d{2})(\d{2})")
_LOCAL = re.compile(_DAY + _TIME)
_DATE = re.compile(_DAY)
_WALL = re.compile(_DAY + r" \s*(\d+):\s*(\d+):\s*(\d+)")

_TEXT_ONLY = {"script", "style", "noscript", "iframe", "textarea", "title", "xmp", "noembed", "noframes", "object"}
_INLINE = "b i font s u o sup sub ins del strong strike tt code big small br span em"
_BLOCK = "p div h1 h2 h3 h4 h5 h6 ul ol li blockquote"
_ALLOWED = {*_INLINE.split(), *_BLOCK.split(), "a"}
_IDLE_WITHOUT_ATTRIBUTES = {"a", "font", "span"}
_ESCAPES = str.maketrans(
    {
        "&": "&amp;",
        "<": "&lt;",
        ">": "&gt;",
        '"': "&#34;",
        "'": "&#39;",
        "+": "&#43;",
        "=": "&#61;",
        "@": "&#64;",
        "`": "&#96;",
    }
)


def instant(text: str, zone: ZoneInfo) -> datetime:
    """What the server understands, in UTC: leniently, and by the date alone where no time can be read.

    Raises ValueError for a text that does not begin with a date.
    """
    if match := _WITH_OFFSET.match(text):
        sign = -1 if match[7] == "-" else 1
        offset = sign * timedelta(hours=int(match[8]), minutes=int(match[9]))
        return _lenient(match.groups()[:6]).replace(tzinfo=timezone(offset)).astimezone(UTC)
    match = _LOCAL.match(text) or _DATE.match(text)
    if not match:
        raise ValueError("unparsable date")
    return _local(_lenient(match.groups()), zone)


def wall_instant(text: str, zone: ZoneInfo) -> datetime:
    """`2026-03-19 02:25:12` in the server's zone (invitations), in UTC. Raises ValueError."""
    match = _WALL.match(text)
    if not match:
        raise ValueError("unparsable date")
    return _local(_lenient(match.groups()), zone)


def stamp(moment: datetime, zone: ZoneInfo) -> str:
    """`2021-09-23T11:31:00+1200`, in the server's zone."""
    return moment.astimezone(zone).strftime("%Y-%m-%dT%H:%M:%S%z")


def iso_stamp(moment: datetime, zone: ZoneInfo) -> str:
    """`2021-09-19T10:43:39+12:00`: how recordings write it."""
    return moment.astimezone(zone).isoformat()


def _local(wall: datetime, zone: ZoneInfo) -> datetime:
    """A time that the clock shows twice, or never, is taken for standard time, as Java does."""
    offsets = [wall.replace(tzinfo=zone, fold=fold).utcoffset() or timedelta() for fold in (0, 1)]
    return (wall - min(offsets)).replace(tzinfo=UTC)


def _lenient(fields: tuple[str, ...]) -> datetime:
    year, month, day, hours, minutes, seconds = (*map(int, fields), 0, 0, 0)[:6]
    month -= 1
    first = datetime(year + month // 12, month % 12 + 1, 1)  # noqa: DTZ001 - the caller knows the zone
    return first + timedelta(days=day - 1, hours=hours, minutes=minutes, seconds=seconds)


def sanitised(html: str) -> str:
    """The HTML with its unknown elements dropped and its special characters escaped."""
    sieve = _Sieve()
    sieve.feed(html)
    sieve.close()
    return sieve.result()


class _Sieve(HTMLParser):
    """Keeps common elements, closes what stays open, escapes all text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._out: list[str] = []
        self._open: list[str] = []
        self._hidden = 0

    def result(self) -> str:
        return "".join([*self._out, *(f"</{tag}>" for tag in reversed(self._open))])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _TEXT_ONLY:
            self._hidden += 1
        kept = "".join(
            f' {name}="{value.translate(_ESCAPES)}"' for name, value in attrs if value and _fine(name, value)
        )
        if tag not in _ALLOWED or (tag in _IDLE_WITHOUT_ATTRIBUTES and not kept):
            return
        self._out.append(f"<{tag}{kept} />" if tag == "br" else f"<{tag}{kept}>")
        if tag != "br":
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in _TEXT_ONLY:
            self._hidden = max(self._hidden - 1, 0)
        while tag in self._open:
            closed = self._open.pop()
            self._out.append(f"</{closed}>")
            if closed == tag:
                break

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self._out.append(data.translate(_ESCAPES))


def _fine(name: str, value: str) -> bool:
    return name in ("class", "target") or (name == "href" and value.lower().startswith(("http:", "https:", "mailto:")))
