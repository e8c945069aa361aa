"""SIGKILL of the real process at random moments: after a restart nothing is doubled and nothing is lost."""

import copy
import os
import random
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.calendars import Entry, entries
from tests.system.process import start
from tests.world import World, a_world

KILLS = int(os.environ.get("CONVENER_KILLS", "200"))
"""`make soak` sets more: each costs a second or two of both cores."""
MEETINGS = 30
EXISTING = 6
PER_TEST = 10

pytestmark = pytest.mark.kills

OLD = (("jon@example.com", "REQ-PARTICIPANT"), ("lee@example.com", "REQ-PARTICIPANT"))
NEW = (("jon@example.com", "CHAIR"), ("ana@example.com", "REQ-PARTICIPANT"))


@dataclass
class Stage:
    """A world in which some of the meetings exist, and what is needed to set it up again for each kill."""

    world: World
    account: Any
    before: dict[str, Entry]
    after: dict[str, Entry]

    def restore(self) -> None:
        for file in self.world.folder.glob("convener.db*"):
            file.unlink()
        shutil.copy(self.world.folder / "base.db", self.world.folder / "convener.db")
        self.world.sim.reset()
        self.world.sim._account = copy.deepcopy(self.account)
        self.world.entries = self.after
        self.world.publish()


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    # In memory where there is such a folder: a kill of the process does not need the disk, and it is quicker.
    shared = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=shared) as folder, a_world(Path(folder)) as world:
        world.configure(vendor='settle = "0s"')
        first = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
        everything = {name: entry.but(people=OLD) for name, entry in entries(MEETINGS, first=first).items()}
        old = dict(list(everything.items())[:EXISTING])
        world.entries = old
        world.publish()
        assert run(world) == 0
        shutil.copy(world.folder / "convener.db", world.folder / "base.db")
        after = everything | {name: entry.but(people=NEW, title=f"{entry.title}!") for name, entry in old.items()}
        yield Stage(world, copy.deepcopy(world.sim._account), old, after)


def run(world: World) -> int | None:
    process = start(world.folder, "reconcile")
    process.join(60)
    return process.exitcode


def kill_at(world: World, dice: random.Random, *, longest: float = 0.8, requests: int = 85) -> str:
    """Start a pass and kill it at a random moment: by the clock (at `longest` seconds), or right when the vendor has
    got one of that many `requests`."""
    process = start(world.folder, "reconcile")
    by_clock = dice.random() < 0.3
    moment, request = dice.uniform(0.0, longest), dice.randrange(0, requests)
    deadline = time.monotonic() + (moment if by_clock else 30)
    while process.is_alive() and time.monotonic() < deadline:
        if not by_clock and len(world.sim.requests) > request:
            break
        process.join(0.0005)
    process.kill()
    process.join()
    return f"{'clock' if by_clock else f'request {request}'}: exit {process.exitcode}"


@pytest.mark.parametrize("block", range(KILLS // PER_TEST))
def test_a_killed_pass_leaves_exactly_one_session_a_meeting_and_no_doubled_invitee(stage: Stage, block: int) -> None:
    world = stage.world
    for seed in range(block * PER_TEST, (block + 1) * PER_TEST):
        stage.restore()
        story = f"seed {seed}, killed at {kill_at(world, random.Random(seed))}"
        exits = [run(world)]
        if exits != [0]:
            exits.append(run(world))
        assert exits[-1] == 0, (story, exits, (world.folder / "stderr.txt").read_text()[-2000:])
        assert world.topics() == sorted(entry.title for entry in stage.after.values()), story
        assert len(world.sim.sessions) == MEETINGS, story
        assert world.doubled_invitees() == [], story
        for session in world.sim.sessions.values():
            entry = next(e for e in stage.after.values() if e.title == session.topic)
            wanted = {email: 1 if role == "CHAIR" else 2 for email, role in entry.people} | {"mara@example.com": 1}
            assert {i.email: i.role for i in session.invitees} == wanted, story
        if seed % 5 == 0:
            assert run(world) == 0, "a creation that was taken for absent is looked for once more"
            asked = len(world.sim.requests)
            assert run(world) == 0
            assert len(world.sim.requests) == asked, f"{story}: a further pass must be quiet"
