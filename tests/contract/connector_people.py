"""What every connector must do about people, as far as its vendor knows any."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from sync.errors import Gone
from sync.model import Participant, Role
from sync.ports import Connector, Unfindable
from tests.contract.connector_fixtures import MARKER, NOON, PEOPLE, ConnectorFixtures, a_meeting


class PeopleSuite(ConnectorFixtures):
    """In fair weather."""

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

    @pytest.mark.needs("invite", "uninvite", "list_invitees")
    async def test_people_come_and_go(self, connector: Connector) -> None:
        created = await connector.create(a_meeting(), MARKER, mail=False)
        invited = {one.email: await connector.invite(created.ref, one, mail=False) for one in PEOPLE}
        people = await connector.invitees(created.ref)
        assert not isinstance(people, Unfindable)
        assert {(one.email, one.ref) for one in people} == {(one.email, one.ref) for one in invited.values()}
        for _ in range(2):
            await connector.uninvite(created.ref, invited["ada@example.com"].ref)
        people = await connector.invitees(created.ref)
        assert not isinstance(people, Unfindable)
        assert {one.email for one in people} == {"grace@example.com", "kurt@example.com"}

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

    async def test_nobody_is_mailed_unless_it_is_asked(self, connector: Connector, sim: Any) -> None:
        can_do = connector.capabilities
        created = await connector.create(a_meeting(participants=PEOPLE), MARKER, mail=False)
        ref, new = created.ref, Participant("new@example.com")
        if can_do.invite:
            invitee = await connector.invite(ref, new, mail=False)
            if can_do.change_role:
                await connector.change_role(ref, invitee.ref, replace(new, role=Role.OBSERVER))
        later = a_meeting("New", start=NOON + timedelta(days=1))
        if can_do.update:
            await connector.update(ref, later, can_do.update, join_url=created.join_url)
        if can_do.mints_links:
            await connector.personal_link(ref, later, new)
        if can_do.uninvite:
            await connector.uninvite(ref, invitee.ref)
        if can_do.delete:
            await connector.delete(ref)
        assert self.recipients(sim) == []

    @pytest.mark.needs("vendor_mail", "invite")
    async def test_who_is_to_be_mailed_is_mailed_once(self, connector: Connector, sim: Any) -> None:
        along = PEOPLE if connector.capabilities.create_invites else ()
        created = await connector.create(a_meeting(participants=along), MARKER, mail=True)
        for person in (*(() if along else PEOPLE), Participant("new@example.com")):
            await connector.invite(created.ref, person, mail=True)
        expected = sorted([*(one.email for one in PEOPLE), "new@example.com"])
        assert sorted(self.recipients(sim)) == expected

    @pytest.mark.needs("invite", "delete")
    async def test_inviting_to_a_deleted_session_is_gone(self, connector: Connector) -> None:
        created = await connector.create(a_meeting(), MARKER, mail=False)
        await connector.delete(created.ref)
        with pytest.raises(Gone):
            await connector.invite(created.ref, PEOPLE[0], mail=False)

    # Links that are made on request

    @pytest.mark.needs("mints_links")
    async def test_each_participant_gets_a_link_of_their_own(self, connector: Connector) -> None:
        meeting = a_meeting(participants=PEOPLE)
        created = await connector.create(meeting, MARKER, mail=False)
        links = [await connector.personal_link(created.ref, meeting, one) for one in PEOPLE]
        assert len({link.url for link in links}) == len(PEOPLE)
        for link in links:
            assert link.url.startswith("http")
            assert link.url not in repr(links)
        life = connector.capabilities.limits.link_life
        assert {link.expires is None for link in links} == {life is None}

    @pytest.mark.needs("host_links")
    async def test_a_host_gets_a_link_that_is_nobody_elses(self, connector: Connector) -> None:
        created = await connector.create(a_meeting(participants=PEOPLE), MARKER, mail=False)
        first, second = await connector.host_link(created.ref), await connector.host_link(created.ref)
        assert first.startswith("http")
        assert second.startswith("http")
        assert created.join_url not in (first, second)
