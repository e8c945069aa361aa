"""Calendars from the wild (origin and licence: tests/data/README.md), and what each of them must give."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from sync.model import Window
from tests.unit.ical.support import read_with, reader

FOLDER = Path(__file__).parents[2] / "data" / "icalendar"
ALL_TIMES = Window(datetime(1995, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))

# name: (whole, instants of the first meetings, number of meetings, {line: reason} of the rejected ones)
EXPECTED: dict[str, tuple[bool, list[str], int, dict[int, str]]] = {
    # two DTSTART: the first counts; the zone is defined behind the event that uses it
    "america_new_york_forward_reference": (True, ["20140829T120000Z"], 1, {}),
    "big_bad_calendar": (False, [], 0, {2: "no DTSTART"}),
    "bom_calendar": (True, [], 0, {}),
    "broken_dtstart": (True, [], 0, {4: "INVALID-DATE"}),
    "broken_ical": (True, [], 0, {2: "DTSTART"}),
    "created_calendar_with_unicode_fields": (True, ["20101010T000000Z", "20101010T100000Z"], 2, {20: "no DTSTART"}),
    "invalid_duration": (True, [], 0, {4: "not a duration"}),
    # a line "X" behind the event
    "issue_104_broken_calendar": (True, ["20140401T000000Z"], 1, {}),
    "issue_1050_multiple_calendars": (True, [], 0, {4: "no DTSTART", 12: "no DTSTART"}),
    "issue_1081_invalid_rrule_freq": (True, [], 0, {4: "recurrence rule"}),
    "issue_1426": (True, ["19961230T020000Z", "19970101T180000Z", "19970901T180000Z"], 3, {}),
    # Notes: the rest of a series as an override with RDATE periods, its zone a Windows name
    "issue_156_RDATE_with_PERIOD_TZID_khal": (True, ["20180327T130000Z", "20180403T130000Z"], 19, {}),
    "issue_156_RDATE_with_PERIOD_TZID_khal_2": (True, ["20211101T150000Z", "20211206T150000Z"], 4, {}),
    # working days from 3 to 22 July 2015, BYDAY folded and with blanks, the zone by its VTIMEZONE
    "issue_165_missing_event": (True, ["20150703T080000Z", "20150706T080000Z"], 14, {}),
    # DTSTART of the zone is a DATE
    "issue_218_bad_tzid": (True, ["20170228T120000Z"], 1, {}),
    "issue_237_fail_to_parse_timezone_with_non_ascii_tzid": (True, ["20170511T163000Z"], 1, {}),
    "issue_313_globally_unique_tzid": (True, ["20200426T120000Z", "20200426T170000Z", "20200426T180000Z"], 3, {}),
    # ORGANIZER without a value, but in the VFREEBUSY
    "issue_348_exception_parsing_value": (True, ["20190624T063000Z"], 1, {}),
    # an X- property behind END:VCALENDAR
    "issue_350": (False, ["20220222T183000Z"], 1, {}),
    "issue_466_convert_tzid_with_slash": (True, [], 219, {}),
    "issue_526_calendar_with_events": (True, [], 0, {4: "Western/Central Europe", 11: "Western/Central Europe"}),
    "issue_722_timezone_transition_ambiguity": (
        True,
        ["20240302T200000Z", "20240504T190001Z", "20240504T220001Z", "20240802T220000Z"],
        4,
        {},
    ),
    # blank lines inside of folded properties
    "multiple_calendar_components": (True, ["20030501T000000Z", "20031225T000000Z"], 3, {}),
    "pacific_fiji": (True, ["20140828T200000Z"], 1, {}),
    # an EXDATE without a value; both entries have no UID and differ in DESCRIPTION only: one duplicate
    "parsing_error": (True, ["20080303T000000Z", "20080304T000000Z"], 20, {}),
    "period_with_timezone": (True, ["20230920T190000Z", "20231018T190000Z", "20231115T200000Z"], 9, {}),
    "rfc_7265_appendix_example_2_ical": (True, ["20060102T170000Z", "20060102T200000Z"], 6, {}),
    "rfc_7529": (True, [], 0, {5: "RSCALE", 11: "RSCALE", 17: "RSCALE", 23: "RSCALE"}),
    # SUMMARY=testevent without a colon, posix/ in front of the zone
    "timezone_rdate": (True, ["20120213T090000Z"], 1, {}),
    # END:VCALENDARD
    "timezone_same_start_and_offset": (False, ["20170224T030000Z"], 1, {}),
}


def test_each_calendar_has_its_expectation() -> None:
    assert {path.stem for path in FOLDER.glob("*.ics")} == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_real_calendar_is_read_or_rejected_for_the_right_reason(name: str) -> None:
    whole, first, number, rejected = EXPECTED[name]
    found = read_with(reader(all_day=True), (FOLDER / f"{name}.ics").read_bytes(), window=ALL_TIMES)
    assert (found.defect == "") is whole
    starts = sorted({one.start.strftime("%Y%m%dT%H%M%SZ") for one in found.meetings})
    assert starts[: len(first)] == first
    assert len(found.meetings) == number
    assert sorted(one.line or 0 for one in found.rejected) == sorted(rejected)
    assert all(rejected[one.line or 0] in one.reason for one in found.rejected)
