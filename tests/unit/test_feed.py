"""The published feed's text: what it says, and that others read the same in it."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import icalendar
import pytest
import vobject
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.feed import FileFeed, event_text
from connectors.sources.ical import IcalSource
from connectors.sources.ical.settings import IcalSettings
from daemon.demo.calendar import demo_calendar
from sync.model import Meeting, MeetingKey, RecurrenceId, Window
from sync.outlets import Published
from tests.unit.builders import HOUR, NOW, SOON

JOIN = "https://vendor.example/join?room=7&lang=de#top"
OFFER = "https://files.example.com/offer.pdf"
WINDOW = Window(NOW - timedelta(days=2), NOW + timedelta(days=60))

unhurried = settings(deadline=None, max_examples=150)


def shown(name: str = "m1", recurrence_id: RecurrenceId = None, **values: Any) -> Published:
    """A meeting of one hour, tomorrow, with a join link."""
    key = MeetingKey("sales", f"{name}@example.com", recurrence_id)
    one = Published(key, f"Meeting {name}", SOON, SOON + HOUR, JOIN, "Room 7", "What it is about", 0, NOW)
    return replace(one, **values)


def as_shown(meeting: Meeting) -> Published:
    """A meeting of a calendar as it is published, with a join link of its own."""
    stamp = meeting.key.recurrence_id
    number = f"{stamp:%Y%m%d}" if stamp else "0"
    return Published(
        meeting.key,
        meeting.title,
        meeting.start,
        meeting.end,
        f"https://vendor.example/join/{meeting.key.uid.partition('@')[0]}-{number}",
        meeting.location,
        meeting.description,
        2,
        NOW,
    )


async def text_of(folder: Path, *meetings: Published) -> bytes:
    await FileFeed(folder / "sales.ics", "sales").write(meetings)
    return (folder / "sales.ics").read_bytes()


async def read_again(folder: Path, text: str | bytes, name: str = "again.ics", **given: object) -> list[Meeting]:
    """The meetings that convener's own source finds in a calendar."""
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    source = IcalSource("sales", IcalSettings.model_validate({"type": "ical", "url": str(path), **given}), folder)
    snapshot = await source.fetch(None, WINDOW, [])
    await source.close()
    assert (snapshot.complete, snapshot.rejected) == (True, ())
    return sorted((m for m in snapshot.meetings if not m.cancelled), key=lambda m: (m.start, str(m.key)))


def seen_by_icalendar(text: bytes) -> list[tuple[object, ...]]:
    found = [
        (
            str(e["UID"]), e.RECURRENCE_ID, e.start, e.end,
            str(e.get("SUMMARY", "")), str(e["URL"]), [str(one.uri) for one in e.conferences],
        )
        for e in icalendar.Calendar.from_ical(text).events
    ]  # fmt: skip
    return sorted(found, key=str)


def seen_by_vobject(text: bytes) -> list[tuple[object, ...]]:
    calendar = vobject.readOne(text.decode())
    found = [
        (
            e.uid.value, e.recurrence_id.value if hasattr(e, "recurrence_id") else None, e.dtstart.value, e.dtend.value,
            e.summary.value, e.url.value, [one.value for one in e.contents["conference"]],
        )
        for e in calendar.vevent_list
    ]  # fmt: skip
    return sorted(found, key=str)


def expected(meetings: Iterable[Published]) -> list[tuple[object, ...]]:
    found = [
        (m.key.uid, m.key.recurrence_id, m.start, m.end, m.title, m.join_url, [m.join_url]) for m in meetings
    ]  # fmt: skip
    return sorted(found, key=str)


class TestReadBack:
    @pytest.mark.parametrize("edited", [False, True])
    async def test_two_other_parsers_find_the_same_meetings_and_links(self, tmp_path: Path, edited: bool) -> None:
        meetings = [as_shown(m) for m in await read_again(tmp_path, demo_calendar(NOW, OFFER, edited=edited))]
        uids = [m.key.uid.partition("@")[0] for m in meetings]
        assert (uids.count("weekly-review"), uids.count("webinar-2"), uids.count("support-call-77")) == (
            3,
            1,
            not edited,
        )
        text = await text_of(tmp_path, *meetings)
        assert seen_by_icalendar(text) == expected(meetings)
        assert seen_by_vobject(text) == expected(meetings)

    async def test_a_source_of_ours_finds_the_same_keys_times_and_links(self, tmp_path: Path) -> None:
        meetings = await read_again(tmp_path, demo_calendar(NOW, OFFER, edited=False))
        published = [as_shown(m) for m in meetings]
        again = await read_again(tmp_path, await text_of(tmp_path, *published))
        assert [(m.key, m.title, m.start, m.end) for m in again] == [(m.key, m.title, m.start, m.end) for m in meetings]
        assert [m.conference_links for m in again] == [(p.join_url,) for p in published]
        assert {m.participants for m in again} == {()}

    async def test_an_occurrence_that_is_known_by_its_day_keeps_its_key(self, tmp_path: Path) -> None:
        one = shown(recurrence_id=date(2026, 11, 24))
        text = await text_of(tmp_path, one)
        assert b"RECURRENCE-ID;VALUE=DATE:20261124\r\n" in text
        assert seen_by_icalendar(text) == seen_by_vobject(text) == expected([one])
        (again,) = await read_again(tmp_path, text)
        assert (again.key, again.start, again.end) == (one.key, one.start, one.end)

    async def test_the_days_of_an_all_day_series_are_days_for_every_reader(self, tmp_path: Path) -> None:
        """RFC 5545 section 3.8.4.4: the RECURRENCE-ID and the DTSTART of the series are of one type."""
        series = (
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n"
            "BEGIN:VEVENT\r\nUID:fair@example.com\r\nDTSTAMP:20261101T000000Z\r\nDTSTART;VALUE=DATE:20261124\r\n"
            "DTEND;VALUE=DATE:20261126\r\nRRULE:FREQ=WEEKLY;COUNT=3\r\nSUMMARY:Fair\r\nEND:VEVENT\r\n"
            "BEGIN:VEVENT\r\nUID:fair@example.com\r\nDTSTAMP:20261101T000000Z\r\n"
            "RECURRENCE-ID;VALUE=DATE:20261201\r\nDTSTART:20261202T090000Z\r\nDTEND:20261202T100000Z\r\n"
            "SUMMARY:Fair in short\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
        )
        meetings = await read_again(tmp_path, series, all_day=True)
        published = [as_shown(m) for m in meetings]
        text = await text_of(tmp_path, *published)
        assert text.count(b"RECURRENCE-ID;VALUE=DATE:") == 3
        assert b"DTSTART;VALUE=DATE:20261124\r\nDTEND;VALUE=DATE:20261126\r\n" in text
        for seen in (seen_by_icalendar(text), seen_by_vobject(text)):
            assert [row[1:4] for row in seen] == [
                (date(2026, 11, 24), date(2026, 11, 24), date(2026, 11, 26)),
                (date(2026, 12, 1), datetime(2026, 12, 2, 9, tzinfo=UTC), datetime(2026, 12, 2, 10, tzinfo=UTC)),
                (date(2026, 12, 8), date(2026, 12, 8), date(2026, 12, 10)),
            ]
        again = await read_again(tmp_path, text, all_day=True)
        assert [(m.key, m.start, m.end) for m in again] == [(m.key, m.start, m.end) for m in meetings]
        assert [m.conference_links for m in again] == [(p.join_url,) for p in published]

    async def test_only_whole_days_of_a_series_are_written_as_days(self, tmp_path: Path) -> None:
        midnight = datetime(2026, 11, 24, tzinfo=UTC)
        days = {"start": midnight, "end": midnight + timedelta(days=1)}
        assert b"DTSTART:20261124T000000Z" in event_text(shown(**days))
        assert b"DTSTART:20261124T000000Z" in event_text(shown(recurrence_id=midnight, **days))
        by_day = shown(recurrence_id=midnight.date(), **days)
        assert b"DTSTART;VALUE=DATE:20261124\r\nDTEND;VALUE=DATE:20261125" in event_text(by_day)
        for odd in (replace(by_day, end=midnight), replace(by_day, end=midnight + HOUR)):
            assert b"DTSTART:20261124T000000Z" in event_text(odd), "a DATE without an end would be a whole day"

    async def test_a_meeting_without_length_has_no_end_of_its_own(self, tmp_path: Path) -> None:
        text = await text_of(tmp_path, shown(end=SOON))
        assert b"DTEND" not in text
        (again,) = await read_again(tmp_path, text)
        assert (again.start, again.end) == (SOON, SOON)

    async def test_a_feed_without_meetings_is_a_calendar_all_the_same(self, tmp_path: Path) -> None:
        text = await text_of(tmp_path)
        assert icalendar.Calendar.from_ical(text).events == []
        assert await read_again(tmp_path, text) == []


class TestWhatItSays:
    async def test_the_calendar_has_its_name_and_says_how_often_to_look_and_no_method(self, tmp_path: Path) -> None:
        lines = (await text_of(tmp_path)).decode().split("\r\n")
        assert lines == [
            "BEGIN:VCALENDAR",
            "VERSION:2.0",
            "PRODID:-//convener//published feed//EN",
            "NAME:sales",
            "X-WR-CALNAME:sales",
            "REFRESH-INTERVAL;VALUE=DURATION:PT5M",
            "X-PUBLISHED-TTL:PT5M",
            "END:VCALENDAR",
            "",
        ]

    def test_a_meeting_has_its_link_where_clients_look_and_nobodys_name(self) -> None:
        changed = datetime(2026, 11, 20, 7, 30, 5, 999999, tzinfo=UTC)
        one = shown(
            recurrence_id=SOON,
            sequence=4,
            changed_at=changed,
            description="Ask mara@example.com",
            join_url="https://v.example/j",
        )
        lines = event_text(one).decode().split("\r\n")
        assert sorted(lines) == sorted([
            "BEGIN:VEVENT",
            "UID:m1@example.com",
            "RECURRENCE-ID:20261124T060000Z",
            "DTSTAMP:20261120T073005Z",
            "LAST-MODIFIED:20261120T073005Z",
            "SEQUENCE:4",
            "DTSTART:20261124T060000Z",
            "DTEND:20261124T070000Z",
            "STATUS:CONFIRMED",
            "TRANSP:OPAQUE",
            "SUMMARY:Meeting m1",
            "LOCATION:Room 7",
            "DESCRIPTION:Ask mara@example.com",
            "URL:https://v.example/j",
            "CONFERENCE;FEATURE=VIDEO;LABEL=Join;VALUE=URI:https://v.example/j",
            "END:VEVENT",
            "",
        ])  # fmt: skip

    @pytest.mark.parametrize(
        "link",
        [
            None,
            "",
            "javascript:alert(1)",
            "file:///etc/passwd",
            "vendor.example/join",
            "https://",
            "https://v.example/a b",
            "https://v.example/\r\nATTENDEE:mailto:eve@example.com",
            "https://v.example/\u2028x",
            "https://v.example/\x00",
            "https://v.example/\ud800",
            "https:\\\\v.example\\",
        ],
        ids=ascii,
    )
    def test_what_is_no_web_address_is_no_join_link(self, link: str | None) -> None:
        event = icalendar.Event.from_ical(event_text(shown(join_url=link)))
        assert {"URL", "CONFERENCE", "ATTENDEE"} & set(event) == set()

    async def test_lines_are_folded_between_characters_at_75_octets(self, tmp_path: Path) -> None:
        text = await text_of(tmp_path, shown(title="Übersicht 👩‍👩‍👧 " * 30, join_url=f"https://v.example/{'x' * 400}"))
        assert text.endswith(b"END:VCALENDAR\r\n")
        assert text.count(b"\n") == text.count(b"\r") == text.count(b"\r\n")
        for line in text.split(b"\r\n"):
            assert len(line) <= 75
            line.decode()

    async def test_meetings_come_by_start_and_key_in_whatever_order_they_are_given(self, tmp_path: Path) -> None:
        meetings = [shown("b"), shown("a"), shown("z", start=SOON - HOUR), shown("a", recurrence_id=SOON)]
        first = await text_of(tmp_path / "1", *meetings)
        assert first == await text_of(tmp_path / "2", *reversed(meetings))
        uids = [str(e["UID"]) for e in icalendar.Calendar.from_ical(first).events]
        assert uids == ["z@example.com", "a@example.com", "a@example.com", "b@example.com"]


HOSTILE = {
    "an entry in a title": "x\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\nUID:evil",
    "lone line ends": "a\rb\nc\r\nd\n\ne",
    "escapes": r"C:\New\nothing; a, b \\ \; \, \N end\ ".strip(),
    "quotes and colons": 'a "quoted": ;VALUE=DATE:x ^n ^^',
    "emoji": "👩‍👩‍👧‍👦 🏳️‍🌈 é",
    "right to left": "\u202eסודי \u05d0\u202c עברית",
    "300 characters": "ß" * 300,
    "a line that looks folded": "a\r\n b\n\tc",
    "line separators": "a\u2028b\u2029c",
    "tab": "a\tb",
}


def plain(text: str) -> str:
    """What must come back of a text: everything but control characters and half characters."""
    kept = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(
        c for c in kept if c in "\t\n" or not (c < " " or "\x7f" <= c <= "\x9f" or "\ud800" <= c <= "\udfff")
    )


def texts_by_icalendar(text: bytes) -> list[str]:
    (event,) = icalendar.Calendar.from_ical(text).events
    return [str(event.get(name, "")) for name in ("SUMMARY", "LOCATION", "DESCRIPTION")]


class TestTexts:
    @pytest.mark.parametrize("title", HOSTILE.values(), ids=HOSTILE)
    async def test_a_hostile_text_comes_back_from_every_parser(self, tmp_path: Path, title: str) -> None:
        text = await text_of(tmp_path, shown(title=title, location=title, description=title))
        assert texts_by_icalendar(text) == [plain(title)] * 3
        (event,) = vobject.readOne(text.decode()).vevent_list
        assert [event.summary.value, event.location.value, event.description.value] == [plain(title)] * 3
        (again,) = await read_again(tmp_path, text)
        assert [again.title, again.location, again.description] == [plain(title)] * 3

    @unhurried
    @given(st.text(), st.text(), st.text(), st.text(min_size=1))
    def test_any_text_comes_back(self, title: str, location: str, description: str, uid: str) -> None:
        one = shown(title=title, location=location, description=description)
        text = b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n" + event_text(one) + b"END:VCALENDAR\r\n"
        assert texts_by_icalendar(text) == [plain(title), plain(location), plain(description)]
        odd = event_text(replace(one, key=MeetingKey("sales", uid)))
        assert str(icalendar.Event.from_ical(odd)["UID"]) == plain(uid)

    @unhurried
    @given(st.text(alphabet=st.characters(codec="utf-8") | st.sampled_from('\r\n\\;,:"^Nn\t \x0b\x85\u2028')))
    def test_the_other_parser_reads_the_same(self, title: str) -> None:
        text = b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n" + event_text(shown(title=f"<{title}>")) + b"END:VCALENDAR\r\n"
        (event,) = vobject.readOne(text.decode()).vevent_list
        assert event.summary.value == plain(f"<{title}>")

    async def test_the_feeds_name_stays_on_its_line(self, tmp_path: Path) -> None:
        await FileFeed(tmp_path / "x.ics", "sales\r\nMETHOD:CANCEL").write([])
        text = (tmp_path / "x.ics").read_bytes()
        assert "METHOD" not in icalendar.Calendar.from_ical(text)
        assert b"\r\nX-WR-CALNAME:sales\\nMETHOD:CANCEL\r\n" in text
