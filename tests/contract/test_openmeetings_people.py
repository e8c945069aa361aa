"""OpenMeetings: members, the mails that the server sends by itself, personal and host links."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.simulators.faults import Fault
from connectors.simulators.openmeetings import OpenMeetingsSimulator
from connectors.vendors.openmeetings import OpenMeetingsConnector
from sync.errors import Refused, UnknownOutcome
from sync.model import Participant
from sync.ports import Connector
from tests.contract.connector_base import MARKER, NOON, PEOPLE, ConnectorFixtures, Factory, a_meeting
from tests.contract.test_openmeetings import OpenMeetingsBase

ADA, GRACE, KURT = PEOPLE
NEW = Participant("new@example.com", "New Comer")
MEETING = a_meeting(participants=PEOPLE)
HOUR = timedelta(hours=1)


def set_clock(sim: OpenMeetingsSimulator, moment: datetime) -> None:
    sim.options.clock = lambda: moment


class TestOpenMeetingsPeople(OpenMeetingsBase, ConnectorFixtures):
    """People and mails."""

    async def test_members_keep_their_ids_when_others_come_and_go(
        self, connector: Connector, sim: OpenMeetingsSimulator
    ) -> None:
        created = await connector.create(MEETING, MARKER, mail=False)
        before = {one.email: one.ref for one in await _invitees(connector, created.ref)}
        invited = await connector.invite(created.ref, NEW, mail=False)
        await connector.uninvite(created.ref, before[ADA.email])
        after = {one.email: one.ref for one in await _invitees(connector, created.ref)}
        assert after == {GRACE.email: before[GRACE.email], KURT.email: before[KURT.email], NEW.email: invited.ref}
        assert (invited.name, invited.email) == ("New Comer", NEW.email)

    async def test_the_last_one_to_leave_leaves_nobody(self, connector: Connector, sim: OpenMeetingsSimulator) -> None:
        created = await connector.create(a_meeting(participants=PEOPLE[:1]), MARKER, mail=False)
        (one,) = await _invitees(connector, created.ref)
        await connector.uninvite(created.ref, one.ref)
        assert await connector.invitees(created.ref) == ()

    async def test_inviting_somebody_who_is_there_writes_nothing(
        self, connector: Connector, sim: OpenMeetingsSimulator
    ) -> None:
        created = await connector.create(MEETING, MARKER, mail=True)
        before = (sim.changes, len(sim.mails))
        assert (await connector.invite(created.ref, ADA, mail=True)).email == ADA.email
        assert (sim.changes, len(sim.mails)) == before

    async def test_the_owner_is_no_participant(self, connector: Connector, sim: OpenMeetingsSimulator) -> None:
        created = await connector.create(MEETING, MARKER, mail=False)
        sim.change_appointment(1, owner_id=sim.appointments[1].owner_id)
        appointment = sim.appointments[1]
        appointment.members[0].user_id = appointment.owner_id or 0
        sim.change_appointment(1, members=appointment.members)
        assert [one.email for one in await _invitees(connector, created.ref)] == [GRACE.email, KURT.email]

    async def test_a_person_of_two_meetings_is_one_contact(
        self, connector: Connector, sim: OpenMeetingsSimulator
    ) -> None:
        await connector.create(MEETING, MARKER, mail=False)
        await connector.create(MEETING, "other", mail=False)
        assert sorted(user.email for user in sim.users.values() if user.type == "CONTACT") == [
            one.email for one in PEOPLE
        ]

    async def test_a_removed_person_who_is_asked_for_again_is_nobody(
        self, connector: Connector, sim: OpenMeetingsSimulator
    ) -> None:
        created = await connector.create(MEETING, MARKER, mail=False)
        for ref in ("99", "1/2", ""):
            if ref.isdigit():
                await connector.uninvite(created.ref, ref)
                continue
            with pytest.raises(Refused):
                await connector.uninvite(created.ref, ref)
        assert sim.effects("calendar.update") == 0

    # Mail

    async def test_who_is_mailed_by_whom_is_as_declared(self, connector: Connector, sim: OpenMeetingsSimulator) -> None:
        owner, everybody = sim.options.owner_email, [one.email for one in PEOPLE]
        now = [NOON - HOUR]
        sim.options.clock = lambda: now[0]

        def mails() -> list[tuple[str, str]]:
            seen = [(mail.kind, mail.email) for mail in sim.mails[told[0] :]]
            told[0] = len(sim.mails)
            return seen

        told = [0]
        created = await connector.create(MEETING, MARKER, mail=True)
        assert mails() == [("create", email) for email in (*everybody, owner)]
        await connector.invite(created.ref, NEW, mail=True)
        assert mails() == [("create", NEW.email)]
        now[0] = NOON - timedelta(minutes=10)
        sim.remind()
        assert mails() == [("reminder", email) for email in (*everybody, NEW.email)]
        await connector.update(created.ref, a_meeting(start=NOON + HOUR), frozenset({"start", "end"}))
        assert mails() == [("update", email) for email in (*everybody, NEW.email, owner)]
        now[0] = NOON + HOUR - timedelta(minutes=10)
        sim.remind()
        assert [kind for kind, _ in mails()] == ["reminder"] * 4
        (ada, *_) = await _invitees(connector, created.ref)
        await connector.uninvite(created.ref, ada.ref)
        assert mails() == [("cancel", ADA.email)]
        await connector.delete(created.ref)
        assert mails() == [("cancel", email) for email in (GRACE.email, KURT.email, NEW.email, owner)]
        assert {mail.method for mail in sim.mails} == {"REQUEST", "CANCEL"}
        assert "reminder" in OpenMeetingsConnector.capabilities.mails_besides

    async def test_a_route_that_stops_mailing_stops_the_server_at_its_next_invitation(
        self, connector: Connector, sim: OpenMeetingsSimulator
    ) -> None:
        created = await connector.create(MEETING, MARKER, mail=True)
        told = len(sim.mails)
        await connector.invite(created.ref, NEW, mail=False)
        await connector.update(created.ref, a_meeting("Else"), frozenset({"title"}))
        await connector.delete(created.ref)
        assert len(sim.mails) == told

    async def test_a_route_that_begins_to_mail_mails_the_new_one_alone(
        self, connector: Connector, sim: OpenMeetingsSimulator
    ) -> None:
        created = await connector.create(MEETING, MARKER, mail=False)
        await connector.invite(created.ref, NEW, mail=True)
        assert [mail.email for mail in sim.mails] == [NEW.email]

    # Personal links

    async def test_an_endless_invitation_lets_its_person_in_at_any_time(
        self, connector: Connector, sim: OpenMeetingsSimulator, url: str
    ) -> None:
        created = await connector.create(MEETING, MARKER, mail=False)
        link = await connector.personal_link(created.ref, MEETING, ADA)
        assert link.url.startswith(f"{url}/openmeetings/hash?invitation=")
        assert link.url.endswith("&language=1")
        members = {member.user_id for member in sim.appointments[1].members}
        for moment in (NOON - timedelta(days=300), NOON, NOON + timedelta(days=300)):
            set_clock(sim, moment)
            entered = sim.enter(link.url)
            assert entered is not None
            assert (str(entered.room), entered.user.email) == (created.ref, ADA.email)
            assert entered.user.id in members  # the very contact that is the appointment's member
        sent = sim.writes[-1].params
        assert sent["sendmail"] is False
        assert sim.mails == []
        await connector.delete(created.ref)
        assert sim.enter(link.url) is None

    @pytest.mark.parametrize("zone", ["Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe"])
    @pytest.mark.parametrize(
        "start",
        [
            datetime(2026, 7, 1, 12, tzinfo=UTC),
            datetime(2026, 12, 1, 23, 45, tzinfo=UTC),
            datetime(2026, 10, 25, 1, 30, tzinfo=UTC),  # Berlin's clocks went back at 01:00 UTC
            datetime(2026, 3, 29, 0, 30, tzinfo=UTC),  # and go forth meanwhile
        ],
    )
    async def test_an_invitation_for_a_period_is_in_the_servers_zone(
        self, make: Factory, sim: OpenMeetingsSimulator, zone: str, start: datetime
    ) -> None:
        sim.options.zone = zone
        meeting = a_meeting(start=start, participants=PEOPLE)
        connector = make(invitation="period")
        created = await connector.create(meeting, MARKER, mail=False)
        link = await connector.personal_link(created.ref, meeting, ADA)
        for moment, open_ in (
            (start - timedelta(minutes=6), False),
            (start - timedelta(minutes=5), True),
            (start, True),
            (start + HOUR, True),
            (start + HOUR + timedelta(seconds=1), False),
        ):
            set_clock(sim, moment)
            assert (sim.enter(link.url) is not None) is open_

    async def test_an_hour_that_the_servers_clock_shows_twice_is_taken_for_the_second(
        self, make: Factory, sim: OpenMeetingsSimulator
    ) -> None:
        """What an invitation can say has no zone: that hour of the year opens an hour late, as the guide says."""
        start = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
        connector, meeting = make(invitation="period"), a_meeting(start=start, minutes=120)
        created = await connector.create(meeting, MARKER, mail=False)
        link = await connector.personal_link(created.ref, meeting, ADA)
        for moment, open_ in ((start, False), (start + HOUR, True), (start + 2 * HOUR, True)):
            set_clock(sim, moment)
            assert (sim.enter(link.url) is not None) is open_

    async def test_a_new_time_voids_the_links_for_a_period_only(self, make: Factory) -> None:
        assert make(invitation="period").capabilities.personal_relinks_on == {"start", "end"}
        assert make(invitation="endless").capabilities.personal_relinks_on == frozenset()
        assert OpenMeetingsConnector.capabilities.personal_relinks_on == frozenset()

    # Host links

    async def test_host_links_are_worth_nothing_to_each_other_and_leave_our_session_alone(
        self, connector: Connector, sim: OpenMeetingsSimulator, url: str
    ) -> None:
        one = await connector.create(MEETING, MARKER, mail=False)
        two = await connector.create(MEETING, "other", mail=False)
        links = [await connector.host_link(ref) for ref in (one.ref, two.ref, one.ref)]
        logins = sum(entry.resource == "login" for entry in sim.requests)
        assert logins == 4
        for ref, link in zip((one.ref, two.ref, one.ref), links, strict=True):
            assert link.startswith(f"{url}/openmeetings/hash?secure=")
            entered = sim.enter(link)
            assert entered is not None
            assert (str(entered.room), entered.moderator, entered.user.external_id) == (ref, True, f"host-{ref}")
            assert sim.enter(link) is None
        await connector.update(one.ref, a_meeting("After the guests came"), frozenset({"title"}))
        assert sum(entry.resource == "login" for entry in sim.requests) == logins
        assert 500 not in {entry.status for entry in sim.requests}

    async def test_a_host_link_dies_with_its_session(self, connector: Connector, sim: OpenMeetingsSimulator) -> None:
        created = await connector.create(MEETING, MARKER, mail=False)
        link = await connector.host_link(created.ref)
        set_clock(sim, sim.options.clock() + timedelta(minutes=31))
        assert sim.enter(link) is None

    @pytest.mark.parametrize("kind", ["500_after", "reset_after", "garbage"])
    async def test_a_host_link_that_got_lost_is_not_asked_for_twice(
        self, connector: Connector, sim: OpenMeetingsSimulator, kind: str
    ) -> None:
        created = await connector.create(MEETING, MARKER, mail=False)
        sim.faults.add(Fault(kind, resource="user.hash"))
        with pytest.raises(UnknownOutcome):
            await connector.host_link(created.ref)
        assert sim.effects("user.hash") == 1


async def _invitees(connector: Connector, ref: str) -> tuple[Any, ...]:
    people = await connector.invitees(ref)
    assert isinstance(people, tuple)
    return people
