"""The Idiligo stand-in itself: it binds parameters as strictly as the framework does, and is as harsh as may be."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from defusedxml.ElementTree import fromstring

from connectors.simulators.idiligo import IdiligoSimulator
from connectors.simulators.serve import serve_in_thread

LOGIN = {"apikey": "key-of-acme", "username": "acme", "password": "secret"}


@contextmanager
def served(sim: IdiligoSimulator) -> Iterator[httpx.Client]:
    with (
        serve_in_thread(sim.app) as server,
        httpx.Client(base_url=f"{server.url}/InsideService20.asmx/", trust_env=False) as client,
    ):
        yield client


def root_of(client: httpx.Client) -> str:
    return str(client.base_url).partition("/InsideService20")[0]


def text_of(response: httpx.Response) -> str:
    assert response.status_code == 200, response.text
    return str(fromstring(response.content).text)


def test_the_documents_steps_run_as_they_are_printed() -> None:
    sim = IdiligoSimulator()
    with served(sim) as client:
        token = text_of(client.post("Login", data=LOGIN))
        assert text_of(client.get("Login", params=LOGIN)) != token

        def ask(operation: str, **parameters: Any) -> httpx.Response:
            return client.post(operation, data={"token": token, **parameters})

        contact = text_of(ask("CreateContact", email="a@example.com", firstName="A", lastName=""))
        call = text_of(ask("CreateCall", trajectCode="intake"))
        assert ask("SetContact", callId=call, contactId=contact).content == b""
        assert text_of(ask("GetAgentUrl", callId=call, returnUrl="")).startswith("http://127.0.0.1")
        public = text_of(ask("GetPublicCallId", callId=call))
        assert ask("SetValues", publicId=public, names=["a", "b"], values=["1,5", ""]).content == b""
        what = {"url": "https://x.example/a.pdf", "filename": "a.pdf", "externalId": "contract"}
        document = text_of(ask("AddDocumentFromUrl", **what))
        assert ask("SetDocumentToUploadAction", callId=call, externalId="contract", documentId=document).is_success
        assert ask("GetAttachments", callId=call).text.endswith("></ArrayOfAttachmentDTO>")
    made = sim.calls[int(call)]
    assert (made.contact, made.values, made.uploads) == (
        int(contact),
        {"a": "1,5", "b": ""},
        {"contract": int(document)},
    )
    assert sim.changes == 7


def test_the_binding_is_as_strict_as_the_frameworks() -> None:
    sim = IdiligoSimulator(public_ids="same")
    with served(sim) as client:
        token = text_of(client.post("Impersonate", data={**LOGIN, "ticket": "ticket-of-acme"}))
        call = text_of(client.post("CreateCall", data={"TOKEN": token, "trajectcode": "intake", "extra": "x"}))
        public = text_of(client.post("GetPublicCallId", data={"token": token, "callId": call}))
        assert text_of(client.post("GetPublicCallId", data={"token": token, "callId": call})) == public
        changes = sim.changes
        contact = {"token": token, "email": "a@b", "firstName": "A", "lastName": "B"}
        values = {"token": token, "publicId": public}
        for operation, data, said in (
            ("CreateContact", {**contact, "lastName": None}, "Missing parameter: lastName."),
            ("createContact", contact, "createContact Web Service method name is not valid."),
            ("CreateContact", {**contact, "firstName": "<b>"}, "A potentially dangerous Request.Form value"),
            ("CreateContact", {**contact, "firstName": "&#60;"}, "A potentially dangerous Request.Form value"),
            ("CreateContact", {**contact, "email": "nobody"}, "The address is not valid"),
            ("CreateContact", {**contact, "token": "old"}, "Token old is not valid"),
            ("SetContact", {"token": token, "callId": "abc", "contactId": "1"}, "Cannot convert abc to System.Int64."),
            ("SetContact", {"token": token, "callId": call, "contactId": "1"}, "There is no such contact"),
            ("SetValues", values, "Object reference not set to an instance of an object."),
            ("SetValues", {**values, "names": ["a", "b"], "values": "1"}, "names and values differ"),
            ("SetValues", {**values, "publicId": "x", "names": "a", "values": "1"}, "There is no such call"),
            ("CreateCall", {"token": token, "trajectCode": "Intake"}, "There is no script Intake"),
            ("GetAttachments", {"token": token, "callId": "1"}, "There is no call 1"),
            ("Login", {**LOGIN, "password": "wrong"}, "Access denied"),
        ):
            given = {name: value for name, value in data.items() if value is not None}
            response = client.post(operation, data=given)
            assert response.status_code == 500, operation
            assert response.headers["content-type"] == "text/plain; charset=utf-8"
            assert response.text.startswith(said), (operation, response.text)
        assert client.post("Login", json=LOGIN).text.startswith("Request format is invalid: application/json")
        assert client.put("Login", data=LOGIN).text.startswith("Request format is unrecognized")
        assert client.get(f"{root_of(client)}/elsewhere").status_code == 404
        assert sim.changes == changes


def test_tokens_live_for_a_day_and_public_ids_until_the_next() -> None:
    now = [datetime(2026, 12, 1, tzinfo=UTC)]
    sim = IdiligoSimulator(clock=lambda: now[0])
    with served(sim) as client:
        token = text_of(client.post("Login", data=LOGIN))
        call = text_of(client.post("CreateCall", data={"token": token, "trajectCode": "intake"}))
        publics = [text_of(client.post("GetPublicCallId", data={"token": token, "callId": call})) for _ in range(2)]
        given = {"token": token, "names": "a", "values": "1"}
        answers = [client.post("SetValues", data={**given, "publicId": one}).status_code for one in publics]
        assert answers == [500, 200]
        now[0] += timedelta(hours=24)
        assert "is not valid" in client.post("SetValues", data={**given, "publicId": publics[1]}).text


@pytest.mark.parametrize(("errors", "said"), [("trace", "System.Exception: There is"), ("suppressed", "An error occ")])
def test_errors_tell_more_or_less(errors: str, said: str) -> None:
    sim = IdiligoSimulator(errors=errors, roots="string", bom=True)
    with served(sim) as client:
        token = text_of(client.post("Login", data=LOGIN))
        assert client.post("CreateCall", data={"token": token, "trajectCode": "x"}).text.startswith(said)
        made = client.post("CreateCall", data={"token": token, "trajectCode": "intake"})
        assert made.content.startswith(b"\xef\xbb\xbf")
        assert "<string" in made.text


def test_the_stand_in_is_controlled_over_http_and_keeps_secrets_out_of_its_log() -> None:
    sim = IdiligoSimulator()
    with served(sim) as client:
        root = root_of(client)
        assert client.post(f"{root}/_sim/seed", json={"calls": [{"traject": "intake"}]}).is_success
        call = next(iter(sim.calls))
        assert client.post(f"{root}/_sim/seed", json={"attachments": [{"call": call, "sign": True}]}).is_success
        assert client.post(f"{root}/_sim/faults", json=[{"kind": "500_before", "resource": "Login"}]).is_success
        assert client.post("Login", data=LOGIN).status_code == 500
        state = client.get(f"{root}/_sim/state").json()
        assert state["calls"][0]["attachments"][0]["sign"]
        assert state["requests"][0]["params"] == {"apikey": "…", "username": "acme", "password": "…"}
        assert client.post(f"{root}/_sim/reset").is_success
        assert client.get(f"{root}/_sim/state").json()["calls"] == []
