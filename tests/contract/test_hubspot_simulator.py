"""The HubSpot stand-in is strict: it refuses what HubSpot's descriptions refuse, with HubSpot's bodies."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from connectors.simulators.hubspot import HubspotSimulator
from connectors.simulators.serve import Served, serve_in_thread
from tests.contract.hubspot_scene import KEY, HubspotScene
from tests.contract.source import HOUR, START

ROOT = "/crm/objects/2026-09"
SOON = START.isoformat()
CHANGED = {"propertyName": "hs_lastmodifieddate", "operator": "GTE", "value": "0"}


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[HubspotSimulator, Served]]:
    simulator = HubspotSimulator(password=KEY)
    with serve_in_thread(simulator.app) as at:
        yield simulator, at


@pytest.fixture
def scene(served: tuple[HubspotSimulator, Served]) -> HubspotScene:
    simulator, at = served
    return HubspotScene(simulator, at.url)


@pytest.fixture(scope="module")
def client(served: tuple[HubspotSimulator, Served]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served[1].url, headers={"authorization": f"Bearer {KEY}"}, timeout=5) as client:
        yield client


@pytest.fixture(autouse=True)
def anew(scene: HubspotScene) -> None:
    """Each test has an empty account."""


def searched(filters: list[dict[str, Any]] | None = None, **more: Any) -> dict[str, Any]:
    return {"filterGroups": [{"filters": [CHANGED] if filters is None else filters}], "limit": 200, **more}


def test_nothing_is_answered_without_the_key(client: httpx.Client) -> None:
    for headers in ({"authorization": ""}, {"authorization": "Bearer other"}):
        answer = client.get("/crm/owners/2026-09", headers=headers)
        assert answer.status_code == 401
        assert answer.json()["category"] == "INVALID_AUTHENTICATION"
        assert {"status", "message", "correlationId"} <= answer.json().keys()


@pytest.mark.parametrize(
    "body",
    [
        searched([{"propertyName": "nonsense", "operator": "GTE", "value": "1"}]),
        searched([{"propertyName": "hs_lastmodifieddate", "operator": ">=", "value": "1"}]),
        searched([{"propertyName": "hs_lastmodifieddate", "operator": "GTE", "value": "yesterday"}]),
        searched([{"propertyName": "hs_lastmodifieddate", "operator": "GTE"}]),
        searched([CHANGED] * 7),
        {"filterGroups": [{"filters": [CHANGED]}] * 7},
        searched(limit=201),
        searched(limit=0),
        searched(after="9900"),
        searched(after="x"),
        searched(sorts=["hs_lastmodifieddate", "hs_timestamp"]),
        searched(sorts=["nonsense"]),
        searched(offset=5),
    ],
)
def test_a_search_that_hubspot_would_refuse_is_refused(client: httpx.Client, body: dict[str, Any]) -> None:
    answer = client.post(f"{ROOT}/meetings/search", json=body)
    assert answer.status_code == 400
    assert answer.json()["status"] == "error"


@pytest.mark.parametrize(
    ("part", "found"),
    [
        ({"propertyName": "hs_meeting_title", "operator": "EQ", "value": "Demo"}, ["Demo"]),
        ({"propertyName": "hs_meeting_title", "operator": "NEQ", "value": "Demo"}, ["Other words"]),
        ({"propertyName": "hs_meeting_title", "operator": "CONTAINS_TOKEN", "value": "WORDS"}, ["Other words"]),
        ({"propertyName": "hs_meeting_title", "operator": "NOT_CONTAINS_TOKEN", "value": "words"}, ["Demo"]),
        ({"propertyName": "hs_meeting_title", "operator": "IN", "values": ["Demo"]}, ["Demo"]),
        ({"propertyName": "hs_meeting_body", "operator": "HAS_PROPERTY"}, ["Demo"]),
        ({"propertyName": "hs_meeting_body", "operator": "NOT_HAS_PROPERTY"}, ["Other words"]),
        ({"propertyName": "hs_meeting_start_time", "operator": "GT", "value": SOON}, ["Other words"]),
        ({"propertyName": "hs_meeting_start_time", "operator": "BETWEEN", "value": "0", "highValue": SOON}, ["Demo"]),
    ],
)  # fmt: skip
def test_filters_mean_what_they_say(
    scene: HubspotScene, client: httpx.Client, part: dict[str, Any], found: list[str]
) -> None:
    scene.simulator.add_meeting("Demo", START, START + HOUR, hs_meeting_body="Agenda")
    scene.simulator.add_meeting("Other words", START + HOUR, START + 2 * HOUR)
    body = searched([part], properties=["hs_meeting_title", "unheard_of"], sorts=["hs_lastmodifieddate"])
    answer = client.post(f"{ROOT}/meetings/search", json=body)
    assert [row["properties"]["hs_meeting_title"] for row in answer.json()["results"]] == found


def test_a_batch_names_what_it_does_not_find(scene: HubspotScene, client: httpx.Client) -> None:
    uid = scene.add("Demo", START)
    body = {"inputs": [{"id": uid}, {"id": "9"}], "properties": ["hs_meeting_title"]}
    answer = client.post(f"{ROOT}/meetings/batch/read", json=body)
    assert answer.status_code == 207
    assert [row["id"] for row in answer.json()["results"]] == [uid]
    assert answer.json()["errors"][0]["context"] == {"ids": ["9"]}
    none = client.post("/crm/associations/2026-09/meetings/contacts/batch/read", json={"inputs": [{"id": uid}]})
    assert none.status_code == 207
    assert none.json()["errors"][0]["subCategory"] == "crm.associations.NO_ASSOCIATIONS_FOUND"
    assert client.post(f"{ROOT}/meetings/batch/read", json={"inputs": [{"id": "1"}] * 101}).status_code == 400


@pytest.mark.parametrize(
    "properties",
    [{"nonsense": "x"}, {"hs_meeting_title": 5}, {"hs_meeting_outcome": "MAYBE"}, {"hs_timestamp": "soon"}, None],
)
def test_properties_that_do_not_exist_are_not_written(
    scene: HubspotScene, client: httpx.Client, properties: Any
) -> None:
    uid = scene.add("Demo", START)
    answer = client.patch(f"{ROOT}/meetings/{uid}", json={"properties": properties})
    assert answer.status_code == 400
    assert scene.simulator.changes == 0


def test_a_note_needs_its_time_and_associations_that_exist(scene: HubspotScene, client: httpx.Client) -> None:
    uid, contact = scene.add("Demo", START), scene.contact("ada@client.example", "Ada")
    spec = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 202}
    fields = {"hs_note_body": "x", "hs_timestamp": "2026-12-01T10:00:00Z"}
    for body in (
        {"properties": {"hs_note_body": "x"}},
        {"properties": fields, "associations": [{"to": {"id": uid}, "types": [spec]}]},
        {"properties": fields, "associations": [{"to": {"id": contact}, "types": [{**spec, "associationTypeId": 1}]}]},
    ):
        assert client.post(f"{ROOT}/notes", json=body).status_code == 400
    made = client.post(
        f"{ROOT}/notes", json={"properties": fields, "associations": [{"to": {"id": contact}, "types": [spec]}]}
    )
    assert made.status_code == 201
    assert [note["contacts"] for note in scene.simulator.notes] == [[contact]]


def test_limits_are_answered_with_their_policy(scene: HubspotScene, client: httpx.Client) -> None:
    scene.simulator.options.ten_seconds = 2
    first = client.get("/crm/owners/2026-09")
    assert first.headers["x-hubspot-ratelimit-remaining"] == "1"
    client.get("/crm/owners/2026-09")
    refused = client.get("/crm/owners/2026-09")
    assert refused.status_code == 429
    assert refused.json()["policyName"] == "TEN_SECONDLY_ROLLING"
    scene.tick(10)
    assert client.get("/crm/owners/2026-09").status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/crm/objects/2019-03/meetings"),
        ("GET", "/crm/objects/2026-09/deals"),
        ("PUT", "/crm/objects/2026-09/meetings"),
        ("GET", "/crm/objects/2026-09/meetings/9"),
        ("GET", "/"),
    ],
)
def test_what_is_not_there_is_a_404(client: httpx.Client, method: str, path: str) -> None:
    assert client.request(method, path).status_code == 404


def test_meetings_can_be_put_there_and_seen_over_http(scene: HubspotScene, client: httpx.Client) -> None:
    given = {"title": "Demo", "start": START.isoformat(), "end": (START + HOUR).isoformat(), "people": ["a@b.example"]}
    assert client.post("/_sim/seed", json={"meetings": [{**given, "owner": "o@b.example"}]}).status_code == 200
    assert client.post("/_sim/seed", json={"nonsense": []}).status_code == 400
    state = client.get("/_sim/state").json()
    assert [one["kind"] for one in state["objects"]] == ["contacts", "meetings"]
    assert [one["email"] for one in state["owners"]] == ["o@b.example"]
