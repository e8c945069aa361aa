"""Our expansion against recurring-ical-events on generated feeds.

Left out is what that library reads otherwise than RFC 5545 or than this source promises: UNTIL as a date or as local
time, RECURRENCE-ID as a date on a timed series, EXRULE, PERIOD, times in a gap or a fold of the clocks.
"""

import random
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import icalendar
import pytest
import recurring_ical_events

from sync.model import Window
from tests.unit.ical.support import calendar, read_with, reader

ZONES = ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "UTC"]
DAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]
WINDOW = Window(datetime(2026, 9, 15, tzinfo=UTC), datetime(2027, 1, 15, tzinfo=UTC))


class Generator:
    """Random feeds; everything follows from the seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def feed(self) -> str:
        return calendar(*(part for number in range(3) for part in self.group(f"u{number}")))

    def group(self, uid: str) -> list[str]:
        pick = self.random
        self.zone = pick.choice(ZONES)
        start = datetime(2026, pick.randint(1, 12), pick.randint(1, 28), pick.randint(5, 20), pick.choice([0, 15, 30]))
        length = timedelta(minutes=pick.choice([15, 30, 60, 90, 180]))
        rules = [f"RRULE:{self.rule()}"] if pick.random() < 0.85 else []
        if pick.random() < 0.1:
            rules.append(f"RRULE:{self.rule()}")
        plain = self.block(uid, start, length, rules)
        starts = sorted(self.starts(plain))
        extra = list(rules)
        chosen = pick.sample(starts, min(len(starts), 4))
        for moment in chosen[:2]:
            if pick.random() < 0.4 and rules:
                extra.append(self.stamp("EXDATE", moment))
        if pick.random() < 0.2 and rules:
            extra.append(self.stamp("RDATE", start + timedelta(days=pick.randint(1, 60), hours=-1)))
        blocks = [self.block(uid, start, length, extra)]
        for moment in chosen[2:]:
            if pick.random() < 0.6 and rules:
                moved = moment + timedelta(days=pick.choice([0, 0, 1, -3, 40]), hours=pick.choice([-2, 0, 1]))
                lines = [self.stamp("RECURRENCE-ID", moment), "SUMMARY:moved"]
                blocks.append(self.block(uid, moved, length * 2, lines))
        pick.shuffle(blocks)
        return blocks

    def rule(self) -> str:
        pick = self.random
        frequency = pick.choice(["DAILY", "WEEKLY", "WEEKLY", "MONTHLY", "MONTHLY", "YEARLY"])
        parts = [f"FREQ={frequency}"]
        if pick.random() < 0.4:
            parts.append(f"INTERVAL={pick.randint(1, 4)}")
        if pick.random() < 0.5:
            parts.append(f"COUNT={pick.randint(1, 40)}")
        elif pick.random() < 0.5:
            parts.append(f"UNTIL=2026{pick.randint(9, 12):02}{pick.randint(1, 28):02}T230000Z")
        days = ",".join(pick.sample(DAYS, pick.randint(1, 3)))
        if frequency in ("DAILY", "WEEKLY") and pick.random() < 0.5:
            parts.append(f"BYDAY={days}")
        elif frequency == "MONTHLY":
            options = [f"BYDAY={pick.choice([1, 2, 3, -1])}{pick.choice(DAYS)}", "BYMONTHDAY=31", "BYMONTHDAY=1,-1"]
            parts.append(pick.choice([*options, f"BYDAY={days};BYSETPOS={pick.choice([1, -1, 2])}", "BYMONTHDAY=15"]))
        elif frequency == "YEARLY":
            parts.append(pick.choice([f"BYMONTH={pick.randint(9, 12)}", f"BYYEARDAY={pick.randint(250, 366)}"]))
        if pick.random() < 0.2:
            parts.append(f"WKST={pick.choice(DAYS)}")
        return ";".join(parts)

    def stamp(self, name: str, moment: datetime) -> str:
        text = moment.strftime("%Y%m%dT%H%M%S")
        return f"{name}:{text}Z" if self.zone == "UTC" else f"{name};TZID={self.zone}:{text}"

    def block(self, uid: str, start: datetime, length: timedelta, lines: list[str]) -> str:
        head = ["BEGIN:VEVENT", f"UID:{uid}", "DTSTAMP:20260101T000000Z"]
        times = [self.stamp("DTSTART", start), self.stamp("DTEND", start + length)]
        return "\r\n".join([*head, *times, *lines, "END:VEVENT"])

    def starts(self, block: str) -> set[datetime]:
        """Local starts of the oracle's own occurrences of a plain block."""
        return {
            start.astimezone(ZoneInfo(self.zone)).replace(tzinfo=None) for start, _, _, _ in oracle(calendar(block))
        }


def oracle(text: str) -> list[tuple[datetime, datetime, str, str]]:
    found = recurring_ical_events.of(icalendar.Calendar.from_ical(text)).between(WINDOW.start, WINDOW.end)
    return sorted(
        (
            one["DTSTART"].dt.astimezone(UTC),
            one["DTEND"].dt.astimezone(UTC),
            str(one["UID"]),
            str(one.get("SUMMARY", "")),
        )
        for one in found
    )


@pytest.mark.parametrize("block", range(10))
def test_generated_feeds_expand_as_the_oracle_says(block: int) -> None:
    total = 0
    for seed in range(block * 40, block * 40 + 40):
        text = Generator(seed).feed()
        ours = read_with(reader(), text, window=WINDOW)
        assert ours.rejected == [], text
        found = sorted((one.start, one.end, one.key.uid, one.title) for one in ours.meetings)
        assert found == oracle(text), f"seed {seed}\n{text}"
        total += len(found)
    assert total > 300
