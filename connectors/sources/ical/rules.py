"""Recurrence rules (RFC 5545 section 3.3.10) on naive local time, with a budget that no rule can escape.

dateutil makes the occurrences. It has no guard of its own: a rule that never matches keeps it busy inside one call
for ever. Every turn of its loops adds or multiplies the interval, so the interval is replaced by a number that pays
for each such use out of a `Budget` and raises when that is spent.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from dateutil import rrule as dateutil_rules
from icalendar.prop import vRecur

from connectors.sources.ical.values import Stamp, Unreadable, Zone, midnight, parse_time

SERIES_STEPS = 200_000
FEED_STEPS = 5_000_000
LEAST_STEPS = 1_000
"""What every series may use even when others have spent the feed's budget: one bad event stops no others."""
MOST_DEBT = 3 * FEED_STEPS
"""What all series together may use that way: a feed that is bad throughout takes no hours either."""
LONGEST_RULE = 8192
"""Characters of one rule; 366 places in a year take a fifth of it."""

_FREQUENCIES = {name: number for number, name in enumerate(dateutil_rules.FREQNAMES)}
_NUMBERS = {
    "BYSETPOS": ("bysetpos", 1, 366, True),
    "BYMONTH": ("bymonth", 1, 12, False),
    "BYMONTHDAY": ("bymonthday", 1, 31, True),
    "BYYEARDAY": ("byyearday", 1, 366, True),
    "BYWEEKNO": ("byweekno", 1, 53, True),
    "BYHOUR": ("byhour", 0, 23, False),
    "BYMINUTE": ("byminute", 0, 59, False),
    "BYSECOND": ("bysecond", 0, 59, False),
}
_PLAIN = frozenset({"FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST", "BYDAY", "RSCALE", "SKIP"})
_PERIODS = {
    dateutil_rules.WEEKLY: timedelta(weeks=1),
    dateutil_rules.DAILY: timedelta(days=1),
    dateutil_rules.HOURLY: timedelta(hours=1),
    dateutil_rules.MINUTELY: timedelta(minutes=1),
    dateutil_rules.SECONDLY: timedelta(seconds=1),
}
_YEARLY_COST, _MONTHLY_COST, _WEEKLY_COST = 16, 4, 2
"""Steps that one period counts for: a year's days are looked at one by one."""


class BudgetSpent(Unreadable):
    """A rule needs more steps than it may take."""


@dataclass(slots=True)
class Budget:
    """Steps left for one series, and for the feed that it belongs to."""

    feed: list[int] = field(default_factory=lambda: [FEED_STEPS])
    left: int = SERIES_STEPS

    def series(self) -> "Budget":
        """A fresh allowance for the next series of the same feed."""
        least = LEAST_STEPS if self.feed[0] > -MOST_DEBT else 0
        return Budget(self.feed, min(SERIES_STEPS, max(least, self.feed[0])))

    def take(self, steps: int) -> None:
        """Pay. Raises BudgetSpent."""
        self.left -= steps
        self.feed[0] -= steps
        if self.left < 0:
            raise BudgetSpent("its recurrence rule takes too long to follow (it may never match)")


class _CountedInterval(int):
    """The interval of a rule; each use of it in dateutil's loops is paid for."""

    budget: Budget
    cost: int

    def __radd__(self, other: int) -> int:
        self.budget.take(self.cost)
        return other + int(self)

    def __add__(self, other: int) -> int:
        self.budget.take(self.cost)
        return int(self) + other

    def __mul__(self, other: int) -> int:
        self.budget.take(self.cost)
        return int(self) * other

    __rmul__ = __mul__


@dataclass(frozen=True, slots=True)
class Rule:
    """A readable RRULE or EXRULE. `until` is the last local time; `until_utc` the last instant."""

    frequency: int
    interval: int = 1
    count: int | None = None
    until: datetime | None = None
    until_utc: datetime | None = None
    week_start: int = 0
    parts: tuple[tuple[str, Any], ...] = ()

    def times(self, start: datetime, zone: Zone, budget: Budget, after: datetime) -> Iterator[datetime]:
        """The rule's local times from about `after` on, in order; `start` is DTSTART. Raises BudgetSpent.

        `after` only saves work: a rule without COUNT is entered a whole number of periods later.
        """
        begin = self._fast_forward(start, after)
        try:
            for naive in self._counted(begin, budget):
                budget.take(1)
                if self.until is not None and naive > self.until:
                    return
                if self.until_utc is not None and zone.to_utc(naive) > self.until_utc:
                    return
                if naive >= after:
                    yield naive
        except BudgetSpent:
            raise
        except ValueError as error:
            # dateutil leaves the year 9999 this way, and says that no combination matches
            if "year" in str(error) or "month" in str(error) or "empty" in str(error):
                return
            raise
        except OverflowError:
            return

    @property
    def may_move_with_its_zone(self) -> bool:
        """Whether it names days only, so that it may be followed in another zone than the one it is written in."""
        hours = any(name in ("byhour", "byminute", "bysecond") for name, _ in self.parts)
        return self.frequency <= dateutil_rules.DAILY and not hours

    def ends_before(self, start: Stamp) -> bool:
        """Whether UNTIL lies before `start`: calendars write that for a series of which nothing is left."""
        if self.until_utc is not None:
            return self.until_utc < start.utc
        return self.until is not None and self.until < start.naive

    def _counted(self, begin: datetime, budget: Budget) -> Iterator[datetime]:
        rule = dateutil_rules.rrule(
            self.frequency,  # type: ignore[arg-type]
            dtstart=begin,
            interval=self.interval,
            count=self.count,
            wkst=self.week_start,
            **dict(self.parts),
        )
        interval = _CountedInterval(self.interval)
        interval.budget = budget
        interval.cost = self._cost()
        rule._interval = interval  # type: ignore[attr-defined]
        return iter(rule)

    def _cost(self) -> int:
        sizes = {name: len(value) for name, value in self.parts}
        costs = {
            dateutil_rules.YEARLY: _YEARLY_COST,
            dateutil_rules.MONTHLY: _MONTHLY_COST,
            dateutil_rules.WEEKLY: _WEEKLY_COST,
        }
        base = costs.get(self.frequency, 1)
        moments = 1
        if self.frequency >= dateutil_rules.HOURLY:
            moments = sizes.get("bysecond", 1)
            moments *= sizes.get("byminute", 1) if self.frequency == dateutil_rules.HOURLY else 1
        return base * (1 + sizes.get("bysetpos", 0)) + moments // 4

    def _fast_forward(self, start: datetime, after: datetime) -> datetime:
        period = _PERIODS.get(self.frequency)
        if period is None or self.count is not None or after <= start:
            return start
        step = period * self.interval
        periods = (after - start) // step - 2
        return start + step * periods if periods > 0 else start


def parse_rule(text: str, start_is_date: bool) -> Rule:
    """A RECUR value. Raises Unreadable with the reason: what cannot be followed exactly is never guessed."""
    if len(text) > LONGEST_RULE:
        raise Unreadable(f"its recurrence rule is longer than {LONGEST_RULE} characters")
    clean = re.sub(r"\\([;,])", r"\1", text).replace(" ", "").strip().rstrip(";").upper()
    given = dict(part.partition("=")[::2] for part in clean.split(";") if part)
    unknown = [name for name in given if name not in _PLAIN and name not in _NUMBERS and not name.startswith("X-")]
    if unknown:
        raise Unreadable(f"its recurrence rule has the unknown part {unknown[0][:20]}")
    if given.get("RSCALE", "GREGORIAN") not in ("GREGORIAN", "") or given.get("SKIP", "OMIT") != "OMIT":
        raise Unreadable("its recurrence rule uses RSCALE or SKIP, which cannot be followed")
    until, until_utc = _until(given["UNTIL"], start_is_date) if "UNTIL" in given else (None, None)
    typed = _typed(";".join(f"{name}={value}" for name, value in given.items() if _is_typed(name)))
    if "FREQ" not in typed:
        raise Unreadable("its recurrence rule has no FREQ")
    return Rule(
        _FREQUENCIES[str(typed["FREQ"][0])],
        _at_least_one(typed, "INTERVAL") or 1,
        _at_least_one(typed, "COUNT"),
        until,
        until_utc,
        dateutil_rules.MO.weekday if "WKST" not in typed else _weekday(typed["WKST"][0]).weekday,
        tuple(_parts(typed, start_is_date)),
    )


def _is_typed(name: str) -> bool:
    return name in _NUMBERS or name in ("FREQ", "INTERVAL", "COUNT", "WKST", "BYDAY")


def _typed(text: str) -> dict[str, list[Any]]:
    try:
        return dict(vRecur.from_ical(text))
    except ValueError as error:
        raise Unreadable(f"its recurrence rule cannot be read ({str(error)[:60]})") from error


def _at_least_one(typed: dict[str, list[Any]], name: str) -> int | None:
    if name not in typed:
        return None
    value = int(typed[name][0])
    if value < 1:
        raise Unreadable(f"its recurrence rule has {name}={value}")
    return value


def _parts(typed: dict[str, list[Any]], start_is_date: bool) -> Iterator[tuple[str, Any]]:
    for name, (keyword, least, most, negative) in _NUMBERS.items():
        if name not in typed or (start_is_date and keyword in ("byhour", "byminute", "bysecond")):
            continue
        values = sorted({int(value) for value in typed[name]})
        if name == "BYSECOND":
            values = sorted({min(value, 59) for value in values})  # 60 is a leap second
        if any(not least <= (abs(value) if negative else value) <= most for value in values):
            raise Unreadable(f"its recurrence rule has {name} out of range")
        if any(not str(value).lstrip("+-").isdigit() for value in typed[name]):
            raise Unreadable(f"its recurrence rule has a {name} that cannot be followed")
        yield keyword, tuple(values)
    if "BYDAY" in typed:
        yield "byweekday", tuple(_weekday(day) for day in typed["BYDAY"])


def _weekday(value: Any) -> Any:
    match = re.fullmatch(r"([+-]?\d{1,2})?(MO|TU|WE|TH|FR|SA|SU)", str(value))
    if not match or (match[1] and int(match[1]) == 0):
        raise Unreadable(f"its recurrence rule has the weekday {str(value)[:10]!r}")
    day = getattr(dateutil_rules, match[2])
    return day(int(match[1])) if match[1] else day


def _until(text: str, start_is_date: bool) -> tuple[datetime | None, datetime | None]:
    """UNTIL as the last local time and the last instant: a DATE means through the end of that local day."""
    naive, is_date, is_utc = parse_time(text.partition(",")[0])
    if is_date or start_is_date:
        return midnight(naive.date()) + timedelta(hours=23, minutes=59, seconds=59), None
    if is_utc:
        return None, naive.replace(tzinfo=UTC)
    return naive, None
