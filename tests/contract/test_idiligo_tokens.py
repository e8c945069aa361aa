"""Logging in to Idiligo: one token for all, renewed in time; error texts and what they mean."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.base import wire_for
from connectors.simulators.faults import Fault
from connectors.simulators.idiligo import IdiligoSimulator
from connectors.vendors.idiligo import IdiligoConnector, IdiligoSettings
from connectors.vendors.idiligo_api import IdiligoApi
from sync.errors import CredentialsRefused, RateLimited, Refused, UnknownOutcome, Unreachable
from sync.ports import Connector
from tests.contract.connector import everything_said
from tests.contract.connector_base import MARKER, SHORT, ConnectorFixtures, Factory, a_meeting
from tests.contract.test_idiligo import GUEST, PASSWORD, USERNAME, IdiligoBase

Sim = IdiligoSimulator


def called(sim: Sim) -> list[str]:
    return [entry.resource for entry in sim.requests]


class Clocks:
    """The server's clock and the client's, moved together."""

    def __init__(self) -> None:
        self.now = datetime(2026, 12, 1, tzinfo=UTC)

    def monotonic(self) -> float:
        return self.now.timestamp()

    def move(self, hours: float) -> None:
        self.now += timedelta(hours=hours)


class TestTokens(IdiligoBase, ConnectorFixtures):
    @pytest.fixture
    def clocks(self, sim: Sim) -> Clocks:
        clocks = Clocks()
        sim.options.clock = lambda: clocks.now
        return clocks

    @pytest.fixture
    async def timed(self, sim: Sim, url: str, clocks: Clocks) -> AsyncIterator[Connector]:
        """A connector whose clock the test moves."""
        settings = IdiligoSettings.model_validate(sim.table(url))
        login = ("Login", [("apikey", sim.options.api_key), ("username", USERNAME), ("password", PASSWORD)])
        api = IdiligoApi(wire_for(settings, False), url=url, login=login, secrets=(PASSWORD,), clock=clocks.monotonic)
        yield IdiligoConnector(api, settings)
        await api.close()

    async def test_a_token_is_renewed_after_twenty_hours(self, timed: Connector, sim: Sim, clocks: Clocks) -> None:
        for hours, logins in ((0, 1), (19.9, 1), (0.2, 2), (19.9, 2), (100, 3)):
            clocks.move(hours)
            await timed.create(a_meeting(), MARKER, mail=False)
            assert called(sim).count("Login") == logins
        assert {entry.status for entry in sim.requests} == {200}

    async def test_many_calls_at_once_log_in_once(self, connector: Connector, sim: Sim) -> None:
        await asyncio.gather(*(connector.create(a_meeting(), MARKER, mail=False) for _ in range(20)))
        assert called(sim).count("Login") == 1
        assert len(sim.calls) == 20

    async def test_a_refusal_is_remembered_until_somebody_checks(self, make: Factory, sim: Sim) -> None:
        connector = make(password="wrong-pass-word")
        calls = [connector.create(a_meeting(), MARKER, mail=False) for _ in range(20)]
        assert {type(one) for one in await asyncio.gather(*calls, return_exceptions=True)} == {CredentialsRefused}
        assert called(sim) == ["Login"]
        with pytest.raises(CredentialsRefused):
            await connector.check()
        assert called(sim) == ["Login"] * 2
        sim._account._password = "wrong-pass-word"
        assert await connector.check() == ()
        await connector.create(a_meeting(), MARKER, mail=False)
        assert called(sim).count("Login") == 3

    @pytest.mark.parametrize("refusal", ["text", "nil", "empty"])
    @pytest.mark.parametrize("errors", ["message", "trace", "suppressed"])
    async def test_every_way_of_saying_no_to_a_login_is_understood(
        self, make: Factory, sim: Sim, refusal: Any, errors: Any
    ) -> None:
        sim.options.refusal, sim.options.errors = refusal, errors
        for wrong in ({"password": "wrong-pass-word"}, {"api_key": "wrong-key"}, {"username": "nobody"}):
            with pytest.raises(CredentialsRefused) as caught:
                await make(**wrong).check()
            said = everything_said(caught.value)
            for secret in ("wrong-pass-word", "wrong-key", PASSWORD, sim.options.api_key):
                assert secret not in said
            assert "at Inside" not in said
        if refusal == "text" and errors == "message":
            assert "Access denied for key … with …" in said

    @pytest.mark.parametrize(
        "kind", ["500_before", "503_before", "reset_before", "garbage", "empty", "truncate", "429"]
    )
    async def test_a_login_without_a_usable_answer_is_no_refusal(self, make: Factory, sim: Sim, kind: str) -> None:
        connector = make(timeout=SHORT)
        sim.faults.add(Fault(kind, resource="Login", times=9))
        with pytest.raises((Unreachable, RateLimited)):
            await connector.create(a_meeting(), MARKER, mail=False)
        sim.faults.clear()
        await connector.create(a_meeting(), MARKER, mail=False)
        assert len(sim.calls) == 1

    async def test_a_401_ends_the_token(self, connector: Connector, sim: Sim) -> None:
        sim.faults.add(Fault("401_once", resource="CreateCall"))
        with pytest.raises(CredentialsRefused):
            await connector.create(a_meeting(), MARKER, mail=False)
        await connector.create(a_meeting(), MARKER, mail=False)
        assert called(sim).count("Login") == 2

    async def test_a_token_that_ended_early_costs_a_write_its_outcome_and_the_next_one_nothing(
        self, connector: Connector, sim: Sim
    ) -> None:
        ref = (await connector.create(a_meeting(), MARKER, mail=False)).ref
        sim.end_tokens()
        with pytest.raises(UnknownOutcome, match="Token … is not valid"):
            await connector.invite(ref, GUEST, mail=False)
        await connector.invite(ref, GUEST, mail=False)
        assert len(sim.contacts) == 1

    async def test_a_token_that_ended_early_is_no_matter_for_what_does_no_harm(
        self, connector: Connector, sim: Sim
    ) -> None:
        ref = (await connector.create(a_meeting(), MARKER, mail=False)).ref
        sim.end_tokens()
        assert await connector.artifacts(ref) == ()
        sim.end_tokens()
        assert (await connector.host_link(ref)).startswith("http")
        sim.end_tokens()
        with pytest.raises(Refused, match="is not valid"):
            await connector.get(ref)
        assert await connector.get(ref) is not None

    async def test_another_login_may_void_this_ones_token(self, make: Factory, sim: Sim) -> None:
        sim.options.one_token = True
        first, second = make(), make()
        ref = (await first.create(a_meeting(), MARKER, mail=False)).ref
        await second.check()
        assert await first.artifacts(ref) == ()
        with pytest.raises(UnknownOutcome):
            await second.create(a_meeting(), MARKER, mail=False)
        await second.create(a_meeting(), MARKER, mail=False)
        assert len(sim.calls) == 2


class TestTexts(IdiligoBase, ConnectorFixtures):
    @pytest.mark.parametrize(("errors", "known"), [("message", True), ("trace", True), ("suppressed", False)])
    async def test_what_the_framework_refuses_had_certainly_no_effect(
        self, make: Factory, sim: Sim, errors: Any, known: bool
    ) -> None:
        sim.options.errors = errors
        connector = make(traject="<b>")
        with pytest.raises(Refused if known else UnknownOutcome) as caught:
            await connector.create(a_meeting(), MARKER, mail=False)
        assert ("potentially dangerous" in str(caught.value)) is known
        assert sim.calls == {}

    @pytest.mark.parametrize("errors", ["message", "trace"])
    async def test_what_the_operation_refuses_is_an_unknown_outcome_with_its_first_line(
        self, make: Factory, sim: Sim, errors: Any
    ) -> None:
        sim.options.errors = errors
        with pytest.raises(UnknownOutcome, match="There is no script other") as caught:
            await make(traject="other").create(a_meeting(), MARKER, mail=False)
        assert "Inside.Service20" not in everything_said(caught.value)

    async def test_a_text_that_repeats_the_token_does_not_spread_it(self, connector: Connector, sim: Sim) -> None:
        ref = (await connector.create(a_meeting(), MARKER, mail=False)).ref
        for call in (
            lambda: connector.invite(ref, GUEST, mail=False),
            lambda: connector.get(ref),
            lambda: connector.create(a_meeting(), MARKER, mail=False),
        ):
            await connector.host_link(ref)
            sim.end_tokens()
            with pytest.raises((UnknownOutcome, Refused)) as caught:
                await call()
            for secret in sim.secrets:
                assert secret not in everything_said(caught.value)

    async def test_a_service_that_is_elsewhere_is_no_matter_of_credentials(self, url: str) -> None:
        connector = self.new_connector(f"{url}/app", locked=False, timeout="5s")
        with pytest.raises(Refused, match="server's root"):
            await connector.check()
        await connector.close()
