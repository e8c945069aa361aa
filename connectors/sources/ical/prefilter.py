"""Which entries are so far from the window that they need not be parsed, read off their text alone.

Whatever is written in an unusual way counts as near.
"""

import re
from datetime import date, timedelta

from sync.model import Window

_NEAR = timedelta(days=3)
"""What is nearer to the window than this is parsed; zones and all-day ends shift by less."""

_DAYS = re.compile(rb"\nDT(START|END)[;:][^\n]{0,200}?(\d{4})(\d\d)(\d\d)(?:T\d{6}Z?)?\r?(?=\n[^ \t])")
_SPECIAL = re.compile(rb"\n(?i:(RRULE)|(DURATION)|RDATE|RECURRENCE-ID)")
_UNTIL = re.compile(rb"\nRRULE[^\n]*[;:]UNTIL=(\d{4})(\d\d)(\d\d)[^\n]*(?=\n[^ \t])")
_DURATION = re.compile(
    rb"\nDURATION[^\n:]*:P(?:(\d{1,3})W)?(?:(\d{1,3})D)?"
    rb"(?:T(?:(\d{1,4})H)?(?:(\d{1,6})M)?(?:(\d{1,8})S)?)?[ \t\r]*(?=\n[^ \t])"
)


def may_matter(raw: bytes, window: Window) -> bool:
    """False only for the block of a UID's only entry whose days are clearly outside of the window: a series too, when
    it begins later or its UNTIL is over."""
    days: dict[bytes, date] = {}
    try:
        for name, year, month, day in _DAYS.findall(raw):
            days.setdefault(name, date(int(year), int(month), int(day)))
        start = days.get(b"START")
        if start is None or (b"END" not in days and b"DTEND" in raw.upper()):
            return True
        end = days.get(b"END", start)
        if end < start or (start - window.end.date() <= _NEAR and window.start.date() - end <= _NEAR):
            return True
        special = _SPECIAL.findall(raw)
        if not special:
            return False
        rules, durations = (sum(bool(pair[part]) for pair in special) for part in (0, 1))
        if rules + durations < len(special):
            return True  # it has dates that may be anywhere
        if start > window.end.date():
            return False
        return window.start.date() - _last(raw, start, rules) <= max(end - start, _longest(raw, durations)) + _NEAR
    except ValueError:
        return True


def _longest(raw: bytes, number: int) -> timedelta:
    """The longest of so many durations, those of alarms included. Raises ValueError."""
    found = _DURATION.findall(raw)
    if len(found) != number:
        raise ValueError("a duration is written in an unusual way")
    lengths = [[int(part or 0) for part in parts] for parts in found]
    return max((timedelta(7 * w + d, s, 0, 0, m, h) for w, d, h, m, s in lengths), default=timedelta(0))


def _last(raw: bytes, start: date, number: int) -> date:
    """The day of the last start by so many rules. Raises ValueError."""
    found = _UNTIL.findall(raw) if number else []
    if len(found) != number:
        return date.max
    return max([start, *(date(*map(int, parts)) for parts in found)])
