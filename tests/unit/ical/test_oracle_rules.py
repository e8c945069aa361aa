"""Our expansion of 2,000 generated recurrence sets against dateutil on plain local time, the zone attached last.

The oracle shares nothing with the product but dateutil, which it walks from DTSTART on without leaving anything out.
Where this source promises something else than dateutil does, the oracle says so in a line of its own: DTSTART is an
occurrence although its rule has it not; a time in a gap of the clocks has the offset before it, a repeated one is the
first; occurrences that fall on one instant are one; UNTIL may be local or a date; EXDATE as a date takes out that day.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from dateutil import rrule

from sync.model import Window
from tests.unit.ical.support import calendar, read_with, reader

SETS, BLOCKS = 2_000, 20
ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/St_Johns",
    "Asia/Kolkata",
    "Europe/Dublin",
)
NAMES = ("YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY")
DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
DAY = timedelta(days=1)


def instant(naive: datetime, zone: ZoneInfo) -> datetime:
    """The first instant at which the clocks there show this time; in a gap by the clocks of the day before."""
    around = [(naive + shift).replace(tzinfo=zone).utcoffset() or timedelta(0) for shift in (-DAY, DAY)]
    found = [naive.replace(tzinfo=UTC) - offset for offset in around]
    fitting = [one for one in found if one.astimezone(zone).replace(tzinfo=None) == naive]
    return min(fitting) if fitting else found[0]


@dataclass
class Rule:
    """A rule as text and as dateutil takes it; `last` is its UNTIL as (kind, value)."""

    text: str
    given: dict[str, Any]
    last: tuple[str, datetime] | None = None

    def times(self, start: datetime, zone: ZoneInfo, end: datetime) -> Iterator[datetime]:
        for naive in rrule.rrule(dtstart=start, cache=False, **self.given):
            if naive > end or (self.last and self.is_over(naive, zone)):
                return
            yield naive

    def is_over(self, naive: datetime, zone: ZoneInfo) -> bool:
        if self.last is None:
            return False
        kind, until = self.last
        if naive < until - 3 * DAY:
            return False
        if kind == "utc":
            return instant(naive, zone) > until.replace(tzinfo=UTC)
        return naive.date() > until.date() if kind == "date" else naive > until


@dataclass
class RecurrenceSet:
    """One generated entry: what its text says, and what the oracle takes for it."""

    pick: random.Random
    lines: list[str] = field(default_factory=list)
    head: list[str] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    except_rules: list[Rule] = field(default_factory=list)
    extras: list[tuple[datetime, timedelta | None]] = field(default_factory=list)
    excluded: set[datetime | date] = field(default_factory=set)
    excluded_days: set[date] = field(default_factory=set)

    def __post_init__(self) -> None:
        pick = self.pick
        self.name = pick.choice(ZONES)
        self.kind = pick.choices(("zone", "utc", "floating", "calendar", "day"), (55, 10, 10, 10, 15))[0]
        self.zone = ZoneInfo("UTC" if self.kind == "utc" else self.name)
        near_a_change = pick.choice([datetime(2026, 3, 20), datetime(2026, 10, 18), datetime(2026, 4, 1)])
        day = pick.choice(
            [near_a_change + pick.randint(0, 14) * DAY, datetime(2024, 1, 1) + pick.randint(0, 1000) * DAY]
        )
        self.frequency = pick.choices(NAMES, (15, 25, 25, 25, 8, 2))[0]
        if self.kind in ("day", "calendar") and NAMES.index(self.frequency) > 3:
            self.frequency = "DAILY"
        hour = pick.choice([0, 1, 2, 2, 2, 3, 9, 14, 23])
        self.start = day + (
            timedelta(hours=hour, minutes=pick.choice([0, 0, 30, 45])) if self.kind != "day" else 0 * DAY
        )
        if self.kind == "calendar" and not self.plain(self.start):
            self.start += 4 * timedelta(hours=1)
        self.days = self.kind == "day" or pick.random() < 0.1
        self.length = (
            timedelta(days=pick.randint(1, 3)) if self.days else timedelta(minutes=pick.choice([0, 15, 60, 1500]))
        )
        self.write()

    def plain(self, naive: datetime) -> bool:
        """Whether this local time exists, and once."""
        return len({naive.replace(tzinfo=self.zone, fold=fold).utcoffset() for fold in (0, 1)}) == 1

    def write(self) -> None:
        pick = self.pick
        self.lines = [self.stamp("DTSTART", self.start)]
        if self.kind == "calendar":
            self.head = [f"X-WR-TIMEZONE:{self.name}"]
        if self.days:
            self.lines.append(f"DURATION:P{self.length.days}D")
        elif self.length and self.kind != "floating":
            self.lines.append(self.utc("DTEND", instant(self.start, self.zone) + self.length))
        elif self.length:
            self.lines.append(f"DURATION:PT{int(self.length.total_seconds())}S")
        for _ in range(pick.choice([1, 1, 1, 1, 2])):
            self.rules.append(self.rule())
            self.lines.append(f"RRULE:{self.rules[-1].text}")
        if pick.random() < 0.05:
            self.except_rules.append(self.rule())
            self.lines.append(f"EXRULE:{self.except_rules[-1].text}")
        times = self.first_times()
        begin = pick.choice([*times, self.start + pick.randint(-30, 500) * DAY]) - timedelta(hours=pick.randint(0, 200))
        span = 3 if self.frequency == "MINUTELY" else pick.choice([1, 10, 30, 60])
        self.window = Window(begin.replace(tzinfo=UTC), (begin + span * DAY).replace(tzinfo=UTC))
        plain = [one for one in times if self.plain(one) and abs(one - begin) < 70 * DAY]
        for naive in pick.sample(plain, min(len(plain), pick.choice([0, 0, 1, 3]))):
            self.exclude(naive)
        for _ in range(pick.choice([0, 0, 0, 1, 2])):
            self.add(
                self.start + timedelta(days=pick.randint(1, 500), hours=0 if self.kind == "day" else pick.randint(0, 5))
            )

    def first_times(self) -> list[datetime]:
        """Some hundred of the first rule's local times, DTSTART included."""
        later = self.rules[0].times(self.start, self.zone, self.start + 4000 * DAY)
        return sorted({self.start, *islice(later, 300)})

    def exclude(self, naive: datetime) -> None:
        way = self.pick.choice(["own", "own", "utc", "date", "other"])
        if self.kind == "day":
            self.lines.append(f"EXDATE;VALUE=DATE:{naive:%Y%m%d}")
            self.excluded.add(naive.date())
        elif way == "date":
            self.lines.append(f"EXDATE;VALUE=DATE:{naive:%Y%m%d}")
            self.excluded_days.add(naive.date())
        else:
            moment = instant(naive, self.zone)
            self.excluded.add(moment)
            there = moment.astimezone(ZoneInfo("Asia/Tokyo"))
            other = f"EXDATE;TZID=Asia/Tokyo:{there:%Y%m%dT%H%M%S}"
            self.lines.append(
                {"own": self.stamp("EXDATE", naive), "utc": self.utc("EXDATE", moment), "other": other}[way]
            )

    def add(self, naive: datetime) -> None:
        if not self.plain(naive):
            return
        length = None
        if self.kind == "day":
            self.lines.append(f"RDATE;VALUE=DATE:{naive:%Y%m%d}")
        elif self.pick.random() < 0.3:
            length = timedelta(minutes=self.pick.choice([10, 300]))
            text = self.utc("RDATE;VALUE=PERIOD", instant(naive, self.zone))
            self.lines.append(f"{text}/PT{int(length.total_seconds())}S")
        else:
            moment = instant(naive, self.zone)
            self.lines.append(self.pick.choice([self.stamp("RDATE", naive), self.utc("RDATE", moment)]))
        self.extras.append((naive, length))

    def stamp(self, name: str, naive: datetime) -> str:
        text = f"{naive:%Y%m%dT%H%M%S}"
        return {
            "zone": f"{name};TZID={self.name}:{text}",
            "utc": f"{name}:{text}Z",
            "floating": f"{name}:{text}",
            "calendar": self.utc(name, instant(naive, self.zone)),
            "day": f"{name};VALUE=DATE:{naive:%Y%m%d}",
        }[self.kind]

    def utc(self, name: str, moment: datetime) -> str:
        return f"{name}:{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}"

    def rule(self) -> Rule:
        pick, frequency = self.pick, self.frequency
        given: dict[str, Any] = {"freq": getattr(rrule, frequency)}
        parts = [f"FREQ={frequency}"]

        def put(name: str, keyword: str, values: list[int]) -> None:
            parts.append(f"{name}={','.join(map(str, values))}")
            given[keyword] = values

        def put_days(values: list[tuple[int, str]]) -> None:
            parts.append("BYDAY=" + ",".join(f"{number or ''}{day}" for number, day in values))
            given["byweekday"] = [
                getattr(rrule, day)(number) if number else getattr(rrule, day) for number, day in values
            ]

        some = [(0, day) for day in pick.sample(DAYS, pick.randint(1, 4))]
        if pick.random() < 0.5 or frequency == "MINUTELY":
            step = {"HOURLY": 9, "MINUTELY": 50}.get(frequency, 4)
            given["interval"] = pick.randint(7 if frequency == "MINUTELY" else 1, step)
            parts.append(f"INTERVAL={given['interval']}")
        choice = pick.random()
        if frequency == "YEARLY" and choice < 0.8:
            pick.choice(
                [
                    lambda: put("BYMONTH", "bymonth", sorted(pick.sample(range(1, 13), 3))),
                    lambda: put("BYYEARDAY", "byyearday", [1, 60, -1, 300]),
                    lambda: (put("BYMONTH", "bymonth", [10, 3]), put_days([(-1, "SU"), (1, "MO")])),
                    lambda: put_days([(20, "MO"), (-10, "FR")]),
                    lambda: (put("BYWEEKNO", "byweekno", [1, 20, 53]), put_days(some)),
                    lambda: (put_days(some), put("BYSETPOS", "bysetpos", [1, 100, -1])),
                ]
            )()
        elif frequency == "MONTHLY" and choice < 0.9:
            pick.choice(
                [
                    lambda: put("BYMONTHDAY", "bymonthday", [pick.randint(1, 31), -1]),
                    lambda: put_days([(pick.choice([1, 2, 3, 4, 5, -1, -2]), pick.choice(DAYS))]),
                    lambda: (put_days(some), put("BYSETPOS", "bysetpos", [pick.choice([1, 2, -1, -2])])),
                    lambda: (put("BYMONTHDAY", "bymonthday", [13, 31]), put_days([(0, "FR"), (0, "SA")])),
                    lambda: (put("BYMONTH", "bymonth", [2, 3, 10]), put("BYMONTHDAY", "bymonthday", [29, 30, 25])),
                ]
            )()
        elif frequency == "WEEKLY" and choice < 0.7:
            put_days(some)
        elif frequency == "DAILY" and choice < 0.5:
            pick.choice(
                [
                    lambda: put_days(some),
                    lambda: put("BYMONTH", "bymonth", sorted(pick.sample(range(1, 13), 5))),
                    lambda: put("BYMONTHDAY", "bymonthday", [1, 15, -1]),
                ]
            )()
            if self.kind not in ("day", "calendar") and choice < 0.1:
                put("BYHOUR", "byhour", [1, 2, 3, 20])
        elif frequency == "HOURLY" and choice < 0.5:
            pick.choice(
                [lambda: put("BYHOUR", "byhour", [1, 2, 3, 4, 12]), lambda: put("BYMINUTE", "byminute", [5, 50])]
            )()
        if pick.random() < 0.3:
            week_start = pick.choice(DAYS)
            parts.append(f"WKST={week_start}")
            given["wkst"] = getattr(rrule, week_start)
        return self.ended(parts, given)

    def ended(self, parts: list[str], given: dict[str, Any]) -> Rule:
        """The rule with COUNT, with an UNTIL of some kind, or without end."""
        pick = self.pick
        until = self.start + timedelta(days=pick.choice([0, 3, 30, 200, 800]), hours=pick.choice([0, 0, 5]))
        last = None
        if (way := pick.choice(["count", "utc", "local", "date", "none", "none"])) == "count":
            given["count"] = pick.randint(1, 300)
            parts.append(f"COUNT={given['count']}")
        elif self.kind == "day" and way != "none":
            last = ("date", until)
            parts.append(f"UNTIL={until:%Y%m%d}")
        elif way != "none":
            moment = instant(until, self.zone).replace(tzinfo=None)
            last = (way, moment if way == "utc" else until)
            text = {"utc": f"{moment:%Y%m%dT%H%M%SZ}", "local": f"{until:%Y%m%dT%H%M%S}", "date": f"{until:%Y%m%d}"}
            parts.append(f"UNTIL={text[way]}")
        pick.shuffle(parts)
        return Rule(";".join(parts), given, last)

    @property
    def text(self) -> str:
        entry = ["BEGIN:VEVENT", "UID:u", *self.lines, "END:VEVENT"]
        return calendar(*self.head, *entry)

    def expected(self) -> list[tuple[datetime | date, datetime, datetime]]:
        """Identity, start and end of what overlaps the window."""
        begin, end = (edge.replace(tzinfo=None) for edge in (self.window.start - 5 * DAY, self.window.end + 2 * DAY))
        found: dict[datetime | date, tuple[datetime, timedelta | None]] = {}

        def put(naive: datetime, length: timedelta | None = None) -> None:
            found.setdefault(self.identity(naive), (naive, length))

        for naive, length in self.extras:
            put(naive, length)
        if not all(rule.is_over(self.start, self.zone) for rule in self.rules):
            put(self.start)  # also when its rule has it not; dateutil leaves it out then, and COUNT does not count it
        for rule in self.rules:
            for naive in rule.times(self.start, self.zone, end):
                if naive > begin:
                    put(naive)
        gone = {self.identity(naive) for rule in self.except_rules for naive in rule.times(self.start, self.zone, end)}
        spans = []
        for identity, (naive, length) in found.items():
            if identity in gone | self.excluded or self.shown(naive).date() in self.excluded_days:
                continue
            first, last = instant(naive, self.zone), self.finish(naive, length)
            if self.window.overlaps(first, last):
                spans.append((identity, first, last))
        return sorted(spans, key=lambda one: one[1])

    def shown(self, naive: datetime) -> datetime:
        """What the clocks show at that time: something else in a gap."""
        return instant(naive, self.zone).astimezone(self.zone).replace(tzinfo=None)

    def identity(self, naive: datetime) -> datetime | date:
        return naive.date() if self.kind == "day" else instant(naive, self.zone)

    def finish(self, naive: datetime, length: timedelta | None) -> datetime:
        if length is not None:
            return instant(naive, self.zone) + length
        if self.days:
            return instant(naive + self.length, self.zone)
        return instant(naive, self.zone) + self.length


@pytest.mark.parametrize("block", range(BLOCKS))
def test_generated_sets_expand_as_dateutil_says(block: int) -> None:
    total = 0
    for seed in range(block * SETS // BLOCKS, (block + 1) * SETS // BLOCKS):
        one = RecurrenceSet(random.Random(seed))
        zone = one.name if one.kind in ("floating", "day") else "UTC"
        ours = read_with(reader(timezone=zone, all_day=True, max_occurrences=10_000), one.text, window=one.window)
        about = f"seed {seed}, window {one.window}, zone {zone}\n{one.text}"
        assert ours.rejected == [], about
        found = [(meeting.key.recurrence_id, meeting.start, meeting.end) for meeting in ours.meetings]
        assert sorted(found, key=lambda item: item[1]) == one.expected(), about
        total += len(found)
    assert total > 200, "most sets have occurrences"


def test_the_oracle_knows_the_gap_and_the_fold() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    assert instant(datetime(2026, 3, 29, 2, 30), berlin) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    assert instant(datetime(2026, 10, 25, 2, 30), berlin) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert instant(datetime.combine(date(2026, 7, 1), time(9)), berlin) == datetime(2026, 7, 1, 7, tzinfo=UTC)
