"""A bad read never deletes: every kind of bad body, served over real HTTP to a route with live sessions."""

import gzip
from collections.abc import Callable

import pytest

from sync.report import Exit
from tests.calendars import calendar, entries
from tests.feed_server import answer, serving
from tests.world import World, results

MEETINGS = entries(6)
WHOLE = calendar(MEETINGS.values()).encode()
EMPTIED = b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//t//EN\r\nEND:VCALENDAR\r\n"
HALF = WHOLE[: len(WHOLE) // 2]
ZIPPED = gzip.compress(WHOLE)
GZIP = {"Content-Encoding": "gzip"}

UNREADABLE = {
    "nothing at all": answer(b""),
    "blank lines": answer(b"\r\n \r\n\t\r\n"),
    "no content (204)": answer(b"", 204, length=None),
    "an HTML login page with 200": answer(b"<!DOCTYPE html><html><body>Please sign in</body></html>"),
    "a JSON error with 200": answer(b'{"error": "quota exceeded"}'),
    "a PHP warning with 200": answer(b"<br />\n<b>Warning</b>: mysqli_connect()"),
    "binary garbage": answer(bytes(range(256)) * 20),
    "an XML error with 200": answer(b'<?xml version="1.0"?><error/>'),
    "the word null": answer(b"null"),
    "400": answer(b"", 400),
    "401": answer(b"", 401),
    "403": answer(b"", 403),
    "404": answer(b"", 404),
    "404 with an empty calendar": answer(EMPTIED, 404),
    "410": answer(b"", 410),
    "429": answer(b"", 429, {"Retry-After": "1"}),
    "500": answer(b"", 500),
    "500 with an empty calendar": answer(EMPTIED, 500),
    "502 with HTML": answer(b"<html>Bad gateway</html>", 502),
    "503": answer(b"", 503),
    "gzip declared, plain sent": answer(WHOLE, headers=GZIP),
    "a redirect to itself": answer(b"", 302, {"Location": "/sales.ics"}),
    "a redirect to a file": answer(b"", 302, {"Location": "file:///etc/hostname"}),
    "a partial answer that nobody asked for": answer(HALF, 206),
    "304 that nobody asked for": answer(b"", 304),
}

PARTIAL = {
    "a gzip stream cut in the middle with a length that fits": answer(ZIPPED[: len(ZIPPED) // 2], headers=GZIP),
    "gzip without its last byte": answer(ZIPPED[:-1], headers=GZIP),
    "a body shorter than its length": answer(HALF, length=len(WHOLE)),
    "a reset in the middle": answer(HALF, length=len(WHOLE), reset=True),
    "a close-delimited body cut in the middle": answer(HALF, length=None),
    "the last line missing": answer(WHOLE.replace(b"END:VCALENDAR\r\n", b"")),
    "the last line cut": answer(WHOLE[:-5]),
    "cut between two events": answer(WHOLE[: WHOLE.rindex(b"BEGIN:VEVENT")]),
    "cut after the head": answer(EMPTIED.replace(b"END:VCALENDAR\r\n", b"")),
    "unbalanced": answer(WHOLE.replace(b"END:VEVENT\r\n", b"", 1)),
    "an error message after the calendar": answer(EMPTIED + b"Fatal error: out of memory"),
    "two calendars, the second cut": answer(EMPTIED + b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n"),
}


async def served(world: World, script: object) -> tuple[int, dict[str, int]]:
    """Live sessions from the whole feed first; then one pass over the bad answer."""
    async with serving() as server:
        world.feed = f"{server.url}/sales.ics"
        world.configure()
        server.script = answer(WHOLE, headers={"Content-Type": "text/calendar"})
        assert results(await world.reconcile(publish=False)) == {"create done": 6}
        server.script = script  # type: ignore[assignment]
        report = await world.reconcile(publish=False, force=True)
        assert not report.snapshot.complete
        assert report.snapshot.reason
        assert world.topics() == sorted(entry.title for entry in MEETINGS.values())
        assert [r for r in world.sim.writes if r.method == "DELETE"] == []
        assert len(world.events("snapshot.incomplete")) == 1
        await world.reconcile(publish=False)
        assert len(world.events("snapshot.incomplete")) == 1, "the first failure is logged, not each repetition"
        server.script = answer(WHOLE, headers={"Content-Type": "text/calendar"})
        healed = await world.reconcile(publish=False)
        assert (healed.exit(), results(healed)) == (Exit.DONE, {})
        assert world.events("snapshot.recovered")
        return report.exit(), results(report)


@pytest.mark.parametrize("kind", UNREADABLE)
async def test_what_is_no_calendar_deletes_nothing_even_with_force(world: World, kind: str) -> None:
    assert await served(world, UNREADABLE[kind]) == (Exit.UNREACHABLE, {})


@pytest.mark.parametrize("kind", PARTIAL)
async def test_a_cut_calendar_deletes_nothing_even_with_force(world: World, kind: str) -> None:
    code, steps = await served(world, PARTIAL[kind])
    assert code is Exit.PARTIAL
    assert "cancel done" not in steps


REJECTED: dict[str, Callable[[bytes], bytes]] = {
    "a date that is none": lambda text: text.replace(b"DTSTART:2026", b"DTSTART:20X6", 1),
    "no start": lambda text: text.replace(b"DTSTART:", b"X-START:", 1),
    "a zone that nobody knows": lambda text: text.replace(
        b"DTSTART:20261124T060000Z", b"DTSTART;TZID=Mars/Base:20261124T060000", 1
    ),
    "an end before the start": lambda text: text.replace(b"DTEND:2026", b"DTEND:2006", 1),
    "a rule that never ends": lambda text: text.replace(b"SUMMARY", b"RRULE:FREQ=SECONDLY\r\nSUMMARY", 1),
}


@pytest.mark.parametrize("kind", REJECTED)
async def test_an_entry_that_cannot_be_read_keeps_its_session_and_the_others_go_on(world: World, kind: str) -> None:
    world.entries = dict(MEETINGS)
    await world.reconcile()
    del world.entries["m5"]
    world.publish(REJECTED[kind](calendar(world.entries.values()).encode()))
    report = await world.reconcile(publish=False)
    assert [(item.uid, item.line is not None) for item in report.snapshot.rejected] == [("m0@example.com", True)]
    assert results(report) == {"cancel done": 1}, "one that is really gone is still removed"
    assert "Meeting 0" in world.topics()
    assert report.exit() is Exit.PARTIAL


async def test_a_whole_calendar_with_nothing_in_it_is_left_to_the_guard(world: World) -> None:
    world.entries = dict(MEETINGS)
    await world.reconcile()
    world.publish(EMPTIED)
    report = await world.reconcile(publish=False)
    assert results(report) == {"cancel held": 6}
    assert report.exit() is Exit.HELD
    assert len(world.topics()) == 6
    assert results(await world.reconcile(publish=False, force=True)) == {"cancel done": 6}
    assert world.topics() == []
