"""What every source must hold, whatever it reads: each source's own tests subclass `SourceContract` with a scene.

A scene is a real server (or a stand-in over loopback HTTP) with a person at it, who adds, changes and removes meetings
there; and a clock of the server's own.
"""

import itertools
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import pytest

from connectors.sources.crm.poller import CrmSource
from sync.model import Meeting, MeetingKey, Window
from sync.ports import Source
from sync.snapshot import Snapshot, Trouble

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
WINDOW = Window(NOW - timedelta(days=1), NOW + timedelta(days=30))
START = NOW + timedelta(days=2)
HOUR = timedelta(hours=1)
PERSON = "ada@client.example"


class Scene(Protocol):
    """A source's server and a person at it. `looks` is how many reads it takes to know that something is gone."""

    looks: int

    def source(self) -> Source:
        """What a new process has."""
        ...

    def add(self, title: str, start: datetime, *, people: Sequence[tuple[str, str]] = ()) -> str:
        """A meeting of an hour; `people` are e-mails and names. Its UID."""
        ...

    def change(self, uid: str, *, title: str | None = None, start: datetime | None = None) -> None:
        """Give it another title, or move it."""
        ...

    def cancel(self, uid: str) -> None:
        """Cancel it in so many words."""
        ...

    def delete(self, uid: str) -> None:
        """Make it gone."""
        ...

    def many(self, count: int) -> None:
        """Add so many meetings at once, from START on, one every four minutes, titled "0", "1", …"""
        ...

    def breaking(self, kind: str, after: int = 0) -> AbstractContextManager[None]:
        """While in it, reads fail: "500", "401", "hang", "truncate", "garbage", "empty"; `after` so many requests."""
        ...


class Reader:
    """Reads a source as passes do: every five minutes, with the cursor of the last whole read."""

    def __init__(self, scene: Scene, window: Window = WINDOW) -> None:
        self.scene = scene
        self.window = window
        self.cursor: bytes | None = None
        self.source = scene.source()
        self.reads = 0

    async def read(self, known: Collection[str] = (), *, anew: bool = False) -> Snapshot:
        """`known` are the UIDs with a session; `anew`: by a new process."""
        if anew:
            await self.source.close()
            self.source = self.scene.source()
        keys = frozenset(MeetingKey(self.source.name, uid) for uid in known)
        if isinstance(self.source, CrmSource):
            self.reads += 1
            now = NOW + self.reads * timedelta(minutes=5)
            self.source._now = lambda: now
        snapshot = await self.source.fetch(self.cursor, self.window, keys)
        if snapshot.cursor is not None:
            assert snapshot.trouble is Trouble.NONE
            self.cursor = snapshot.cursor
        return snapshot

    def gone(self, snapshot: Snapshot, uid: str) -> bool:
        """Whether the read proves that the meeting is not wanted any more."""
        key = MeetingKey(self.source.name, uid)
        return uid not in by_uid(snapshot) and snapshot.proves_absent(key, window_covers=True)


def by_uid(snapshot: Snapshot) -> dict[str, Meeting]:
    return {one.key.uid: one for one in snapshot.meetings}


class SourceContract:
    """Subclass it as `Test…` with a fixture `scene`."""

    @pytest.fixture
    async def reader(self, scene: Scene) -> Any:
        reader = Reader(scene)
        yield reader
        await reader.source.close()

    async def test_a_meeting_is_seen_with_its_title_times_and_people(self, scene: Scene, reader: Reader) -> None:
        uid = scene.add("Product demo", START, people=[(PERSON, "Ada Client"), ("bob@buyer.example", "Bob Buyer")])
        snapshot = await reader.read()
        (one,) = snapshot.meetings
        assert (one.key.uid, one.title, one.start, one.end) == (uid, "Product demo", START, START + HOUR)
        assert {PERSON, "bob@buyer.example"} <= {person.email for person in one.participants}
        assert snapshot.complete
        assert snapshot.cursor is not None

    async def test_the_second_read_of_an_unchanged_source_says_the_same(self, scene: Scene, reader: Reader) -> None:
        scene.add("Product demo", START, people=[(PERSON, "Ada Client")])
        scene.add("Another", START + HOUR)
        first, second, third = [await reader.read(anew=new) for new in (False, False, True)]
        assert by_uid(first) == by_uid(second) == by_uid(third)
        assert second.complete
        assert len(first.meetings) == 2

    async def test_an_empty_source_is_whole(self, reader: Reader) -> None:
        snapshot = await reader.read()
        assert snapshot.complete
        assert snapshot.meetings == ()

    async def test_a_change_is_seen_under_the_same_key(self, scene: Scene, reader: Reader) -> None:
        uid = scene.add("Product demo", START)
        before = await reader.read()
        scene.change(uid, title="Product demo, long", start=START + timedelta(days=1))
        after = await reader.read([uid])
        assert [one.key for one in after.meetings] == [one.key for one in before.meetings]
        assert by_uid(after)[uid].title == "Product demo, long"
        assert by_uid(after)[uid].start == START + timedelta(days=1)

    async def test_a_meeting_that_moved_beyond_the_window_is_not_gone(self, scene: Scene, reader: Reader) -> None:
        uid = scene.add("Product demo", START)
        await reader.read()
        scene.change(uid, start=WINDOW.end + timedelta(days=3))
        for _ in range(scene.looks + 1):
            snapshot = await reader.read([uid])
            assert by_uid(snapshot)[uid].start == WINDOW.end + timedelta(days=3)

    async def test_a_meeting_that_moves_into_the_past_is_seen_there(self, scene: Scene, reader: Reader) -> None:
        uid = scene.add("Product demo", START)
        await reader.read()
        scene.change(uid, start=NOW - timedelta(days=3))
        for _ in range(scene.looks + 1):
            assert by_uid(await reader.read([uid]))[uid].start == NOW - timedelta(days=3)

    async def test_a_cancelled_meeting_is_said_to_be_cancelled(self, scene: Scene, reader: Reader) -> None:
        uid = scene.add("Product demo", START)
        await reader.read()
        scene.cancel(uid)
        snapshot = await reader.read([uid])
        assert by_uid(snapshot)[uid].cancelled

    async def test_a_deleted_meeting_is_gone_after_the_looks_it_takes_and_not_before(
        self, scene: Scene, reader: Reader
    ) -> None:
        uid = scene.add("Product demo", START)
        other = scene.add("Another", START)
        await reader.read()
        scene.delete(uid)
        for look in range(1, scene.looks + 2):
            snapshot = await reader.read([uid, other], anew=look == 2)
            assert reader.gone(snapshot, uid) is (look >= scene.looks), look
            assert other in by_uid(snapshot)
            assert uid not in by_uid(snapshot) or look < scene.looks

    @pytest.mark.parametrize("kind", ["500", "401", "hang", "truncate", "garbage", "empty"])
    async def test_a_read_that_fails_proves_nothing_and_the_next_one_is_whole(
        self, scene: Scene, reader: Reader, kind: str
    ) -> None:
        uid = scene.add("Product demo", START)
        await reader.read()
        with scene.breaking(kind):
            for _ in range(scene.looks):
                snapshot = await reader.read([uid])
                assert not snapshot.complete
                assert snapshot.reason
                assert snapshot.cursor is None
                assert not reader.gone(snapshot, uid)
        snapshot = await reader.read([uid])
        assert snapshot.complete
        assert uid in by_uid(snapshot)

    async def test_the_first_read_that_breaks_off_proves_nothing(self, scene: Scene, reader: Reader) -> None:
        uid = scene.add("Product demo", START)
        with scene.breaking("500"):
            snapshot = await reader.read([uid])
        assert snapshot.trouble is Trouble.UNREADABLE
        assert not reader.gone(snapshot, uid)
        assert uid in by_uid(await reader.read([uid]))

    async def test_text_comes_as_it_was_written(self, scene: Scene, reader: Reader) -> None:
        title = 'Ünï – 会議 😀 "quoted", a;b\\c <b> & {x} ${y}'
        uid = scene.add(
            title, START, people=[("jürgen@exämple.example".encode("ascii", "ignore").decode(), "Jürgen Öz 李")]
        )
        one = by_uid(await reader.read())[uid]
        assert one.title == title
        assert "Jürgen Öz 李" in {person.name for person in one.participants}

    async def test_a_lost_cursor_removes_nothing(self, scene: Scene, reader: Reader) -> None:
        uid = scene.add("Product demo", START)
        await reader.read()
        reader.cursor = None
        snapshot = await reader.read([uid], anew=True)
        assert uid in by_uid(snapshot)

    @pytest.mark.parametrize("cursor", [b"", b"rubbish", b"crm\x01" + bytes(40), b"ical\x01" + bytes(40)])
    async def test_a_damaged_cursor_is_as_none(self, scene: Scene, reader: Reader, cursor: bytes) -> None:
        uid = scene.add("Product demo", START)
        reader.cursor = cursor
        snapshot = await reader.read([uid], anew=True)
        assert snapshot.complete
        assert uid in by_uid(snapshot)

    async def test_check_says_that_it_can_be_read_or_raises(self, scene: Scene, reader: Reader) -> None:
        scene.add("Product demo", START)
        await reader.source.check()


class ManyMeetings:
    """10,000 meetings at once; for scenes that can make so many."""

    async def test_ten_thousand_meetings_are_read_whole(self, scene: Scene) -> None:
        scene.many(10_000)
        reader = Reader(scene, Window(WINDOW.start, START + timedelta(minutes=4) * 10_000))
        try:
            snapshot = await reader.read()
            assert snapshot.complete
            assert {one.title for one in snapshot.meetings} == {str(n) for n in range(10_000)}
            assert {one.title for one in (await reader.read()).meetings} == {str(n) for n in range(10_000)}
        finally:
            await reader.source.close()


class CrmScene(Scene, Protocol):
    """A CRM's server: what only CRMs do."""

    page: int
    """How many records fit on one of its pages."""

    def hide(self, uid: str) -> None:
        """Take away our right to see it."""
        ...

    def show(self, uid: str) -> None:
        """Give it back."""
        ...

    def invite(self, uid: str, email: str, name: str) -> None:
        """Add a participant in a way that does not touch the meeting's stamp, where the CRM has one."""
        ...

    def tick(self, seconds: float) -> None:
        """Let the server's clock go on."""
        ...

    def skew(self, hours: float) -> None:
        """Set the server's clock so far off ours."""
        ...

    def begin(self) -> Callable[[], None]:
        """What is done from now on is stamped now and seen when the result is called: a long transaction."""
        ...

    def during_reads(self, act: Callable[[], None], after: int) -> None:
        """Do something once, when `after` requests of the read that comes have been answered."""
        ...


class CrmContract(SourceContract):
    """For sources that are polled for changes."""

    async def test_a_meeting_that_we_may_not_see_for_once_is_not_gone(self, scene: CrmScene, reader: Reader) -> None:
        uid = scene.add("Product demo", START)
        await reader.read()
        scene.hide(uid)
        assert not reader.gone(await reader.read([uid]), uid)
        scene.show(uid)
        for _ in range(3):
            assert uid in by_uid(await reader.read([uid]))

    async def test_a_meeting_that_came_back_counts_its_looks_anew(self, scene: CrmScene, reader: Reader) -> None:
        uid = scene.add("Product demo", START)
        await reader.read()
        for act in (scene.hide, scene.show, scene.hide):
            act(uid)
            assert not reader.gone(await reader.read([uid]), uid)

    async def test_lost_access_to_a_known_meeting_is_told_from_a_lost_cursor(
        self, scene: CrmScene, reader: Reader
    ) -> None:
        uid = scene.add("Product demo", START)
        scene.hide(uid)  # with no cursor: it was seen by an earlier life of the database
        looks = [reader.gone(await reader.read([uid]), uid) for _ in range(3)]
        assert looks == [False, True, True]

    async def test_a_new_participant_is_seen_though_the_meeting_has_no_new_stamp(
        self, scene: CrmScene, reader: Reader
    ) -> None:
        uid = scene.add("Product demo", START, people=[(PERSON, "Ada Client")])
        await reader.read()
        scene.tick(3600)
        await reader.read()
        scene.invite(uid, "new@client.example", "New One")
        people = {person.email for person in by_uid(await reader.read([uid]))[uid].participants}
        assert {PERSON, "new@client.example"} <= people

    @pytest.mark.parametrize("hours", [-30, -3, 3, 30])
    async def test_the_servers_clock_may_be_wrong(self, scene: CrmScene, reader: Reader, hours: float) -> None:
        scene.skew(hours)
        uid = scene.add("Product demo", START)
        await reader.read()
        scene.tick(600)
        scene.change(uid, title="Changed")
        new = scene.add("Another", START)
        snapshot = await reader.read([uid])
        assert by_uid(snapshot)[uid].title == "Changed"
        assert new in by_uid(snapshot)

    async def test_a_change_in_the_second_of_the_last_read_is_not_lost(self, scene: CrmScene, reader: Reader) -> None:
        uid = scene.add("Product demo", START)
        await reader.read()
        scene.change(uid, title="Changed in the same second")
        new = scene.add("Another of the same second", START)
        snapshot = await reader.read([uid])
        assert by_uid(snapshot)[uid].title == "Changed in the same second"
        assert new in by_uid(snapshot)

    async def test_a_change_that_was_stamped_long_before_it_was_shown_is_not_lost(
        self, scene: CrmScene, reader: Reader
    ) -> None:
        commit = scene.begin()
        late = scene.add("A long transaction", START)
        scene.tick(120)
        early = scene.add("Product demo", START)
        assert set(by_uid(await reader.read())) == {early}
        commit()
        assert set(by_uid(await reader.read([early]))) == {early, late}

    async def test_more_than_a_page_of_one_and_the_same_second_is_read_whole(
        self, scene: CrmScene, reader: Reader
    ) -> None:
        uids = {scene.add(str(n), START) for n in range(scene.page * 2 + 3)}
        assert set(by_uid(await reader.read())) == uids

    async def test_records_that_move_while_pages_are_read_let_none_slip_through(
        self, scene: CrmScene, reader: Reader
    ) -> None:
        uids = []
        for n in range(scene.page * 3):
            uids.append(scene.add(str(n), START))
            scene.tick(1)

        def shift() -> None:
            for uid in uids[:3]:
                scene.change(uid, title="moved to the end")

        scene.during_reads(shift, after=1)
        snapshot = await reader.read()
        assert set(by_uid(snapshot)) == set(uids)
        again = by_uid(await reader.read(uids))
        assert set(again) == set(uids)
        assert [again[uid].title for uid in uids[:3]] == ["moved to the end"] * 3

    async def test_a_read_that_breaks_in_the_middle_is_partial_and_loses_nothing(
        self, scene: CrmScene, reader: Reader
    ) -> None:
        uids = []
        for n in range(scene.page * 3):
            uids.append(scene.add(str(n), START))
            scene.tick(1)
        for after in itertools.count(1):
            fresh = Reader(scene)
            with scene.breaking("500", after=after):
                snapshot = await fresh.read(uids)
            await fresh.source.close()
            if snapshot.complete:
                break
            assert not any(fresh.gone(snapshot, uid) for uid in uids), after
            assert snapshot.cursor is None
        assert after > 2
        assert set(by_uid(snapshot)) == set(uids)
