"""A time zone as a feed defines it: VTIMEZONE with STANDARD and DAYLIGHT (RFC 5545 section 3.6.5)."""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from connectors.sources.ical.lines import Line, read_lines
from connectors.sources.ical.rules import Budget, Rule, parse_rule
from connectors.sources.ical.values import UTC_ZONE, Unreadable, parse_offset, parse_time

HORIZON = datetime(2100, 1, 1)  # noqa: DTZ001 - a wall clock time
"""Changes of the clocks are computed up to here; later times keep the last offset."""
_EARLIEST = datetime(1900, 1, 1)  # noqa: DTZ001 - a wall clock time
_FIRST = datetime(1, 1, 3)  # noqa: DTZ001 - a wall clock time
_WANTED = frozenset({"TZOFFSETFROM", "TZOFFSETTO", "DTSTART", "RRULE", "RDATE"})
_MARKS = (b"STANDARD", b"DAYLIGHT")


@dataclass(frozen=True, slots=True, order=True)
class _Onset:
    """A change of the clocks: at the instant `utc` (naive) from one offset to another."""

    utc: datetime
    before: timedelta
    to: timedelta


@dataclass(frozen=True, slots=True)
class FeedZone:
    """The zone's changes in order, with the local times (by the clocks before each change) to search by."""

    onsets: tuple[_Onset, ...]
    locals: tuple[datetime, ...]

    def to_utc(self, naive: datetime) -> datetime:
        """See `values.Zone`."""
        index = bisect_right(self.locals, naive) - 1
        onset = self.onsets[max(index, 0)]
        if index < 0 or naive < onset.utc + onset.to:  # before all changes, or in the gap of this one
            return (naive - onset.before).replace(tzinfo=UTC)
        return (naive - onset.to).replace(tzinfo=UTC)

    def to_local(self, instant: datetime) -> datetime:
        """See `values.Zone`."""
        utc = instant.astimezone(UTC).replace(tzinfo=None)
        index = bisect_right(self.onsets, utc, key=lambda onset: onset.utc) - 1
        return utc + (self.onsets[index].to if index >= 0 else self.onsets[0].before)


def read_zone(raw: bytes, budget: Budget) -> FeedZone:
    """The zone of a VTIMEZONE block. Raises Unreadable when it cannot be computed."""
    budget = budget.series()
    onsets = sorted({onset for part in _observances(raw) for onset in _changes(part, budget)})
    if not onsets:
        raise Unreadable("its time zone has neither STANDARD nor DAYLIGHT")
    if all(onset.to == onsets[0].to for onset in onsets):
        onsets = [_Onset(onsets[0].utc, onsets[0].to, onsets[0].to)]  # one offset, at all times
    return FeedZone(tuple(onsets), tuple(onset.utc + onset.before for onset in onsets))


def _observances(raw: bytes) -> Iterator[list[Line]]:
    """The lines of each STANDARD and DAYLIGHT part."""
    upper = raw.upper()
    at = 0
    while True:
        starts = [found for mark in _MARKS if (found := upper.find(b"\nBEGIN:" + mark, at)) >= 0]
        if not starts:
            return
        begin = min(starts)
        ends = [found for mark in _MARKS if (found := upper.find(b"\nEND:" + mark, begin)) >= 0]
        at = min(ends, default=len(raw)) + 1
        yield read_lines(raw[begin:at], _WANTED)


def _changes(lines: list[Line], budget: Budget) -> Iterator[_Onset]:
    named = {line.name: line for line in reversed(lines)}
    if "TZOFFSETTO" not in named or "DTSTART" not in named:
        raise Unreadable("its time zone has a part without TZOFFSETTO or DTSTART")
    to = parse_offset(named["TZOFFSETTO"].value)
    before = parse_offset(named["TZOFFSETFROM"].value) if "TZOFFSETFROM" in named else to
    start = parse_time(named["DTSTART"].value)[0]
    locals_ = {start}
    for line in lines:
        if line.name == "RDATE":
            locals_ |= {parse_time(part.partition("/")[0])[0] for part in line.value.split(",") if part.strip()}
        elif line.name == "RRULE":
            locals_ |= set(_ruled(parse_rule(line.value, start_is_date=False), start, before, budget))
    for local in locals_:
        yield _Onset(max(local, _FIRST) - before, before, to)


def _ruled(rule: Rule, start: datetime, before: timedelta, budget: Budget) -> Iterator[datetime]:
    """The rule's local times. A yearly rule of old begins later: 1601 and 0001 stand for "always"."""
    begin = start
    if (
        start.year < _EARLIEST.year
        and rule.count is None
        and rule.interval == 1
        and (start.month, start.day) != (2, 29)
    ):
        begin = start.replace(year=_EARLIEST.year)
    until = rule.until_utc.replace(tzinfo=None) + before if rule.until_utc else HORIZON
    for local in rule.times(begin, UTC_ZONE, budget, begin):
        if local > min(HORIZON, until):
            return
        yield local
