"""Series, overrides, exclusions: which occurrences exist, and what identifies them."""

from datetime import UTC, date, datetime

import pytest

from sync.model import MeetingKey, Window
from tests.unit.ical.support import calendar, event, read, read_with, reader

BERLIN = ";TZID=Europe/Berlin:"
NEW_YORK = ";TZID=America/New_York:"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["RRULE:FREQ=DAILY;COUNT=3"], ["12-01 08:00", "12-02 08:00", "12-03 08:00"]),
        (["RRULE:freq=weekly;count=2;"], ["12-01 08:00", "12-08 08:00"]),
        (["RRULE:FREQ=DAILY\\;COUNT=2"], ["12-01 08:00", "12-02 08:00"]),
        (["RRULE:FREQ=DAILY;COUNT=2;X-FOO=1"], ["12-01 08:00", "12-02 08:00"]),
        (["RRULE:RSCALE=GREGORIAN;FREQ=DAILY;COUNT=2;SKIP=OMIT"], ["12-01 08:00", "12-02 08:00"]),
        (["RRULE:FREQ=DAILY;UNTIL=20261203T080000Z"], ["12-01 08:00", "12-02 08:00", "12-03 08:00"]),
        (["RRULE:FREQ=DAILY;UNTIL=20261203T075959Z"], ["12-01 08:00", "12-02 08:00"]),
        (["RRULE:FREQ=DAILY;UNTIL=20261203T090000"], ["12-01 08:00", "12-02 08:00", "12-03 08:00"]),
        (["RRULE:FREQ=DAILY;UNTIL=20261202"], ["12-01 08:00", "12-02 08:00"]),
        (["RRULE:FREQ=DAILY;COUNT=3", "EXDATE:20261202T080000Z"], ["12-01 08:00", "12-03 08:00"]),
        (["RRULE:FREQ=DAILY;COUNT=3", "EXDATE;TZID=Europe/Berlin:20261202T090000"], ["12-01 08:00", "12-03 08:00"]),
        (["RRULE:FREQ=DAILY;COUNT=3", "EXDATE;TZID=America/New_York:20261202T030000"], ["12-01 08:00", "12-03 08:00"]),
        (["RRULE:FREQ=DAILY;COUNT=3", "EXDATE:20261202T090000"], ["12-01 08:00", "12-03 08:00"]),
        (["RRULE:FREQ=DAILY;COUNT=3", "EXDATE;VALUE=DATE:20261202"], ["12-01 08:00", "12-03 08:00"]),
        (["RRULE:FREQ=DAILY;COUNT=3", "EXDATE:20261201T080000Z,20261202T080000Z"], ["12-03 08:00"]),
        (["RRULE:FREQ=DAILY;COUNT=4", "EXRULE:FREQ=DAILY;INTERVAL=2"], ["12-02 08:00", "12-04 08:00"]),
        (["RDATE:20261205T100000Z,20261206T100000Z"], ["12-01 08:00", "12-05 10:00", "12-06 10:00"]),
        (["RDATE;TZID=Europe/Berlin:20261205T100000"], ["12-01 08:00", "12-05 09:00"]),
        (["RDATE;VALUE=DATE:20261205"], ["12-01 08:00", "12-05 08:00"]),
        (["RDATE:"], ["12-01 08:00"]),
        (["RRULE:FREQ=DAILY;COUNT=2", "RRULE:FREQ=DAILY;INTERVAL=3;COUNT=1"], ["12-01 08:00", "12-02 08:00"]),
        (["RRULE:FREQ=DAILY;COUNT=1", "RRULE:FREQ=DAILY;INTERVAL=3;COUNT=2"], ["12-01 08:00", "12-04 08:00"]),
        (["RRULE:FREQ=WEEKLY;BYDAY=WE;COUNT=2"], ["12-01 08:00", "12-02 08:00", "12-09 08:00"]),
        (["RRULE:FREQ=MONTHLY;BYDAY=-1TH;UNTIL=20270201"], ["12-01 08:00", "12-31 08:00"]),
        (["RRULE:FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2;COUNT=1"], ["12-01 08:00", "12-30 08:00"]),
        (["RRULE:FREQ=HOURLY;INTERVAL=6;COUNT=3"], ["12-01 08:00", "12-01 14:00", "12-01 20:00"]),
    ],
)  # fmt: skip
def test_occurrences(lines: list[str], expected: list[str]) -> None:
    window = Window(datetime(2026, 11, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
    found = read(event(*lines, start=BERLIN + "20261201T090000", end=BERLIN + "20261201T100000"), window=window)
    assert found.rejected == []
    assert found.starts() == expected


def test_until_as_local_time_west_of_greenwich_keeps_the_last_occurrence() -> None:
    lines = "RRULE:FREQ=DAILY;UNTIL=20261203T200000"
    found = read(event(lines, start=NEW_YORK + "20261201T200000", end=NEW_YORK + "20261201T210000"))
    assert found.starts() == ["12-02 01:00", "12-03 01:00", "12-04 01:00"]


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ("FREQ=DAILY;COUNT=0", "COUNT=0"),
        ("FREQ=DAILY;COUNT=-1", "COUNT=-1"),
        ("FREQ=DAILY;INTERVAL=0", "INTERVAL=0"),
        ("FREQ=DAILY;INTERVAL=-2", "INTERVAL=-2"),
        ("FREQ=SOMETIMES", "cannot be read"),
        ("COUNT=3", "no FREQ"),
        ("", "no FREQ"),
        ("FREQ=DAILY;COUNT=many", "cannot be read"),
        ("FREQ=DAILY;BYDAY=XX", "cannot be read"),
        ("FREQ=MONTHLY;BYDAY=0MO", "weekday"),
        ("FREQ=MONTHLY;BYMONTHDAY=32", "BYMONTHDAY"),
        ("FREQ=DAILY;BYHOUR=24", "BYHOUR"),
        ("FREQ=DAILY;BYMONTHDAY=", "cannot be read"),
        ("FREQ=YEARLY;BYMONTH=5L", "BYMONTH"),
        ("FREQ=DAILY;BYFOO=1", "BYFOO"),
        ("FREQ=DAILY;UNTIL=soon", "not a date"),
        ("RSCALE=CHINESE;FREQ=YEARLY", "RSCALE"),
        ("FREQ=MONTHLY;SKIP=BACKWARD", "SKIP"),
    ],
)
def test_a_rule_that_cannot_be_followed_costs_its_own_uid_only(rule: str, reason: str) -> None:
    found = read(event(f"RRULE:{rule}"), event(uid="b"))
    assert found.printed() == ["s:b"]
    ((uid, line, said),) = [(one.uid, one.line, one.reason) for one in found.rejected]
    assert (uid, line) == ("a", 4)
    assert reason in said


def test_wall_clock_time_stays_over_the_change_of_the_clocks() -> None:
    window = Window(datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 30, tzinfo=UTC))
    lines = "RRULE:FREQ=WEEKLY;COUNT=3"
    found = read(event(lines, start=BERLIN + "20261020T090000", end=BERLIN + "20261020T100000"), window=window)
    assert found.starts() == ["10-20 07:00", "10-27 08:00", "11-03 08:00"]


def test_a_time_in_the_gap_has_the_offset_before_it_and_a_repeated_one_is_the_first() -> None:
    window = Window(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 11, 30, tzinfo=UTC))
    gap = read(event(start=BERLIN + "20260329T023000", end=BERLIN + "20260329T033000"), window=window).one
    fold = read(event(start=BERLIN + "20261025T023000", end=BERLIN + "20261025T033000"), window=window).one
    assert (gap.start.hour, gap.start.minute) == (1, 30)
    assert (gap.end.hour, gap.end.minute) == (1, 30)
    assert (fold.start.hour, fold.end.hour) == (0, 2)


def test_exact_durations_are_elapsed_time_and_days_follow_the_calendar() -> None:
    window = Window(datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 30, tzinfo=UTC))
    for text, hours in (("PT24H", 24), ("P1D", 25), ("P1W", 169), ("P1DT1H", 26), ("PT0S", 0)):
        lines = f"DURATION:{text}"
        one = read(event(lines, start=BERLIN + "20261024T120000", end=None), window=window).one
        assert (one.end - one.start).total_seconds() == hours * 3600


def test_dtend_wins_over_duration_and_neither_means_no_length() -> None:
    assert read(event("DURATION:PT5H")).one.end.hour == 10
    one = read(event(end=None)).one
    assert one.start == one.end


MOVED = event("RECURRENCE-ID:20261202T090000Z", "SUMMARY:moved", start=":20261205T150000Z", end=":20261205T160000Z")
SERIES = event("RRULE:FREQ=DAILY;COUNT=3", "SUMMARY:series")


def test_an_override_is_known_by_its_recurrence_id() -> None:
    for parts in ([SERIES, MOVED], [MOVED, SERIES]):
        found = read(*parts)
        assert found.printed() == ["s:a@20261201T090000Z", "s:a@20261202T090000Z", "s:a@20261203T090000Z"]
        (moved,) = [one for one in found.meetings if one.title == "moved"]
        assert moved.key == MeetingKey("s", "a", datetime(2026, 12, 2, 9, tzinfo=UTC))
        assert moved.start == datetime(2026, 12, 5, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    "rid",
    [
        ":20261202T090000Z",
        ";TZID=Europe/Berlin:20261202T100000",
        ";VALUE=DATE:20261202",
        ":20261202",
        ";TZID=America/New_York:20261202T040000",
    ],
)
def test_a_recurrence_id_in_any_notation_names_the_same_occurrence(rid: str) -> None:
    found = read(SERIES, event(f"RECURRENCE-ID{rid}", start=":20261205T150000Z", end=":20261205T160000Z"))
    assert found.starts() == ["12-01 09:00", "12-03 09:00", "12-05 15:00"]
    assert "s:a@20261202T090000Z" in found.printed()


def test_an_override_without_master_is_a_meeting_of_its_own() -> None:
    assert read(MOVED).one.key == MeetingKey("s", "a", datetime(2026, 12, 2, 9, tzinfo=UTC))


def test_an_override_that_matches_no_occurrence_is_still_a_meeting() -> None:
    found = read(SERIES, MOVED.replace("RECURRENCE-ID:20261202", "RECURRENCE-ID:20261220"))
    assert "s:a@20261220T090000Z" in found.printed()
    assert len(found.meetings) == 4


def test_an_override_moved_into_or_out_of_the_window_counts_where_it_is_now() -> None:
    window = Window(datetime(2026, 12, 5, tzinfo=UTC), datetime(2026, 12, 6, tzinfo=UTC))
    assert read(SERIES, MOVED, window=window).printed() == ["s:a@20261202T090000Z"]
    window = Window(datetime(2026, 12, 2, tzinfo=UTC), datetime(2026, 12, 3, tzinfo=UTC))
    assert read(SERIES, MOVED, window=window).printed() == []
    found = read(SERIES, MOVED, window=window, known=["s:a@20261202T090000Z"])
    assert found.starts() == ["12-05 15:00"]


def test_known_meetings_are_found_wherever_they_are_in_time() -> None:
    far = event(start=":20290101T090000Z", end=":20290101T100000Z", uid="far")
    past = event("RRULE:FREQ=WEEKLY", start=":20200107T090000Z", end=":20200107T100000Z", uid="old")
    found = read(far, past, known=["s:far", "s:old@20200114T090000Z", "s:old@20200115T090000Z", "s:none", "x:far"])
    keys = found.printed()
    assert "s:far" in keys
    assert "s:old@20200114T090000Z" in keys
    assert "s:old@20200115T090000Z" not in keys
    assert read(far).printed() == []


def test_an_excluded_known_occurrence_is_an_explicit_cancellation() -> None:
    series = event("RRULE:FREQ=DAILY;COUNT=3", "EXDATE:20261202T090000Z", "SUMMARY:x")
    found = read(series, known=["s:a@20261202T090000Z"])
    (gone,) = [one for one in found.meetings if one.cancelled]
    assert (str(gone.key), gone.title, gone.end.hour) == ("s:a@20261202T090000Z", "x", 10)
    assert read(series).starts() == ["12-01 09:00", "12-03 09:00"]
    assert not any(one.cancelled for one in read(series).meetings)


def test_this_and_future_moves_all_that_follow() -> None:
    series = event("RRULE:FREQ=DAILY;COUNT=5", start=BERLIN + "20261201T090000", end=BERLIN + "20261201T100000")
    change = event(
        "RECURRENCE-ID;RANGE=THISANDFUTURE;TZID=Europe/Berlin:20261203T090000",
        "SUMMARY:later",
        start=BERLIN + "20261203T140000",
        end=BERLIN + "20261203T160000",
    )
    single = event(
        "RECURRENCE-ID;TZID=Europe/Berlin:20261204T090000",
        start=BERLIN + "20261204T110000",
        end=BERLIN + "20261204T120000",
    )
    found = read(series, change, single)
    assert found.starts() == ["12-01 08:00", "12-02 08:00", "12-03 13:00", "12-04 10:00", "12-05 13:00"]
    assert found.printed()[-1] == "s:a@20261205T080000Z"
    last = max(found.meetings, key=lambda one: one.start)
    assert (last.title, last.end.hour) == ("later", 15)


def test_cancelled_masters_overrides_and_methods_are_facts() -> None:
    assert read(event("STATUS:CANCELLED")).one.cancelled
    assert read(event("STATUS:cancelled")).one.cancelled
    assert all(one.cancelled for one in read(event("RRULE:FREQ=DAILY;COUNT=3", "STATUS:CANCELLED")).meetings)
    found = read(SERIES, MOVED.replace("SUMMARY:moved", "STATUS:CANCELLED"))
    assert [str(one.key) for one in found.meetings if one.cancelled] == ["s:a@20261202T090000Z"]
    assert read(event(), head=["METHOD:CANCEL"]).one.cancelled
    for method in ("REPLY", "COUNTER", "REFRESH"):
        assert read(event(), head=[f"METHOD:{method}"]).meetings == []
    for method in ("PUBLISH", "REQUEST", "ADD"):
        assert not read(event(), head=[f"METHOD:{method}"]).one.cancelled


def test_a_cancel_in_a_second_calendar_cancels_the_uid_of_the_first() -> None:
    both = calendar(event("SEQUENCE:1")) + calendar("METHOD:CANCEL", event("SEQUENCE:2"))
    assert read_with(reader(), both).one.cancelled


@pytest.mark.parametrize(
    ("first", "second", "winner"),
    [
        (["SEQUENCE:2"], ["SEQUENCE:1"], "first"),
        (["SEQUENCE:9"], ["SEQUENCE:10"], "second"),
        (["DTSTAMP:20261102T000000Z"], ["DTSTAMP:20261101T000000Z"], "first"),
        (["LAST-MODIFIED:20261101T000000Z"], ["LAST-MODIFIED:20261102T000000Z"], "second"),
        ([], [], "second"),
        (["SEQUENCE:x"], ["SEQUENCE:1"], "second"),
    ],
)
def test_of_several_entries_with_one_uid_one_wins_and_it_is_reported(
    first: list[str], second: list[str], winner: str
) -> None:
    one = read(event(*first, "SUMMARY:first"), event(*second, "SUMMARY:second")).one
    assert one.title == winner
    assert [finding.code for finding in one.findings] == ["duplicate-uid"]


def test_the_order_of_time_stamps_counts_for_duplicates_although_the_stamps_are_not_hashed() -> None:
    source = reader()
    old = calendar(event("DTSTAMP:20261102T000000Z", "SUMMARY:1"), event("DTSTAMP:20261101T000000Z", "SUMMARY:2"))
    new = calendar(event("DTSTAMP:20261101T000000Z", "SUMMARY:1"), event("DTSTAMP:20261102T000000Z", "SUMMARY:2"))
    assert read_with(source, old).one.title == "1"
    assert read_with(source, new).one.title == "2"


def test_all_day_entries_make_no_meeting_unless_asked_for() -> None:
    day = event(start=";VALUE=DATE:20261201", end=";VALUE=DATE:20261203")
    assert read(day).meetings == []
    one = read(day, all_day=True, timezone="Europe/Berlin").one
    assert (one.start, one.end) == (
        datetime(2026, 11, 30, 23, tzinfo=UTC),
        datetime(2026, 12, 2, 23, tzinfo=UTC),
    )
    assert one.all_day
    in_calendar = read(day, head=["X-WR-TIMEZONE:America/New_York"], all_day=True).one
    assert in_calendar.start == datetime(2026, 12, 1, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "end", "days"),
    [
        (":20261201", None, 1),
        (":20261201", ":20261201", 1),
        (":20261201", ":20261204", 3),
        (":20261201", ":20261203T120000Z", 3),
    ],
)
def test_the_length_of_all_day_entries(start: str, end: str | None, days: int) -> None:
    one = read(event(start=start, end=end), all_day=True).one
    assert (one.end - one.start).days == days


def test_all_day_series_are_keyed_by_day() -> None:
    series = event("RRULE:FREQ=DAILY;COUNT=3", "EXDATE;VALUE=DATE:20261202", start=":20261201", end=None)
    timed = event("RECURRENCE-ID;VALUE=DATE:20261203", start=":20261203T090000Z", end=":20261203T100000Z")
    found = read(series, timed, all_day=True, timezone="Asia/Tokyo", known=["s:a@20261202"])
    assert found.printed() == ["s:a@20261201", "s:a@20261202", "s:a@20261203"]
    by_key = {one.key.recurrence_id: one for one in found.meetings}
    assert by_key[date(2026, 12, 2)].cancelled
    assert not by_key[date(2026, 12, 3)].all_day
    assert read(series, timed).printed() == ["s:a@20261203"]


def test_a_period_has_its_own_length() -> None:
    found = read(event("RDATE;VALUE=PERIOD:20261205T100000Z/PT3H,20261206T100000Z/20261206T100500Z"))
    lengths = sorted((one.end - one.start).total_seconds() for one in found.meetings)
    assert lengths == [300, 3600, 10800]


@pytest.mark.parametrize(
    ("lines", "start", "end", "reason"),
    [
        ([], ":20261201T090000Z", ":20261201T080000Z", "ends before"),
        (["DURATION:-PT1H"], ":20261201T090000Z", None, "ends before"),
        (["DURATION:P45M"], ":20261201T090000Z", None, "not a duration"),
        (["DURATION:P"], ":20261201T090000Z", None, "not a duration"),
        ([], ":20261301T090000Z", None, "not a date"),
        ([], ":tomorrow", None, "not a date"),
        ([], ":20261201T250000Z", None, "not a date"),
        ([], ":20261201T090000Z", ":later", "not a date"),
        (["EXDATE:never"], ":20261201T090000Z", None, "not a date"),
        (["RECURRENCE-ID:x"], ":20261201T090000Z", None, "not a date"),
        (["RDATE;VALUE=PERIOD:20261205T100000Z/x"], ":20261201T090000Z", None, "not a date"),
        ([], ";TZID:20261201T090000", None, "DTSTART"),
        ([], ";TZID=Nowhere/Land:20261201T090000", None, "Nowhere/Land"),
    ],
)
def test_an_entry_whose_time_cannot_be_read_is_rejected_by_uid_and_line(
    lines: list[str], start: str, end: str | None, reason: str
) -> None:
    found = read(event(uid="b"), event(*lines, start=start, end=end))
    assert found.printed() == ["s:b"]
    ((uid, line, said),) = [(one.uid, one.line, one.reason) for one in found.rejected]
    assert (uid, line) == ("a", 9)
    assert reason in said


def test_a_bad_override_rejects_its_whole_uid_at_its_own_line() -> None:
    found = read(SERIES, event(uid="b"), MOVED.replace("DTSTART:2026", "DTSTART:x"))
    assert found.printed() == ["s:b"]
    assert [(one.uid, one.line) for one in found.rejected] == [("a", 16)]


def test_an_entry_without_dtstart_is_rejected() -> None:
    found = read("BEGIN:VEVENT\r\nUID:a\r\nEND:VEVENT", event(uid="b"))
    assert found.printed() == ["s:b"]
    assert found.rejected[0].reason == "it has no DTSTART"


def test_tentative_entries_can_be_left_out_but_their_cancellation_cannot() -> None:
    assert read(event("STATUS:TENTATIVE")).one.tentative
    assert read(event("STATUS:TENTATIVE"), tentative=False).meetings == []
    both = read(event("STATUS:TENTATIVE"), head=["METHOD:CANCEL"], tentative=False)
    assert both.one.cancelled
