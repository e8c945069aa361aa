"""SIGKILL of the real process while it fetches recordings: afterwards each is there once, and whole."""

import copy
import os
import random
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from connectors.simulators.media import film
from tests.calendars import entries
from tests.clock import ManualClock
from tests.system.test_kill import kill_at, run
from tests.world import World, a_world

KILLS = 100
MEETINGS = 3
PER_TEST = 10

pytestmark = pytest.mark.kills


@dataclass
class Stage:
    """A world whose meetings have just ended and have left a recording each, and how to come back to it."""

    world: World
    account: Any
    films: dict[str, bytes]

    def restore(self) -> None:
        for file in self.world.folder.glob("convener.db*"):
            file.unlink()
        shutil.copy(self.world.folder / "base.db", self.world.folder / "convener.db")
        shutil.rmtree(self.world.folder / "archive", ignore_errors=True)
        self.world.sim.reset()
        self.world.sim._account = copy.deepcopy(self.account)

    def files(self) -> list[Path]:
        return [file for file in (self.world.folder / "archive").rglob("*") if file.is_file()]


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    shared = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=shared) as folder, a_world(Path(folder)) as world:
        world.configure(vendor='settle = "0s"', route='looks = ["1s", "1h"]')
        now = datetime.now(UTC).replace(microsecond=0)
        begun = now - timedelta(hours=1)
        running = {n: e.but(start=begun, minutes=120) for n, e in entries(MEETINGS, first=now).items()}
        world.clock, world.entries = ManualClock(now), running
        world.publish()
        assert run(world) == 0
        shutil.copy(world.folder / "convener.db", world.folder / "base.db")
        dice = random.Random(1)
        films = {}
        for ref, session in world.sim.sessions.items():
            films[session.topic] = film(dice.randbytes(200_000 + ref))
            world.sim.add_recording(ref, title=session.topic, content=films[session.topic])
        world.entries = {name: entry.but(minutes=59) for name, entry in running.items()}
        world.publish()
        yield Stage(world, copy.deepcopy(world.sim._account), films)


@pytest.mark.parametrize("block", range(KILLS // PER_TEST))
def test_a_killed_pull_leaves_each_recording_once_and_whole(stage: Stage, block: int) -> None:
    world = stage.world
    for seed in range(block * PER_TEST, (block + 1) * PER_TEST):
        stage.restore()
        story = f"seed {seed}, killed at {kill_at(world, random.Random(seed), longest=0.5, requests=3 * MEETINGS)}"
        for file in stage.files():
            if file.suffix == ".mp4":
                assert sha256(file.read_bytes()).digest() in wanted(stage), f"{story}: {file.name} is not whole"
        exits = [run(world)]
        assert exits == [0], (story, (world.folder / "stderr.txt").read_text()[-2000:])
        stored = [file for file in stage.files() if file.name != "meeting.json"]
        assert {sha256(file.read_bytes()).digest() for file in stored} == wanted(stage), story
        assert len(stored) == MEETINGS, (story, stored)
        assert sum(file.name == "meeting.json" for file in stage.files()) == MEETINGS, story
        if seed % 10 == 0:
            asked = len(world.sim.requests)
            assert run(world) == 0
            assert len(world.sim.requests) == asked, f"{story}: a further pass must be quiet"


def wanted(stage: Stage) -> set[bytes]:
    return {sha256(content).digest() for content in stage.films.values()}
