"""The CalDAV source against Radicale and Xandikos: what every source must hold."""

import pytest

from tests.caldav_servers import CalDavServer
from tests.contract.caldav_scene import CalDavScene
from tests.contract.second_pass import WrittenBack
from tests.contract.source import SourceContract

pytestmark = pytest.mark.caldav


class CalDavContract(SourceContract, WrittenBack):
    @pytest.fixture
    def scene(self, caldav_scene: CalDavScene) -> CalDavScene:
        return caldav_scene


class TestRadicale(CalDavContract):
    @pytest.fixture
    def server(self, radicale_server: CalDavServer) -> CalDavServer:
        return radicale_server


class TestXandikos(CalDavContract):
    @pytest.fixture
    def server(self, xandikos_server: CalDavServer) -> CalDavServer:
        return xandikos_server
