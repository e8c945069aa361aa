"""What the clock alone makes due: when the next pass is worth while although nothing has changed."""

from datetime import datetime, timedelta

import pytest

from connectors.simulators.faults import Fault
from connectors.simulators.livedigital import LivedigitalSimulator
from sync.report import RouteReport
from tests.calendars import Entry
from tests.clock import START
from tests.world import World, a_world

POLL = timedelta(hours=12)


async def look(world: World) -> RouteReport:
    return await world.reconcile(foresight=POLL, respect_backoff=True)


async def wake(world: World) -> datetime:
    """When the clock makes work, after a pass that has done all that there was."""
    report = await look(world)
    assert report.wake_at is not None
    return report.wake_at


async def test_a_meeting_beyond_the_window_is_made_when_it_enters_it_and_not_before(world: World) -> None:
    world.configure(route='ahead = "1d"')
    world.entries = {"far": Entry("far@example.com", START + timedelta(hours=30))}
    at = await wake(world)
    assert (at, world.topics()) == (START + timedelta(hours=6), [])
    world.clock.advance(hours=6, seconds=1)
    await look(world)
    assert world.topics() == ["Meeting"]


async def test_looking_further_ahead_is_not_to_believe_less_or_to_remove_more(world: World) -> None:
    world.configure(route='ahead = "1d"')
    near, far = (
        Entry("near@example.com", START + timedelta(hours=2)),
        Entry("far@example.com", START + timedelta(hours=30)),
    )
    world.entries = {"near": near, "far": far}
    report = await look(world)
    assert [meeting.key.uid for meeting in report.snapshot.meetings] == ["near@example.com"]
    world.entries = {"near": near.but(start=START + timedelta(hours=34)), "far": far}  # beyond, not gone
    report = await look(world)
    assert [change.action for change in report.changes] == ["update"]
    assert world.topics() == ["Meeting"]


async def test_nothing_to_come_wakes_nobody(world: World) -> None:
    assert (await look(world)).wake_at is None


async def test_a_step_that_failed_is_tried_again_when_its_back_off_is_over(world: World) -> None:
    world.configure(route="looks = []")
    world.entries = {"m": Entry("m@example.com", START + timedelta(hours=2))}
    world.sim.faults.add(Fault("400_before", method="PUT", times=1))
    at = await wake(world)
    assert at == START + timedelta(seconds=30)
    world.clock.advance(seconds=30)
    assert (await look(world)).exit() == 0
    assert world.topics() == ["Meeting"]


async def test_a_lost_call_is_looked_for_when_it_has_had_its_time(world: World) -> None:
    world.configure(vendor='timeout = "300ms"\nsettle = "60s"')
    world.entries = {"m": Entry("m@example.com", START + timedelta(hours=2))}
    world.sim.faults.add(Fault("hang_before", method="PUT", times=1))
    at = await wake(world)
    assert at == START + timedelta(seconds=60)
    world.clock.advance(seconds=60)
    assert await wake(world) == START + timedelta(seconds=90)
    world.clock.advance(seconds=30)
    await look(world)
    assert world.topics() == ["Meeting"]


async def test_what_a_meeting_leaves_is_looked_for_on_the_minute(world: World) -> None:
    world.configure(route='looks = ["5m", "30m"]')
    world.entries = {"m": Entry("m@example.com", START + timedelta(hours=1), minutes=60)}
    await look(world)
    world.clock.advance(hours=2)
    assert await wake(world) == START + timedelta(hours=2, minutes=5)


async def test_a_personal_link_is_made_when_its_meeting_is_near_enough(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with a_world(tmp_path_factory.mktemp("spaces"), LivedigitalSimulator) as world:
        world.entries = {"m": Entry("m@example.com", START + timedelta(days=20))}
        at = await wake(world)
        assert START < at < START + timedelta(days=20)
        world.clock.advance(seconds=(at - START).total_seconds() + 1)
        await look(world)
        assert len(world.events("link.minted")) == len((await world.links())["sales:m@example.com"].invitees)


async def test_a_vendor_that_was_in_trouble_is_asked_how_it_is_when_there_is_nothing_else_to_ask(world: World) -> None:
    entry = Entry("m@example.com", START + timedelta(hours=2))
    world.entries = {"m": entry}
    await look(world)
    world.entries = {"m": entry.but(title="Other")}
    world.sim.faults.add(Fault("503_before", times=99))
    await look(world)
    assert world.events("vendor.unreachable")
    world.sim.faults.clear()
    world.entries = {"m": entry}  # as it was: nothing is to be done any more
    await look(world)
    assert world.events("vendor.recovered")
    asked = len(world.sim.requests)
    await look(world)
    assert len(world.sim.requests) == asked, "a vendor that is well is left in peace"


async def test_a_hint_from_the_vendor_costs_none_of_the_schedules_looks(world: World) -> None:
    world.configure(route='looks = ["5m", "30m"]')
    world.entries = {"m": Entry("m@example.com", START + timedelta(hours=1), minutes=60)}
    await look(world)
    world.clock.advance(hours=2, seconds=5)
    await look(world)
    for _ in range(5):
        await world.open(lambda inside: inside.ledger.occurrences.look_soon("sales", world.clock.now()))
        asked = len(world.sim.requests)
        await look(world)
        assert len(world.sim.requests) > asked
        world.clock.advance(seconds=10)
    assert await wake(world) == START + timedelta(hours=2, minutes=5)
