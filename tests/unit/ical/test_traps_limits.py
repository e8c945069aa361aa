"""What is absurdly large, deep, long or slow ends in a clear error, within bounds of time and memory."""

import asyncio
import time
import tracemalloc
from pathlib import Path

import pytest

from connectors.sources.ical import IcalSource
from connectors.sources.ical import feed as reading
from connectors.sources.ical import text as scanning
from connectors.sources.ical.lines import MAX_LINE
from connectors.sources.ical.text import open_feed
from connectors.sources.ical.values import Unreadable
from sync.snapshot import Trouble
from tests.feed_server import Asked, serving
from tests.unit.ical.support import WINDOW, calendar, event, read, read_with, reader, settings

MIB = 1024 * 1024


def test_a_million_tiny_events_end_before_they_cost_memory() -> None:
    """In one notation before anything is looked at; in any other when there are too many."""
    body = calendar("BEGIN:VEVENT\nUID:1\nEND:VEVENT\n" * 1_000_000).encode()
    tracemalloc.start()
    begun = time.process_time()
    with pytest.raises(Unreadable, match=r"more than 250,000 entries"):
        open_feed(body, "")
    assert time.process_time() - begun < 2
    assert tracemalloc.get_traced_memory()[1] < 3 * len(body)
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("BEGIN:VEVENT\nUID:1\nEND:VEVENT\n" * 1001, "more than 1,000 entries"),
        ("begin:vevent\nUID:1\nEND:VEVENT\n" * 1001, "more than 1,000 entries"),
        ("END:VCALENDAR\nBEGIN:VCALENDAR\n" * 1001, "more than 1,000 calendars"),
        ("BEGIN:X\nEND:X\n" * 4001, "more than 4,000 components"),
        ("begin:x\nend:x\n" * 4001, "more than 4,000 components"),
        ("BEGIN:VEVENT\n" + "begin:valarm\nEND:VALARM\n" * 4001, "more than 4,000 components"),
    ],
)
def test_too_many_components_in_any_notation_end(text: str, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanning, "MAX_ENTRIES", 1000)
    monkeypatch.setattr(scanning, "MAX_COMPONENTS", 4000)
    with pytest.raises(Unreadable, match=reason):
        open_feed(calendar(text.rstrip()).encode(), "")


def test_a_feed_of_a_million_meetings_ends_in_a_clear_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(reading, "MAX_MEETINGS", 1000)
    (tmp_path / "x.ics").write_text(calendar(*(event("RRULE:FREQ=DAILY;COUNT=30", uid=f"u{n}") for n in range(40))))
    source = IcalSource("s", settings(url="x.ics"), tmp_path)
    snapshot = asyncio.run(source.fetch(None, WINDOW, []))
    assert (snapshot.trouble, snapshot.reason) == (Trouble.UNREADABLE, "more than 1,000 meetings in the window")


@pytest.mark.parametrize("depth", [1_000, 900_000])
@pytest.mark.parametrize("ended", [True, False])
def test_a_nesting_of_a_thousand_or_more_ends_the_reading(depth: int, ended: bool) -> None:
    nest = "BEGIN:X\n" * depth + "END:X\n" * depth * ended
    begun = time.process_time()
    found = read_with(reader(), calendar(event(), nest.rstrip(), event(uid="b")))
    assert found.defect == "components are nested more than 100 deep: what follows is not read"
    assert found.printed() == ["s:a"]
    inside = read_with(reader(), calendar(event(), event(nest.rstrip(), uid="b")))
    assert (inside.printed(), bool(inside.defect)) == (["s:a"], True)
    assert time.process_time() - begun < 2


def test_a_nesting_of_a_million_is_no_calendar() -> None:
    with pytest.raises(Unreadable, match=r"more than 1,000,000 components"):
        open_feed(calendar("BEGIN:X\n" * 1_000_000, event()).encode(), "")


@pytest.mark.parametrize("name", ["SUMMARY", "DESCRIPTION", "ATTENDEE;CN", "ORGANIZER", "RRULE", "EXDATE", "STATUS"])
def test_a_line_of_a_mebibyte_rejects_its_entry(name: str) -> None:
    found = read(event(f"{name}:" + "x" * MIB, start=":20261202T090000Z"), event(uid="b"))
    assert found.printed() == ["s:b"]
    assert [(one.uid, one.reason) for one in found.rejected] == [
        ("a", f"its {name.partition(';')[0]} line is longer than 512 KiB")
    ]


@pytest.mark.parametrize(
    "name", ["X-ALT-DESC;FMTTYPE=text/html", "CATEGORIES", "URL", "COMMENT", "X-GOOGLE-CONFERENCE"]
)
def test_a_line_of_a_mebibyte_that_nothing_depends_on_costs_nothing(name: str) -> None:
    assert read(event(f"{name}:" + "x" * MIB, "SUMMARY:x")).one.title == "x"


def test_a_folded_line_of_a_mebibyte_is_one_line() -> None:
    found = read(event("DESCRIPTION:" + "\r\n ".join(["x" * 70] * (MIB // 70))))
    assert "DESCRIPTION line is longer" in found.rejected[0].reason


def test_a_line_just_below_the_limit_is_read() -> None:
    text = "x" * (MAX_LINE - 100)
    assert read(event(f"DESCRIPTION:{text}")).one.description == text


LONG = 500_000
HOSTILE = {
    "quotes": "ATTENDEE;CN=" + '"a' * (LONG // 2) + ":mailto:a@x.org",
    "carets": "ATTENDEE;CN=" + "^" * LONG + ":mailto:a@x.org",
    "parameters": "ATTENDEE" + ";A=b" * (LONG // 4) + ":mailto:a@x.org",
    "backslashes": "SUMMARY:" + "\\" * LONG,
    "brackets behind a link": "DESCRIPTION:https://zoom.us/j/" + ")" * LONG,
    "slashes in a link": "DESCRIPTION:https://x.webex.com/" + "/" * LONG,
    "links": "DESCRIPTION:" + "https://zoom.us/j/1 " * (LONG // 20),
    "a zone of slashes": "RECURRENCE-ID;TZID=" + "/a" * (LONG // 2) + ":20261201T090000",
    "commas": "CATEGORIES:" + "," * LONG,
    "dates": "EXDATE:" + "20261201T090000Z," * (LONG // 17),
    "blanks": "LOCATION:" + " " * LONG,
    "folds": "DESCRIPTION:" + "x\r\n " * (LONG // 4),
    "empty folds": "DESCRIPTION:x" + "\r\n " * (LONG // 3),
    "empty lines": "DESCRIPTION:x" + "\r\n" * (LONG // 2),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_line_costs_time_in_proportion(kind: str) -> None:
    begun = time.process_time()
    found = read(event(HOSTILE[kind]), event(uid="b"))
    assert "s:b" in found.printed()
    assert time.process_time() - begun < 3


async def test_a_feed_that_drips_is_given_up_after_its_time_out() -> None:
    body = calendar(event(), event(uid="b")).encode()
    sent = 0

    async def drip(_: Asked, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body[:-40])
        for at in range(len(body) - 40, len(body)):
            await asyncio.sleep(0.05)
            writer.write(body[at : at + 1])
            await writer.drain()
            sent += 1

    async with serving() as server:
        server.script = drip
        source = IcalSource("s", settings(url=f"{server.url}/x.ics", timeout="400ms"), Path("/"))
        begun = time.monotonic()
        snapshot = await source.fetch(None, WINDOW, [])
        await source.close()
    assert time.monotonic() - begun < 3
    assert 1 < sent < 40, "each byte came in time, all of them did not"
    assert (snapshot.trouble, snapshot.complete) == (Trouble.PARTIAL, False)
    assert "within 0.4 s" in snapshot.reason
    assert [one.key.uid for one in snapshot.meetings] == ["a"]
