"""Traps of real calendars, one test each: dates, times, lengths and zones."""

from datetime import UTC, datetime, timedelta

import pytest

from sync.model import Meeting, Window
from tests.unit.ical.support import calendar, event, read, read_with, reader
from tests.unit.ical.test_zones import CUSTOM, zone

BERLIN = ";TZID=Europe/Berlin:"
ALL_YEAR = Window(datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 12, 31, tzinfo=UTC))


def span(one: Meeting) -> tuple[str, str]:
    return one.start.strftime("%m-%d %H:%M"), one.end.strftime("%m-%d %H:%M")


def test_floating_dtstart() -> None:
    floating = event(start=":20261201T090000", end=":20261201T100000")
    assert span(read(floating, timezone="Asia/Tokyo").one) == ("12-01 00:00", "12-01 01:00")
    in_calendar = read(floating, head=["X-WR-TIMEZONE:America/New_York"], timezone="Asia/Tokyo").one
    assert (span(in_calendar), in_calendar.findings) == (("12-01 14:00", "12-01 15:00"), ())


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (";VALUE=DATE:20261201", ";VALUE=DATE:20261203", ("11-30 23:00", "12-02 23:00")),
        (":20261201", ":20261202", ("11-30 23:00", "12-01 23:00")),  # DATE without VALUE=DATE
        (":20261201", ":20261201", ("11-30 23:00", "12-01 23:00")),  # ends on the day it starts
        (":20261201", None, ("11-30 23:00", "12-01 23:00")),
        (":20261201", ":20261202T150000", ("11-30 23:00", "12-02 23:00")),  # ends at a time
        (";VALUE=DATE-TIME:20261201T090000Z", ":20261201T100000Z", ("12-01 09:00", "12-01 10:00")),
    ],
)
def test_all_day(start: str, end: str | None, expected: tuple[str, str]) -> None:
    found = read(event(start=start, end=end), all_day=True, timezone="Europe/Berlin")
    assert span(found.one) == expected
    timed = "T09" in start
    assert found.one.all_day is not timed
    assert len(read(event(start=start, end=end), timezone="Europe/Berlin").meetings) == timed


@pytest.mark.parametrize("mark", ["X-MICROSOFT-CDO-ALLDAYEVENT", "x-microsoft-msncalendar-alldayevent"])
def test_all_day_in_another_zone_as_exchange_writes_it(mark: str) -> None:
    days = {"start": ":20261130T230000Z", "end": ":20261201T230000Z"}
    assert read(event(f"{mark}:TRUE", **days)).meetings == []
    one = read(event(f"{mark}:TRUE", **days), all_day=True).one
    assert (one.all_day, span(one)) == (True, ("11-30 23:00", "12-01 23:00"))
    assert not read(event(f"{mark}:FALSE", **days)).one.all_day


@pytest.mark.parametrize(
    ("lines", "end", "hours"),
    [
        (["DURATION:PT90M"], None, 1.5),
        (["DURATION:PT5H"], BERLIN + "20261024T130000", 1),  # both: DTEND counts
        ([], None, 0),  # neither
        (["DURATION:PT24H"], None, 24),
        (["DURATION:P1D"], None, 25),  # a day over the change of the clocks
        (["DURATION:P1W"], None, 169),
        (["DURATION:+P0DT1H0M0S"], None, 1),
        (["duration:pt1h"], None, 1),
    ],
)
def test_duration_both_or_neither(lines: list[str], end: str | None, hours: float) -> None:
    one = read(event(*lines, start=BERLIN + "20261024T120000", end=end), window=ALL_YEAR).one
    assert (one.end - one.start) / timedelta(hours=1) == hours


def test_duration_without_its_t() -> None:
    found = read(event("DURATION:P45M", end=None), event(uid="b"))
    assert found.printed() == ["s:b"]
    assert "'P45M' is not a duration" in found.rejected[0].reason


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (":20261201T100000Z", ":20261201T090000Z"),
        (BERLIN + "20261201T100000", ";TZID=Asia/Tokyo:20261201T100000"),
        (":20261202", ":20261201"),
    ],
)
def test_dtend_before_dtstart(start: str, end: str) -> None:
    found = read(event(start=start, end=end), event(uid="b"), all_day=True)
    assert found.printed() == ["s:b"]
    assert [(one.uid, one.reason) for one in found.rejected] == [("a", "it ends before it starts")]


@pytest.mark.parametrize(
    ("local", "expected"),
    [
        ("20260329T023000", ("03-29 01:30", "03-29 02:30")),  # does not exist: the offset before the gap
        ("20261025T023000", ("10-25 00:30", "10-25 01:30")),  # twice: the first
        ("20261025T013000", ("10-24 23:30", "10-25 00:30")),
    ],
)
def test_dst_gap_and_fold(local: str, expected: tuple[str, str]) -> None:
    series = event("RRULE:FREQ=YEARLY;COUNT=1", "DURATION:PT1H", start=BERLIN + local, end=None)
    assert span(read(series, window=ALL_YEAR).one) == expected


def test_dst_wall_clock_of_a_series_stays() -> None:
    series = event("RRULE:FREQ=DAILY;COUNT=3", start=BERLIN + "20260328T023000", end=BERLIN + "20260328T033000")
    found = sorted(read(series, window=ALL_YEAR).meetings, key=lambda one: one.start)
    assert [span(one) for one in found] == [
        ("03-28 01:30", "03-28 02:30"),
        ("03-29 01:30", "03-29 02:30"),
        ("03-30 00:30", "03-30 01:30"),
    ]


def test_x_wr_timezone_gives_rules_in_utc_their_local_meaning() -> None:
    """Tuesday 00:30 in Berlin, written as Monday 23:30 UTC by somebody who means Tuesday."""
    window = Window(datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 30, tzinfo=UTC))
    series = event(
        "RRULE:FREQ=WEEKLY;BYDAY=TU;UNTIL=20261103T000000Z",
        "EXDATE:20261026T233000Z",
        start=":20261012T223000Z",
        end=":20261012T233000Z",
    )
    moved = event("RECURRENCE-ID:20261102T233000Z", start=":20261105T120000Z", end=":20261105T130000Z")
    found = read(series, moved, head=["X-WR-TIMEZONE:Europe/Berlin"], window=window)
    assert found.starts() == ["10-12 22:30", "10-19 22:30", "11-05 12:00"]
    assert "s:a@20261102T233000Z" in found.printed()
    plain = read(series, window=window).starts()
    assert plain == ["10-12 22:30", "10-13 22:30", "10-20 22:30", "10-27 22:30"], "without one UTC is UTC"


@pytest.mark.parametrize(
    ("lines", "start"),
    [
        (["RRULE:FREQ=DAILY;COUNT=3"], ";TZID=UTC:20261024T090000"),
        (["RRULE:FREQ=DAILY;COUNT=3;BYHOUR=9"], ":20261024T090000Z"),
        (["RRULE:FREQ=HOURLY;INTERVAL=24;COUNT=3"], ":20261024T090000Z"),
        (["RDATE:20261025T090000Z,20261026T090000Z"], ":20261024T090000Z"),
    ],
)
def test_x_wr_timezone_does_not_move_what_names_utc_or_its_hours(lines: list[str], start: str) -> None:
    found = read(event(*lines, start=start, end=None), head=["X-WR-TIMEZONE:Europe/Berlin"], window=ALL_YEAR)
    assert found.starts() == ["10-24 09:00", "10-25 09:00", "10-26 09:00"]


def test_x_wr_timezone_does_not_move_a_start_in_the_second_of_two_equal_hours() -> None:
    series = event("RRULE:FREQ=DAILY;COUNT=2", start=":20261025T013000Z", end=None)
    found = read(series, head=["X-WR-TIMEZONE:Europe/Berlin"], window=ALL_YEAR)
    assert found.starts() == ["10-25 01:30", "10-26 01:30"]


@pytest.mark.parametrize(
    ("name", "hour", "codes"),
    [
        ("Eastern Standard Time", 14, []),  # a Windows name
        ("america/new_york", 14, []),
        ("Nowhere/Land", 0, ["timezone-assumed"]),
        ("(UTC-05:00) Somewhere", 14, ["timezone-assumed"]),
        ("Customized Time Zone", 8, []),  # defined by the feed
        ("", 0, []),
    ],
)
def test_x_wr_timezone_with_windows_and_bogus_names(name: str, hour: int, codes: list[str]) -> None:
    floating = event(start=":20261201T090000", end=None)
    zoned = event(uid="b", start=BERLIN + "20261201T090000", end=None)
    utc = event("RRULE:FREQ=DAILY;COUNT=2", uid="c")
    found = read(CUSTOM, floating, zoned, utc, head=[f"X-WR-TIMEZONE:{name}"], timezone="Asia/Tokyo")
    assert found.rejected == []
    assert {one.key.uid: one.start.hour for one in found.meetings} == {"a": hour, "b": 8, "c": 9}
    assert found.said() == codes
    assert all(one.key.uid == "a" for one in found.meetings if one.findings)


@pytest.mark.parametrize("name", ["Pacific Standard Time", '"Pacific Standard Time"', "pacific standard time"])
def test_windows_names_without_vtimezone(name: str) -> None:
    assert read(event(start=f";TZID={name}:20261201T090000", end=None)).one.start.hour == 17


def test_windows_names_in_another_language_have_their_vtimezone() -> None:
    local = CUSTOM.replace("Customized Time Zone", "Mitteleuropäische Zeit")
    start = ";TZID=Mitteleuropäische Zeit:20260701T090000"
    assert read(local, event(start=start, end=None), known=["s:a"]).one.start.hour == 7
    assert "Mitteleuropäische Zeit" in read(event(start=start, end=None), known=["s:a"]).rejected[0].reason


@pytest.mark.parametrize(
    ("name", "winter", "summer"),
    [("(UTC+01:00) Amsterdam, Berlin", 8, 8), ("GMT -0500 (Standard) / GMT -0400 (Daylight)", 14, 14)],
)
def test_offsets_in_tzids(name: str, winter: int, summer: int) -> None:
    """Without a definition the offset counts all year, and that is said; a definition counts first."""
    for month, hour in (("12", winter), ("07", summer)):
        one = read(event(start=f';TZID="{name}":2026{month}01T090000', end=None), known=["s:a"]).one
        assert one.start.hour == hour
        assert [finding.code for finding in one.findings] == ["timezone-assumed"]
    defined = CUSTOM.replace("TZID:Customized Time Zone", f"TZID:{name}")
    one = read(defined, event(start=f';TZID="{name}":20260701T090000', end=None), known=["s:a"]).one
    assert (one.start.hour, one.findings) == (7, ())


def test_windows_display_name_of_utc() -> None:
    assert read(event(start=";TZID=(UTC) Coordinated Universal Time:20261201T090000", end=None)).one.start.hour == 9


@pytest.mark.parametrize("start", ["tzone://Microsoft/Utc", '"tzone://Microsoft/Utc"', "TZONE://microsoft/UTC"])
def test_tzone_microsoft_utc(start: str) -> None:
    lines = f"RECURRENCE-ID;TZID={start}:20261202T090000"
    one = read(event(lines, start=f";TZID={start}:20261201T090000", end=f";TZID={start}:20261201T100000")).one
    assert (span(one), str(one.key)) == (("12-01 09:00", "12-01 10:00"), "s:a@20261202T090000Z")


def test_tzone_microsoft_custom_is_the_feeds_own() -> None:
    own = CUSTOM.replace("Customized Time Zone", "tzone://Microsoft/Custom")
    start = ";TZID=tzone://Microsoft/Custom:20261201T090000"
    assert read(own, event(start=start, end=None)).one.start.hour == 8
    assert "tzone://Microsoft/Custom" in read(event(start=start, end=None)).rejected[0].reason


def test_customized_time_zone_is_the_feeds_own() -> None:
    start = ";TZID=Customized Time Zone:20261201T090000"
    assert read(CUSTOM, event(start=start, end=None)).one.start.hour == 8
    assert read(event(start=start, end=None)).rejected


@pytest.mark.parametrize(
    "name",
    ["/freeassociation.sourceforge.net/Europe/Berlin", "/mozilla.org/20050126_1/Europe/Berlin", "posix/Europe/Berlin"],
)
def test_vendor_prefixes_of_tzids(name: str) -> None:
    assert read(event(start=f";TZID={name}:20261201T090000", end=None)).one.start.hour == 8


@pytest.mark.parametrize("year", ["1601", "0001", "1970"])
def test_custom_vtimezone_since_ever(year: str) -> None:
    own = CUSTOM.replace("DTSTART:1601", f"DTSTART:{year}")
    for month, hour in (("12", 8), ("07", 7)):
        start = f";TZID=Customized Time Zone:2026{month}01T090000"
        assert read(own, event(start=start, end=None), known=["s:a"]).one.start.hour == hour


def test_custom_vtimezone_is_never_cached_by_its_name() -> None:
    source = reader()
    for offset, hour in (("-0500", 14), ("+0100", 8), ("+0530", 3)):
        own = zone("Bespoke", ("STANDARD", "20000101T000000", offset, offset, ""))
        text = calendar(own, event(start=";TZID=Bespoke:20261201T090000", end=None))
        assert read_with(source, text).one.start.hour == hour
        assert read_with(reader(), text).one.start.hour == hour


def test_custom_vtimezone_gives_way_to_the_iana_one() -> None:
    wrong = zone("Europe/Berlin", ("STANDARD", "20000101T000000", "+0900", "+0900", ""))
    assert read(wrong, event(start=BERLIN + "20261201T090000", end=None)).one.start.hour == 8


def test_vtimezone_with_standard_only_is_not_utc() -> None:
    own = zone("Bespoke", ("STANDARD", "19700101T000000", "+0100", "-0500", ""))
    assert read(own, event(start=";TZID=Bespoke:20261201T090000", end=None)).one.start.hour == 14


@pytest.mark.parametrize("name", ["Europe/Berlin", "EUROPE/BERLIN", "europe/berlin"])
def test_tzid_used_but_not_defined(name: str) -> None:
    assert read(event(start=f";TZID={name}:20261201T090000", end=None)).one.start.hour == 8


def test_tzid_unknown_is_rejected_and_never_floating() -> None:
    found = read(event(start=";TZID=Mars/Base:20261201T090000", end=None), event(uid="b"), timezone="Europe/Berlin")
    assert found.printed() == ["s:b"]
    assert "Mars/Base" in found.rejected[0].reason


def test_tzid_and_z() -> None:
    one = read(event(start=BERLIN + "20261201T090000Z", end=BERLIN + "20261201T100000Z")).one
    assert span(one) == ("12-01 09:00", "12-01 10:00")
    assert [finding.code for finding in one.findings] == ["timezone-assumed"]
    assert "'Europe/Berlin'" in one.findings[0].message
    assert read(event(start=";TZID=Etc/UTC:20261201T090000Z")).one.findings == ()


@pytest.mark.parametrize("year", ["0001", "9999"])
@pytest.mark.parametrize("lines", [[], ["RRULE:FREQ=DAILY;UNTIL=99991231"], ["DURATION:P999D"]])
def test_the_first_and_the_last_year(year: str, lines: list[str]) -> None:
    found = read(event(*lines, start=f":{year}0101T000000", end=None), event(uid="b"), known=["s:c"])
    assert "s:b" in found.printed()
