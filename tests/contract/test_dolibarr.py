"""Dolibarr by its profile: the contract of all CRMs against the stand-in, and what only Dolibarr does."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

import httpx
import pytest

from connectors.simulators.dolibarr import DolibarrSimulator
from connectors.simulators.serve import Served, serve_in_thread
from sync.errors import ConfigurationError, CredentialsRefused
from sync.outlets import Archived
from tests.contract.http_json_scene import DolibarrScene, epoch, scene_source
from tests.contract.second_pass import WrittenBack
from tests.contract.source import HOUR, START, CrmContract, ManyMeetings, Reader, by_uid

LINK = "https://meet.example/j/abc"
OTHER = "https://meet.example/j/def"


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[DolibarrSimulator, Served]]:
    simulator = DolibarrSimulator(password="dolibarr-key-0123456789")
    with serve_in_thread(simulator.app) as at:
        yield simulator, at


@pytest.fixture
def scene(served: tuple[DolibarrSimulator, Served]) -> DolibarrScene:
    simulator, at = served
    simulator.options = replace(simulator.options, database_zone="UTC", empty_is_404=False)
    return DolibarrScene(simulator, at.url)


@pytest.fixture
async def reader(scene: DolibarrScene) -> Any:
    reader = Reader(scene)
    yield reader
    await reader.source.close()


class TestDolibarrSource(CrmContract, ManyMeetings, WrittenBack):
    # There is no such state: whoever cancels a meeting deletes it.
    test_a_cancelled_meeting_is_said_to_be_cancelled = None  # type: ignore[assignment]


# How it asks


async def test_the_questions_are_those_that_were_seen(scene: DolibarrScene, reader: Reader) -> None:
    uids = [scene.add("Product demo", START, people=[("ada@client.example", "Ada Client")]) for _ in range(2)]
    await reader.read()
    await reader.read(uids)
    lists = scene.asked("agendaevents")
    first = {**lists[0]}
    assert first.pop("properties").startswith("id,label,type_code,datep,datef,datem,")
    assert first == {
        "sqlfilters": "(t.tms:>=:'20000101000000') and (t.code:=:'AC_RDV')",
        "sortfield": "t.tms",
        "sortorder": "ASC",
        "limit": "5",
        "page": "0",
    }
    joined = ",".join(uids)
    assert any(one["sqlfilters"] == f"(t.id:in:{joined})" for one in lists)
    assert any(one["sqlfilters"] == "(t.tms:>=:'20261122115500') and (t.code:=:'AC_RDV')" for one in lists)
    (contacts, *_) = scene.asked("contacts")
    assert contacts == {
        "sqlfilters": "(t.rowid:in:1,2)",
        "limit": "100",
        "properties": "id,email,firstname,lastname",
    }


async def test_the_systems_own_log_lines_are_no_meetings(scene: DolibarrScene, reader: Reader) -> None:
    scene.contact("ada@client.example", "Ada Client")
    assert {row["code"] for row in scene.simulator.events.values()} == {"AC_CONTACT_CREATE"}
    assert (await reader.read()).meetings == ()


@pytest.mark.parametrize("zone", ["Europe/Paris", "America/New_York", "Asia/Kolkata"])
async def test_stamps_are_asked_for_in_the_databases_own_zone(scene: DolibarrScene, zone: str) -> None:
    scene.simulator.options = replace(scene.simulator.options, database_zone=zone)
    reader = Reader(scene)
    uid = scene.add("Demo", START)
    await reader.read()
    scene.tick(3600)
    scene.change(uid, title="Changed")
    assert by_uid(await reader.read([uid]))[uid].title == "Changed"
    since = [one["sqlfilters"] for one in scene.asked("agendaevents") if "tms" in one["sqlfilters"]]
    assert since[1] != "(t.tms:>=:'20261122115500') and (t.code:=:'AC_RDV')"
    await reader.source.close()


async def test_an_hour_that_comes_twice_loses_no_change(scene: DolibarrScene) -> None:
    """On the last Sunday of October the clocks in Paris show 02:00 to 03:00 twice."""
    scene.simulator.options = replace(scene.simulator.options, database_zone="Europe/Paris")
    reader = Reader(scene)
    scene.server_now = datetime.fromisoformat("2026-10-25T00:20:00+00:00")  # 02:20, for the first time
    uid = scene.add("Demo", START)
    await reader.read()
    for _ in range(20):
        scene.tick(600)
        scene.change(uid, title=f"Changed at {scene.server_now}")
        assert by_uid(await reader.read([uid]))[uid].title == f"Changed at {scene.server_now}"
    await reader.source.close()


async def test_an_older_version_says_nothing_with_a_404(scene: DolibarrScene, reader: Reader) -> None:
    scene.simulator.options = replace(scene.simulator.options, empty_is_404=True)
    assert (await reader.read()).complete
    uids = [scene.add(str(n), START) for n in range(scene.page)]  # a full page, and nothing behind it
    assert set(by_uid(await reader.read())) == set(uids)
    for uid in uids:
        scene.delete(uid)
    looks = [reader.gone(await reader.read(uids), uids[0]) for _ in range(2)]
    assert looks == [False, True]


async def test_a_404_of_something_else_is_no_answer(scene: DolibarrScene, reader: Reader) -> None:
    uid = scene.add("Demo", START)
    await reader.read()
    await reader.source.close()
    reader.source = scene.source(exists={"path": "/api/index.php/agendaevent"})
    snapshot = await reader.read([uid])
    assert not snapshot.complete
    assert not reader.gone(snapshot, uid)


async def test_a_wrong_key_is_told(scene: DolibarrScene) -> None:
    source = scene.source(auth={"secret": "wrong"})
    with pytest.raises(CredentialsRefused):
        await source.check()
    await source.close()


async def test_check_refuses_a_map_that_finds_no_end(scene: DolibarrScene) -> None:
    scene.add("Demo", START)
    source = scene.source(map={"end": "dateend"})
    with pytest.raises(ConfigurationError, match=r"\[sources\.crm\.map\] end: is null"):
        await source.check()
    await source.close()


# What a meeting is


async def test_an_event_is_read_with_its_place_and_note(scene: DolibarrScene, reader: Reader) -> None:
    uid = scene.simulator.add_meeting(
        "Demo", epoch(START), epoch(START + HOUR), location="Room 1", note_private="bring cake", percentage="-1"
    )
    meeting = by_uid(await reader.read())[uid]
    assert (meeting.location, meeting.description, meeting.all_day) == ("Room 1", "bring cake", False)


async def test_an_event_of_a_whole_day_is_one(scene: DolibarrScene, reader: Reader) -> None:
    scene.simulator.add_meeting("Fair", epoch(START), epoch(START + HOUR), fulldayevent="1")
    assert (await reader.read()).meetings == ()
    await reader.source.close()
    reader.source = scene.source(all_day=True)
    reader.cursor = None
    assert [one.all_day for one in (await reader.read()).meetings] == [True]


async def test_an_event_that_becomes_something_else_is_gone(scene: DolibarrScene, reader: Reader) -> None:
    uid = scene.add("Demo", START)
    await reader.read()
    scene.tick(60)
    scene.simulator.change(uid, code="AC_TEL", type_code="AC_TEL")
    looks = [reader.gone(await reader.read([uid]), uid) for _ in range(2)]
    assert looks == [False, True]


async def test_a_contacts_new_address_is_seen_though_the_event_did_not_change(
    scene: DolibarrScene, reader: Reader
) -> None:
    uid = scene.add("Demo", START, people=[("ada@client.example", "Ada Client")])
    await reader.read()
    scene.simulator.change_contact("1", email="ada.new@client.example")
    (person,) = by_uid(await reader.read([uid]))[uid].participants
    assert (person.email, person.name) == ("ada.new@client.example", "Ada Client")


# The link


async def test_the_link_goes_into_a_free_location(scene: DolibarrScene) -> None:
    uid = scene.add("Demo", START)
    crm = scene.crm()
    assert await crm.write_link(uid, LINK, "")
    assert scene.simulator.events[uid]["location"] == LINK
    assert await crm.write_link(uid, OTHER, LINK)
    assert scene.simulator.events[uid]["location"] == OTHER
    assert await crm.write_link(uid, "", OTHER)
    assert scene.simulator.events[uid]["location"] == ""
    assert [entry.params for entry in scene.simulator.writes] == [{"location": one} for one in (LINK, OTHER, "")]
    await crm.close()


async def test_a_location_of_a_persons_own_stays_and_the_note_gets_the_link(scene: DolibarrScene) -> None:
    uid = scene.simulator.add_meeting("Demo", epoch(START), epoch(START + HOUR), location="Room 1", note_private="cake")
    crm = scene.crm()
    await crm.write_link(uid, LINK, "")
    assert scene.simulator.events[uid]["location"] == "Room 1"
    assert scene.simulator.events[uid]["note_private"] == f"cake\n\nJoin: {LINK}"
    scene.simulator.change(uid, location="")
    await crm.write_link(uid, OTHER, LINK)
    assert scene.simulator.events[uid]["location"] == OTHER
    assert scene.simulator.events[uid]["note_private"] == "cake"
    await crm.close()


async def test_our_own_write_moves_the_stamp_and_changes_no_more(scene: DolibarrScene, reader: Reader) -> None:
    uid = scene.add("Demo", START)
    before = by_uid(await reader.read())[uid]
    scene.tick(60)
    await scene_source(reader).write_link(before.key, LINK, "")
    after = by_uid(await reader.read([uid]))[uid]
    assert after.location == LINK
    assert replace(after, location="") == before


# What comes of a session


def archived(**more: Any) -> Archived:
    given = {"kind": "recording", "name": "Demo.mp4", "media_type": "video/mp4", "size": 12, "path": "a/Demo.mp4"}
    return Archived(**{**given, "url": "https://meet.example/r/abc", **more})


async def test_a_recording_is_noted_once(scene: DolibarrScene) -> None:
    uid = scene.simulator.add_meeting("Demo", epoch(START), epoch(START + HOUR), note_private="cake")
    crm = scene.crm()
    for doubted in (False, True, True):
        assert await crm.add_artifact(uid, archived(), doubted=doubted)
    assert await crm.add_artifact(uid, archived(url=""), doubted=False)
    assert scene.simulator.events[uid]["note_private"] == (
        "cake\nRecording: https://meet.example/r/abc\nRecording: a/Demo.mp4"
    )
    await crm.close()


async def test_what_we_note_about_artifacts_changes_nothing_in_the_meeting(
    scene: DolibarrScene, reader: Reader
) -> None:
    uid = scene.simulator.add_meeting("Demo", epoch(START), epoch(START + HOUR), note_private="cake\n\nand tea")
    before = by_uid(await reader.read())[uid]
    for url in ("https://meet.example/r/abc", "https://meet.example/r/def"):
        await scene_source(reader).add_artifact(before.key, archived(url=url), doubted=False)
    scene.tick(60)
    assert "Recording: https://meet.example/r/def" in scene.simulator.events[uid]["note_private"]
    assert by_uid(await reader.read([uid]))[uid] == before


async def test_a_file_is_uploaded_as_seen(scene: DolibarrScene) -> None:
    uid = scene.add("Demo", START)
    crm = scene.crm()
    minutes = archived(kind="document", name="minutes.pdf", content=b"%PDF-1.4 test")
    for _ in range(2):  # the second time it is replaced
        assert await crm.add_artifact(uid, minutes, doubted=False)
    assert scene.simulator.files == {(uid, "minutes.pdf"): b"%PDF-1.4 test"}
    assert scene.asked("upload")[0] == {
        "filename": "minutes.pdf",
        "modulepart": "agenda",
        "ref": uid,
        "filecontent": "JVBERi0xLjQgdGVzdA==",
        "fileencoding": "base64",
        "overwriteifexists": 1,
    }
    await crm.close()


# The stand-in


@pytest.mark.parametrize(
    ("filters", "status"),
    [
        ("(t.tms:>=:'20261122021753') and (t.code:=:'AC_RDV')", 200),
        ("(t.tms:>=:'2026-11-22 02:17:53')", 200),
        ("(t.id:in:7,1)", 200),
        ("(t.id:in:'7')", 400),
        ("(t.tms:>=:'yesterday')", 400),
        ("(t.id:in:1) or (1:=:1)", 400),
        ("(t.nonsense:=:'1')", 400),
    ],
)
async def test_the_stand_in_knows_the_filters_that_were_seen(scene: DolibarrScene, filters: str, status: int) -> None:

    async with httpx.AsyncClient(base_url=scene.url, trust_env=False) as client:
        answer = await client.get(
            "/api/index.php/agendaevents",
            params={"sqlfilters": filters},
            headers={"DOLAPIKEY": scene.simulator.password},
        )
    assert answer.status_code == status
