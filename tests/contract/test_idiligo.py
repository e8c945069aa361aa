"""The Idiligo connector against its stand-in: the common suite, and every write under every fault."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from connectors.simulators.faults import Fault
from connectors.simulators.idiligo import IdiligoSimulator
from connectors.vendors.idiligo import IdiligoSettings, capabilities_for, plugin
from sync.errors import OutsideError, RateLimited, Refused, UnknownOutcome, Unreachable, WritesLocked
from sync.model import Document
from sync.ports import Connector
from tests.contract.connector import NO_EFFECT, UNKNOWN_AFTER, UNKNOWN_BEFORE, ConnectorSuite, everything_said
from tests.contract.connector_base import MARKER, PEOPLE, SHORT, BasicSuite, ConnectorFixtures, Factory, a_meeting

USERNAME = "søn & co"
PASSWORD = "p4ss:wörd/&"
VALUES = {"customer": "{participant.name}", "about": "{title} at {start}"}
HELD = frozenset({"participant", "title", "start"})
GUEST = PEOPLE[1]
PAPER = Document("Contract & more.pdf", "application/pdf", url="https://files.example.com/signed?key=abc")


class IdiligoBase:
    """The fixtures for all kinds of tests."""

    capabilities = capabilities_for(HELD, upload_node=True)
    session_resource = "CreateCall"
    update_resource: str | None = "SetValues"
    invitee_resource = "CreateContact"
    look_resource = "GetAttachments"
    secrets: tuple[str, ...] = (PASSWORD, "key-of-acme", "ticket-of-acme")
    hidden_paths: tuple[str, ...] = ("asmx", "/client", "/agent", "/files")
    more: Mapping[str, Any] = {}

    @pytest.fixture
    def sim(self) -> IdiligoSimulator:
        return IdiligoSimulator(USERNAME, PASSWORD)

    def new_connector(self, url: str, *, locked: bool, timeout: str, **more: Any) -> Connector:
        table = IdiligoSimulator(USERNAME, PASSWORD).table(url)
        given = {**table, "values": VALUES, "timeout": timeout, **self.more, **more}
        return plugin.connect(IdiligoSettings.model_validate(given), locked)

    def effects(self, sim: IdiligoSimulator, resource: str) -> int:
        return sim.effects(resource)


class TestIdiligo(IdiligoBase, ConnectorSuite):
    """The common suite."""

    def all_secrets(self, sim: IdiligoSimulator) -> tuple[str, ...]:
        return (*self.secrets, *sim.secrets)


class TestIdiligoWithATicket(IdiligoBase, ConnectorSuite):
    """Impersonate instead of Login, numbers as <string>, a byte-order mark, errors with their insides."""

    more: Mapping[str, Any] = {"password": None, "ticket": "ticket-of-acme"}
    wrong_credentials: Mapping[str, Any] = {"ticket": "wrong-ticket"}

    @pytest.fixture
    def sim(self) -> IdiligoSimulator:
        return IdiligoSimulator(USERNAME, PASSWORD, roots="string", bom=True, errors="trace", refusal="nil")

    def all_secrets(self, sim: IdiligoSimulator) -> tuple[str, ...]:
        return (*self.secrets, *sim.secrets)


class TestIdiligoWithoutValues(IdiligoBase, BasicSuite):
    """Nothing but calls: what the defaults give."""

    capabilities = plugin.capabilities
    more: Mapping[str, Any] = {"values": {}, "upload_node": None}

    async def test_it_holds_nothing_of_a_meeting(self, connector: Connector) -> None:
        assert connector.capabilities.holds == connector.capabilities.update == frozenset()
        assert plugin.capabilities.holds == plugin.capabilities.update != frozenset(), "with values for everything"


HARMLESS = ("AddDocumentFromUrl",)
"""What it leaves when its outcome is not known is in nobody's way: no call has the document yet."""
Writes = dict[str, Callable[[], Awaitable[Any]]]


async def all_writes(prepare: Connector, connector: Connector) -> Writes:
    """Every operation with an effect, by what makes the connector call it (in a call that is there already)."""
    created = await prepare.create(a_meeting(), MARKER, mail=False)
    ref, link = created.ref, created.join_url
    assert link is not None
    meeting = a_meeting("Changed", participants=(GUEST,))
    return {
        "CreateCall": lambda: connector.create(a_meeting(), MARKER, mail=False),
        "CreateContact": lambda: connector.invite(ref, GUEST, mail=False),
        "SetContact": lambda: connector.invite(ref, GUEST, mail=False),
        "SetValues": lambda: connector.update(ref, meeting, frozenset({"title"}), join_url=link),
        "AddDocumentFromUrl": lambda: connector.attach(ref, PAPER),
        "SetDocumentToUploadAction": lambda: connector.attach(ref, PAPER),
    }


class TestEveryWrite(IdiligoBase, ConnectorFixtures):
    """The outcome of each operation, for each kind of trouble."""

    @pytest.mark.parametrize("kind", NO_EFFECT)
    async def test_a_refused_operation_had_no_effect(
        self, connector: Connector, sim: IdiligoSimulator, kind: str
    ) -> None:
        for operation, call in (await all_writes(connector, connector)).items():
            before = sim.effects(operation)
            sim.faults.add(Fault(kind, resource=operation, retry_after=7))
            with pytest.raises(OutsideError) as caught:
                await call()
            assert type(caught.value) is NO_EFFECT[kind], operation
            if isinstance(caught.value, RateLimited):
                assert caught.value.retry_after == 7
            assert sim.effects(operation) == before
        assert not sim.faults.pending()

    @pytest.mark.parametrize("kind", [*UNKNOWN_BEFORE, *UNKNOWN_AFTER])
    async def test_an_operation_that_got_lost_has_an_unknown_outcome_and_is_sent_once(
        self, make: Factory, sim: IdiligoSimulator, kind: str
    ) -> None:
        writes = await all_writes(make(), make(timeout=SHORT if kind.startswith("hang") else "5s"))
        for operation, call in writes.items():
            before = sim.effects(operation)
            sent = sum(entry.resource == operation for entry in sim.requests)
            sim.faults.add(Fault(kind, resource=operation))
            with pytest.raises(OutsideError) as caught:
                await call()
            assert type(caught.value) is (Unreachable if operation in HARMLESS else UnknownOutcome), operation
            assert sim.effects(operation) - before == (1 if kind in UNKNOWN_AFTER else 0), operation
            assert sum(entry.resource == operation for entry in sim.requests) - sent == 1, operation

    async def test_a_document_that_cannot_be_fetched_is_refused(
        self, connector: Connector, sim: IdiligoSimulator
    ) -> None:
        created = await connector.create(a_meeting(), MARKER, mail=False)
        secret = "not-a-scheme-and-a-secret"
        with pytest.raises(Refused, match="cannot be fetched") as caught:
            await connector.attach(created.ref, Document("a.pdf", "application/pdf", url=secret))
        assert secret not in everything_said(caught.value)
        assert sim.documents_of(created.ref) == []

    async def test_an_empty_answer_is_enough_only_for_what_answers_nothing(
        self, connector: Connector, sim: IdiligoSimulator
    ) -> None:
        for operation, call in (await all_writes(connector, connector)).items():
            sim.faults.add(Fault("empty", resource=operation))
            if operation in ("CreateCall", "CreateContact", *HARMLESS):
                with pytest.raises(Unreachable if operation in HARMLESS else UnknownOutcome):
                    await call()
            else:
                await call()

    async def test_a_locked_connector_sends_none_of_them(self, make: Factory, sim: IdiligoSimulator) -> None:
        locked = make(locked=True)
        writes = await all_writes(make(), locked)
        ref = str(next(iter(sim.calls)))
        before = len(sim.writes)
        writes |= {"GetPublicCallId": lambda: locked.get(ref), "GetAgentUrl": lambda: locked.host_link(ref)}
        for call in writes.values():
            with pytest.raises(WritesLocked):
                await call()
        assert len(sim.writes) == before
        assert await locked.artifacts(ref) == ()
