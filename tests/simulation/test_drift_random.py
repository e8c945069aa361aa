"""A seeded world in which somebody works at the vendor by hand while the calendar changes and calls fail.

Whatever they do, no foreign session is touched, and when the faults are gone a few checks and passes bring everything
back in step, with nothing doubled and nothing lost. A failing seed replays: it is in the test's name.
"""

import random
from datetime import timedelta

import pytest

from connectors.simulators.faults import Fault
from sync.report import Exit
from tests.calendars import entries
from tests.clock import START
from tests.simulation.test_drift import checked, double_onstream, move_onstream, rename_onstream
from tests.simulation.test_random_world import KINDS, always, edit
from tests.world import World

SEEDS = 6
STEPS = 8
CALLS = [("GET", "sessions"), ("GET", "session"), ("DELETE", "session"), ("POST", "session"), ("PUT", "session")]


def work_by_hand(world: World, dice: random.Random, foreign: dict[int, object], number: int) -> None:
    """One thing that a person may do at the vendor, or a false word of the vendor about a removal. Nobody insists: what
    is the same twice in a row would be left alone."""
    ours = [ref for ref in world.sim.sessions if ref not in foreign]
    if not ours:
        return
    ref = dice.choice(ours)
    match dice.randrange(5):
        case 0:
            rename_onstream(world.sim, str(ref), f"By hand {number}")
        case 1:
            move_onstream(world.sim, str(ref), minute=number)
        case 2:
            world.sim.remove_session(ref)
        case 3:
            double_onstream(world.sim, str(ref))
        case _:
            world.sim.faults.add(Fault("404_before", "DELETE", "session"))


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_whatever_is_done_by_hand_a_few_checks_bring_everything_back_in_step(world: World, seed: int) -> None:
    dice = random.Random(f"drift/{seed}")
    world.configure(vendor=f'timeout = "300ms"\nsettle = "{dice.choice(["0s", "2s", "60s"])}"')
    foreign = {one.id: one for one in (world.sim.add_session(topic=f"Foreign {n}") for n in range(2))}
    world.entries = entries(6, first=START + timedelta(days=2))
    await world.reconcile()
    for step in range(STEPS):
        for n in range(dice.randrange(2)):
            edit(world, dice, 10 * step + n)
        for n in range(dice.randrange(3)):
            work_by_hand(world, dice, foreign, 2 * step + n)
        for _ in range(dice.choice([0, 0, 1, 2])):
            wait = dice.choice([1, 30])
            world.sim.faults.add(
                Fault(dice.choice(KINDS), *dice.choice(CALLS), dice.randrange(3) + 1, retry_after=wait)
            )
        if dice.random() < 0.6:
            await checked(world)
        else:
            await world.reconcile()
        always(world, foreign)
        world.clock.advance(seconds=dice.choice([10, 70, 900]))
    world.sim.faults.clear()
    for _ in range(5):
        world.clock.advance(minutes=16)
        check, report = await checked(world, force=True)
        always(world, foreign)
    assert (check.found, check.exit(), report.exit(), report.changes) == ((), Exit.DONE, Exit.DONE, ())
    wanted = {entry.title: entry for entry in world.entries.values() if not entry.cancelled}
    assert world.topics() == sorted(wanted)
    held = {one.topic: one for ref, one in world.sim.sessions.items() if ref not in foreign}
    for title, entry in wanted.items():
        assert held[title].start_time == f"{entry.start:%Y-%m-%d %H:%M:%S}"
