"""What every connector must do about sessions when nothing goes wrong."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from sync.errors import Gone, Refused
from sync.model import Participant, Window
from sync.ports import Connector, Unfindable
from tests.contract.connector_fixtures import (
    HOSTILE_TITLES,
    MARKER,
    NOON,
    PEOPLE,
    SHORT,
    ConnectorFixtures,
    Factory,
    a_meeting,
)
from tests.contract.connector_people import PeopleSuite

__all__ = ["MARKER", "NOON", "PEOPLE", "SHORT", "BasicSuite", "ConnectorFixtures", "Factory", "a_meeting"]


class BasicSuite(PeopleSuite):
    """Sessions and people."""

    # Round trip

    @pytest.mark.needs("find", "list")
    async def test_what_is_created_is_got_found_and_listed(self, connector: Connector) -> None:
        meeting = a_meeting("Quarter review", participants=PEOPLE)
        created = await connector.create(meeting, MARKER, mail=False)
        got = await connector.get(created.ref)
        assert got is not None
        assert (got.ref, got.marker) == (created.ref, self.shown_marker(MARKER))
        for name in connector.capabilities.holds & {"title", "start", "end"}:
            assert getattr(got, name) == getattr(meeting, name)
        assert got.join_url is not None
        assert got.join_url.startswith("http")
        assert created.join_url in (None, got.join_url)
        assert await connector.find(MARKER) == (replace(got, marker=MARKER),)
        listing = await connector.list(Window(NOON - timedelta(days=1), NOON + timedelta(days=1)))
        assert (listing.sessions, listing.complete) == ((got,), True)

    @pytest.mark.needs("list", "start", "end")
    async def test_a_listing_holds_only_what_overlaps_the_window(self, connector: Connector) -> None:
        near = await connector.create(a_meeting(), MARKER, mail=False)
        await connector.create(a_meeting(start=NOON + timedelta(days=9)), "other", mail=False)
        listing = await connector.list(Window(NOON + timedelta(minutes=59), NOON + timedelta(days=1)))
        assert [one.ref for one in listing.sessions] == [near.ref]
        assert listing.complete

    @pytest.mark.needs("list", "reads_back")
    async def test_a_list_shows_each_session_just_as_a_look_at_it_does(self, connector: Connector) -> None:
        looks = []
        for number, title in enumerate(HOSTILE_TITLES.values()):
            wish = a_meeting(title[: connector.capabilities.limits.title], participants=PEOPLE[:1])
            created = await connector.create(wish, f"{MARKER}-{number}", mail=False)
            if "title" in connector.capabilities.update:
                changed = replace(wish, title=wish.title[::-1])
                await connector.update(created.ref, changed, frozenset({"title"}))
            looks.append(await connector.get(created.ref))
        listing = await connector.list(Window(NOON - timedelta(days=1), NOON + timedelta(days=1)))
        assert (list(listing.sessions), listing.complete) == (looks, True)

    @pytest.mark.needs("find", "list")
    async def test_an_empty_account_is_empty_and_not_an_error(self, connector: Connector) -> None:
        assert await connector.find(MARKER) == ()
        listing = await connector.list(Window(NOON, NOON + timedelta(days=1)))
        assert (listing.sessions, listing.complete) == ((), True)

    @pytest.mark.needs("find")
    async def test_two_sessions_with_one_marker_come_oldest_first(self, connector: Connector) -> None:
        if connector.capabilities.create_is_idempotent:
            pytest.skip("there cannot be two")
        refs = [(await connector.create(a_meeting(), MARKER, mail=False)).ref for _ in range(2)]
        await connector.create(a_meeting(), MARKER + "0", mail=False)
        found = await connector.find(MARKER)
        assert not isinstance(found, Unfindable)
        assert [one.ref for one in found] == refs

    @pytest.mark.needs("create_is_idempotent", "find")
    async def test_creating_twice_with_one_marker_gives_one_session(self, connector: Connector, sim: Any) -> None:
        meeting = a_meeting(participants=PEOPLE)
        first = await connector.create(meeting, MARKER, mail=False)
        assert (await connector.create(meeting, MARKER, mail=False)).ref == first.ref
        other = await connector.create(meeting, MARKER + "0", mail=False)
        assert other.ref != first.ref
        found = await connector.find(MARKER)
        assert not isinstance(found, Unfindable)
        assert [one.ref for one in found] == [first.ref]

    @pytest.mark.needs("title", "reads_back")
    @pytest.mark.parametrize("title", HOSTILE_TITLES.values(), ids=HOSTILE_TITLES)
    async def test_a_title_arrives_as_it_is(self, connector: Connector, title: str) -> None:
        title = title[: connector.capabilities.limits.title]
        created = await connector.create(a_meeting(title, participants=PEOPLE[:1]), MARKER, mail=False)
        got = await connector.get(created.ref)
        assert got is not None
        assert (got.title, got.marker) == (title, self.shown_marker(MARKER))
        if "end" in connector.capabilities.holds:
            assert got.end == NOON + timedelta(hours=1)
        if "title" not in connector.capabilities.update:
            return
        changed = a_meeting(title[::-1] or "x")
        await connector.update(created.ref, changed, frozenset({"title"}), join_url=got.join_url)
        again = await connector.get(created.ref)
        assert again is not None
        assert again.title == changed.title
        assert again.join_url == got.join_url

    @pytest.mark.needs("create_invites", "list_invitees")
    async def test_two_hundred_participants_are_one_write(self, connector: Connector, sim: Any) -> None:
        crowd = tuple(Participant(f"p{number}@example.com", f"Person {number}") for number in range(200))
        created = await connector.create(a_meeting(participants=crowd), MARKER, mail=False)
        found = await connector.invitees(created.ref)
        assert not isinstance(found, Unfindable)
        assert {one.email for one in found} == {one.email for one in crowd}
        assert self.effects(sim, self.session_resource) == 1

    @pytest.mark.needs("invite")
    async def test_two_hundred_participants_can_be_invited_one_by_one(self, connector: Connector, sim: Any) -> None:
        if connector.capabilities.create_invites or connector.capabilities.limits.participants:
            pytest.skip("they come along with the creation, or there is room for few only")
        created = await connector.create(a_meeting(), MARKER, mail=False)
        refs = set()
        for number in range(200):
            person = Participant(f"p{number}@example.com", f"Person {number}")
            refs.add((await connector.invite(created.ref, person, mail=False)).ref)
        assert len(refs) == 200

    @pytest.mark.needs("reads_back")
    async def test_an_unknown_session_is_none(self, connector: Connector) -> None:
        assert await connector.get(self.unknown_ref) is None

    @pytest.mark.needs("reads_back")
    @pytest.mark.parametrize("ref", ["", "../1", "1/../../x", "1?a=b", "1;x=y", "%2e%2e", "1\r\nX: y", "ü", "x" * 300])
    async def test_a_ref_that_cannot_be_one_reaches_nothing(self, connector: Connector, sim: Any, ref: str) -> None:
        for call in (
            connector.get(ref),
            connector.delete(ref) if connector.capabilities.delete else connector.get(ref),
        ):
            with pytest.raises(Refused):
                await call
        assert sim.changes == 0

    # Changes

    @pytest.mark.needs("update", "find", "reads_back")
    async def test_each_declared_field_is_updated_and_nothing_else(self, connector: Connector) -> None:
        before = a_meeting("Before", participants=PEOPLE)
        after = a_meeting("After", start=NOON + timedelta(minutes=30), minutes=90)
        holds = connector.capabilities.holds
        for name in sorted(connector.capabilities.update & {"title", "start", "end"}):
            created = await connector.create(before, f"{MARKER}-{name}", mail=False)
            shown = await connector.get(created.ref)
            assert shown is not None
            meeting = replace(before, **{name: getattr(after, name)})
            await connector.update(created.ref, meeting, frozenset({name}), join_url=shown.join_url)
            got = await connector.get(created.ref)
            assert got is not None
            for field in holds & {"title", "start", "end"}:
                assert getattr(got, field) == getattr(meeting, field)
            assert got.marker == self.shown_marker(f"{MARKER}-{name}")
            # Relink honesty: the link changes when it was said, and only then.
            assert (got.join_url != shown.join_url) == (name in connector.capabilities.relinks_on)
            people = await connector.invitees(created.ref)
            if not isinstance(people, Unfindable):
                assert len(people) == len(PEOPLE)

    async def test_an_update_of_nothing_writes_nothing(self, connector: Connector, sim: Any) -> None:
        created = await connector.create(a_meeting(), MARKER, mail=False)
        before = sim.changes
        await connector.update(created.ref, a_meeting(), frozenset(), join_url=created.join_url)
        assert sim.changes == before

    @pytest.mark.needs("update", "title", "delete")
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
