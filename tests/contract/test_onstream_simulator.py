"""The Onstream stand-in itself: as strict as the document, as harsh as the vendor."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from connectors.simulators.onstream import OnstreamSimulator
from connectors.simulators.serve import serve_in_thread


@contextmanager
def served(sim: OnstreamSimulator) -> Iterator[httpx.Client]:
    with serve_in_thread(sim.app) as server:
        base = f"{server.url}/api/2/{sim.username}/"
        with httpx.Client(base_url=base, auth=(sim.username, sim.password), trust_env=False) as client:
            yield client


def test_the_stand_in_is_as_strict_as_the_document() -> None:
    good = {"topic": "T", "duration": "60", "start_time": "2026-12-01 09:00:00"}
    sim = OnstreamSimulator()
    with served(sim) as client:
        for params, status in (
            (good, 201),
            ({**good, "duration": "abcd"}, 400),
            ({**good, "start_time": "2026-12-01T09:00:00Z"}, 400),
            ({**good, "start_time": "2026-13-01 09:00:00"}, 400),
            ({key: text for key, text in good.items() if key != "topic"}, 400),
        ):
            assert client.put("session", data=params).status_code == status
        raw = "input_type=json&rest_data=" + json.dumps({**good, "topic": "R&D"})
        assert client.put("session", content=raw).status_code == 400
        long = json.dumps({**good, "custom_data": [{"custom1": "x" * 201}]})
        assert client.put("session", data={"input_type": "json", "rest_data": long}).status_code == 400
        assert client.patch("session").status_code == 405
        assert client.put("recording").status_code == 405
        assert client.get("sessions/offset/abcd").status_code == 400
        assert client.get("recordings").status_code == 404
        assert client.get("nonsense").status_code == 404
        denied = client.get("authverify", auth=("acme", "no"))
        assert (denied.status_code, denied.headers["www-authenticate"][:5]) == (401, "Basic")
        assert client.get("session/id/1").text.startswith("<?xml")
        assert client.get("session/id/1/format/json").json()[0]["duration"] == "60"
        assert client.get("session/id/1", headers={"Accept": "application/json"}).json()[0]["id"] == "1"
        assert "topic" not in client.get("sessions/return/id;duration/format/json").json()[0]
    assert sim.changes == 1


def test_the_stand_in_mails_and_replaces_like_the_original() -> None:
    sim = OnstreamSimulator()
    people = [{"email": "a@example.com"}, {"email": "b@example.com", "send_email_invitation": False}]
    session = {"topic": "T", "duration": 60, "start_time": "2026-12-01 09:00:00", "invited_participants": people}
    with served(sim) as client:

        def call(method: str, resource: str, data: dict[str, Any]) -> int:
            form = {"input_type": "json", "rest_data": json.dumps(data)}
            return client.request(method, resource, data=form).status_code

        assert call("PUT", "session", session) == 201
        assert [(mail.email, mail.kind) for mail in sim.mails] == [("a@example.com", "PUT session")]
        assert call("POST", "session", {"id": 1, "invited_participants": people[1:]}) == 200
        assert [one.email for one in sim.invitees(1)] == ["b@example.com"]
        assert call("PUT", "invitee", {"session_id": 1, "email": "c@example.com"}) == 201
        assert call("POST", "invitee", {"session_id": 1, "user_id": sim.invitees(1)[0].id, "role": 1}) == 200
        assert [mail.kind for mail in sim.mails[1:]] == ["PUT invitee", "POST invitee"]
        assert call("PUT", "file", {"file_link": "https://x.example/a.pdf", "is_url": 1}) == 201
        assert call("PUT", "file_in_session", {"file_id": 1, "session_id": 1}) == 201
        assert sim.sessions[1].files == [1]


def test_the_stand_in_is_controlled_over_http() -> None:
    sim = OnstreamSimulator()
    with served(sim) as client:
        root = str(client.base_url).partition("/api")[0]
        seed = {"sessions": [{"topic": "Theirs"}], "recordings": [{"session_id": 1}]}
        assert client.post(f"{root}/_sim/seed", json=seed).status_code == 200
        assert client.post(f"{root}/_sim/faults", json=[{"kind": "500_before", "resource": "sessions"}]).is_success
        assert client.post(f"{root}/_sim/faults", json=[{"kind": "nonsense"}]).status_code == 400
        assert client.get("sessions").status_code == 500
        state = client.get(f"{root}/_sim/state").json()
        assert state["sessions"][0]["topic"] == "Theirs"
        assert state["requests"][0]["fault"] == "500_before"
        assert state["faults"] == []
        assert client.post(f"{root}/_sim/reset").is_success
        assert client.get(f"{root}/_sim/state").json()["sessions"] == []
