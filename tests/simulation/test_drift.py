"""Somebody works at the vendor by hand, and convener notices: at all stand-ins, as far as each shows what it holds.

Every check here is made right before a pass, as the service and `reconcile --drift` make it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.simulators.faults import Fault
from connectors.simulators.idiligo import IdiligoSimulator
from connectors.simulators.isl_groop import IslGroopSimulator
from connectors.simulators.livedigital import LivedigitalSimulator
from connectors.simulators.onstream import OnstreamSimulator
from connectors.simulators.openmeetings import OpenMeetingsSimulator
from daemon.views import status_document
from sync.drift import DriftReport
from sync.ledger.records import LinkState
from sync.reconcile import Options
from sync.report import Exit, RouteReport
from tests.calendars import entries
from tests.clock import START
from tests.world import World, a_world, find, results


def open_meetings(sim: Any, ref: str) -> Any:
    """The appointment of a room."""
    return next(one for one in sim.appointments.values() if one.room_id == int(ref) and not one.deleted)


def rename_onstream(sim: Any, ref: str, title: str) -> None:
    with sim._lock:
        sim._account.sessions[int(ref)].topic = title


def rename_isl(sim: Any, ref: str, title: str) -> None:
    with sim._lock:
        sim._account.sessions[ref].session_name = title


def move_onstream(sim: Any, ref: str, minute: int = 0) -> None:
    with sim._lock:
        sim._account.sessions[int(ref)].start_time = f"2026-11-25 23:{minute:02}:00"


def move_open_meetings(sim: Any, ref: str) -> None:
    one, later = open_meetings(sim, ref), timedelta(hours=5)
    sim.change_appointment(one.id, start=one.start + later, end=one.end + later)


def double_onstream(sim: Any, ref: str) -> str:
    first = sim.sessions[int(ref)]
    copied = {"topic": first.topic, "custom_data": dict(first.custom_data), "start_time": first.start_time}
    return str(sim.add_session(**copied, foreign=False).id)


def double_livedigital(sim: Any, ref: str) -> str:
    return str(sim.add_session(**sim.rooms[ref].settings).id)


def hide_isl(sim: Any, owner: str) -> None:
    with sim._lock:
        for one in sim._account.sessions.values():
            one.owner = owner


def hide_open_meetings(sim: Any, *, hidden: bool) -> None:
    for one in sim.appointments.values():
        sim.change_appointment(one.id, connected=hidden)


def cut(sim: Any, paging: str) -> None:
    sim.options.paging, sim.options.page = paging, 1 if paging == "capped" else 20


@dataclass(frozen=True)
class Kind:
    """One vendor: what a person can do there by hand. `hide` cuts or falsifies the list, `show` mends it again."""

    make: Callable[..., Any]
    rename: Callable[[Any, str, str], None]
    remove: Callable[[Any, str], None]
    list_resource: str
    hide: Callable[[Any], None]
    show: Callable[[Any], None]
    present: Callable[[Any], set[str]]
    move: Callable[[Any, str], None] | None = None
    double: Callable[[Any, str], str] | None = None
    renames: bool = True
    """Whether the vendor lets convener change a title."""


KINDS = {
    "onstream": Kind(
        OnstreamSimulator,
        rename_onstream,
        lambda sim, ref: sim.remove_session(int(ref)),
        "sessions",
        lambda sim: sim.faults.add(Fault("404_before", resource="sessions", times=50)),
        lambda sim: sim.faults.clear(),
        lambda sim: {str(ref) for ref in sim.sessions},
        move_onstream,
        double_onstream,
    ),
    "openmeetings": Kind(
        OpenMeetingsSimulator,
        lambda sim, ref, title: sim.change_appointment(open_meetings(sim, ref).id, title=title),
        lambda sim, ref: sim.remove_session(int(ref)),
        "calendar.list",
        lambda sim: hide_open_meetings(sim, hidden=True),
        lambda sim: hide_open_meetings(sim, hidden=False),
        lambda sim: {str(one.id) for one in sim.rooms.values() if not one.deleted},
        move_open_meetings,
    ),
    "isl-groop": Kind(
        IslGroopSimulator,
        rename_isl,
        lambda sim, ref: sim.remove_session(ref),
        "get_info",
        lambda sim: hide_isl(sim, "somebody else"),
        lambda sim: hide_isl(sim, sim.username),
        lambda sim: set(sim.sessions),
        renames=False,
    ),
    "livedigital": Kind(
        LivedigitalSimulator,
        lambda sim, ref, title: sim.change_room(ref, name=title),
        lambda sim, ref: sim.remove_session(ref),
        "rooms",
        lambda sim: cut(sim, "capped"),
        lambda sim: cut(sim, "limit_offset"),
        lambda sim: set(sim.rooms),
        double=double_livedigital,
    ),
}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


@pytest.fixture
def world(kind: Kind, tmp_path: Path) -> Iterator[World]:
    """Four meetings, none of which has a session yet."""
    with a_world(tmp_path, kind.make) as made:
        prepare(made)
        yield made


@pytest.fixture
def onstream(tmp_path: Path) -> Iterator[World]:
    """The same at one vendor, for what does not depend on it."""
    with a_world(tmp_path) as made:
        prepare(made)
        yield made


def prepare(world: World) -> None:
    world.configure(vendor='timeout = "10s"\nsettle = "2s"')
    world.entries = entries(4, first=START + timedelta(days=2))


async def checked(world: World, **options: Any) -> tuple[DriftReport, RouteReport]:
    """A check and the pass after it."""
    world.publish()

    async def use(inside: Any) -> tuple[DriftReport, RouteReport]:
        async with inside.working("sales") as reconciler:
            return await reconciler.check_drift(Options(**options)), await reconciler.run(Options(**options))

    done: tuple[DriftReport, RouteReport] = await world.open(use)
    return done


async def refs(world: World) -> dict[str, str]:
    """The sessions by the names of their entries."""
    links = await world.links()
    return {name: str(links[str(world.key(name))].session) for name in world.entries}


async def status(world: World) -> dict[str, Any]:
    """What `status --json` prints."""

    async def look(inside: Any) -> dict[str, Any]:
        return await status_document(inside, ["sales"])

    shown: dict[str, Any] = await world.open(look)
    return shown


async def titles(world: World) -> dict[str, str | None]:
    """What the vendor shows, by the names of the entries."""
    sessions = await refs(world)

    async def look(inside: Any) -> dict[str, str | None]:
        connector = inside.connector("main")
        return {name: (await connector.get(ref)).title for name, ref in sessions.items()}

    shown: dict[str, str | None] = await world.open(look)
    return shown


async def in_step(world: World) -> None:
    """Nothing more is found, nothing is to be done, and without a check nothing is asked."""
    check, report = await checked(world)
    assert (check.found, check.problem, check.exit(), report.changes) == ((), "", Exit.DONE, ())
    asked = len(world.sim.requests)
    assert (await world.reconcile()).exit() is Exit.DONE
    assert len(world.sim.requests) == asked


def kinds(check: DriftReport) -> list[tuple[str, str]]:
    return [(one.kind, one.outcome) for one in check.found]


async def test_a_title_that_somebody_changed_is_changed_back_where_the_vendor_can(world: World, kind: Kind) -> None:
    await world.reconcile()
    session = (await refs(world))["m1"]
    kind.rename(world.sim, session, "By hand")
    check, report = await checked(world)
    (drift,) = check.found
    assert (drift.kind, drift.session, drift.key) == ("changed", session, str(world.key("m1")))
    assert [(diff.name, diff.before, diff.after) for diff in drift.fields] == [("title", "Meeting 1", "By hand")]
    step = find(report, action="update")
    assert step.reason == "title changed at the vendor"
    assert step.unsupported is not kind.renames
    assert check.exit() is (Exit.DONE if kind.renames else Exit.PARTIAL)
    assert (await titles(world))["m1"] == ("Meeting 1" if kind.renames else "By hand")
    assert [one["outcome"] for one in world.events("drift.found")] == ["repaired" if kind.renames else "reported"]
    await in_step(world)


async def test_in_the_mode_report_nothing_is_changed_and_it_is_told_once(world: World, kind: Kind) -> None:
    world.configure(vendor='timeout = "10s"', route='drift = "report"')
    await world.reconcile()
    sessions = await refs(world)
    kind.rename(world.sim, sessions["m0"], "By hand")
    kind.remove(world.sim, sessions["m1"])
    if kind.double:
        kind.double(world.sim, sessions["m2"])
    before, changes = kind.present(world.sim), world.sim.changes
    wanted = {("changed", "reported"), ("missing", "reported")} | ({("double", "reported")} if kind.double else set())
    for _ in range(2):
        check, report = await checked(world)
        assert set(kinds(check)) == wanted
        assert (check.exit(), report.exit()) == (Exit.PARTIAL, Exit.PARTIAL)
        assert all(change.result != "done" for change in report.changes)
        wanted -= {("missing", "reported")}  # it is set aside, and waits for a person
    assert kind.present(world.sim) == before
    assert world.sim.changes == changes
    assert len(world.events("drift.found")) == 2 + bool(kind.double), "each is told once"
    assert (await world.links())[str(world.key("m1"))].state is LinkState.QUARANTINED


async def test_a_start_that_somebody_moved_is_moved_back(world: World, kind: Kind) -> None:
    if kind.move is None:
        pytest.skip("the vendor shows no times")
    await world.reconcile()
    kind.move(world.sim, (await refs(world))["m2"])
    check, report = await checked(world)
    assert kinds(check) == [("changed", "repaired")]
    assert find(report, action="update").reason.startswith("start")
    assert results(report) == {"update done": 1}
    await in_step(world)


async def test_a_session_that_somebody_removed_is_made_anew_by_the_pass_that_follows(world: World, kind: Kind) -> None:
    await world.reconcile()
    sessions = await refs(world)
    kind.remove(world.sim, sessions["m1"])
    check, report = await checked(world)
    assert kinds(check) == [("missing", "repaired")]
    assert find(report, action="create").link == "new"
    assert [one["session"] for one in world.events("session.vanished")] == [sessions["m1"]]
    after = await refs(world)
    assert after.pop("m1") != sessions.pop("m1")
    assert after == sessions
    await in_step(world)


async def test_sessions_that_are_all_gone_at_once_wait_for_a_person(world: World, kind: Kind) -> None:
    await world.reconcile()
    before = await refs(world)
    for session in before.values():
        kind.remove(world.sim, session)
    for _ in range(3):
        check, report = await checked(world)
        assert kinds(check) == [("missing", "held")] * 4
        assert (check.exit(), report.changes) == (Exit.HELD, ())
    assert len(world.events("guard.held")) == 1
    assert await refs(world) == before
    check, report = await checked(world, force=True)
    assert kinds(check) == [("missing", "repaired")] * 4
    assert sum(change.action == "create" for change in report.changes) == 4
    await in_step(world)


@pytest.mark.parametrize("back", [False, True], ids=["believed", "back again"])
async def test_what_a_check_held_back_is_the_state_of_the_route_until_it_is_gone(
    onstream: World, *, back: bool
) -> None:
    world = onstream
    await world.reconcile()
    sessions = dict(world.sim.sessions)
    for session in sessions:
        world.sim.remove_session(session)
    await checked(world)
    for _ in range(3):
        report = await world.reconcile()
        assert (report.exit(), report.changes) == (Exit.HELD, ())
        assert report.held_reason == (
            "4 sessions were gone at once at the last drift check; "
            "`convener reconcile sales --drift --force` believes it all the same"
        )
    row = (await status(world))["routes"][0]
    assert (row["last_exit"], row["held_reason"], row["drift"]["held"]) == (3, report.held_reason, 4)
    assert row["drift_keys"] == sorted(str(world.key(name)) for name in world.entries)
    plan = await world.reconcile(mode="plan")
    assert (plan.exit(), plan.held_reason) == (Exit.DONE, "")
    world.sim.faults.add(Fault("500_before", resource="sessions", times=50))
    await checked(world)
    world.sim.faults.clear()
    assert (await world.reconcile()).exit() is Exit.HELD, "a check that failed clears nothing"
    assert len(world.events("guard.held")) == 1, "one cause is said once"
    if back:
        with world.sim._lock:
            world.sim._account.sessions.update(sessions)
    _, report = await checked(world, force=not back)
    assert (report.exit(), report.held_reason) == (Exit.DONE, "")
    assert sum(change.action == "create" for change in report.changes) == (0 if back else 4)
    assert (await status(world))["routes"][0]["drift"] == {"held": 0, "reported": 0, "returned": 0}
    await in_step(world)


async def test_what_is_only_reported_or_came_back_is_too(onstream: World) -> None:
    world = onstream
    await world.reconcile()
    session = (await refs(world))["m0"]
    for wanted in (Exit.DONE, Exit.PARTIAL):
        rename_onstream(world.sim, session, "The vendor knows better")
        await checked(world)
        assert (await world.reconcile()).exit() is wanted
    world.configure(vendor='timeout = "10s"', route='drift = "report"')
    await checked(world)
    for _ in range(2):
        report = await world.reconcile()
        assert (report.exit(), report.held_reason) == (Exit.PARTIAL, "")
    rename_onstream(world.sim, session, "Meeting 0")
    assert (await world.reconcile()).exit() is Exit.PARTIAL, "nobody has looked"
    await in_step(world)


@pytest.mark.parametrize("fault", ["500_before", "truncate", "429", "401_before"])
async def test_nothing_is_concluded_from_a_list_that_cannot_be_had(world: World, kind: Kind, fault: str) -> None:
    await world.reconcile()
    sessions, links = await refs(world), await world.links()
    kind.rename(world.sim, sessions["m1"], "By hand")
    wait = 600 if fault == "429" else None
    world.sim.faults.add(Fault(fault, resource=kind.list_resource, times=50, retry_after=wait))
    for _ in range(2):
        check, report = await checked(world)
        assert (check.found, report.changes) == ((), ())
        assert check.problem
        assert check.exit() in (Exit.UNREACHABLE, Exit.PARTIAL)
    assert await world.links() == links
    assert len(world.events("drift.failed")) <= 1
    world.sim.faults.clear()
    world.clock.advance(minutes=15)
    check, _ = await checked(world)
    assert [one.kind for one in check.found] == ["changed"]


async def test_a_list_that_lacks_what_is_there_makes_nothing_gone_and_nothing_new(world: World, kind: Kind) -> None:
    await world.reconcile()
    sessions, changes = await refs(world), world.sim.changes
    kind.hide(world.sim)
    for _ in range(3):
        check, report = await checked(world)
        assert (check.found, report.changes) == ((), ())
    kind.show(world.sim)
    await in_step(world)
    assert await refs(world) == sessions
    assert world.sim.changes == changes


async def test_with_a_list_that_is_not_whole_two_checks_have_to_agree_that_a_session_is_gone(
    world: World, kind: Kind
) -> None:
    await world.reconcile()
    kind.remove(world.sim, (await refs(world))["m3"])
    kind.hide(world.sim)
    first, report = await checked(world)
    assert (kinds(first), report.changes, first.exit()) == ([("missing", "suspected")], (), Exit.DONE)
    second, report = await checked(world)
    assert kinds(second) == [("missing", "repaired")]
    assert sum(change.action == "create" and change.result == "done" for change in report.changes) == 1
    kind.show(world.sim)


async def test_a_check_of_what_is_in_step_finds_nothing_and_foreign_sessions_are_not_even_named(
    world: World, kind: Kind
) -> None:
    for _ in range(2):
        world.sim.add_session()
    await world.reconcile()
    held = world.sim.state() | {"requests": []}
    await in_step(world)
    assert world.sim.state() | {"requests": []} == held
    assert world.events("drift.checked")[0]["sessions"] == 4
    assert world.events("drift.found") == []
    assert "Foreign" not in str(world.log)
    assert len(kind.present(world.sim)) == 6


async def test_a_second_session_with_our_marker_is_removed_and_the_one_of_the_ledger_stays(
    world: World, kind: Kind
) -> None:
    if kind.double is None:
        pytest.skip("there cannot be two, or the list shows no marker")
    await world.reconcile()
    sessions = await refs(world)
    second = kind.double(world.sim, sessions["m0"])
    check, report = await checked(world)
    assert (kinds(check), check.found[0].session) == ([("double", "repaired")], second)
    assert report.changes == ()
    assert second not in kind.present(world.sim)
    assert await refs(world) == sessions
    await in_step(world)


async def test_a_removal_that_a_false_404_called_done_is_made_once_more(world: World, kind: Kind) -> None:
    if kind.double is None:
        pytest.skip("the vendor does not take the vendor's 404 for done, or shows no marker")
    await world.reconcile()
    session = (await refs(world))["m1"]
    world.entries["m1"] = world.entries["m1"].but(cancelled=True)
    resource = "session" if kind.list_resource == "sessions" else "room-delete"
    world.sim.faults.add(Fault("404_before", "DELETE", resource))
    await world.reconcile()
    assert session in kind.present(world.sim), "the vendor lied"
    check, _ = await checked(world)
    assert (kinds(check), check.found[0].session) == ([("leftover", "repaired")], session)
    assert session not in kind.present(world.sim)
    await in_step(world)


async def test_a_ledger_that_was_put_back_takes_over_what_was_made_since(world: World, kind: Kind) -> None:
    if kind.double is None and kind.make is not OpenMeetingsSimulator:
        pytest.skip("the list shows no marker")
    late = {name: world.entries.pop(name) for name in ("m2", "m3")}
    await world.reconcile()
    kept = (world.folder / "convener.db").read_bytes()
    world.entries |= late
    await world.reconcile()
    sessions = await refs(world)
    del world.entries["m3"]  # and this one is not wanted any more
    for file in world.folder.glob("convener.db*"):
        file.unlink()
    (world.folder / "convener.db").write_bytes(kept)
    check, report = await checked(world)
    assert sorted(kinds(check)) == [("orphan", "adopted"), ("orphan", "reported")]
    assert not [change for change in report.changes if change.action == "create"]
    assert await refs(world) == {name: sessions[name] for name in world.entries}
    assert sessions["m3"] in kind.present(world.sim), "nobody knows whether it is needed: a person decides"


async def test_a_session_that_was_replaced_in_a_life_that_the_ledger_lost_is_taken_over(
    world: World, kind: Kind
) -> None:
    if kind.double is None:
        pytest.skip("there cannot be two, or the list shows no marker")
    await world.reconcile()
    first = (await refs(world))["m0"]
    second = kind.double(world.sim, first)
    kind.remove(world.sim, first)
    check, report = await checked(world)
    assert kinds(check) == [("orphan", "adopted")]
    assert not [change for change in report.changes if change.action == "create"]
    assert (await refs(world))["m0"] == second
    await in_step(world)


async def test_another_join_link_is_told_and_published(world: World, kind: Kind) -> None:
    await world.reconcile()
    key, session = str(world.key("m0")), (await refs(world))["m0"]
    before = (await world.links())[key].join_url
    if kind.make is OnstreamSimulator:
        with world.sim._lock:
            world.sim._account.sessions[int(session)].friendly_url = "another"
    elif kind.make is LivedigitalSimulator:
        with world.sim._lock:
            world.sim._account.rooms[session].alias = "another"
    else:
        pytest.skip("the link is made from the session's id")
    check, report = await checked(world)
    assert (kinds(check), report.changes) == ([("join_link", "repaired")], ())
    after = (await world.links())[key].join_url
    assert after is not None
    assert after.endswith("another")
    assert [(diff.before, diff.after) for diff in check.found[0].fields] == [(before, after)]
    assert "another" not in str(world.log)
    await in_step(world)


async def test_a_change_that_comes_back_after_every_repair_is_left_alone(world: World, kind: Kind) -> None:
    if not kind.renames:
        pytest.skip("the vendor cannot change a title")
    await world.reconcile()
    outcomes = []
    for _ in range(4):
        kind.rename(world.sim, (await refs(world))["m0"], "The vendor knows better")
        check, _ = await checked(world)
        outcomes += [one.outcome for one in check.found]
    assert outcomes == ["repaired", "returned", "returned", "returned"]
    assert len(world.events("drift.found")) == 2


async def test_a_pass_without_a_check_and_a_plan_look_at_nothing(onstream: World) -> None:
    world = onstream
    await world.reconcile()
    rename_onstream(world.sim, (await refs(world))["m0"], "By hand")
    asked, links = len(world.sim.requests), await world.links()
    for mode in ("plan", "dry-run", "apply"):
        assert (await world.reconcile(mode=mode)).changes == ()
    assert len(world.sim.requests) == asked
    assert await world.links() == links

    async def forbidden(inside: Any) -> None:
        async with inside.looking("sales") as reconciler:
            await reconciler.check_drift(Options(mode="plan"))

    with pytest.raises(ValueError, match="writes to the ledger"):
        await world.open(forbidden)


async def test_where_the_vendor_shows_nothing_there_is_no_check(tmp_path: Path) -> None:
    with a_world(tmp_path, IdiligoSimulator) as world:
        world.entries = entries(2)
        await world.reconcile()
        asked = len(world.sim.requests)
        check, _ = await checked(world)
        assert (check.found, check.exit(), len(world.sim.requests)) == ((), Exit.DONE, asked)
        assert check.note == "Idiligo shows nothing of what it holds: nothing can be compared"

        async def due(inside: Any) -> Any:
            async with inside.looking("sales") as reconciler:
                return await reconciler.drift_due(timedelta(hours=6))

        assert await world.open(due) is None


async def test_a_check_is_due_after_its_time_and_sooner_after_one_that_failed(onstream: World) -> None:
    world = onstream
    every = timedelta(hours=6)

    async def due(inside: Any) -> Any:
        async with inside.looking("sales") as reconciler:
            return await reconciler.drift_due(every) - world.clock.now()

    assert await world.open(due) == every
    await world.reconcile()
    world.clock.advance(hours=1)
    assert await world.open(due) == every - timedelta(hours=1), "from the first pass on"
    await checked(world)
    assert await world.open(due) == every
    world.sim.faults.add(Fault("500_before", resource="sessions", times=50))
    await checked(world)
    assert await world.open(due) == timedelta(minutes=15)
