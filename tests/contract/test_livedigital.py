"""The livedigital connector against its stand-in: the common suite, and what is special about rooms and links."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

import pytest

from connectors.simulators.faults import Fault
from connectors.simulators.livedigital import LivedigitalSimulator
from connectors.vendors.livedigital import LivedigitalConnector, plugin
from connectors.vendors.livedigital_settings import LivedigitalSettings
from sync.errors import CredentialsRefused, Gone, Refused, UnknownOutcome, Unreachable
from sync.model import Participant, Role, Window
from sync.ports import Connector
from tests.contract.connector import ConnectorSuite
from tests.contract.connector_base import MARKER, NOON, PEOPLE, BasicSuite, ConnectorFixtures, Factory, a_meeting

TOKEN = "personal-t0ken/=&"
PASSWORD = "p4ss:wörd/&"
CLIENT_SECRET = "cl1ent-s3cret"
ANY = Window(NOON, NOON + timedelta(days=1))
UNKNOWN = "0" * 24


class LivedigitalBase:
    """The fixtures for all kinds of tests."""

    capabilities = LivedigitalConnector.capabilities
    session_resource = "room-create"
    update_resource: str | None = "room-update"
    delete_resource: str | None = "room-delete"
    get_resource: str | None = "room"
    look_resource = "rooms"
    look_requests = 2
    link_resource = "generate-access"
    invitee_resource = ""
    unknown_ref = UNKNOWN
    secrets: tuple[str, ...] = (TOKEN, PASSWORD, CLIENT_SECRET)
    hidden_paths: tuple[str, ...] = ("/v1", "accessToken")
    wrong_credentials: Mapping[str, Any] = MappingProxyType({"access_token": "wrong-token"})
    way_in = "token"

    def new_sim(self, **options: Any) -> LivedigitalSimulator:
        given = {"access_token": TOKEN, "client_secret": CLIENT_SECRET, "way_in": self.way_in}
        return LivedigitalSimulator("ada@example.com", PASSWORD, **(given | options))

    @pytest.fixture
    def sim(self) -> LivedigitalSimulator:
        return self.new_sim()

    def new_connector(self, url: str, *, locked: bool, timeout: str, **more: Any) -> Connector:
        table = self.new_sim().table(url) | {"timeout": timeout} | more
        return plugin.connect(LivedigitalSettings.model_validate(table), locked)

    def all_secrets(self, sim: LivedigitalSimulator) -> tuple[str, ...]:
        links = [guest.url for guest in sim.guests]
        return (*self.secrets, *sim.tokens, *links, *(link.partition("accessToken=")[2] for link in links))


class TestLivedigital(LivedigitalBase, ConnectorSuite):
    """The common suite, with a personal access token."""


class TestLivedigitalByGrants(LivedigitalBase, ConnectorSuite):
    """The common suite, with tokens that have to be got."""

    way_in = "grants"
    wrong_credentials: Mapping[str, Any] = MappingProxyType({"password": "wrong-pass-word"})
    login_requests = 2  # the client is let in, the user is not

    @pytest.mark.parametrize("kind", ["400_before", "409_before", "403_before", "429"])
    async def test_a_refused_write_had_no_effect_and_says_so(self, connector: Connector, sim: Any, kind: str) -> None:
        """Without the 401, which one renewal of the tokens mends: see test_livedigital_logins.py."""
        await super().test_a_refused_write_had_no_effect_and_says_so(connector, sim, kind)


class TestLivedigitalWithOtherManners(LivedigitalBase, BasicSuite):
    """Short pages without a total, lists that show little, and nothing shown that is not set."""

    @pytest.fixture
    def sim(self) -> LivedigitalSimulator:
        return self.new_sim(paging="no_total", page=2, short_lists=True, omit_nulls=True)


class TestLivedigitalByName(LivedigitalBase, BasicSuite):
    """The marker in the room's name, where it is a digest: a room that is got shows that instead of the marker."""

    @pytest.fixture
    def sim(self) -> LivedigitalSimulator:
        return self.new_sim(hide_redirect=True)

    def new_connector(self, url: str, *, locked: bool, timeout: str, **more: Any) -> Connector:
        return super().new_connector(url, locked=locked, timeout=timeout, marker="name", **more)

    def shown_marker(self, marker: str) -> str | None:
        return f"cv-{hashlib.sha256(marker.encode()).hexdigest()[:12]}"

    async def test_what_looks_like_a_mark_in_a_title_is_none_of_ours(self, connector: Connector) -> None:
        created = await connector.create(a_meeting("first [cv-0123456789ab]"), MARKER, mail=False)
        got = await connector.get(created.ref)
        assert got is not None
        assert (got.title, got.marker) == ("first [cv-0123456789ab]", self.shown_marker(MARKER))

    async def test_a_route_without_marks_has_clean_names(self, connector: Connector, sim: LivedigitalSimulator) -> None:
        await connector.create(a_meeting("Clean"), "", mail=False)
        assert [room.settings["name"] for room in sim.rooms.values()] == ["Clean"]


async def _tuple(connector: Connector, marker: str) -> tuple[Any, ...]:
    found = await connector.find(marker)
    assert isinstance(found, tuple)
    return found


class TestLivedigitalAlone(LivedigitalBase, ConnectorFixtures):
    """What is special about its rooms and links."""

    # Creating and editing

    async def test_a_create_says_what_is_ours_and_nothing_else(
        self, connector: Connector, sim: LivedigitalSimulator
    ) -> None:
        created = await connector.create(a_meeting(participants=PEOPLE), MARKER, mail=False)
        assert [(entry.method, entry.resource) for entry in sim.requests] == [
            ("GET", "spaces"),
            ("POST", "room-create"),
        ]
        marked = "https://edu.example.com/#convener=convener%3A6f1d2a"
        assert sim.writes[0].params == {"name": "Weekly", "isPublic": False, "redirectUrl": marked}
        (room,) = sim.rooms.values()
        assert created.join_url == f"https://edu.example.com/room/{room.alias}"

    async def test_a_room_is_public_when_that_is_configured(self, make: Factory, sim: LivedigitalSimulator) -> None:
        await make(public=True).create(a_meeting(), MARKER, mail=False)
        assert [room.settings["isPublic"] for room in sim.rooms.values()] == [True]

    async def test_an_edit_preserves_every_setting_that_is_not_ours(
        self, connector: Connector, sim: LivedigitalSimulator
    ) -> None:
        created = await connector.create(a_meeting("Before"), MARKER, mail=False)
        theirs = {
            "type": "webinar",
            "isPublic": False,
            "isRecordAllowed": True,
            "isChatAllowed": False,
            "isAvatarsAllowed": False,
            "waitingRoomAudience": "guests",
            "joinSettings": {"fields": [{"slug": "email", "required": True}], "customFields": []},
        }
        sim.change_room(created.ref, **theirs)
        before = sim.rooms[created.ref].settings
        await connector.update(created.ref, a_meeting("After"), frozenset({"title"}))
        assert sim.rooms[created.ref].settings == {**before, "name": "After"}

    async def test_an_edit_never_sends_what_is_the_servers(
        self, connector: Connector, sim: LivedigitalSimulator
    ) -> None:
        created = await connector.create(a_meeting(), MARKER, mail=False)
        await connector.update(created.ref, a_meeting("After"), frozenset({"title"}))
        sent = sim.writes[-1].params
        assert not {"id", "alias", "templateId", "parentRoomId", "breakoutRooms", "roleInRoom"} & sent.keys()

    async def test_a_changed_time_is_nothing_to_a_room(self, connector: Connector, sim: LivedigitalSimulator) -> None:
        created = await connector.create(a_meeting(), MARKER, mail=False)
        await connector.update(created.ref, a_meeting(start=NOON + timedelta(days=1)), frozenset({"start", "end"}))
        assert sim.changes == 1

    async def test_an_edit_may_be_answered_with_a_bare_status(
        self, connector: Connector, sim: LivedigitalSimulator
    ) -> None:
        created = await connector.create(a_meeting(), MARKER, mail=False)
        sim.faults.add(Fault("empty", resource="room-update"), Fault("empty", resource="room-delete"))
        await connector.update(created.ref, a_meeting("After"), frozenset({"title"}))
        assert sim.rooms[created.ref].settings["name"] == "After"
        await connector.delete(created.ref)
        assert not sim.rooms

    async def test_a_create_without_an_answer_is_an_unknown_outcome(
        self, connector: Connector, sim: LivedigitalSimulator
    ) -> None:
        sim.faults.add(Fault("empty", resource="room-create"), Fault("empty", resource="generate-access"))
        with pytest.raises(UnknownOutcome):
            await connector.create(a_meeting(), MARKER, mail=False)
        (found,) = await _tuple(connector, MARKER)
        with pytest.raises(UnknownOutcome):
            await connector.host_link(found.ref)

    async def test_a_refusal_says_why_in_one_line(self, connector: Connector) -> None:
        with pytest.raises(Refused, match=r"answered 422: name is required – validation_error$") as caught:
            await connector.create(a_meeting(" "), MARKER, mail=False)
        assert caught.value.status == 422

    async def test_a_stray_404_is_not_taken_for_gone(self, connector: Connector, sim: LivedigitalSimulator) -> None:
        created = await connector.create(a_meeting(), MARKER, mail=False)
        sim.faults.add(Fault("404_before", resource="room"))
        assert await connector.get(created.ref) is not None
        sim.faults.add(Fault("404_before", resource="rooms"))
        with pytest.raises(Unreachable, match="space is gone"):
            await connector.find(MARKER)

    async def test_cookies_are_not_sent_back(self, connector: Connector, sim: LivedigitalSimulator) -> None:
        created = await connector.create(a_meeting(), MARKER, mail=False)
        for _ in range(2):  # the stand-in sets one with each answer and refuses whoever returns it
            assert await connector.get(created.ref) is not None
        assert {entry.status for entry in sim.requests} == {200, 201}

    # Personal links

    async def test_a_personal_link_names_the_person_and_lives_as_long_as_it_may(
        self, make: Factory, sim: LivedigitalSimulator
    ) -> None:
        now = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
        sim.options.clock = lambda: now
        connector = make(guest_link_life="2d")
        created = await connector.create(a_meeting(), MARKER, mail=False)
        link = await connector.personal_link(created.ref, a_meeting(), PEOPLE[0])
        assert link.expires == now + timedelta(days=2)
        (guest,) = sim.guests
        assert (guest.name, guest.role, guest.permanent) == ("Ada King Lovelace", "moderator", True)
        assert guest.url == link.url
        assert sim.writes[-1].params["ttl"] == 172800
        assert "ada@example.com" not in str(sim.writes[-1].params)

    async def test_a_repeated_link_is_for_the_same_person(
        self, connector: Connector, sim: LivedigitalSimulator
    ) -> None:
        created = await connector.create(a_meeting(), MARKER, mail=False)
        for person in (*PEOPLE, PEOPLE[0], Participant("grace@example.com", "Grace H.")):
            await connector.personal_link(created.ref, a_meeting(), person)
        names = [guest.external_id for guest in sim.guests]
        assert names[0] == names[3]
        assert names[1] == names[4]
        assert len(set(names)) == 3
        assert [guest.role for guest in sim.guests] == ["moderator", "user", "user", "moderator", "user"]
        assert sim.guests[2].name == "kurt"

    async def test_without_a_dated_token_the_servers_clock_and_the_life_give_the_end(
        self, connector: Connector, sim: LivedigitalSimulator
    ) -> None:
        sim.options.dated = False
        created = await connector.create(a_meeting(), MARKER, mail=False)
        before = datetime.now(UTC) - timedelta(seconds=2)
        link = await connector.personal_link(created.ref, a_meeting(), PEOPLE[0])
        assert link.expires is not None
        assert before <= link.expires - timedelta(days=5) <= datetime.now(UTC)

    async def test_a_life_that_the_server_does_not_grant_is_refused_with_its_reason(
        self, make: Factory, sim: LivedigitalSimulator
    ) -> None:
        connector = make(guest_link_life="6d")
        created = await connector.create(a_meeting(), MARKER, mail=False)
        with pytest.raises(Refused, match="ttl must be from 1 to 432000"):
            await connector.personal_link(created.ref, a_meeting(), PEOPLE[0])

    async def test_a_host_enters_as_a_moderator_for_half_a_day(
        self, connector: Connector, sim: LivedigitalSimulator
    ) -> None:
        created = await connector.create(a_meeting(), MARKER, mail=False)
        assert await connector.host_link(created.ref) == sim.guests[0].url
        assert (sim.guests[0].name, sim.guests[0].role) == ("Host", "moderator")
        assert sim.writes[-1].params["ttl"] == 12 * 3600

    async def test_a_link_into_a_room_that_is_gone_or_not_ours(
        self, connector: Connector, sim: LivedigitalSimulator
    ) -> None:
        foreign = sim.add_session(owner="other@example.com")
        with pytest.raises(Refused, match="You may not let anybody") as caught:
            await connector.personal_link(foreign.id, a_meeting(), PEOPLE[0])
        assert caught.value.status == 403
        with pytest.raises(Gone):
            await connector.personal_link(UNKNOWN, a_meeting(), PEOPLE[0])

    async def test_a_forbidden_room_is_the_accounts_trouble_when_it_is_shown_no_spaces_either(
        self, connector: Connector, sim: LivedigitalSimulator
    ) -> None:
        foreign = sim.add_session(owner="other@example.com")
        assert await connector.get(foreign.id) is not None
        sim.faults.add(Fault("403_before", resource="spaces"))
        with pytest.raises(CredentialsRefused):
            await connector.personal_link(foreign.id, a_meeting(), PEOPLE[0])
        sim.faults.add(Fault("403_before", resource="generate-access"))  # without a word of the API's own
        with pytest.raises(CredentialsRefused):
            await connector.personal_link(foreign.id, a_meeting(), PEOPLE[0])

    # Capabilities follow the settings

    def test_what_is_configured_is_declared(self, make: Factory) -> None:
        plain = make().capabilities
        assert plain == plugin.capabilities
        assert (plain.marker, plain.session, plain.mints_links) == ("metadata", "room", True)
        assert plain.limits.link_life == timedelta(days=5)
        other = make(guest_links=False, marker="name", attendance=False, retention="7d").capabilities
        assert (other.mints_links, other.personal_links, other.limits.link_life) == (False, False, None)
        assert (other.marker, other.attendance_pull, other.retention) == ("title", False, timedelta(days=7))
        assert Role.OBSERVER not in other.roles

    async def test_rooms_that_nobody_can_enter_are_a_finding(self, make: Factory) -> None:
        (finding,) = await make(guest_links=False).check()
        assert finding.code == "private-rooms-without-guest-links"
        assert await make(guest_links=False, public=True).check() == ()
