"""The configurations in docs/sources.md, as they are written there, but for the server's address."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from connectors.simulators.dolibarr import DolibarrSimulator
from connectors.simulators.espocrm import EspoCrmSimulator
from connectors.simulators.serve import serve_in_thread
from connectors.sources.http_json import HttpJsonSettings, plugin
from tests.contract.http_json_scene import epoch, naive
from tests.contract.source import HOUR, START, WINDOW

PAGE = (Path(__file__).parents[2] / "docs/sources.md").read_text()
KEY = "key-0123456789abcdef"
LINK = "https://meet.example/j/abc"


def blocks(heading: str) -> list[dict[str, Any]]:
    """The configurations behind a heading."""
    section = re.split(r"^#{2,3} ", PAGE.partition(f"# {heading}\n")[2], flags=re.MULTILINE)[0]
    return [tomllib.loads(text) for text in re.findall(r"```toml\n(.*?)```", section, re.DOTALL)]


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ESPO_KEY", "DOLIBARR_KEY", "PIPEDRIVE_TOKEN", "SUITECRM_SECRET"):
        monkeypatch.setenv(name, KEY)


ESPO = [
    (heading, n) for heading, count in (("Any CRM by profile (http-json)", 2), ("EspoCRM", 1)) for n in range(count)
]


@pytest.mark.parametrize(("heading", "number"), ESPO)
async def test_the_configurations_for_espocrm_run_as_written(heading: str, number: int) -> None:
    (table,) = blocks(heading)[number]["sources"].values()
    simulator = EspoCrmSimulator(password=KEY)
    ada = simulator.add_contact("ada@client.example", "Ada", "Client")
    uid = simulator.add_meeting("Product demo", naive(START), naive(START + HOUR), contacts=[ada])
    with serve_in_thread(simulator.app) as served:
        source = plugin.connect("crm", HttpJsonSettings.model_validate({**table, "url": served.url}), Path(), False)
        assert [one.code for one in await source.check()] == ["mapped"]
        (meeting,) = (await source.fetch(None, WINDOW, ())).meetings
        assert [person.name for person in meeting.participants] == ["Ada Client"]
        assert await source.write_link(meeting.key, LINK, "")  # type: ignore[attr-defined]
        await source.close()
    assert simulator.meetings[uid]["description"] == f"Join: {LINK}"


async def test_the_configuration_for_dolibarr_runs_as_written() -> None:
    first, users = blocks("Dolibarr")
    table = first["sources"]["sales"]
    simulator = DolibarrSimulator(password=KEY, database_zone=table["database_zone"])
    ada = simulator.add_contact("ada@client.example", "Ada", "Client")
    uid = simulator.add_meeting("Product demo", epoch(START), epoch(START + HOUR), contacts=[ada])
    with serve_in_thread(simulator.app) as served:
        source = plugin.connect("crm", HttpJsonSettings.model_validate({**table, "url": served.url}), Path(), False)
        assert [one.code for one in await source.check()] == ["mapped"]
        (meeting,) = (await source.fetch(None, WINDOW, ())).meetings
        assert [person.name for person in meeting.participants] == ["Ada Client"]
        assert await source.write_link(meeting.key, LINK, "")  # type: ignore[attr-defined]
        await source.close()
    assert simulator.events[uid]["location"] == LINK
    both = HttpJsonSettings.model_validate({**table, **users["sources"]["sales"]})
    assert set(both.attendees) == {"all", "users"}


@pytest.mark.parametrize("heading", ["Pipedrive", "SuiteCRM"])
def test_the_configurations_from_documents_are_valid(heading: str) -> None:
    (table,) = blocks(heading)[0]["sources"].values()
    assert HttpJsonSettings.model_validate(table).type == heading.lower()
