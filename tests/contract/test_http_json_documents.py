"""The profiles that come from documents: Pipedrive and SuiteCRM, against answers of the documented shape. No server of
either kind has proved them."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

from connectors.simulators.stage import Reply, Request, json_reply
from sync.model import Role
from tests.contract.http_json_script import crm
from tests.contract.source import NOW

ACTIVITY: dict[str, Any] = {
    "id": 42,
    "subject": "Product demo",
    "type": "meeting",
    "owner_id": 1,
    "is_deleted": False,
    "add_time": "2026-11-20T08:00:00Z",
    "update_time": "2026-11-22T02:14:27Z",
    "due_date": "2026-12-01",
    "due_time": "09:00:00",
    "duration": "01:30:00",
    "busy": True,
    "done": False,
    "location": {"value": "123 Main St", "country": "USA"},
    "participants": [{"person_id": 1, "primary": True}],
    "attendees": [
        {"email": "olga@seller.example", "name": "Olga", "status": "accepted", "is_organizer": True, "user_id": 1},
        {"email": "ada@client.example", "name": "Ada", "status": "declined", "is_organizer": False, "person_id": 1},
    ],
    "conference_meeting_url": None,
    "public_description": "Public",
    "note": "<p>mine</p>",
}


class Pipedrive:
    """The calls of the documentation, for two activities."""

    def __init__(self) -> None:
        self.rows = {42: dict(ACTIVITY), 43: {**ACTIVITY, "id": 43, "type": "call"}}

    def __call__(self, request: Request) -> Reply:
        assert request.headers["x-api-token"] == "token"
        query, last = dict(parse_qsl(request.query)), request.path.rpartition("/")[2]
        if last.isdecimal():
            row = self.rows[int(last)]
            if request.method == "PATCH":
                row |= json.loads(request.body)
            return json_reply(200, {"success": True, "data": row})
        assert request.path == "/api/v2/activities"
        rows = list(self.rows.values())
        if "ids" in query:
            rows = [row for row in rows if str(row["id"]) in query["ids"].split(",")]
        if query.get("include_fields") != "attendees":
            rows = [{**row, "attendees": None} for row in rows]
        return json_reply(200, {"success": True, "data": rows, "additional_data": {"next_cursor": None}})


async def test_a_pipedrive_activity_is_a_meeting() -> None:
    with crm(Pipedrive(), type="pipedrive", **only("token")) as (one, script):
        (record,) = (await one.changed(NOW, "", None)).records
        people = await one.people(["42"])
        assert set(await one.existing(["42", "43", "44"])) == {"42"}
        await one.check()
        await one.close()
    meeting = record.meeting
    assert meeting is not None
    assert (meeting.title, meeting.location, meeting.description) == ("Product demo", "123 Main St", "Public")
    assert meeting.start == datetime(2026, 12, 1, 9, tzinfo=UTC)
    assert meeting.end - meeting.start == timedelta(minutes=90)
    assert record.updated == datetime(2026, 11, 22, 2, 14, 27, tzinfo=UTC)
    assert (meeting.organizer, meeting.organizer_name) == ("olga@seller.example", "Olga")
    assert [(p.email, p.role, p.declined) for p in people["42"]] == [
        ("olga@seller.example", Role.MODERATOR, False),
        ("ada@client.example", Role.PARTICIPANT, True),
    ]
    assert parse_qsl(script.seen[0].query) == [
        ("updated_since", "2026-11-22T12:00:00Z"),
        ("sort_by", "update_time"),
        ("sort_direction", "asc"),
        ("include_fields", "attendees"),
        ("limit", "100"),
    ]


async def test_a_pipedrive_activity_without_a_time_is_a_day_and_without_a_length_gets_one() -> None:
    server = Pipedrive()
    with crm(server, type="pipedrive", **only("token")) as (one, _):
        server.rows[42] |= {"due_time": None, "duration": None}
        (day,) = (await one.changed(NOW, "", None)).records
        server.rows[42] |= {"due_time": "09:00", "duration": ""}
        (short,) = (await one.changed(NOW, "", None)).records
        await one.close()
    assert day.meeting is not None
    assert short.meeting is not None
    assert day.meeting.all_day
    assert day.meeting.end - day.meeting.start == timedelta(days=1)
    assert short.meeting.end - short.meeting.start == timedelta(minutes=30)
    assert [finding.code for finding in short.meeting.findings] == ["duration-assumed"]


async def test_a_link_goes_into_a_pipedrive_note_as_html() -> None:
    server = Pipedrive()
    with crm(server, type="pipedrive", **only("token")) as (one, _):
        await one.write_link("42", "https://meet.example/a?b=1&c=<2>", "")
        assert server.rows[42]["note"] == "<p>mine</p><br>Join: https://meet.example/a?b=1&amp;c=&lt;2&gt;"
        await one.write_link("42", "https://meet.example/d", "https://meet.example/a?b=1&c=<2>")
        assert server.rows[42]["note"] == "<p>mine</p><br>Join: https://meet.example/d"
        await one.close()


def entry(kind: str, id_: str, **attributes: Any) -> dict[str, Any]:
    return {"type": kind, "id": id_, "attributes": attributes, "relationships": {}}


MEETING = {
    "name": "Product demo",
    "status": "Planned",
    "date_start": "2026-12-01T09:00:00+00:00",
    "date_end": "2026-12-01T10:00:00+00:00",
    "date_modified": "2026-11-22T02:14:27+00:00",
    "description": "first demo",
    "location": "online",
    "join_url": "",
}
M, C, U = (f"11a71596-83e7-624d-c792-5ab9006dd49{n}" for n in range(3))


class Suite:
    """The calls of the documentation, for one meeting with a contact and a user."""

    def __init__(self) -> None:
        self.rows = {M: dict(MEETING)}

    def __call__(self, request: Request) -> Reply:
        path, query = request.path.removeprefix("/legacy/Api/"), dict(parse_qsl(request.query))
        if path == "access_token":
            assert dict(parse_qsl(request.body.decode()))["grant_type"] == "client_credentials"
            return json_reply(200, {"token_type": "Bearer", "expires_in": 3600, "access_token": "eyJ0"})
        assert request.headers["authorization"] == "Bearer eyJ0"
        if request.method == "PATCH":
            assert request.headers["content-type"] == "application/vnd.api+json"
            data = json.loads(request.body)["data"]
            assert data["type"] == "Meetings"
            self.rows[data["id"]] |= data["attributes"]
            return json_reply(200, {"data": entry("Meeting", data["id"], **self.rows[data["id"]])})
        match path.removeprefix("V8/module/").split("/"):
            case ["Meetings"]:
                wanted = query.get("filter[id][eq]")
                rows = [entry("Meeting", id_, **row) for id_, row in self.rows.items() if wanted in (None, id_)]
                return json_reply(200, {"meta": {"total-pages": 1}, "data": rows})
            case ["Meetings", id_]:
                return json_reply(200, {"data": entry("Meeting", id_, **self.rows[id_])})
            case ["Meetings", _, "relationships", "contacts"]:
                return json_reply(200, {"data": [{"type": "Contact", "id": C, "links": {}}]})
            case ["Meetings", _, "relationships", "users"]:
                return json_reply(200, {"data": [{"type": "User", "id": U, "links": {}}]})
            case ["Contacts", id_]:
                return json_reply(200, {"data": entry("Contact", id_, name="Ada Client", email1="ada@client.example")})
            case ["Users", id_]:
                return json_reply(200, {"data": entry("User", id_, full_name="Olga", email1="olga@seller.example")})
        raise AssertionError(path)


async def test_a_suitecrm_meeting_is_a_meeting_with_contacts_and_users() -> None:
    server = Suite()
    with crm(server, type="suitecrm", under="/legacy", **only("secret", client_id="us")) as (one, script):
        (record,) = (await one.changed(NOW, "", None)).records
        people = await one.people([M])
        server.rows[M]["status"] = "Not Held"
        (cancelled,) = (await one.changed(NOW, "", None)).records
        assert set(await one.existing([M, C])) == {M}
        await one.check()
        await one.close()
    meeting = record.meeting
    assert meeting is not None
    assert cancelled.meeting is not None
    assert (meeting.title, meeting.start) == ("Product demo", datetime(2026, 12, 1, 9, tzinfo=UTC))
    assert (meeting.cancelled, cancelled.meeting.cancelled) == (False, True)
    assert [(p.email, p.name, p.role) for p in people[M]] == [
        ("ada@client.example", "Ada Client", Role.PARTICIPANT),
        ("olga@seller.example", "Olga", Role.MODERATOR),
    ]
    asked = dict(parse_qsl(next(one for one in script.seen if one.path.endswith("/Meetings")).query))
    assert asked["filter[date_modified][gte]"] == "2026-11-22 12:00:00"
    assert (asked["sort"], asked["page[size]"], asked["page[number]"]) == ("date_modified", "50", "1")


async def test_a_link_goes_into_a_suitecrm_description() -> None:
    server = Suite()
    with crm(server, type="suitecrm", under="/legacy", **only("secret", client_id="us")) as (one, _):
        assert await one.write_link(M, "https://meet.example/a", "")
        assert server.rows[M]["description"] == "first demo\n\nJoin: https://meet.example/a"
        await one.close()


def only(secret: str, **auth: str) -> dict[str, Any]:
    """The account, no pauses, and nothing in place of the profile's own tables."""
    return {"auth": {"secret": secret, **auth}, "bare": True, "limits": {"per_second": 1000}}
