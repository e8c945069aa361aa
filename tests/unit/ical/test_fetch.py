"""What every kind of answer proves, over real loopback HTTP, and how conditional reads save work."""

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors.sources.ical import IcalSource
from sync.errors import CredentialsRefused, Unreachable
from sync.model import MeetingKey, Window
from sync.snapshot import Trouble
from tests.feed_server import Asked, Server, answer, serving
from tests.unit.ical.support import WINDOW, calendar, event, settings

GOOD = calendar(event("SUMMARY:One"), event("SUMMARY:Two", uid="b")).encode()
KNOWN = [MeetingKey("s", "a"), MeetingKey("s", "gone")]
LATER = Window(datetime(2026, 11, 30, tzinfo=UTC), datetime(2027, 1, 31, tzinfo=UTC))


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serving() as running:
        yield running


def source(server: Server, path: str = "/feed.ics?token=geheim", **given: object) -> IcalSource:
    limit = given.pop("max_bytes", 10_000_000)
    return IcalSource("s", settings(url=server.url + path, **given), Path("/"), max_bytes=limit)  # type: ignore[arg-type]


def gz(body: bytes) -> dict[str, str]:
    return {"Content-Encoding": "gzip"}


HALF = GOOD[: len(GOOD) // 2]
MID_UID = GOOD[: GOOD.index(b"UID:b") + 4]
BETWEEN = GOOD[: GOOD.index(b"BEGIN:VEVENT\r\nUID:b")]
ZIPPED = gzip.compress(GOOD)
NAME, CAL = {"Content-Type": "text/html"}, {"Content-Type": "text/calendar"}
PLAIN, PART = Trouble.UNREADABLE, Trouble.PARTIAL

BAD = {
    "empty": (answer(b""), PLAIN, "empty"),
    "whitespace": (answer(b" \r\n\r\n"), PLAIN, "empty"),
    "only a byte order mark": (answer(b"\xef\xbb\xbf"), PLAIN, "empty"),
    "204": (answer(b"", 204, length=None), PLAIN, "answered 204"),
    "206": (answer(HALF, 206), PLAIN, "answered 206"),
    "html": (answer(b"<!DOCTYPE html><html><body>Log in</body></html>", headers=NAME), PLAIN, "HTML"),
    "html as calendar": (answer(b"\n <html lang=en><p>x", headers=CAL), PLAIN, "HTML"),
    "html around a calendar": (answer(b"<html><pre>" + GOOD + b"</pre></html>"), PLAIN, "HTML"),
    "php warning in front": (answer(b"Warning: mysql_connect() in x.php\n" + GOOD), PLAIN, "in front"),
    "html warning in front": (answer(b"<br />\n<b>Warning</b>: x\n" + GOOD), PLAIN, ""),
    "json": (answer(b'{"error": "rate"}'), PLAIN, "JSON"),
    "xml": (answer(b'<?xml version="1.0"?><D:error/>'), PLAIN, "XML"),
    "plain text": (answer(b"Service temporarily busy"), PLAIN, "no calendar"),
    "vcard": (answer(b"BEGIN:VCARD\r\nEND:VCARD\r\n"), PLAIN, "no calendar"),
    "binary": (answer(bytes(range(256)) * 8), PLAIN, "no calendar"),
    "utf-16 garbage": (answer(b"\xff\xfe" + b"\x00\xd8" * 50 + b"x"), PLAIN, "no calendar"),
    "400": (answer(GOOD, 400), PLAIN, "answered 400"),
    "401": (answer(GOOD, 401), PLAIN, "answered 401"),
    "403": (answer(GOOD, 403), PLAIN, "answered 403"),
    "404": (answer(GOOD, 404), PLAIN, "answered 404"),
    "410": (answer(GOOD, 410), PLAIN, "answered 410"),
    "429": (answer(GOOD, 429, {"Retry-After": "9"}), PLAIN, "answered 429"),
    "500": (answer(GOOD, 500), PLAIN, "answered 500"),
    "502": (answer(GOOD, 502), PLAIN, "answered 502"),
    "503": (answer(GOOD, 503), PLAIN, "answered 503"),
    "503 with retry-after": (answer(GOOD, 503, {"Retry-After": "1"}), PLAIN, "answered 503"),
    "304 unasked": (answer(b"", 304, length=None), PLAIN, "answered 304"),
    "redirect without a target": (answer(b"", 302), PLAIN, "answered 302"),
    "redirect loop": (answer(b"", 302, {"Location": "/feed.ics"}), PLAIN, "redirects"),
    "redirect to a file": (answer(b"", 302, {"Location": "file:///etc/passwd"}), PLAIN, "https is refused"),
    "reset": (answer(HALF, length=len(GOOD), reset=True), PART, ""),
    "closed before its length": (answer(HALF, length=len(GOOD)), PART, ""),
    "chunked cut": (
        answer(b"20\r\n" + GOOD[:32], headers={"Transfer-Encoding": "chunked"}, length=None),
        PART,
        "",
    ),
    "gzip cut, length fits": (answer(ZIPPED[:-30], headers=gz(GOOD)), PART, ""),
    "gzip without its last byte": (answer(ZIPPED[:-1], headers=gz(GOOD)), PART, ""),
    "gzip with a bad checksum": (answer(ZIPPED[:-8] + bytes(8), headers=gz(GOOD)), PLAIN, ""),
    "gzip declared but plain": (answer(GOOD, headers=gz(GOOD)), PLAIN, ""),
    "gzip not declared": (answer(ZIPPED), PLAIN, "no calendar"),
    "unknown encoding": (answer(GOOD, headers={"Content-Encoding": "br"}), PLAIN, ""),
    "too large": (answer(GOOD + b"\r\n" * 60_000), PLAIN, "larger"),
    "a bomb": (answer(gzip.compress(bytes(2_000_000)), headers=gz(b"")), PLAIN, "larger"),
    "begin only": (answer(b"BEGIN:VCALENDAR"), PART, "END:VCALENDAR"),
    "cut in a name": (answer(b"BEGIN:VCALEN"), PLAIN, "no calendar"),
    "close-delimited cut": (answer(HALF, length=None), PART, "END:VCALENDAR"),
    "cut in a UID": (answer(MID_UID), PART, "END:VCALENDAR"),
    "cut between events": (answer(BETWEEN), PART, "END:VCALENDAR"),
    "last line cut": (answer(GOOD[:-6]), PART, ""),
    "gzip of a cut text": (answer(gzip.compress(BETWEEN), headers=gz(GOOD)), PART, "END:VCALENDAR"),
    "unbalanced event": (answer(GOOD.replace(b"END:VEVENT\r\n", b"", 1)), PART, "VEVENT"),
    "last event not ended": (answer(GOOD.replace(b"END:VEVENT\r\nEND:VCAL", b"END:VCAL")), PART, "VEVENT"),
    "end without begin": (answer(GOOD.replace(b"END:VCAL", b"END:VALARM\r\nEND:VCAL")), PART, "VALARM"),
    "text behind the end": (answer(GOOD + b"<!-- generated in 3 ms -->"), PART, "behind"),
    "cut feed and then a whole one": (answer(HALF + b"\r\n" + GOOD), PART, ""),
    "whole feed and then a cut one": (answer(GOOD + BETWEEN), PART, "END:VCALENDAR"),
    "event outside of the calendar": (answer(GOOD + event(uid="c").encode()), PART, "outside"),
}


@pytest.mark.parametrize("kind", BAD)
async def test_a_bad_answer_proves_no_absence_and_says_why(server: Server, kind: str) -> None:
    server.script, trouble, reason = BAD[kind]
    feed = source(server, max_bytes=100_000, timeout="2s")
    snapshot = await feed.fetch(None, WINDOW, KNOWN)
    await feed.close()
    assert not snapshot.complete
    assert snapshot.trouble is trouble, snapshot.reason
    assert snapshot.reason
    assert reason in snapshot.reason
    assert "geheim" not in snapshot.reason
    assert "feed.ics" not in snapshot.reason
    assert snapshot.cursor is None
    assert not snapshot.unchanged
    assert not any(snapshot.proves_absent(key, window_covers=True) for key in KNOWN)


async def test_a_cut_calendar_still_gives_the_entries_that_are_whole(server: Server) -> None:
    server.answer(BETWEEN)
    feed = source(server)
    snapshot = await feed.fetch(None, WINDOW, KNOWN)
    await feed.close()
    assert [one.title for one in snapshot.meetings] == ["One"]


async def test_a_server_that_hangs_costs_the_time_out_only(server: Server) -> None:
    async def hang(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nBEGIN")
        await asyncio.sleep(1.5)

    server.script = hang
    feed = source(server, timeout="300ms")
    async with asyncio.timeout(3):
        snapshot = await feed.fetch(None, WINDOW, KNOWN)
    await feed.close()
    assert "no answer within" in snapshot.reason
    assert not snapshot.complete


async def test_nobody_listening_is_unreadable() -> None:
    async with serving() as server:
        pass
    feed = source(server, timeout="1s")
    snapshot = await feed.fetch(None, WINDOW, KNOWN)
    await feed.close()
    assert snapshot.trouble is Trouble.UNREADABLE
    assert "no connection" in snapshot.reason


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (GOOD, {}),
        (ZIPPED, {"Content-Encoding": "gzip"}),
        (gzip.compress(GOOD[:100]) + gzip.compress(GOOD[100:]), {"Content-Encoding": "gzip"}),
        (zlib.compress(GOOD), {"Content-Encoding": "deflate"}),
        (b"\xef\xbb\xbf" + GOOD, {"Content-Type": "text/html"}),
        (b"\r\n\r\n" + GOOD + b"\r\n  \r\n", {}),
        (GOOD.decode().encode("utf-16"), {}),
        (GOOD.replace(b"\r\n", b"\r"), {}),
        (GOOD.replace(b"\r\n", b"\n"), {}),
        (GOOD.rstrip(), {}),
        (GOOD + GOOD.replace(b"UID:", b"UID:z"), {}),
    ],
)
async def test_a_whole_calendar_is_complete_however_it_travels(
    server: Server, body: bytes, headers: dict[str, str]
) -> None:
    server.answer(body, headers=headers)
    feed = source(server)
    snapshot = await feed.fetch(None, WINDOW, KNOWN)
    await feed.close()
    assert snapshot.complete, snapshot.reason
    assert {one.title for one in snapshot.meetings} == {"One", "Two"}
    assert snapshot.cursor is not None
    assert snapshot.asked == frozenset(KNOWN)
    assert snapshot.proves_absent(KNOWN[1], window_covers=False)


async def test_a_whole_calendar_without_events_is_complete(server: Server) -> None:
    server.answer(calendar().encode())
    feed = source(server)
    snapshot = await feed.fetch(None, WINDOW, KNOWN)
    await feed.close()
    assert snapshot.complete
    assert snapshot.meetings == ()


async def test_redirects_are_followed_and_server_errors_retried(server: Server) -> None:
    answers = [answer(b"", 503), answer(b"", 301, {"Location": "/moved.ics"}), answer(GOOD)]

    async def script(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await answers.pop(0)(asked, writer)

    server.script = script
    feed = source(server)
    snapshot = await feed.fetch(None, WINDOW, KNOWN)
    await feed.close()
    assert snapshot.complete
    assert [one.path.partition("?")[0] for one in server.asked] == ["/feed.ics", "/feed.ics", "/moved.ics"]


VALIDATORS = {"ETag": '"v1"', "Last-Modified": "Sun, 01 Nov 2026 00:00:00 GMT"}


def conditional(body: bytes) -> object:
    async def script(asked: Asked, writer: asyncio.StreamWriter) -> None:
        if asked.headers.get("if-none-match") == '"v1"':
            await answer(b"", 304, length=None)(asked, writer)
        else:
            await answer(body, headers=VALIDATORS)(asked, writer)

    return script


async def test_an_unchanged_answer_gives_the_kept_meetings_for_the_new_window(server: Server) -> None:
    body = calendar(event(), event(uid="next", start=":20270115T090000Z", end=":20270115T100000Z")).encode()
    server.script = conditional(body)  # type: ignore[assignment]
    feed = source(server)
    first = await feed.fetch(None, WINDOW, [])
    second = await feed.fetch(first.cursor, LATER, [])
    await feed.close()
    assert server.asked[1].headers["if-none-match"] == '"v1"'
    assert server.asked[1].headers["if-modified-since"] == VALIDATORS["Last-Modified"]
    assert (first.unchanged, second.unchanged) == (False, True)
    assert second.complete
    assert second.cursor == first.cursor
    assert [one.key.uid for one in first.meetings] == ["a"]
    assert [one.key.uid for one in second.meetings] == ["a", "next"]


async def test_a_new_process_reads_on_from_the_cursor(server: Server) -> None:
    server.script = conditional(GOOD)  # type: ignore[assignment]
    before, after = source(server), source(server)
    first = await before.fetch(None, WINDOW, [])
    second = await after.fetch(first.cursor, WINDOW, [])
    await before.close()
    await after.close()
    assert second.unchanged
    assert second.meetings == first.meetings


async def test_validators_of_an_incomplete_body_are_not_kept(server: Server) -> None:
    server.answer(BETWEEN, headers=VALIDATORS)
    feed = source(server)
    first = await feed.fetch(None, WINDOW, [])
    server.script = conditional(GOOD)  # type: ignore[assignment]
    second = await feed.fetch(first.cursor, WINDOW, [])
    await feed.close()
    assert first.cursor is None
    assert "if-none-match" not in server.asked[1].headers
    assert len(second.meetings) == 2


@pytest.mark.parametrize("damage", ["cut", "flipped", "version", "garbage", "empty"])
async def test_a_damaged_cursor_is_as_none(server: Server, damage: str) -> None:
    server.script = conditional(GOOD)  # type: ignore[assignment]
    feed = source(server)
    cursor = (await feed.fetch(None, WINDOW, [])).cursor
    assert cursor is not None
    broken = {
        "cut": cursor[:-5],
        "flipped": cursor[:60] + bytes([cursor[60] ^ 1]) + cursor[61:],
        "version": b"ical\x09" + cursor[5:],
        "garbage": b"{}",
        "empty": b"",
    }[damage]
    snapshot = await feed.fetch(broken, WINDOW, [])
    await feed.close()
    assert "if-none-match" not in server.asked[1].headers
    assert snapshot.complete
    assert not snapshot.unchanged
    assert len(snapshot.meetings) == 2


@pytest.mark.parametrize("given", [{"path": "/other.ics"}, {"timezone": "Europe/Berlin"}, {"all_day": True}])
async def test_a_cursor_of_another_address_or_other_settings_is_as_none(
    server: Server, given: dict[str, object]
) -> None:
    server.script = conditional(GOOD)  # type: ignore[assignment]
    before, after = source(server), source(server, **given)  # type: ignore[arg-type]
    first = await before.fetch(None, WINDOW, [])
    second = await after.fetch(first.cursor, WINDOW, [])
    await before.close()
    await after.close()
    assert "if-none-match" not in server.asked[1].headers
    assert not second.unchanged


async def test_new_time_stamps_alone_are_no_change(server: Server) -> None:
    feed = source(server)
    server.answer(calendar(event("DTSTAMP:20261101T000000Z")).encode())
    first = await feed.fetch(None, WINDOW, [])
    server.answer(calendar(event("DTSTAMP:20261102T111111Z")).encode())
    second = await feed.fetch(first.cursor, WINDOW, [])
    server.answer(calendar(event("DTSTAMP:20261102T111111Z", "SUMMARY:New")).encode())
    third = await feed.fetch(second.cursor, WINDOW, [])
    await feed.close()
    assert (second.unchanged, third.unchanged) == (True, False)


async def test_an_override_lost_in_a_cut_calendar_does_not_move_its_meeting_back(server: Server) -> None:
    series = event("RRULE:FREQ=DAILY;COUNT=3")
    moved = event("RECURRENCE-ID:20261202T090000Z", start=":20261205T090000Z", end=":20261205T100000Z")
    whole = calendar(series, event(uid="b"), moved).encode()
    feed = source(server)
    server.answer(whole)
    first = await feed.fetch(None, WINDOW, [])
    server.answer(whole[: whole.index(b"RECURRENCE-ID")])
    second = await feed.fetch(first.cursor, WINDOW, [])
    await feed.close()
    assert [one.key.uid for one in second.meetings] == ["b"]
    assert [(one.uid, one.line) for one in second.rejected] == [("a", 4)]


async def test_a_file_is_read_and_a_missing_one_named(tmp_path: Path) -> None:
    (tmp_path / "feed one.ics").write_bytes(GOOD)
    for url in ("feed one.ics", f"file://{tmp_path}/feed%20one.ics", str(tmp_path / "feed one.ics")):
        feed = IcalSource("s", settings(url=url), tmp_path)
        snapshot = await feed.fetch(None, WINDOW, [])
        again = await feed.fetch(snapshot.cursor, WINDOW, [])
        await feed.close()
        assert len(snapshot.meetings) == 2
        assert again.unchanged
    for url, reason in (("none.ics", "there is no file"), (".", "cannot be read")):
        feed = IcalSource("s", settings(url=url), tmp_path)
        snapshot = await feed.fetch(None, WINDOW, KNOWN)
        await feed.close()
        assert snapshot.trouble is Trouble.UNREADABLE
        assert reason in snapshot.reason
        assert str(tmp_path) in snapshot.reason
    feed = IcalSource("s", settings(url="feed one.ics"), tmp_path, max_bytes=10)
    assert "larger" in (await feed.fetch(None, WINDOW, KNOWN)).reason
    await feed.close()


async def test_check_says_what_a_person_should_know(server: Server) -> None:
    feed = source(server)
    server.answer(GOOD)
    assert await feed.check() == ()
    server.answer(BETWEEN)
    assert [one.code for one in await feed.check()] == ["feed-incomplete"]
    server.answer(calendar().encode())
    assert [one.code for one in await feed.check()] == ["feed-empty"]
    server.answer(b"<html>")
    with pytest.raises(Unreachable, match="HTML"):
        await feed.check()
    server.answer(b"", 401)
    with pytest.raises(CredentialsRefused, match="answered 401") as refused:
        await feed.check()
    assert "geheim" not in str(refused.value)
    await feed.close()
