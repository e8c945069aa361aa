"""Effects that come late, searches that lie, people who forget: one attempt's work is not taken for another's."""

from datetime import timedelta

from connectors.simulators.faults import Fault
from sync.change import Result
from sync.report import Exit
from tests.calendars import Entry, entries
from tests.clock import START
from tests.simulation.test_invariants import assert_in_step
from tests.world import World, find, results

SOON = START + timedelta(days=1)


async def test_a_creation_that_takes_effect_after_it_was_repeated_leaves_one_session(world: World) -> None:
    world.configure(vendor='timeout = "200ms"\nsettle = "0s"')
    world.entries = entries(1)
    world.sim.faults.add(Fault("late", "PUT", "session"))
    await world.reconcile()
    world.sim.faults.release()
    assert len(world.sim.sessions) == 2, "the late effect has come"
    report = await world.reconcile()
    assert report.exit() is Exit.DONE
    assert_in_step(world)
    asked = len(world.sim.requests)
    assert (await world.reconcile()).changes == ()
    assert len(world.sim.requests) == asked, "the watch is over"


async def test_a_late_session_of_a_meeting_that_is_gone_by_then_is_removed(world: World) -> None:
    world.configure(vendor='timeout = "200ms"\nsettle = "2s"')
    world.entries = {"a": Entry("a", SOON), "b": Entry("b", SOON, title="Other")}
    world.sim.faults.add(Fault("late", "PUT", "session"), Fault("400_before", "PUT", "session", after=1, times=2))
    await world.reconcile()
    world.entries = {name: entry.but(cancelled=True) for name, entry in world.entries.items()}
    world.sim.faults.release()
    world.sim.faults.clear()
    world.clock.advance(seconds=10)
    await world.reconcile()
    await world.reconcile()
    assert world.sim.sessions == {}


async def test_an_earlier_attempts_session_is_recorded_as_the_vendor_shows_it_and_brought_up_to_date(
    world: World,
) -> None:
    world.configure(vendor='timeout = "200ms"\nsettle = "60s"')
    world.entries = {"a": Entry("a", SOON, title="Old", people=(("x@example.com", "REQ-PARTICIPANT"),))}
    world.sim.faults.add(Fault("late", "PUT", "session"))
    assert results(await world.reconcile()) == {"create deferred": 1}
    world.entries["a"] = Entry(
        "a", SOON + timedelta(hours=2), 30, title="New", people=(("y@example.com", "REQ-PARTICIPANT"),)
    )
    world.clock.advance(seconds=61)
    world.sim.faults.add(Fault("reset_after", "PUT", "session"))
    await world.reconcile()
    world.sim.faults.release()
    for _ in range(3):
        world.clock.advance(seconds=61)
        await world.reconcile()
    assert_in_step(world)


async def test_a_forgotten_session_is_never_adopted_or_touched_again(world: World) -> None:
    world.entries = entries(1)
    await world.reconcile()
    (forgotten,) = world.sim.sessions.values()

    async def forget(inside):  # type: ignore[no-untyped-def]
        await inside.ledger.delete_link("sales", world.key("m0"))

    await world.open(forget)
    world.sim.faults.add(Fault("reset_after", "PUT", "session"))
    assert results(await world.reconcile()) == {"create done": 1}
    assert world.sim.sessions[forgotten.id] == forgotten
    assert len(world.sim.sessions) == 2


async def test_a_creation_that_never_works_is_set_aside_also_with_a_long_settle_time(world: World) -> None:
    world.configure(vendor='timeout = "500ms"\nsettle = "60s"')
    world.entries = entries(1)
    world.sim.faults.add(Fault("500_before", "PUT", "session", times=1000))
    for _ in range(30):
        report = await world.reconcile()
        world.clock.advance(seconds=61)
    assert report.quarantined == 1
    assert len(world.sim.writes) <= 10
    change = find(report, action="create")
    assert change.result is Result.DEFERRED


async def test_many_meetings_that_the_vendor_chokes_on_do_not_starve_the_others(world: World) -> None:
    world.configure(vendor='timeout = "500ms"\nsettle = "0s"')
    world.sim.options.choke_on = "Poison"
    world.entries = entries(5)
    world.entries |= {f"p{n}": Entry(f"p{n}", SOON + timedelta(minutes=n), title=f"Poison {n}") for n in range(10)}
    for _ in range(6):
        report = await world.reconcile()
    assert world.topics() == [f"Meeting {n}" for n in range(5)]
    assert report.quarantined == 10
    assert report.exit() is Exit.PARTIAL


async def test_an_empty_listing_is_not_believed_while_a_known_session_exists(world: World) -> None:
    world.entries = entries(4)
    await world.reconcile()
    world.entries["m9"] = Entry("m9@example.com", SOON + timedelta(days=3), title="New")
    world.sim.faults.add(Fault("reset_after", "PUT", "session"), Fault("404_before", "GET", "sessions", times=50))
    assert results(await world.reconcile()) == {"create deferred": 1}
    assert len(world.sim.sessions) == 5
    world.sim.faults.clear()
    assert (await world.reconcile()).exit() is Exit.DONE
    assert_in_step(world)


async def test_a_vendor_that_never_shows_markers_is_asked_no_second_time(world: World) -> None:
    world.entries = entries(2)
    await world.reconcile()
    world.sim.options.show_custom_data = False
    world.entries["m9"] = Entry("m9@example.com", SOON + timedelta(days=3), title="New")
    world.sim.faults.add(Fault("reset_after", "PUT", "session"))
    assert results(await world.reconcile()) == {"create deferred": 1}
    await world.reconcile()
    assert len(world.sim.sessions) == 3


async def test_an_unreadable_entry_whose_uid_is_missing_removes_nothing(world: World) -> None:
    from tests.calendars import calendar

    world.entries = entries(6)
    await world.reconcile()
    text = (
        calendar(world.entries.values()).replace("UID:m0@example.com\r\n", "").replace("DTSTART:2026", "DTSTART:20X", 1)
    )
    world.publish(text)
    report = await world.reconcile(publish=False, force=True)
    assert results(report) == {}
    assert not report.snapshot.complete
    assert len(world.sim.sessions) == 6


async def test_an_invitee_listing_that_fails_once_does_not_invite_everybody_again(world: World) -> None:
    world.entries = entries(1)
    await world.reconcile()
    world.entries["m0"] = world.entries["m0"].but(people=(("jon@example.com", "CHAIR"),))
    world.sim.faults.add(Fault("404_before", "GET", "invitees"))
    await world.reconcile()
    await world.reconcile()
    assert_in_step(world)
