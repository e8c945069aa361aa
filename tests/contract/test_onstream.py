"""The Onstream connector against its stand-in: the common suite, and what is special about this vendor."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.base import clear_text
from connectors.simulators.faults import Fault
from connectors.simulators.onstream import OnstreamSimulator
from connectors.simulators.onstream_account import Account
from connectors.simulators.onstream_format import Problem
from connectors.vendors import onstream_api, onstream_wire
from connectors.vendors.onstream import OnstreamConnector, OnstreamSettings, plugin
from sync.errors import CredentialsRefused, Refused, Unreachable
from sync.model import Participant, Role, Window
from sync.ports import Connector
from tests.contract.connector import ConnectorSuite
from tests.contract.connector_base import MARKER, NOON, PEOPLE, BasicSuite, ConnectorFixtures, Factory, a_meeting

USERNAME = "acme & søn"
PASSWORD = "p4ss:wörd/&"
DAY = Window(NOON - timedelta(hours=12), NOON + timedelta(hours=12))


def settings(url: str, **more: Any) -> OnstreamSettings:
    given = {"type": "onstream", "url": url, "username": USERNAME, "password": PASSWORD}
    return OnstreamSettings.model_validate(given | more)


class OnstreamBase:
    """The fixtures for both kinds of tests."""

    capabilities = OnstreamConnector.capabilities
    session_resource = "session"
    invitee_resource = "invitee"
    look_resource = "sessions"
    look_requests = 2
    secrets: tuple[str, ...] = (PASSWORD,)

    @pytest.fixture
    def sim(self) -> OnstreamSimulator:
        return OnstreamSimulator(USERNAME, PASSWORD)

    def new_connector(self, url: str, *, locked: bool, timeout: str, **more: Any) -> Connector:
        return plugin.connect(settings(url, timeout=timeout, **more), locked)


class TestOnstream(OnstreamBase, ConnectorSuite):
    """The common suite."""

    def all_secrets(self, sim: OnstreamSimulator) -> tuple[str, ...]:
        links = [one.personal_session_link for session in sim.sessions.values() for one in session.invitees]
        return (*self.secrets, *links)


class TestOnstreamWithOtherManners(OnstreamBase, BasicSuite):
    """A server that gives two rows at most, in another shape, and no custom_data in lists."""

    @pytest.fixture
    def sim(self) -> OnstreamSimulator:
        return OnstreamSimulator(USERNAME, PASSWORD, max_count=2, shape="bare", list_custom_data=False)


class TestOnstreamAlone(OnstreamBase, ConnectorFixtures):
    """What is special about Onstream."""

    # Requests

    async def test_a_create_is_exactly_one_put(self, connector: Connector, sim: OnstreamSimulator) -> None:
        await connector.create(a_meeting(participants=PEOPLE), MARKER, mail=False)
        (request,) = sim.requests
        assert (request.method, request.resource, request.status) == ("PUT", "session", 201)
        assert request.params["custom_data"] == [{"custom1": MARKER}]
        assert [one["send_email_invitation"] for one in request.params["invited_participants"]] == [False] * 3
        assert request.params["invited_participants"][0] == {
            "email": "ada@example.com",
            "first_name": "Ada",
            "last_name": "King Lovelace",
            "role": 1,
            "send_email_invitation": False,
        }

    async def test_a_meeting_without_people_sends_no_list_of_them(
        self, connector: Connector, sim: OnstreamSimulator
    ) -> None:
        await connector.create(a_meeting(), MARKER, mail=True)
        assert "invited_participants" not in sim.requests[0].params

    async def test_an_edit_never_sends_participants_and_only_what_changed(
        self, connector: Connector, sim: OnstreamSimulator
    ) -> None:
        created = await connector.create(a_meeting(participants=PEOPLE), MARKER, mail=False)
        moved = a_meeting("New", start=NOON + timedelta(hours=2), minutes=30, participants=PEOPLE)
        await connector.update(created.ref, moved, frozenset({"title"}))
        await connector.update(created.ref, moved, frozenset({"end"}))
        title, time = (entry.params for entry in sim.writes[1:])
        assert title == {"id": 1, "topic": "New"}
        assert time == {"id": 1, "start_time": "2026-12-01 14:00:00", "duration": 30, "timezone": "UTC"}
        assert len(sim.invitees(1)) == 3

    async def test_a_role_change_forbids_the_mail_that_is_the_default(
        self, connector: Connector, sim: OnstreamSimulator
    ) -> None:
        created = await connector.create(a_meeting(participants=PEOPLE), MARKER, mail=False)
        await connector.change_role(created.ref, "1", Participant("ada@example.com", role=Role.OBSERVER))
        assert sim.writes[-1].params == {"session_id": 1, "user_id": 1, "role": 3, "send_email_invitation": False}

    async def test_a_delete_names_the_id_in_path_and_body(self, connector: Connector, sim: OnstreamSimulator) -> None:
        created = await connector.create(a_meeting(), MARKER, mail=False)
        await connector.delete(created.ref)
        assert sim.writes[-1].params == {"id": 1}
        assert not sim.sessions

    @pytest.mark.parametrize(("seconds", "minutes"), [(0, 1), (1, 1), (60, 1), (61, 2), (5400, 90), (-60, 1)])
    async def test_durations_are_whole_minutes_rounded_up(
        self, connector: Connector, sim: OnstreamSimulator, seconds: int, minutes: int
    ) -> None:
        await connector.create(a_meeting(minutes=seconds / 60), MARKER, mail=False)
        assert sim.sessions[1].duration == minutes

    @pytest.mark.parametrize(
        ("code", "wall"),
        [
            ("UTC", "2026-12-01 12:00:00"),
            ("UP1", "2026-12-01 13:00:00"),
            ("UM95", "2026-12-01 02:30:00"),
            ("UP575", "2026-12-01 17:45:00"),
            ("UP1275", "2026-12-02 00:45:00"),
            ("UM12", "2026-12-01 00:00:00"),
            ("UP14", "2026-12-02 02:00:00"),
        ],
    )
    async def test_times_go_out_and_come_back_in_the_accounts_zone(
        self, make: Factory, sim: OnstreamSimulator, code: str, wall: str
    ) -> None:
        sim.options.timezone = code
        connector = make(timezone=code)
        created = await connector.create(a_meeting(), MARKER, mail=False)
        assert sim.sessions[1].start_time == wall
        assert sim.writes[0].params["timezone"] == code
        got = await connector.get(created.ref)
        assert got is not None
        assert (got.start, got.end) == (NOON, NOON + timedelta(hours=1))
        assert await connector.check() == ()

    # Looking

    @pytest.mark.parametrize("max_count", [None, 1, 7])
    async def test_every_session_is_seen_whatever_the_server_gives_at_once(
        self, connector: Connector, sim: OnstreamSimulator, max_count: int | None
    ) -> None:
        sim.options.max_count = max_count
        oldest = sim.add_session(topic="Oldest", custom_data={"custom1": MARKER})
        for number in range(15 if max_count else 205):
            sim.add_session(custom_data={"custom1": f"other-{number}"})
        found = await connector.find(MARKER)
        assert isinstance(found, tuple)
        assert [one.ref for one in found] == [str(oldest.id)]
        listing = await connector.list(DAY)
        assert len(listing.sessions) == len(sim.sessions)
        assert listing.complete

    async def test_paging_that_does_not_advance_is_no_proof_of_absence(
        self, connector: Connector, sim: OnstreamSimulator
    ) -> None:
        sim.options.paging = False
        sim.add_session()
        with pytest.raises(Unreachable, match="does not advance"):
            await connector.find(MARKER)
        listing = await connector.list(DAY)
        assert (len(listing.sessions), listing.complete) == (1, False)

    async def test_paging_without_end_is_no_proof_of_absence(
        self, connector: Connector, sim: OnstreamSimulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(onstream_api, "MAX_PAGES", 2)
        sim.options.max_count = 1
        for _ in range(3):
            sim.add_session()
        with pytest.raises(Unreachable, match="more than 2 pages"):
            await connector.find(MARKER)
        assert not (await connector.list(DAY)).complete

    async def test_a_404_on_the_way_is_not_taken_for_the_end(
        self, connector: Connector, sim: OnstreamSimulator
    ) -> None:
        sim.options.max_count = 1
        sim.add_session(custom_data={"custom1": MARKER})
        for _ in range(3):
            sim.add_session()
        for after in (0, 2):
            sim.faults.add(Fault("404_before", resource="sessions", after=after))
            found = await connector.find(MARKER)
            assert isinstance(found, tuple)
            assert len(found) == 1
        sim.faults.add(Fault("404_before", resource="sessions", after=7))  # in the second look
        assert not (await connector.list(DAY)).complete

    async def test_no_sessions_is_believed_only_of_an_account_that_is_let_in(
        self, connector: Connector, sim: OnstreamSimulator
    ) -> None:
        sim.options.authenticated = 0
        with pytest.raises(CredentialsRefused):
            await connector.find(MARKER)
        sim.options.authenticated = 1
        sim.faults.add(Fault("404_before", resource="authverify", times=9))
        with pytest.raises(Refused):
            await connector.find(MARKER)

    @pytest.mark.parametrize("shape", ["list", "sessions", "sessions.session", "session", "bare"])
    @pytest.mark.parametrize("custom_shape", ["object", "list", "text"])
    async def test_all_known_shapes_of_answers_are_read(
        self, connector: Connector, sim: OnstreamSimulator, shape: Any, custom_shape: Any
    ) -> None:
        sim.options.shape, sim.options.custom_shape = shape, custom_shape
        created = await connector.create(a_meeting("One"), MARKER, mail=False)
        for _ in range(2):
            got = await connector.get(created.ref)
            assert got is not None
            assert (got.title, got.marker, got.start) == ("One", MARKER, NOON)
            assert await connector.find(MARKER) == (got,)
            sim.add_session()

    async def test_custom_data_that_lists_leave_out_is_looked_up(
        self, connector: Connector, sim: OnstreamSimulator
    ) -> None:
        sim.options.list_custom_data = False
        sim.add_session()
        created = await connector.create(a_meeting(), MARKER, mail=False)
        found = await connector.find(MARKER)
        assert isinstance(found, tuple)
        assert [one.ref for one in found] == [created.ref]

    async def test_titles_come_back_as_the_server_says_them(self, connector: Connector, sim: OnstreamSimulator) -> None:
        sim.options.escape_topics = True
        created = await connector.create(a_meeting("R&D"), MARKER, mail=False)
        got = await connector.get(created.ref)
        assert got is not None
        assert got.title == "R&amp;D"

    async def test_gone_is_as_good_as_not_found(self, connector: Connector, sim: OnstreamSimulator) -> None:
        sim.options.gone_status = 410
        created = await connector.create(a_meeting(), MARKER, mail=False)
        await connector.delete(created.ref)
        await connector.delete(created.ref)
        assert await connector.get(created.ref) is None
        assert await connector.invitees(created.ref) == ()

    async def test_an_id_that_is_no_number_is_refused_before_anything_is_sent(
        self, connector: Connector, sim: OnstreamSimulator
    ) -> None:
        for ref in ("1/../2", "", "-1", "²"):
            for call in (connector.get(ref), connector.delete(ref), connector.artifacts(ref)):
                with pytest.raises(Refused):
                    await call
        assert sim.requests == []

    async def test_another_session_than_the_one_asked_for_is_not_absence(
        self, connector: Connector, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await connector.create(a_meeting(), MARKER, mail=False)
        monkeypatch.setattr(Account, "get_session", lambda account, params: account.get_sessions({}))
        assert await connector.get("1") is not None
        with pytest.raises(Unreachable, match="another one"):
            await connector.get("2")

    async def test_nobody_invited_is_believed_only_of_an_account_that_is_let_in(
        self, connector: Connector, sim: OnstreamSimulator
    ) -> None:
        created = await connector.create(a_meeting(), MARKER, mail=False)
        sim.options.authenticated = 0
        with pytest.raises(CredentialsRefused):
            await connector.invitees(created.ref)

    # Answers to writes

    async def test_a_refusal_that_repeats_the_password_does_not_spread_it(
        self, connector: Connector, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(account: Account, params: dict[str, Any]) -> None:
            raise Problem(400, f"{PASSWORD} is not welcome")

        monkeypatch.setattr(Account, "put_session", refuse)
        with pytest.raises(Refused, match="… is not welcome"):
            await connector.create(a_meeting(), MARKER, mail=False)

    async def test_the_id_of_a_new_session_may_be_in_the_location_only(
        self, connector: Connector, sim: OnstreamSimulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(onstream_wire, "new_id", lambda body: None)
        created = await connector.create(a_meeting(), MARKER, mail=False)
        assert created.ref == "1"

    async def test_a_refusal_says_why_in_one_line(self, connector: Connector, sim: OnstreamSimulator) -> None:
        with pytest.raises(Refused, match=r"answered 400: topic is required$") as caught:
            await connector.create(a_meeting("  "), MARKER, mail=False)
        assert caught.value.status == 400
        sim.options.duplicate_invitee = "conflict"
        created = await connector.create(a_meeting(participants=PEOPLE), MARKER, mail=False)
        with pytest.raises(Refused, match="already invited"):
            await connector.invite(created.ref, PEOPLE[0], mail=False)

    async def test_inviting_an_address_twice_shows_as_two_entries(
        self, connector: Connector, sim: OnstreamSimulator
    ) -> None:
        created = await connector.create(a_meeting(participants=PEOPLE[:1]), MARKER, mail=False)
        await connector.invite(created.ref, PEOPLE[0], mail=False)
        people = await connector.invitees(created.ref)
        assert isinstance(people, tuple)
        assert [one.email for one in people] == ["ada@example.com"] * 2

    # Recordings

    async def test_recordings_of_the_session_and_no_others(self, connector: Connector, sim: OnstreamSimulator) -> None:
        sim.options.max_count = 2
        for session in (1, 2, 1, 1):
            sim.add_recording(session, title=f"Of {session}")
        assert await connector.artifacts("3") == ()
        found = await connector.artifacts("1")
        assert [one.ref for one in found] == ["1", "3", "4"]
        assert found[0].duration == 25.88
        assert found[0].created == datetime(2026, 12, 1, 10, 0, tzinfo=UTC)
        assert found[0].link is not None
        assert found[0].link not in repr(found[0])

    async def test_recordings_are_sorted_out_where_the_server_does_not(
        self, connector: Connector, sim: OnstreamSimulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for session in (1, 2):
            sim.add_recording(session)
        genuine = Account.get_recordings
        monkeypatch.setattr(
            Account, "get_recordings", lambda account, params: genuine(account, {**params, "session": "1"})
        )
        assert await connector.artifacts("2") == ()

    # Check

    async def test_another_zone_than_the_configured_one_is_a_finding(
        self, connector: Connector, sim: OnstreamSimulator
    ) -> None:
        sim.add_session(timezone="UP2")
        (finding,) = await connector.check()
        assert finding.code == "zone-mismatch"
        assert "UP2" in finding.message

    @pytest.mark.parametrize("answer", [0, False, "0", "false"])
    async def test_authverify_may_deny_with_a_200(
        self, connector: Connector, sim: OnstreamSimulator, answer: Any
    ) -> None:
        sim.options.authenticated = answer
        with pytest.raises(CredentialsRefused):
            await connector.check()

    async def test_a_wrong_api_version_is_reported(self, make: Factory) -> None:
        with pytest.raises(Refused):
            await make(api_version=9).check()

    def test_a_password_in_clear_text_is_a_finding(self) -> None:
        for url, expected in {
            "http://meet.example.com": True,
            "https://meet.example.com": False,
            "http://localhost:80": False,
            "http://[::1]:80": False,
            "http://192.0.2.1": True,
        }.items():
            assert bool(clear_text(settings(url).url)) is expected
