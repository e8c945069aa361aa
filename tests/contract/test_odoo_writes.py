"""What the Odoo source writes back: the join link where there is room for it, artifacts and notes, and no mail."""

import base64
import json
from dataclasses import replace
from typing import Any

import pytest

from connectors.simulators.faults import Fault
from connectors.sources.odoo import OdooCrm
from sync.errors import Gone, Refused, UnknownOutcome
from sync.model import MeetingKey
from sync.outlets import Archived
from tests.contract.odoo_scene import OdooScene, at, served
from tests.contract.source import START, Reader, by_uid

ADA = ("ada@client.example", "Ada Client")
LINK, OTHER, THEIRS = "https://meet.example/j/1?a=b&c=d", "https://meet.example/j/2", "https://zoom.us/j/99"
BOTH = pytest.mark.parametrize("version", [11, 19])
PDF = Archived("document", "minutes.pdf", "application/pdf", 9, "r/m/minutes.pdf", content=b"%PDF-1.4 ")
FILM = Archived("recording", "talk.mp4", "video/mp4", 10**9, "r/m/talk.mp4", url="https://archive.example/t?a=1&b=2")


async def write(scene: OdooScene, id_: str, link: str, former: str = "") -> bool:
    crm = scene.crm()
    try:
        return await crm.write_link(id_, link, former)
    finally:
        await crm.close()


async def add(crm: OdooCrm, id_: str, artifact: Archived, *, doubted: bool = False) -> bool:
    try:
        return await crm.add_artifact(id_, artifact, doubted=doubted)
    finally:
        await crm.close()


def places(scene: OdooScene, id_: str) -> tuple[Any, Any, Any]:
    row = scene.sim.meeting(id_)
    return row.get("videocall_location", False), row.get("location", False), row.get("description", False)


# The join link


async def test_on_19_the_link_goes_into_the_field_for_it_by_one_write_that_is_read_back() -> None:
    with served(19) as scene:
        id_ = scene.sim.add_meeting("Demo", START, people=[ADA], location="online")
        description = places(scene, id_)[2]
        heard = scene.recorded()
        assert await write(scene, id_, LINK)
        assert places(scene, id_) == (LINK, "online", description)
        asked = [(request.path, json.loads(request.body)) for request in heard if "calendar.event/" in request.path]
    fields = ["videocall_location", "location", "description"]
    assert asked[1:] == [
        ("/json/2/calendar.event/read", {"ids": [1], "fields": fields}),
        (
            "/json/2/calendar.event/write",
            {
                "ids": [1],
                "vals": {"videocall_location": LINK},
                "context": {"no_mail_to_attendees": True, "dont_notify": True},
            },
        ),
        ("/json/2/calendar.event/read", {"ids": [1], "fields": fields}),
    ]


async def test_on_11_the_link_goes_into_the_location_when_that_is_empty() -> None:
    with served(11) as scene:
        id_ = scene.sim.add_meeting("Demo", START, people=[ADA])
        heard = scene.recorded()
        assert await write(scene, id_, LINK)
        assert places(scene, id_) == (False, LINK, False)
        (body,) = [json.loads(request.body) for request in heard if b'"write"' in request.body]
    assert body["params"]["args"] == [
        *["crm", 1, "secret", "calendar.event", "write", [[1], {"location": LINK}]],
        {"context": {"no_mail_to_attendees": True, "dont_notify": True}},
    ]


@BOTH
async def test_a_place_that_a_person_filled_in_is_kept_and_the_link_goes_into_the_description(version: int) -> None:
    video = {"videocall_location": THEIRS} if version == 19 else {}
    with served(version) as scene:
        id_ = scene.sim.add_meeting("Demo", START, location="Room 5", **video)
        scene.sim.change_meeting(id_, description="<p>Agenda</p>" if version == 19 else "Agenda")
        assert await write(scene, id_, LINK)
        line = "Agenda\n\nJoin: " + LINK
        markup = "<p>Agenda</p><p>Join: https://meet.example/j/1?a=b&amp;c=d</p>"
        assert places(scene, id_) == (video.get("videocall_location", False), "Room 5", (line, markup)[version == 19])
        assert await write(scene, id_, OTHER, LINK)
        assert (
            places(scene, id_)[2] == ("Agenda\n\nJoin: " + OTHER, f"<p>Agenda</p><p>Join: {OTHER}</p>")[version == 19]
        )
        assert await write(scene, id_, "", OTHER)
        assert places(scene, id_)[1:] == ("Room 5", ("Agenda", "<p>Agenda</p>")[version == 19])


@BOTH
async def test_a_new_link_takes_the_place_of_the_former_and_an_empty_one_takes_it_away(version: int) -> None:
    place = 0 if version == 19 else 1
    with served(version) as scene:
        id_ = scene.sim.add_meeting("Demo", START)
        assert await write(scene, id_, LINK)
        assert await write(scene, id_, OTHER, LINK)
        assert places(scene, id_)[place] == OTHER
        assert await write(scene, id_, "", LINK)  # that one stands nowhere any more
        assert places(scene, id_)[place] == OTHER
        assert await write(scene, id_, "", OTHER)
        assert places(scene, id_)[place] is False


async def test_a_link_of_an_older_version_moves_into_the_field_for_it() -> None:
    with served(19) as scene:
        id_ = scene.sim.add_meeting("Demo", START, location=LINK)
        assert await write(scene, id_, OTHER, LINK)
        assert places(scene, id_)[:2] == (OTHER, False)


@BOTH
async def test_writing_it_again_writes_nothing(version: int) -> None:
    with served(version) as scene:
        id_ = scene.sim.add_meeting("Demo", START, location="Room 5" if version == 11 else False)
        for _ in range(3):
            assert await write(scene, id_, LINK, LINK)
        assert scene.sim.changes == 1


@BOTH
async def test_writes_never_mail_anybody_and_never_touch_the_times(version: int) -> None:
    with served(version) as scene:
        lead = scene.sim.add_lead("Deal")
        id_ = scene.sim.add_meeting("Demo", START, people=[ADA], opportunity_id=lead)
        before = scene.sim.meeting(id_)
        assert await write(scene, id_, LINK)
        assert await write(scene, id_, OTHER, LINK)
        for artifact in (PDF, FILM):
            assert await add(scene.crm(), id_, artifact)
        after = scene.sim.meeting(id_)
        assert scene.sim.mails == []
        assert {name for name in after if after[name] != before.get(name)} == {
            "videocall_location" if version == 19 else "location"
        }
        for entry in scene.sim.writes:
            assert not {"start", "stop"} & set(json.dumps(entry.params).replace('"', " ").split())


@BOTH
async def test_a_server_that_takes_the_link_and_drops_it_is_noticed(version: int) -> None:
    with served(version, drops=("videocall_location", "location")) as scene:
        id_ = scene.sim.add_meeting("Demo", START)
        with pytest.raises(Refused, match="took the link and did not keep it"):
            await write(scene, id_, LINK)


@BOTH
async def test_a_meeting_that_is_gone_or_not_ours_to_write_says_so(version: int) -> None:
    with served(version) as scene:
        gone, hidden = scene.sim.add_meeting("A", START), scene.sim.add_meeting("B", START)
        private = scene.sim.add_meeting(
            "C", START, user_id=scene.sim.add_user("Eve", "e@crm.example"), privacy="private"
        )
        scene.sim.delete_meeting(gone)
        scene.sim.hide_meeting(hidden)
        for id_, error in ((gone, Gone), (hidden, Refused), (private, Refused)):
            with pytest.raises(error):
                await write(scene, id_, LINK)
        with pytest.raises(Gone):
            await add(scene.crm(), gone, FILM)
        with pytest.raises(Refused, match="is not the id of an Odoo record"):
            await write(scene, "abc", LINK)


async def test_an_occurrence_that_is_no_record_has_no_place_for_a_link_of_its_own() -> None:
    with served(11) as scene:
        rule = {"recurrency": True, "rrule_type": "weekly", "end_type": "count", "count": 3}
        series = scene.sim.add_meeting("Weekly call", at(2), **rule)
        assert not await write(scene, f"{series}-20261209090000", LINK)
        assert await add(scene.crm(), f"{series}-20261209090000", FILM)
        assert places(scene, series) == (False, False, False)
        assert [one["name"] for one in scene.sim.attachments(series)] == ["talk.mp4"]


@BOTH
async def test_what_was_written_changes_nothing_in_the_meeting_but_what_the_link_is(version: int) -> None:
    with served(version) as scene:
        uid = scene.sim.add_meeting("Demo", START, people=[ADA])
        reader = Reader(scene)
        before = by_uid(await reader.read([uid]))[uid]
        scene.tick(60)
        assert await write(scene, uid, LINK)
        after = by_uid(await reader.read([uid]))[uid]
        await reader.source.close()
    written = {"conference_links": (LINK,)} if version == 19 else {"location": LINK}
    assert after == replace(before, **written)


async def test_the_source_writes_by_the_meetings_key() -> None:
    with served(19) as scene:
        uid = scene.sim.add_meeting("Demo", START)
        key = MeetingKey("sales", uid)
        reader = Reader(scene)
        await reader.read([uid])
        assert await reader.source.write_link(key, LINK, "")  # type: ignore[attr-defined]
        assert await reader.source.add_artifact(key, FILM, doubted=False)  # type: ignore[attr-defined]
        await reader.source.close()
        assert places(scene, uid)[0] == LINK
        assert len(scene.sim.attachments(uid)) == 1


# Artifacts


@BOTH
async def test_content_is_attached_to_meeting_and_lead_and_a_note_on_each_names_it(version: int) -> None:
    with served(version) as scene:
        lead = scene.sim.add_lead("Deal")
        id_ = scene.sim.add_meeting("Demo", START, people=[ADA], opportunity_id=lead)
        assert await add(scene.crm(), id_, PDF)
        for model, record in (("calendar.event", id_), ("crm.lead", lead)):
            (file,) = scene.sim.attachments(record, model)
            assert (file["name"], file["type"], file["file_size"]) == ("minutes.pdf", "binary", 9)
            assert base64.b64decode(file["datas"]) == PDF.content
            assert file.get("datas_fname") == ("minutes.pdf" if version == 11 else None)
            assert scene.sim.notes(record, model) == ["<p>Document: minutes.pdf, attached</p>"]


@BOTH
async def test_an_address_is_attached_as_one_and_stands_in_the_note_as_text(version: int) -> None:
    with served(version) as scene:
        id_ = scene.sim.add_meeting("Demo", START, people=[ADA])
        assert await add(scene.crm(), id_, replace(FILM, name="<b>talk</b>.mp4"))
        (file,) = scene.sim.attachments(id_)
        assert (file["name"], file["type"], file["url"]) == ("<b>talk</b>.mp4", "url", FILM.url)
        note = "<p>Recording: &lt;b&gt;talk&lt;/b&gt;.mp4, https://archive.example/t?a=1&amp;b=2</p>"
        assert scene.sim.notes(id_) == [note]


async def test_what_has_neither_content_nor_address_is_a_note_with_its_place_in_the_archive() -> None:
    with served(19) as scene:
        id_ = scene.sim.add_meeting("Demo", START)
        assert await add(scene.crm(), id_, replace(FILM, url=""))
        assert scene.sim.attachments(id_) == []
        assert scene.sim.notes(id_) == ["<p>Recording: talk.mp4, in the archive: r/m/talk.mp4</p>"]


async def test_a_lead_that_the_meeting_only_points_to_is_found_and_one_that_is_gone_is_left_out() -> None:
    with served(19) as scene:
        lead = scene.sim.add_lead("Deal")
        pointing = scene.sim.add_meeting("Demo", START, res_model="crm.lead", res_id=lead)
        lost = scene.sim.add_meeting("Demo", START, opportunity_id=99)
        assert await add(scene.crm(), pointing, FILM)
        assert await add(scene.crm(), lost, FILM)
        assert len(scene.sim.notes(lead, "crm.lead")) == 1
        assert len(scene.sim.notes(lost)) == 1


@BOTH
@pytest.mark.parametrize("artifact", [PDF, FILM], ids=["content", "address"])
async def test_an_addition_that_broke_off_anywhere_is_completed_and_nothing_is_there_twice(
    version: int, artifact: Archived
) -> None:
    for step in range(5):
        with served(version) as scene:
            lead = scene.sim.add_lead("Deal")
            id_ = scene.sim.add_meeting("Demo", START, people=[ADA], opportunity_id=lead)
            resource = "ir.attachment/create" if step % 2 == 0 else "calendar.event/message_post"
            resource = "crm.lead/message_post" if step == 3 else resource
            kind = "reset_before" if step == 4 else "reset_after"
            scene.sim.faults.add(Fault(kind, "POST", resource, after=1 if step == 2 else 0))
            with pytest.raises(UnknownOutcome):
                await add(scene.crm(), id_, artifact)
            assert await add(scene.crm(), id_, artifact, doubted=True)
            assert await add(scene.crm(), id_, artifact, doubted=True)
            for model, record in (("calendar.event", id_), ("crm.lead", lead)):
                assert len(scene.sim.attachments(record, model)) == 1, step
                assert len(scene.sim.notes(record, model)) == 1, step


async def test_a_part_that_is_refused_when_another_is_there_leaves_the_outcome_open() -> None:
    body = {"name": "odoo.exceptions.AccessError", "message": "No.", "arguments": ["No."], "context": {}}
    with served(19) as scene:
        id_ = scene.sim.add_meeting("Demo", START)
        scene.say("ir.attachment/create", 403, body)
        with pytest.raises(Refused):
            await add(scene.crm(), id_, FILM)
        assert scene.sim.changes == 0
        scene.say("calendar.event/message_post", 403, body)
        with pytest.raises(UnknownOutcome, match="AccessError"):
            await add(scene.crm(), id_, FILM)
        assert await add(scene.crm(), id_, FILM, doubted=True)
        assert (len(scene.sim.attachments(id_)), len(scene.sim.notes(id_))) == (1, 1)


async def test_a_lead_that_the_account_may_not_write_to_leaves_the_meeting_with_everything() -> None:
    body = {"name": "odoo.exceptions.AccessError", "message": "No.", "arguments": ["No."], "context": {}}
    with served(19) as scene:
        lead = scene.sim.add_lead("Deal")
        id_ = scene.sim.add_meeting("Demo", START, opportunity_id=lead)
        scene.say("crm.lead/message_post", 403, body)
        assert await add(scene.crm(), id_, FILM)
        assert (len(scene.sim.attachments(id_)), len(scene.sim.notes(id_))) == (1, 1)
        assert scene.sim.attachments(lead, "crm.lead") == []


async def test_another_artifact_of_the_same_name_is_another_one() -> None:
    with served(19) as scene:
        id_ = scene.sim.add_meeting("Demo", START)
        assert await add(scene.crm(), id_, FILM)
        assert await add(scene.crm(), id_, replace(FILM, url="https://archive.example/second"), doubted=True)
        assert len(scene.sim.attachments(id_)) == 2
        assert len(scene.sim.notes(id_)) == 2
