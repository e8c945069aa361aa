"""Assertions of the abstract suites explain themselves like those of test modules."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.caldav_servers import CalDavServer, radicale, xandikos
from tests.contract.caldav_scene import CalDavScene
from tests.dav_http import Proxy, serving

pytest.register_assert_rewrite(
    "tests.contract.connector_base",
    "tests.contract.connector_people",
    "tests.contract.connector",
    "tests.contract.downloads",
)


def pytest_configure(config: pytest.Config) -> None:
    """`needs`: the test is skipped for vendors whose capabilities lack one of the names."""
    config.addinivalue_line("markers", "needs(*names): capabilities without which the test is skipped")


@pytest.fixture(scope="session")
def radicale_server() -> Iterator[CalDavServer]:
    with radicale() as server:
        yield server


@pytest.fixture(scope="session")
def xandikos_server() -> Iterator[CalDavServer]:
    with xandikos() as server:
        yield server


@pytest.fixture
async def caldav_scene(server: CalDavServer) -> AsyncIterator[CalDavScene]:
    """A calendar of its own on the `server`, behind a proxy."""
    proxy = Proxy(server.url)
    async with serving(proxy.respond) as proxy.url:
        scene = CalDavScene(server, proxy)
        yield scene
        scene.close()
