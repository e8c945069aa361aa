"""How livedigital is logged in to: one login for all, one renewal for all, and a refusal that is remembered."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.simulators.faults import Fault
from connectors.simulators.livedigital import LivedigitalSimulator
from sync.errors import CredentialsRefused, OutsideError, Unreachable
from sync.ports import Connector
from tests.contract.connector_base import MARKER, ConnectorFixtures, Factory, a_meeting
from tests.contract.test_livedigital import PASSWORD, TOKEN, UNKNOWN, LivedigitalBase


def grants_of(sim: LivedigitalSimulator) -> list[str]:
    return [entry.params["grant_type"] for entry in sim.requests if entry.resource == "token"]


class TestByGrants(LivedigitalBase, ConnectorFixtures):
    """Tokens of a user, for whom a client vouches."""

    way_in = "grants"

    async def test_the_client_comes_first_and_the_user_with_it(
        self, connector: Connector, sim: LivedigitalSimulator
    ) -> None:
        await connector.check()
        client, user = (entry.params for entry in sim.requests[:2])
        assert client == {"client_id": "stand-in-client", "client_secret": "…", "grant_type": "client_credentials"}
        assert user == client | {"grant_type": "password", "username": "ada@example.com", "password": "…"}

    async def test_many_meetings_at_once_cost_one_login(self, connector: Connector, sim: LivedigitalSimulator) -> None:
        await asyncio.gather(*(connector.create(a_meeting(), f"m{number}", mail=False) for number in range(12)))
        assert grants_of(sim) == ["client_credentials", "password"]
        assert [entry.resource for entry in sim.requests].count("spaces") == 1
        assert len(sim.rooms) == 12

    async def test_many_refused_meetings_cost_one_attempt(self, make: Factory, sim: LivedigitalSimulator) -> None:
        connector = make(password="wrong-pass-word")
        calls = [connector.create(a_meeting(), f"m{number}", mail=False) for number in range(12)]
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(result) for result in results} == {CredentialsRefused}
        assert grants_of(sim) == ["client_credentials", "password"]

    async def test_check_logs_in_afresh_after_a_refusal(self, make: Factory, sim: LivedigitalSimulator) -> None:
        connector = make()
        sim.password = "another"
        sim.reset()
        for _ in range(2):
            with pytest.raises(CredentialsRefused, match="the user is not accepted"):
                await connector.find(MARKER)
        assert len(sim.requests) == 2
        sim.password = PASSWORD
        sim.reset()
        assert await connector.check() == ()
        assert await connector.find(MARKER) == ()

    async def test_a_wrong_client_is_refused_at_once(self, make: Factory, sim: LivedigitalSimulator) -> None:
        with pytest.raises(CredentialsRefused, match="the client is not accepted") as caught:
            await make(client_secret="wrong-secret").check()
        assert "wrong-secret" not in str(caught.value)
        assert len(sim.requests) == 1

    async def test_expired_tokens_are_renewed_once_however_many_calls_notice(
        self, connector: Connector, sim: LivedigitalSimulator
    ) -> None:
        created = await connector.create(a_meeting(), MARKER, mail=False)
        sim.expire_tokens()
        got = await asyncio.gather(*(connector.get(created.ref) for _ in range(8)))
        assert all(got)
        assert grants_of(sim)[2:] == ["refresh_token"]

    async def test_a_write_into_expired_tokens_is_done_once(
        self, connector: Connector, sim: LivedigitalSimulator
    ) -> None:
        created = await connector.create(a_meeting("Before"), MARKER, mail=False)
        sim.expire_tokens()
        await connector.create(a_meeting(), "second", mail=False)
        sim.expire_tokens()
        await connector.delete(created.ref)
        assert sim.changes == 3
        assert len(sim.rooms) == 1

    async def test_time_alone_expires_tokens(self, connector: Connector, sim: LivedigitalSimulator) -> None:
        now = [datetime(2026, 11, 1, tzinfo=UTC)]
        sim.options.clock = lambda: now[0]
        await connector.check()
        now[0] += timedelta(days=8)
        assert await connector.find(MARKER) == ()
        assert grants_of(sim)[2:] == ["refresh_token"]
        now[0] += timedelta(days=30)
        assert await connector.find(MARKER) == ()
        assert grants_of(sim)[3:] == ["refresh_token", "client_credentials", "password"]

    @pytest.mark.parametrize(
        ("options", "renewal"),
        [
            ({"refresh": False}, ["refresh_token", "client_credentials", "password"]),
            ({"refresh_tokens": False}, ["client_credentials", "password"]),
        ],
        ids=["the grant is not known", "there is no refresh token"],
    )
    async def test_where_nothing_can_be_refreshed_a_login_does_it(
        self, connector: Connector, sim: LivedigitalSimulator, options: dict[str, Any], renewal: list[str]
    ) -> None:
        for name, value in options.items():
            setattr(sim.options, name, value)
        await connector.check()
        sim.expire_tokens()
        assert await connector.find(MARKER) == ()
        assert grants_of(sim)[2:] == renewal

    async def test_a_password_that_was_changed_meanwhile_costs_one_attempt(
        self, connector: Connector, sim: LivedigitalSimulator
    ) -> None:
        await connector.check()
        sim.expire_tokens()
        sim.expire_tokens("refresh")
        sim._tokens._password = "another"
        for _ in range(3):
            with pytest.raises(CredentialsRefused, match="the user is not accepted"):
                await connector.find(MARKER)
        assert grants_of(sim)[2:] == ["refresh_token", "client_credentials", "password"]

    async def test_tokens_that_are_not_worth_anything_end_in_a_refusal(
        self, connector: Connector, sim: LivedigitalSimulator
    ) -> None:
        sim.options.user_tokens = False
        calls = [connector.create(a_meeting(), f"m{number}", mail=False) for number in range(8)]
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(result) for result in results} == {CredentialsRefused}
        assert grants_of(sim) == ["client_credentials", "password", "refresh_token"]
        assert sim.changes == 0

    async def test_one_401_in_the_middle_is_mended_by_itself(
        self, connector: Connector, sim: LivedigitalSimulator
    ) -> None:
        created = await connector.create(a_meeting(), MARKER, mail=False)
        calls: dict[str, Callable[[], Any]] = {
            "room": lambda: connector.get(created.ref),
            "room-create": lambda: connector.create(a_meeting(), "second", mail=False),
            "room-update": lambda: connector.update(created.ref, a_meeting("N"), frozenset({"title"})),
            "generate-access": lambda: connector.host_link(created.ref),
            "room-delete": lambda: connector.delete(created.ref),
        }
        for resource, call in calls.items():
            before = sim.changes
            sim.faults.add(Fault("401_once", resource=resource))
            await call()
            assert sim.changes - before == (resource != "room"), resource

    @pytest.mark.parametrize("kind", ["500_before", "404_before", "garbage", "empty", "reset_before", "truncate"])
    async def test_a_login_that_fails_for_other_reasons_says_nothing_about_the_password(
        self, connector: Connector, sim: LivedigitalSimulator, kind: str
    ) -> None:
        sim.faults.add(Fault(kind, resource="token", times=99))
        calls: tuple[Callable[[], Any], ...] = (
            lambda: connector.create(a_meeting(), MARKER, mail=False),
            lambda: connector.get(UNKNOWN),
            lambda: connector.delete(UNKNOWN),
        )
        for call in calls:
            with pytest.raises(Unreachable) as caught:
                await call()
            assert PASSWORD not in str(caught.value)
        assert sim.changes == 0
        sim.faults.clear()
        assert await connector.check() == ()

    async def test_a_login_that_is_told_to_wait_says_so(self, connector: Connector, sim: LivedigitalSimulator) -> None:
        sim.faults.add(Fault("429", resource="token", retry_after=9))
        with pytest.raises(OutsideError, match="429"):
            await connector.check()
        assert await connector.check() == ()

    async def test_a_locked_connector_logs_in(self, make: Factory) -> None:
        assert await make(locked=True).check() == ()


class TestByPersonalToken(LivedigitalBase, ConnectorFixtures):
    """A token that a person made by hand."""

    async def test_it_goes_along_with_every_call_and_nothing_is_asked_before(
        self, connector: Connector, sim: LivedigitalSimulator
    ) -> None:
        await connector.check()
        assert [entry.resource for entry in sim.requests] == ["me", "spaces", "rooms"]

    async def test_a_401_is_final(self, connector: Connector, sim: LivedigitalSimulator) -> None:
        created = await connector.create(a_meeting(), MARKER, mail=False)
        sim.options.access_token = "withdrawn"
        before = len(sim.requests)
        with pytest.raises(CredentialsRefused, match="personal access token") as caught:
            await connector.delete(created.ref)
        assert TOKEN not in str(caught.value)
        assert len(sim.requests) - before == 1
        assert created.ref in sim.rooms

    async def test_the_token_of_a_mere_client_is_refused_with_the_servers_words(
        self, make: Factory, sim: LivedigitalSimulator
    ) -> None:
        token = sim._tokens._new("client", timedelta(days=1))
        with pytest.raises(CredentialsRefused, match="403: This method is forbidden for the user"):
            await make(access_token=token).check()
