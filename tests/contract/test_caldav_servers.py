"""What the CalDAV source asks of real servers, what it makes of their answers, and what it writes into them."""

import asyncio
import tomllib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connectors.sources.caldav import CalDavSettings, CalDavSource, cursor
from connectors.sources.caldav.cursor import State
from sync.errors import ConfigurationError, CredentialsRefused, Refused, WritesLocked
from sync.links_back.echo import without_ours
from sync.model import Meeting, MeetingKey, Window
from sync.outlets import Archived
from sync.snapshot import Snapshot, Trouble
from tests.caldav_servers import CalDavServer
from tests.contract.caldav_scene import CalDavScene, calendar, event, stamp
from tests.dav_http import Asked, Reply

pytestmark = pytest.mark.caldav

START = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
WINDOW = Window(START - 10 * DAY, START + 30 * DAY)
LINK, NEW_LINK = "https://meet.vendor.example/j/1?x=a;b_", "https://meet.vendor.example/j/2"
BOSS, ANN = "ORGANIZER;CN=Boss:mailto:boss@client.example", 'ATTENDEE;CN="Ann, A":mailto:ann@client.example'


@pytest.fixture
def scene(caldav_scene: CalDavScene) -> CalDavScene:
    return caldav_scene


@pytest.fixture
async def source(scene: CalDavScene) -> AsyncIterator[CalDavSource]:
    source = scene.source()
    yield source
    await source.close()


async def fetch(source: CalDavSource, last: Snapshot | bytes | None = None, *known: str) -> Snapshot:
    keys = [MeetingKey("cal", uid) for uid in known]
    return await source.fetch(last.cursor if isinstance(last, Snapshot) else last, WINDOW, keys)


def titles(snapshot: Snapshot) -> set[str]:
    assert snapshot.complete, snapshot.reason
    return {one.title for one in snapshot.meetings}


def only(snapshot: Snapshot) -> Meeting:
    assert snapshot.complete, snapshot.reason
    (one,) = snapshot.meetings
    return one


def state_in(cursor_bytes: bytes | None) -> State:
    """What the cursor holds, whatever it is for."""
    assert cursor_bytes
    origin = cursor_bytes.split(b'"origin": "')[1].split(b'"')[0].decode()
    state = cursor.unpack(cursor_bytes, origin, 10**8)
    assert state
    return state


def with_token(cursor_bytes: bytes | None, token: str) -> bytes:
    state = state_in(cursor_bytes)
    assert cursor_bytes
    state.token = token
    return cursor.pack(state, cursor_bytes.split(b'"origin": "')[1].split(b'"')[0].decode())


class CalDavServers:
    async def test_the_calendar_is_found_from_every_address_that_people_have(self, scene: CalDavScene) -> None:
        path = scene.team.url.path
        part = path.rstrip("/").rpartition("/")[2]
        there = scene.server
        scene.add("Demo", START)
        for address, named in [
            ("", scene.name),
            ("", part),
            ("", path),
            ("", scene.proxy.url + path),
            (there.principal, scene.name),
            (there.home, scene.name),
            (path, ""),
            (path.rstrip("/"), scene.name),
        ]:
            source = scene.source(url=scene.proxy.url + address, calendar=named)
            assert titles(await fetch(source)) == {"Demo"}, (address, named)
            await source.close()

    async def test_a_calendar_that_is_not_plain_is_asked_back_with_a_list(self, scene: CalDavScene) -> None:
        other = scene.client.principal().make_calendar(name="Another")
        try:
            for wanted, words in [("", "say which"), ("Nobody", 'no calendar called "Nobody"')]:
                source = scene.source(calendar=wanted)
                with pytest.raises(ConfigurationError) as raised:
                    await source.check()
                for word in (words, f'"{scene.name}" (', '"Another" ('):
                    assert word in str(raised.value)
                snapshot = await fetch(source)
                assert (snapshot.trouble, words in snapshot.reason) == (Trouble.UNREADABLE, True)
                await source.close()
        finally:
            other.delete()

    async def test_a_calendar_for_tasks_alone_is_none(self, scene: CalDavScene) -> None:
        tasks = scene.client.principal().make_calendar(
            name=f"{scene.name} tasks", supported_calendar_component_set=["VTODO"]
        )
        source = scene.source(calendar=f"{scene.name} tasks")
        try:
            with pytest.raises(ConfigurationError):
                await source.check()
        finally:
            tasks.delete()
            await source.close()

    async def test_a_second_look_costs_one_question_and_a_change_one_more(
        self, scene: CalDavScene, source: CalDavSource
    ) -> None:
        first = await fetch(source, None)
        for n in range(3):
            scene.add(f"Demo {n}", START + n * DAY)
        first = await fetch(source, first)
        scene.proxy.kinds()
        second = await fetch(source, first)
        assert scene.proxy.kinds() == ["sync-collection"]
        assert second.unchanged
        assert second.meetings == first.meetings
        scene.add("Another", START)
        third = await fetch(source, second)
        asked = scene.proxy.asked[-1]
        assert scene.proxy.kinds() == ["sync-collection", "calendar-multiget"]
        assert asked.body.count(b"<D:href>") == 1
        assert not third.unchanged
        assert len(third.meetings) == 4

    async def test_no_question_ever_sets_a_limit(self, scene: CalDavScene, source: CalDavSource) -> None:
        uid = scene.add("Demo", START)
        snapshot = await fetch(source)
        await source.write_link(MeetingKey("cal", uid), LINK, "")
        await fetch(source, snapshot)
        await fetch(source, with_token(snapshot.cursor, "data:,rubbish"))
        assert {"sync-collection", "calendar-multiget", "PROPFIND"} <= {one.kind for one in scene.proxy.asked}
        assert not any(b"limit" in one.body or b"nresults" in one.body for one in scene.proxy.asked)

    async def test_what_was_added_changed_and_deleted_between_two_looks(
        self, scene: CalDavScene, source: CalDavSource
    ) -> None:
        old, gone, kept = (scene.add(title, START) for title in ("Old", "Gone", "Kept"))
        first = await fetch(source)
        scene.change(old, title="New")
        scene.delete(gone)
        passing = scene.add("Passing", START)
        scene.delete(passing)
        scene.add("Added", START)
        second = await fetch(source, first, old, gone, kept)
        assert titles(second) == {"New", "Kept", "Added"}
        assert second.proves_absent(MeetingKey("cal", gone), window_covers=True)

    async def test_a_token_that_the_server_does_not_know_leads_to_a_whole_look(
        self, scene: CalDavScene, source: CalDavSource
    ) -> None:
        gone, kept = scene.add("Gone", START), scene.add("Kept", START)
        first = await fetch(source)
        scene.delete(gone)
        for token in ("http://radicale.org/ns/sync/" + "0" * 64, "0" * 40, "data:,rubbish", "<&>\U0001f600"):
            scene.proxy.kinds()
            second = await fetch(source, with_token(first.cursor, token), gone, kept)
            assert titles(second) == {"Kept"}
            assert second.proves_absent(MeetingKey("cal", gone), window_covers=True)
            assert scene.proxy.kinds()[-2:] == ["PROPFIND", "PROPFIND"]
            assert state_in(second.cursor).token not in ("", token)

    async def test_every_so_many_looks_everything_is_listed(self, scene: CalDavScene) -> None:
        source = scene.source(full_every=3)
        scene.add("Demo", START)
        snapshot, kinds = await fetch(source), []
        for _ in range(6):
            scene.proxy.kinds()
            snapshot = await fetch(source, snapshot)
            kinds.append(scene.proxy.kinds())
            assert titles(snapshot) == {"Demo"}
        await source.close()
        quiet, whole = ["sync-collection"], ["PROPFIND", "PROPFIND"]
        assert kinds == [quiet, quiet, whole, quiet, quiet, whole]

    async def test_an_occurrence_that_was_moved_is_the_same_meeting(
        self, scene: CalDavScene, source: CalDavSource
    ) -> None:
        series = event("s", START, "RRULE:FREQ=DAILY;COUNT=3")
        scene.put(series)
        first = await fetch(source)
        assert len(first.meetings) == 3
        moved = START + DAY
        scene.put(series, event("s", moved + 3 * HOUR, f"RECURRENCE-ID:{stamp(moved)}", title="Moved"))
        second = await fetch(source, first)
        assert {one.key for one in second.meetings} == {one.key for one in first.meetings}
        assert {one.title: one.start for one in second.meetings}["Moved"] == moved + 3 * HOUR

    @pytest.mark.parametrize("uid", ["ünï 会議 😀", "a%20b%2Fc@x.example", "a+b&c<d>"])
    async def test_whatever_a_uid_is_made_of(self, scene: CalDavScene, source: CalDavSource, uid: str) -> None:
        scene.put(event(uid, START, title="Demo"))
        first = await fetch(source)
        assert only(first).key.uid == uid
        assert await source.write_link(only(first).key, LINK, "")
        assert LINK in scene.read(uid).replace("\\", "")
        scene.delete(uid)
        assert titles(await fetch(source, first)) == set()

    async def test_two_hundred_entries(self, scene: CalDavScene, source: CalDavSource) -> None:
        scene.many(200)
        first = await fetch(source)
        assert scene.proxy.kinds().count("calendar-multiget") == 4
        assert titles(first) == {str(n) for n in range(200)}
        scene.delete("u77")
        scene.change("u78", title="changed")
        second = await fetch(source, first)
        assert titles(second) == {str(n) for n in range(200)} - {"77", "78"} | {"changed"}

    async def test_a_calendar_that_vanished_takes_nothing_with_it(
        self, scene: CalDavScene, source: CalDavSource
    ) -> None:
        uid = scene.add("Demo", START)
        first = await fetch(source)
        scene.team.delete()
        for _ in range(2):
            snapshot = await fetch(source, first, uid)
            assert snapshot.trouble is Trouble.UNREADABLE
            assert not snapshot.proves_absent(MeetingKey("cal", uid), window_covers=True)
        scene.team = scene.client.principal().make_calendar(name=scene.name)
        assert titles(await fetch(source, first)) == set()

    async def test_a_link_goes_in_and_nothing_else_changes(self, scene: CalDavScene, source: CalDavSource) -> None:
        alarm = ("BEGIN:VALARM", "ACTION:DISPLAY", "TRIGGER:-PT15M", "DESCRIPTION:x", "LOCATION:no", "END:VALARM")
        lines = (BOSS, ANN, "X-FOO;BAR=1:baz", "DESCRIPTION:" + "Lörem\\, ipsum " * 20, "SEQUENCE:3", *alarm)
        scene.put(event("a", START, *lines))
        before, former = await fetch(source), scene.read("a").splitlines()
        meeting = only(before)
        assert await source.write_link(meeting.key, LINK, "")
        now = scene.read("a").replace("\\;", ";").splitlines()
        added = sorted(line for line in now if line not in former)
        assert added == [
            'ATTENDEE;CN="Ann, A";SCHEDULE-AGENT=CLIENT:mailto:ann@client.example',
            f"CONFERENCE;FEATURE=VIDEO;VALUE=URI:{LINK}",
            f"LOCATION:{LINK}",
            "ORGANIZER;CN=Boss;SCHEDULE-AGENT=CLIENT:mailto:boss@client.example",
            f"URL:{LINK}",
            f"X-CONVENER-JOIN-URL:{LINK}",
        ]
        assert sorted(line for line in former if line not in now) == sorted([ANN, BOSS])
        after = await fetch(source, before)
        assert without_ours(only(after), [LINK]) == meeting
        assert await source.write_link(meeting.key, NEW_LINK, LINK)
        last = await fetch(source, after)
        assert without_ours(only(last), [NEW_LINK]) == meeting
        assert LINK not in scene.read("a").replace("\\", "")
        assert await source.write_link(meeting.key, "", NEW_LINK)
        assert "vendor.example" not in scene.read("a")
        assert only(await fetch(source, last)) == meeting

    async def test_writing_the_same_again_writes_nothing(self, scene: CalDavScene, source: CalDavSource) -> None:
        key = MeetingKey("cal", scene.add("Demo", START))
        for link, former in [("", LINK), (LINK, ""), (LINK, ""), (LINK, LINK), ("", NEW_LINK)]:
            assert await source.write_link(key, link, former)
        assert scene.proxy.kinds().count("PUT") == 1

    async def test_what_a_person_wrote_stays(self, scene: CalDavScene, source: CalDavSource) -> None:
        scene.put(event("a", START, "LOCATION:Room 5\\, 2nd floor", "URL:https://intra.client.example/a"))
        meeting = only(await fetch(source))
        assert await source.write_link(meeting.key, LINK, "")
        text = scene.read("a")
        assert "LOCATION:Room 5\\, 2nd floor\n" in text
        assert "URL:https://intra.client.example/a\n" in text
        assert f"CONFERENCE;FEATURE=VIDEO;VALUE=URI:{LINK}" in text.replace("\\;", ";")
        assert without_ours(only(await fetch(source)), [LINK]) == meeting
        scene.put(event("a", START, "LOCATION:Room 6", f"CONFERENCE;VALUE=URI:{LINK}"))
        assert await source.write_link(meeting.key, "", LINK)
        assert "LOCATION:Room 6\n" in scene.read("a")
        assert "CONFERENCE" not in scene.read("a")

    async def test_an_edit_by_a_person_in_between_is_kept(self, scene: CalDavScene, source: CalDavSource) -> None:
        key = MeetingKey("cal", scene.add("Demo", START))
        edits = iter(["Edited", "Edited again"])

        async def slow(asked: Asked) -> Reply:
            if asked.method == "PUT" and (title := next(edits, "")):
                scene.change(key.uid, title=title)
            return await scene.proxy.forward(asked)

        scene.proxy.hook = slow
        assert await source.write_link(key, LINK, "")
        assert scene.proxy.kinds().count("PUT") == 3
        assert "SUMMARY:Edited again\n" in scene.read(key.uid)
        assert f"URL:{LINK}" in scene.read(key.uid)

    async def test_of_a_series_the_right_component_is_written(self, scene: CalDavScene, source: CalDavSource) -> None:
        zone = "BEGIN:VTIMEZONE\r\nTZID:Europe/Berlin\r\nBEGIN:STANDARD\r\nDTSTART:19701025T030000\r\nTZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\nEND:STANDARD\r\nEND:VTIMEZONE"  # noqa: E501
        moved = [START + DAY, START + 2 * DAY]
        ids = [f"RECURRENCE-ID;TZID=Europe/Berlin:{(one + HOUR).strftime('%Y%m%dT%H%M%S')}" for one in moved]
        overrides = [
            event("s", one + HOUR, id_, title=f"Moved {n}") for n, (one, id_) in enumerate(zip(moved, ids, strict=True))
        ]
        scene.put(zone, event("s", START, "RRULE:FREQ=DAILY;COUNT=5"), *overrides)
        first = await fetch(source)
        by_title = {one.title: one for one in first.meetings if one.title.startswith("Moved")}
        written = await asyncio.gather(
            *(source.write_link(one.key, f"{NEW_LINK}?{title[-1]}", "") for title, one in by_title.items()),
            source.write_link(MeetingKey("cal", "s"), LINK, ""),
            source.write_link(MeetingKey("cal", "s", START + 3 * DAY), LINK, ""),
        )
        assert written == [True, True, True, False]
        text = {part.split("SUMMARY:")[1].split("\n")[0]: part for part in scene.read("s").split("BEGIN:VEVENT")[1:]}
        assert f"URL:{LINK}\n" in text["Demo"]
        assert f"URL:{NEW_LINK}?0\n" in text["Moved 0"]
        assert f"URL:{NEW_LINK}?1\n" in text["Moved 1"]
        links = [LINK, f"{NEW_LINK}?0", f"{NEW_LINK}?1"]
        after = await fetch(source, first)
        assert [without_ours(one, links) for one in after.meetings] == list(first.meetings)

    async def test_a_recording_is_attached_once_and_is_no_document(
        self, scene: CalDavScene, source: CalDavSource
    ) -> None:
        scene.put(event("a", START, "ATTACH;FMTTYPE=application/pdf:https://files.client.example/agenda.pdf"))
        before = await fetch(source)
        key = only(before).key
        tape = Archived(
            "recording", 'Tape "1";\nö', "video/mp4", 10, "x/y.mp4", "https://archive.example/y.mp4?a=b,c;d"
        )
        for doubted in (False, True):
            assert await source.add_artifact(key, tape, doubted=doubted)
        assert not await source.add_artifact(key, replace(tape, url=""), doubted=False)
        assert scene.proxy.kinds().count("PUT") == 1
        text = scene.read("a").replace("\\", "")
        assert text.count(tape.url) == 1
        assert "FMTTYPE=video/mp4" in text
        after = await fetch(source, before)
        assert only(after) == only(before)
        assert len(only(after).documents) == 1

    async def test_a_locked_source_writes_nothing(self, scene: CalDavScene) -> None:
        uid = scene.add("Demo", START)
        source = CalDavSource("cal", scene.source()._settings, locked=True)
        assert titles(await fetch(source)) == {"Demo"}
        with pytest.raises(WritesLocked):
            await source.write_link(MeetingKey("cal", uid), LINK, "")
        assert LINK not in scene.read(uid)
        await source.close()

    async def test_an_entry_that_is_gone_takes_no_link(self, scene: CalDavScene, source: CalDavSource) -> None:
        uid = scene.add("Demo", START)
        await fetch(source)
        scene.delete(uid)
        with pytest.raises(Refused):
            await source.write_link(MeetingKey("cal", uid), LINK, "")
        assert await source.write_link(MeetingKey("cal", uid), "", LINK)


class TestRadicale(CalDavServers):
    @pytest.fixture
    def server(self, radicale_server: CalDavServer) -> CalDavServer:
        return radicale_server

    async def test_the_configuration_in_the_documentation_works(self, scene: CalDavScene) -> None:
        text = (Path(__file__).parents[2] / "docs/sources.md").read_text().partition("\n## CalDAV")[2]
        table = tomllib.loads(text.partition("```toml\n")[2].partition("```")[0])["sources"]["team"]
        assert table["username"] == scene.server.user
        team = scene.client.principal().make_calendar(name=table["calendar"])
        team.add_event(calendar(event("a", START)))
        given = table | {"url": scene.proxy.url, "password": scene.server.password}
        source = CalDavSource("team", CalDavSettings.model_validate(given))
        try:
            assert titles(await fetch(source)) == {"Demo"}
        finally:
            team.delete()
            await source.close()

    async def test_a_wrong_password_is_shown_twice_at_most(self, scene: CalDavScene) -> None:
        source = scene.source(password="no")
        scene.proxy.kinds()
        with pytest.raises(CredentialsRefused):
            await source.check()
        assert (await fetch(source)).trouble is Trouble.UNREADABLE
        assert len(scene.proxy.kinds()) == 2
        await source.close()

    async def test_another_user_s_calendar_is_refused(self, scene: CalDavScene) -> None:
        source = scene.source(calendar="/alice/private/")
        with pytest.raises((CredentialsRefused, ConfigurationError)):
            await source.check()
        await source.close()


class TestXandikos(CalDavServers):
    @pytest.fixture
    def server(self, xandikos_server: CalDavServer) -> CalDavServer:
        return xandikos_server

    async def test_a_name_that_the_server_gets_wrong_in_a_list_is_asked_for_by_itself(
        self, scene: CalDavScene, source: CalDavSource
    ) -> None:
        scene.add("Demo", START)
        scene.put(event("a#b?c", START, title="Odd"))
        first = await fetch(source)
        assert titles(first) == {"Demo", "Odd"}
        assert scene.proxy.kinds()[-2:] == ["calendar-multiget", "GET"]
        assert (await fetch(source, first)).unchanged

    async def test_what_cannot_be_read_costs_itself_only(self, scene: CalDavScene, source: CalDavSource) -> None:
        scene.add("Good", START)
        scene.put(event("bad", START).replace("DTSTART:2026", "DTSTART:20x6"))
        snapshot = await fetch(source)
        assert titles(snapshot) == {"Good"}
        (item,) = snapshot.rejected
        assert (item.uid, item.reason.split(":")[0].endswith(".ics")) == ("bad", True)
        assert snapshot.cursor

    async def test_the_organizers_copy_is_left_alone_where_the_server_would_mail_everybody(
        self, scene: CalDavScene, source: CalDavSource
    ) -> None:
        own = "ORGANIZER;CN=Owner:mailto:Owner@xandikos.example"
        scene.put(event("mine", START, own, ANN))
        text = scene.read("mine")
        with pytest.raises(Refused, match="sends invitations"):
            await source.write_link(MeetingKey("cal", "mine"), LINK, "")
        assert scene.read("mine") == text
        scene.put(event("muted", START, own, ANN.replace("CN=", "SCHEDULE-AGENT=CLIENT;CN=")))
        assert await source.write_link(MeetingKey("cal", "muted"), LINK, "")
        scene.put(event("alone", START, own))
        assert await source.write_link(MeetingKey("cal", "alone"), LINK, "")

    async def test_an_attendees_copy_goes_on_answering_through_the_server(
        self, scene: CalDavScene, source: CalDavSource
    ) -> None:
        scene.put(event("theirs", START, BOSS, ANN, "ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:owner@xandikos.example"))
        key = MeetingKey("cal", "theirs")
        try:
            assert await source.write_link(key, LINK, "")
        except Refused:  # the server leaves the texts to the organizer
            assert LINK not in scene.read("theirs")
        assert "SCHEDULE-AGENT" not in scene.read("theirs")
