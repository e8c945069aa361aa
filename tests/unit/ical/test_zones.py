"""Which zone a TZID means: by feed, never by a memory across feeds, and never silently local time."""

from datetime import UTC, datetime, timedelta

import pytest

from connectors.sources.ical.feedzone import read_zone
from connectors.sources.ical.rules import Budget
from connectors.sources.ical.settings import IcalSettings
from tests.unit.ical.support import calendar, event, read, read_with, reader


def zone(name: str, *parts: tuple[str, str, str, str, str]) -> str:
    """A VTIMEZONE; each part is (kind, DTSTART, from, to, RRULE or "")."""
    lines = ["BEGIN:VTIMEZONE", f"TZID:{name}"]
    for kind, start, before, to, rule in parts:
        lines += [f"BEGIN:{kind}", f"DTSTART:{start}", f"TZOFFSETFROM:{before}", f"TZOFFSETTO:{to}"]
        lines += ([f"RRULE:{rule}"] if rule else []) + [f"END:{kind}"]
    return "\r\n".join([*lines, "END:VTIMEZONE"])


WINTER = ("STANDARD", "16010101T030000", "+0200", "+0100", "FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10")
SUMMER = ("DAYLIGHT", "16010101T020000", "+0100", "+0200", "FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3")
CUSTOM = zone("Customized Time Zone", WINTER, SUMMER)
FIXED = zone("Bespoke", ("STANDARD", "20000101T000000", "+0530", "+0530", ""))


def hour(tzid: str, *parts: str, **given: object) -> str:
    """The UTC time of 09:00 on 1 December in a zone."""
    start = f";TZID={tzid}:20261201T090000"
    return read(*parts, event(start=start, end=start.replace("T09", "T10")), **given).one.start.strftime("%H:%M")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("tzid", "expected"),
    [
        ("Europe/Berlin", "08:00"),
        ("europe/berlin", "08:00"),
        ('"Europe/Berlin"', "08:00"),
        ("US/Eastern", "14:00"),
        ("UTC", "09:00"),
        ("GMT", "09:00"),
        ("Z", "09:00"),
        ("Etc/GMT+5", "14:00"),
        ("W. Europe Standard Time", "08:00"),
        ("w. europe standard time", "08:00"),
        ('"Eastern Standard Time"', "14:00"),
        ("Tokyo Standard Time", "00:00"),
        ("tzone://Microsoft/Utc", "09:00"),
        ('"tzone://Microsoft/Utc"', "09:00"),
        ("/freeassociation.sourceforge.net/Tzfile/Europe/Berlin", "08:00"),
        ("/freeassociation.sourceforge.net/America/Argentina/Buenos_Aires", "12:00"),
        ("/mozilla.org/20070129_1/Europe/Paris", "08:00"),
        ('"(UTC+01:00) Amsterdam, Berlin"', "08:00"),
        ("(UTC+01:00) Amsterdam", "08:00"),
        ("GMT -0500 (Standard)", "14:00"),
        ("UTC+5", "04:00"),
    ],
)
def test_a_name_means_a_zone_without_any_definition(tzid: str, expected: str) -> None:
    assert hour(tzid) == expected


@pytest.mark.parametrize("tzid", ["Nowhere", "Customized Time Zone", "Bespoke", "Europe/Nowhere", "UTC+99", "(UTC)x"])
def test_a_name_that_nothing_knows_is_rejected_not_floating(tzid: str) -> None:
    found = read(event(start=f";TZID={tzid}:20261201T090000", end=None), event(uid="b"))
    assert found.printed() == ["s:b"]
    assert tzid in found.rejected[0].reason


def test_an_offset_taken_from_a_name_is_said() -> None:
    one = read(event(start=";TZID=GMT -0500 (Standard):20260701T090000", end=None), known=["s:a"]).one
    assert [finding.code for finding in one.findings] == ["timezone-assumed"]
    assert one.start.hour == 14


def test_the_feeds_own_definition_is_used() -> None:
    assert hour("Customized Time Zone", CUSTOM) == "08:00"
    assert hour("Bespoke", FIXED) == "03:30"
    assert hour("bespoke", FIXED) == "03:30"


def test_a_zone_with_standard_time_only_keeps_its_offset() -> None:
    odd = zone("Bespoke", ("STANDARD", "20270101T000000", "+0000", "+0530", ""))
    assert hour("Bespoke", odd) == "03:30"


def test_the_iana_definition_wins_over_the_feeds_own() -> None:
    assert (
        hour("Europe/Berlin", zone("Europe/Berlin", ("STANDARD", "20000101T000000", "+0900", "+0900", ""))) == "08:00"
    )


def test_definitions_do_not_leak_from_feed_to_feed_nor_from_read_to_read() -> None:
    source, other = reader(), reader()

    def text(offset: str) -> str:
        definition = zone("Bespoke", ("STANDARD", "20000101T000000", offset, offset, ""))
        return calendar(definition, event(start=";TZID=Bespoke:20261201T090000", end=None))

    assert read_with(source, text("-0500")).one.start.hour == 14
    assert read_with(other, text("+0100")).one.start.hour == 8
    assert read_with(source, text("+0100")).one.start.hour == 8
    without = calendar(event(start=";TZID=Bespoke:20261201T090000", end=None))
    assert read_with(source, without).rejected[0].uid == "a"


def test_each_calendar_of_a_feed_has_its_own_definitions() -> None:
    def one(uid: str, offset: str) -> str:
        definition = zone("Bespoke", ("STANDARD", "20000101T000000", offset, offset, ""))
        return calendar(definition, event(uid=uid, start=";TZID=Bespoke:20261201T090000", end=None))

    found = read_with(reader(), one("a", "-0500") + one("b", "+0100"))
    assert {one.key.uid: one.start.hour for one in found.meetings} == {"a": 14, "b": 8}


@pytest.mark.parametrize(
    "bad",
    [
        "BEGIN:VTIMEZONE\r\nTZID:Bespoke\r\nEND:VTIMEZONE",
        zone("Bespoke", ("STANDARD", "20000101T000000", "+0100", "later", "")),
        zone("Bespoke", ("STANDARD", "never", "+0100", "+0100", "")),
        zone("Bespoke", ("STANDARD", "20000101T000000", "+0100", "+0100", "FREQ=NEVER")),
        zone("Bespoke", ("STANDARD", "20000101T000000", "+0100", "+9900", "")),
        zone("Bespoke", ("STANDARD", "20000101T000000", "+0100", "+0200", "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30")),
    ],
)
def test_a_bad_definition_costs_only_the_entries_that_use_it(bad: str) -> None:
    user = event(start=";TZID=Bespoke:20261201T090000", end=None)
    found = read(bad, user, event(uid="b"), event(uid="c", start=";TZID=Europe/Berlin:20261201T090000", end=None))
    assert found.printed() == ["s:b", "s:c"]
    assert [one.uid for one in found.rejected] == ["a"]


@pytest.mark.parametrize("year", ["1601", "0001", "1970"])
def test_a_defined_zone_agrees_with_the_table_over_the_changes_of_the_clocks(year: str) -> None:
    raw = "\n" + CUSTOM.replace("16010101", f"{year}0101")
    defined = read_zone(raw.encode(), Budget())
    table = __import__("zoneinfo").ZoneInfo("Europe/Berlin")
    moment = datetime(2026, 3, 28, 0, 10)
    while moment < datetime(2026, 10, 27):
        assert defined.to_utc(moment) == moment.replace(tzinfo=table).astimezone(UTC), moment
        instant = moment.replace(tzinfo=UTC)
        assert defined.to_local(instant) == instant.astimezone(table).replace(tzinfo=None), moment
        moment += timedelta(minutes=20)


def test_a_time_with_a_zone_name_and_z_is_utc() -> None:
    assert read(event(start=";TZID=Europe/Berlin:20261201T090000Z", end=None)).one.start.hour == 9


def test_floating_times_take_the_calendars_zone_else_the_sources() -> None:
    floating = event(start=":20261201T090000", end=":20261201T100000")
    assert read(floating).one.start.hour == 9
    assert read(floating, timezone="America/New_York").one.start.hour == 14
    assert read(floating, timezone="America/New_York", head=["X-WR-TIMEZONE:Europe/Berlin"]).one.start.hour == 8
    assert read(floating, head=["X-WR-TIMEZONE:W. Europe Standard Time"]).one.start.hour == 8
    assert read(floating, head=["X-WR-TIMEZONE:"]).one.start.hour == 9


def test_a_new_calendar_zone_is_seen_although_the_entry_did_not_change() -> None:
    source = reader()
    floating = event(start=":20261201T090000", end=None)
    assert read_with(source, calendar("X-WR-TIMEZONE:Europe/Berlin", floating)).one.start.hour == 8
    assert read_with(source, calendar("X-WR-TIMEZONE:Asia/Tokyo", floating)).one.start.hour == 0


def test_an_unknown_zone_in_the_settings_is_a_clear_error() -> None:
    with pytest.raises(ValueError, match="Europe/Berlin"):
        IcalSettings(type="ical", url="/x", timezone="Mars")  # type: ignore[arg-type]
