"""The configurations of Odoo in docs/sources.md work as they are written."""

import re
import tomllib
from pathlib import Path

import pytest

from connectors.simulators.odoo import OdooSimulator
from connectors.simulators.serve import serve_in_thread
from connectors.sources.odoo import plugin
from tests.contract.source import START, WINDOW

PAGE = (Path(__file__).parents[2] / "docs/sources.md").read_text()
SECTION = PAGE.partition("## Odoo ")[2].partition("\n## ")[0]
WRITTEN = re.findall(r"```toml\n(.*?)```", SECTION, re.DOTALL)


@pytest.mark.parametrize(("version", "text"), list(zip((19, 11), WRITTEN, strict=True)))
async def test_a_documented_configuration_reads_a_meeting(version: int, text: str, tmp_path: Path) -> None:
    table = tomllib.loads(text)["sources"]["sales"]
    secrets = {"password": "…"} if version == 11 else {"api_key": table["api_key"]}
    login = (table.get("username", "convener"), secrets.get("password", "unused"))
    options = {"api_key": secrets["api_key"]} if version == 19 else {}
    sim = OdooSimulator(*login, version=version, database=table["database"], **options)
    sim.add_meeting("Product demo", START, people=[("ada@client.example", "Ada Client")])
    with serve_in_thread(sim.app) as served:
        settings = plugin.settings.model_validate({**table, "url": served.url})
        source = plugin.connect("sales", settings, tmp_path, True)
        (mapped,) = await source.check()
        snapshot = await source.fetch(None, WINDOW, ())
        await source.close()  # type: ignore[attr-defined]
    assert mapped.code == "mapped"
    assert [meeting.title for meeting in snapshot.meetings] == ["Product demo"]
    assert sim.changes == 0
