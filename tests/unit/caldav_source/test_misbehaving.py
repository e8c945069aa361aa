"""Servers that do what real servers do, and should not: what the CalDAV source believes of it."""

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from connectors.sources.caldav import CalDavSource, dav, refresh
from sync.errors import ConfigurationError, CredentialsRefused, OutsideError, Refused
from sync.model import MeetingKey, Window
from sync.snapshot import Snapshot, Trouble
from tests.dav_http import Asked, Reply, serving
from tests.unit.caldav_source.stand_in import PATH, StandIn, a_calendar, multistatus, response, source

START = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
WINDOW = Window(START - timedelta(days=10), START + timedelta(days=30))


def text(uid: str, title: str = "Demo", *lines: str) -> str:
    head = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:x", "BEGIN:VEVENT", f"UID:{uid}", f"SUMMARY:{title}"]
    when = ["DTSTART:20261201T090000Z", "DTEND:20261201T100000Z"]
    return "\r\n".join([*head, *when, *lines, "END:VEVENT", "END:VCALENDAR", ""])


@pytest.fixture
async def server() -> AsyncIterator[StandIn]:
    async with a_calendar() as made:
        for name in "abc":
            made.put(f"{name}.ics", text(name, name.upper()))
        yield made


@pytest.fixture
async def calendar(server: StandIn) -> AsyncIterator[CalDavSource]:
    made = source(server, full_every=5)
    yield made
    await made.close()


async def fetch(calendar: CalDavSource, last: Snapshot | None = None) -> Snapshot:
    known = [MeetingKey("cal", uid) for uid in "abc"]
    return await calendar.fetch(last.cursor if last else None, WINDOW, known)


def titles(snapshot: Snapshot) -> str:
    return "".join(sorted(one.title for one in snapshot.meetings))


def gone(snapshot: Snapshot) -> str:
    seen = {one.key.uid for one in snapshot.meetings}
    return "".join(
        uid for uid in "abc" if uid not in seen and snapshot.proves_absent(MeetingKey("cal", uid), window_covers=True)
    )


async def test_a_token_answered_with_everything_does_not_hide_a_deletion(
    server: StandIn, calendar: CalDavSource
) -> None:
    first = await fetch(calendar)
    server.forgets = "everything"
    server.delete("b.ics")
    second = await fetch(calendar, first)
    assert (titles(second), gone(second), second.complete) == ("AC", "b", True)
    assert server.kinds()[-3:] == ["sync-collection", "PROPFIND", "PROPFIND"]


async def test_a_token_answered_with_nothing_and_another_token_is_not_believed(
    server: StandIn, calendar: CalDavSource
) -> None:
    first = await fetch(calendar)
    server.forgets = "nothing"
    server.put("d.ics", text("d", "D"))
    server.delete("a.ics")
    second = await fetch(calendar, first)
    assert (titles(second), gone(second)) == ("BCD", "a")


async def test_a_deletion_that_was_never_told_is_seen_in_the_next_whole_look(
    server: StandIn, calendar: CalDavSource
) -> None:
    snapshot = await fetch(calendar)
    server.lost.add(PATH + "b.ics")
    server.delete("b.ics")
    server.put("d.ics", text("d", "D"))
    looks = []
    for _ in range(5):
        snapshot = await fetch(calendar, snapshot)
        looks.append(titles(snapshot))
    assert looks == ["ABCD"] * 4 + ["ACD"]
    assert gone(snapshot) == "b"


async def test_a_resource_that_an_answer_leaves_out_is_not_gone(server: StandIn, calendar: CalDavSource) -> None:
    first = await fetch(calendar)
    server.missing.add(PATH + "b.ics")
    server.put("b.ics", text("b", "changed"))
    for _ in range(3):
        first = await fetch(calendar, first)
        assert (titles(first), gone(first)) == ("AC", "")
        assert first.complete
        assert first.unproved == {MeetingKey("cal", "b")}
        assert first.cursor
    server.missing.clear()
    last = await fetch(calendar, first)
    assert titles(last) == "ACchanged"
    assert not last.unproved


async def test_one_that_was_left_out_and_is_removed_then_is_gone(server: StandIn, calendar: CalDavSource) -> None:
    first = await fetch(calendar)
    server.missing.add(PATH + "b.ics")
    server.put("b.ics", text("b", "changed"))
    second = await fetch(calendar, first)
    server.delete("b.ics")
    assert gone(await fetch(calendar, second)) == "b"


async def test_one_that_was_left_out_and_nobody_knows_makes_the_read_partial(
    server: StandIn, calendar: CalDavSource
) -> None:
    first = await fetch(calendar)
    server.missing.add(PATH + "new.ics")
    server.put("new.ics", text("new"))
    server.delete("b.ics")
    second = await fetch(calendar, first)
    assert (second.trouble, titles(second), gone(second), second.cursor) == (Trouble.PARTIAL, "AC", "", None)
    assert "new.ics" in second.reason
    server.missing.clear()
    third = await fetch(calendar, first)
    assert (titles(third), gone(third)) == ("ACDemo", "b")


async def test_an_answer_that_was_cut_short_leads_to_a_whole_look(server: StandIn, calendar: CalDavSource) -> None:
    first = await fetch(calendar)
    server.cut = "sync"
    server.delete("c.ics")
    second = await fetch(calendar, first)
    assert (titles(second), gone(second), second.complete) == ("AB", "c", True)


async def test_a_list_that_was_cut_short_proves_no_absence(server: StandIn, calendar: CalDavSource) -> None:
    first = await fetch(calendar)
    server.cut, server.forgets = "list", "everything"
    server.delete("c.ics")
    second = await fetch(calendar, first)
    assert (second.trouble, gone(second), second.cursor) == (Trouble.PARTIAL, "", None)
    assert titles(second) == "AB"


async def test_without_tokens_the_tag_says_whether_there_is_anything_new(
    server: StandIn, calendar: CalDavSource
) -> None:
    server.tokens = False
    first = await fetch(calendar)
    server.kinds()
    second = await fetch(calendar, first)
    assert server.kinds() == ["PROPFIND"]
    assert second.unchanged
    server.delete("a.ics")
    server.put("b.ics", text("b", "changed"))
    third = await fetch(calendar, second)
    assert (titles(third), gone(third)) == ("Cchanged", "a")
    assert server.kinds() == ["PROPFIND"] * 3 + ["calendar-multiget"]


async def test_a_change_during_the_list_is_seen_the_next_time(server: StandIn, calendar: CalDavSource) -> None:
    for server.tokens in (False, True):
        once = [lambda: server.put("b.ics", text("b", f"late {server.tokens}"))]

        def late(asked: Asked, once: list = once) -> Reply | None:  # type: ignore[type-arg]
            if asked.headers.get("depth") == "1" and asked.kind == "calendar-multiget" and once:
                once.pop()()
            return None

        server.respond_first = late
        first = await fetch(calendar)
        server.put("a.ics", text("a", f"later {server.tokens}"))
        second = await fetch(calendar, first)
        assert titles(second) == f"Clate {server.tokens}later {server.tokens}"


async def test_without_tokens_and_tags_everything_is_listed_and_the_validators_tell(
    server: StandIn, calendar: CalDavSource
) -> None:
    server.tokens = server.tags = False
    first = await fetch(calendar)
    server.kinds()
    second = await fetch(calendar, first)
    assert server.kinds() == ["PROPFIND", "PROPFIND"]
    assert second.unchanged


async def test_without_validators_everything_is_read_each_time(server: StandIn, calendar: CalDavSource) -> None:
    server.etags = False
    first = await fetch(calendar)
    server.stored[PATH + "a.ics"].text = text("a", "changed")
    server.tokens = server.tags = False
    assert titles(await fetch(calendar, first)) == "BCchanged"
    with pytest.raises(Refused, match="no ETag"):
        await calendar.write_link(MeetingKey("cal", "a"), "https://meet.vendor.example/1", "")


@pytest.mark.parametrize("status", [401, 403, 404, 410, 429, 500, 503, 302])
async def test_an_error_in_the_middle_keeps_what_was_proved_before(
    server: StandIn, calendar: CalDavSource, status: int
) -> None:
    first = await fetch(calendar)
    server.put("b.ics", text("b", "changed"))
    server.delete("c.ics")
    server.respond_first = lambda asked: Reply(status) if asked.kind == "calendar-multiget" else None
    second = await fetch(calendar, first)
    assert (second.trouble, gone(second), second.cursor) == (Trouble.PARTIAL, "", None)
    assert titles(second) == "A"
    server.respond_first = lambda _asked: None
    third = await fetch(calendar, first)
    assert (titles(third), gone(third)) == ("Achanged", "c")


@pytest.mark.parametrize("status", [400, 403, 409, 410, 412, 500, 501, 507])
async def test_whatever_a_server_says_to_an_old_token_everything_is_listed(
    server: StandIn, calendar: CalDavSource, status: int
) -> None:
    first = await fetch(calendar)
    server.delete("c.ics")
    server.respond_first = lambda asked: Reply(status) if asked.kind == "sync-collection" else None
    second = await fetch(calendar, first)
    assert (titles(second), gone(second)) == ("AB", "c")


BOMB = (
    '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;">]>'
)
OWN = response(PATH, "<D:resourcetype><D:collection/></D:resourcetype>")
ODD = [
    (multistatus(OWN)[:-20], "no whole XML"),
    (multistatus(OWN) + b"<html>", "no whole XML"),
    (b"", "no whole XML"),
    (b"<html><body>Please log in</body></html>", "another document"),
    (multistatus(OWN, head=BOMB), "document type"),
    (multistatus(OWN).replace(b"utf-8", b"klingon"), ""),
    (multistatus(OWN, "<D:x>" * 100_000 + "</D:x>" * 100_000), "more elements"),
    (multistatus(), "lists nothing"),
    (multistatus(response(PATH, status=403)), "did not list"),
]


@pytest.mark.parametrize(("body", "reason"), ODD)
async def test_what_is_no_whole_list_proves_nothing(
    server: StandIn, calendar: CalDavSource, body: bytes, reason: str
) -> None:
    first = await fetch(calendar)

    def odd(asked: Asked) -> Reply | None:
        if asked.kind == "sync-collection":
            return Reply(403)
        return Reply(207, body) if asked.headers.get("depth") == "1" else None

    server.respond_first = odd
    second = await fetch(calendar, first)
    assert (second.complete, gone(second), second.cursor) == (False, "", None)
    assert reason in second.reason
    assert "127.0.0.1" not in second.reason


@pytest.mark.parametrize("body", [multistatus("<D:x/>" * 2_000_000), multistatus(OWN, "<D:x>" + "y" * 30_000_000)])
async def test_a_huge_answer_ends_in_bounded_time_and_memory(
    server: StandIn, calendar: CalDavSource, body: bytes
) -> None:
    server.respond_first = lambda asked: Reply(207, body) if asked.headers.get("depth") == "1" else None
    begun = time.monotonic()
    snapshot = await fetch(calendar)
    assert snapshot.trouble is Trouble.UNREADABLE
    assert time.monotonic() - begun < 30


async def test_an_answer_larger_than_allowed_is_refused(server: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dav, "MAX_ANSWER", 4096)
    for n in range(60):
        server.put(f"n{n}.ics", text(f"n{n}", "x" * 200))
    calendar = source(server)
    assert (await fetch(calendar)).trouble is Trouble.UNREADABLE
    await calendar.close()


async def test_a_batch_whose_answer_is_too_large_is_asked_for_in_halves(
    server: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dav, "MAX_ANSWER", 30_000)
    for n in range(40):
        server.put(f"n{n}.ics", text(f"n{n}", "T", "DESCRIPTION:" + "x" * 2000))
    server.put("huge.ics", text("huge", "H", "DESCRIPTION:" + "x" * 40_000))
    server.missing.add(PATH + "huge.ics")
    calendar = source(server)
    first = await fetch(calendar)
    assert len(first.meetings) == 43
    assert (first.trouble, "huge.ics" in first.reason) == (Trouble.PARTIAL, True)
    await calendar.close()


async def test_all_together_may_not_be_larger_than_memory_allows(
    server: StandIn, calendar: CalDavSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refresh, "MAX_KEPT", 1000)
    for n in range(100):
        server.put(f"n{n}.ics", text(f"n{n}", "x" * 200))
    snapshot = await fetch(calendar)
    assert not snapshot.complete
    assert "larger than" in snapshot.reason


async def test_characters_that_are_no_xml_cost_nothing(server: StandIn, calendar: CalDavSource) -> None:
    server.put("d.ics", text("d", "D\x0b\x00\x1f"))
    snapshot = await fetch(calendar)
    assert titles(snapshot) == "ABCD"
    assert snapshot.complete


@pytest.mark.parametrize(
    ("body", "uid"),
    [
        (text("b")[:-30], "b"),
        (text("b").replace("DTSTART:2026", "DTSTART:20x6"), "b"),
        ("<html>", "b"),
        (text("b").replace("UID:b", "UID:other")[:-30], "other"),
    ],
)
async def test_a_broken_resource_costs_itself_and_is_named(
    server: StandIn, calendar: CalDavSource, body: str, uid: str
) -> None:
    first = await fetch(calendar)
    server.put("b.ics", body)
    for _ in range(2):
        first = await fetch(calendar, first)
        assert (titles(first), gone(first), first.complete) == ("AC", "", True)
        assert uid in {item.uid for item in first.rejected}
        assert "b" in {item.uid for item in first.rejected}
        assert all(item.reason.startswith("b.ics: ") for item in first.rejected)
        assert first.cursor


async def test_a_rejection_names_the_line_within_its_own_resource(server: StandIn, calendar: CalDavSource) -> None:
    server.put("b.ics", text("b").replace("DTSTART", "DTSTERT"))
    server.put("d.ics", text("d").replace("BEGIN:VEVENT", "X-A:1\r\nX-B:2\r\nBEGIN:VEVENT").replace("DTSTART", "X"))
    snapshot = await fetch(calendar)
    assert {(item.uid, item.line, item.reason.split(":")[0]) for item in snapshot.rejected} == {
        ("b", 4, "b.ics"),
        ("d", 6, "d.ics"),
    }


async def test_a_broken_resource_that_never_had_a_uid_makes_no_absence_believed(
    server: StandIn, calendar: CalDavSource
) -> None:
    first = await fetch(calendar)
    server.put("x.ics", "rubbish")
    server.delete("c.ics")
    second = await fetch(calendar, first)
    assert (titles(second), gone(second), second.cursor) == ("AB", "", None)


async def test_zones_are_not_shared_among_resources(server: StandIn, calendar: CalDavSource) -> None:
    zone = "BEGIN:VTIMEZONE\r\nTZID:Ours\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\nTZOFFSETFROM:{0}\r\nTZOFFSETTO:{0}\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n"  # noqa: E501
    for name, offset in [("a", "+0100"), ("b", "+0500"), ("c", "")]:
        there = text(name, name).replace("DTSTART:20261201T090000Z", "DTSTART;TZID=Ours:20261201T120000")
        there = there.replace("DTEND:20261201T100000Z", "DURATION:PT1H")
        server.put(
            f"{name}.ics", there.replace("BEGIN:VEVENT", (zone.format(offset) if offset else "") + "BEGIN:VEVENT")
        )
    snapshot = await fetch(calendar)
    assert {one.title: one.start.hour for one in snapshot.meetings} == {"a": 11, "b": 7}
    assert [item.uid for item in snapshot.rejected] == ["c"]


async def test_one_changed_resource_of_many_is_the_only_one_parsed_again(
    server: StandIn, calendar: CalDavSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    from connectors.sources.ical import feed

    first = await fetch(calendar)
    parsed = []
    read_group = feed.read_group

    def counted(*args: object, **kwargs: object) -> object:
        parsed.append(args)
        return read_group(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(feed, "read_group", counted)
    server.put("b.ics", text("b", "changed"))
    assert titles(await fetch(calendar, first)) == "ACchanged"
    assert len(parsed) == 1


async def test_hrefs_in_another_spelling_are_the_same_resource(server: StandIn, calendar: CalDavSource) -> None:
    server.put("m@x é.ics", text("m", "M"))

    def other(asked: Asked) -> Reply | None:
        if asked.kind != "calendar-multiget":
            return None
        data = f"<C:calendar-data>{text('m', 'M')}</C:calendar-data>"
        spelt = f"{server.url}{PATH}m%40x%20%c3%a9.ics"
        said = [response(spelt, data)] + [
            response(f"{PATH}{name}.ics", f"<C:calendar-data>{text(name, name.upper())}</C:calendar-data>")
            for name in "abc"
        ]
        return Reply(207, multistatus(*said))

    server.respond_first = other
    assert titles(await fetch(calendar)) == "ABCM"


async def test_a_redirect_to_another_host_is_not_followed_with_the_password(server: StandIn) -> None:
    seen: list[Asked] = []

    async def thief(asked: Asked) -> Reply:
        seen.append(asked)
        return Reply(207, multistatus(OWN))

    async with serving(thief) as elsewhere:
        server.respond_first = lambda asked: Reply(301, b"", {"Location": elsewhere + asked.path})
        calendar = source(server, username="me", password="secret", allow_private=True)
        with pytest.raises(OutsideError, match="does not get the credentials"):
            await calendar.check()
        snapshot = await fetch(calendar)
        assert snapshot.trouble is Trouble.UNREADABLE
        await calendar.close()
        assert all("authorization" not in one.headers for one in seen)


async def test_an_address_on_another_host_is_not_asked(server: StandIn) -> None:
    home = "<C:calendar-home-set><D:href>https://p12.icloud.example/1/</D:href></C:calendar-home-set>"
    server.respond_first = lambda asked: Reply(207, multistatus(response(asked.path, home)))
    calendar = source(server, url=server.url, username="me", password="secret")
    with pytest.raises(Refused, match=r"https://p12\.icloud\.example, which does not get"):
        await calendar.check()
    await calendar.close()


async def test_a_redirect_within_the_host_is_followed_with_the_credentials(server: StandIn) -> None:
    def respond(asked: Asked) -> Reply | None:
        if asked.headers.get("authorization") != "Bearer abc.def":
            return Reply(401)
        if asked.path == "/":
            return Reply(405)
        if asked.path == "/.well-known/caldav":
            return Reply(301, b"", {"Location": "/dav/me/"})
        if asked.path == "/dav/":
            kind = "<D:resourcetype><D:collection/><C:calendar/></D:resourcetype>"
            return Reply(207, multistatus(response(PATH, kind, "<D:displayname>Team</D:displayname>")))
        return None

    server.principal = ("<C:calendar-home-set><D:href>../</D:href></C:calendar-home-set>",)
    server.respond_first = respond
    calendar = source(server, url=server.url, token="abc.def")
    snapshot = await fetch(calendar)
    assert titles(snapshot) == "ABC", snapshot.reason
    await calendar.close()


async def test_a_wrong_token_is_said(server: StandIn, calendar: CalDavSource) -> None:
    server.respond_first = lambda _asked: Reply(401)
    with pytest.raises(CredentialsRefused):
        await calendar.check()


async def test_what_is_no_calendar_is_said(server: StandIn) -> None:
    server.respond_first = lambda asked: Reply(200, b"<html>hello")
    calendar = source(server)
    with pytest.raises(OutsideError, match="no multistatus"):
        await calendar.check()
    await calendar.close()
    server.respond_first = lambda _asked: None
    calendar = source(server, calendar="/dav/nothing/")
    with pytest.raises(ConfigurationError, match="no calendar at that address"):
        await calendar.check()
    await calendar.close()


async def test_the_cursor_of_another_calendar_is_none_of_ours(server: StandIn, calendar: CalDavSource) -> None:
    first = await fetch(calendar)
    other = source(server, timezone="Asia/Tokyo")
    server.kinds()
    assert titles(await fetch(other, first)) == "ABC"
    assert "sync-collection" not in server.kinds()
    await other.close()


async def test_ten_thousand_entries_are_read_in_batches_and_kept_small(server: StandIn) -> None:
    for n in range(10_000):
        server.put(f"n{n}.ics", text(f"n{n}", str(n)))
    calendar = source(server, timeout="30s")
    first = await fetch(calendar)
    assert len(first.meetings) == 10_003
    assert first.cursor
    assert len(first.cursor) < 2_000_000
    server.kinds()
    begun = time.process_time()
    second = await fetch(calendar, first)
    assert (second.unchanged, len(second.meetings)) == (True, 10_003)
    assert server.kinds() == ["sync-collection"]
    assert time.process_time() - begun < 5
    await calendar.close()
