"""The ground under the contract tests of connectors: fixtures, meetings, and what holds when nothing goes wrong.

Each test starts with a fresh simulator, served over real loopback HTTP. What a vendor cannot do is skipped by
asking its capabilities, never by naming it.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.simulators.serve import serve_in_thread
from sync.errors import (
    Gone,
)
from sync.model import Capabilities, Meeting, MeetingKey, Participant, Role, Window
from sync.ports import Connector, Unfindable

NOON = datetime(2026, 12, 1, 12, 0, tzinfo=UTC)
MARKER = "convener:6f1d2a"
SHORT = "300ms"
"""The client's time-out where a test lets the server keep silent."""

PEOPLE = (
    Participant("ada@example.com", "Ada King Lovelace", Role.MODERATOR),
    Participant("grace@example.com", "Grace Hopper", Role.PARTICIPANT),
    Participant("kurt@example.com", "", Role.OBSERVER),
)
HOSTILE_TITLES = {
    "emoji": "Launch 🚀 in Zürich – 日本語",
    "form characters": "a&b=c+d%20e#f;g?h/i\\j",
    "cut and replace": 'a&rest_data={}&input_type=json"}',
    "markup": "<b>Bold</b> \"quoted\" 'n' &amp; done",
    "line ends": "first\r\nX-Injected: yes\nthird",
    "right to left": "\u202eפגישה עם لقاء\u202c",
    "300 characters": "x" * 300,
    "percent": "100% %s %d %%",
}
Factory = Callable[..., Connector]
"""Makes a connector for the served simulator: `make(locked=False, timeout="5s", **settings)`."""


def a_meeting(title: str = "Weekly", start: datetime = NOON, minutes: float = 60, **more: Any) -> Meeting:
    """A meeting that lacks nothing."""
    key = MeetingKey("sales", "uid-1")
    return Meeting(key, title, start, start + timedelta(minutes=minutes), **more)


def can(capabilities: Capabilities, name: str) -> bool:
    """Whether a vendor can do what `@pytest.mark.needs(name)` names: a capability, or "find"."""
    if name == "find":
        return capabilities.marker != "none"
    if name == "all_roles":
        return capabilities.roles == frozenset(Role)
    return bool(getattr(capabilities, name))


class ConnectorFixtures:
    """The fixtures. A subclass gives `sim` and `new_connector` and names the resources."""

    capabilities: Capabilities
    """Those of the connector under test."""
    session_resource: str
    """The resource of the create, update and delete calls."""
    invitee_resource: str
    look_resource: str
    """The resource that `find` and `list` read."""
    secrets: tuple[str, ...]
    """Texts that must not come out in any error, log or repr."""

    @pytest.fixture
    def sim(self) -> Any:
        """The vendor's simulator, fresh."""
        raise NotImplementedError

    def new_connector(self, url: str, *, locked: bool, timeout: str, **settings: Any) -> Connector:
        """A connector for the simulator at `url`."""
        raise NotImplementedError

    @pytest.fixture
    def url(self, sim: Any) -> Iterator[str]:
        """Where the simulator is served."""
        with serve_in_thread(sim.app) as served:
            yield served.url

    @pytest.fixture
    async def make(self, url: str) -> AsyncIterator[Factory]:
        """Connectors, closed at the end."""
        made = []

        def factory(*, locked: bool = False, timeout: str = "5s", **settings: Any) -> Connector:
            connector = self.new_connector(url, locked=locked, timeout=timeout, **settings)
            made.append(connector)
            return connector

        yield factory
        for connector in made:
            await connector.close()

    @pytest.fixture
    def connector(self, make: Factory) -> Connector:
        """A connector that may write."""
        return make()

    @pytest.fixture(autouse=True)
    def _skip_what_the_vendor_cannot(self, request: pytest.FixtureRequest) -> None:
        marker = request.node.get_closest_marker("needs")
        missing = [name for name in (marker.args if marker else ()) if not can(self.capabilities, name)]
        if missing:
            pytest.skip(f"this vendor has no {', '.join(missing)}")


class BasicSuite(ConnectorFixtures):
    """What holds in fair weather."""

    # Round trip

    @pytest.mark.needs("find", "list")
    async def test_what_is_created_is_got_found_and_listed(self, connector: Connector) -> None:
        meeting = a_meeting("Quarter review", participants=PEOPLE)
        created = await connector.create(meeting, MARKER, mail=False)
        got = await connector.get(created.ref)
        assert got is not None
        assert (got.ref, got.marker) == (created.ref, MARKER)
        for name in connector.capabilities.holds & {"title", "start", "end"}:
            assert getattr(got, name) == getattr(meeting, name)
        assert got.join_url is not None
        assert got.join_url.startswith("http")
        assert await connector.find(MARKER) == (got,)
        listing = await connector.list(Window(NOON - timedelta(days=1), NOON + timedelta(days=1)))
        assert (listing.sessions, listing.complete) == ((got,), True)

    @pytest.mark.needs("list")
    async def test_a_listing_holds_only_what_overlaps_the_window(self, connector: Connector) -> None:
        near = await connector.create(a_meeting(), MARKER, mail=False)
        await connector.create(a_meeting(start=NOON + timedelta(days=9)), "other", mail=False)
        listing = await connector.list(Window(NOON + timedelta(minutes=59), NOON + timedelta(days=1)))
        assert [one.ref for one in listing.sessions] == [near.ref]
        assert listing.complete

    @pytest.mark.needs("find", "list")
    async def test_an_empty_account_is_empty_and_not_an_error(self, connector: Connector) -> None:
        assert await connector.find(MARKER) == ()
        listing = await connector.list(Window(NOON, NOON + timedelta(days=1)))
        assert (listing.sessions, listing.complete) == ((), True)

    @pytest.mark.needs("find")
    async def test_two_sessions_with_one_marker_come_oldest_first(self, connector: Connector) -> None:
        refs = [(await connector.create(a_meeting(), MARKER, mail=False)).ref for _ in range(2)]
        await connector.create(a_meeting(), MARKER + "0", mail=False)
        found = await connector.find(MARKER)
        assert not isinstance(found, Unfindable)
        assert [one.ref for one in found] == refs

    @pytest.mark.needs("update")
    @pytest.mark.parametrize("title", HOSTILE_TITLES.values(), ids=HOSTILE_TITLES)
    async def test_a_title_arrives_as_it_is(self, connector: Connector, title: str) -> None:
        created = await connector.create(a_meeting(title, participants=PEOPLE[:1]), MARKER, mail=False)
        got = await connector.get(created.ref)
        assert got is not None
        assert (got.title, got.marker, got.end) == (title, MARKER, NOON + timedelta(hours=1))
        changed = a_meeting(title[::-1] or "x")
        await connector.update(created.ref, changed, frozenset({"title"}))
        again = await connector.get(created.ref)
        assert again is not None
        assert again.title == changed.title

    @pytest.mark.needs("create_invites", "list_invitees")
    async def test_two_hundred_participants_are_one_write(self, connector: Connector, sim: Any) -> None:
        crowd = tuple(Participant(f"p{number}@example.com", f"Person {number}") for number in range(200))
        created = await connector.create(a_meeting(participants=crowd), MARKER, mail=False)
        found = await connector.invitees(created.ref)
        assert not isinstance(found, Unfindable)
        assert {one.email for one in found} == {one.email for one in crowd}
        assert sim.changes == 1

    async def test_an_unknown_session_is_none(self, connector: Connector) -> None:
        assert await connector.get("987654") is None

    # Changes

    @pytest.mark.needs("update", "find")
    async def test_each_declared_field_is_updated_and_nothing_else(self, connector: Connector) -> None:
        before = a_meeting("Before", participants=PEOPLE)
        after = a_meeting("After", start=NOON + timedelta(minutes=30), minutes=90)
        for name in sorted(connector.capabilities.update & {"title", "start", "end"}):
            created = await connector.create(before, f"{MARKER}-{name}", mail=False)
            meeting = replace(before, **{name: getattr(after, name)})
            await connector.update(created.ref, meeting, frozenset({name}))
            got = await connector.get(created.ref)
            assert got is not None
            assert (got.title, got.start, got.end) == (meeting.title, meeting.start, meeting.end)
            assert got.marker == f"{MARKER}-{name}"
            people = await connector.invitees(created.ref)
            assert not isinstance(people, Unfindable)
            assert len(people) == len(PEOPLE)

    async def test_an_update_of_nothing_writes_nothing(self, connector: Connector, sim: Any) -> None:
        created = await connector.create(a_meeting(), MARKER, mail=False)
        await connector.update(created.ref, a_meeting(), frozenset())
        assert sim.changes == 1

    @pytest.mark.needs("update", "delete")
    async def test_an_update_of_a_deleted_session_is_gone(self, connector: Connector) -> None:
        created = await connector.create(a_meeting(), MARKER, mail=False)
        await connector.delete(created.ref)
        with pytest.raises(Gone):
            await connector.update(created.ref, a_meeting("New"), frozenset({"title"}))

    @pytest.mark.needs("delete", "find")
    async def test_deleting_twice_is_success(self, connector: Connector) -> None:
        created = await connector.create(a_meeting(), MARKER, mail=False)
        other = await connector.create(a_meeting(), "other", mail=False)
        await connector.delete(created.ref)
        await connector.delete(created.ref)
        assert await connector.get(created.ref) is None
        assert await connector.find(MARKER) == ()
        assert await connector.get(other.ref) is not None

    # People

    @pytest.mark.needs("invite", "uninvite", "change_role", "list_invitees", "all_roles")
    async def test_people_come_and_go_and_change_roles(self, connector: Connector) -> None:
        created = await connector.create(a_meeting(), MARKER, mail=False)
        assert await connector.invitees(created.ref) == ()
        invited = {}
        for person in PEOPLE:
            invited[person.email] = await connector.invite(created.ref, person, mail=False)
        people = await connector.invitees(created.ref)
        assert not isinstance(people, Unfindable)
        assert {(one.email, one.role) for one in people} == {(one.email, one.role) for one in PEOPLE}
        assert {one.ref for one in people} == {one.ref for one in invited.values()}

        grace = replace(PEOPLE[1], role=Role.MODERATOR)
        await connector.change_role(created.ref, invited[grace.email].ref, grace)
        await connector.uninvite(created.ref, invited[PEOPLE[0].email].ref)
        await connector.uninvite(created.ref, invited[PEOPLE[0].email].ref)
        people = await connector.invitees(created.ref)
        assert not isinstance(people, Unfindable)
        roles = {one.email: one.role for one in people}
        assert roles == {grace.email: Role.MODERATOR, PEOPLE[2].email: Role.OBSERVER}

    @pytest.mark.needs("create_invites", "list_invitees", "all_roles", "personal_links")
    async def test_participants_of_a_create_have_their_roles_and_links(self, connector: Connector) -> None:
        created = await connector.create(a_meeting(participants=PEOPLE), MARKER, mail=False)
        people = await connector.invitees(created.ref)
        assert not isinstance(people, Unfindable)
        assert {(one.email, one.role) for one in people} == {(one.email, one.role) for one in PEOPLE}
        links = {one.personal_link for one in people}
        assert len(links) == len(PEOPLE)
        for link in links:
            assert link is not None
            assert link not in repr(people)

    @pytest.mark.needs("invite", "uninvite", "change_role", "update", "delete")
    async def test_nobody_is_mailed_unless_it_is_asked(self, connector: Connector, sim: Any) -> None:
        created = await connector.create(a_meeting(participants=PEOPLE), MARKER, mail=False)
        ref = created.ref
        new = await connector.invite(ref, Participant("new@example.com"), mail=False)
        await connector.change_role(ref, new.ref, Participant("new@example.com", role=Role.OBSERVER))
        await connector.update(ref, a_meeting("New", start=NOON + timedelta(days=1)), connector.capabilities.update)
        await connector.uninvite(ref, new.ref)
        await connector.delete(ref)
        assert sim.mails == []

    @pytest.mark.needs("vendor_mail", "invite")
    async def test_who_is_to_be_mailed_is_mailed_once(self, connector: Connector, sim: Any) -> None:
        created = await connector.create(a_meeting(participants=PEOPLE), MARKER, mail=True)
        await connector.invite(created.ref, Participant("new@example.com"), mail=True)
        expected = sorted([*(one.email for one in PEOPLE), "new@example.com"])
        assert sorted(mail.email for mail in sim.mails) == expected

    @pytest.mark.needs("invite", "delete")
    async def test_inviting_to_a_deleted_session_is_gone(self, connector: Connector) -> None:
        created = await connector.create(a_meeting(), MARKER, mail=False)
        await connector.delete(created.ref)
        with pytest.raises(Gone):
            await connector.invite(created.ref, PEOPLE[0], mail=False)
