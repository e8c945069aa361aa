"""What the poller believes of an answer that may be a hiccup."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from connectors.sources.crm.api import Record
from connectors.sources.crm.settings import CrmSettings
from sync.errors import ConfigurationError
from sync.model import MeetingKey
from sync.snapshot import Snapshot, Trouble
from tests.contract.source import NOW, START, WINDOW, Reader, by_uid
from tests.unit.crm.memory import HOUR, MemoryCrm

ADA = ("ada@client.example", "Ada")
BOB = ("bob@buyer.example", "Bob")


@pytest.fixture
def scene() -> MemoryCrm:
    return MemoryCrm()


def emails(snapshot: Snapshot, uid: str) -> list[str]:
    return [person.email for person in by_uid(snapshot)[uid].participants]


def occurrence(scene: MemoryCrm, start: datetime) -> None:
    """One of the series 2, as a CRM names them by their times."""
    id_ = f"2-{start:%Y%m%d%H%M%S}"
    uid = scene.add("Weekly", start)
    row = scene.rows.pop(uid)
    meeting = row.record.meeting
    assert meeting is not None
    key = MeetingKey("crm", "2", start)
    row.record = replace(row.record, id=id_, meeting=replace(meeting, key=key))
    scene.rows[id_] = row


async def test_two_routes_that_look_in_one_pass_are_one_look(scene: MemoryCrm) -> None:
    uid = scene.add("Product demo", START)
    source = scene.source()
    now = [NOW]
    source._now = lambda: now[0]
    key, cursor = MeetingKey("crm", uid), None

    async def look() -> bool:
        nonlocal cursor
        snapshot = await source.fetch(cursor, WINDOW, [key])
        cursor = snapshot.cursor
        return uid not in by_uid(snapshot) and snapshot.proves_absent(key, window_covers=True)

    await look()
    scene.hide(uid)
    now[0] += timedelta(minutes=5)
    assert [await look() for _ in range(4)] == [False] * 4
    now[0] += timedelta(minutes=5)
    assert await look()


async def test_a_series_that_was_moved_lacks_its_old_occurrences_in_the_moment_it_has_new_ones(
    scene: MemoryCrm,
) -> None:
    old = [START + timedelta(days=7 * n) for n in range(3)]
    for start in old:
        occurrence(scene, start)
    reader = Reader(scene)
    known = [MeetingKey("crm", "2", start) for start in old]
    await reader.read()
    scene.rows.clear()
    scene.tick(60)
    for start in old:
        occurrence(scene, start + HOUR)
    snapshot = await reader.source.fetch(reader.cursor, WINDOW, known)
    assert {one.key.recurrence_id for one in snapshot.meetings} == {start + HOUR for start in old}
    assert all(snapshot.proves_absent(key, window_covers=True) for key in known)


async def test_an_occurrence_that_is_only_missing_takes_two_looks(scene: MemoryCrm) -> None:
    starts = [START + timedelta(days=7 * n) for n in range(3)]
    for start in starts:
        occurrence(scene, start)
    reader = Reader(scene)
    await reader.read()
    del scene.rows[f"2-{starts[1]:%Y%m%d%H%M%S}"]
    key = MeetingKey("crm", "2", starts[1])
    seen = []
    for _ in range(2):
        snapshot = await reader.read()
        seen.append(snapshot.proves_absent(key, window_covers=True))
        assert len(snapshot.meetings) == 2
    assert seen == [False, True]


async def test_that_nobody_takes_part_any_more_is_believed_after_two_looks(scene: MemoryCrm) -> None:
    uid = scene.add("Product demo", START, people=[ADA, BOB])
    reader = Reader(scene)
    await reader.read()
    row = scene.rows[uid]
    people, row.people = row.people, ()
    assert emails(await reader.read([uid]), uid) == [ADA[0], BOB[0]]
    row.people = people
    assert emails(await reader.read([uid]), uid) == [ADA[0], BOB[0]]
    row.people = people[:1]
    assert emails(await reader.read([uid]), uid) == [ADA[0]]  # one who left is one who left
    row.people = ()
    assert [emails(await reader.read([uid]), uid) for _ in range(2)] == [[ADA[0]], []]


async def test_records_of_one_stamp_that_move_while_they_are_counted_let_none_slip_through(scene: MemoryCrm) -> None:
    uids = [scene.add(str(n), START) for n in range(scene.page * 4)]

    def shift() -> None:
        scene.tick(30)
        for uid in uids[:2]:
            scene.change(uid, title="moved")

    scene.during_reads(shift, after=1)
    snapshot = await Reader(scene).read()
    assert set(by_uid(snapshot)) == set(uids)


async def test_a_stamp_some_days_ahead_does_not_hide_what_comes_after_it(scene: MemoryCrm) -> None:
    strange = scene.add("Stamped in three weeks", START)
    scene.rows[strange].record = replace(scene.rows[strange].record, updated=scene.now + timedelta(days=20))
    uid = scene.add("Product demo", START)
    reader = Reader(scene)
    await reader.read()
    scene.tick(60)
    scene.change(uid, title="Changed")
    assert by_uid(await reader.read([uid]))[uid].title == "Changed"


@pytest.mark.parametrize(
    "record", [{"problem": "its start is no time"}, {"private": True}], ids=["unreadable", "private"]
)
async def test_what_could_not_be_read_or_seen_is_gone_when_it_is_deleted(
    scene: MemoryCrm, record: dict[str, object]
) -> None:
    uid = scene.add("Product demo", START)
    reader = Reader(scene)
    await reader.read()
    scene.rows[uid].record = Record(uid, scene.now, **record)  # type: ignore[arg-type]
    assert not reader.gone(await reader.read([uid]), uid)
    scene.delete(uid)
    assert not reader.gone(await reader.read([uid]), uid)
    snapshot = await reader.read([uid])
    assert reader.gone(snapshot, uid)
    assert not snapshot.rejected
    assert not (await reader.read()).unproved


async def test_after_a_failure_nothing_more_is_asked(scene: MemoryCrm) -> None:
    for n in range(scene.batch * 5):
        scene.add(str(n), START)
    scene.page = 100
    reader = Reader(scene)
    await reader.read()
    scene.calls.clear()
    with scene.breaking("hang", after=1):
        snapshot = await reader.read()
    assert snapshot.trouble is Trouble.PARTIAL
    assert scene.calls == ["changed", "people"]


async def test_a_meeting_deleted_beyond_the_window_does_not_enter_it(scene: MemoryCrm) -> None:
    scene.settings = CrmSettings(type="memory", sweep_every=1000)
    uid = scene.add("Product demo", WINDOW.end + timedelta(days=1))
    reader = Reader(scene)
    await reader.read()
    scene.delete(uid)
    reader.window = replace(WINDOW, end=WINDOW.end + timedelta(days=2))
    assert not (await reader.read()).meetings


async def test_of_two_records_of_one_occurrence_the_newer_one_counts(scene: MemoryCrm) -> None:
    occurrence(scene, START)
    reader = Reader(scene)
    await reader.read()
    scene.tick(60)
    (row,) = scene.rows.values()
    assert row.record.meeting is not None
    moved = replace(row.record.meeting, start=START + HOUR, end=START + 2 * HOUR)
    scene.rows["9"] = replace(row, record=replace(row.record, id="9", meeting=moved, updated=scene.now))
    assert [one.start for one in (await reader.read()).meetings] == [START + HOUR]


async def test_check_refuses_a_source_of_which_no_record_can_be_read(scene: MemoryCrm) -> None:
    for n in range(3):
        uid = scene.add(str(n), START)
        scene.rows[uid].record = Record(uid, datetime(2026, 11, 22, tzinfo=UTC), problem="its start is no time")
    with pytest.raises(ConfigurationError, match=r"\[sources.crm\].*its start is no time"):
        await scene.source().check()
