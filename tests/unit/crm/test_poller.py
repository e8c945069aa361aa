"""The poller alone, over a CRM in memory: what it believes, and what it asks."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from connectors.sources.crm.api import Record
from connectors.sources.crm.looks import GONE_AFTER
from connectors.sources.crm.read import FULL_EVERY
from connectors.sources.crm.settings import CrmSettings
from sync.errors import Gone, Refused
from sync.model import Document, MeetingKey, Role
from sync.snapshot import Trouble
from tests.contract.source import NOW, START, WINDOW, CrmContract, Reader, by_uid
from tests.unit.crm.memory import MemoryCrm, Row


@pytest.fixture
def scene() -> MemoryCrm:
    return MemoryCrm()


class TestPoller(CrmContract):
    pass


class TestReadAnew(CrmContract):
    """A CRM that obeys no stamp and gives none: it is read whole each time."""

    @pytest.fixture
    def scene(self) -> MemoryCrm:
        return MemoryCrm(obeys_since=False, stamped=False)


async def test_a_private_meeting_is_left_alone_also_when_it_was_not_private_before(scene: MemoryCrm) -> None:
    uid = scene.add("Product demo", START)
    reader = Reader(scene)
    await reader.read()
    scene.rows[uid].record = Record(uid, scene.now, private=True)
    for _ in range(3):
        snapshot = await reader.read([uid])
        assert snapshot.complete
        assert snapshot.meetings == ()
        assert not reader.gone(snapshot, uid)
        assert not snapshot.rejected


async def test_a_record_that_cannot_be_read_is_rejected_in_every_read_until_it_can(scene: MemoryCrm) -> None:
    uid = scene.add("Product demo", START)
    reader = Reader(scene)
    await reader.read()
    whole = scene.rows[uid].record
    scene.rows[uid].record = Record(uid, scene.now, problem="its start is no time")
    for _ in range(3):
        snapshot = await reader.read([uid])
        assert [(one.uid, one.reason) for one in snapshot.rejected] == [(uid, "its start is no time")]
        assert not reader.gone(snapshot, uid)
    scene.rows[uid].record = replace(whole, updated=scene.now)
    snapshot = await reader.read([uid])
    assert not snapshot.rejected
    assert uid in by_uid(snapshot)


async def test_an_occurrence_that_cannot_be_read_protects_its_whole_series(scene: MemoryCrm) -> None:
    scene.rows["2-x"] = Row(Record("2-x", scene.now, problem="no times", uid="2"))
    reader = Reader(scene)
    snapshot = await reader.read()
    key = MeetingKey("crm", "2", datetime(2026, 12, 1, 9, 0, tzinfo=UTC))
    assert not snapshot.proves_absent(key, window_covers=True)


async def test_a_record_without_an_id_makes_the_read_prove_no_absence(scene: MemoryCrm) -> None:
    uid = scene.add("Product demo", START)
    scene.rows["x"] = replace(scene.rows[uid], record=Record("", scene.now, problem="it has no id"))
    snapshot = await Reader(scene).read(["lost"])
    assert not snapshot.complete
    assert uid in by_uid(snapshot)


async def test_a_meeting_that_ends_before_it_starts_is_rejected(scene: MemoryCrm) -> None:
    uid = scene.add("Product demo", START)
    meeting = scene.rows[uid].record.meeting
    assert meeting is not None
    scene.rows[uid].record = replace(
        scene.rows[uid].record, meeting=replace(meeting, end=meeting.start - timedelta(minutes=1))
    )
    snapshot = await Reader(scene).read()
    assert [one.uid for one in snapshot.rejected] == [uid]


@pytest.mark.parametrize(("setting", "field"), [("all_day", "all_day"), ("tentative", "tentative")])
async def test_all_day_and_tentative_meetings_follow_the_settings(setting: str, field: str) -> None:
    for wanted in (True, False):
        scene = MemoryCrm(settings=CrmSettings.model_validate({"type": "memory", setting: wanted}))
        uid = scene.add("Product demo", START)
        meeting = scene.rows[uid].record.meeting
        assert meeting is not None
        scene.rows[uid].record = replace(scene.rows[uid].record, meeting=replace(meeting, **{field: True}))
        assert bool((await Reader(scene).read()).meetings) is wanted


async def test_one_stamp_far_in_the_future_does_not_stop_the_reading(scene: MemoryCrm) -> None:
    strange = scene.add("Stamped in 2099", START)
    scene.rows[strange].record = replace(scene.rows[strange].record, updated=datetime(2099, 1, 1, tzinfo=UTC))
    uid = scene.add("Product demo", START)
    reader = Reader(scene)
    await reader.read()
    scene.tick(600)
    scene.change(uid, title="Changed")
    assert by_uid(await reader.read([uid]))[uid].title == "Changed"


async def test_what_the_crm_failed_to_say_is_found_by_a_full_read_now_and_then(scene: MemoryCrm) -> None:
    uid = scene.add("Product demo", START)
    reader = Reader(scene)
    await reader.read()
    meeting = scene.rows[uid].record.meeting
    assert meeting is not None
    scene.tick(1000)
    scene.add("Another", START)
    await reader.read([uid])
    scene.rows[uid].record = replace(scene.rows[uid].record, meeting=replace(meeting, title="Changed in secret"))
    titles = [by_uid(await reader.read([uid]))[uid].title for _ in range(FULL_EVERY)]
    assert titles[0] == "Product demo"
    assert titles[-1] == "Changed in secret"


async def test_participants_that_cannot_be_read_are_nobody_who_left(scene: MemoryCrm) -> None:
    uid = scene.add("Product demo", START, people=[("ada@client.example", "Ada")])
    reader = Reader(scene)
    await reader.read()
    scene.tick(60)
    scene.change(uid, title="Changed")
    new = scene.add("Another", START)
    with scene.breaking("500", after=1):
        snapshot = await reader.read([uid])
    assert snapshot.trouble is Trouble.PARTIAL
    assert [person.email for person in by_uid(snapshot)[uid].participants] == ["ada@client.example"]
    assert by_uid(snapshot)[uid].title == "Changed"
    assert new not in by_uid(snapshot)  # nobody knows yet who takes part
    assert {uid, new} == set(by_uid(await reader.read([uid])))


async def test_with_sweep_every_the_reads_in_between_ask_for_changes_alone(scene: MemoryCrm) -> None:
    scene.settings = CrmSettings(type="memory", sweep_every=3)
    uid = scene.add("Product demo", START)
    reader = Reader(scene)
    asked = []
    for _ in range(6):
        scene.calls.clear()
        await reader.read([uid])
        asked.append(set(scene.calls))
    assert [("existing" in calls) for calls in asked] == [True, False, False, True, False, False]
    scene.delete(uid)
    gone = [reader.gone(await reader.read([uid]), uid) for _ in range(3 * GONE_AFTER)]
    assert gone.index(True) == 3


async def test_a_meeting_that_enters_the_window_brings_its_people_also_between_two_sweeps(scene: MemoryCrm) -> None:
    scene.settings = CrmSettings(type="memory", sweep_every=1000)
    uid = scene.add("Product demo", WINDOW.end + timedelta(days=1), people=[("ada@client.example", "Ada")])
    reader = Reader(scene)
    assert not (await reader.read()).meetings
    reader.window = replace(WINDOW, end=WINDOW.end + timedelta(days=2))
    one = by_uid(await reader.read(anew=True))[uid]
    assert [person.email for person in one.participants] == ["ada@client.example"]


async def test_meetings_that_are_over_are_forgotten(scene: MemoryCrm) -> None:
    for days in range(40):
        scene.add(str(days), NOW + timedelta(days=days))
    reader = Reader(scene)
    await reader.read()
    size = len(reader.cursor or b"")
    reader.window = replace(WINDOW, start=NOW + timedelta(days=39))
    await reader.read()
    assert len(reader.cursor or b"") < size / 2


async def test_settings_that_change_what_records_mean_read_everything_anew(scene: MemoryCrm) -> None:
    uid = scene.add("Product demo", START)
    reader = Reader(scene)
    await reader.read()
    scene.settings = CrmSettings(type="memory", timezone="Europe/Berlin")
    scene.calls.clear()
    assert uid in by_uid(await reader.read([uid], anew=True))
    scene.settings = CrmSettings(type="memory", timezone="Europe/Berlin", poll="1s")  # type: ignore[arg-type]
    before = reader.cursor
    scene.calls.clear()
    await reader.read([uid], anew=True)
    assert before != reader.cursor


async def test_check_shows_the_first_five_as_they_are_understood(scene: MemoryCrm) -> None:
    for n in range(7):
        scene.add(f"Meeting {n}", START)
    scene.page = 6
    scene.rows["2"].record = Record("2", scene.now, problem="its start is no time")
    scene.rows["3"].record = Record("3", scene.now, private=True)
    findings = await scene.source().check()
    assert [finding.code for finding in findings] == [
        "mapped",
        "record-left-out",
        "record-left-out",
        "mapped",
        "mapped",
    ]
    assert findings[0].message == "1: Meeting 0, 2026-11-24 12:00 to 2026-11-24 13:00 UTC"
    assert "its start is no time" in findings[1].message
    assert "private" in findings[2].message


async def test_writes_go_to_the_record_behind_the_key_also_when_it_is_over(scene: MemoryCrm) -> None:
    uid = scene.add("Product demo", START)
    source = scene.source()
    await source.fetch(None, WINDOW, ())
    occurrence = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
    assert await source.write_link(MeetingKey("crm", uid), "https://j.example/1", "")
    assert await source.write_link(MeetingKey("crm", "77"), "https://j.example/2", "")
    assert not await source.write_link(MeetingKey("crm", "77", occurrence), "https://j.example/3", "")
    assert scene.writes == [(uid, "https://j.example/1", ""), ("77", "https://j.example/2", "")]


async def test_a_deleted_record_is_no_place_to_write_to(scene: MemoryCrm, monkeypatch: pytest.MonkeyPatch) -> None:
    async def gone(*_: object) -> bool:
        raise Gone("PUT http://memory: answered 404", 404)

    monkeypatch.setattr(scene, "write_link", gone)
    assert not await scene.source().write_link(MeetingKey("crm", "1"), "https://j.example/1", "")


async def test_a_crm_brings_no_documents(scene: MemoryCrm) -> None:
    with pytest.raises(Refused):
        await scene.source().document(Document("a", "b"), "")


async def test_a_list_without_an_end_is_given_up(scene: MemoryCrm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.sources.crm.changes.MOST_PAGES", 3)
    for n in range(30):
        scene.add(str(n), START)
    snapshot = await Reader(scene).read()
    assert snapshot.trouble is Trouble.PARTIAL
    assert "does not come to an end" in snapshot.reason


async def test_a_deleted_meeting_is_gone_for_a_route_that_looks_further_ahead_than_another(scene: MemoryCrm) -> None:
    far = WINDOW.end + timedelta(days=5)
    uid = scene.add("Product demo", far)
    lost = "seen by an earlier life of the database"
    wide, near = Reader(scene, replace(WINDOW, end=far + timedelta(days=1))), Reader(scene)
    await wide.read([uid])
    scene.delete(uid)
    seen = []
    for _ in range(3):
        near.cursor = wide.cursor
        await near.read()
        wide.cursor = near.cursor
        snapshot = await wide.read([uid, lost])
        seen.append((wide.gone(snapshot, uid), wide.gone(snapshot, lost)))
    assert seen == [(False, False), (True, True), (True, True)]


async def test_the_organizer_moderates_also_when_the_crm_does_not_list_them(scene: MemoryCrm) -> None:
    for people in ([("ada@client.example", "Ada")], [("ada@client.example", "Ada"), ("owner@example.com", "Olga")]):
        uid = scene.add("Product demo", START, people=people)
        meeting = scene.rows[uid].record.meeting
        assert meeting is not None
        owned = replace(meeting, organizer="owner@example.com", organizer_name="Olga Owner")
        scene.rows[uid].record = replace(scene.rows[uid].record, meeting=owned)
    first, second = (await Reader(scene).read()).meetings
    assert [(one.email, one.role) for one in first.participants] == [
        ("ada@client.example", Role.PARTICIPANT),
        ("owner@example.com", Role.MODERATOR),
    ]
    assert [one.email for one in second.participants] == ["ada@client.example", "owner@example.com"]


async def test_what_ends_soon_is_told_now_and_then_and_not_in_every_read(scene: MemoryCrm) -> None:
    reader = Reader(scene)
    told = [bool((await reader.read()).notices) for _ in range(FULL_EVERY + 1)]
    assert [number for number, one in enumerate(told) if one] == [0, FULL_EVERY]
