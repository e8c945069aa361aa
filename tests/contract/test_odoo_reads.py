"""What the Odoo source asks for, and how it understands the answers of 11 and of 19."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from connectors.simulators.stage import Reply, Request, json_reply
from connectors.sources.crm.api import Record
from connectors.sources.odoo import OdooCrm
from sync.errors import OutsideError
from sync.model import Meeting, MeetingKey, Participant, Role
from tests.contract.odoo_scene import OdooScene, at, served
from tests.contract.source import NOW, START, Reader, by_uid

ADA = ("ada@client.example", "Ada Client")
BOTH = pytest.mark.parametrize("version", [11, 19])


async def records(crm: OdooCrm) -> dict[str, Record]:
    page = await crm.changed(None, "", NOW)
    return {record.id: record for record in page.records}


async def meetings(scene: OdooScene, **settings: Any) -> dict[str, Meeting]:
    """By id, as a new process reads them."""
    crm = scene.crm(**settings)
    try:
        return {id_: one.meeting for id_, one in (await records(crm)).items() if one.meeting is not None}
    finally:
        await crm.close()


async def people(scene: OdooScene, *ids: str) -> dict[str, tuple[Participant, ...]]:
    crm = scene.crm()
    try:
        return dict(await crm.people(ids))
    finally:
        await crm.close()


# What is asked


async def test_the_calls_of_json_2_have_the_recorded_shapes() -> None:
    with served(19) as scene:
        scene.add("Demo", START, people=[ADA])
        heard = scene.recorded()
        crm = scene.crm()
        await crm.changed(NOW - timedelta(minutes=5), "", None)
        await crm.people(["1"])
        await crm.existing(["1", "7"])
        await crm.close()
    asked = [(request.path, json.loads(request.body)) for request in heard]
    fields = asked[2][1].pop("fields")
    assert asked == [
        ("/web/webclient/version_info", {"jsonrpc": "2.0", "method": "call", "id": 1, "params": {}}),
        ("/json/2/calendar.event/fields_get", {"attributes": ["type"]}),
        (
            "/json/2/calendar.event/search_read",
            {
                "domain": [["write_date", ">=", "2026-11-22 11:55:00"]],
                "limit": 5,
                "offset": 0,
                "order": "write_date asc, id asc",
                "context": {"active_test": False},
            },
        ),
        ("/json/2/res.users/read", {"ids": [2], "fields": ["name", "login", "email", "tz", "partner_id"]}),
        (
            "/json/2/calendar.attendee/search_read",
            {
                "domain": [["event_id", "in", [1]]],
                "fields": ["id", "event_id", "partner_id", "email", "state", "common_name", "write_date"],
            },
        ),
        (
            "/json/2/calendar.event/search",
            {"domain": [["id", "in", [1, 7]]], "context": {"active_test": False}},
        ),
    ]
    assert {"id", "name", "start", "stop", "videocall_location", "write_date"} <= set(fields)
    for request in heard[1:]:
        assert request.headers["authorization"] == f"bearer {scene.sim.options.api_key}"
        assert request.headers["x-odoo-database"] == "crm"
        assert request.headers["content-type"] == "application/json"
    assert "authorization" not in heard[0].headers


async def test_the_calls_of_json_rpc_have_the_recorded_shapes() -> None:
    with served(11) as scene:
        scene.add("Demo", START, people=[ADA])
        heard = scene.recorded()
        crm = scene.crm()
        await crm.changed(NOW, "", None)
        await crm.people(["1"])
        await crm.existing(["1"])
        await crm.close()
    assert {urlsplit(request.path).path for request in heard[1:]} == {"/jsonrpc"}
    asked = [json.loads(request.body) for request in heard[1:]]
    assert all((one["jsonrpc"], one["method"], one["id"]) == ("2.0", "call", 1) for one in asked)
    login, *calls = [one["params"] for one in asked]
    assert login == {"service": "common", "method": "login", "args": ["crm", "acme", "secret"]}
    assert all((one["service"], one["method"]) == ("object", "execute_kw") for one in calls)
    assert all(one["args"][:3] == ["crm", 1, "secret"] for one in calls)
    fields = calls[1]["args"][6].pop("fields")
    assert [one["args"][3:] for one in calls] == [
        ["calendar.event", "fields_get", [], {"attributes": ["type"]}],
        [
            "calendar.event",
            "search_read",
            [[["write_date", ">=", "2026-11-22 12:00:00"]]],
            {"limit": 5, "offset": 0, "order": "write_date asc, id asc", "context": {"active_test": False}},
        ],
        ["res.users", "read", [[1]], {"fields": ["name", "login", "email", "tz", "partner_id"]}],
        [
            "calendar.attendee",
            "search_read",
            [[["event_id", "in", [1]]]],
            {"fields": ["id", "event_id", "partner_id", "email", "state", "common_name", "write_date"]},
        ],
        ["calendar.event", "search", [[["id", "in", [1]]]], {"context": {"active_test": False}}],
    ]
    assert "videocall_location" not in fields


@BOTH
async def test_a_pass_over_few_meetings_costs_three_calls(version: int) -> None:
    with served(version) as scene:
        uid = scene.add("Demo", START, people=[ADA])
        reader = Reader(scene)
        await reader.read([uid])
        scene.tick(3600)
        await reader.read([uid])
        before = len(scene.asked)
        assert (await reader.read([uid])).complete
        await reader.source.close()
        assert scene.asked[before:] == [
            "calendar.event/search_read",
            "calendar.attendee/search_read",
            "calendar.event/search",
        ]


async def test_a_new_process_asks_for_the_organizers_of_meetings_that_it_did_not_read() -> None:
    with served(19) as scene:
        uid = scene.add("Demo", START, people=[ADA])
        reader = Reader(scene)
        before = by_uid(await reader.read([uid]))
        scene.tick(3600)
        assert by_uid(await reader.read([uid], anew=True)) == before
        await reader.source.close()


# How it is understood


@BOTH
async def test_people_are_participants_and_the_organizer_is_a_moderator_listed_or_not(version: int) -> None:
    with served(version) as scene:
        host = scene.sim.add_user("Hugo Host", "Hugo@CRM.example")
        listed = scene.sim.add_meeting("A", START, people=[ADA, ("Hugo@CRM.example", "Hugo Host")], user_id=host)
        apart = scene.sim.add_meeting("B", START, people=[ADA], user_id=host)
        scene.sim.decline(listed, ADA[0])
        found = await people(scene, listed, apart)
        meeting = (await meetings(scene))[apart]
    hugo = Participant("hugo@crm.example", "Hugo Host", Role.MODERATOR)
    assert set(found[listed]) == {Participant(*ADA, declined=True), hugo}
    assert set(found[apart]) == {Participant(*ADA), hugo}
    assert (meeting.organizer, meeting.organizer_name) == ("hugo@crm.example", "Hugo Host")


async def test_odoos_own_robot_organizes_nothing() -> None:
    with served(19) as scene:
        id_ = scene.sim.add_meeting("By a rule", START, people=[ADA], user_id=1)
        assert (await people(scene, id_))[id_] == (Participant(*ADA),)
        assert (await meetings(scene))[id_].organizer == ""


NO = {"name": "odoo.exceptions.AccessError", "message": "no", "arguments": ["no"], "context": {}}


async def test_a_user_that_may_not_be_read_organizes_nothing_and_stops_nothing() -> None:
    with served(19) as scene:
        other = scene.sim.add_user("Of another company", "other@example.com")
        id_ = scene.sim.add_meeting("Demo", START, people=[ADA], user_id=other)
        answer = scene.sim.answer

        def of_our_company(request: Request) -> Reply:
            theirs = scene.sim.resource(request) == "res.users/read" and other in json.loads(request.body)["ids"]
            return json_reply(403, NO) if theirs else answer(request)

        scene.sim.answer = of_our_company  # type: ignore[method-assign]
        assert (await meetings(scene))[id_].organizer == ""
        assert (await people(scene, id_))[id_] == (Participant(*ADA),)


@pytest.mark.parametrize(
    ("status", "said"), [(403, NO), (500, {"name": "odoo.sql_db.PoolError", "message": "The Connection Pool Is Full"})]
)
async def test_users_that_cannot_be_read_at_all_make_the_read_a_partial_one(status: int, said: Any) -> None:
    with served(19) as scene:
        scene.sim.add_meeting("Demo", START, people=[ADA])
        scene.say("res.users/read", status, said, times=99)
        with pytest.raises(OutsideError, match=r"res\.users"):
            await meetings(scene)


async def test_an_attendee_without_an_address_is_left_out_and_a_name_around_it_is_taken_off() -> None:
    with served(19) as scene:
        odd = [("", "Nobody"), ("Bob B <Bob@Client.example>", "Bob B"), ("me@client.example", "me@client.example")]
        id_ = scene.sim.add_meeting("Demo", START, people=odd, user_id=1)
        assert (await people(scene, id_))[id_] == (
            Participant("bob@client.example", "Bob B"),
            Participant("me@client.example"),
        )


@pytest.mark.parametrize(("version", "seen"), [(11, "ada@client.example"), (19, "ada.new@client.example")])
async def test_a_contacts_new_address_is_what_the_version_makes_of_it(version: int, seen: str) -> None:
    with served(version) as scene:
        id_ = scene.sim.add_meeting("Demo", START, people=[ADA])
        scene.sim.change_contact(ADA[0], "ada.new@client.example")
        assert seen in {one.email for one in (await people(scene, id_))[id_]}


@BOTH
async def test_every_empty_field_is_false_and_means_nothing(version: int) -> None:
    with served(version) as scene:
        id_ = scene.sim.add_meeting("Demo", START, location=False, user_id=False)
        if version == 11:
            scene.sim.change_meeting(id_, description=False)
        one = (await meetings(scene))[id_]
    assert (one.location, one.organizer, one.conference_links, one.cancelled) == ("", "", (), False)
    assert "False" not in one.description


@BOTH
async def test_a_description_is_plain_text(version: int) -> None:
    html = '<p>Agenda</p><ul><li>1 &lt; 2</li></ul><p><a href="https://zoom.us/j/123">Zoom</a></p>'
    with served(version) as scene:
        given = html if version == 19 else "Agenda\n\n1 < 2\nhttps://zoom.us/j/123"
        id_ = scene.sim.add_meeting("Demo", START)
        scene.sim.change_meeting(id_, description=given)
        one = (await meetings(scene))[id_]
    assert one.description.startswith("Agenda\n\n1 < 2\n")
    assert one.conference_links == ("https://zoom.us/j/123",)


async def test_a_videocall_is_a_conference_link() -> None:
    with served(19) as scene:
        id_ = scene.sim.add_meeting("Demo", START, videocall_location="https://crm.example/calendar/join_videocall/x")
        assert (await meetings(scene))[id_].conference_links == ("https://crm.example/calendar/join_videocall/x",)


@BOTH
async def test_an_all_day_meeting_lasts_its_days_in_the_sources_zone(version: int) -> None:
    with served(version) as scene:
        times = datetime(2026, 12, 1, 8, tzinfo=UTC), datetime(2026, 12, 2, 18, tzinfo=UTC)
        id_ = scene.sim.add_meeting("Fair", *times, allday=True)
        one = (await meetings(scene, timezone="America/New_York"))[id_]
    assert one.all_day
    assert (one.start, one.end) == (datetime(2026, 12, 1, 5, tzinfo=UTC), datetime(2026, 12, 3, 5, tzinfo=UTC))


async def test_somebody_elses_private_meeting_is_left_alone_and_our_own_is_not() -> None:
    with served(19) as scene:
        other = scene.sim.add_user("Eve", "eve@crm.example")
        masked = scene.sim.add_meeting("Secret", START, people=[ADA], user_id=other, privacy="private")
        ours = scene.sim.add_meeting("Ours", START, people=[ADA], privacy="private")
        public = scene.sim.add_meeting("Busy", START, people=[ADA], user_id=other, privacy="public")
        crm = scene.crm()
        found = await records(crm)
        await crm.close()
        reader = Reader(scene)
        snapshot = await reader.read([masked])
        assert not reader.gone(snapshot, masked)
        await reader.source.close()
    assert found[masked].private
    assert found[masked].meeting is None
    assert set(by_uid(snapshot)) == {ours, public}


async def test_a_meeting_without_its_content_is_private_although_its_privacy_is_not_told() -> None:
    with served(19) as scene:
        other = scene.sim.add_user("Eve", "eve@crm.example")
        id_ = scene.sim.add_meeting("Busy", START, user_id=other)
        crm = scene.crm()
        assert (await records(crm))[id_].private
        await crm.close()


async def test_what_cannot_be_read_costs_itself_only() -> None:
    row: dict[str, Any] = {
        "name": "N",
        "start": "2026-12-01 09:00:00",
        "stop": "2026-12-01 10:00:00",
        "active": True,
        "privacy": False,
        "partner_ids": [1],
        "write_date": "2026-11-22 02:00:00",
    }
    with served(19) as scene:
        rows = [
            {**row, "id": 1},
            {**row, "id": 2, "start": False},
            {**row, "id": 3, "stop": "soon"},
            {**row, "id": "x"},
            {**row, "id": 4, "allday": True, "start_date": "9999-12-31", "stop_date": "9999-12-31"},
        ]
        scene.say("calendar.event/search_read", 200, rows)
        crm = scene.crm()
        page = await crm.changed(None, "", None)
        await crm.close()
    assert [(one.id, one.problem) for one in page.records] == [
        ("1", ""),
        ("2", "a time is missing"),
        ("3", "'soon' is not a time"),
        ("", "a record has no id that can be read"),
        ("4", "its day is beyond the calendar"),
    ]


# Series


def a_series(scene: OdooScene) -> str:
    """Three Wednesdays."""
    rule = {"recurrency": True, "rrule_type": "weekly", "end_type": "count", "count": 3}
    return scene.sim.add_meeting("Weekly call", at(2), people=[ADA], **rule)


async def test_the_occurrences_of_a_series_of_19_are_meetings_of_their_own() -> None:
    with served(19) as scene:
        a_series(scene)
        found = await meetings(scene)
    assert {(one.key.uid, one.key.recurrence_id, one.start) for one in found.values()} == {
        ("1", None, at(2)),
        ("3", None, at(9)),
        ("2", None, at(16)),
    }


async def test_the_occurrences_of_a_series_of_11_have_the_series_uid_and_their_start() -> None:
    with served(11) as scene:
        id_ = a_series(scene)
        found = await meetings(scene)
        attended = await people(scene, *found)
        crm = scene.crm()
        there = await crm.existing([*found, "1-20261223090000", "1", "2"])
        await crm.close()
    assert {record: one.key for record, one in found.items()} == {
        f"{id_}-202612{day:02}090000": MeetingKey("sales", id_, at(day)) for day in (2, 9, 16)
    }
    assert [one.start for one in found.values()] == [at(2), at(9), at(16)]
    assert all(ADA[0] in {one.email for one in some} for some in attended.values())
    assert set(there) == {*found, "1"}


async def test_an_occurrence_of_11_that_was_changed_by_itself_keeps_its_identity() -> None:
    with served(11) as scene:
        id_ = a_series(scene)
        reader = Reader(scene)
        before = {one.key for one in (await reader.read()).meetings}
        scene.sim.detach_occurrence(f"{id_}-20261209090000", name="Moved call", start=at(10, 14), stop=at(10, 15))
        snapshot = await reader.read([id_])
        await reader.source.close()
    found = {one.key: (one.title, one.start) for one in snapshot.meetings}
    assert set(found) == before
    assert found[MeetingKey("sales", id_, at(9))] == ("Moved call", at(10, 14))
