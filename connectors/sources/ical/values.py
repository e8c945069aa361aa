"""The values of RFC 5545 section 3.3 that meetings are made of: dates and times with their zone, durations.

Everything happens on naive local time; the zone is attached last (`to_utc`), so that a rule means the same wall
clock time on both sides of a change to summer time.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

_TIME = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d)?(Z?))?", re.IGNORECASE | re.ASCII)
_DURATION = re.compile(
    r"([+-]?)P(?=.)(?:(\d{1,6})W)?(?:(\d{1,7})D)?(?:T(?=.)(?:(\d{1,8})H)?(?:(\d{1,9})M)?(?:(\d{1,10})S)?)?",
    re.IGNORECASE | re.ASCII,
)


class Unreadable(ValueError):
    """An entry cannot be read as a meeting; the message is the reason for people."""


class Zone(Protocol):
    """Turns local time into instants; local times in a gap take the offset before it, repeated ones the first."""

    def to_utc(self, naive: datetime) -> datetime:
        """The instant (aware, UTC) at which this zone's clocks show `naive`."""
        ...

    def to_local(self, instant: datetime) -> datetime:
        """What this zone's clocks show (naive) at `instant`."""
        ...


@dataclass(frozen=True, slots=True)
class TableZone:
    """A zone of the IANA database (PEP 495: with fold=0 a gap has the offset before it)."""

    info: ZoneInfo

    def to_utc(self, naive: datetime) -> datetime:
        """See `Zone`."""
        return naive.replace(tzinfo=self.info).astimezone(UTC)

    def to_local(self, instant: datetime) -> datetime:
        """See `Zone`."""
        return instant.astimezone(self.info).replace(tzinfo=None, fold=0)


@dataclass(frozen=True, slots=True)
class FixedZone:
    """A zone that always has the same offset from UTC."""

    offset: timedelta = timedelta(0)

    def to_utc(self, naive: datetime) -> datetime:
        """See `Zone`."""
        return (naive - self.offset).replace(tzinfo=UTC)

    def to_local(self, instant: datetime) -> datetime:
        """See `Zone`."""
        return (instant.astimezone(UTC) + self.offset).replace(tzinfo=None)


UTC_ZONE = FixedZone()


@dataclass(frozen=True, slots=True)
class Stamp:
    """A DATE or DATE-TIME as written: wall clock time (midnight for a DATE) and the zone it is meant in.

    `floating` tells that the text named no zone, so `zone` is the feed's or the source's default.
    """

    naive: datetime
    zone: Zone
    is_date: bool = False
    floating: bool = False

    @property
    def utc(self) -> datetime:
        """The instant, aware."""
        return self.zone.to_utc(self.naive)

    def in_zone(self, zone: Zone) -> "Stamp":
        """This stamp, read in `zone` when it names none itself."""
        return Stamp(self.naive, zone, self.is_date, self.floating) if self.floating else self


@dataclass(frozen=True, slots=True)
class Length:
    """How long something lasts: `days` follow the calendar (nominal), `exact` is elapsed time."""

    days: int = 0
    exact: timedelta = timedelta(0)

    def after(self, start: Stamp) -> datetime:
        """The instant this long after `start`."""
        begin = start.naive + timedelta(days=self.days) if self.days else start.naive
        return start.zone.to_utc(begin) + self.exact

    @property
    def roughly(self) -> timedelta:
        """An upper bound on the elapsed time (a day may last 25 hours, a zone may jump further)."""
        return timedelta(days=self.days) + self.exact + (timedelta(days=1) if self.days else timedelta(0))


def parse_time(text: str) -> tuple[datetime, bool, bool]:
    """The naive time in `text`, whether it is a DATE, and whether it ends in Z. Raises Unreadable."""
    match = _TIME.fullmatch(text.strip())
    if not match:
        raise Unreadable(f"{text.strip()[:40]!r} is not a date or time")
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    try:
        naive = datetime(year, month, day, hour, minute, min(second, 59))  # noqa: DTZ001 - a wall clock time
    except ValueError as error:
        raise Unreadable(f"{text.strip()[:40]!r} is not a date or time ({error})") from error
    return naive, match[4] is None, bool(match[7])


def parse_duration(text: str) -> Length:
    """A DURATION (RFC 5545 section 3.3.6): weeks and days nominal, the rest exact. Raises Unreadable."""
    match = _DURATION.fullmatch(text.strip())
    if not match:
        raise Unreadable(f"{text.strip()[:40]!r} is not a duration")
    weeks, days, hours, minutes, seconds = (int(part or 0) for part in match.groups()[1:])
    sign = -1 if match[1] == "-" else 1
    return Length(sign * (weeks * 7 + days), sign * timedelta(hours=hours, minutes=minutes, seconds=seconds))


def parse_offset(text: str) -> timedelta:
    """A UTC-OFFSET such as +0100 or -053000 (RFC 5545 section 3.3.14). Raises Unreadable."""
    match = re.fullmatch(r"([+-]?)(\d\d):?(\d\d):?(\d\d)?", text.strip(), re.ASCII)
    if not match:
        raise Unreadable(f"{text.strip()[:40]!r} is not an offset from UTC")
    size = timedelta(hours=int(match[2]), minutes=int(match[3]), seconds=int(match[4] or 0))
    if size >= timedelta(days=1):
        raise Unreadable(f"{text.strip()[:40]!r} is not an offset from UTC")
    return -size if match[1] == "-" else size


def midnight(day: date) -> datetime:
    """The naive start of a day."""
    return datetime(day.year, day.month, day.day)  # noqa: DTZ001 - a wall clock time
