"""No rule can hang a read: steps and occurrences are bounded, and only the bad series pays."""

import time

import pytest

from connectors.sources.ical import rules
from tests.unit.ical.support import calendar, event, read, read_with, reader

NEVER = [
    "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=MINUTELY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=30;BYMINUTE=" + ",".join(map(str, range(60))),
    "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=WEEKLY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30;BYSETPOS=" + ",".join(map(str, range(1, 367))),
    "FREQ=YEARLY;BYWEEKNO=53;BYMONTH=6",
    "FREQ=SECONDLY;INTERVAL=2;BYSECOND=1",
    "FREQ=SECONDLY;INTERVAL=60;BYSECOND=0;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=MINUTELY;INTERVAL=1440;BYHOUR=3",
    "FREQ=SECONDLY;INTERVAL=86400;BYHOUR=3",
    "FREQ=HOURLY;INTERVAL=24;BYHOUR=3",
    "FREQ=HOURLY;BYHOUR=3;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=MINUTELY;BYMINUTE=3;BYHOUR=4;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=DAILY;INTERVAL=999999999",
    "FREQ=SECONDLY;INTERVAL=99999999999",
    "FREQ=YEARLY;INTERVAL=99999999999999999999",
    "FREQ=WEEKLY;INTERVAL=4000;WKST=SU",
    "FREQ=YEARLY;COUNT=999999999;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=SECONDLY;COUNT=999999999",
]


@pytest.mark.parametrize("rule", NEVER)
@pytest.mark.parametrize("start", [":20261101T090000Z", ":00010103T090000Z"])
def test_a_rule_that_never_ends_or_never_matches_costs_little_time(rule: str, start: str) -> None:
    begun = time.process_time()
    found = read(event(f"RRULE:{rule}", start=start, end=None), event(uid="b"))
    assert time.process_time() - begun < 3
    assert "s:b" in found.printed()
    assert all(one.uid == "a" for one in found.rejected)


def test_an_endless_rule_by_the_second_is_rejected_with_a_clear_reason() -> None:
    (rejected,) = read(event("RRULE:FREQ=SECONDLY")).rejected
    assert rejected.reason == "it has more than 1000 occurrences in the window (max_occurrences)"


def test_occurrences_up_to_the_limit_are_allowed() -> None:
    assert len(read(event("RRULE:FREQ=HOURLY;COUNT=50"), max_occurrences=50).meetings) == 50
    assert read(event("RRULE:FREQ=HOURLY;COUNT=51"), max_occurrences=50).meetings == []


def test_a_limit_counts_the_window_alone() -> None:
    series = event("RRULE:FREQ=DAILY", start=":19700101T090000Z", end=":19700101T100000Z")
    found = read(series, max_occurrences=60)
    assert found.rejected == []
    assert len(found.meetings) == 60
    assert read(series, max_occurrences=59).meetings == []


@pytest.mark.parametrize(
    "rule", ["FREQ=SECONDLY;INTERVAL=86400", "FREQ=MINUTELY;INTERVAL=1440", "FREQ=HOURLY;INTERVAL=24"]
)
def test_a_frequent_rule_from_long_ago_is_entered_near_the_window(rule: str) -> None:
    found = read(event(f"RRULE:{rule}", start=":19010101T090000Z", end=":19010101T100000Z"))
    assert found.rejected == []
    assert len(found.meetings) == 60


def test_many_endless_series_cannot_starve_a_plain_one_nor_take_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "FEED_STEPS", 2 * rules.SERIES_STEPS)
    bad = [event("RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", uid=f"bad{number}") for number in range(40)]
    begun = time.process_time()
    found = read(*bad, event("RRULE:FREQ=DAILY;COUNT=3", uid="good"))
    assert time.process_time() - begun < 5
    assert found.starts("good") == ["12-01 09:00", "12-02 09:00", "12-03 09:00"]
    assert len(found.rejected) == 40


def test_a_hopeless_series_is_not_tried_again_at_each_read() -> None:
    source = reader()
    text = calendar(event("RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30"))
    first = read_with(source, text)
    begun = time.process_time()
    again = [read_with(source, text) for _ in range(20)]
    assert time.process_time() - begun < 0.5
    assert all(one.rejected == first.rejected for one in again)


def test_the_end_of_time_is_no_crash() -> None:
    assert read(event("RRULE:FREQ=DAILY", start=":99991230T090000Z", end=None)).rejected == []
    for start in (
        ":99991231T235959Z",
        ";TZID=Pacific/Kiritimati:00010101T000000",
        ";TZID=America/Lima:99991231T230000",
    ):
        found = read(event("RRULE:FREQ=YEARLY", start=start, end=None), event(uid="b"))
        assert "s:b" in found.printed()
