"""The OpenMeetings stand-in itself: as odd as the original."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from connectors.simulators.openmeetings import MP4, OpenMeetingsSimulator
from connectors.simulators.openmeetings_json import Number, coerced, coerced_text
from connectors.simulators.openmeetings_text import instant, sanitised
from connectors.simulators.serve import serve_in_thread

START, END = "2026-12-01T12:00:00+0000", "2026-12-01T13:00:00+0000"


class Client:
    """A client that knows its session."""

    def __init__(self, http: httpx.Client, root: str, sim: OpenMeetingsSimulator) -> None:
        self.http, self.root, self.sim = http, root, sim
        self.sid = self.login()

    def login(self) -> str:
        form = {"user": self.sim.username, "pass": self.sim.password}
        return str(self.http.post("services/user/login", data=form).json()["serviceResult"]["message"])

    def call(self, method: str, path: str, query: dict[str, Any] | None = None, **form: Any) -> httpx.Response:
        data = {name: json.dumps(value) for name, value in form.items()} or None
        return self.http.request(method, f"services/{path}", params={"sid": self.sid, **(query or {})}, data=data)

    def room(self, **fields: Any) -> dict[str, Any]:
        room = self.call("POST", "room", room={"type": "CONFERENCE", "name": "R", **fields}).json()["roomDTO"]
        assert isinstance(room, dict)
        return room

    def appointment(self, **fields: Any) -> httpx.Response:
        given = {"title": "T", "start": START, "end": END, "room": {"id": 1, "type": "CONFERENCE"}, **fields}
        return self.call("POST", "calendar", appointment=given)


@contextmanager
def served(sim: OpenMeetingsSimulator) -> Iterator[Client]:
    with serve_in_thread(sim.app) as server:
        root = sim.table(server.url)["url"]
        with httpx.Client(base_url=f"{root}/", trust_env=False) as http:
            yield Client(http, root, sim)


def said(answer: httpx.Response) -> tuple[int, Any]:
    return answer.status_code, answer.json()["serviceResult"].get("message") if answer.content else None


def test_logins_sessions_and_rights_are_refused_as_by_the_original() -> None:
    sim = OpenMeetingsSimulator("Soap", "Secret1!")
    with served(sim) as client:
        form = {"user": "sOAP", "pass": "no"}
        assert said(client.http.post("services/user/login", data=form)) == (200, "error.bad.credentials")
        assert client.http.post("services/user/login", data={**form, "pass": "Secret1!"}).json()["serviceResult"]
        assert client.http.get("services/user/login", params=form).status_code == 405
        sim.options.version = "8.1.0"
        assert client.http.post("services/user/login", data=form).status_code == 405
        assert said(client.http.get("services/user/login", params=form)) == (200, "error.bad.credentials")
        sim.options.version = "9.1.0"
        sid, client.sid = client.sid, "unknown"
        unknown = client.call("GET", "room/1")
        client.sid = sid
        sim.options.rights = ("LOGIN", "ROOM", "ADMIN")
        lacking = client.call("GET", "room/1")
        assert said(unknown) == said(lacking) == (500, "error.notallowed")
        assert unknown.headers["exception"] == "error.notallowed"
        assert client.http.get("services/info/version").json()["info"]["version"] == "9.1.0"
        assert client.http.head("services/info/version").status_code == 403
        assert client.http.put("services/info/version").status_code == 405


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2025-01-20T20:30:03+0300", "2025-01-20T17:30:03"),
        ("2025-01-20T20:30:03+0000", "2025-01-20T20:30:03"),
        ("2025-01-20T20:30:03Z", "2025-01-20T19:30:03"),
        ("2025-01-20T20:30:03+03:00", "2025-01-20T19:30:03"),
        ("2025-01-20T20:30:03.000+0300", "2025-01-20T19:30:03"),
        ("2025-01-20 20:30:03", "2025-01-19T23:00:00"),
        ("2025-01-20", "2025-01-19T23:00:00"),
        ("2025-13-40T20:30:03+0000", "2026-02-09T20:30:03"),
        ("2026-03-29T02:30:00", "2026-03-29T01:30:00"),
        ("2026-10-25T02:30:00", "2026-10-25T01:30:00"),
    ],
)
def test_dates_are_misread_in_silence(text: str, utc: str) -> None:
    assert instant(text, ZoneInfo("Europe/Berlin")) == datetime.fromisoformat(utc).replace(tzinfo=UTC)


def test_dates_that_are_none_are_refused_where_they_stand() -> None:
    with served(OpenMeetingsSimulator()) as client:
        client.room()
        assert client.appointment(start="1737394203000").status_code == 400
        assert client.call("GET", "calendar/today/tomorrow").status_code == 404
        missing = client.appointment(start=None)
        assert (missing.status_code, missing.text[:15]) == (500, "<!doctype html>")
        echo = client.appointment().json()["appointmentDTO"]
        assert (echo["start"], echo["end"]) == ("2026-12-01T13:00:00+0100", "2026-12-01T14:00:00+0100")


@pytest.mark.parametrize(
    ("text", "written"),
    [("2026", "2026"), ("3.0", "3"), ("-5", "-5"), ("1.0E10", "1.0E10"), ("1.5", "1.5"), ("true", "true")],
)
def test_texts_that_look_like_numbers_or_booleans_become_such(text: str, written: str) -> None:
    assert coerced("a", {"b": text}) == f'{{"a":{{"b":{written}}}}}'
    assert not isinstance(coerced_text(text), str) or isinstance(coerced_text(text), Number)


@pytest.mark.parametrize("text", ["0012", "1.50", "1e5", "True", " 7", "null", "-0", "9223372036854775808", ""])
def test_other_texts_stay_texts(text: str) -> None:
    assert json.loads(coerced("a", {"b": text})) == {"a": {"b": text}}


def test_the_two_writers_differ_in_lists_and_names() -> None:
    sim = OpenMeetingsSimulator()
    with served(sim) as client:
        one = client.room(name="2026", hiddenElements=["CHAT"], externalId="42", externalType="x", tag="007")
        assert (one["name"], one["hiddenElements"], one["externalId"], one["tag"]) == (2026, "CHAT", 42, "007")
        assert (one["isPublic"], "public" in one, "files" in one) == (False, False, False)
        assert client.room(hiddenElements=["CHAT", "FILES"])["hiddenElements"] == ["CHAT", "FILES"]
        shown = client.appointment(title="2026").json()["appointmentDTO"]
        assert (shown["title"], shown["room"]["files"], shown["room"]["public"]) == ("2026", [], False)
        assert (shown["room"]["externalId"], "externalType" in shown["room"]) == ("42", False)
        assert client.call("GET", "record/room/1").json() == {"recordingDTO": []}
        sim.add_recording(1)
        assert isinstance(client.call("GET", "record/room/1").json()["recordingDTO"], list)
        sim.add_file()
        files = client.call("GET", "file/room/1").json()["fileExplorerObject"]
        assert (files["userHome"]["id"], "roomHome" in files) == (1, False)
        assert client.call("GET", "calendar/room/1").json()["appointmentDTO"]["meetingMembers"] == []


def test_what_is_not_there_is_said_in_five_ways() -> None:
    with served(OpenMeetingsSimulator()) as client:
        assert said(client.call("GET", "room/9"))[0] == 500
        assert "is null" in said(client.call("GET", "room/9"))[1]
        assert said(client.call("GET", "room/CONFERENCE/x/y")) == (204, None)
        assert said(client.call("GET", "calendar/room/9")) == (204, None)
        assert said(client.call("DELETE", "room/9")) == (200, "Not found")
        assert said(client.call("DELETE", "calendar/9")) == (500, "Bad id")
        assert said(client.call("POST", "file/move/1/9/-2")) == (204, None)
        assert said(client.call("DELETE", "file/9")) == (200, "Bad id")
        assert client.call("GET", "nonsense").status_code == 404
        client.sim.options.version = "6.2.0"
        assert client.call("GET", "room/9").headers["content-type"] == "text/html"


def test_rooms_are_got_or_made_by_key_and_replaced_whole() -> None:
    sim = OpenMeetingsSimulator()
    with served(sim) as client:
        room = {"type": "CONFERENCE", "name": "One", "capacity": 25, "comment": "c"}
        for name in ("One", "Two"):
            query = {"room": json.dumps({**room, "name": name})}
            made = client.call("GET", "room/CONFERENCE/x/y", query).json()["roomDTO"]
            assert (made["id"], made["name"], made["externalId"], made["externalType"]) == (1, "One", "y", "x")
        assert sim.changes == 1
        assert client.room(id=1, externalId="y", externalType="x")["capacity"] == 4
        assert sim.rooms[1].comment == ""
        client.room(id=1, externalId="y", externalType="z")
        assert sim.rooms[1].groups == ["x", "z"]
        assert said(client.call("DELETE", "room/1")) == (200, "Deleted")
        made = client.call("GET", "room/CONFERENCE/x/y", {"room": json.dumps(room)}).json()["roomDTO"]
        assert made["id"] == 2
        assert client.call("POST", "room", room={"name": "no type"}).status_code == 400
        assert client.call("GET", "room/CONFERENCE/x/n", {"room": '{"name":"no type"}'}).status_code == 404
        assert client.call("POST", "room", room={**room, "id": 77}).status_code == 500
        assert client.call("POST", "room", room={**room, "name": "x" * 256}).status_code == 500
        assert client.call("GET", "room/CONFERENCE/a%2Fb/c").status_code == 400
        assert (
            client.call("GET", "room/CONFERENCE/x/n", {"room": json.dumps({**room, "comment": "x" * 9000})}).status_code
            == 400
        )
        assert client.call("GET", "room/CONFERENCE/x/y;z=1").json()["roomDTO"]["id"] == 2


def test_an_update_of_an_appointment_resets_what_it_does_not_name() -> None:
    sim = OpenMeetingsSimulator()
    with served(sim) as client:
        client.room(appointment=True)
        people = [{"user": {"address": {"email": f"{name}@example.com"}}} for name in "ab"]
        made = client.appointment(meetingMembers=people, reminder="ICAL", description="D").json()["appointmentDTO"]
        kept = [{"id": made["meetingMembers"][0]["id"]}]
        client.appointment(id=1, meetingMembers=kept, reminder="ICAL", description="D")
        one = sim.appointments[1]
        assert (one.ical_id, one.inserted, len(one.members)) == ("", None, 1)
        assert [(mail.kind, mail.email) for mail in sim.mails[3:]] == [("cancel", "b@example.com")]
        assert "Weird guest" in said(client.appointment(id=1, meetingMembers=[{"id": 99}]))[1]
        assert client.appointment(id=1).json()["appointmentDTO"]["meetingMembers"] == []
        assert client.appointment(id=99).status_code == 500
        assert client.appointment(room=None).status_code == 500
        assert client.appointment(room={"id": 1}).status_code == 400
        before = sim.changes
        assert client.appointment(owner={"id": 99}).status_code == 500
        assert (sim.changes, sim.appointments[2].owner_id) == (before + 1, None)
        client.appointment(room={"type": "CONFERENCE", "name": "ignored"}, title="Own room")
        assert (sim.rooms[2].name, sim.rooms[2].capacity) == ("Own room", 50)
        client.appointment(id=1, room={"id": 1, "type": "CONFERENCE", "appointment": True, "name": "Overwritten"})
        assert (sim.rooms[1].name, sim.rooms[1].is_public) == ("Overwritten", False)
        assert said(client.call("DELETE", "calendar/1")) == (200, "Deleted")
        assert (sim.rooms[1].deleted, said(client.call("DELETE", "calendar/1"))) == (True, (500, "Bad id"))


def test_descriptions_are_sanitised_once_and_for_all() -> None:
    text = "it's a@b 1+1=2 <script>x</script><b>x</b> <img src=x onerror=y> <a href='javascript:x'>y</a> & &lt;b&gt;"
    shown = "it&#39;s a&#64;b 1&#43;1&#61;2 <b>x</b>  y &amp; &lt;b&gt;"
    assert sanitised(text) == shown == sanitised(shown)
    assert sanitised("ABC<div onclick='x'>DEF") == "ABC<div>DEF</div>"
    for version, expected in (("9.0.0", shown), ("8.1.0", text)):
        with served(OpenMeetingsSimulator(version="9.0.0")) as client:
            client.sim.options.version = version
            client.room()
            assert client.appointment(description=text).json()["appointmentDTO"]["description"] == expected


def test_a_hash_hijacks_the_session_that_made_it() -> None:
    sim = OpenMeetingsSimulator()
    with served(sim) as client:
        client.room()
        hashes = []
        for name in ("one", "two"):
            user = {"externalId": name, "externalType": "x", "firstname": name}
            made = client.call("POST", "user/hash", user=user, options={"roomId": 1})
            hashes.append(made.json()["serviceResult"]["message"])
        bare = client.call("POST", "user/hash", user={"firstname": "x"}, options={"roomId": 1})
        assert bare.json()["serviceResult"] == {
            "message": "externalId and/or externalType are not set",
            "type": "ERROR",
        }
        entered = sim.enter(f"{client.root}/hash?secure={hashes[0]}")
        assert entered is not None
        assert entered.user.external_id == "two"
        assert said(client.call("GET", "room/1")) == (500, "error.notallowed")
        assert client.call("GET", "calendar/room/1").status_code == 204


def test_a_recording_is_got_with_a_hash_once() -> None:
    sim = OpenMeetingsSimulator()
    with served(sim) as client:
        sim.add_recording(1)
        sim.add_recording(1, status="CONVERTING")
        for number, expected in ((1, MP4), (2, b"")):
            options, user = {"recordingId": number}, {"externalId": "a", "externalType": "b"}
            key = client.call("POST", "user/hash", user=user, options=options).json()["serviceResult"]["message"]
            answer = client.http.get(f"recordings/mp4/{key}")
            assert (answer.status_code, answer.content) == (200 if expected else 404, expected)
            assert client.http.get(f"recordings/mp4/{key}").status_code == 404
            client.sid = client.login()
        assert client.http.get("recordings/mp4/1").status_code == 404
        assert client.http.head("recordings/mp4/1").status_code == 403


def test_an_upload_loses_its_room_and_takes_a_group_for_one() -> None:
    sim = OpenMeetingsSimulator()
    with served(sim) as client:

        def upload(details: dict[str, Any]) -> httpx.Response:
            described = (None, json.dumps(details).encode(), "application/json")
            parts = [("file", described), ("stream", ("s", b"content", "application/octet-stream"))]
            return client.http.post("services/file", params={"sid": client.sid}, files=parts)

        bare = {"name": "a", "type": "PRESENTATION", "roomId": 1, "externalType": "x"}
        assert upload(bare).status_code == 500
        made = upload({"fileItemDTO": bare}).json()["fileItemDTO"]
        assert ("roomId" in made, "externalType" in made, made["size"]) == (False, False, 7)
        assert upload({"fileItemDTO": {**bare, "groupId": 5}}).json()["fileItemDTO"]["roomId"] == 5
        moved = client.call("POST", "file/move/1/1/-2").json()["fileItemDTO"]
        assert (moved["roomId"], sim.files[1].content) == (1, b"content")


def test_the_stand_in_is_controlled_over_http() -> None:
    sim = OpenMeetingsSimulator()
    with served(sim) as client:
        control = client.root.removesuffix("/openmeetings") + "/_sim"
        seed = {"sessions": [{"title": "Theirs", "external_id": "42"}], "recordings": [{"room_id": 1}]}
        assert client.http.post(f"{control}/seed", json=seed).is_success
        assert client.http.post(f"{control}/seed", json={"recordings": [{}]}).status_code == 400
        state = client.http.get(f"{control}/state").json()
        assert (state["rooms"][0]["name"], state["appointments"][0]["start"][:10]) == ("Theirs", "2026-12-01")
        assert (state["recordings"][0]["room_id"], state["changes"]) == (1, 0)
        assert sim.password not in json.dumps(state["requests"])
        assert client.sid not in json.dumps(state)
        assert client.http.post(f"{control}/reset").is_success
        assert client.http.get(f"{control}/state").json()["rooms"] == []
