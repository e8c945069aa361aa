"""What every connector must do, whatever its vendor: inherit `ConnectorSuite`, give it a simulator and a factory.

On top of `BasicSuite`: credentials, what is known after trouble, looks that fail, locked connectors, secrets.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from connectors.simulators.faults import Fault
from sync.errors import (
    CredentialsRefused,
    OutsideError,
    RateLimited,
    Refused,
    UnknownOutcome,
    Unreachable,
    WritesLocked,
)
from sync.model import Participant, Role, Window
from sync.ports import Connector, Unfindable
from tests.contract.connector_base import MARKER, NOON, PEOPLE, SHORT, BasicSuite, Factory, a_meeting

# What a fault during a write has to become: the error, and whether the write took effect.
NO_EFFECT: dict[str, type[OutsideError]] = {
    "400_before": Refused,
    "409_before": Refused,
    "401_before": CredentialsRefused,
    "403_before": CredentialsRefused,
    "429": RateLimited,
}
UNKNOWN_BEFORE = ("500_before", "503_before", "reset_before", "301_before", "hang_before")
UNKNOWN_AFTER = ("500_after", "reset_after", "truncate", "truncate_gzip", "garbage", "hang_after")


class ConnectorSuite(BasicSuite):
    """Everything. The resources that are None are `session_resource`."""

    update_resource: str | None = None
    delete_resource: str | None = None
    get_resource: str | None = None
    list_resource: str | None = None
    """That of `list`, where it is not `look_resource`."""
    link_resource = ""
    """That of `personal_link`, where the vendor has it."""
    host_link_writes = True

    # Credentials

    async def test_check_has_nothing_to_say_about_a_sound_account(self, connector: Connector) -> None:
        assert await connector.check() == ()

    async def test_a_wrong_password_is_refused_credentials_everywhere(self, make: Factory, sim: Any) -> None:
        connector = make(**self.wrong_credentials)
        calls = [connector.check(), connector.create(a_meeting(), MARKER, mail=False)]
        if connector.capabilities.marker != "none":
            calls.append(connector.find(MARKER))
        for call in calls:
            with pytest.raises(CredentialsRefused) as caught:
                await call
            for wrong in self.wrong_credentials.values():
                assert str(wrong) not in everything_said(caught.value)
        assert sim.changes == 0

    async def test_a_wrong_password_costs_one_attempt(self, make: Factory, sim: Any) -> None:
        with pytest.raises(CredentialsRefused):
            await make(**self.wrong_credentials).check()
        assert len(sim.requests) == self.login_requests

    # What is known after trouble

    async def _writes(self, prepare: Connector, connector: Connector) -> dict[str, tuple[str, Callable[[], Any]]]:
        """Every write of `connector` that its capabilities declare, ready to be called: name -> (resource, call)."""
        can_do = connector.capabilities
        meeting = a_meeting(participants=PEOPLE)
        created = await prepare.create(meeting, MARKER, mail=False)
        ref = created.ref
        writes: dict[str, tuple[str, Callable[[], Any]]] = {
            "create": (self.session_resource, lambda: connector.create(a_meeting(), "second", mail=False))
        }
        if can_do.update:
            changed = a_meeting("N")
            writes["update"] = (
                self.update_resource or self.session_resource,
                lambda: connector.update(ref, changed, frozenset({"title"}), join_url=created.join_url),
            )
        if can_do.invite:
            somebody = (await prepare.invite(ref, Participant("some@example.com"), mail=False)).ref
            new, observer = Participant("new@example.com"), Participant("some@example.com", role=Role.OBSERVER)
            writes["invite"] = (self.invitee_resource, lambda: connector.invite(ref, new, mail=False))
            if can_do.change_role:
                change = lambda: connector.change_role(ref, somebody, observer)  # noqa: E731
                writes["change_role"] = (self.invitee_resource, change)
            if can_do.uninvite:
                writes["uninvite"] = (self.invitee_resource, lambda: connector.uninvite(ref, somebody))
        if can_do.mints_links:
            link = lambda: connector.personal_link(ref, meeting, PEOPLE[0])  # noqa: E731
            writes["personal_link"] = (self.link_resource, link)
        if can_do.delete:
            writes["delete"] = (self.delete_resource or self.session_resource, lambda: connector.delete(ref))
        return writes

    @pytest.mark.parametrize("kind", NO_EFFECT)
    async def test_a_refused_write_had_no_effect_and_says_so(self, connector: Connector, sim: Any, kind: str) -> None:
        writes = await self._writes(connector, connector)
        for resource, call in writes.values():
            before = self.effects(sim, resource)
            sim.faults.add(Fault(kind, resource=resource, retry_after=7))
            with pytest.raises(OutsideError) as caught:
                await call()
            assert type(caught.value) is NO_EFFECT[kind]
            if isinstance(caught.value, RateLimited):
                assert caught.value.retry_after == 7
            self.assert_no_secret(caught.value, sim)
            assert self.effects(sim, resource) == before
        assert not sim.faults.pending()

    @pytest.mark.parametrize("kind", [*UNKNOWN_BEFORE, *UNKNOWN_AFTER])
    async def test_a_write_that_got_lost_has_an_unknown_outcome_and_is_sent_once(
        self, make: Factory, sim: Any, kind: str
    ) -> None:
        writes = await self._writes(make(), make(timeout=SHORT if kind.startswith("hang") else "5s"))
        for name, (resource, call) in writes.items():
            changes, sent = self.effects(sim, resource), self.sent(sim, resource)
            sim.faults.add(Fault(kind, resource=resource))
            with pytest.raises(UnknownOutcome) as caught:
                await call()
            assert self.effects(sim, resource) - changes == (1 if kind in UNKNOWN_AFTER else 0), name
            assert self.sent(sim, resource) - sent == 1, name
            self.assert_no_secret(caught.value, sim)

    @pytest.mark.needs("find")
    async def test_a_create_that_got_lost_is_found_by_its_marker(self, connector: Connector, sim: Any) -> None:
        for kind in ("500_after", "reset_after", "truncate", "garbage"):
            sim.faults.add(Fault(kind, resource=self.session_resource))
            with pytest.raises(UnknownOutcome):
                await connector.create(a_meeting(), kind, mail=False)
            found = await connector.find(kind)
            assert not isinstance(found, Unfindable)
            assert len(found) == 1

    @pytest.mark.needs("find")
    async def test_a_create_that_takes_effect_late_is_absent_first_and_found_later(
        self, make: Factory, sim: Any
    ) -> None:
        sim.faults.add(Fault("late", resource=self.session_resource))
        with pytest.raises(UnknownOutcome):
            await make(timeout=SHORT).create(a_meeting(), MARKER, mail=False)
        connector = make()
        assert await connector.find(MARKER) == ()
        sim.faults.release()
        found = await connector.find(MARKER)
        assert not isinstance(found, Unfindable)
        assert len(found) == 1

    async def test_no_server_at_all_is_unreachable_for_reads_and_writes(self) -> None:
        connector = self.new_connector("http://127.0.0.1:1", locked=False, timeout=SHORT)
        try:
            for call in (connector.check(), connector.create(a_meeting(), MARKER, mail=False)):
                with pytest.raises(Unreachable):
                    await call
        finally:
            await connector.close()

    # A look that failed is not "absent"

    @pytest.mark.parametrize(
        "kind", ["500_before", "503_before", "reset_before", "truncate", "truncate_gzip", "garbage", "empty"]
    )
    @pytest.mark.parametrize("after", [0, 1], ids=["at once", "at the second request"])
    @pytest.mark.needs("find")
    async def test_a_look_that_fails_raises(self, make: Factory, sim: Any, kind: str, after: int) -> None:
        if after >= self.look_requests:
            pytest.skip("a look is one request here")
        connector = make(timeout="1s")
        created = await connector.create(a_meeting(), "other", mail=False)
        sim.faults.add(Fault(kind, resource=self.look_resource, times=99, after=after))
        with pytest.raises(Unreachable) as caught:
            await connector.find(MARKER)
        self.assert_no_secret(caught.value, sim)
        sim.faults.clear()
        if not after:
            sim.faults.add(Fault(kind, resource=self.get_resource or self.session_resource, times=99))
            with pytest.raises(Unreachable):
                await connector.get(created.ref)

    @pytest.mark.needs("find", "list")
    async def test_a_slow_look_raises(self, make: Factory, sim: Any) -> None:
        for resource in (self.look_resource, self.list_resource or self.look_resource):
            sim.faults.add(Fault("hang_after", resource=resource, times=99))
        connector = make(timeout=SHORT)
        with pytest.raises(Unreachable):
            await connector.find(MARKER)
        with pytest.raises(Unreachable):
            await connector.list(Window(NOON, NOON + timedelta(days=1)))

    @pytest.mark.needs("find")
    async def test_a_look_that_is_told_to_wait_says_how_long(self, connector: Connector, sim: Any) -> None:
        sim.faults.add(Fault("429", resource=self.look_resource, retry_after=33, times=99))
        with pytest.raises(RateLimited) as caught:
            await connector.find(MARKER)
        assert caught.value.retry_after == 33

    @pytest.mark.needs("find")
    async def test_a_read_recovers_from_one_failure_by_itself(self, connector: Connector, sim: Any) -> None:
        await connector.create(a_meeting(), MARKER, mail=False)
        for kind in ("500_before", "reset_before", "truncate"):
            sim.faults.add(Fault(kind, resource=self.look_resource))
            found = await connector.find(MARKER)
            assert not isinstance(found, Unfindable)
            assert len(found) == 1

    # A locked connector

    async def test_a_locked_connector_reads_and_writes_nothing(self, make: Factory, sim: Any) -> None:
        writer, locked = make(), make(locked=True)
        created = await writer.create(a_meeting(participants=PEOPLE), MARKER, mail=False)
        assert await locked.check() == ()
        if locked.capabilities.reads_back:
            assert await locked.get(created.ref) is not None
        if locked.capabilities.marker != "none":
            assert await locked.find(MARKER) != ()
        writes = await self._writes(writer, locked)
        before, asked = sim.changes, len(sim.requests)
        for name, (_, call) in writes.items():
            with pytest.raises(WritesLocked):
                await call()
            assert sim.changes == before, name
        if locked.capabilities.host_links and self.host_link_writes:
            with pytest.raises(WritesLocked):
                await locked.host_link(created.ref)
        assert sim.changes == before
        assert len(sim.requests) >= asked

    # Secrets

    async def test_nothing_secret_is_in_a_repr(self, connector: Connector, sim: Any) -> None:
        created = await connector.create(a_meeting(participants=PEOPLE), MARKER, mail=False)
        people = await connector.invitees(created.ref)
        shown = f"{connector!r} {connector} {created!r} {people!r}"
        for secret in self.all_secrets(sim):
            assert secret not in shown

    def all_secrets(self, sim: Any) -> tuple[str, ...]:
        """Those of the settings; a subclass adds what the simulator has handed out."""
        return self.secrets

    def assert_no_secret(self, error: BaseException, sim: Any) -> None:
        """Neither secrets nor paths (which may hold some) in what the error says."""
        said = everything_said(error)
        for secret in self.all_secrets(sim):
            assert secret not in said
        for path in self.hidden_paths:
            assert path not in said

    def sent(self, sim: Any, resource: str) -> int:
        """How many writes of the resource arrived so far, whatever came of them."""
        return sum(entry.resource == resource for entry in sim.writes)


def everything_said(error: BaseException | None) -> str:
    """The message and repr of the error and of what a log would show under it."""
    texts = []
    while error is not None:
        texts.append(f"{error} {error!r}")
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return " ".join(texts)
