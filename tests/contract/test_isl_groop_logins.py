"""Logging in to ISL Groop: encodings, refusals, logins that end in the middle of the work."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.simulators.faults import Fault
from connectors.simulators.isl_groop import IslGroopSimulator
from connectors.simulators.isl_groop_account import Account, Problem
from sync.errors import CredentialsRefused, RateLimited, Unreachable
from sync.ports import Connector
from tests.contract.connector_base import MARKER, PEOPLE, SHORT, ConnectorFixtures, Factory, a_meeting
from tests.contract.test_isl_groop import IslGroopBase

Sim = IslGroopSimulator


def called(sim: Sim) -> list[str]:
    return [entry.resource for entry in sim.requests]


class TestLogins(IslGroopBase, ConnectorFixtures):
    @pytest.mark.parametrize(("encodings", "attempts"), [("json", 1), ("form", 2), ("both", 1)])
    async def test_the_encoding_is_found_out_by_logins_alone(
        self, make: Factory, sim: Sim, encodings: Any, attempts: int
    ) -> None:
        sim.options.encodings = encodings
        connector = make()
        for marker in ("one", "two"):
            await connector.create(a_meeting(), marker, mail=False)
        assert [entry.resource for entry in sim.requests[: attempts + 2]][-2:] == ["create", "create"]
        assert len(sim.requests) == attempts + 2

    async def test_a_server_that_chokes_on_json_is_tried_with_a_form(self, make: Factory, sim: Sim) -> None:
        for kind in ("500_before", "415_before", "garbage", "empty"):
            sim.faults.add(Fault(kind, resource="login"))
            assert await make().check() == ()
            assert not sim.faults.pending()

    async def test_a_wrong_encoding_is_refused_and_not_tried_again(self, make: Factory, sim: Sim) -> None:
        sim.options.encodings = "form"
        connector = make(encoding="json")
        for _ in range(3):
            with pytest.raises(CredentialsRefused):
                await connector.find(MARKER)
        assert len(sim.requests) == 1

    async def test_a_refusal_is_remembered_until_somebody_checks(self, make: Factory, sim: Sim) -> None:
        connector = make(password="wrong-pass-word", encoding="json")
        calls = [connector.create(a_meeting(), str(n), mail=False) for n in range(20)]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(one) for one in outcomes} == {CredentialsRefused}
        assert called(sim) == ["login"]
        with pytest.raises(CredentialsRefused):
            await connector.check()
        assert called(sim) == ["login"] * 2
        sim._account._password = "wrong-pass-word"
        assert await connector.check() == ()
        await connector.create(a_meeting(), MARKER, mail=False)

    async def test_many_meetings_at_once_log_in_once(self, connector: Connector, sim: Sim) -> None:
        await asyncio.gather(*(connector.create(a_meeting(), str(n), mail=False) for n in range(20)))
        assert called(sim).count("login") == 1
        assert len(sim.sessions) == 20

    async def test_a_check_logs_in_afresh_and_out_again(self, connector: Connector, sim: Sim) -> None:
        await connector.find(MARKER)
        before = len(sim.requests)
        for kind in (None, "500_before", "garbage"):
            if kind:
                sim.faults.add(Fault(kind, resource="logout", times=9))
            assert await connector.check() == ()
            sim.faults.clear()
        assert called(sim)[before : before + 3] == ["login", "get_info", "logout"]
        await connector.find(MARKER)
        assert called(sim).count("login") == 4

    @pytest.mark.parametrize("kind", ["503_before", "reset_before", "429"])
    async def test_a_login_that_got_no_answer_is_not_a_refusal(self, make: Factory, sim: Sim, kind: str) -> None:
        connector = make(timeout=SHORT)
        sim.faults.add(Fault(kind, resource="login", times=9))
        with pytest.raises((Unreachable, RateLimited)):
            await connector.find(MARKER)
        sim.faults.clear()
        assert await connector.find(MARKER) == ()

    async def test_a_login_that_ended_is_made_again_for_every_call(self, connector: Connector, sim: Sim) -> None:
        created = await connector.create(a_meeting(), MARKER, mail=False)
        sim.end_logins()
        assert await connector.find(MARKER) != ()
        sim.end_logins()
        assert await connector.get(created.ref) is not None
        sim.end_logins()
        await connector.invite(created.ref, PEOPLE[0], mail=False)
        sim.end_logins()
        other = await connector.create(a_meeting(), "", mail=False)
        sim.end_logins()
        await connector.delete(created.ref)
        assert list(sim.sessions) == [other.ref]
        assert sim.changes == 4

    async def test_a_login_lives_as_long_as_the_servers_clock_says(self, make: Factory, sim: Sim) -> None:
        now = [datetime(2026, 12, 1, tzinfo=UTC)]
        sim.options.clock, sim.options.sid_life = lambda: now[0], timedelta(hours=1)
        connector = make()
        await connector.find(MARKER)
        now[0] += timedelta(hours=2)
        await connector.find(MARKER)
        assert called(sim).count("login") == 2

    async def test_a_create_after_an_ended_login_looks_for_the_marker_first(
        self, connector: Connector, sim: Sim, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The answer was an error although the session had been made: it is found, and not made again."""
        await connector.find("warm up")
        genuine = Account.add

        def made_and_denied(account: Account, args: Any, *more: Any, **fields: Any) -> Any:
            genuine(account, args, *more, **fields)
            account.live.clear()
            raise Problem("not logged in")

        monkeypatch.setattr(Account, "add", made_and_denied)
        created = await connector.create(a_meeting(), MARKER, mail=False)
        assert list(sim.sessions) == [created.ref]

    async def test_a_401_ends_the_login(self, connector: Connector, sim: Sim) -> None:
        await connector.find(MARKER)
        for resource in ("get_info", "create"):
            sim.faults.add(Fault("401_once", resource=resource))
            with pytest.raises(CredentialsRefused):
                await (
                    connector.find(MARKER) if resource == "get_info" else connector.create(a_meeting(), "", mail=False)
                )
            await connector.find(MARKER)
        assert called(sim).count("login") == 3
