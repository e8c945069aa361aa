"""OpenMeetings: rooms and their appointments, which are replaced whole by every change."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.simulators.faults import Fault
from connectors.simulators.openmeetings import OpenMeetingsSimulator
from connectors.vendors.openmeetings_wire import external_id
from sync.errors import Gone, UnknownOutcome
from sync.model import Meeting, Participant, Window
from sync.ports import Connector
from tests.contract.connector_base import MARKER, NOON, PEOPLE, SHORT, ConnectorFixtures, Factory, a_meeting
from tests.contract.test_openmeetings import DAY, OpenMeetingsBase

FULL = a_meeting(participants=PEOPLE, description="Agenda", location="Room 1")
ALL = frozenset({"title", "start", "end", "description", "location"})
MARKUP = 'it\'s 1+1=2 & me@example.com, if a < b: <b>bold</b> &lt;not markup&gt; AT&amp;T `x` "y"'


class TestOpenMeetingsSessions(OpenMeetingsBase, ConnectorFixtures):
    """Sessions."""

    # What is sent

    async def test_a_create_makes_a_room_under_a_key_and_an_appointment_in_it(
        self, connector: Connector, sim: OpenMeetingsSimulator
    ) -> None:
        marker = "convener/0123456789ab/0123456789abcdef0123456789abcdef/01234567"
        await connector.create(FULL, marker, mail=False)
        room, appointment = sim.writes
        kind, external_type, key = room.params["path"]
        assert (room.method, kind, external_type) == ("GET", "CONFERENCE", "convener")
        assert key == external_id(marker)
        assert key.startswith("cv-")
        assert key.isascii()
        assert len(key) == 35
        assert room.params["room"] == {
            "name": "Weekly",
            "comment": marker,
            "appointment": True,
            "isPublic": False,
            "allowRecording": True,
            "capacity": 50,
            "type": "CONFERENCE",
        }
        assert appointment.params["appointment"] == {
            "title": "Weekly",
            "start": "2026-12-01T12:00:00+0000",
            "end": "2026-12-01T13:00:00+0000",
            "description": "Agenda",
            "location": "Room 1",
            "room": {"id": 1, "type": "CONFERENCE"},
            "reminder": "NONE",
            "languageId": 1,
            "meetingMembers": [
                {"user": {"firstname": "Ada", "lastname": "King Lovelace", "address": {"email": "ada@example.com"}}},
                {"user": {"firstname": "Grace", "lastname": "Hopper", "address": {"email": "grace@example.com"}}},
                {"user": {"firstname": "kurt", "lastname": "", "address": {"email": "kurt@example.com"}}},
            ],
        }

    @pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Apia", "Asia/Kathmandu"])
    @pytest.mark.parametrize(
        "start", [datetime(2026, 7, 1, 23, 30, tzinfo=UTC), datetime(2026, 12, 31, 0, 15, tzinfo=UTC)]
    )
    async def test_times_mean_the_same_whatever_the_servers_zone(
        self, connector: Connector, sim: OpenMeetingsSimulator, zone: str, start: datetime
    ) -> None:
        sim.options.zone = zone
        created = await connector.create(a_meeting(start=start), MARKER, mail=False)
        await connector.update(created.ref, a_meeting("N", start=start), frozenset({"title"}))
        got = await connector.get(created.ref)
        assert got is not None
        assert (got.start, got.end) == (start, start + timedelta(hours=1))
        assert sim.appointments[1].start == start
        for window, expected in (
            (Window(start - timedelta(hours=1), start), 0),
            (Window(start, start + timedelta(minutes=1)), 1),
            (Window(start + timedelta(hours=1), start + timedelta(hours=2)), 0),
        ):
            assert len((await connector.list(window)).sessions) == expected

    async def test_a_crowd_fits_into_the_room(self, connector: Connector, sim: OpenMeetingsSimulator) -> None:
        crowd = tuple(Participant(f"p{number}@example.com") for number in range(70))
        await connector.create(a_meeting(participants=crowd), MARKER, mail=False)
        assert sim.rooms[1].capacity == 71

    @pytest.mark.parametrize("title", ["2026", "3.0", "-5", "true", "1.0E10", "0012", "null", "9223372036854775808"])
    async def test_titles_and_markers_that_look_like_something_else_come_back(
        self, connector: Connector, sim: OpenMeetingsSimulator, title: str
    ) -> None:
        created = await connector.create(a_meeting(title), f"marker {title}", mail=False)
        got = await connector.get(created.ref)
        assert got is not None
        assert (got.title, got.marker) == (title, f"marker {title}")
        await connector.update(created.ref, a_meeting("1.50"), frozenset({"title"}))
        assert (sim.rooms[1].name, sim.rooms[1].comment) == ("1.50", f"marker {title}")

    async def test_the_join_link_is_the_rooms_address(self, connector: Connector, url: str) -> None:
        created = await connector.create(a_meeting(), MARKER, mail=False)
        assert created.join_url == f"{url}/openmeetings/#room/1"

    async def test_a_place_that_is_too_long_is_cut(self, connector: Connector, sim: OpenMeetingsSimulator) -> None:
        await connector.create(a_meeting(location="x" * 300), MARKER, mail=False)
        assert sim.appointments[1].location == "x" * 255

    # Full replacement

    async def test_a_change_sends_back_everything_else_as_it_was(
        self, connector: Connector, sim: OpenMeetingsSimulator
    ) -> None:
        created = await connector.create(FULL, MARKER, mail=False)
        before = sim.appointments[1]
        later = replace(FULL, start=NOON + timedelta(hours=2), end=NOON + timedelta(hours=3))
        await connector.update(created.ref, later, frozenset({"start", "end"}))
        after = sim.appointments[1]
        assert after == replace(before, start=later.start, end=later.end)
        assert after.owner_id is not None
        assert after.ical_id
        assert after.inserted is not None
        assert [entry.resource for entry in sim.writes] == ["room.create", "calendar.create", "calendar.update"]

    @pytest.mark.parametrize("name", sorted(ALL))
    async def test_an_update_changes_the_named_field_alone(
        self, connector: Connector, sim: OpenMeetingsSimulator, name: str
    ) -> None:
        created = await connector.create(FULL, MARKER, mail=False)
        other = Meeting(
            FULL.key,
            "Other",
            NOON + timedelta(minutes=5),
            NOON + timedelta(minutes=90),
            description="Else",
            location="Room 2",
        )
        before = sim.appointments[1]
        await connector.update(created.ref, other, frozenset({name}))
        assert sim.appointments[1] == replace(before, **{name: getattr(other, name)})

    async def test_a_new_title_renames_the_room_and_keeps_what_people_did_to_it(
        self, connector: Connector, sim: OpenMeetingsSimulator
    ) -> None:
        created = await connector.create(FULL, MARKER, mail=False)
        files = [sim.add_file().id, sim.add_file().id]
        for count in (1, 2):  # one file, or one hidden element, comes as a bare value
            room = sim.rooms[1]
            fields = {**room.fields, "hiddenElements": ["CHAT", "FILES"][:count], "moderated": True, "tag": "007"}
            on_board = [{"id": 5 + index, "fileId": files[index], "wbIdx": index} for index in range(count)]
            sim.change_room(1, fields=fields, files=on_board, capacity=99)
            before = sim.rooms[1]
            await connector.update(created.ref, a_meeting(f"New {count}"), frozenset({"title"}))
            assert sim.rooms[1] == replace(before, name=f"New {count}")
        assert [entry.resource for entry in sim.writes[2:]] == ["room.update", "calendar.update"] * 2

    @pytest.mark.parametrize("version", ["8.1.0", "9.1.0"])
    async def test_a_text_goes_back_and_forth_without_being_changed_on_the_way(
        self, connector: Connector, sim: OpenMeetingsSimulator, version: str
    ) -> None:
        sim.options.version = version
        created = await connector.create(a_meeting(description=MARKUP), MARKER, mail=True)
        shown = sim.appointments[1].description
        assert (shown == MARKUP) is (version == "8.1.0")
        for number in range(3):
            await connector.invite(created.ref, Participant(f"p{number}@example.com"), mail=True)
            await connector.update(created.ref, a_meeting(f"T{number}"), frozenset({"title"}))
        assert sim.appointments[1].description == shown
        await connector.update(created.ref, a_meeting(description=MARKUP), frozenset({"description"}))
        assert sim.appointments[1].description == shown

    # Interrupted and repeated

    async def test_a_room_that_an_interrupted_attempt_left_is_brought_in_line(
        self, connector: Connector, sim: OpenMeetingsSimulator
    ) -> None:
        sim.faults.add(Fault("500_before", resource="calendar.create"))
        with pytest.raises(UnknownOutcome):
            await connector.create(a_meeting("First"), MARKER, mail=False)
        assert await connector.find(MARKER) == ()
        assert await connector.get("1") is None
        created = await connector.create(a_meeting("Second"), MARKER, mail=False)
        assert (created.ref, sim.rooms[1].name, len(sim.rooms)) == ("1", "Second", 1)
        assert sim.appointments[1].title == "Second"

    async def test_a_session_that_is_there_is_left_as_it_is_by_another_create(
        self, connector: Connector, sim: OpenMeetingsSimulator
    ) -> None:
        await connector.create(FULL, MARKER, mail=False)
        before = sim.state()
        again = await connector.create(a_meeting("Other"), MARKER, mail=True)
        assert (again.ref, again.title, again.marker) == ("1", "Weekly", MARKER)
        assert sim.state() | {"requests": ()} == before | {"requests": ()}

    @pytest.mark.parametrize("resource", ["room.create", "calendar.create"])
    @pytest.mark.parametrize("kind", ["reset_before", "reset_after", "500_after", "garbage", "truncate"])
    async def test_a_create_can_be_repeated_wherever_it_broke(
        self, connector: Connector, sim: OpenMeetingsSimulator, resource: str, kind: str
    ) -> None:
        sim.faults.add(Fault(kind, resource=resource))
        with pytest.raises(UnknownOutcome):
            await connector.create(FULL, MARKER, mail=False)
        created = await connector.create(FULL, MARKER, mail=False)
        assert await connector.find(MARKER) == (await connector.get(created.ref),)
        assert (len(sim.rooms), len(sim.appointments), len(sim.appointments[1].members)) == (1, 1, 3)

    async def test_an_appointment_that_comes_late_is_a_double_that_can_be_removed_alone(
        self, make: Factory, sim: OpenMeetingsSimulator
    ) -> None:
        sim.faults.add(Fault("late", resource="calendar.create"))
        with pytest.raises(UnknownOutcome):
            await make(timeout=SHORT).create(FULL, MARKER, mail=True)
        connector = make()
        created = await connector.create(FULL, MARKER, mail=True)
        sim.faults.release()
        found = await connector.find(MARKER)
        assert isinstance(found, tuple)
        assert [one.ref for one in found] == [created.ref, "1.2"]
        assert {one.marker for one in found} == {MARKER}
        assert await connector.get("1.2") == found[1]
        assert [one.ref for one in (await connector.list(DAY)).sessions] == [created.ref]

        await connector.delete("1.2")
        await connector.delete("1.2")
        assert [one.deleted for one in sim.appointments.values()] == [False, True]
        assert not sim.rooms[1].deleted
        assert await connector.get("1.2") is None
        assert await connector.find(MARKER) == (await connector.get(created.ref),)
        assert [mail.email for mail in sim.mails if mail.kind == "cancel" and mail.appointment == 2] == [
            *(one.email for one in PEOPLE),
            sim.options.owner_email,
        ]

    async def test_a_delete_takes_doubles_along(self, connector: Connector, sim: OpenMeetingsSimulator) -> None:
        created = await connector.create(FULL, MARKER, mail=False)
        sim.change_appointment(sim.add_session(title="Double").id, room_id=1)
        await connector.delete(created.ref)
        assert all(one.deleted for one in sim.appointments.values())
        assert sim.rooms[1].deleted

    # Gone

    async def test_deletion_is_soft_and_a_new_session_of_the_marker_gets_a_new_room(
        self, connector: Connector, sim: OpenMeetingsSimulator
    ) -> None:
        first = await connector.create(FULL, MARKER, mail=False)
        await connector.delete(first.ref)
        assert (sim.rooms[1].deleted, sim.appointments[1].deleted) == (True, True)
        second = await connector.create(FULL, MARKER, mail=False)
        assert second.ref == "2"
        assert await connector.find(MARKER) == (await connector.get("2"),)

    async def test_an_appointment_that_somebody_deletes_at_the_same_time_is_a_success(
        self, connector: Connector, sim: OpenMeetingsSimulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        created = await connector.create(FULL, MARKER, mail=False)
        answer = sim.answer

        def overtaken(request: Any) -> Any:
            if sim.resource(request) == "calendar.delete":
                sim.remove_session(1)
            return answer(request)

        monkeypatch.setattr(sim, "answer", overtaken)
        await connector.delete(created.ref)
        assert [entry.status for entry in sim.writes[2:]] == [500, 200]

    @pytest.mark.parametrize("what", ["session", "room", "appointment"])
    async def test_what_somebody_removed_is_gone_for_every_change(
        self, connector: Connector, sim: OpenMeetingsSimulator, what: str
    ) -> None:
        created = await connector.create(FULL, MARKER, mail=False)
        if what == "appointment":
            sim.change_appointment(1, deleted=True)
        else:
            (sim.remove_session if what == "session" else sim.remove_room)(1)
        before = sim.changes
        person = Participant("new@example.com")
        for call in (
            connector.update(created.ref, a_meeting("New"), frozenset({"title"})),
            connector.invite(created.ref, person, mail=False),
            connector.personal_link(created.ref, FULL, person),
            connector.host_link(created.ref),
        ):
            with pytest.raises(Gone):
                await call
        assert await connector.get(created.ref) is None
        assert sim.changes == before
        await connector.delete(created.ref)
        assert all(one.deleted for one in sim.appointments.values())

    # Those of others

    async def test_sessions_of_others_are_listed_without_a_marker_of_ours(
        self, connector: Connector, sim: OpenMeetingsSimulator
    ) -> None:
        created = await connector.create(FULL, MARKER, mail=False)
        sim.add_session(external_id="42")
        sim.add_session()
        somebody = sim.add_user(login="boss", email="boss@example.com")
        sim.add_session(owner_id=somebody.id)
        listing = await connector.list(DAY)
        assert {one.ref: one.marker for one in listing.sessions} == {created.ref: MARKER, "2": None, "3": None}
        adopted = await connector.get("2")
        assert adopted is not None
        assert adopted.marker is None
        assert await connector.get("4") is None

    async def test_a_marker_that_somebody_overwrote_is_still_found_by_its_key(
        self, connector: Connector, sim: OpenMeetingsSimulator
    ) -> None:
        await connector.create(FULL, MARKER, mail=False)
        sim.change_room(1, comment="our weekly")
        got = await connector.get("1")
        assert got is not None
        assert got.marker == external_id(MARKER)
        assert await connector.find(MARKER) == (replace(got, marker=MARKER),)
