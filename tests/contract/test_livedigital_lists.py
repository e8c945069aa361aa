"""What livedigital's lists prove: spaces by name or id, rooms over pages that no document describes."""

import asyncio
from typing import Any

import pytest

from connectors.simulators.faults import Fault
from connectors.simulators.livedigital import LivedigitalSimulator
from connectors.vendors import livedigital_api
from sync.errors import ConfigurationError, Gone, UnknownOutcome, Unreachable, WritesLocked
from sync.ports import Connector, Unfindable
from tests.contract.connector_base import MARKER, ConnectorFixtures, Factory, a_meeting
from tests.contract.test_livedigital import ANY, UNKNOWN, LivedigitalBase


class TestSpaces(LivedigitalBase, ConnectorFixtures):
    """Which space the rooms are in."""

    async def test_a_space_is_found_by_its_name_and_by_its_id(self, make: Factory, sim: LivedigitalSimulator) -> None:
        second = sim.add_space("Second")
        for space in ("Second", second.id):
            created = await make(space=space).create(a_meeting(), space, mail=False)
            assert sim.rooms[created.ref].space == second.id

    async def test_only_the_spaces_own_rooms_are_seen(self, make: Factory, sim: LivedigitalSimulator) -> None:
        other = sim.add_session(space=sim.add_space("Second").id)
        mine = sim.add_session()
        listing = await make().list(ANY)
        assert [one.ref for one in listing.sessions] == [mine.id]
        assert await make().get(other.id) is None

    @pytest.mark.parametrize("space", ["Meeting", "meetings", UNKNOWN])
    async def test_an_unknown_space_is_a_wrong_configuration(
        self, make: Factory, sim: LivedigitalSimulator, space: str
    ) -> None:
        for number in range(7):
            sim.add_space(f"Team {number} " + "x" * 60)
        connector = make(space=space)
        for call in (connector.check(), connector.create(a_meeting(), MARKER, mail=False), connector.find(MARKER)):
            with pytest.raises(ConfigurationError) as caught:
                await call
            said = str(caught.value)
            assert f'no space "{space}"' in said
            assert '"Meetings"' in said
            assert "and 3 more" in said
            assert len(said) < 400
        assert sim.changes == 0

    async def test_an_account_without_spaces_says_so(self, make: Factory, sim: LivedigitalSimulator) -> None:
        sim.options.space = ""
        sim.reset()
        with pytest.raises(ConfigurationError, match="there is none at all"):
            await make().find(MARKER)

    async def test_one_name_for_two_spaces_is_no_name(self, make: Factory, sim: LivedigitalSimulator) -> None:
        other = sim.add_space("Meetings")
        with pytest.raises(ConfigurationError, match=other.id):
            await make().find(MARKER)

    async def test_spaces_that_cannot_all_be_listed_are_no_proof(
        self, make: Factory, sim: LivedigitalSimulator
    ) -> None:
        hidden = sim.add_space("Second").id
        sim.options.paging, sim.options.page = "capped", 1
        with pytest.raises(Unreachable, match="cut short"):
            await make(space="Second", create_space=True).create(a_meeting(), MARKER, mail=False)
        created = await make(space=hidden).create(a_meeting(), MARKER, mail=False)
        assert sim.rooms[created.ref].space == hidden

    async def test_a_missing_space_is_made_by_the_first_room_alone(
        self, make: Factory, sim: LivedigitalSimulator
    ) -> None:
        connector = make(space="New", create_space=True)
        (finding,) = await connector.check()
        assert finding.code == "space-missing"
        assert await connector.find(MARKER) == ()
        assert (await connector.list(ANY)).complete
        assert await connector.get(UNKNOWN) is None
        await connector.delete(UNKNOWN)
        with pytest.raises(Gone):
            await connector.host_link(UNKNOWN)
        with pytest.raises(WritesLocked):
            await make(space="New", create_space=True, locked=True).create(a_meeting(), MARKER, mail=False)
        assert sim.changes == 0
        await asyncio.gather(*(connector.create(a_meeting(), f"m{number}", mail=False) for number in range(6)))
        assert [space.name for space in sim.spaces.values()] == ["Meetings", "New"]
        assert len({room.space for room in sim.rooms.values()}) == 1
        assert await connector.check() == ()

    async def test_a_space_that_got_lost_on_the_way_is_found_again(
        self, make: Factory, sim: LivedigitalSimulator
    ) -> None:
        connector = make(space="New", create_space=True)
        sim.faults.add(Fault("500_after", resource="space-create"))
        with pytest.raises(UnknownOutcome):
            await connector.create(a_meeting(), MARKER, mail=False)
        await connector.create(a_meeting(), MARKER, mail=False)
        assert [space.name for space in sim.spaces.values()] == ["Meetings", "New"]

    async def test_a_space_that_vanished_is_noticed(self, make: Factory, sim: LivedigitalSimulator) -> None:
        connector = make()
        created = await connector.create(a_meeting(), MARKER, mail=False)
        sim.remove_space(next(iter(sim.spaces)))
        with pytest.raises(Unreachable, match="the space is gone"):
            await connector.find(MARKER)
        with pytest.raises(ConfigurationError):
            await connector.get(created.ref)


class TestPaging(LivedigitalBase, ConnectorFixtures):
    """Absence is concluded only from a list that is known to be whole."""

    async def _filled(self, connector: Connector, sim: LivedigitalSimulator) -> str:
        for number in range(3):
            sim.add_session(f"Foreign {number}")
        return (await connector.create(a_meeting(), MARKER, mail=False)).ref

    @pytest.mark.parametrize("paging", ["limit_offset", "no_total", "none"])
    @pytest.mark.parametrize("page", [1, 2, 3, 4, 20])
    async def test_every_room_is_seen_where_the_server_pages_or_shows_all(
        self, connector: Connector, sim: LivedigitalSimulator, paging: Any, page: int
    ) -> None:
        ref = await self._filled(connector, sim)
        sim.options.paging, sim.options.page = paging, page
        found = await connector.find(MARKER)
        assert isinstance(found, tuple)
        assert [one.ref for one in found] == [ref]
        assert await connector.find("absent") == ()
        listing = await connector.list(ANY)
        assert ({one.ref for one in listing.sessions}, listing.complete) == (set(sim.rooms), True)
        assert await connector.check() == ()

    @pytest.mark.parametrize("paging", ["capped", "mute"])
    async def test_a_list_that_is_cut_short_proves_nothing(
        self, connector: Connector, sim: LivedigitalSimulator, paging: Any
    ) -> None:
        await self._filled(connector, sim)
        for _ in range(12):
            sim.add_session()
        sim.options.paging, sim.options.page = paging, 10
        found = await connector.find("absent")
        assert isinstance(found, Unfindable)
        assert "does not advance" in found.why
        listing = await connector.list(ANY)
        assert (len(listing.sessions), listing.complete) == (10, False)
        (finding,) = await connector.check()
        assert finding.code == "list-cut-short"

    async def test_a_server_that_refuses_unknown_parameters_is_asked_without_them_first(
        self, connector: Connector, sim: LivedigitalSimulator
    ) -> None:
        ref = await self._filled(connector, sim)
        sim.options.paging, sim.options.refuse_paging = "none", True
        assert [one.ref for one in (await connector.list(ANY)).sessions][-1] == ref
        assert await connector.find("absent") == ()
        sim.options.paging, sim.options.page = "capped", 3
        found = await connector.find("absent")
        assert isinstance(found, Unfindable)
        assert "refuses to page (422)" in found.why

    async def test_a_list_without_a_total_is_whole_where_that_is_configured(
        self, make: Factory, sim: LivedigitalSimulator
    ) -> None:
        for _ in range(10):
            sim.add_session()
        sim.options.paging = "mute"
        assert isinstance(await make().find(MARKER), Unfindable)
        connector = make(lists_are_whole=True)
        assert await connector.find(MARKER) == ()
        assert (await connector.list(ANY)).complete
        sim.options.paging, sim.options.page = "capped", 1
        sim.add_session()
        # A total that says otherwise is believed in any case.
        assert isinstance(await connector.find(MARKER), Unfindable)

    async def test_a_list_without_a_total_whose_length_is_no_pages_is_whole(
        self, connector: Connector, sim: LivedigitalSimulator
    ) -> None:
        for _ in range(11):
            sim.add_session()
        sim.options.paging = "mute"
        assert await connector.find(MARKER) == ()

    async def test_what_a_cut_list_shows_is_found(self, connector: Connector, sim: LivedigitalSimulator) -> None:
        created = await connector.create(a_meeting(), MARKER, mail=False)
        for _ in range(12):
            sim.add_session()
        sim.options.paging, sim.options.page = "capped", 10
        found = await connector.find(MARKER)
        assert not isinstance(found, Unfindable)
        assert [one.ref for one in found] == [created.ref]

    async def test_lists_without_end_are_no_proof(
        self, connector: Connector, sim: LivedigitalSimulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await self._filled(connector, sim)
        monkeypatch.setattr(livedigital_api, "MAX_PAGES", 2)
        sim.options.page = 1
        found = await connector.find("absent")
        assert isinstance(found, Unfindable)
        assert "more than 2 pages" in found.why

    async def test_a_room_that_slipped_between_two_pages_is_found_by_the_second_look(
        self, connector: Connector, sim: LivedigitalSimulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = sim.add_session().id
        sim.add_session()
        ours = await connector.create(a_meeting(), MARKER, mail=False)
        sim.add_session()
        sim.options.page = 2
        _removing(sim, first, monkeypatch)
        found = await connector.find(MARKER)
        assert isinstance(found, tuple)
        assert [one.ref for one in found] == [ours.ref]

    async def test_a_room_that_was_removed_between_two_looks_makes_a_listing_incomplete(
        self, connector: Connector, sim: LivedigitalSimulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await self._filled(connector, sim)
        _removing(sim, next(iter(sim.rooms)), monkeypatch)
        assert not (await connector.list(ANY)).complete
        assert (await connector.list(ANY)).complete

    async def test_rooms_are_asked_one_by_one_only_where_a_list_never_shows_the_field(
        self, connector: Connector, sim: LivedigitalSimulator
    ) -> None:
        ref = await self._filled(connector, sim)
        await connector.find(MARKER)
        assert "room" not in {entry.resource for entry in sim.requests}
        sim.options.short_lists = True
        found = await connector.find(MARKER)
        assert isinstance(found, tuple)
        assert [one.ref for one in found] == [ref]
        assert [entry.resource for entry in sim.requests].count("room") == 4

    async def test_foreign_markers_and_foreign_pages_are_not_ours(
        self, connector: Connector, sim: LivedigitalSimulator
    ) -> None:
        for address in ("https://example.com/", f"https://x.example/?q={MARKER}", "https://x.example/#convener="):
            sim.add_session(redirectUrl=address)
        assert await connector.find(MARKER) == ()
        moved = sim.add_session(redirectUrl="https://old-front.example/#convener=convener%3A6f1d2a")
        found = await connector.find(MARKER)
        assert isinstance(found, tuple)
        assert [one.ref for one in found] == [moved.id]


def _removing(sim: LivedigitalSimulator, victim: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody removes the room as soon as the first page of a list has been answered."""
    listed, victims = sim._account.get_rooms, [victim]

    def shrinking(*args: Any) -> Any:
        answer = listed(*args)
        while victims:
            sim.remove_session(victims.pop())
        return answer

    monkeypatch.setattr(sim._account, "get_rooms", shrinking)
