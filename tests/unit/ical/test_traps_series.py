"""Traps of real calendars, one test each: recurrence rules, their ends and their exceptions."""

import time
from datetime import UTC, datetime

import pytest

from sync.model import Window
from tests.unit.ical.support import calendar, event, read, read_with, reader

BERLIN = ";TZID=Europe/Berlin:"
NEW_YORK = ";TZID=America/New_York:"
YEARS = Window(datetime(2026, 11, 1, tzinfo=UTC), datetime(2033, 1, 1, tzinfo=UTC))


def series(*lines: str, start: str = BERLIN + "20261201T090000", **given: object) -> list[str]:
    """Starts (UTC) of an entry of one hour in Berlin from 1 December on."""
    found = read(event(*lines, "DURATION:PT1H", start=start, end=None), **given)  # type: ignore[arg-type]
    assert found.rejected == []
    return found.starts()


def rejection(*lines: str, **given: object) -> str:
    """Why the entry is rejected; the one beside it must not be."""
    found = read(event(*lines), event(uid="b"), **given)  # type: ignore[arg-type]
    assert found.printed() == ["s:b"]
    (one,) = found.rejected
    assert (one.uid, one.line) == ("a", 4)
    return one.reason


THREE = "RRULE:FREQ=DAILY;COUNT=3"


@pytest.mark.parametrize(
    "line",
    [
        "EXDATE:20261202T080000Z",
        "EXDATE;VALUE=DATE:20261202",
        "EXDATE:20261202",
        "EXDATE;TZID=America/New_York:20261202T030000",
        "EXDATE;TZID=W. Europe Standard Time:20261202T090000",
        "EXDATE:20261202T090000",  # floating: as DTSTART
        "EXDATE:20261202T080000Z,20261220T080000Z",
        "EXDATE:\r\nEXDATE:20261202T080000Z",
    ],
)
def test_exdate_in_utc_as_date_in_another_zone_or_floating(line: str) -> None:
    assert series(THREE, line) == ["12-01 08:00", "12-03 08:00"]


def test_exdate_as_date_means_the_local_day() -> None:
    late = series(THREE, "EXDATE;VALUE=DATE:20261202", start=NEW_YORK + "20261201T210000")
    assert late == ["12-02 02:00", "12-04 02:00"]


@pytest.mark.parametrize("line", ["EXDATE:20261202T081500Z", "EXDATE:20261202T090000Z"])
def test_exdate_of_no_occurrence(line: str) -> None:
    assert len(series(THREE, line)) == 3


@pytest.mark.parametrize(
    ("line", "last"),
    [
        ("RDATE:20261205T100000Z", "12-05 10:00"),
        ("RDATE;TZID=America/New_York:20261205T050000", "12-05 10:00"),
        ("RDATE:20261205T110000", "12-05 10:00"),
        ("RDATE;VALUE=DATE:20261205", "12-05 08:00"),
        ("RDATE;VALUE=PERIOD:20261205T100000Z/PT3H", "12-05 10:00"),
        ("RDATE;VALUE=PERIOD:20261205T100000Z/20261205T130000Z", "12-05 10:00"),
        ("RDATE:20261205T100000Z,20261201T080000Z", "12-05 10:00"),
    ],
)
def test_rdate_and_period(line: str, last: str) -> None:
    found = read(event(line, "DURATION:PT1H", start=BERLIN + "20261201T090000", end=None))
    assert found.starts() == ["12-01 08:00", last], "DTSTART is an instance, too"
    latest = max(found.meetings, key=lambda one: one.start)
    assert (latest.end - latest.start).seconds == (10800 if "PERIOD" in line else 3600)
    assert latest.key.recurrence_id == latest.start


@pytest.mark.parametrize(
    ("until", "days"),
    [
        ("20261203T080000Z", 3),
        ("20261203T075959Z", 2),
        ("20261203T090000", 3),  # local time of DTSTART
        ("20261203T085959", 2),
        ("20261203", 3),  # a date on a timed series: through its end
        ("20261201", 1),
    ],
)
def test_until_in_utc_local_or_as_date(until: str, days: int) -> None:
    assert len(series(f"RRULE:FREQ=DAILY;UNTIL={until}")) == days


@pytest.mark.parametrize(("until", "days"), [("20261203T210000", 3), ("20261203", 3), ("20261204T020000Z", 3)])
def test_until_west_of_greenwich_keeps_the_last_day(until: str, days: int) -> None:
    assert len(series(f"RRULE:FREQ=DAILY;UNTIL={until}", start=NEW_YORK + "20261201T210000")) == days


def test_count_counts_what_exdate_takes_out() -> None:
    assert series(THREE, "EXDATE:20261201T080000Z") == ["12-02 08:00", "12-03 08:00"]


@pytest.mark.parametrize("count", ["0", "-1"])
def test_count_of_nothing(count: str) -> None:
    assert f"COUNT={count}" in rejection(f"RRULE:FREQ=DAILY;COUNT={count}")


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;COUNT=2", ["12-01 08:00", "12-31 08:00", "01-29 08:00"]),
        ("FREQ=MONTHLY;BYDAY=TU;BYSETPOS=1,-1;COUNT=3", ["12-01 08:00", "12-29 08:00", "01-05 08:00"]),
        ("FREQ=YEARLY;BYMONTH=12;BYDAY=SU,SA;BYSETPOS=2;COUNT=1", ["12-01 08:00", "12-06 08:00"]),
    ],
)
def test_bysetpos(rule: str, expected: list[str]) -> None:
    assert series(f"RRULE:{rule}", window=Window(YEARS.start, datetime(2027, 2, 1, tzinfo=UTC))) == sorted(expected)


def test_two_rrules_are_a_union() -> None:
    both = series("RRULE:FREQ=DAILY;COUNT=2", "RRULE:FREQ=WEEKLY;COUNT=2")
    assert both == ["12-01 08:00", "12-02 08:00", "12-08 08:00"]


def test_exrule() -> None:
    assert series("RRULE:FREQ=DAILY;COUNT=4", "EXRULE:FREQ=DAILY;INTERVAL=2") == ["12-02 08:00", "12-04 08:00"]


def test_leap_day_is_skipped_in_other_years() -> None:
    found = read(event("RRULE:FREQ=YEARLY", start=":20240229T090000Z", end=None), window=YEARS)
    assert [one.start.strftime("%Y-%m-%d") for one in found.meetings] == ["2028-02-29", "2032-02-29"]


def test_day_31_is_skipped_in_shorter_months() -> None:
    found = read(event("RRULE:FREQ=MONTHLY;COUNT=4", start=":20261231T090000Z", end=None), window=YEARS)
    starts = sorted(one.start.strftime("%y-%m-%d") for one in found.meetings)
    assert starts == ["26-12-31", "27-01-31", "27-03-31", "27-05-31"]


@pytest.mark.parametrize(
    "rule",
    [
        "RSCALE=GREGORIAN;FREQ=DAILY;COUNT=2;SKIP=OMIT",
        "FREQ=DAILY;COUNT=2;X-RELATIVE=1",
        "FREQ=DAILY\\;COUNT=2",
        "FREQ=DAILY; COUNT=2;",
        "freq=daily;count=2",
    ],
)
def test_rscale_and_x_parts_that_change_nothing(rule: str) -> None:
    assert series(f"RRULE:{rule}") == ["12-01 08:00", "12-02 08:00"]


@pytest.mark.parametrize("rule", ["RSCALE=HEBREW;FREQ=YEARLY", "RSCALE=GREGORIAN;FREQ=MONTHLY;SKIP=BACKWARD"])
def test_rscale_and_skip_that_cannot_be_followed(rule: str) -> None:
    assert "RSCALE or SKIP" in rejection(f"RRULE:{rule}")


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("FREQ=WEEKLY;BYDAY=WE;COUNT=2", ["12-01 08:00", "12-02 08:00", "12-09 08:00"]),
        ("FREQ=WEEKLY;BYDAY=WE;UNTIL=20261209", ["12-01 08:00", "12-02 08:00", "12-09 08:00"]),
        ("FREQ=WEEKLY;BYDAY=TU;COUNT=2", ["12-01 08:00", "12-08 08:00"]),
    ],
)
def test_dtstart_that_is_not_in_its_own_rule_is_one_more(rule: str, expected: list[str]) -> None:
    assert series(f"RRULE:{rule}") == expected


def test_dtstart_after_the_end_of_its_rule_is_nothing() -> None:
    assert series("RRULE:FREQ=DAILY;UNTIL=20261101T000000Z") == []


def test_a_limit_of_occurrences_is_by_series_and_window() -> None:
    assert rejection("RRULE:FREQ=HOURLY", max_occurrences=100) == (
        "it has more than 100 occurrences in the window (max_occurrences)"
    )
    assert len(series("RRULE:FREQ=DAILY", start=":19900101T090000Z", max_occurrences=61)) == 60
    many = "RDATE:" + ",".join(f"202612{day:02}T{hour:02}0000Z" for day in range(1, 21) for hour in range(24))
    assert "max_occurrences" in rejection(many, max_occurrences=400)


ENDLESS = {
    "SECONDLY": "FREQ=SECONDLY",
    "MINUTELY": "FREQ=MINUTELY",
    "INTERVAL=0": "FREQ=DAILY;INTERVAL=0",
    "INTERVAL below 0": "FREQ=DAILY;INTERVAL=-1",
    "30 February by the minute": "FREQ=MINUTELY;BYMONTH=2;BYMONTHDAY=30",
    "30 February by the second": "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30",
    "30 February by the year": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30;COUNT=3",
    "an hour that is never hit": "FREQ=HOURLY;INTERVAL=24;BYHOUR=3",
    "a rule of 100,000 months": "FREQ=DAILY;BYMONTH=" + ",".join(["2"] * 100_000),
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_infinite_rules_never_hang(kind: str) -> None:
    begun = time.process_time()
    found = read(event(f"RRULE:{ENDLESS[kind]}", start=":20150101T090000Z", end=":20150101T100000Z"), event(uid="b"))
    assert time.process_time() - begun < 10
    assert "s:b" in found.printed()
    assert found.rejected or len(found.starts()) <= 1, "DTSTART alone"
    assert all(one.uid == "a" and one.reason for one in found.rejected)


def test_infinite_rules_by_the_hundred_end_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    from connectors.sources.ical import rules

    monkeypatch.setattr(rules, "FEED_STEPS", 20_000)
    monkeypatch.setattr(rules, "MOST_DEBT", 20_000)
    bad = [event("RRULE:FREQ=DAILY;COUNT=900", uid=f"u{n}", start=":20240701T090000Z", end=None) for n in range(300)]
    found = read_with(reader(), calendar(*bad))
    late = [one for one in found.rejected if "takes too long" in one.reason]
    assert len(late) > 200, "when all together take too long, the rest is not followed"
    assert len(late) < 300


def test_thousands_of_this_and_future_overrides_are_followed_in_time() -> None:
    days = [datetime(2026, 12, 1, hour, minute) for hour in range(24) for minute in range(0, 60, 2)]
    changes = [
        event(
            f"RECURRENCE-ID;RANGE=THISANDFUTURE:{day:%Y%m%dT%H%M%SZ}",
            start=f":{day:%Y%m%dT%H%M%SZ}",
            end=None,
        )
        for day in days
    ]
    begun = time.process_time()
    found = read(event("RRULE:FREQ=MINUTELY;COUNT=900", start=":20261201T000000Z", end=None), *changes)
    assert len(found.meetings) == 900 + len(days) - 450
    assert time.process_time() - begun < 5


@pytest.mark.parametrize(
    ("lines", "start", "near"),
    [
        (["RRULE:FREQ=DAILY;UNTIL=20261020T090000Z"], ":20200101T090000Z", False),
        (["RRULE:UNTIL=20261020;FREQ=DAILY"], ":20200101T090000Z", False),
        (["RRULE:FREQ=DAILY;UNTIL=20261020", "DURATION:PT2H"], ":20200101T090000Z", False),
        (["DURATION:P1W"], ":20261001T090000Z", False),
        (["RRULE:FREQ=DAILY;COUNT=3"], ":20270201T090000Z", False),
        (["RRULE:FREQ=DAILY;UNTIL=20261020", "DURATION:P3W"], ":20200101T090000Z", True),
        (["RRULE:FREQ=DAILY;UNTIL=20261020", "BEGIN:VALARM\r\nDURATION:P30D\r\nEND:VALARM"], ":20200101T090000Z", True),
        (["RRULE:FREQ=DAILY;UNTIL=20261020", "RRULE:FREQ=DAILY"], ":20200101T090000Z", True),
        (["RRULE:FREQ=DAILY;UN\r\n TIL=20261020"], ":20200101T090000Z", True),
        (["RRULE:FREQ=DAILY;UNTIL=20261020", "RDATE:20261201T090000Z"], ":20200101T090000Z", True),
        (["rrule:freq=daily;until=20261020"], ":20200101T090000Z", True),
        (["DURATION:PT9999999H"], ":20261001T090000Z", True),
    ],
)
def test_giant_feeds_are_not_parsed_where_they_are_over(lines: list[str], start: str, near: bool) -> None:
    """A line that cannot be read tells whether it was."""
    found = read(event(*lines, "STATUS;X:x", start=start, end=None), event(uid="b"))
    assert [one.uid for one in found.rejected] == ["a"] * near
    assert found.printed() == ["s:b"]
