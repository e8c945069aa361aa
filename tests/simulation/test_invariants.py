"""The invariants of the design, each attacked, over real HTTP with injected faults."""

from datetime import timedelta

import pytest

from connectors.simulators.faults import Fault
from sync.change import Result
from sync.errors import ConvenerError
from sync.report import Exit
from tests.calendars import Entry, entries
from tests.clock import START
from tests.world import World, find, results

SOON = START + timedelta(days=1)

AFTER_THE_EFFECT = ("500_after", "503_after", "reset_after", "hang_after", "truncate", "garbage", "empty", "301_after")
BEFORE_THE_EFFECT = ("500_before", "503_before", "reset_before", "hang_before")
REFUSALS = ("400_before", "409_before", "429")

WRITES = {
    "create": ("PUT", "session"),
    "update": ("POST", "session"),
    "cancel": ("DELETE", "session"),
    "invite": ("PUT", "invitee"),
    "role": ("POST", "invitee"),
    "uninvite": ("DELETE", "invitee"),
}


def edit(world: World) -> None:
    """One change of each kind to a calendar of five meetings."""
    e = world.entries
    e["m0"] = e["m0"].but(title="Renamed", start=e["m0"].start + timedelta(minutes=30))
    e["m1"] = e["m1"].but(people=(("jon@example.com", "REQ-PARTICIPANT"), ("new@example.com", "REQ-PARTICIPANT")))
    e["m2"] = e["m2"].but(people=(("jon@example.com", "CHAIR"),))
    e["m3"] = e["m3"].but(people=())
    e["m4"] = e["m4"].but(cancelled=True)
    e["m5"] = Entry("m5@example.com", SOON + timedelta(days=2), title="Added")


def assert_in_step(world: World) -> None:
    """What the vendor holds is what the calendar says: nothing lost, nothing doubled."""
    wanted = sorted(entry.title for entry in world.entries.values() if not entry.cancelled)
    assert world.topics() == wanted
    assert world.doubled_invitees() == []
    held = {session.topic: session for session in world.sim.sessions.values()}
    for entry in world.entries.values():
        if entry.cancelled:
            continue
        session = held[entry.title]
        assert session.start_time == f"{entry.start:%Y-%m-%d %H:%M:%S}"
        assert session.duration == entry.minutes
        people = {email: 1 if role == "CHAIR" else 2 for email, role in entry.people} | {entry.organizer: 1}
        assert {invitee.email: invitee.role for invitee in session.invitees} == people


@pytest.mark.parametrize("kind", [*AFTER_THE_EFFECT, *BEFORE_THE_EFFECT, *REFUSALS])
@pytest.mark.parametrize("write", WRITES)
async def test_each_fault_on_each_write_converges_within_two_further_passes(
    world: World, write: str, kind: str
) -> None:
    world.entries = entries(5)
    await world.reconcile()
    edit(world)
    world.sim.faults.add(Fault(kind, *WRITES[write], retry_after=1 if kind == "429" else None))
    reports = [await world.reconcile() for _ in range(3)]
    assert not world.sim.faults.pending(), "the fault was never met"
    assert reports[-1].exit() is Exit.DONE
    assert_in_step(world)
    requests = len(world.sim.requests)
    quiet = await world.reconcile()
    assert quiet.changes == ()
    assert len(world.sim.requests) == requests


@pytest.mark.parametrize("kind", AFTER_THE_EFFECT)
async def test_an_unknown_creation_is_looked_for_and_adopted_and_never_repeated(world: World, kind: str) -> None:
    world.entries = entries(1)
    world.sim.faults.add(Fault(kind, "PUT", "session"))
    report = await world.reconcile()
    assert results(report) == {"create done": 1}
    assert [r.method for r in world.sim.writes] == ["PUT"]
    assert len(world.sim.sessions) == 1
    assert world.events("session.adopted")


async def test_a_creation_is_absent_only_after_two_looks_with_the_settle_time_between(world: World) -> None:
    world.entries = entries(1)
    world.sim.faults.add(Fault("500_before", "PUT", "session"))
    report = await world.reconcile()
    assert results(report) == {"create done": 1}
    kinds = [(r.method, r.resource) for r in world.sim.requests]
    between = kinds[kinds.index(("PUT", "session")) + 1 : len(kinds) - kinds[::-1].index(("PUT", "session")) - 1]
    assert between.count(("GET", "sessions")) >= 2
    assert world.clock.slept >= 2.0
    assert len(world.sim.sessions) == 1


async def test_a_long_settle_time_is_not_waited_out_but_left_to_a_later_pass(world: World) -> None:
    world.configure(vendor='timeout = "500ms"\nsettle = "60s"')
    world.entries = entries(1)
    world.sim.faults.add(Fault("500_before", "PUT", "session"))
    first = await world.reconcile()
    assert results(first) == {"create deferred": 1}
    assert first.exit() is Exit.PARTIAL
    second = await world.reconcile()
    assert results(second) == {"create deferred": 1}, "the settle time has not passed: still nobody knows"
    assert len(world.sim.writes) == 1
    world.clock.advance(seconds=61)
    third = await world.reconcile()
    assert results(third) == {"create done": 1}
    assert len(world.sim.sessions) == 1
    assert third.exit() is Exit.DONE


async def test_a_look_that_fails_is_not_absence(world: World) -> None:
    world.entries = entries(1)
    world.sim.faults.add(Fault("reset_after", "PUT", "session"), Fault("500_before", "GET", "sessions", times=3))
    first = await world.reconcile()
    assert results(first) == {"create deferred": 1}
    assert first.exit() is Exit.UNREACHABLE
    second = await world.reconcile()
    assert second.exit() is Exit.DONE
    assert len(world.sim.sessions) == 1
    assert [r.method for r in world.sim.writes] == ["PUT"]


async def test_late_doubles_with_our_marker_are_removed_and_the_oldest_stays(world: World) -> None:
    world.entries = entries(1)
    await world.reconcile()
    ref = next(iter(world.sim.sessions))
    links = await world.links()
    marker = next(iter(links.values())).marker
    world.sim.add_session(topic="Meeting 0", custom_data={"custom1": marker}, foreign=False)
    # The next creation of unknown outcome for this meeting finds both.
    link = next(iter(links.values()))

    async def open_again(inside):  # type: ignore[no-untyped-def]
        payload = {**link.applied, "fields": dict(link.applied)}
        await inside.ledger.open_intent(link, "create", world.clock.now(), payload=payload)

    await world.open(open_again)
    await world.reconcile()
    assert list(world.sim.sessions) == [ref]
    assert (await world.reconcile()).changes == ()


async def test_no_write_reaches_the_vendor_without_a_committed_intent(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger is made to fail at the commit of each intent: nothing may have been sent."""
    from sync.ledger.store import Ledger

    async def broken(*_: object, **__: object) -> None:
        raise ConvenerError("the disk is full")

    world.entries = entries(3)
    monkeypatch.setattr(Ledger, "open_intent", broken)
    report = await world.reconcile()
    assert world.sim.writes == []
    assert {change.result for change in report.changes} == {Result.FAILED}


async def test_open_intents_are_settled_before_anything_else(world: World) -> None:
    world.configure(vendor='timeout = "500ms"\nsettle = "0s"')
    world.entries = entries(2)
    world.sim.faults.add(Fault("reset_after", "PUT", "session"), Fault("500_before", "GET", "sessions", times=6))
    await world.reconcile()
    before = len(world.sim.requests)
    del world.entries["m0"], world.entries["m1"]
    await world.reconcile()
    assert world.sim.requests[before].resource == "sessions", "the first thing asked is what became of the open call"


async def test_a_second_pass_over_an_unchanged_calendar_asks_the_vendor_nothing(world: World) -> None:
    world.entries = entries(12)
    await world.reconcile()
    before = len(world.sim.requests)
    world.clock.advance(minutes=5)  # DTSTAMP changes with every publication
    report = await world.reconcile()
    assert report.changes == ()
    assert report.noop == 12
    assert len(world.sim.requests) == before


@pytest.mark.parametrize("mode", ["plan", "dry-run"])
async def test_plan_and_dry_run_write_nothing_at_the_vendor_and_nothing_in_the_ledger(world: World, mode: str) -> None:
    world.entries = entries(5)
    await world.reconcile()
    edit(world)
    world.publish()
    before, links = len(world.sim.requests), await world.links()
    report = await world.reconcile(mode=mode)
    assert len(report.changes) == 6
    assert {change.result for change in report.changes} == {Result.PLANNED}
    assert len(world.sim.requests) == before
    assert await world.links() == links


async def test_foreign_sessions_are_never_touched(world: World) -> None:
    foreign = [world.sim.add_session(topic=f"Meeting {n}") for n in range(3)]
    other = world.sim.add_session(topic="Meeting 0", custom_data={"custom1": "convener/0123456789ab/feed"})
    world.entries = entries(5)
    world.sim.faults.add(Fault("500_after", "PUT", "session"))
    await world.reconcile()
    edit(world)
    await world.reconcile()
    world.entries.clear()
    await world.reconcile(force=True)
    left = world.sim.sessions
    assert [left[session.id] for session in [*foreign, other]] == [*foreign, other]
    assert len(left) == 4


async def test_one_bad_meeting_never_stops_the_others_and_is_set_aside_with_its_reason(world: World) -> None:
    world.entries = entries(4)
    await world.reconcile()
    for name in world.entries:
        world.entries[name] = world.entries[name].but(title=f"{world.entries[name].title} new")
    # The first edit of each pass is refused: with one meeting at a time it is always the earliest meeting's.
    world.configure(vendor='timeout = "500ms"\nsettle = "0s"\nconcurrency = 1')
    world.sim.faults.add(Fault("400_before", "POST", "session"))
    report = await world.reconcile()
    assert results(report) == {"update failed": 1, "update done": 3}
    for attempt in range(2, 6):
        world.sim.faults.add(Fault("400_before", "POST", "session"))
        report = await world.reconcile()
        assert report.exit() is Exit.PARTIAL, attempt
    (aside,) = world.events("meeting.quarantined")
    assert aside["key"] == str(world.key("m0"))
    assert len(world.events("meeting.failed")) == 1, "the first failure is logged, not each repetition"
    calls = len(world.sim.writes)
    report = await world.reconcile()
    change = find(report, action="update")
    assert (change.result, [f.code for f in change.findings]) == (Result.DEFERRED, ["quarantined"])
    assert len(world.sim.writes) == calls, "a meeting in quarantine is not tried"
    assert report.exit() is Exit.PARTIAL
    world.entries["m0"] = world.entries["m0"].but(title="Mended")
    assert results(await world.reconcile()) == {"update done": 1}
    assert (await world.reconcile()).exit() is Exit.DONE


async def test_a_defect_in_one_meeting_does_not_stop_the_others(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from connectors.vendors import onstream

    create = onstream.OnstreamConnector.create

    async def sometimes(self, meeting, marker, *, mail):  # type: ignore[no-untyped-def]
        if meeting.title == "Meeting 1":
            raise ZeroDivisionError("oh")
        return await create(self, meeting, marker, mail=mail)

    monkeypatch.setattr(onstream.OnstreamConnector, "create", sometimes)
    world.entries = entries(4)
    report = await world.reconcile()
    assert results(report) == {"create done": 3, "create failed": 1}
    assert world.events("meeting.defect")
    monkeypatch.undo()
    assert (await world.reconcile()).exit() is Exit.DONE
    assert_in_step(world)


async def test_an_outage_of_the_vendor_sets_no_meeting_aside(world: World) -> None:
    world.entries = entries(6)
    world.sim.faults.add(Fault("500_before", times=10_000))
    for _ in range(8):
        report = await world.reconcile()
        assert report.exit() is Exit.UNREACHABLE
    assert len(world.events("vendor.unreachable")) == 1
    world.sim.faults.clear()
    world.clock.advance(minutes=2)
    await world.reconcile()
    assert (await world.reconcile()).exit() is Exit.DONE
    assert_in_step(world)
    assert not world.events("meeting.quarantined")
    assert world.events("vendor.recovered")


async def test_a_wrong_password_costs_one_login_attempt_a_run(world: World) -> None:
    world.entries = entries(8)
    world.sim.password = "another"
    report = await world.reconcile()
    assert report.exit() is Exit.UNREACHABLE
    assert len(world.sim.requests) == 1
    assert len(world.events("vendor.refused")) == 1


async def test_a_vendor_that_asks_for_a_long_wait_is_left_alone_until_then(world: World) -> None:
    world.entries = entries(5)
    world.sim.faults.add(Fault("429", "PUT", "session", retry_after=120))
    first = await world.reconcile()
    assert first.exit() is Exit.PARTIAL
    asked = len(world.sim.requests)
    world.clock.advance(seconds=60)
    assert (await world.reconcile()).exit() is Exit.PARTIAL
    assert len(world.sim.requests) == asked, "the cooldown is kept across runs"
    world.clock.advance(seconds=61)
    assert (await world.reconcile()).exit() is Exit.DONE
    assert_in_step(world)


async def test_mail_goes_out_once_for_each_participant_when_the_route_says_email(world: World) -> None:
    world.configure(route='invite = "email"')
    world.entries = entries(5)
    await world.reconcile()
    assert len(world.sim.mails) == 10
    edit(world)
    await world.reconcile()
    await world.reconcile()
    assert sorted(mail.email for mail in world.sim.mails[10:]) == [
        "jon@example.com",
        "mara@example.com",
        "new@example.com",
    ]


async def test_no_mail_goes_out_by_default(world: World) -> None:
    world.entries = entries(5)
    await world.reconcile()
    edit(world)
    await world.reconcile()
    assert world.sim.mails == []


async def test_a_session_that_vanished_at_the_vendor_is_made_anew_and_said(world: World) -> None:
    world.entries = entries(2)
    await world.reconcile()
    world.sim.remove_session(next(iter(world.sim.sessions)))
    world.entries["m0"] = world.entries["m0"].but(title="Renamed")
    world.entries["m1"] = world.entries["m1"].but(title="Renamed too")
    await world.reconcile()
    assert len(world.events("session.vanished")) == 1
    report = await world.reconcile()
    assert find(report, action="create").link == "new"
    assert (await world.reconcile()).exit() is Exit.DONE
    assert_in_step(world)


async def test_an_echo_that_differs_from_what_was_sent_causes_no_endless_update(tmp_path) -> None:  # type: ignore[no-untyped-def]
    from tests.world import a_world

    with a_world(tmp_path, escape_topics=True) as world:
        world.entries = {"a": Entry("a", SOON, title="R&D <b>now</b> é")}
        await world.reconcile()
        world.entries["a"] = world.entries["a"].but(title="R&D <i>then</i> é")
        world.sim.faults.add(Fault("500_after", "POST", "session"))
        await world.reconcile()
        await world.reconcile()
        before = len(world.sim.requests)
        assert (await world.reconcile()).changes == ()
        assert len(world.sim.requests) == before
