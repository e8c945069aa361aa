"""Traps of real calendars, one test each: which entry is which meeting, what cancels it, and what proves it gone."""

from datetime import UTC, date, datetime
from itertools import permutations

import pytest

from sync.model import Window
from tests.unit.ical.support import Result, calendar, event, read, read_with, reader

SERIES = event("RRULE:FREQ=DAILY;COUNT=3", "SUMMARY:series")
KNOWN = ["s:a@20261201T090000Z", "s:a@20261202T090000Z", "s:a@20261203T090000Z"]


def override(rid: str = ":20261202T090000Z", *lines: str, start: str = ":20261205T150000Z") -> str:
    return event(f"RECURRENCE-ID{rid}", *lines, "DURATION:PT1H", start=start, end=None)


def cancelled(found: Result) -> list[str]:
    return sorted(str(one.key) for one in found.meetings if one.cancelled)


@pytest.mark.parametrize("parts", list(permutations([SERIES, override(), event(uid="b")])))
def test_override_with_master(parts: tuple[str, ...]) -> None:
    found = read(*parts)
    assert [key for key in found.printed() if key != "s:b"] == KNOWN
    assert found.starts() == ["12-01 09:00", "12-03 09:00", "12-05 15:00"]


def test_override_without_master() -> None:
    assert read(override()).printed() == ["s:a@20261202T090000Z"]
    assert read(override(";VALUE=DATE:20261202")).printed() == ["s:a@20261202"]
    later = read(override(), SERIES)
    assert later.printed() == KNOWN, "its key stays when the master arrives"


def test_override_moved_across_the_window_edge() -> None:
    into, out_of = Window(utc(5), utc(6)), Window(utc(2), utc(3))
    assert read(SERIES, override(), window=into).printed() == [KNOWN[1]]
    assert read(SERIES, override(), window=out_of).printed() == []
    assert read(SERIES, override(), window=out_of, known=KNOWN[1:2]).starts() == ["12-05 15:00"]


def utc(day: int) -> datetime:
    return datetime(2026, 12, day, tzinfo=UTC)


@pytest.mark.parametrize(
    "rid",
    [
        ":20261202T090000Z",
        ";TZID=Asia/Tokyo:20261202T180000",
        ";TZID=Tokyo Standard Time:20261202T180000",
        ";VALUE=DATE:20261202",
        ":20261202",
        ":20261202T090000",
    ],
)
def test_recurrence_id_in_utc_in_another_zone_or_as_date(rid: str) -> None:
    found = read(SERIES, override(rid), timezone="UTC")
    assert found.printed() == KNOWN
    assert found.starts() == ["12-01 09:00", "12-03 09:00", "12-05 15:00"], "not the original and the override"


def test_recurrence_id_of_an_all_day_series_is_a_day() -> None:
    days = event("RRULE:FREQ=DAILY;COUNT=3", start=":20261201", end=None)
    for rid in (":20261202", ";VALUE=DATE:20261202", ":20261201T230000Z"):
        found = read(days, override(rid), all_day=True, timezone="Europe/Berlin")
        assert [one.key.recurrence_id for one in found.meetings if not one.all_day] == [date(2026, 12, 2)]
        assert len(found.meetings) == 3


def test_thisandfuture_shifts_the_rest_and_keeps_identities() -> None:
    change = event(
        "RECURRENCE-ID;RANGE=THISANDFUTURE:20261202T090000Z",
        "SUMMARY:later",
        start=":20261202T140000Z",
        end=":20261202T160000Z",
    )
    found = read(SERIES, change)
    assert found.printed() == KNOWN
    assert found.starts() == ["12-01 09:00", "12-02 14:00", "12-03 14:00"]
    assert {one.title for one in found.meetings if one.start.hour == 14} == {"later"}
    again = override(";RANGE=THISANDFUTURE:20261203T090000Z", start=":20261203T200000Z")
    assert read(SERIES, change, again).starts() == ["12-01 09:00", "12-02 14:00", "12-03 20:00"]


def test_thisandfuture_that_is_cancelled_ends_the_series() -> None:
    for end in (["STATUS:CANCELLED"], ["STATUS:CANCELED"]):
        change = override(";RANGE=THISANDFUTURE:20261202T090000Z", *end, start=":20261202T090000Z")
        assert cancelled(read(SERIES, change)) == KNOWN[1:]


def test_status_cancelled_master() -> None:
    assert read(event("STATUS:CANCELLED")).one.cancelled
    gone = read(SERIES.replace("SUMMARY", "STATUS:CANCELLED\r\nSUMMARY"), override())
    assert cancelled(gone) == KNOWN


def test_status_cancelled_instance() -> None:
    assert cancelled(read(SERIES, override(":20261202T090000Z", "STATUS:CANCELLED"))) == KNOWN[1:2]


def test_method_cancel() -> None:
    assert cancelled(read(SERIES, event(uid="b"), head=["METHOD:CANCEL"])) == [*KNOWN, "s:b"]
    assert cancelled(read(override(), head=["METHOD:CANCEL"], known=KNOWN)) == KNOWN[1:2]


def test_method_cancel_of_a_series_without_its_rule() -> None:
    found = read(event(), head=["METHOD:CANCEL"], known=[*KNOWN, "s:other"])
    assert set(KNOWN) <= set(cancelled(found))
    assert found.unproved == ["s:other"]


@pytest.mark.parametrize("line", ["DTSTAMP:20261120T100000Z", "STATUS:CANCELLED\r\nDTSTAMP:20261120T100000Z"])
def test_method_cancel_without_dtstart(line: str) -> None:
    bare = f"BEGIN:VEVENT\r\nUID:a\r\n{line}\r\nSEQUENCE:1\r\nEND:VEVENT"
    head = [] if "STATUS" in line else ["METHOD:CANCEL"]
    found = read(bare, head=head, known=[*KNOWN, "s:a"])
    assert found.rejected == []
    assert set(cancelled(found)) == {*KNOWN, "s:a"}
    one = bare.replace("SEQUENCE:1", "RECURRENCE-ID;VALUE=DATE:20261202")
    assert cancelled(read(SERIES, one.replace("SEQUENCE", "X"), known=KNOWN)) == (KNOWN[1:2] if not head else [])
    assert "no DTSTART" in read(bare.replace("STATUS:CANCELLED", "X-A:1")).rejected[0].reason


def test_method_cancel_beside_what_it_cancels() -> None:
    request = calendar("METHOD:REQUEST", event("SEQUENCE:1"))
    bare = calendar("METHOD:CANCEL", "BEGIN:VEVENT\r\nUID:a\r\nDTSTAMP:20261120T100000Z\r\nSEQUENCE:2\r\nEND:VEVENT")
    assert cancelled(read_with(reader(), request + bare, ["s:a"])) == ["s:a"]
    old = read_with(reader(), request + bare.replace("SEQUENCE:2", "SEQUENCE:0"), ["s:a"])
    assert cancelled(old) == [], "the cancellation of an older revision"


@pytest.mark.parametrize("method", ["CANCEL", "REPLY", "COUNTER", "DECLINECOUNTER", "REFRESH"])
def test_messages_prove_nothing_about_what_they_do_not_name(method: str) -> None:
    found = read(event(uid="x"), head=[f"METHOD:{method}"], known=["s:a", "s:x"])
    assert "s:a" in found.unproved
    assert ("s:x" in found.unproved) is (method != "CANCEL")
    assert cancelled(found) == (["s:x"] if method == "CANCEL" else [])


@pytest.mark.parametrize("method", ["PUBLISH", "REQUEST", "ADD", "", "x-own"])
def test_other_methods_are_a_feed(method: str) -> None:
    found = read(event(uid="x"), head=[f"METHOD:{method}"] if method else [], known=["s:a"])
    assert found.unproved == []
    assert len(found.meetings) == 1


def test_a_reply_beside_a_feed_is_no_event_and_no_absence_either() -> None:
    both = calendar(event(uid="b")) + calendar("METHOD:REPLY", event())
    assert read_with(reader(), both, ["s:a", "s:b", "s:c"]).unproved == ["s:a"]
    again = calendar(event(uid="b")) + calendar("METHOD:REPLY", event(uid="b"))
    assert read_with(reader(), again, ["s:b@20261203T090000Z"]).unproved == []


def test_a_request_for_one_occurrence_says_nothing_about_the_others() -> None:
    assert read(override(), head=["METHOD:REQUEST"], known=KNOWN).unproved == [KNOWN[0], KNOWN[2]]
    assert read(SERIES, override(), head=["METHOD:REQUEST"], known=["s:a@20261209T090000Z"]).unproved == []
    assert read(override(), known=KNOWN).unproved == []


def test_method_add_is_one_more_occurrence() -> None:
    added = calendar("METHOD:ADD", event("SEQUENCE:9", start=":20261210T090000Z", end=":20261210T100000Z"))
    found = read_with(reader(), calendar("METHOD:REQUEST", SERIES) + added)
    assert found.printed() == [*KNOWN, "s:a@20261210T090000Z"]


def test_sequence_and_last_modified_going_back() -> None:
    """A feed is a snapshot: what it says now counts, whatever was read before."""
    source = reader()
    for number, month in ((5, "11"), (3, "10"), (0, "09")):
        text = calendar(event(f"SEQUENCE:{number}", f"LAST-MODIFIED:2026{month}01T000000Z", f"SUMMARY:{number}"))
        assert read_with(source, text).one.title == str(number)


ONE = {"start": ":20261201T090000Z", "end": ":20261201T100000Z"}
OTHER = {"start": ":20261210T090000Z", "end": ":20261210T100000Z"}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (["SEQUENCE:2"], ["SEQUENCE:1"]),
        (["SEQUENCE:10", "LAST-MODIFIED:20260101T000000Z"], ["SEQUENCE:9", "LAST-MODIFIED:20261101T000000Z"]),
        (["LAST-MODIFIED:20261101T000000Z"], ["LAST-MODIFIED:20261031T000000Z"]),
        (["DTSTAMP:20261101T000000Z"], ["DTSTAMP:20261031T000000Z"]),
        (
            ["DTSTAMP:20261101T000000Z", "LAST-MODIFIED:20261101T000000Z"],
            ["DTSTAMP:20261101T000001Z", "LAST-MODIFIED:20261001T000000Z"],
        ),
    ],
)
def test_duplicate_uid_with_a_rank(first: list[str], second: list[str]) -> None:
    for times in (ONE, OTHER):
        copies = [event(*first, "SUMMARY:first", **ONE), event(*second, "SUMMARY:second", **times)]
        for parts in (copies, copies[::-1]):
            found = read(*parts)
            assert (found.one.title, found.printed(), found.said()) == ("first", ["s:a"], ["duplicate-uid"])


def test_duplicate_uid_of_the_same_second() -> None:
    stamp = "DTSTAMP:20261101T000000Z"
    found = read(event(stamp, "SUMMARY:1"), event(stamp, "SUMMARY:2"))
    assert (found.one.title, found.said()) == ("2", ["duplicate-uid"])


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ([], []),
        (["SEQUENCE:1"], ["SEQUENCE:1"]),
        (["DTSTAMP:20261101T000000Z"], ["DTSTAMP:20261101T000000Z"]),
        (["DTSTAMP:20261101T000002Z"], ["DTSTAMP:20261101T000001Z"]),  # a server that writes the time of the request
        (["DTSTAMP:20261101T000001Z"], ["DTSTAMP:20261101T000002Z"]),
        (["LAST-MODIFIED:20261101T000002Z"], ["LAST-MODIFIED:20261101T000001Z"]),
    ],
)
def test_duplicate_uid_with_different_dtstarts_that_nothing_ranks(first: list[str], second: list[str]) -> None:
    copies = [event(*first, "SUMMARY:1", **ONE), event(*second, "SUMMARY:2", **OTHER)]
    for parts in (copies, copies[::-1]):
        found = read(*parts)
        assert found.printed() == ["s:a@20261201T090000Z", "s:a@20261210T090000Z"]
        assert sorted(one.title for one in found.meetings) == ["1", "2"]
        assert found.said() == ["duplicate-uid"]
        assert all("each is a meeting of its own" in one.findings[0].message for one in found.meetings)


def test_duplicate_uid_in_every_order_gives_the_same_meetings() -> None:
    parts = [
        event("SUMMARY:1", **ONE),
        event("SUMMARY:2", **OTHER),
        event("RRULE:FREQ=DAILY;COUNT=3", "SUMMARY:3", start=":20261220T090000Z", end=None),
        override(":20261221T090000Z"),
        event("SUMMARY:4", "RRULE:FREQ=DAILY;COUNT=2", start=":20261225T090000Z", end=None),
    ]
    expected = [f"s:a@202612{day:02}T090000Z" for day in (1, 10, 20, 21, 22, 25, 26)]
    for order in permutations(parts):
        found = read(*order, known=expected)
        assert found.printed() == expected
        assert found.starts()[2] == "12-10 09:00"
        assert len(found.starts()) == 7


def test_duplicate_uid_that_is_wrongly_used_for_everything_costs_time_in_proportion() -> None:
    import time

    days = [
        f":202612{day:02}T{hour:02}{minute:02}00Z" for day in range(1, 29) for hour in range(24) for minute in (0, 30)
    ]
    begun = time.process_time()
    found = read(
        *(event(start=day, end=None) for day in days), known=[f"s:a@202612{day:02}T090000Z" for day in range(9)]
    )
    assert len(found.meetings) == len(days)
    assert time.process_time() - begun < 3


@pytest.mark.parametrize("line", ["", "UID:\r\n", "UID: \r\n", "UID;X=1:\r\n"])
def test_missing_and_empty_uid(line: str) -> None:
    parts = [event(f"SUMMARY:{name}").replace("UID:a\r\n", line) for name in ("x", "y")]
    parts.append(event("SUMMARY:x", **OTHER).replace("UID:a\r\n", line))
    found = read(*parts)
    assert len(found.meetings) == 3, "entries without a UID do not collapse into one"
    assert read(*parts[::-1]).printed() == found.printed()
    assert all(key.startswith("s:no-uid-") for key in found.printed())


def test_missing_dtstamp() -> None:
    assert read(event()).one.findings == ()


def test_missing_dtstart() -> None:
    found = read("BEGIN:VEVENT\r\nUID:a\r\nSUMMARY:x\r\nEND:VEVENT", event(uid="b"))
    assert found.printed() == ["s:b"]
    assert [(one.uid, one.line, one.reason) for one in found.rejected] == [("a", 4, "it has no DTSTART")]


@pytest.mark.parametrize("tentative", [True, False])
def test_status_tentative(tentative: bool) -> None:
    found = read(event("STATUS:TENTATIVE"), event(uid="b"), tentative=tentative)
    assert found.printed() == (["s:a", "s:b"] if tentative else ["s:b"])
