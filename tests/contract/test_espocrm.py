"""EspoCRM by its profile: the contract of all CRMs against the stand-in, and what only EspoCRM does."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.simulators.espocrm import EspoCrmSimulator
from connectors.simulators.faults import Fault
from connectors.simulators.serve import Served, serve_in_thread
from sync.errors import ConfigurationError, CredentialsRefused, Gone, Refused, UnknownOutcome, WritesLocked
from sync.model import Role
from sync.outlets import Archived
from tests.contract.http_json_scene import EspoScene, naive, scene_source
from tests.contract.second_pass import WrittenBack
from tests.contract.source import HOUR, START, CrmContract, Reader, by_uid

LINK = "https://meet.example/j/abc"
OTHER = "https://meet.example/j/def"


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[EspoCrmSimulator, Served]]:
    simulator = EspoCrmSimulator(password="espo-key-0123456789")
    with serve_in_thread(simulator.app) as at:
        yield simulator, at


@pytest.fixture
def scene(served: tuple[EspoCrmSimulator, Served]) -> EspoScene:
    simulator, at = served
    simulator.options = replace(simulator.options, custom=(), joins=False)
    return EspoScene(simulator, at.url)


@pytest.fixture
async def reader(scene: EspoScene) -> Any:
    reader = Reader(scene)
    yield reader
    await reader.source.close()


class TestEspoCrmSource(CrmContract, WrittenBack):
    pass


# How it asks


async def test_the_questions_are_those_that_were_recorded(scene: EspoScene, reader: Reader) -> None:
    uid = scene.add("Product demo", START)
    await reader.read()
    await reader.read([uid])
    lists = scene.asked("Meeting")
    assert lists[0] == {
        "where[0][type]": "greaterThanOrEquals",
        "where[0][attribute]": "modifiedAt",
        "where[0][value]": "2000-01-01 00:00:00",
        "orderBy": "modifiedAt",
        "order": "asc",
        "maxSize": "2",
        "offset": "0",
    }
    assert {
        "where[0][type]": "in",
        "where[0][attribute]": "id",
        "where[0][value][]": uid,
        "select": "id",
        "maxSize": "200",
    } in lists
    since = [one["where[0][value]"] for one in lists if one["where[0][type]"] == "greaterThanOrEquals"]
    assert since[-1] == "2026-11-22 11:55:00"


async def test_a_sweep_of_more_than_a_list_shows_by_itself_is_answered_whole(scene: EspoScene) -> None:
    uids = [scene.add(str(n), START) for n in range(60)]
    crm = scene.crm()
    assert set(await crm.existing([*uids, "6b02500000000dead"])) == set(uids)
    await crm.close()


# What a meeting is


async def test_users_run_a_meeting_and_whoever_declined_is_marked(scene: EspoScene, reader: Reader) -> None:
    host = scene.simulator.add_user("host@seller.example", "Hanna", "Host")
    ada = scene.contact("Ada@Client.example", "Ada Client")
    uid = scene.simulator.add_meeting("Demo", naive(START), naive(START + HOUR), contacts=[ada], usersIds=[host])
    bob = scene.contact("bob@buyer.example", "Bob Buyer")
    scene.simulator.invite(uid, bob, "Declined")
    people = by_uid(await reader.read())[uid].participants
    assert [(one.email, one.name, one.role, one.declined) for one in people] == [
        ("host@seller.example", "Hanna Host", Role.MODERATOR, False),
        ("ada@client.example", "Ada Client", Role.PARTICIPANT, False),
        ("bob@buyer.example", "Bob Buyer", Role.PARTICIPANT, True),
    ]


async def test_held_is_no_cancellation(scene: EspoScene, reader: Reader) -> None:
    uid = scene.add("Demo", START)
    scene.simulator.change(uid, status="Held")
    assert not by_uid(await reader.read())[uid].cancelled


async def test_an_all_day_meeting_lasts_its_days_in_the_zone_of_the_source(scene: EspoScene) -> None:
    uid = scene.simulator.add_meeting(
        "Fair",
        None,
        None,
        isAllDay=True,
        dateStartDate="2026-12-01",
        dateEndDate="2026-12-02",
    )
    reader = Reader(scene)
    await reader.source.close()
    reader.source = scene.source(all_day=True, timezone="Europe/Berlin")
    meeting = by_uid(await reader.read())[uid]
    await reader.source.close()
    assert meeting.all_day
    assert meeting.start == datetime(2026, 11, 30, 23, tzinfo=UTC)
    assert meeting.end == datetime(2026, 12, 2, 23, tzinfo=UTC)


async def test_somebody_elses_join_url_is_a_conference_link(scene: EspoScene) -> None:
    scene.simulator.options = replace(scene.simulator.options, joins=True)
    scene.simulator.reset()
    uid = scene.simulator.add_meeting("Demo", naive(START), naive(START + HOUR), joinUrl="https://meet.google.com/a")
    reader = Reader(scene)
    assert by_uid(await reader.read())[uid].conference_links == ("https://meet.google.com/a",)
    await reader.source.close()


async def test_a_record_without_a_time_is_rejected_and_the_others_are_read(scene: EspoScene, reader: Reader) -> None:
    bad = scene.simulator.add_meeting("No end", naive(START), None)
    good = scene.add("Demo", START)
    snapshot = await reader.read()
    assert set(by_uid(snapshot)) == {good}
    (rejected,) = snapshot.rejected
    assert rejected.uid == bad
    assert "end" in rejected.reason
    assert snapshot.complete


# Participants that cannot be read


async def test_people_of_a_hidden_meeting_are_no_reason_to_stop(scene: EspoScene) -> None:
    seen, hidden = scene.add("Seen", START, people=[("ada@client.example", "Ada")]), scene.add("Hidden", START)
    scene.hide(hidden)
    crm = scene.crm()
    assert set(await crm.people([seen, hidden])) == {seen}
    await crm.close()


async def test_people_that_may_not_be_read_are_an_error_and_never_nobody(scene: EspoScene) -> None:
    uid = scene.add("Demo", START, people=[("ada@client.example", "Ada")])
    scene.simulator.faults.add(Fault("403_before", "GET", "attendees", times=10))
    crm = scene.crm()
    with pytest.raises(Refused, match="who takes part cannot"):
        await crm.people([uid])
    await crm.close()


# Check


async def test_check_refuses_a_map_that_finds_no_start(scene: EspoScene) -> None:
    scene.add("Demo", START)
    source = scene.source(map={"start": "dateStrat"})
    with pytest.raises(ConfigurationError, match=r"\[sources\.crm\.map\] start: is null in the first record"):
        await source.check()
    await source.close()


async def test_check_refuses_a_sweep_that_finds_nothing(scene: EspoScene) -> None:
    scene.add("Demo", START)
    source = scene.source(exists={"items": "list[].identity"})
    with pytest.raises(ConfigurationError, match=r"\[sources\.crm\.exists\] items"):
        await source.check()
    await source.close()


async def test_check_shows_meetings_to_come_behind_many_old_ones(scene: EspoScene) -> None:
    for n in range(12):
        scene.add(f"Old {n}", START - timedelta(days=30))
        scene.tick(1)
    uid = scene.add("Product demo", datetime(2026, 12, 1, 9, tzinfo=UTC))
    source = scene.source()
    shown = [one.message for one in await source.check() if one.code == "mapped"]
    await source.close()
    assert shown[0].startswith(f"{uid}: Product demo, 2026-12-01 09:00 to")


async def test_a_wrong_key_is_told(scene: EspoScene) -> None:
    source = scene.source(auth={"secret": "wrong"})
    with pytest.raises(CredentialsRefused) as told:
        await source.check()
    await source.close()
    assert "wrong" not in str(told.value)


# The link


async def test_the_link_gets_a_line_of_its_own_and_what_a_person_wrote_stays(scene: EspoScene) -> None:
    uid = scene.add("Demo", START)
    scene.simulator.change(uid, description="first demo")
    crm = scene.crm()

    def text() -> str:
        found: str = scene.simulator.meetings[uid]["description"]
        return found

    assert await crm.write_link(uid, LINK, "")
    assert text() == f"first demo\n\nJoin: {LINK}"
    assert await crm.write_link(uid, LINK, "")
    assert sum(entry.method == "PUT" for entry in scene.simulator.writes) == 1
    scene.simulator.change(uid, description=f"first demo\n\nJoin: {LINK}\nbring cake, see {LINK}")
    assert await crm.write_link(uid, OTHER, LINK)
    assert text() == f"first demo\n\nbring cake, see {LINK}\n\nJoin: {OTHER}"
    assert await crm.write_link(uid, "", OTHER)
    assert text() == f"first demo\n\nbring cake, see {LINK}"
    assert await crm.write_link(uid, "", OTHER)
    await crm.close()


async def test_an_empty_description_gets_the_line_alone_and_is_empty_again(scene: EspoScene) -> None:
    uid = scene.add("Demo", START)
    crm = scene.crm()
    await crm.write_link(uid, LINK, "")
    assert scene.simulator.meetings[uid]["description"] == f"Join: {LINK}"
    await crm.write_link(uid, "", LINK)
    assert scene.simulator.meetings[uid]["description"] == ""
    await crm.close()


async def test_our_own_line_changes_nothing_else_in_the_meeting(scene: EspoScene, reader: Reader) -> None:
    uid = scene.add("Demo", START, people=[("ada@client.example", "Ada")])
    scene.simulator.change(uid, description="first demo")
    before = by_uid(await reader.read())[uid]
    await scene_source(reader).write_link(before.key, LINK, "")
    after = by_uid(await reader.read([uid]))[uid]
    without = "\n".join(line for line in after.description.split("\n") if LINK not in line).strip()
    assert replace(after, description=without) == before


async def test_a_field_that_the_server_drops_is_told(scene: EspoScene) -> None:
    uid = scene.add("Demo", START)
    crm = scene.crm(join_field="joinUrl")
    with pytest.raises(Refused, match="does not show it"):
        await crm.write_link(uid, LINK, "")
    await crm.close()


async def test_a_field_of_ones_own_holds_the_link_alone(scene: EspoScene) -> None:
    scene.simulator.options = replace(scene.simulator.options, custom=("cJoin",))
    scene.simulator.reset()
    uid = scene.add("Demo", START)
    scene.simulator.change(uid, description="first demo")
    crm = scene.crm(join_field="cJoin")
    await crm.write_link(uid, LINK, "")
    assert scene.simulator.meetings[uid]["cJoin"] == LINK
    assert scene.simulator.meetings[uid]["description"] == "first demo"
    scene.simulator.change(uid, cJoin="https://zoom.us/j/1")
    await crm.write_link(uid, OTHER, LINK)
    assert scene.simulator.meetings[uid]["cJoin"] == "https://zoom.us/j/1"
    assert scene.simulator.meetings[uid]["description"] == f"first demo\n\nJoin: {OTHER}"
    await crm.close()


async def test_a_deleted_meeting_is_gone_for_writes(scene: EspoScene) -> None:
    uid = scene.add("Demo", START)
    scene.delete(uid)
    crm = scene.crm()
    with pytest.raises(Gone):
        await crm.write_link(uid, LINK, "")
    await crm.close()


async def test_a_locked_source_writes_nothing(scene: EspoScene) -> None:
    uid = scene.add("Demo", START)
    crm = scene.crm(locked=True)
    with pytest.raises(WritesLocked):
        await crm.write_link(uid, LINK, "")
    assert not scene.simulator.writes
    await crm.close()


# What comes of a session


def archived(**more: Any) -> Archived:
    given = {"kind": "recording", "name": "Demo.mp4", "media_type": "video/mp4", "size": 12, "path": "a/Demo.mp4"}
    return Archived(**{**given, "url": "https://meet.example/r/abc", **more})


async def test_a_recording_becomes_a_note_as_recorded(scene: EspoScene) -> None:
    uid = scene.add("Demo", START)
    crm = scene.crm()
    assert await crm.add_artifact(uid, archived(), doubted=False)
    assert scene.asked("Note") == [
        {"type": "Post", "parentType": "Meeting", "parentId": uid, "post": "Recording: https://meet.example/r/abc"}
    ]
    await crm.close()


async def test_a_file_is_uploaded_and_noted_as_recorded(scene: EspoScene) -> None:
    uid = scene.add("Demo", START)
    crm = scene.crm()
    minutes = archived(kind="document", name="minutes.pdf", media_type="application/pdf", content=b"%PDF-1.4 test")
    assert await crm.add_artifact(uid, minutes, doubted=False)
    (upload,), (note,) = scene.asked("Attachment"), scene.asked("Note")
    assert upload == {
        "name": "minutes.pdf",
        "type": "application/pdf",
        "role": "Attachment",
        "parentType": "Note",
        "field": "attachments",
        "file": "data:application/pdf;base64,JVBERi0xLjQgdGVzdA==",
    }
    assert note == {
        "type": "Post",
        "parentType": "Meeting",
        "parentId": uid,
        "post": "minutes.pdf",
        "attachmentsIds": list(scene.simulator.files),
    }
    await crm.close()


@pytest.mark.parametrize("kind", ["reset_after", "500_after", "hang_after"])
async def test_a_note_with_an_unknown_outcome_is_looked_for_before_it_is_written_again(
    scene: EspoScene, kind: str
) -> None:
    uid = scene.add("Demo", START)
    crm = scene.crm()
    scene.simulator.faults.add(Fault(kind, "POST", "Note"))
    with pytest.raises(UnknownOutcome):
        await crm.add_artifact(uid, archived(), doubted=False)
    scene.simulator.faults.release()
    assert await crm.add_artifact(uid, archived(), doubted=True)
    assert await crm.add_artifact(uid, archived(url="https://meet.example/r/def"), doubted=True)
    assert [one["post"] for one in scene.simulator.notes] == [
        "Recording: https://meet.example/r/abc",
        "Recording: https://meet.example/r/def",
    ]
    await crm.close()


async def test_an_artifacts_name_is_only_a_name(scene: EspoScene) -> None:
    uid = scene.add("Demo", START)
    crm = scene.crm()
    odd = archived(name='../../etc/\x00pass\r\nwd".pdf', media_type="a/b;base64,PHN2Zz4=", content=b"x")
    assert await crm.add_artifact(uid, odd, doubted=False)
    (file,) = scene.simulator.files.values()
    assert (file["name"], file["type"]) == ('passwd".pdf', "application/octet-stream")
    await crm.close()
