"""What every connector must do, whatever its vendor: inherit `ConnectorSuite`, give it a simulator and a factory.

On top of `BasicSuite`: credentials, what is known after trouble, looks that fail, locked connectors, secrets.
"""

from collections.abc import Callable
from dataclasses import replace
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
    """Everything."""

    # Credentials

    async def test_check_has_nothing_to_say_about_a_sound_account(self, connector: Connector) -> None:
        assert await connector.check() == ()

    @pytest.mark.needs("find")
    async def test_a_wrong_password_is_refused_credentials_everywhere(self, make: Factory, sim: Any) -> None:
        connector = make(password="wrong-pass-word")
        for call in (connector.check(), connector.find(MARKER), connector.create(a_meeting(), MARKER, mail=False)):
            with pytest.raises(CredentialsRefused) as caught:
                await call
            assert "wrong-pass-word" not in _everything_said(caught.value)
        assert sim.changes == 0

    async def test_a_wrong_password_costs_one_attempt(self, make: Factory, sim: Any) -> None:
        with pytest.raises(CredentialsRefused):
            await make(password="wrong-pass-word").check()
        assert len(sim.requests) == 1

    # What is known after trouble

    async def _writes(self, prepare: Connector, connector: Connector) -> dict[str, tuple[str, Callable[[], Any]]]:
        """Every write of `connector`, ready to be called: name -> (resource, call)."""
        created = await prepare.create(a_meeting(participants=PEOPLE), MARKER, mail=False)
        people = await prepare.invitees(created.ref)
        assert not isinstance(people, Unfindable)
        ref, somebody = created.ref, people[0].ref
        observer = replace(PEOPLE[0], role=Role.OBSERVER)
        new = Participant("new@example.com")
        return {
            "create": (self.session_resource, lambda: connector.create(a_meeting(), "second", mail=False)),
            "update": (self.session_resource, lambda: connector.update(ref, a_meeting("N"), frozenset({"title"}))),
            "invite": (self.invitee_resource, lambda: connector.invite(ref, new, mail=False)),
            "change_role": (self.invitee_resource, lambda: connector.change_role(ref, somebody, observer)),
            "uninvite": (self.invitee_resource, lambda: connector.uninvite(ref, somebody)),
            "delete": (self.session_resource, lambda: connector.delete(ref)),
        }

    @pytest.mark.parametrize("kind", NO_EFFECT)
    async def test_a_refused_write_had_no_effect_and_says_so(self, connector: Connector, sim: Any, kind: str) -> None:
        writes = await self._writes(connector, connector)
        before = sim.changes
        for resource, call in writes.values():
            sim.faults.add(Fault(kind, resource=resource, retry_after=7))
            with pytest.raises(OutsideError) as caught:
                await call()
            assert type(caught.value) is NO_EFFECT[kind]
            if isinstance(caught.value, RateLimited):
                assert caught.value.retry_after == 7
            self.assert_no_secret(caught.value, sim)
        assert sim.changes == before
        assert not sim.faults.pending()

    @pytest.mark.parametrize("kind", [*UNKNOWN_BEFORE, *UNKNOWN_AFTER])
    async def test_a_write_that_got_lost_has_an_unknown_outcome_and_is_sent_once(
        self, make: Factory, sim: Any, kind: str
    ) -> None:
        writes = await self._writes(make(), make(timeout=SHORT if kind.startswith("hang") else "5s"))
        for name, (resource, call) in writes.items():
            changes, sent = sim.changes, len(sim.writes)
            sim.faults.add(Fault(kind, resource=resource))
            with pytest.raises(UnknownOutcome) as caught:
                await call()
            assert sim.changes - changes == (1 if kind in UNKNOWN_AFTER else 0), name
            assert len(sim.writes) - sent == 1, name
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

    @pytest.mark.needs("find")
    async def test_no_server_at_all_is_unreachable_for_reads_and_writes(self) -> None:
        connector = self.new_connector("http://127.0.0.1:1", locked=False, timeout=SHORT)
        try:
            for call in (connector.find(MARKER), connector.create(a_meeting(), MARKER, mail=False)):
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
        connector = make(timeout="1s")
        created = await connector.create(a_meeting(), "other", mail=False)
        sim.faults.add(Fault(kind, resource=self.look_resource, times=99, after=after))
        with pytest.raises(Unreachable) as caught:
            await connector.find(MARKER)
        self.assert_no_secret(caught.value, sim)
        sim.faults.clear()
        if not after:
            sim.faults.add(Fault(kind, resource=self.session_resource, times=99))
            with pytest.raises(Unreachable):
                await connector.get(created.ref)

    @pytest.mark.needs("find", "list")
    async def test_a_slow_look_raises(self, make: Factory, sim: Any) -> None:
        sim.faults.add(Fault("hang_after", resource=self.look_resource, times=99))
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

    @pytest.mark.needs("find", "list_invitees")
    async def test_a_locked_connector_reads_and_writes_nothing(self, make: Factory, sim: Any) -> None:
        created = await make().create(a_meeting(participants=PEOPLE), MARKER, mail=False)
        people = await make().invitees(created.ref)
        assert not isinstance(people, Unfindable)
        before = len(sim.writes)
        locked = make(locked=True)
        assert await locked.check() == ()
        assert await locked.get(created.ref) is not None
        assert await locked.find(MARKER) != ()
        calls = (
            lambda: locked.create(a_meeting(), "second", mail=True),
            lambda: locked.update(created.ref, a_meeting("N"), frozenset({"title", "start"})),
            lambda: locked.invite(created.ref, Participant("new@example.com"), mail=True),
            lambda: locked.change_role(created.ref, people[0].ref, PEOPLE[1]),
            lambda: locked.uninvite(created.ref, people[0].ref),
            lambda: locked.delete(created.ref),
        )
        for call in calls:
            with pytest.raises(WritesLocked):
                await call()
        assert len(sim.writes) == before
        assert len(sim.requests) > before

    # Secrets

    @pytest.mark.needs("list_invitees")
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
        said = _everything_said(error)
        for secret in self.all_secrets(sim):
            assert secret not in said
        assert "/api" not in said


def _everything_said(error: BaseException | None) -> str:
    """The message and repr of the error and of what a log would show under it."""
    texts = []
    while error is not None:
        texts.append(f"{error} {error!r}")
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return " ".join(texts)
