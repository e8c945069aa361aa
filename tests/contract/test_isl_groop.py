"""The ISL Groop connector against its stand-in: the common suite, with servers of different manners."""

from datetime import timedelta
from typing import Any

import pytest

from connectors.simulators.isl_groop import IslGroopSimulator
from connectors.vendors.isl_groop import IslGroopSettings, capabilities_for, plugin
from sync.model import Window
from sync.ports import Connector
from tests.contract.connector import ConnectorSuite
from tests.contract.connector_base import NOON, BasicSuite

USERNAME = "\\\\corp\\søn & co"
PASSWORD = "p4ss:wörd/&#"
TEMPLATE = "{server}/groop/{session_code}?uid={join_uid}"
DAY = Window(NOON - timedelta(hours=12), NOON + timedelta(hours=12))


def settings(url: str, **more: Any) -> IslGroopSettings:
    given = {"type": "isl-groop", "url": url, "username": USERNAME, "password": PASSWORD, "join_url": TEMPLATE}
    return IslGroopSettings.model_validate(given | more)


class IslGroopBase:
    """The fixtures for all kinds of tests."""

    capabilities = capabilities_for(link_fields={"session_code", "join_uid"})
    session_resource = "create"
    delete_resource: str | None = "delete"
    invitee_resource = "add_registered_user"
    look_resource = "get_info"
    get_resource: str | None = "get_info"
    secrets: tuple[str, ...] = (PASSWORD,)
    hidden_paths: tuple[str, ...] = ("__webapi__", "/groop/")
    unknown_ref = "987-654-321-000"
    login_requests = 2
    encoding: str | None = None

    @pytest.fixture
    def sim(self) -> IslGroopSimulator:
        return IslGroopSimulator(USERNAME, PASSWORD)

    def shown_marker(self, marker: str) -> str | None:
        return None  # a title shows a digest of it only

    def new_connector(self, url: str, *, locked: bool, timeout: str, **more: Any) -> Connector:
        return plugin.connect(settings(url, timeout=timeout, **{"encoding": self.encoding, **more}), locked)


class IslGroopSuite(IslGroopBase, ConnectorSuite):
    """The whole of it."""

    def all_secrets(self, sim: IslGroopSimulator) -> tuple[str, ...]:
        uids = [user.uid for session in sim.sessions.values() for user in session.users]
        return (*self.secrets, *sim.sids, *uids)


class TestIslGroop(IslGroopSuite):
    """A server that understands JSON; nobody told the connector so."""


class TestIslGroopWithForms(IslGroopSuite):
    """A server that understands forms only, as configured; other shapes of errors and of nothing."""

    login_requests = 1
    encoding = "form"

    @pytest.fixture
    def sim(self) -> IslGroopSimulator:
        return IslGroopSimulator(USERNAME, PASSWORD, encodings="form", error_shape="result", none="empty")


class TestIslGroopOnABadDay(IslGroopBase, BasicSuite):
    """Logins end after every third call, an unknown session is an empty list, lists show no names."""

    @pytest.fixture
    def sim(self) -> IslGroopSimulator:
        return IslGroopSimulator(
            USERNAME,
            PASSWORD,
            encodings="form",
            sid_calls=3,
            error_shape="exception",
            unknown_session="empty",
            list_names=False,
            none="null",
        )
