"""The Odoo source holds what every CRM source must hold, by JSON-2 and by JSON-RPC."""

from collections.abc import Iterator

import pytest

from connectors.simulators.serve import serve_in_thread
from tests.contract.odoo_scene import OdooScene
from tests.contract.second_pass import WrittenBack
from tests.contract.source import CrmContract, ManyMeetings


class _OdooContract(CrmContract, WrittenBack):
    version: int
    page = 5

    @pytest.fixture
    def scene(self) -> Iterator[OdooScene]:
        scene = OdooScene(self.version, self.page)
        scene.timeout = "1500ms"  # some tests let the server keep silent
        with serve_in_thread(scene.sim.app) as served:
            scene.url = served.url
            yield scene


class TestOdoo19(_OdooContract):
    version = 19


class TestOdoo11(_OdooContract):
    version = 11


class TestMany(ManyMeetings):
    @pytest.fixture
    def scene(self) -> Iterator[OdooScene]:
        scene = OdooScene(19, page=1000)
        with serve_in_thread(scene.sim.app) as served:
            scene.url = served.url
            yield scene
