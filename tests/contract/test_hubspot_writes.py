"""What goes back to HubSpot: join links into meetings, artifacts as notes; what a person wrote stays."""

from collections.abc import AsyncIterator, Iterator

import pytest

from connectors.simulators.faults import Fault
from connectors.simulators.hubspot import HubspotSimulator
from connectors.simulators.hubspot_rules import READS
from connectors.simulators.serve import Served, serve_in_thread
from connectors.sources.hubspot import HubspotCrm, plugin
from sync.errors import CredentialsRefused, Gone, Refused, UnknownOutcome, WritesLocked
from sync.model import Meeting, MeetingKey
from sync.outlets import Archived
from tests.contract.hubspot_scene import KEY, HubspotScene
from tests.contract.source import START, Reader, by_uid

LINK, NEXT = "https://join.vendor.example/j/1?a=b&c=d", "https://join.vendor.example/j/2"
RECORDING = Archived(
    "recording", "Demo <1>.mp4", "video/mp4", 10, "sales/2026/demo.mp4", "https://archive.example/1.mp4"
)


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
async def crm(scene: HubspotScene) -> AsyncIterator[HubspotCrm]:
    crm = scene.crm()
    yield crm
    await crm.close()


async def shown_by(crm: HubspotCrm, uid: str) -> Meeting:
    """The meeting as it is read now."""
    page = await crm.changed(None, "", None)
    (found,) = [record.meeting for record in page.records if record.id == uid]
    assert found
    return found


# The join link


async def test_the_link_becomes_the_location_when_there_is_none_or_ours(scene: HubspotScene, crm: HubspotCrm) -> None:
    uid = scene.add("Demo", START)
    for link, former in ((LINK, ""), (NEXT, LINK), ("", NEXT)):
        assert await crm.write_link(uid, link, former)
        assert scene.simulator.meeting(uid).get("hs_meeting_location", "") == link
    assert "hs_meeting_body" not in scene.simulator.meeting(uid)
    assert scene.simulator.changes == 3


async def test_what_stands_there_already_is_not_written_again(scene: HubspotScene, crm: HubspotCrm) -> None:
    uid = scene.add("Demo", START)
    scene.simulator.change_meeting(uid, hs_meeting_location="Room 5")
    for _ in range(2):
        assert await crm.write_link(uid, LINK, "")
    assert scene.simulator.changes == 1
    other = scene.add("Another", START)
    for _ in range(2):
        assert await crm.write_link(other, LINK, "")
    assert scene.simulator.changes == 2


@pytest.mark.parametrize(
    "body", ["", "Agenda:\n1. Prices & terms", "<div><p>Agenda:</p><ul><li>Prices</li></ul></div>"]
)
async def test_a_location_of_a_persons_stays_and_the_link_gets_a_line_of_the_description(
    scene: HubspotScene, crm: HubspotCrm, body: str
) -> None:
    uid = scene.add("Demo", START)
    scene.simulator.change_meeting(uid, hs_meeting_location="Room 5", hs_meeting_body=body)
    before = (await shown_by(crm, uid)).description
    assert await crm.write_link(uid, LINK, "")
    shown = await shown_by(crm, uid)
    assert shown.location == "Room 5"
    lines = shown.description.split("\n")
    assert lines[-1] == f"Join: {LINK}"
    assert "\n".join(lines[:-1]) == before
    assert await crm.write_link(uid, NEXT, LINK)
    shown = await shown_by(crm, uid)
    assert shown.description.split("\n") == [*lines[:-1], f"Join: {NEXT}"]
    assert await crm.write_link(uid, "", NEXT)
    assert scene.simulator.meeting(uid).get("hs_meeting_body", "") == body
    assert scene.simulator.meeting(uid)["hs_meeting_location"] == "Room 5"


async def test_the_line_goes_when_the_location_is_free_again(scene: HubspotScene, crm: HubspotCrm) -> None:
    uid = scene.add("Demo", START)
    scene.simulator.change_meeting(uid, hs_meeting_location="Room 5", hs_meeting_body="<p>Agenda</p>")
    await crm.write_link(uid, LINK, "")
    scene.simulator.change_meeting(uid, hs_meeting_location="")
    await crm.write_link(uid, LINK, LINK)
    assert scene.simulator.meeting(uid)["hs_meeting_body"] == "<p>Agenda</p>"
    assert scene.simulator.meeting(uid)["hs_meeting_location"] == LINK


async def test_a_line_that_the_editor_made_an_anchor_of_is_still_ours(scene: HubspotScene, crm: HubspotCrm) -> None:
    uid = scene.add("Demo", START)
    anchored = f'<p>Agenda</p><p style="margin:0">Join: <a href="{NEXT}" rel="noopener">{NEXT}</a></p>'
    scene.simulator.change_meeting(uid, hs_meeting_location="Room 5", hs_meeting_body=anchored)
    await crm.write_link(uid, "", NEXT)
    assert scene.simulator.meeting(uid)["hs_meeting_body"] == "<p>Agenda</p>"


async def test_our_own_link_changes_nothing_else_of_the_meeting_that_is_read(
    scene: HubspotScene, crm: HubspotCrm
) -> None:
    uid = scene.add("Demo", START, people=[("ada@client.example", "Ada Client")])
    reader = Reader(scene)
    before = by_uid(await reader.read())[uid]
    scene.tick(60)
    await crm.write_link(uid, LINK, "")
    after = by_uid(await reader.read([uid]))[uid]
    assert after.location == LINK
    assert after.conference_links == ()
    assert {name: getattr(before, name) for name in before.__slots__ if name != "location"} == {
        name: getattr(after, name) for name in after.__slots__ if name != "location"
    }
    await reader.source.close()


async def test_a_link_that_hubspot_drops_is_refused(scene: HubspotScene, crm: HubspotCrm) -> None:
    uid = scene.add("Demo", START)
    scene.simulator.options.drop_writes = frozenset({"hs_meeting_location", "hs_meeting_body"})
    with pytest.raises(Refused, match="does not show the link"):
        await crm.write_link(uid, LINK, "")
    scene.simulator.change_meeting(uid, hs_meeting_location="Room 5")
    with pytest.raises(Refused, match="does not show the link"):
        await crm.write_link(uid, LINK, "")


async def test_a_description_without_room_for_the_link_is_left_alone(scene: HubspotScene, crm: HubspotCrm) -> None:
    uid = scene.add("Demo", START)
    scene.simulator.change_meeting(uid, hs_meeting_location="Room 5", hs_meeting_body="x" * 65_530)
    with pytest.raises(Refused, match="no room"):
        await crm.write_link(uid, LINK, "")
    assert scene.simulator.writes == []


async def test_the_accounts_own_rule_is_named_without_an_address(scene: HubspotScene, crm: HubspotCrm) -> None:
    uid = scene.add("Demo", START)
    scene.simulator.options.refuse_writes = f"Location {LINK} breaks the rule of {KEY}"
    with pytest.raises(Refused, match=r"Location https://join\.vendor\.example breaks the rule") as caught:
        await crm.write_link(uid, LINK, "")
    assert KEY not in str(caught.value)
    assert "/j/1" not in str(caught.value)


async def test_a_meeting_that_is_gone_a_right_that_lacks_and_a_read_only_run_write_nothing(
    scene: HubspotScene, crm: HubspotCrm
) -> None:
    uid = scene.add("Demo", START)
    with pytest.raises(Gone):
        await crm.write_link("999", LINK, "")
    locked = scene.crm(locked=True)
    with pytest.raises(WritesLocked):
        await locked.write_link(uid, LINK, "")
    await locked.close()
    scene.simulator.options.scopes = frozenset({READS})
    with pytest.raises(CredentialsRefused, match=r"lacks the scope crm\.objects\.contacts\.write"):
        await crm.write_link(uid, LINK, "")
    assert scene.simulator.changes == 0


async def test_the_source_writes_by_the_meetings_key(scene: HubspotScene) -> None:
    uid = scene.add("Demo", START)
    source = plugin.connect("hub", scene.settings(), None, False)
    reader = Reader(scene)
    reader.source = source
    await reader.read()
    assert await source.write_link(MeetingKey("hub", uid), LINK, "")
    assert scene.simulator.meeting(uid)["hs_meeting_location"] == LINK
    await source.close()


# Notes


async def test_a_recording_is_a_note_on_every_contact(scene: HubspotScene, crm: HubspotCrm) -> None:
    uid = scene.add("Demo", START, people=[("ada@client.example", "Ada"), ("bob@buyer.example", "Bob")])
    assert await crm.add_artifact(uid, RECORDING, doubted=False)
    (note,) = scene.simulator.notes
    assert len(note["contacts"]) == 2
    assert note["timestamp"] == "2026-11-22T12:00:00.000Z"
    shown = '<a href="https://archive.example/1.mp4">https://archive.example/1.mp4</a>'
    assert note["body"] == f"<p>Recording: Demo &lt;1&gt;.mp4<br>{shown}</p>"


async def test_an_artifact_without_an_address_is_named_by_its_place_in_the_archive(
    scene: HubspotScene, crm: HubspotCrm
) -> None:
    uid = scene.add("Demo", START, people=[("ada@client.example", "Ada")])
    slides = Archived("document", "Slides.pdf", "application/pdf", 10, "sales/a&b.pdf")
    assert await crm.add_artifact(uid, slides, doubted=False)
    assert scene.simulator.notes[0]["body"] == "<p>Document: Slides.pdf<br>sales/a&amp;b.pdf in the archive</p>"


async def test_a_meeting_without_contacts_has_no_place_for_a_note(scene: HubspotScene, crm: HubspotCrm) -> None:
    uid = scene.add("Demo", START)
    assert not await crm.add_artifact(uid, RECORDING, doubted=False)
    assert scene.simulator.notes == []


@pytest.mark.parametrize("fault", ["reset_after", "500_after", "truncate", "reset_before"])
async def test_a_note_of_unknown_fate_is_looked_for_and_never_doubled(
    scene: HubspotScene, crm: HubspotCrm, fault: str
) -> None:
    scene.simulator.options.association_page = 2
    uid = scene.add("Demo", START, people=[("ada@client.example", "Ada"), ("bob@buyer.example", "Bob")])
    for n in range(5):
        other = Archived("recording", f"{n}.mp4", "video/mp4", 1, f"{n}.mp4", f"https://archive.example/{n}-other.mp4")
        await crm.add_artifact(uid, other, doubted=False)
    scene.simulator.faults.add(Fault(fault, method="POST", resource="notes"))
    with pytest.raises(UnknownOutcome):
        await crm.add_artifact(uid, RECORDING, doubted=False)
    assert await crm.add_artifact(uid, RECORDING, doubted=True)
    assert await crm.add_artifact(uid, RECORDING, doubted=True)
    assert len([note for note in scene.simulator.notes if "1.mp4</a>" in note["body"]]) == 1


async def test_a_look_for_a_note_that_fails_makes_none(scene: HubspotScene, crm: HubspotCrm) -> None:
    uid = scene.add("Demo", START, people=[("ada@client.example", "Ada")])
    await crm.add_artifact(uid, RECORDING, doubted=False)
    scene.simulator.faults.add(Fault("401_before", resource="notes/batch/read"))
    with pytest.raises(CredentialsRefused):
        await crm.add_artifact(uid, RECORDING, doubted=True)
    assert len(scene.simulator.notes) == 1
