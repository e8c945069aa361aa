"""The livedigital stand-in itself: as strict as the guides, as harsh as the vendor may be."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from connectors.settings import VendorSettings
from connectors.simulators.livedigital import LivedigitalSimulator
from connectors.simulators.serve import serve_in_thread
from connectors.vendors.livedigital import plugin


@contextmanager
def served(sim: LivedigitalSimulator) -> Iterator[httpx.Client]:
    """A client with the personal token that keeps no cookies."""
    with serve_in_thread(sim.app) as server:
        headers = {"Authorization": f"Bearer {sim.options.access_token}"}
        with httpx.Client(base_url=server.url, headers=headers, trust_env=False) as client:
            client.event_hooks["response"].append(lambda response: client.cookies.clear())
            yield client


def test_tokens_are_given_as_the_guides_say_and_a_client_is_no_user() -> None:
    now = [datetime(2026, 12, 1, tzinfo=UTC)]
    sim = LivedigitalSimulator(clock=lambda: now[0])
    client_part = {"client_id": sim.options.client_id, "client_secret": sim.options.client_secret}
    with served(sim) as client:
        client.headers.pop("Authorization")

        def token(**more: str) -> httpx.Response:
            return client.post("/v1/auth/token", json={**client_part, **more})

        def spaces(access: str) -> int:
            return client.get("/v1/spaces", headers={"Authorization": f"Bearer {access}"}).status_code

        mere = token(grant_type="client_credentials").json()
        assert set(mere) == {"token_type", "access_token", "refresh_token"}
        assert spaces(mere["access_token"]) == 403
        user = {"grant_type": "password", "username": "acme@example.com", "password": "secret"}
        for wrong in ({"password": "no"}, {"username": "acme"}):
            denied = token(**user | wrong)
            assert (denied.status_code, denied.json()["error"]) == (400, "invalid_grant")
        given = token(**user).json()
        assert spaces(given["access_token"]) == 200
        now[0] += timedelta(days=7)
        assert spaces(given["access_token"]) == 401
        renewal = {"grant_type": "refresh_token", "refresh_token": given["refresh_token"]}
        assert spaces(token(**renewal).json()["access_token"]) == 200
        assert token(**renewal).status_code == 400
        assert token(grant_type="magic").json()["error"] == "unsupported_grant_type"
        assert token(client_secret="no", grant_type="client_credentials").status_code == 401
    assert sim.changes == 0
    assert sim.writes == []
    assert "secret" not in str([entry.params.get("password") for entry in sim.requests])


def test_cookies_are_set_and_not_wanted_back() -> None:
    with served(LivedigitalSimulator()) as client:
        client.event_hooks["response"].clear()
        assert client.get("/v1/users/me").json()["email"] == "acme@example.com"
        again = client.get("/v1/users/me")
        assert (again.status_code, again.json()["code"]) == (400, "cookie_sent")


def test_rooms_are_replaced_as_a_whole() -> None:
    sim = LivedigitalSimulator()
    with served(sim) as client:
        space = next(iter(sim.spaces))
        rooms = f"/v1/spaces/{space}/rooms"
        made = client.post(rooms, json={"name": "A", "isPublic": False, "isRecordAllowed": True}).json()
        assert set(made) == {"id", "alias", "channelId"}
        one = f"{rooms}/{made['id']}"
        assert client.put(one, json={"name": "B"}).status_code == 200
        room = client.get(one).json()
        assert (room["name"], room["isPublic"], room["isRecordAllowed"]) == ("B", True, False)
        for bad, status in (
            ({}, 422),
            ({"name": " "}, 422),
            ({"name": "B", "id": made["id"]}, 422),
            ({"name": "B", "templateId": made["id"]}, 422),
            ({"name": "B", "type": "webinar"}, 422),
            ({"name": "B", "isPublic": "yes"}, 422),
            ({"name": "B", "redirectUrl": "nowhere"}, 422),
            ([], 422),
        ):
            assert client.put(one, json=bad).status_code == status
        assert client.put(one, content=b"{", headers={"content-type": "application/json"}).status_code == 400
        assert client.put(one, content=b"{}").status_code == 415
        assert client.get(f"{rooms}/{made['alias']}").status_code == 422
        assert client.get(f"{rooms}/{'0' * 24}").json() == {"message": "Room not found", "code": "not_found"}
        assert client.delete(one).text == "OK"
        assert client.delete(one).status_code == 404
        assert client.post("/v1/spaces/", json={"name": "S", "isPublic": False}).status_code == 422
        assert client.get("/v1/nonsense").status_code == 404
        assert client.patch(one).status_code == 404
    assert sim.changes == 3


def test_links_are_given_by_whoever_made_the_room_and_for_five_days_at_most() -> None:
    now = datetime(2026, 12, 1, tzinfo=UTC)
    sim = LivedigitalSimulator(clock=lambda: now)
    mine, foreign = sim.add_session(), sim.add_session(owner="other@example.com")
    with served(sim) as client:

        def access(room: Any, **more: Any) -> httpx.Response:
            path = f"/v1/spaces/{room.space}/rooms/{room.id}/generate-access"
            return client.post(path, json={"username": "Ada", "role": "user", **more})

        url = access(mine, ttl=432000).json()["url"]
        assert url.startswith(f"https://edu.example.com/room/{mine.alias}?participantName=Ada&accessToken=")
        for bad in ({"ttl": 432001}, {"ttl": 0}, {"role": "boss"}, {"externalUserId": "a@b"}, {"nonsense": 1}):
            assert access(mine, **bad).status_code == 422
        assert access(foreign).status_code == 403
    assert [guest.expires - now for guest in sim.guests] == [timedelta(days=5)]
    assert url not in repr(sim.guests)


def test_a_records_address_ends_after_a_day_and_takes_no_credentials() -> None:
    now = [datetime(2026, 12, 1, tzinfo=UTC)]
    sim = LivedigitalSimulator(clock=lambda: now[0])
    room = sim.add_session()
    record = sim.add_recording(room.id, content=b"media")
    with served(sim) as client:
        url = client.get(f"/v1/spaces/{room.space}/rooms/{room.id}/records/download/{record}").text
        assert client.get(url).json()["code"] == "credentials_sent"
        client.headers.pop("Authorization")
        assert client.get(url).content == b"media"
        now[0] += timedelta(hours=24)
        assert client.get(url).status_code == 403


def test_the_stand_in_is_controlled_over_http() -> None:
    sim = LivedigitalSimulator()
    with served(sim) as client:
        assert client.post("/_sim/seed", json={"spaces": [{"name": "S"}], "rooms": [{"name": "Theirs"}]}).is_success
        room = client.get("/_sim/state").json()["sessions"][0]
        assert room["settings"]["name"] == "Theirs"
        things = {"recordings": [{"room": room["id"], "content": "x"}], "calls": [{"room": room["id"]}]}
        assert client.post("/_sim/seed", json=things).is_success
        assert client.post("/_sim/seed", json={"rooms": [{"name": " "}]}).status_code == 400
        state = client.get("/_sim/state").json()
        assert [len(state[kind]) for kind in ("spaces", "sessions", "recordings", "calls")] == [2, 1, 1, 1]
        assert client.post("/_sim/faults", json=[{"kind": "500_before", "resource": "rooms"}]).is_success
        assert client.get(f"/v1/spaces/{room['space']}/rooms").status_code == 500
        assert client.get("/_sim/state").json()["requests"][0]["fault"] == "500_before"
        assert client.post("/_sim/reset").is_success
        assert client.get("/_sim/state").json()["sessions"] == []


@pytest.mark.parametrize("way_in", ["token", "grants"])
async def test_its_table_is_a_configuration_that_works(way_in: Any) -> None:
    sim = LivedigitalSimulator("Ada Example", "pass word", way_in=way_in)
    with serve_in_thread(sim.app) as server:
        settings: VendorSettings = plugin.settings.model_validate(sim.table(server.url))
        connector = plugin.connect(settings, True)
        assert await connector.check() == ()
        await connector.close()
    assert sim.mails == []
