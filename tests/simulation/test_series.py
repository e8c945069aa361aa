"""Series: what happens to occurrences and their join links when the calendar moves, cuts or extends them."""

from datetime import timedelta

from sync.report import Exit
from tests.calendars import Entry
from tests.clock import START
from tests.world import World, results

MONDAY = START + timedelta(days=1)


def weekly(start_shift: timedelta = timedelta(), *, count: int = 4, extra: tuple[str, ...] = ()) -> Entry:
    return Entry(
        "w@example.com", MONDAY + start_shift, 30, "Weekly", extra=(f"RRULE:FREQ=WEEKLY;COUNT={count}", *extra)
    )


async def join_links(world: World) -> list[str | None]:
    links = sorted((await world.links()).values(), key=lambda link: link.start)
    return [link.join_url for link in links if link.has_session]


async def test_moving_a_whole_series_keeps_every_session_and_join_link(world: World) -> None:
    world.entries = {"w": weekly()}
    await world.reconcile()
    before = await join_links(world)
    world.entries = {"w": weekly(timedelta(hours=1))}
    planned = await world.plan()
    assert results(planned) == {"update planned": 4}
    assert results(await world.reconcile()) == {"update done": 4}
    assert await join_links(world) == before
    assert len(world.sim.sessions) == 4
    assert len(world.events("meeting.rekeyed")) == 4
    assert (await world.reconcile()).changes == ()
    world.entries = {"w": weekly()}
    assert results(await world.reconcile()) == {"update done": 4}, "and back again"
    assert await join_links(world) == before


async def test_a_single_meeting_that_becomes_a_series_keeps_its_session(world: World) -> None:
    world.entries = {"w": weekly().but(extra=())}
    await world.reconcile()
    (before,) = await join_links(world)
    world.entries = {"w": weekly()}
    assert results(await world.reconcile()) == {"create done": 3}
    assert (await join_links(world))[0] == before


async def test_a_moved_occurrence_keeps_its_key_and_session_also_beyond_the_window(world: World) -> None:
    world.configure(vendor="", route='ahead = "25d"')
    moved = (
        "END:VEVENT", "BEGIN:VEVENT", "UID:w@example.com", f"RECURRENCE-ID:{MONDAY + timedelta(7):%Y%m%dT%H%M%SZ}",
        "DTSTAMP:20261101T000000Z", f"DTSTART:{MONDAY + timedelta(60):%Y%m%dT%H%M%SZ}", "DURATION:PT30M",
        "SUMMARY:Weekly", "ORGANIZER:mailto:mara@example.com", "ATTENDEE:mailto:jon@example.com",
    )  # fmt: skip
    world.entries = {"w": weekly()}
    await world.reconcile()
    assert len(world.sim.sessions) == 4
    world.entries = {"w": weekly(extra=moved)}
    report = await world.reconcile()
    assert results(report) == {"update done": 1}
    assert len(world.sim.sessions) == 4
    assert (await world.reconcile()).exit() is Exit.DONE


async def test_an_excluded_date_is_the_calendars_explicit_word(world: World) -> None:
    world.entries = {"w": weekly(count=2)}
    await world.reconcile()
    dates = ",".join(f"{MONDAY + timedelta(7 * n):%Y%m%dT%H%M%SZ}" for n in range(2))
    world.entries = {"w": weekly(count=2, extra=(f"EXDATE:{dates}",))}
    assert results(await world.reconcile()) == {"cancel done": 2}


async def test_a_shortened_series_is_absence_and_guarded(world: World) -> None:
    world.configure(route='ahead = "100d"')
    world.entries = {"w": weekly(count=10)}
    await world.reconcile()
    world.entries = {"w": weekly(count=3)}
    assert results(await world.reconcile()) == {"cancel held": 7}
    assert len(world.sim.sessions) == 10


async def test_occurrences_enter_the_window_by_the_clock_alone(world: World) -> None:
    world.configure(route='ahead = "10d"')
    world.entries = {"w": weekly()}
    assert results(await world.reconcile()) == {"create done": 2}
    world.clock.advance(days=7)
    assert results(await world.reconcile(publish=False)) == {"create done": 1}
    assert len(world.sim.sessions) == 3, "the one that is over stays as it is"


async def test_a_session_handed_on_under_its_old_marker_is_not_adopted_by_another_meeting(world: World) -> None:
    from connectors.simulators.faults import Fault

    world.entries = {"w": weekly(count=1)}
    await world.reconcile()
    world.entries = {"w": weekly(timedelta(hours=1), count=1)}
    await world.reconcile()
    old_name = (f"RDATE:{MONDAY:%Y%m%dT%H%M%SZ}",)
    world.entries = {"w": weekly(timedelta(hours=1), count=1, extra=old_name)}
    world.sim.faults.add(Fault("500_before", "PUT", "session"))
    assert results(await world.reconcile()) == {"create done": 1}
    assert len(world.sim.sessions) == 2
    links = (await world.links()).values()
    assert len({link.session for link in links}) == 2
