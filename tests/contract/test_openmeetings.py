"""The OpenMeetings connector against its stand-in: the common suite, for both generations of logins."""

from datetime import timedelta
from typing import Any

import pytest

from connectors.simulators.faults import Fault
from connectors.simulators.openmeetings import OpenMeetingsSimulator
from connectors.vendors.openmeetings import OpenMeetingsConnector, OpenMeetingsSettings, plugin
from sync.errors import Unreachable
from sync.model import Window
from sync.ports import Connector
from tests.contract.connector import ConnectorSuite
from tests.contract.connector_base import MARKER, NOON, BasicSuite, Factory, a_meeting

USERNAME = "søap & co"
PASSWORD = "p4ss:wörd/&+%"
DAY = Window(NOON - timedelta(hours=12), NOON + timedelta(hours=12))


def settings(url: str, **more: Any) -> OpenMeetingsSettings:
    given = {"type": "openmeetings", "username": USERNAME, "password": PASSWORD}
    return OpenMeetingsSettings.model_validate({**given, "url": f"{url}/openmeetings", **more})


class OpenMeetingsBase:
    """The fixtures for all kinds of tests."""

    capabilities = OpenMeetingsConnector.capabilities
    session_resource = "calendar.create"
    update_resource: str | None = "calendar.update"
    invitee_resource = "calendar.update"
    delete_resource: str | None = "calendar.delete"
    get_resource: str | None = "calendar.room"
    link_resource = "room.hash"
    list_resource: str | None = "calendar.list"
    look_resource = "room.find"
    look_requests = 2
    secrets: tuple[str, ...] = (PASSWORD,)
    hidden_paths: tuple[str, ...] = ("/services", "/openmeetings", "sid=")

    @pytest.fixture
    def sim(self) -> OpenMeetingsSimulator:
        return OpenMeetingsSimulator(USERNAME, PASSWORD)

    def new_connector(self, url: str, *, locked: bool, timeout: str, **more: Any) -> Connector:
        return plugin.connect(settings(url, timeout=timeout, **more), locked)

    def effects(self, sim: OpenMeetingsSimulator, resource: str) -> int:
        """A creation takes a room and an appointment, a new title as well: they are counted apart."""
        return sim.effects(resource)

    def recipients(self, sim: OpenMeetingsSimulator) -> list[str]:
        """The server mails the owner, too, who is the daemon's own user and no participant."""
        return [mail.email for mail in sim.mails if mail.email != sim.options.owner_email]


class TestOpenMeetings(OpenMeetingsBase, ConnectorSuite):
    """The common suite, against a server of the newest generation."""

    def all_secrets(self, sim: OpenMeetingsSimulator) -> tuple[str, ...]:
        return (*self.secrets, *sim.secrets)

    @pytest.mark.parametrize("kind", ["truncate", "truncate_gzip"])
    @pytest.mark.parametrize("resource", ["room.find", "calendar.room", "calendar.list"])
    async def test_a_look_that_is_cut_short_raises(
        self, make: Factory, sim: OpenMeetingsSimulator, kind: str, resource: str
    ) -> None:
        connector = make(timeout="1s")
        created = await connector.create(a_meeting(), MARKER, mail=False)
        sim.faults.add(Fault(kind, resource=resource, times=99))
        with pytest.raises(Unreachable):
            await connector.find(MARKER)
        if resource == "calendar.room":
            with pytest.raises(Unreachable):
                await connector.get(created.ref)


class TestOpenMeetingsOfTheFormerGeneration(TestOpenMeetings):
    """Login by GET, which costs a 405 at first; descriptions as they were sent; another zone, with other rules."""

    login_requests = 2

    @pytest.fixture
    def sim(self) -> OpenMeetingsSimulator:
        return OpenMeetingsSimulator(USERNAME, PASSWORD, version="8.1.0", zone="America/St_Johns")


class TestOpenMeetingsWithInvitationsForTheTimeOfTheMeeting(OpenMeetingsBase, BasicSuite):
    """The basic suite with the other kind of personal links and another kind of rooms."""

    def new_connector(self, url: str, *, locked: bool, timeout: str, **more: Any) -> Connector:
        given = {"invitation": "period", "room_type": "PRESENTATION", **more}
        return plugin.connect(settings(url, timeout=timeout, **given), locked)
