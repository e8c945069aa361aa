"""OpenMeetings: who is let in, how long a session lasts, and what the one status 500 means each time."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.base import wire_for
from connectors.simulators.faults import Fault
from connectors.simulators.openmeetings import OpenMeetingsSimulator
from connectors.simulators.stage import Reply
from connectors.vendors.openmeetings import OpenMeetingsConnector
from connectors.vendors.openmeetings_api import OpenMeetingsApi
from sync.errors import CredentialsRefused, OutsideError, UnknownOutcome, Unreachable
from sync.model import Participant
from sync.ports import Connector
from tests.contract.connector_base import MARKER, PEOPLE, SHORT, ConnectorFixtures, Factory, a_meeting
from tests.contract.test_openmeetings import PASSWORD, USERNAME, OpenMeetingsBase, settings

WRONG = {"password": "wrong-pass-word"}


def logins(sim: OpenMeetingsSimulator, status: int = 200) -> int:
    return sum(entry.resource == "login" and entry.status == status for entry in sim.requests)


class Time:
    """A clock of the client and one of the server, moved together."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return datetime(2026, 11, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)


class TestOpenMeetingsLogins(OpenMeetingsBase, ConnectorFixtures):
    """Logins and sessions."""

    @pytest.mark.parametrize(("version", "methods"), [("9.0.0", ["POST"]), ("8.1.0", ["POST", "GET"])])
    async def test_both_generations_of_logins_are_found_out_once(
        self, make: Factory, sim: OpenMeetingsSimulator, version: str, methods: list[str]
    ) -> None:
        sim.options.version = version
        connector = make()
        await connector.find(MARKER)
        sim.expire()
        await connector.find(MARKER)
        seen = [entry.method for entry in sim.requests if entry.resource == "login"]
        assert seen == [*methods, methods[-1]]

    async def test_a_server_that_is_upgraded_meanwhile_is_still_let_into(
        self, connector: Connector, sim: OpenMeetingsSimulator
    ) -> None:
        sim.options.version = "8.1.0"
        await connector.find(MARKER)
        sim.options.version = "9.1.0"
        sim.expire()
        assert await connector.find(MARKER) == ()

    async def test_the_password_never_goes_into_an_address_of_the_newer_generation(
        self, connector: Connector, sim: OpenMeetingsSimulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        queries = []
        answer = sim.answer

        def noting(request: Any) -> Any:
            queries.append(request.query)
            return answer(request)

        monkeypatch.setattr(sim, "answer", noting)
        await connector.find(MARKER)
        assert queries[0] == ""
        assert all(query.startswith("sid=") for query in queries[1:])

    async def test_a_wrong_password_costs_one_login_whatever_is_tried_at_the_same_time(
        self, make: Factory, sim: OpenMeetingsSimulator
    ) -> None:
        connector = make(**WRONG)
        calls = [connector.create(a_meeting(), f"m{number}", mail=False) for number in range(20)]
        results = await asyncio.gather(*calls, connector.find(MARKER), return_exceptions=True)
        assert {type(one) for one in results} == {CredentialsRefused}
        assert len(sim.requests) == 1
        with pytest.raises(CredentialsRefused, match=r"error\.bad\.credentials"):
            await connector.check()
        assert len(sim.requests) == 2

    async def test_many_meetings_at_once_share_one_session(
        self, connector: Connector, sim: OpenMeetingsSimulator
    ) -> None:
        calls = [connector.create(a_meeting(), f"m{number}", mail=False) for number in range(20)]
        await asyncio.gather(*calls)
        assert logins(sim) == 1
        sim.expire()
        await asyncio.gather(*(connector.find(f"m{number}") for number in range(20)))
        assert logins(sim) == 2

    async def test_a_wrong_password_that_is_answered_late_is_still_one_try(
        self, make: Factory, sim: OpenMeetingsSimulator
    ) -> None:
        sim.options.penalty = 0.6
        with pytest.raises(CredentialsRefused):
            await make(timeout=SHORT, **WRONG).find(MARKER)
        assert len(sim.requests) == 1

    async def test_a_server_that_cannot_say_why_is_asked_again_next_time(
        self, connector: Connector, sim: OpenMeetingsSimulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        body = b'{"serviceResult":{"message":"error.unknown","type":"ERROR"}}'
        with monkeypatch.context() as patched:
            patched.setattr(sim, "answer", lambda request: Reply(200, body))
            with pytest.raises(Unreachable, match=r"error\.unknown"):
                await connector.find(MARKER)
        assert await connector.find(MARKER) == ()

    @pytest.mark.parametrize("kind", ["garbage", "empty", "404_before", "500_before"])
    async def test_a_login_that_nobody_understands_is_no_refusal(
        self, connector: Connector, sim: OpenMeetingsSimulator, kind: str
    ) -> None:
        sim.faults.add(Fault(kind, resource="login"))
        with pytest.raises(Unreachable, match="login at"):
            await connector.create(a_meeting(), MARKER, mail=False)
        assert await connector.find(MARKER) == ()

    async def test_a_session_is_renewed_before_the_server_ends_it(self, url: str, sim: OpenMeetingsSimulator) -> None:
        time = Time()
        sim.options.clock = time.now
        table = settings(url)
        wire = wire_for(table, locked=False)
        api = OpenMeetingsApi(wire, wire, url=table.url, username=USERNAME, secret=PASSWORD, clock=time.monotonic)
        connector = OpenMeetingsConnector(api, url=table.url, room_type="CONFERENCE", invitation="endless")
        try:
            await connector.find(MARKER)
            for minutes, expected in ((19, 1), (19, 1), (21, 2), (45, 3)):
                time.seconds += minutes * 60
                await connector.find(MARKER)
                assert logins(sim) == expected
            assert logins(sim, 500) == 0
            assert 500 not in {entry.status for entry in sim.requests}
        finally:
            await connector.close()

    async def test_an_expired_session_costs_one_login_and_no_write_twice(
        self, connector: Connector, sim: OpenMeetingsSimulator
    ) -> None:
        created = await connector.create(a_meeting(participants=PEOPLE), MARKER, mail=False)
        new = Participant("new@example.com")
        calls: tuple[Callable[[], Any], ...] = (
            lambda: connector.get(created.ref),
            lambda: connector.update(created.ref, a_meeting("New"), frozenset({"title"})),
            lambda: connector.invite(created.ref, new, mail=False),
            lambda: connector.personal_link(created.ref, a_meeting(), new),
            lambda: connector.delete(created.ref),
        )
        for call in calls:
            before = logins(sim)
            sim.expire()
            await call()
            assert logins(sim) == before + 1
        assert sim.effects("calendar.update") == 2

    async def test_a_session_that_ends_just_before_a_write_does_not_lose_the_write(
        self, connector: Connector, sim: OpenMeetingsSimulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        answer = sim.answer
        expired: list[bool] = []

        def ending(request: Any) -> Any:
            if sim.resource(request) == "calendar.create" and not expired:
                expired.append(True)
                sim.expire()
            return answer(request)

        monkeypatch.setattr(sim, "answer", ending)
        created = await connector.create(a_meeting(), MARKER, mail=False)
        assert await connector.get(created.ref) is not None
        assert [entry.status for entry in sim.writes if entry.resource == "calendar.create"] == [500, 200]
        assert len(sim.appointments) == 1

    # Rights

    @pytest.mark.parametrize("missing", ["ROOM", "SOAP"])
    async def test_a_missing_right_is_named_by_the_check(
        self, connector: Connector, sim: OpenMeetingsSimulator, missing: str
    ) -> None:
        sim.options.rights = tuple({"LOGIN", "ROOM", "SOAP", "ADMIN"} - {missing})
        with pytest.raises(CredentialsRefused, match=f"needs the rights LOGIN, ROOM and SOAP.*lacks {missing}"):
            await connector.check()

    async def test_a_user_who_may_not_log_in_is_refused(self, connector: Connector, sim: OpenMeetingsSimulator) -> None:
        sim.options.rights = ("ROOM", "SOAP")
        with pytest.raises(CredentialsRefused, match=r"error\.notactivated"):
            await connector.check()

    async def test_a_right_that_is_withdrawn_refuses_a_write_after_one_more_login(
        self, connector: Connector, sim: OpenMeetingsSimulator
    ) -> None:
        await connector.find(MARKER)
        sim.options.rights = ("LOGIN", "ROOM")
        with pytest.raises(CredentialsRefused, match="needs the rights"):
            await connector.create(a_meeting(), MARKER, mail=False)
        assert (logins(sim), sim.changes) == (2, 0)

    # Versions

    @pytest.mark.parametrize(
        ("version", "supported"), [("5.1.0", False), ("6.0.0", True), ("10.0", True), ("9.2.0-SNAPSHOT", True)]
    )
    async def test_a_version_that_cannot_tell_rooms_apart_is_a_finding(
        self, connector: Connector, sim: OpenMeetingsSimulator, version: str, supported: bool
    ) -> None:
        sim.options.version = version
        assert [finding.code for finding in await connector.check()] == ([] if supported else ["version-unsupported"])

    # 500

    async def test_a_room_that_is_not_there_is_believed_of_a_well_server_only(
        self, connector: Connector, sim: OpenMeetingsSimulator
    ) -> None:
        created = await connector.create(a_meeting(), MARKER, mail=False)
        sim.remove_room(int(created.ref))
        sim.options.healthy = False
        with pytest.raises(Unreachable, match="not ready"):
            await connector.get(created.ref)
        sim.options.healthy = True
        before = len(sim.requests)
        assert await connector.get(created.ref) is None
        asked = [entry.resource for entry in sim.requests[before:]]
        assert asked == ["calendar.room", "room.get", "health", "room.get"]

    async def test_one_stumble_over_a_room_is_not_absence(
        self, connector: Connector, sim: OpenMeetingsSimulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        created = await connector.create(a_meeting(), MARKER, mail=False)
        answer = sim.answer
        stumbled: list[bool] = []

        def stumbling(request: Any) -> Any:
            if sim.resource(request) == "room.get" and not stumbled:
                stumbled.append(True)
                sim.change_room(1, deleted=True)
                reply = answer(request)
                sim.change_room(1, deleted=False)
                return reply
            return answer(request)

        monkeypatch.setattr(sim, "answer", stumbling)
        assert await connector.get(created.ref) is not None
        assert stumbled

    async def test_a_500_without_the_services_word_is_a_sick_server(
        self, connector: Connector, sim: OpenMeetingsSimulator
    ) -> None:
        created = await connector.create(a_meeting(), MARKER, mail=False)
        sim.faults.add(Fault("500_before", resource="room.get", times=99))
        with pytest.raises(Unreachable, match="answered 500"):
            await connector.get(created.ref)
        sim.faults.clear()
        sim.options.version = "6.2.0"  # which has no such word
        sim.remove_room(int(created.ref))
        with pytest.raises(Unreachable, match="answered 500"):
            await connector.get(created.ref)
        sim.remove_session(int(created.ref))
        assert await connector.get(created.ref) is None

    async def test_a_500_with_the_services_word_leaves_a_write_undecided(
        self, connector: Connector, sim: OpenMeetingsSimulator
    ) -> None:
        sim.options.choke_on = "indigestible"
        with pytest.raises(UnknownOutcome, match="answered 500"):
            await connector.create(a_meeting("indigestible"), MARKER, mail=False)
        assert await connector.find(MARKER) == ()
        await connector.create(a_meeting("digestible"), "other", mail=False)

    async def test_an_address_without_openmeetings_is_said_to_be_that(self, url: str) -> None:
        connector = self.new_connector(f"{url}/elsewhere", locked=False, timeout="5s")
        try:
            for call in (connector.check(), connector.create(a_meeting(), MARKER, mail=False)):
                with pytest.raises(OutsideError, match="is there an OpenMeetings") as caught:
                    await call
                assert isinstance(caught.value, Unreachable)
        finally:
            await connector.close()
