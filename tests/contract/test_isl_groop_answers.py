"""What ISL Groop answers, and what is concluded from it: errors that look alike, absence, names."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from connectors.simulators.faults import Fault
from connectors.simulators.isl_groop import IslGroopSimulator
from connectors.simulators.isl_groop_account import Account
from connectors.simulators.stage import json_reply
from sync.errors import CredentialsRefused, Gone, Refused, UnknownOutcome, Unreachable
from sync.model import Participant, Role
from sync.ports import Connector
from tests.contract.connector import everything_said
from tests.contract.connector_base import MARKER, PEOPLE, ConnectorFixtures, Factory, a_meeting
from tests.contract.test_isl_groop import DAY, PASSWORD, IslGroopBase

Sim = IslGroopSimulator


def called(sim: Sim) -> list[str]:
    return [entry.resource for entry in sim.requests]


def calls(connector: Connector, ref: str) -> dict[str, Callable[[], Awaitable[object]]]:
    """What reaches each of the server's functions."""
    return {
        "create": lambda: connector.create(a_meeting(), "other", mail=False),
        "get_info": lambda: connector.get(ref),
        "add_registered_user": lambda: connector.invite(ref, PEOPLE[0], mail=False),
        "delete": lambda: connector.delete(ref),
    }


class TestAnswers(IslGroopBase, ConnectorFixtures):
    async def test_a_refusal_with_a_good_login_is_definite_and_sent_once(self, connector: Connector, sim: Sim) -> None:
        sim.options.choke_on = "Weekly"
        with pytest.raises(Refused, match="internal error"):
            await connector.create(a_meeting(), MARKER, mail=False)
        assert called(sim) == ["login", "create", "get_info"]

    @pytest.mark.parametrize("shape", ["error", "result", "exception"])
    async def test_what_an_error_says_is_told_without_secrets(self, make: Factory, sim: Sim, shape: Any) -> None:
        sim.options.error_shape = shape
        sim.options.choke_on = "Weekly"
        with pytest.raises(Refused, match="internal error") as caught:
            await make().create(a_meeting(), MARKER, mail=False)
        with pytest.raises(CredentialsRefused, match="login failed") as wrong:
            await make(password="wrong-pass-word#").check()
        said = everything_said(caught.value) + everything_said(wrong.value)
        for secret in (PASSWORD, "wrong-pass-word", *sim.sids):
            assert secret not in said
        sim.options.tells = False
        with pytest.raises(Refused, match=r"Session\.create: refused") as silent:
            await make().create(a_meeting(), MARKER, mail=False)
        assert "internal" not in str(silent.value)

    @pytest.mark.parametrize(
        "body", [{}, [], None, {"session_code": ""}, {"session_code": None}, {"session_code": "a b"}]
    )
    async def test_an_answer_that_says_nothing_leaves_the_outcome_open(
        self, connector: Connector, sim: Sim, monkeypatch: pytest.MonkeyPatch, body: Any
    ) -> None:
        await connector.find(MARKER)
        monkeypatch.setattr(sim, "answer", lambda request: json_reply(200, body))
        with pytest.raises(UnknownOutcome):
            await connector.create(a_meeting(), MARKER, mail=False)

    @pytest.mark.parametrize("call", ["create", "add_registered_user", "delete"])
    async def test_a_denial_that_cannot_be_looked_into_leaves_the_outcome_open(
        self, connector: Connector, sim: Sim, call: str
    ) -> None:
        created = await connector.create(a_meeting(), MARKER, mail=False)
        sim.remove_session(created.ref)
        sim.options.choke_on = "Weekly"
        sim.faults.add(Fault("garbage", resource="get_info", times=9))
        with pytest.raises(UnknownOutcome):
            await calls(connector, created.ref)[call]()

    @pytest.mark.parametrize("none", ["object", "null", "empty"])
    async def test_a_delete_is_believed_when_the_session_is_not_listed_any_more(
        self, connector: Connector, sim: Sim, monkeypatch: pytest.MonkeyPatch, none: Any
    ) -> None:
        sim.options.none = none
        created = await connector.create(a_meeting(), MARKER, mail=False)
        await connector.delete(created.ref)
        assert called(sim)[-2:] == ["delete", "get_info"]
        other = await connector.create(a_meeting(), MARKER, mail=False)
        genuine = Account.call
        monkeypatch.setattr(
            Account, "call", lambda self, name, args, sid: None if name == "delete" else genuine(self, name, args, sid)
        )
        with pytest.raises(UnknownOutcome, match="still there"):
            await connector.delete(other.ref)

    async def test_what_belongs_to_somebody_else_is_not_removed_and_not_called_gone(
        self, connector: Connector, sim: Sim
    ) -> None:
        theirs = sim.add_session(owner="somebody else")
        with pytest.raises(Refused, match="not the owner"):
            await connector.delete(theirs.code)
        with pytest.raises(Refused, match="not the owner") as caught:
            await connector.invite(theirs.code, PEOPLE[0], mail=False)
        assert not isinstance(caught.value, Gone)
        assert (await connector.list(DAY)).sessions == ()
        assert theirs.code in sim.sessions

    async def test_absence_takes_two_looks_a_new_login_and_the_list(self, connector: Connector, sim: Sim) -> None:
        created = await connector.create(a_meeting(), MARKER, mail=False)
        sim.remove_session(created.ref)
        for unknown in ("error", "empty"):
            sim.options.unknown_session = unknown
            before = len(sim.requests)
            assert await connector.get(created.ref) is None
            assert called(sim)[before:] == ["get_info", "login", "get_info", "get_info"]
            assert sim.requests[-1].params == {"user_owned": 1}

    async def test_a_session_that_only_the_list_shows_exists(
        self, connector: Connector, sim: Sim, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        created = await connector.create(a_meeting(), MARKER, mail=False)
        genuine = Account.get_info

        def forgetful(account: Account, args: Any, *, let_in: bool) -> Any:
            return {"sessions": []} if "session_id" in args else genuine(account, args, let_in=let_in)

        monkeypatch.setattr(Account, "get_info", forgetful)
        got = await connector.get(created.ref)
        assert got is not None
        assert got.title == "Weekly"

    async def test_another_session_than_the_one_asked_for_is_not_absence(
        self, connector: Connector, sim: Sim, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await connector.create(a_meeting(), MARKER, mail=False)
        genuine = Account.get_info
        monkeypatch.setattr(
            Account, "get_info", lambda self, args, let_in: genuine(self, {"user_owned": 1}, let_in=let_in)
        )
        with pytest.raises(Unreachable, match="another session"):
            await connector.get("987-654-321-000")

    async def test_the_marker_is_found_whatever_the_server_makes_of_the_name(
        self, connector: Connector, sim: Sim
    ) -> None:
        sim.options.escape_names = True
        created = await connector.create(a_meeting("R&D <now>"), MARKER, mail=False)
        found = await connector.find(MARKER)
        assert isinstance(found, tuple)
        assert [(one.ref, one.title) for one in found] == [(created.ref, "R&amp;D &lt;now&gt;")]

    async def test_a_name_copied_from_another_session_does_not_carry_its_marker(
        self, connector: Connector, sim: Sim
    ) -> None:
        first = await connector.create(a_meeting(), MARKER, mail=False)
        copied = sim.sessions[first.ref].session_name
        second = await connector.create(a_meeting(copied), "other", mail=False)
        found = await connector.find(MARKER)
        assert isinstance(found, tuple)
        assert [one.ref for one in found] == [first.ref]
        got = await connector.get(second.ref)
        assert got is not None
        assert got.title == copied

    async def test_sessions_without_names_prove_nothing_about_a_marker(
        self, connector: Connector, sim: Sim, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sim.add_session()
        monkeypatch.setattr(Account, "_row", lambda self, one, named=True: {"session_code": one.code})
        with pytest.raises(Unreachable, match="without their names"):
            await connector.find(MARKER)

    async def test_a_404_is_about_the_address_and_never_about_a_session(self, connector: Connector, sim: Sim) -> None:
        created = await connector.create(a_meeting(), MARKER, mail=False)
        for resource in ("get_info", "add_registered_user", "delete"):
            sim.faults.add(Fault("404_before", resource=resource, times=9))
            with pytest.raises(Refused) as caught:
                await calls(connector, created.ref)[resource]()
            assert not isinstance(caught.value, Gone)
            sim.faults.clear()

    async def test_numbers_may_stand_for_texts(
        self, connector: Connector, sim: Sim, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        created = await connector.create(a_meeting(), MARKER, mail=False)
        monkeypatch.setattr(Account, "add_registered_user", lambda self, args: {"uid": 17, "more": [json.dumps(args)]})
        invited = await connector.invite(created.ref, Participant("a@example.com", role=Role.OBSERVER), mail=False)
        assert invited.ref == "17"
