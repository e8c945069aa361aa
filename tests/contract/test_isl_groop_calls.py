"""What ISL Groop is sent, and what comes of it: names, people, links, functions."""

import pytest

from connectors.simulators.isl_groop import IslGroopSimulator
from connectors.vendors.isl_groop import connect
from connectors.vendors.isl_groop_api import IslApi
from connectors.vendors.isl_groop_wire import marked
from sync.errors import Refused
from sync.model import Participant
from sync.ports import Connector, Unfindable
from tests.contract.connector_base import MARKER, NOON, PEOPLE, ConnectorFixtures, Factory, a_meeting
from tests.contract.test_isl_groop import DAY, IslGroopBase, settings

Sim = IslGroopSimulator


class TestRequests(IslGroopBase, ConnectorFixtures):
    async def test_a_create_is_one_call_with_the_name_alone(self, connector: Connector, sim: Sim) -> None:
        await connector.create(a_meeting(participants=PEOPLE), MARKER, mail=True)
        assert [entry.resource for entry in sim.requests] == ["login", "create"]
        assert sim.writes[0].params == {"session_name": marked("Weekly", MARKER)}
        assert sim.mails == []

    async def test_without_a_marker_the_name_stays_clean_and_nothing_can_be_found(
        self, connector: Connector, sim: Sim
    ) -> None:
        created = await connector.create(a_meeting("Weekly"), "", mail=False)
        assert sim.sessions[created.ref].session_name == "Weekly"
        asked = len(sim.requests)
        assert isinstance(await connector.find(""), Unfindable)
        assert len(sim.requests) == asked

    async def test_a_start_is_sent_only_when_it_is_configured(self, make: Factory, sim: Sim) -> None:
        connector = make(send_start_time=True)
        assert connector.capabilities.holds == {"title", "start"}
        created = await connector.create(a_meeting(), MARKER, mail=False)
        assert sim.sessions[created.ref].start_time == int(NOON.timestamp())
        other = await make().create(a_meeting(), MARKER, mail=False)
        assert sim.sessions[other.ref].start_time is None

    async def test_people_get_their_role_language_and_own_link(self, connector: Connector, sim: Sim) -> None:
        created = await connector.create(a_meeting(), MARKER, mail=False)
        people = (*PEOPLE, Participant("jean@example.com", "Jean", language="fr"))
        invited = [await connector.invite(created.ref, one, mail=one.language == "fr") for one in people]
        users = sim.sessions[created.ref].users
        assert [(user.name, user.role, user.lang) for user in users] == [
            ("Ada King Lovelace", "host", None),
            ("Grace Hopper", "presenter", None),
            ("kurt", "guest", None),
            ("Jean", "presenter", "fr"),
        ]
        assert [one.ref for one in invited] == [user.uid for user in users]
        for one in invited:
            assert one.personal_link is not None
            assert one.personal_link.endswith(f"/groop/{created.ref}?uid={one.ref}")
        assert [(mail.email, mail.session) for mail in sim.mails] == [("jean@example.com", created.ref)]
        assert [entry.params["email_notify"] for entry in sim.writes[1:]] == [0, 0, 0, 1]

    async def test_the_same_person_twice_is_two_entries(self, connector: Connector, sim: Sim) -> None:
        created = await connector.create(a_meeting(), MARKER, mail=False)
        refs = {(await connector.invite(created.ref, PEOPLE[0], mail=False)).ref for _ in range(2)}
        assert len(refs) == len(sim.sessions[created.ref].users) == 2

    @pytest.mark.parametrize(
        ("template", "public", "personal"),
        [
            (None, None, None),
            ("{server}/j/{session_code}", "/j/100-000-000-002", None),
            ("{server}/j?u={join_uid}", None, "/j?u="),
            ("{server}/j/{session_code}/{{x}}/{join_uid}", "/j/100-000-000-002/{x}/", "/j/100-000-000-002/{x}/"),
        ],
    )
    async def test_links_come_from_the_template(
        self, make: Factory, url: str, template: str | None, public: str | None, personal: str | None
    ) -> None:
        connector = make(join_url=template)
        created = await connector.create(a_meeting(), MARKER, mail=False)
        got = await connector.get(created.ref)
        assert got is not None
        assert created.join_url == got.join_url == (None if public is None else url + public)
        invited = await connector.invite(created.ref, PEOPLE[0], mail=False)
        assert invited.personal_link == (None if personal is None else url + personal + invited.ref)
        assert connector.capabilities.personal_links is (personal is not None)
        codes = [finding.code for finding in await connector.check()]
        assert codes == ([] if template else ["no-join-url"])

    async def test_functions_may_have_other_names(self, make: Factory, sim: Sim) -> None:
        sim.options.renamed = {"delete": "Groop.remove", "add_registered_user": "Groop.addUser"}
        created = await make().create(a_meeting(), MARKER, mail=False)
        with pytest.raises(Refused, match="no such function"):
            await make().delete(created.ref)
        renamed = make(functions=sim.options.renamed)
        await renamed.invite(created.ref, PEOPLE[0], mail=False)
        await renamed.delete(created.ref)
        assert sim.sessions == {}

    async def test_several_sessions_are_asked_for_in_one_call(self, connector: Connector, sim: Sim) -> None:
        sim.options.list_names = False
        refs = [(await connector.create(a_meeting(f"No. {n}"), MARKER, mail=False)).ref for n in range(3)]
        before = len(sim.requests)
        listing = await connector.list(DAY)
        assert [one.title for one in listing.sessions] == ["No. 0", "No. 1", "No. 2"]
        assert [entry.params for entry in sim.requests[before:]] == [{"user_owned": 1}, {"session_ids": refs}]

    async def test_the_code_that_starts_the_client_can_be_had(self, url: str, sim: Sim) -> None:
        connector = connect(settings(url), False)
        created = await connector.create(a_meeting(), MARKER, mail=False)
        invited = await connector.invite(created.ref, PEOPLE[0], mail=False)
        api: IslApi = connector._api  # type: ignore[attr-defined]
        assert created.ref in await api.join_script(created.ref, invited.ref)
        with pytest.raises(Refused, match="no such user"):
            await api.join_script(created.ref, "somebody")
        await connector.close()

    async def test_an_update_of_something_is_refused_before_anything_is_sent(
        self, connector: Connector, sim: Sim
    ) -> None:
        with pytest.raises(Refused, match="cannot change"):
            await connector.update("123-456-789-012", a_meeting(), frozenset({"title"}))
        assert sim.requests == []
