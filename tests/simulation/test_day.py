"""Eight hours of the service with outages of single vendors: memory stays, nothing is missed in silence, one vendor's
trouble is no other's, and in the end everything is in step."""

import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest

from tests.simulation.day import HOURS, POLL, VENDORS

JITTER = 10.0
TOLERANCE = 20.0
"""Seconds for the passes themselves."""

pytestmark = pytest.mark.timeout(400)


@dataclass
class Day:
    result: dict[str, Any]
    lines: list[tuple[float, str, dict[str, Any]]]

    def of(self, *events: str) -> Iterator[tuple[float, dict[str, Any]]]:
        return ((at, fields) for at, event, fields in self.lines if event in events)


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Day:
    folder = tmp_path_factory.mktemp("day")
    command = [sys.executable, "-W", "error", "-m", "tests.simulation.day", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=380, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    lines = [json.loads(line) for line in (folder / "lines.jsonl").read_text().splitlines()]
    return Day(json.loads(done.stdout), [(at, event, fields) for at, event, fields in lines])


def test_memory_grows_by_less_than_a_tenth_after_the_first_hour(day: Day) -> None:
    memory = day.result["memory"]
    print(f"resident KiB by the hour: {memory}")
    assert len(memory) == HOURS + 1
    assert max(memory[2:]) <= 1.1 * memory[1]


def test_every_pass_came_when_it_was_due_or_the_log_says_that_it_did_not(day: Day) -> None:
    ended = defaultdict(list)
    for at, fields in day.of("run.finished"):
        ended[fields["route"]].append(at)
    assert set(ended) == set(VENDORS)
    missed = [(at, fields["route"]) for at, fields in day.of("run.missed")]
    for route, times in ended.items():
        assert len(times) >= HOURS * 3600 / (POLL.total_seconds() + JITTER) - 1
        for before, after in pairwise(times):
            told = any(name == route and before <= at <= after for at, name in missed)
            assert after - before <= POLL.total_seconds() + JITTER + TOLERANCE or told, (route, before, after)


def test_an_outage_of_one_vendor_is_told_once_and_so_is_its_end(day: Day) -> None:
    assert len(day.result["outages"]) == HOURS * 60 // 40
    troubles = list(day.of("vendor.unreachable", "vendor.refused", "vendor.cooldown"))
    assert troubles
    assert len(troubles) <= 3 * len(day.result["outages"])
    state: dict[str, str] = {}
    for _, event, fields in day.lines:
        if event == "vendor.unreachable":
            assert state.get(fields["vendor"]) != event, "said again although nothing had changed"
        if event.startswith("vendor."):
            state[fields["vendor"]] = event
    assert {state.get(name) for name in VENDORS} <= {None, "vendor.recovered"}


def test_the_other_vendors_are_not_kept_waiting_by_an_outage(day: Day) -> None:
    slow = [fields for _, fields in day.of("run.finished") if fields["exit"] == 0 and fields["duration_ms"] > 15_000]
    assert slow == []


def test_nothing_failed_and_in_the_end_everything_is_in_step(day: Day) -> None:
    assert list(day.of("run.failed", "meeting.defect", "meeting.quarantined", "meeting.in_doubt", "web.error")) == []
    last = {fields["route"]: fields["exit"] for _, fields in day.of("run.finished")}
    assert set(last.values()) == {0}
    assert day.result["quiet"] == 0
