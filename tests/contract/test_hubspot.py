"""The HubSpot source by the contract of all CRMs, against its stand-in; and what only HubSpot does."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from connectors.simulators.hubspot import HubspotSimulator
from connectors.simulators.serve import Served, serve_in_thread
from sync.model import Role
from sync.snapshot import Trouble
from tests.contract.hubspot_scene import KEY, HubspotScene
from tests.contract.second_pass import WrittenBack
from tests.contract.source import HOUR, NOW, START, WINDOW, CrmContract, ManyMeetings, Reader, by_uid


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[HubspotSimulator, Served]]:
    simulator = HubspotSimulator(password=KEY)
    with serve_in_thread(simulator.app) as at:
        yield simulator, at


@pytest.fixture
def scene(served: tuple[HubspotSimulator, Served]) -> HubspotScene:
    simulator, at = served
    return HubspotScene(simulator, at.url)


@pytest.fixture
async def reader(scene: HubspotScene) -> object:
    reader = Reader(scene)
    yield reader
    await reader.source.close()


class TestHubspotSource(CrmContract, ManyMeetings, WrittenBack):
    pass


# What a meeting is


async def test_the_owner_organizes_and_moderates_and_contacts_without_an_address_are_left_out(
    scene: HubspotScene, reader: Reader
) -> None:
    owner = scene.simulator.add_owner("Olga@Seller.example", "Olga", "Owner")
    contacts = [
        scene.simulator.add_contact("Ada@Client.example", "Ada", "Client"),
        scene.simulator.add_contact("", "Nobody"),
    ]
    uid = scene.simulator.add_meeting(
        "Demo", START, START + HOUR, contacts=contacts, owner=owner, hs_activity_type="Product demo"
    )
    meeting = by_uid(await reader.read())[uid]
    assert (meeting.organizer, meeting.organizer_name) == ("olga@seller.example", "Olga Owner")
    assert [(one.email, one.name, one.role) for one in meeting.participants] == [
        ("ada@client.example", "Ada Client", Role.PARTICIPANT),
        ("olga@seller.example", "Olga Owner", Role.MODERATOR),
    ]
    assert by_uid(await reader.read(anew=True))[uid] == meeting
    assert meeting.categories == ("Product demo",)


async def test_an_owner_who_is_a_contact_too_takes_part_once(scene: HubspotScene, reader: Reader) -> None:
    owner = scene.simulator.add_owner("olga@seller.example", "Olga", "Owner")
    contact = scene.simulator.add_contact("olga@seller.example", "Olga")
    uid = scene.simulator.add_meeting("Demo", START, START + HOUR, contacts=[contact], owner=owner)
    (person,) = by_uid(await reader.read())[uid].participants
    assert person.role is Role.MODERATOR


async def test_another_owner_is_the_organizer_after_the_change(scene: HubspotScene, reader: Reader) -> None:
    olga, omar = (scene.simulator.add_owner(f"{name}@seller.example") for name in ("olga", "omar"))
    uid = scene.simulator.add_meeting("Demo", START, START + HOUR, owner=olga)
    await reader.read()
    scene.simulator.change_meeting(uid, hubspot_owner_id=omar)
    meeting = by_uid(await reader.read())[uid]
    assert meeting.organizer == "omar@seller.example"
    assert [one.email for one in meeting.participants] == ["omar@seller.example"]


async def test_an_owner_who_left_is_no_organizer_and_is_not_asked_for_at_every_read(
    scene: HubspotScene, reader: Reader
) -> None:
    scene.simulator.add_owner("here@seller.example")
    gone = scene.simulator.add_owner("gone@seller.example", archived=True)
    uid = scene.simulator.add_meeting("Demo", START, START + HOUR, owner=gone)
    for _ in range(3):
        meeting = by_uid(await reader.read())[uid]
        assert meeting.organizer == ""
        assert [finding.code for finding in meeting.findings] == ["owner-unknown"]
    assert len(scene.asked("owners")) == 1


async def test_hundreds_of_owners_are_read_page_by_page(scene: HubspotScene, reader: Reader) -> None:
    owners = [scene.simulator.add_owner(f"o{n}@seller.example") for n in range(250)]
    uid = scene.simulator.add_meeting("Demo", START, START + HOUR, owner=owners[-1])
    assert by_uid(await reader.read())[uid].organizer == "o249@seller.example"
    assert len(scene.asked("owners")) == 3


async def test_more_contacts_than_fit_on_a_page_and_in_a_batch_all_take_part(
    scene: HubspotScene, reader: Reader
) -> None:
    scene.simulator.options.association_page = 100
    people = [(f"p{n}@client.example", "") for n in range(230)]
    uid = scene.add("Webinar", START, people=people)
    meeting = by_uid(await reader.read())[uid]
    assert {one.email for one in meeting.participants} == {email for email, _ in people}


async def test_a_deleted_contact_takes_part_no_more(scene: HubspotScene, reader: Reader) -> None:
    contact = scene.simulator.add_contact("ada@client.example")
    uid = scene.simulator.add_meeting("Demo", START, START + HOUR, contacts=[contact])
    await reader.read()
    scene.simulator.delete_contact(contact)
    assert [len(by_uid(await reader.read())[uid].participants) for _ in range(2)] == [1, 0]


async def test_an_empty_list_of_owners_is_no_word_about_them(scene: HubspotScene, reader: Reader) -> None:
    gone = scene.simulator.add_owner("gone@seller.example", archived=True)
    scene.simulator.add_meeting("Demo", START, START + HOUR, owner=gone)
    snapshot = await reader.read()
    assert not snapshot.complete
    assert "names no owners" in snapshot.reason


async def test_a_record_that_cannot_be_read_costs_itself_only(scene: HubspotScene, reader: Reader) -> None:
    good = scene.add("Good", START)
    bad = scene.add("Bad", START)
    scene.simulator.change_meeting(bad, hs_meeting_start_time="", hs_timestamp="")
    snapshot = await reader.read()
    assert set(by_uid(snapshot)) == {good}
    assert [(one.uid, one.reason) for one in snapshot.rejected] == [(bad, "it has no start")]


async def test_ids_of_an_earlier_calendar_of_that_name_are_gone_and_spoil_nothing(
    scene: HubspotScene, reader: Reader
) -> None:
    uid = scene.add("Product demo", START)
    for look in (1, 2):
        snapshot = await reader.read([uid, "abc@feed.example", "²"])
        assert snapshot.complete
        assert reader.gone(snapshot, "abc@feed.example") is (look == 2)
        assert uid in by_uid(snapshot)


# The recycle bin


async def test_a_meeting_in_the_recycle_bin_is_cancelled_at_once(scene: HubspotScene, reader: Reader) -> None:
    uid, other = scene.add("Product demo", START), scene.add("Another", START)
    await reader.read()
    scene.simulator.delete_meeting(uid)
    meetings = by_uid(await reader.read([uid, other]))
    assert meetings[uid].cancelled
    assert not meetings[other].cancelled


async def test_a_bin_of_several_pages_is_looked_through(scene: HubspotScene, reader: Reader) -> None:
    for n in range(250):
        scene.simulator.delete_meeting(scene.add(f"old {n}", NOW - timedelta(days=60)))
    uid = scene.add("Product demo", START)
    await reader.read()
    scene.simulator.delete_meeting(uid)
    assert by_uid(await reader.read([uid]))[uid].cancelled


async def test_a_bin_that_is_too_large_costs_some_requests_and_no_meeting(scene: HubspotScene, reader: Reader) -> None:
    for n in range(1_001):
        scene.simulator.delete_meeting(scene.add(f"old {n}", NOW - timedelta(days=60)))
    uid = scene.add("Product demo", START)
    await reader.read()
    scene.simulator.delete_meeting(uid)
    before = len(scene.asked("meetings"))
    assert not reader.gone(await reader.read([uid]), uid)
    assert reader.gone(await reader.read([uid]), uid)
    assert len(scene.asked("meetings")) - before == 20


async def test_a_meeting_that_was_taken_out_of_the_bin_is_back_after_its_next_change(
    scene: HubspotScene, reader: Reader
) -> None:
    uid = scene.add("Product demo", START)
    await reader.read()
    scene.simulator.delete_meeting(uid)
    await reader.read([uid])
    scene.simulator.restore_meeting(uid)
    scene.change(uid, title="Product demo after all")
    assert not by_uid(await reader.read([uid]))[uid].cancelled


# Searching


async def test_a_search_that_shows_changes_late_loses_none(scene: HubspotScene, reader: Reader) -> None:
    uid = scene.add("Product demo", START)
    await reader.read()
    scene.simulator.options.search_delay = timedelta(seconds=20)
    scene.tick(100)
    scene.change(uid, title="Changed")
    scene.tick(10)
    other = scene.add("Another", START)
    assert by_uid(await reader.read([uid]))[uid].title == "Product demo"
    scene.tick(15)
    assert by_uid(await reader.read([uid]))[uid].title == "Changed"
    scene.tick(10)
    assert other in by_uid(await reader.read([uid]))


async def test_only_what_changed_is_asked_for(scene: HubspotScene, reader: Reader) -> None:
    scene.add("Product demo", START)
    await reader.read()
    await reader.read()
    first, second = scene.asked("meetings/search")
    assert first["filterGroups"] == [
        {"filters": [{"propertyName": "hs_lastmodifieddate", "operator": "GTE", "value": "0"}]}
    ]
    assert (first["sorts"], first["limit"], first["after"]) == (["hs_lastmodifieddate"], 200, "0")
    since = int((NOW - timedelta(minutes=5)).timestamp() * 1000)
    assert second["filterGroups"][0]["filters"][0]["value"] == str(since)


async def test_a_large_account_is_not_asked_for_what_is_over(
    scene: HubspotScene, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.sources.hubspot.crm.PAGE", 5)
    monkeypatch.setattr("connectors.sources.hubspot.crm.MOST_FOUND", 20)
    for n in range(30):
        scene.add(f"old {n}", NOW - timedelta(days=60))
        scene.tick(1)
    coming = {scene.add(f"new {n}", START) for n in range(7)}
    endless = scene.simulator.add_meeting("Endless", START, None)
    snapshot = await reader.read()
    assert snapshot.complete
    assert set(by_uid(snapshot)) == {*coming, endless}
    assert len(scene.asked("meetings/search")) <= 6  # the new ones of one moment are read once more


async def test_more_changes_at_one_moment_than_a_search_shows_are_said_to_be_missing(
    scene: HubspotScene, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.sources.hubspot.crm.MOST_FOUND", 220)
    monkeypatch.setattr("connectors.simulators.hubspot_search.MOST_FOUND", 220)
    for n in range(230):
        scene.add(str(n), START)
    snapshot = await reader.read()
    assert snapshot.trouble is Trouble.PARTIAL
    assert "more than 220 meetings changed at one moment" in snapshot.reason
    assert snapshot.cursor is None


async def test_more_than_a_search_shows_is_read_whole_when_it_changed_at_different_times(
    scene: HubspotScene, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.sources.hubspot.crm.MOST_FOUND", 220)
    monkeypatch.setattr("connectors.simulators.hubspot_search.MOST_FOUND", 220)
    scene.simulator.options.page = 50
    uids = set()
    for n in range(500):
        uids.add(scene.add(str(n), START))
        if n % 20 == 0:
            scene.tick(0.001)
    assert set(by_uid(await reader.read())) == uids


async def test_the_older_paths_give_the_same_meetings(scene: HubspotScene) -> None:
    scene.add("Product demo", START, people=[("ada@client.example", "Ada Client")])
    dated, older = scene.source(), scene.source(version="v3")
    scene.simulator.options.versions = ("2026-09",)
    read = [await source.fetch(None, WINDOW, ()) for source in (dated, older)]
    assert read[0].meetings == read[1].meetings
    assert len(read[0].meetings) == 1
    unknown = scene.source(version="2027-03")
    assert (await unknown.fetch(None, WINDOW, ())).trouble is Trouble.UNREADABLE
    for source in (dated, older, unknown):
        await source.close()
