"""The ISL Groop stand-in itself: as strict as the document, as harsh as may be."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from connectors.simulators.isl_groop import IslGroopSimulator
from connectors.simulators.serve import serve_in_thread


@contextmanager
def served(sim: IslGroopSimulator) -> Iterator[httpx.Client]:
    with serve_in_thread(sim.app) as server, httpx.Client(base_url=server.url, trust_env=False) as client:
        yield client


def call(client: httpx.Client, fn: str, args: Any, **more: Any) -> Any:
    return client.post("/__webapi__", json={"fn": fn, "lang": "en", "args": args, **more}).json()


def logged_in(client: httpx.Client) -> str:
    return str(call(client, "Login.login", {"user": "acme", "pwd": "secret"})["sid"])


def test_the_documents_example_runs_as_it_is_printed() -> None:
    sim = IslGroopSimulator()
    with served(sim) as client:
        sid = logged_in(client)
        code = call(client, f"ISLGroop.Session.create#{sid}", {"session_name": "test meeting"})["session_code"]
        assert len(code) == len("123-456-789-012")
        info = call(client, f"ISLGroop.Session.getInfo#{sid}", {"session_id": code})
        assert info == {"sessions": [{"active": 0, "session_code": code, "session_name": "test meeting"}]}
        assert call(client, f"Login.logout#{sid}", {}) == {}
        assert "error" in call(client, f"ISLGroop.Session.getInfo#{sid}", {"user_owned": 1})
    assert sim.changes == 1


def test_the_stand_in_refuses_what_the_document_does_not_allow() -> None:
    sim = IslGroopSimulator()
    theirs = sim.add_session(owner="them").code
    with served(sim) as client:
        sid = logged_in(client)
        mine = sim.add_session().code
        create, add = f"ISLGroop.Session.create#{sid}", f"ISLGroop.Session.addRegisteredUser#{sid}"
        for fn, args in (
            ("Login.login", {"user": "acme", "pwd": "wrong"}),
            ("Login.login", []),
            ("ISLGroop.Session.create", {"session_name": "no login"}),
            ("ISLGroop.Session.getInfo", {"user_owned": 1}),
            (f"islgroop.session.create#{sid}", {"session_name": "other name"}),
            (create, {}),
            (create, {"session_name": "x", "default_role": "moderator"}),
            (create, {"session_name": "x", "layout": "circle"}),
            (add, {"session_id": mine}),
            (add, {"session_id": mine, "name": "A", "role": "moderator"}),
            (add, {"session_id": mine, "name": "A", "email_notify": 1}),
            (add, {"session_id": theirs, "name": "A"}),
            (f"ISLGroop.Session.delete#{sid}", {"session_id": theirs}),
            (f"ISLGroop.Session.delete#{sid}", {"session_id": "1-2"}),
            (f"ISLGroop.Session.getInfo#{sid}", {"session_id": "1-2"}),
            (f"ISLGroop.Session.getInfo#{sid}", {"session_ids": "1-2"}),
            (f"ISLGroop.Session.getInfo#{sid}", {}),
            (f"ISLGroop.Session.join#{sid}", {"session_id": "1-2"}),
        ):
            assert call(client, fn, args).keys() == {"error"}, (fn, args)
        for missing in ("fn", "lang", "args"):
            values = {"fn": create, "lang": "en", "args": {"session_name": "x"}}
            del values[missing]
            assert "error" in client.post("/__webapi__", json=values).json()
        assert client.get("/__webapi__").status_code == 405
        assert client.post("/webapi2", json={}).status_code == 404
    assert sim.changes == 0
    assert sim.mails == []


def test_people_and_looks_without_a_login() -> None:
    sim = IslGroopSimulator()
    code = sim.add_session(active=1).code
    with served(sim) as client:
        assert call(client, "ISLGroop.Session.getInfo", {"session_ids": [code, "1-2"]})["sessions"][0]["active"] == 1
        sid = logged_in(client)
        person = {"session_id": code, "name": "Ada", "email": "ada@example.com", "email_notify": 1}
        uids = {call(client, f"ISLGroop.Session.addRegisteredUser#{sid}", person)["uid"] for _ in range(2)}
        assert len(uids) == len(sim.mails) == 2
        join = {"session_id": code, "join_uid": uids.pop()}
        assert code in call(client, "ISLGroop.Session.join", join)["func"]
        for flag, number in (("user_owned", 1), ("user_active", 1), ("user_invited", 0)):
            assert len(call(client, f"ISLGroop.Session.getInfo#{sid}", {flag: 1})["sessions"]) == number


def test_a_server_that_takes_forms_takes_nothing_else() -> None:
    sim = IslGroopSimulator(encodings="form", sid_calls=1)
    login = {"fn": "Login.login", "lang": "en", "args": {"user": "acme", "pwd": "secret"}}
    with served(sim) as client:
        assert "sid" not in client.post("/__webapi__", json=login).json()
        form = {**login, "args": json.dumps(login["args"])}
        sid = client.post("/__webapi__", data=form).json()["sid"]
        for number in (1, 0):
            asked = {"fn": f"ISLGroop.Session.getInfo#{sid}", "lang": "en", "args": '{"user_owned": 1}'}
            answer = client.post("/__webapi__", data=asked).json()
            assert ("sessions" in answer) == bool(number)
        assert sid in answer["error"]
        assert "error" in client.post("/__webapi__", data={**form, "args": "{"}).json()
        assert sim.requests[1].params == {"user": "acme", "pwd": "…"}
        assert sim.table("http://x")["encoding"] == "form"


def test_the_stand_in_is_controlled_over_http() -> None:
    sim = IslGroopSimulator()
    with served(sim) as client:
        assert client.post("/_sim/seed", json={"sessions": [{"session_name": "Theirs", "owner": "x"}]}).is_success
        assert client.post("/_sim/faults", json=[{"kind": "500_before", "resource": "login"}]).is_success
        login = {"fn": "Login.login", "lang": "en", "args": {}}
        assert client.post("/__webapi__", json=login).status_code == 500
        state = client.get("/_sim/state").json()
        assert state["sessions"][0]["session_name"] == "Theirs"
        assert state["requests"][0]["fault"] == "500_before"
        assert client.post("/_sim/reset").is_success
        assert client.get("/_sim/state").json()["sessions"] == []
