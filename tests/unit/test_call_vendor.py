"""A vendor at the other end of the range: calls without a time, unmarked, filled in after their creation, for one
participant, never removed. Full passes over a real ledger with a connector that does as it is told."""

import asyncio
from collections.abc import AsyncIterator, Collection
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors import media
from connectors.archive import open_archive
from daemon.database import open_ledger
from sync.change import Action, Change, Result
from sync.effects import settled
from sync.errors import Refused, UnknownOutcome
from sync.follow_up import Outlets
from sync.gate import VendorGate
from sync.ledger.records import Link, LinkState
from sync.ledger.store import Ledger
from sync.model import Capabilities, Invitee, Limits, Meeting, MeetingKey, Participant, Role, Session, Window
from sync.ports import Unfindable
from sync.reconcile import Options, Reconciler
from sync.report import Exit, RouteReport
from sync.route import Route
from sync.snapshot import Snapshot
from tests.clock import ManualClock
from tests.unit.builders import HOUR, JON, MARA, ROUTE, SOON, meeting

CALLS = Capabilities(
    name="Calls",
    session="call",
    marker="none",
    holds=frozenset({"title"}),
    set_after_create=frozenset({"title"}),
    update=frozenset({"title"}),
    reads_back=False,
    delete=False,
    list=False,
    uninvite=False,
    roles=frozenset({Role.PARTICIPANT}),
    change_role=False,
    hosts_apart=True,
    list_invitees=False,
    limits=Limits(participants=1),
)
ALONE = replace(meeting(), participants=())
LOST = UnknownOutcome("time-out")


class Calendar:
    """A source with the meetings that the test gives it."""

    name = "sales"

    def __init__(self) -> None:
        self.meetings: tuple[Meeting, ...] = ()

    async def fetch(self, cursor: bytes | None, window: Window, known: Collection[MeetingKey]) -> Snapshot:
        return Snapshot("sales", window, self.meetings, frozenset(known))


class CallVendor:
    """Keeps calls. `troubles` are raised by the next calls of that name; "after" ones take effect first."""

    capabilities = CALLS

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.titles: dict[str, str | None] = {}
        self.guests: dict[str, str] = {}
        self.troubles: list[tuple[str, BaseException, bool]] = []

    def _trouble(self, name: str, *, after: bool) -> None:
        if self.troubles and self.troubles[0][0] == name and self.troubles[0][2] is after:
            raise self.troubles.pop(0)[1]

    async def create(self, wish: Meeting, marker: str, *, mail: bool) -> Session:
        assert (marker, mail) == ("", False)
        self.asked.append("create")
        self._trouble("create", after=False)
        ref = f"c{len(self.titles) + 1}"
        self.titles[ref] = None
        self._trouble("create", after=True)
        return Session(ref, join_url=f"https://calls.example/{ref}")

    async def update(self, ref: str, wish: Meeting, changed: frozenset[str], *, join_url: str | None = None) -> None:
        assert (changed, join_url) == (frozenset({"title"}), f"https://calls.example/{ref}")
        self.asked.append("update")
        self._trouble("update", after=False)
        self.titles[ref] = wish.title

    async def invite(self, ref: str, participant: Participant, *, mail: bool) -> Invitee:
        self.asked.append("invite")
        self._trouble("invite", after=False)
        self.guests[ref] = participant.email
        return Invitee(f"i-{participant.email}", participant.email)

    async def find(self, marker: str) -> Unfindable:
        self.asked.append("find")
        return Unfindable("calls cannot be looked for")

    async def invitees(self, ref: str) -> Unfindable:
        self.asked.append("invitees")
        return Unfindable("guests are not listed")

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} is not declared and must not be called")


class Place:
    """The calendar, the vendor and the ledger; `go` makes one pass, each with a gate of its own as a run has it."""

    def __init__(self, ledger: Ledger, folder: Path) -> None:
        self.ledger = ledger
        self.folder = folder
        self.clock = ManualClock()
        self.calendar = Calendar()
        self.vendor = CallVendor()
        self.route: Route = ROUTE
        self.log: list[str] = []

    async def go(self, *meetings: Meeting, **options: Any) -> RouteReport:
        self.calendar.meetings = meetings
        gate = VendorGate("main", self.vendor, self.clock, patience=5.0)
        settle = timedelta(seconds=60)
        source: Any = self.calendar
        outlets = Outlets(open_archive("archive", self.folder), media)
        reconciler = Reconciler(self.route, source, gate, self.ledger, self.clock, self._say, settle, 4, outlets)
        return await reconciler.run(Options(**options))

    async def killed_at(self, name: str, *meetings: Meeting, after: bool = True) -> None:
        """A pass whose process dies in this call, after it took effect at the vendor."""
        self.vendor.troubles = [(name, asyncio.CancelledError(), after)]
        with pytest.raises(asyncio.CancelledError):
            await self.go(*meetings)
        assert self.vendor.troubles == []

    async def link(self) -> Link:
        (found,) = await self.ledger.links()
        return found

    async def release(self) -> None:
        """What `convener retry` does."""
        link = await self.link()
        await self.ledger.save_link(replace(settled(link), state=LinkState.PENDING, lost=0), self.clock.now())

    def _say(self, event: str, /, **fields: Any) -> None:
        self.log.append(event)


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with open_ledger(f"sqlite:///{tmp_path}/convener.db") as ledger:
        yield Place(ledger, tmp_path)


def rows(report: RouteReport) -> list[str]:
    return [f"{change.action} {change.result}" for change in report.changes]


def codes(change: Change) -> list[str]:
    return [finding.code for finding in change.findings]


async def test_a_call_is_made_filled_in_and_given_its_guest_and_that_is_one_row_and_one_for_the_guest(
    place: Place,
) -> None:
    report = await place.go(meeting(participants=(MARA, JON)))
    assert rows(report) == ["create done", "invite done"]
    assert place.vendor.asked == ["create", "update", "invite"]
    assert (place.vendor.titles, place.vendor.guests) == ({"c1": "Meeting m1"}, {"c1": JON.email})
    assert [f.name for f in report.changes[0].fields] == ["title", "start", "end"]
    assert codes(report.changes[0]) == ["field-unsupported"]
    link = await place.link()
    assert (link.session, link.join_url, link.marker) == ("c1", "https://calls.example/c1", "")
    assert (link.applied, [p.ref for p in link.invitees]) == ({"title": "Meeting m1"}, [f"i-{JON.email}"])


async def test_a_second_pass_asks_the_vendor_nothing(place: Place) -> None:
    await place.go(meeting())
    place.vendor.asked.clear()
    report = await place.go(meeting())
    assert (report.changes, report.noop, report.exit()) == ((), 1, Exit.DONE)
    assert place.vendor.asked == []


async def test_a_time_that_moves_is_the_calendars_alone(place: Place) -> None:
    await place.go(meeting())
    place.vendor.asked.clear()
    assert rows(await place.go(meeting(start=SOON + HOUR))) == []
    assert place.vendor.asked == []
    assert (await place.link()).start == SOON + HOUR


async def test_a_new_title_is_set_again_without_a_new_call(place: Place) -> None:
    await place.go(meeting())
    assert rows(await place.go(meeting(title="New"))) == ["update done"]
    assert place.vendor.titles == {"c1": "New"}


async def test_another_guest_takes_the_place_of_the_first(place: Place) -> None:
    await place.go(meeting())
    ann = Participant("zoe@example.com")
    assert rows(await place.go(meeting(participants=(ann,)))) == ["invite done"]
    assert place.vendor.guests == {"c1": ann.email}
    assert [p.email for p in (await place.link()).invitees] == [ann.email]
    assert (await place.go(meeting(participants=(ann,)))).changes == ()


async def test_a_guest_who_is_dropped_stays_and_that_is_said_once(place: Place) -> None:
    await place.go(meeting())
    report = await place.go(ALONE)
    assert rows(report) == ["uninvite done"]
    assert codes(report.changes[0]) == ["uninvite-unsupported"]
    assert place.vendor.asked == ["create", "update", "invite"]
    assert (await place.go(ALONE)).changes == ()
    assert place.log.count("session.stale") == 1


@pytest.mark.parametrize("meetings", [(meeting(cancelled=True),), ()])
async def test_a_cancelled_call_is_retired_without_the_vendor(place: Place, meetings: tuple[Meeting, ...]) -> None:
    await place.go(meeting())
    place.vendor.asked.clear()
    report = await place.go(*meetings)
    assert rows(report) == ["cancel done"]
    assert codes(report.changes[0])[-1] == "delete-unsupported"
    assert (await place.go(*meetings)).changes == ()
    assert place.vendor.asked == []
    assert ((await place.link()).state, place.log.count("session.retired")) == (LinkState.CANCELLED, 1)


async def test_a_call_that_is_wanted_again_is_a_new_one(place: Place) -> None:
    await place.go(meeting())
    await place.go(meeting(cancelled=True))
    assert rows(await place.go(meeting())) == ["create done", "invite done"]
    assert (await place.link()).session == "c2"


class TestACreationOfUnknownOutcome:
    @pytest.mark.parametrize("after", [True, False])
    async def test_it_is_repeated_once(self, place: Place, after: bool) -> None:
        place.vendor.troubles = [("create", LOST, after)]
        report = await place.go(ALONE)
        assert rows(report) == ["create done"]
        assert place.vendor.asked.count("create") == 2
        link = await place.link()
        assert (link.state, link.lost, link.applied) == (LinkState.LIVE, 0, {"title": "Meeting m1"})

    async def test_a_second_one_is_a_persons_and_is_never_tried_again_by_itself(self, place: Place) -> None:
        place.vendor.troubles = [("create", LOST, True), ("create", LOST, True)]
        report = await place.go(meeting())
        assert rows(report) == ["create in_doubt", "invite deferred"]
        assert (report.exit(), (await place.link()).state) == (Exit.PARTIAL, LinkState.IN_DOUBT)
        place.vendor.asked.clear()
        for days in (0, 0.5):
            place.clock.advance(days=days)
            waiting = await place.go(meeting(title=f"Edited {days}"))
            assert rows(waiting) == ["create deferred", "invite deferred"]
            assert waiting.exit() is Exit.PARTIAL
        assert place.vendor.asked == []

    async def test_a_person_who_releases_it_gets_one_repeat_again(self, place: Place) -> None:
        place.vendor.troubles = [("create", LOST, True)] * 2
        await place.go(ALONE)
        await place.release()
        place.vendor.troubles = [("create", LOST, True)] * 2
        place.vendor.asked.clear()
        assert rows(await place.go(ALONE)) == ["create in_doubt"]
        assert place.vendor.asked.count("create") == 2
        await place.release()
        assert rows(await place.go(ALONE)) == ["create done"]

    async def test_a_kill_counts_as_one(self, place: Place) -> None:
        await place.killed_at("create", ALONE)
        place.vendor.troubles = [("create", LOST, True)]
        assert rows(await place.go(ALONE)) == ["create in_doubt"]
        assert place.vendor.asked.count("create") == 2
        assert rows(await place.go(ALONE)) == ["create deferred"]
        assert place.vendor.asked.count("create") == 2

    async def test_a_kill_during_the_repeat_allows_no_third(self, place: Place) -> None:
        place.vendor.troubles = [("create", LOST, True), ("create", asyncio.CancelledError(), True)]
        with pytest.raises(asyncio.CancelledError):
            await place.go(ALONE)
        for _ in range(3):
            assert rows(await place.go(ALONE)) == ["create deferred"]
        assert place.vendor.asked.count("create") == 2
        assert (await place.link()).state is LinkState.IN_DOUBT

    async def test_kill_after_kill_makes_two_calls_at_most(self, place: Place) -> None:
        await place.killed_at("create", ALONE)
        await place.killed_at("create", ALONE)
        for _ in range(3):
            assert rows(await place.go(ALONE)) == ["create deferred"]
        assert len(place.vendor.titles) == 2

    async def test_one_that_was_refused_meanwhile_does_not_give_another_repeat(self, place: Place) -> None:
        place.vendor.troubles = [("create", LOST, True), ("create", Refused("full"), False)]
        assert rows(await place.go(ALONE)) == ["create failed"]
        place.vendor.troubles = [("create", LOST, True)]
        assert rows(await place.go(ALONE)) == ["create in_doubt"]
        assert len(place.vendor.titles) == 2

    async def test_the_next_session_of_the_meeting_may_be_repeated_once_too(self, place: Place) -> None:
        place.vendor.troubles = [("create", LOST, True)]
        await place.go(ALONE)
        await place.go(replace(ALONE, cancelled=True))
        place.vendor.troubles = [("create", LOST, True)]
        assert rows(await place.go(ALONE)) == ["create done"]


async def test_a_kill_between_creation_and_filling_in_is_made_good_by_the_next_pass(place: Place) -> None:
    await place.killed_at("update", meeting(), after=False)
    assert place.vendor.titles == {"c1": None}
    assert rows(await place.go(meeting())) == ["update done", "invite done"]
    assert (place.vendor.titles, place.vendor.guests) == ({"c1": "Meeting m1"}, {"c1": JON.email})
    assert (await place.go(meeting())).changes == ()


async def test_a_filling_in_of_unknown_outcome_is_simply_repeated(place: Place) -> None:
    place.vendor.troubles = [("update", LOST, False)]
    assert rows(await place.go(meeting())) == ["create done", "invite done"]
    assert place.vendor.titles == {"c1": "Meeting m1"}
    assert (await place.go(meeting())).changes == ()


async def test_a_guest_of_unknown_outcome_is_set_once_more_where_no_mail_goes_out(place: Place) -> None:
    place.vendor.troubles = [("invite", LOST, False)]
    assert rows(await place.go(meeting())) == ["create done", "invite done"]
    assert place.vendor.asked.count("invite") == 2
    assert [p.email for p in (await place.link()).invitees] == [JON.email]


async def test_a_replaced_route_policy_changes_nothing_where_the_title_can_change(place: Place) -> None:
    place.route = replace(ROUTE, on_unsupported_update="replace")
    await place.go(meeting())
    assert rows(await place.go(meeting(title="New", start=SOON + HOUR))) == ["update done"]
    assert list(place.vendor.titles) == ["c1"]


async def test_planning_asks_nothing_and_leaves_the_ledger_as_it_is(place: Place) -> None:
    place.vendor.troubles = [("create", LOST, True), ("create", LOST, True)]
    await place.go(ALONE)
    before, asked = await place.link(), list(place.vendor.asked)
    report = await place.go(ALONE, mode="plan")
    assert [(c.action, c.result) for c in report.changes] == [(Action.CREATE, Result.DEFERRED)]
    assert (await place.link(), place.vendor.asked) == (before, asked)
