"""A vendor that lives in a package of its own is one among the others, without a change outside its own file."""

from pathlib import Path

import pytest

from connectors.simulators.serve import serve_in_thread
from daemon.settings import load, vendor_plugins
from daemon.wiring import installation
from sync.reconcile import Options
from tests.calendars import Entry, calendar
from tests.clock import START, ManualClock
from tests.contract import test_toy_vendor as toy

ENTRY_POINT = "[convener.connectors]\ntoy = tests.contract.test_toy_vendor:plugin\n"
CONFIG = """
[sources.s]
type = "ical"
url = "s.ics"
[vendors.toy]
type = "toy"
url = "{url}"
password = "secret-word"
[routes.r]
source = "s"
vendor = "toy"
series = "room"
"""


def test_a_whole_vendor_with_its_stand_in_and_tests_is_under_150_lines() -> None:
    lines = Path(toy.__file__).read_text().splitlines()
    assert len(lines) < 150, len(lines)


async def test_a_vendor_of_another_package_is_kept_in_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package, sim = tmp_path / "toy-1.dist-info", toy.ToySimulator()
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: toy\nVersion: 1\n")
    (package / "entry_points.txt").write_text(ENTRY_POINT)
    monkeypatch.syspath_prepend(tmp_path)
    assert vendor_plugins()["toy"] is toy.plugin
    (tmp_path / "s.ics").write_text(
        calendar([Entry("one", START, title="One"), Entry("two", START, title="Two")], START)
    )
    with serve_in_thread(sim.app) as served:
        (tmp_path / "convener.toml").write_text(CONFIG.format(url=served.url))
        for expected in (2, 0):
            async with installation(load(tmp_path / "convener.toml"), log_format="json") as inside:
                inside.clock = ManualClock()
                before = len(sim.requests)
                async with inside.working("r") as reconciler:
                    report = await reconciler.run(Options())
                assert (report.exit(), len(sim.requests) - before) == (0, expected)
    assert sorted(room["name"] for room in sim.rooms.values()) == ["One", "Two"]
