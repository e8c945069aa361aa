"""The EspoCRM stand-in answers every recorded call as the real server did."""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from connectors.simulators.espocrm import EspoCrmSimulator
from connectors.simulators.serve import serve_in_thread

TRANSCRIPT = Path(__file__).parents[1] / "data/crm/espocrm/transcript.md"
BY_THE_API_USER = {
    "read one",
    "write joinUrl",
    "stream note",
    "attachment upload for a Note",
    "stream note with attachment",
    "delete by key",
    "deleted=true via where (API)",
}
ID = re.compile(r"\b6b02[0-9a-f]{13}\b")


@dataclass(frozen=True)
class Call:
    title: str
    method: str
    target: str
    body: str
    status: int
    reason: str
    answer: Any


def recorded() -> list[Call]:
    calls = []
    for section in TRANSCRIPT.read_text().split("\n## ")[1:]:
        title, request, body, told, *rest = section.split("\n")
        method, target = request.split(" ", 1)
        headers = re.search(r"'X-Status-Reason': '([^']*)'", told)
        answer = json.loads(rest[0]) if rest and rest[0].strip() else None
        status = int(told.removeprefix("-> ").split(" ", 1)[0])
        calls.append(Call(title, method, target, body, status, headers[1] if headers else "", answer))
    return calls


class Names:
    """Ids under the names of their first appearance, so that two servers' ids can be compared."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}

    def of(self, value: Any) -> str:
        text = json.dumps(value)
        return ID.sub(lambda match: self.known.setdefault(match[0], f"id-{len(self.known)}"), text)


def test_the_transcript_is_whole() -> None:
    assert len(recorded()) == 35


def test_every_recorded_call_is_answered_as_it_was_recorded() -> None:
    now = [datetime(2026, 11, 22, 2, 14, 24, tzinfo=UTC)]
    sim = EspoCrmSimulator(password="<redacted>", clock=lambda: now[0])
    theirs, ours = Names(), Names()
    translated: dict[str, str] = {}
    with serve_in_thread(sim.app) as served, httpx.Client(base_url=served.url, trust_env=False) as client:
        for call in recorded():
            stamps = re.findall(r"\"(?:createdAt|modifiedAt)\": \"([^\"]+)\"", json.dumps(call.answer))
            now[0] = max([now[0], *(datetime.fromisoformat(one).replace(tzinfo=UTC) for one in stamps)])
            headers, auth = {}, None
            if call.title == "bad key":
                headers["X-Api-Key"] = "wrong"
            elif call.title in BY_THE_API_USER:
                headers["X-Api-Key"] = sim.password
            else:
                auth = ("admin", sim.password)
            answer = client.request(
                call.method,
                translate(call.target, translated),
                content=translate(call.body, translated) or None,
                headers=headers,
                auth=auth,
            )
            got = answer.json() if answer.content else None
            assert answer.status_code == call.status, call.title
            assert answer.headers.get("x-status-reason", "").replace(*_swap(translated)) == call.reason, call.title
            shown, wanted = ours.of(got), theirs.of(call.answer)
            translated |= dict(zip(theirs.known, ours.known, strict=False))
            assert json.loads(shown) == json.loads(wanted), call.title
            if isinstance(got, dict):
                assert list(got) == list(call.answer), call.title


def translate(text: str, ids: dict[str, str]) -> str:
    return ID.sub(lambda match: ids.get(match[0], match[0]), text)


def _swap(translated: dict[str, str]) -> tuple[str, str]:
    """The meeting's id here, and in the transcript."""
    return translated.get("6b0250038f7411dce", "-"), "6b0250038f7411dce"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("where[0][type]=like&where[0][attribute]=name&where[0][value]=x", 400),
        ("where[0][type]=in&where[0][attribute]=&where[0][value][]=x", 400),
        ("where[x]=1", 400),
        ("orderBy=nonsense", 400),
        ("offset=-1", 400),
        ("maxSize=200", 200),
        ("maxSize=201", 403),
    ],
)
def test_the_stand_in_refuses_what_was_not_recorded(query: str, status: int) -> None:
    sim = EspoCrmSimulator()
    with serve_in_thread(sim.app) as served, httpx.Client(base_url=served.url, trust_env=False) as client:
        headers = {"X-Api-Key": sim.password}
        assert client.get(f"/api/v1/Meeting?{query}", headers=headers).status_code == status
        assert client.get("/api/v1/Nothing", headers=headers).status_code == 404
        assert client.delete("/api/v1/Meeting", headers=headers).status_code == 405
        assert client.post("/api/v1/Meeting", headers=headers, content=b"{").status_code == 400


def test_a_list_shows_twenty_unless_more_are_asked_for() -> None:
    sim = EspoCrmSimulator()
    for number in range(25):
        sim.add_meeting(f"Meeting {number}", "2026-12-01 09:00:00", "2026-12-01 10:00:00")
    with serve_in_thread(sim.app) as served, httpx.Client(base_url=served.url, trust_env=False) as client:
        headers = {"X-Api-Key": sim.password}
        few = client.get("/api/v1/Meeting", headers=headers).json()
        all_ = client.get("/api/v1/Meeting?maxSize=200", headers={**headers, "X-No-Total": "true"}).json()
    assert (few["total"], len(few["list"])) == (25, 20)
    assert (all_["total"], len(all_["list"])) == (-2, 25)
