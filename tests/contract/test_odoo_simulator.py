"""The Odoo stand-in answers every recorded call as the real servers did; and what it offers to tests."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from connectors.simulators.odoo import OdooSimulator
from connectors.simulators.serve import serve_in_thread

RECORDED = Path(__file__).parents[1] / "data/crm/odoo"
START = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Step:
    """One recorded call, and its answer (None: it was cut)."""

    title: str
    path: str
    body: Any
    status: int
    media_type: str
    text: str
    answer: Any


def steps(name: str) -> Iterator[Step]:
    for part in (RECORDED / f"{name}.md").read_text().split("\n## ")[1:]:
        title, request, body, status, *answer = part.split("\n")
        text = "\n".join(answer).strip()
        code, media_type = re.fullmatch(r"-> (\d+) (.*)", status).groups()  # type: ignore[union-attr]
        try:
            said = json.loads(text)
        except ValueError:
            said = None
        yield Step(title, request.removeprefix("POST "), json.loads(body), int(code), media_type, text, said)


@dataclass(frozen=True)
class Script:
    """How a recording is repeated: the ids that its first records got, and the server's clock at its writes."""

    version: int
    ids: dict[str, int]
    clock: dict[str, str]
    others: tuple[tuple[int, str], ...] = ()
    """Meetings that were there before: id and start."""


SCRIPTS = {
    "19-json2": Script(
        19,
        {"res.partner": 6, "ir.attachment": 24, "mail.message": 64},
        {
            "create event": "02:07:32",
            "change event": "02:07:35",
            "decline": "02:07:37",
            "add attendee": "02:07:42",
            "archive": "02:07:45",
            "create recurring": "02:07:52",
            "changed since 2026-11-22 02:07:51 ctx={}": "02:07:53",
        },
    ),
    "19-jsonrpc": Script(
        19,
        {
            "res.partner": 11,
            "crm.lead": 3,
            "calendar.event": 6,
            "calendar.attendee": 12,
            "calendar.recurrence": 2,
            "ir.attachment": 28,
            "mail.message": 85,
        },
        {
            "create event": "02:25:44",
            "change event": "02:25:47",
            "decline": "02:25:49",
            "archive": "02:25:52",
            "create recurring": "02:25:54",
        },
        others=((2, "2026-12-02"), (3, "2026-12-16")),
    ),
    "11-jsonrpc": Script(
        11,
        {"res.partner": 7, "ir.attachment": 250, "mail.message": 14},
        {
            "create event": "02:00:48",
            "change event": "02:00:51",
            "decline": "02:00:53",
            "archive": "02:00:56",
            "create recurring": "02:00:59",
        },
    ),
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_recorded_call_is_answered_as_the_real_server_answered_it(name: str) -> None:
    script = SCRIPTS[name]
    now = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
    sim = OdooSimulator("admin", "admin", version=script.version, database=f"o{script.version}", clock=lambda: now)
    for id_, day in script.others:
        sim.next_ids({"calendar.event": id_})
        sim.add_meeting("Another", datetime.fromisoformat(day).replace(tzinfo=UTC))
    sim.next_ids(script.ids)
    with serve_in_thread(sim.app) as served, httpx.Client(base_url=served.url, trust_env=False) as http:
        recorded = list(steps(name))
        for step in recorded:
            if step.title in script.clock:
                now = datetime.fromisoformat(f"2026-11-22 {script.clock[step.title]}.250+00:00")
            key = "wrong" if step.title == "bad key" else sim.options.api_key
            answer = http.post(step.path, json=step.body, headers={"Authorization": f"bearer {key}"})
            assert (answer.status_code, answer.headers["content-type"]) == (step.status, step.media_type), step.title
            if step.answer is None:
                assert_describes(answer.json(), step.text)
            else:
                assert normal(answer.json()) == normal(step.answer), step.title
    assert len(recorded) > 25


def assert_describes(answer: Any, cut: str) -> None:
    """What is left of a cut answer of fields_get: every field that is in it whole."""
    fields = answer.get("result", answer)
    whole = re.findall(r'"(\w+)": (\{"(?:readonly|type)".*?\})(?=, "\w+": \{)', cut)
    assert len(whole) > 40
    for name, about in whole:
        assert fields[name] == json.loads(about), name


def normal(value: Any) -> Any:
    """Without tracebacks, and without the length of a calendar file, which has a name and a number in it."""
    if isinstance(value, list):
        return [normal(one) for one in value]
    if isinstance(value, dict):
        calendar = value.get("mimetype") == "text/calendar"
        return {
            name: normal(inner)
            for name, inner in value.items()
            if name != "debug" and not (calendar and name == "file_size")
        }
    return value


def called(sim: OdooSimulator, http: httpx.Client, model: str, method: str, **named: Any) -> Any:
    """A call by JSON-2."""
    headers = {"Authorization": f"bearer {sim.options.api_key}"}
    return http.post(f"/json/2/{model}/{method}", json=named, headers=headers)


@pytest.fixture
def sim() -> OdooSimulator:
    return OdooSimulator(version=19)


@pytest.fixture
def http(sim: OdooSimulator) -> Iterator[httpx.Client]:
    with serve_in_thread(sim.app) as served, httpx.Client(base_url=served.url, trust_env=False) as client:
        yield client


def test_writing_a_start_mails_each_attendee_and_writing_a_link_mails_nobody(
    sim: OdooSimulator, http: httpx.Client
) -> None:
    id_ = int(sim.add_meeting("Demo", START, people=[("ada@client.example", "Ada"), ("bob@client.example", "Bob")]))
    called(sim, http, "calendar.event", "write", ids=[id_], vals={"videocall_location": "https://meet.example/j/1"})
    called(sim, http, "calendar.event", "message_post", ids=[id_], body="Hello", message_type="comment")
    assert sim.mails == []
    called(sim, http, "calendar.event", "write", ids=[id_], vals={"start": "2026-12-01 11:00:00"})
    assert [(mail.email, mail.event, mail.why) for mail in sim.mails] == [
        ("ada@client.example", id_, "changed"),
        ("bob@client.example", id_, "changed"),
    ]
    quiet = {"context": {"no_mail_to_attendees": True}}
    called(sim, http, "calendar.event", "write", ids=[id_], vals={"start": "2026-12-01 12:00:00"}, **quiet)
    assert len(sim.mails) == 2


def test_somebody_elses_private_meeting_is_masked_and_cannot_be_written(sim: OdooSimulator, http: httpx.Client) -> None:
    other = sim.add_user("Eve", "eve@crm.example")
    people = [("ada@client.example", "Ada")]
    id_ = int(sim.add_meeting("Secret", START, people=people, user_id=other, privacy="private", location="Room"))
    row = called(sim, http, "calendar.event", "read", ids=[id_], fields=["name", "start", "location", "partner_ids"])
    assert row.json() == [
        {"id": id_, "name": "Busy", "start": "2026-12-01 09:00:00", "location": False, "partner_ids": []}
    ]
    attendees = called(sim, http, "calendar.attendee", "search_read", domain=[["event_id", "in", [id_]]])
    assert [row["email"] for row in attendees.json()] == ["ada@client.example"]
    refused = called(sim, http, "calendar.event", "write", ids=[id_], vals={"location": "x"})
    assert (refused.status_code, refused.json()["name"]) == (403, "odoo.exceptions.AccessError")


def test_a_hidden_meeting_is_in_no_list_and_a_deleted_one_cannot_be_written(
    sim: OdooSimulator, http: httpx.Client
) -> None:
    hidden, deleted = int(sim.add_meeting("A", START)), int(sim.add_meeting("B", START))
    sim.hide_meeting(str(hidden))
    sim.delete_meeting(str(deleted))
    found = called(sim, http, "calendar.event", "search", domain=[["id", "in", [hidden, deleted]]])
    assert found.json() == []
    names = [
        called(sim, http, "calendar.event", "write", ids=[id_], vals={"location": "x"}).json()["name"]
        for id_ in (hidden, deleted)
    ]
    assert names == ["odoo.exceptions.AccessError", "odoo.exceptions.MissingError"]
    sim.show_meeting(str(hidden))
    assert called(sim, http, "calendar.event", "search", domain=[]).json() == [hidden]


def test_a_long_transaction_is_stamped_with_its_beginning_and_seen_at_its_end() -> None:
    now = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
    sim = OdooSimulator(version=19, clock=lambda: now)
    with serve_in_thread(sim.app) as served, httpx.Client(base_url=served.url, trust_env=False) as http:
        here = sim.add_meeting("Here", START)
        slow = sim.begin()
        late = slow.add_meeting("Late", START)
        slow.change_meeting(here, name="Changed")
        now = datetime(2026, 11, 22, 2, 5, tzinfo=UTC)

        def seen() -> list[Any]:
            fields = ["name", "write_date"]
            return list(called(sim, http, "calendar.event", "search_read", domain=[], fields=fields, order="id").json())

        assert [row["name"] for row in seen()] == ["Here"]
        slow.commit()
        assert [(row["id"], row["name"]) for row in seen()] == [(int(here), "Changed"), (int(late), "Late")]
        assert {row["write_date"] for row in seen()} == {"2026-11-22 02:00:00"}


def test_what_older_versions_do_not_show_of_a_stamp_counts_when_they_compare() -> None:
    now = datetime(2026, 11, 22, 2, 0, 7, 250_000, tzinfo=UTC)
    later = [["write_date", ">", "2026-11-22 02:00:07"]]
    for version, found in ((11, [1]), (19, [])):
        sim = OdooSimulator(version=version, clock=lambda: now)
        with serve_in_thread(sim.app) as served, httpx.Client(base_url=served.url, trust_env=False) as http:
            sim.add_meeting("Demo", START)
            args = ["crm", 1 if version == 11 else 2, "secret", "calendar.event", "search", [later], {}]
            params = {"service": "object", "method": "execute_kw", "args": args}
            assert http.post("/jsonrpc", json={"id": 1, "params": params}).json()["result"] == found


def test_calls_that_a_real_server_would_not_take_are_refused(sim: OdooSimulator, http: httpx.Client) -> None:
    def said(model: str, method: str, **named: Any) -> tuple[int, str]:
        answer = called(sim, http, model, method, **named)
        return answer.status_code, answer.json()["message"]

    with_ids = said("calendar.event", "search_read", ids=[1], domain=[])
    assert with_ids == (422, "cannot call calendar.event.search_read with ids")
    assert said("calendar.event", "search", domain=[], colour="red")[0] == 422
    assert said("calendar.event", "write", ids=[1]) == (422, "missing a required argument: 'vals'")
    assert said("calendar.event", "search", domain=[["start", "~", "x"]])[0] == 500
    assert said("calendar.event", "search_read", domain=[], fields=["colour"])[0] == 500
    assert said("ir.attachment", "create", vals_list=[{"datas_fname": "x"}])[0] == 500
    assert http.get("/json/2/calendar.event/search").status_code == 404
    assert http.post("/json/2/calendar.event/search", json={"domain": []}).status_code == 401
