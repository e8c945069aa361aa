"""What a source gets back and when: planned from the ledger, written ahead, written once, and tried again."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from daemon.database import open_ledger
from sync.errors import (
    ArchiveError,
    CredentialsRefused,
    Gone,
    LeaseLost,
    OutsideError,
    RateLimited,
    Refused,
    UnknownOutcome,
    Unreachable,
)
from sync.gate import VendorGate
from sync.ledger.records import Link, LinkState, Occurrence, Pulled, PulledState
from sync.ledger.store import Ledger
from sync.ledger.write_backs import LINK, WriteBack, WriteState
from sync.links_back.mailing import FIRST_BACKOFF, LONGEST_BACKOFF, MOST_ATTEMPTS
from sync.links_back.tell import MOST_HANDED, TOLD_WITHIN, Teller
from sync.links_back.write_back import AT_A_TIME, KEPT, WritingBack
from sync.links_back.write_plan import Situation, WritePlan, due_links
from sync.links_back.writer import MOST_DOUBTS, MOST_UNKNOWN, NO_PLACE
from sync.model import Meeting, MeetingKey
from sync.outlets import Archived
from sync.snapshot import Snapshot, Trouble
from tests.clock import ManualClock
from tests.memory_crm import Killed, MemoryCrm
from tests.unit.builders import HOUR, NOW, ROUTE, SOON, key, link_of, meeting

URL = "https://vendor.example/join"
NEW = "https://vendor.example/join/new"
UID = key().uid


def occurrence(one: Meeting | None = None, **values: Any) -> Occurrence:
    one = one or meeting()
    made = Occurrence("sales", one.key, str(one.key), "main", f"s-{one.key.uid}", one.title, one.start, one.end)
    return replace(made, **values)


def situation(one: Occurrence | None = None, link: Link | None = None, **values: Any) -> Situation:
    one = one or occurrence()
    link = link or link_of(meeting())
    made = Situation("sales", [one], {str(link.key): link}, {one.key}, {one.key}, NOW)
    return replace(made, **values)


def row(state: WriteState = WriteState.DONE, wanted: str = URL, **values: Any) -> WriteBack:
    written = URL if state is WriteState.DONE else ""
    made = WriteBack("sales", key(), LINK, SOON + HOUR, state, wanted, written=written, written_at=NOW)
    return replace(made, **values)


def calls(plan: WritePlan) -> list[tuple[str, str]]:
    return [(due.link, due.former) for due in plan.due]


class TestPlanning:
    def test_a_link_that_the_source_has_not_got_is_written(self) -> None:
        plan = due_links(situation(), [])
        assert calls(plan) == [(URL, "")]
        assert (plan.due[0].row.state, plan.due[0].row.attempts) == (WriteState.TRYING, 1)

    def test_one_that_it_has_is_not(self) -> None:
        assert due_links(situation(), [row()]) == WritePlan()

    def test_a_new_link_takes_the_place_of_the_former(self) -> None:
        plan = due_links(situation(link=link_of(meeting(), join_url=NEW)), [row()])
        assert calls(plan) == [(NEW, URL)]

    @pytest.mark.parametrize(
        "join_url", [None, "", "callto:17", "https://jon:secret@vendor.example/", "https://[x/", "javascript:alert(1)"]
    )
    def test_only_a_sound_link_for_everybody_is_written(self, join_url: str | None) -> None:
        assert due_links(situation(link=link_of(meeting(), join_url=join_url)), []) == WritePlan()

    def test_a_link_that_is_yet_to_be_asked_for_leaves_the_former_alone(self) -> None:
        assert due_links(situation(link=link_of(meeting(), join_url=None)), [row()]) == WritePlan()
        assert calls(due_links(situation(link=link_of(meeting(), join_url="")), [row()])) == [("", URL)]

    def test_a_meeting_that_the_source_does_not_show_or_has_cancelled_is_not_written(self) -> None:
        assert due_links(situation(shown=()), []) == WritePlan()
        assert due_links(situation(link=link_of(meeting(), join_url=NEW), shown=()), [row()]) == WritePlan()

    def test_the_link_of_a_session_that_was_removed_is_taken_away_from_a_meeting_that_still_takes_place(self) -> None:
        off = occurrence(session="", off=True)
        removed = link_of(meeting(), state=LinkState.CANCELLED)
        assert calls(due_links(situation(off, removed, taken=()), [row()])) == [("", URL)]
        assert due_links(situation(off, removed, taken=(), shown=()), [row()]) == WritePlan()
        assert due_links(situation(off, removed, taken=()), []) == WritePlan(), "nothing of ours stands there"

    @pytest.mark.parametrize(
        ("state", "session"), [(LinkState.CANCELLED, "s-1"), (LinkState.PENDING, None), (LinkState.IN_DOUBT, None)]
    )
    def test_while_a_new_session_is_to_come_its_link_is_waited_for(self, state: LinkState, session: str | None) -> None:
        link = link_of(meeting(), state=state, session=session, join_url=None)
        assert due_links(situation(link=link), [row()]) == WritePlan()

    def test_where_none_will_come_the_dead_link_is_taken_away(self) -> None:
        link = link_of(meeting(), state=LinkState.QUARANTINED, session=None, join_url=None)
        assert calls(due_links(situation(link=link), [row()])) == [("", URL)]

    def test_a_forgotten_meeting_keeps_its_link_until_it_has_another(self) -> None:
        assert due_links(situation(occurrence(session=""), links={}), [row()]) == WritePlan()

    def test_the_occurrences_of_a_room_have_one_link_and_are_written_each(self) -> None:
        days = [meeting(start=SOON + timedelta(days=n)) for n in range(3)]
        days = [replace(one, key=replace(one.key, recurrence_id=one.start)) for one in days]
        room = link_of(meeting())
        uses = [occurrence(one, link=str(room.key), session=str(room.session)) for one in days]
        plan = due_links(situation(link=room, occurrences=uses, shown=[one.key for one in days]), [])
        assert [(due.row.key, due.link) for due in plan.due] == [(one.key, URL) for one in days]

    @pytest.mark.parametrize("state", [WriteState.WAITING, WriteState.REFUSED])
    def test_what_failed_waits_for_its_time_and_a_person_does_not(self, state: WriteState) -> None:
        failed = row(state, retry_at=NOW + HOUR, attempts=3, problem="no answer")
        assert due_links(situation(respect_backoff=True), [failed]) == WritePlan(wait=1)
        assert calls(due_links(situation(), [failed])) == [(URL, "")]
        due = due_links(situation(respect_backoff=True, now=NOW + HOUR), [failed]).due[0]
        assert (due.row.state, due.row.attempts, due.row.retry_at) == (WriteState.TRYING, 4, None)

    def test_a_new_link_does_not_wait_for_the_time_of_the_former(self) -> None:
        link = link_of(meeting(), join_url=NEW)
        failed = row(WriteState.WAITING, retry_at=NOW + HOUR, problem="no answer")
        assert calls(due_links(situation(link=link, respect_backoff=True), [failed])) == [(NEW, "")]

    def test_what_was_given_up_is_lacking_until_the_link_changes(self) -> None:
        given_up = row(WriteState.REFUSED, problem="no")
        assert due_links(situation(), [given_up]) == WritePlan(wait=1)
        assert calls(due_links(situation(link=link_of(meeting(), join_url=NEW)), [given_up])) == [(NEW, "")]

    def test_what_has_no_place_is_not_lacking(self) -> None:
        assert due_links(situation(), [row(WriteState.SKIPPED)]) == WritePlan()

    @pytest.mark.parametrize("state", [WriteState.WAITING, WriteState.REFUSED, WriteState.SKIPPED])
    def test_what_was_never_written_is_not_taken_away(self, state: WriteState) -> None:
        off = situation(occurrence(session=""), link_of(meeting(), state=LinkState.CANCELLED), taken=())
        (settled,) = due_links(off, [row(state, problem="x")]).settled
        assert (settled.state, settled.wanted, settled.problem) == (WriteState.DONE, "", "")
        assert due_links(off, [settled]) == WritePlan()

    @pytest.mark.parametrize("doubt", [row(WriteState.TRYING), row(WriteState.WAITING, doubted=True)])
    def test_an_unknown_outcome_is_repeated_while_it_is_wanted(self, doubt: WriteBack) -> None:
        (due,) = due_links(situation(), [doubt]).due
        assert (due.link, due.former, due.then, due.row.doubted, due.clears) == (URL, "", URL, True, False)

    @pytest.mark.parametrize("doubt", [row(WriteState.TRYING), row(WriteState.WAITING, doubted=True)])
    def test_a_link_in_doubt_that_is_not_wanted_any_more_is_taken_away_and_never_written(
        self, doubt: WriteBack
    ) -> None:
        (due,) = due_links(situation(link=link_of(meeting(), join_url=NEW)), [doubt]).due
        assert (due.link, due.former, due.then, due.clears) == ("", URL, NEW, True)
        off = situation(occurrence(session=""), link_of(meeting(), state=LinkState.CANCELLED), taken=())
        (due,) = due_links(off, [doubt]).due
        assert (due.link, due.former, due.then) == ("", URL, "")

    def test_those_with_the_fewest_attempts_come_first_then_by_start(self) -> None:
        meetings = [meeting(f"m{n}", SOON + n * HOUR) for n in range(3)]
        links = {str(one.key): link_of(one) for one in meetings}
        uses, keys = [occurrence(one) for one in meetings], [one.key for one in meetings]
        tried = row(WriteState.WAITING, key=meetings[0].key, attempts=2)
        plan = due_links(Situation("sales", uses, links, keys, keys, NOW), [tried])
        assert [due.row.key.uid for due in plan.due] == ["m1@example.com", "m2@example.com", "m0@example.com"]

    def test_a_meeting_that_was_moved_is_remembered_as_long_as_it_takes(self) -> None:
        later = occurrence(end=SOON + 9 * HOUR)
        (settled,) = due_links(situation(later), [row()]).settled
        assert settled == row(ends_at=SOON + 9 * HOUR)
        (settled,) = due_links(situation(later, shown=()), [row()]).settled
        assert settled == row(ends_at=SOON + 9 * HOUR)


class TestTwoRoutes:
    """A second route of the same source wrote its own link to the same meeting."""

    other = row(route="other", wanted=NEW, written=NEW, written_at=NOW + HOUR)

    def test_a_link_takes_the_place_of_whichever_was_written_last(self) -> None:
        assert calls(due_links(situation(), [self.other])) == [(URL, NEW)]
        third = link_of(meeting(), join_url=f"{URL}/3")
        assert calls(due_links(situation(link=third), [row(), self.other])) == [(f"{URL}/3", NEW)]
        newer = row(written_at=NOW + 2 * HOUR)
        assert calls(due_links(situation(link=third), [newer, self.other])) == [(f"{URL}/3", URL)]

    def test_the_last_one_stands_and_nobody_writes_again(self) -> None:
        assert due_links(situation(), [row(), self.other]) == WritePlan()

    def test_when_the_one_that_stands_goes_the_others_comes_back(self) -> None:
        off = situation(occurrence(session=""), link_of(meeting(), state=LinkState.CANCELLED), taken=())
        (due,) = due_links(off, [row(), self.other]).due
        assert (due.link, due.former, due.row.wanted) == (NEW, URL, "")


class Scene:
    """One route, and what a pass does about the meetings that it holds."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.crm: Any = MemoryCrm()
        self.clock = ManualClock()
        self.log: list[tuple[str, dict[str, Any]]] = []
        self.links: dict[MeetingKey, Link] = {}
        self.trouble = Trouble.NONE
        self.gate = self.a_gate()

    def a_gate(self) -> VendorGate:
        return VendorGate("main", None, self.clock, 5.0)  # type: ignore[arg-type]

    def hold(self, *names: str, **values: Any) -> None:
        """The meetings stand in the CRM and have a session."""
        for name in names:
            one = meeting(name)
            self.links[one.key] = link_of(one, join_url=f"{URL}/{name}", **values)
            self.crm.add(one)

    async def run(self, *, respect_backoff: bool = False) -> int:
        meetings = [one for one in self.crm.meetings.values() if one.end > self.clock.now()]
        uses = [occurrence(one, session=str(self.links[one.key].session)) for one in meetings if one.key in self.links]
        snapshot = Snapshot("sales", ROUTE.window(NOW), tuple(meetings), trouble=self.trouble)
        by_text = {str(key): link for key, link in self.links.items()}
        writing = WritingBack(self.ledger, self.crm, self.gate, self.clock, self._say, ROUTE)
        return await writing.run(snapshot, list(self.links), uses, by_text, respect_backoff=respect_backoff)

    async def rows(self) -> dict[str, WriteBack]:
        return {one.key.uid.partition("@")[0]: one for one in await self.ledger.write_backs.links("sales")}

    async def the_row(self) -> WriteBack:
        (one,) = (await self.rows()).values()
        return one

    def said(self) -> list[str]:
        """The names of the log lines since the last time."""
        log, self.log = self.log, []
        return [event for event, _ in log]

    def _say(self, event: str, /, **fields: Any) -> None:
        self.log.append((event, fields))


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    async with open_ledger(f"sqlite:///{tmp_path}/convener.db") as opened:
        yield opened


@pytest.fixture
def scene(ledger: Ledger) -> Scene:
    return Scene(ledger)


async def quiet(scene: Scene) -> None:
    """Nothing is lacking, nothing is called and nothing is said."""
    scene.said()
    scene.crm.told()
    for respect_backoff in (True, False):
        assert await scene.run(respect_backoff=respect_backoff) == 0
        assert (scene.crm.told(), scene.said()) == ([], [])


class TestWriting:
    async def test_a_link_is_written_once_and_a_new_one_in_its_place(self, scene: Scene) -> None:
        scene.hold("m1")
        assert await scene.run() == 0
        assert scene.crm.told() == [(UID, f"{URL}/m1", "")]
        assert scene.log == [
            ("link.written_back", {"route": "sales", "source": "sales", "key": str(key()), "outcome": "written"})
        ]
        await quiet(scene)
        scene.links[key()] = replace(scene.links[key()], join_url=NEW)
        assert await scene.run() == 0
        assert (scene.crm.told(), scene.crm.shown(UID)) == ([(UID, NEW, f"{URL}/m1")], NEW)
        assert scene.log[0][1]["outcome"] == "replaced"
        assert (await scene.the_row()).former == (f"{URL}/m1",)
        await quiet(scene)
        scene.links[key()] = replace(scene.links[key()], join_url="")
        assert await scene.run() == 0
        assert (scene.crm.shown(UID), scene.log[0][1]["outcome"]) == ("", "removed")
        assert (await scene.the_row()).former == (NEW, f"{URL}/m1")
        await quiet(scene)

    async def test_a_source_that_cannot_be_read_is_not_written(self, scene: Scene) -> None:
        scene.hold("m1")
        scene.trouble = Trouble.UNREADABLE
        assert await scene.run() == 0
        assert scene.crm.told() == []
        scene.trouble = Trouble.PARTIAL
        await scene.run()
        assert len(scene.crm.told()) == 1

    async def test_the_row_is_on_disk_before_anything_is_sent(self, scene: Scene) -> None:
        scene.hold("m1")
        scene.crm.errors = [Killed()]
        with pytest.raises(Killed):
            await scene.run()
        assert await scene.the_row() == row(
            WriteState.TRYING, f"{URL}/m1", ends_at=SOON + HOUR, written_at=None, attempts=1
        )
        assert await scene.ledger.write_backs.ours("sales") == {UID: frozenset({f"{URL}/m1"})}

    @pytest.mark.parametrize("moment", ["errors", "late"])
    @pytest.mark.parametrize("new", [False, True], ids=["same", "and another link then"])
    async def test_a_kill_costs_one_more_call_and_nothing_else(self, scene: Scene, moment: str, new: bool) -> None:
        scene.hold("m1")
        await scene.run()
        scene.links[key()] = replace(scene.links[key()], join_url=NEW)
        setattr(scene.crm, moment, [Killed()])
        with pytest.raises(Killed):
            await scene.run()
        if new:
            scene.links[key()] = replace(scene.links[key()], join_url=f"{URL}/newest")
        assert await scene.run() == 0
        assert scene.crm.shown(UID) == (f"{URL}/newest" if new else NEW)
        await quiet(scene)

    async def test_one_meeting_that_is_refused_stops_no_other_and_is_said_once_and_given_up(self, scene: Scene) -> None:
        scene.hold("m1", "m2")
        scene.crm.change(UID, location="Room 5")
        assert await scene.run() == 1
        assert sorted(scene.said()) == ["link.written_back", "writeback.refused"]
        assert scene.crm.shown(UID) == "Room 5"
        waits = []
        for _ in range(MOST_ATTEMPTS - 1):
            one = (await scene.rows())["m1"]
            assert one.state is WriteState.REFUSED
            assert one.retry_at
            waits.append(one.retry_at - scene.clock.now())
            assert await scene.ledger.write_backs.next_try("sales", scene.clock.now()) == one.retry_at
            assert await scene.run(respect_backoff=True) == 1
            scene.clock.advance(seconds=waits[-1].total_seconds())
            assert await scene.run(respect_backoff=True) == 1
        assert waits[:3] == [FIRST_BACKOFF, 2 * FIRST_BACKOFF, 4 * FIRST_BACKOFF]
        assert max(waits) <= LONGEST_BACKOFF
        assert (await scene.rows())["m1"].is_given_up
        assert scene.said() == []
        assert len(scene.crm.told()) == 1 + MOST_ATTEMPTS
        assert await scene.run() == 1
        assert scene.crm.told() == []
        scene.crm.change(UID, location="")
        await scene.ledger.write_backs.release("sales", str(key()))
        assert await scene.run() == 0
        await quiet(scene)

    async def test_what_has_no_place_is_said_once_and_not_lacking(self, scene: Scene) -> None:
        scene.hold("m1")
        scene.crm.place = ""
        assert await scene.run() == 0
        assert scene.said() == ["writeback.skipped"]
        assert (await scene.the_row()).problem == NO_PLACE
        await quiet(scene)
        scene.links[key()] = replace(scene.links[key()], join_url=NEW)
        assert await scene.run() == 0
        assert len(scene.crm.told()) == 1
        await quiet(scene)
        scene.crm.place = "location"
        await scene.ledger.write_backs.release("sales")
        assert await scene.run() == 0
        assert scene.crm.shown(UID) == NEW

    @pytest.mark.parametrize(
        ("error", "after"),
        [
            (Unreachable("no connection"), FIRST_BACKOFF),
            (CredentialsRefused("answered 403"), FIRST_BACKOFF),
            (RateLimited("answered 429", 90), timedelta(seconds=90)),
            (UnknownOutcome("no answer", silent=True), FIRST_BACKOFF),
        ],
    )
    async def test_a_source_in_trouble_is_left_alone_and_said_once_until_it_recovers(
        self, scene: Scene, error: OutsideError, after: timedelta
    ) -> None:
        scene.hold("m1", "m2", "m3")
        scene.crm.errors = [error]
        assert await scene.run() == 3
        assert (len(scene.crm.told()), scene.said()) == (1, ["writeback.failed"])
        one = await scene.the_row()
        assert (one.state, one.retry_at) == (WriteState.WAITING, scene.clock.now() + after)
        scene.crm.errors = [error]
        assert await scene.run() == 3
        assert (len(scene.crm.told()), scene.said()) == (1, [])
        assert await scene.run() == 0
        assert sorted(scene.said()) == [*["link.written_back"] * 3, "writeback.recovered"]
        await quiet(scene)

    async def test_a_short_wait_is_waited_out_but_not_without_end(self, scene: Scene) -> None:
        scene.hold("m1", "m2")
        scene.crm.errors = [RateLimited("answered 429", 2)] * 3
        assert await scene.run() == 0
        assert scene.clock.slept == 6
        scene.hold("m3")
        scene.crm.errors = [RateLimited("answered 429", 2)] * 9
        assert await scene.run() == 1
        assert scene.clock.slept == 12

    @pytest.mark.parametrize("moment", ["errors", "late"])
    async def test_an_unknown_outcome_is_simply_written_again(self, scene: Scene, moment: str) -> None:
        scene.hold("m1", "m2")
        setattr(scene.crm, moment, [UnknownOutcome("answered 502")])
        assert await scene.run() == 1, "the other one was written"
        assert sorted(scene.said()) == ["link.written_back", "writeback.failed"]
        assert await scene.run(respect_backoff=True) == 1
        scene.clock.advance(seconds=FIRST_BACKOFF.total_seconds())
        assert await scene.run(respect_backoff=True) == 0
        assert scene.said() == ["link.written_back", "writeback.recovered"]
        assert {scene.crm.shown(one) for one in scene.crm.meetings} == {f"{URL}/m1", f"{URL}/m2"}
        await quiet(scene)

    async def test_unknown_outcomes_without_end_stop_it(self, scene: Scene) -> None:
        scene.hold(*(f"m{n}" for n in range(30)))
        scene.crm.errors = [UnknownOutcome("answered 502") for _ in range(99)]
        assert await scene.run() == 30
        assert MOST_UNKNOWN <= len(scene.crm.told()) < MOST_UNKNOWN + AT_A_TIME

    async def test_a_doubt_that_the_source_refuses_is_no_doubt_any_more(self, scene: Scene) -> None:
        scene.hold("m1")
        scene.crm.errors = [UnknownOutcome("answered 502")]
        await scene.run()
        scene.crm.change(UID, location="Room 5")
        scene.links[key()] = replace(scene.links[key()], join_url=NEW)
        scene.crm.told()
        assert await scene.run() == 1
        assert scene.crm.told() == [(UID, "", f"{URL}/m1"), (UID, NEW, "")]
        one = await scene.the_row()
        assert (one.wanted, one.state, one.doubted) == (NEW, WriteState.REFUSED, False)
        assert f"{URL}/m1" in one.former, "should it stand there all the same, it is ours"

    async def test_a_defect_costs_its_meeting_only(self, scene: Scene) -> None:
        scene.hold("m1", "m2")
        scene.crm.errors = [ValueError(f"{URL} was not expected")]
        assert await scene.run() == 1
        refused = [fields for event, fields in scene.log if event == "writeback.refused"]
        assert [fields["reason"] for fields in refused] == ["a defect of convener (ValueError)"]
        assert sum(one.is_over for one in (await scene.rows()).values()) == 1

    async def test_a_lease_that_is_lost_ends_it_at_once(self, scene: Scene) -> None:
        scene.hold("m1", "m2")
        scene.crm.errors = [LeaseLost("another process has the route")]
        with pytest.raises(LeaseLost):
            await scene.run()
        assert len(scene.crm.told()) == 1

    async def test_nothing_begins_when_the_pass_is_to_stop_and_what_was_not_sent_is_no_trouble(
        self, scene: Scene
    ) -> None:
        scene.hold("m1", "m2")
        write, gate = scene.crm.write_link, scene.gate

        async def on_the_way(*given: Any) -> bool:
            gate.stop("the service stops")
            with gate.passing():
                from connectors.passage import still_wanted

                still_wanted()
            return await write(*given)  # type: ignore[no-any-return]

        scene.crm.write_link = on_the_way
        assert await scene.run() == 2
        assert (scene.crm.told(), scene.said()) == ([], [])
        assert (await scene.the_row()).attempts == 0
        scene.crm.write_link, scene.gate = write, scene.a_gate()
        assert await scene.run() == 0
        assert len(scene.crm.told()) == 2

    async def test_writes_go_side_by_side_and_not_too_many_of_them(self, scene: Scene) -> None:
        scene.hold(*(f"m{n}" for n in range(20)))
        write, together, under_way = scene.crm.write_link, asyncio.Event(), 0

        async def slow(*given: Any) -> bool:
            nonlocal under_way
            under_way += 1
            assert under_way <= AT_A_TIME
            if under_way == AT_A_TIME:
                together.set()
            if scene.crm.calls:  # the first one goes alone
                await asyncio.wait_for(together.wait(), 5)
            done: bool = await write(*given)
            under_way -= 1
            return done

        scene.crm.write_link = slow
        assert await scene.run() == 0
        assert together.is_set()

    async def test_what_ended_long_ago_is_forgotten(self, scene: Scene) -> None:
        scene.hold("m1")
        await scene.run()
        scene.clock.advance(seconds=(KEPT + timedelta(days=1)).total_seconds())
        await scene.run()
        assert await scene.rows(), "not yet"
        scene.clock.advance(days=2)
        await scene.run()
        assert await scene.rows() == {}


class TestMovedSeries:
    async def test_the_link_goes_along_and_is_written_once_more(self, scene: Scene) -> None:
        scene.hold("m1")
        await scene.run()
        new = replace(key(), recurrence_id=SOON)
        there = row(key=new, wanted=NEW, written=NEW)
        await scene.ledger.write_backs.save(there)
        await scene.ledger.rekey("sales", {key(): new}, NOW)
        one = await scene.the_row()
        assert (one.key, one.state, one.written, one.former) == (new, WriteState.WAITING, f"{URL}/m1", (NEW,))
        assert await scene.ledger.write_backs.ours("sales") == {UID: frozenset({f"{URL}/m1", NEW})}
        moved = occurrence(key=new, link=str(new))
        link = link_of(meeting(), key=new, join_url=f"{URL}/m1")
        plan = due_links(situation(moved, link), [one])
        assert calls(plan) == [(f"{URL}/m1", f"{URL}/m1")]

    async def test_nothing_else_of_it_moves(self, scene: Scene) -> None:
        await scene.ledger.write_backs.save(row(thing="an artifact", name="film.mp4"))
        await scene.ledger.rekey("sales", {key(): replace(key(), recurrence_id=SOON)}, NOW)
        assert [one.key for one in await scene.ledger.write_backs.artifacts("sales")] == [key()]


class FakeArchive:
    """Its files, and an error."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.error: Exception | None = None

    async def read(self, path: str, most: int) -> bytes | None:
        if self.error:
            raise self.error
        content = self.files.get(path)
        return content if content is not None and len(content) <= most else None


class Telling(Scene):
    """A meeting that is over, and what it left in the archive."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self.archive = FakeArchive()
        self.address = ""

    async def leave(self, ref: str = "7", content: bytes = b"film", **values: Any) -> Pulled:
        over = occurrence(start=NOW - HOUR, end=NOW, look_at=values.pop("look_at", None))
        await self.ledger.occurrences.save(over)
        record = Pulled(
            "sales", str(key()), "main", f"s-{UID}", "recording", ref, "Film", f"a/recording-{ref} Film",
            PulledState.STORED, NOW, "video/mp4", len(content), f"sha-{ref}", path=f"a b/recording-{ref} Film.mp4",
            stored_at=self.clock.now(), duration=1800.0,
        )  # fmt: skip
        record = replace(record, **values)
        self.archive.files[record.path] = content
        await self.ledger.artifacts.save_pulled(record)
        return record

    async def tell(self, *, respect_backoff: bool = False) -> int:
        archive: Any = self.archive
        teller = Teller(self.ledger, self.crm, archive, self.address, self.gate, self.clock, self._say, ROUTE)
        return await teller.run(respect_backoff=respect_backoff)

    async def told_of(self) -> WriteBack:
        (one,) = await self.ledger.write_backs.artifacts("sales")
        return one

    def files(self) -> list[Archived]:
        return list(self.crm.files.get(UID, []))


@pytest.fixture
def telling(ledger: Ledger) -> Telling:
    return Telling(ledger)


class TestTelling:
    async def test_an_artifact_is_told_once_with_what_is_in_it(self, telling: Telling) -> None:
        telling.address = "https://files.example/archive/"
        await telling.leave()
        assert await telling.tell() == 0
        assert telling.files() == [
            Archived(
                "recording", "recording-7 Film.mp4", "video/mp4", 4, "a b/recording-7 Film.mp4",
                "https://files.example/archive/a%20b/recording-7%20Film.mp4", 1800.0, b"film",
            )
        ]  # fmt: skip
        assert telling.log == [
            ("artifact.told", {
                "route": "sales", "source": "sales", "key": str(key()), "kind": "recording",
                "path": "a b/recording-7 Film.mp4",
            })
        ]  # fmt: skip
        for respect_backoff in (True, False):
            assert await telling.tell(respect_backoff=respect_backoff) == 0
        assert len(telling.crm.told()) == 1
        await telling.leave("8")
        assert await telling.tell() == 0
        assert [one.name for one in telling.files()] == ["recording-7 Film.mp4", "recording-8 Film.mp4"]

    async def test_of_a_large_one_or_one_that_is_not_there_only_the_place_is_told(self, telling: Telling) -> None:
        await telling.leave("large", size=MOST_HANDED + 1)
        await telling.leave("gone")
        telling.archive.files.clear()
        assert await telling.tell() == 0
        assert [(one.content, one.url) for one in telling.files()] == [(None, ""), (None, "")]

    @pytest.mark.parametrize("state", [s for s in PulledState if s is not PulledState.STORED])
    async def test_what_is_not_in_the_archive_or_not_any_more_is_not_told(
        self, telling: Telling, state: PulledState
    ) -> None:
        await telling.leave(state=state)
        assert await telling.tell() == 0
        assert telling.files() == []

    async def test_what_was_stored_long_ago_is_not_told(self, telling: Telling) -> None:
        await telling.leave(stored_at=NOW - TOLD_WITHIN - HOUR)
        assert await telling.tell() == 0
        assert telling.files() == []

    async def test_what_is_still_to_change_is_told_when_it_has_or_when_nobody_looks_any_more(
        self, telling: Telling
    ) -> None:
        await telling.leave(more="a signature", look_at=NOW + HOUR)
        assert await telling.tell() == 0
        assert telling.files() == []
        await telling.leave(look_at=NOW + HOUR)
        assert await telling.tell() == 0
        assert len(telling.files()) == 1
        await telling.leave("8", more="a signature", look_at=None)
        assert await telling.tell() == 0
        assert len(telling.files()) == 2

    @pytest.mark.parametrize("moment", ["errors", "late"])
    @pytest.mark.parametrize("error", [Killed(), UnknownOutcome("no answer", silent=True)], ids=["kill", "unknown"])
    async def test_a_doubtful_one_is_looked_for_first(
        self, telling: Telling, moment: str, error: BaseException
    ) -> None:
        await telling.leave()
        setattr(telling.crm, moment, [error])
        if isinstance(error, Killed):
            with pytest.raises(Killed):
                await telling.tell()
        else:
            assert await telling.tell() == 1
            assert telling.said() == ["writeback.failed"]
        telling.crm.errors = [Unreachable("no connection")]
        assert await telling.tell() == 1
        assert await telling.tell() == 0
        assert [doubted for *_, doubted in telling.crm.told()] == ["", "doubted", "doubted"]
        assert len(telling.files()) == 1
        assert not (await telling.told_of()).doubted

    async def test_one_that_certainly_was_not_taken_is_not_looked_for(self, telling: Telling) -> None:
        await telling.leave()
        telling.crm.errors = [Unreachable("no connection")]
        assert await telling.tell() == 1
        assert await telling.tell(respect_backoff=True) == 1
        telling.clock.advance(seconds=FIRST_BACKOFF.total_seconds())
        assert await telling.tell(respect_backoff=True) == 0
        assert [doubted for *_, doubted in telling.crm.told()] == ["", ""]
        assert telling.said() == ["writeback.failed", "artifact.told", "writeback.recovered"]

    async def test_a_source_in_trouble_is_asked_once_in_a_pass(self, telling: Telling) -> None:
        for ref in "123":
            await telling.leave(ref)
        telling.crm.errors = [CredentialsRefused("answered 401")]
        assert await telling.tell() == 3
        assert len(telling.crm.told()) == 1

    async def test_nobody_can_be_told_where_the_meeting_is_gone(self, telling: Telling) -> None:
        await telling.leave()
        telling.crm.errors = [Gone("answered 404", 404)]
        assert await telling.tell() == 1
        assert (await telling.told_of()).is_given_up
        assert telling.said() == ["writeback.refused"]
        assert await telling.tell() == 0
        assert len(telling.crm.told()) == 1

    @pytest.mark.parametrize(
        ("error", "times"), [(Refused("too large"), MOST_ATTEMPTS), (UnknownOutcome("answered 500"), MOST_DOUBTS)]
    )
    async def test_what_fails_again_and_again_is_given_up(
        self, telling: Telling, error: OutsideError, times: int
    ) -> None:
        await telling.leave()
        telling.crm.errors = [error] * 99
        for _ in range(times):
            assert await telling.tell() == 1
        assert (await telling.told_of()).is_given_up
        assert await telling.tell() == 0
        assert len(telling.crm.told()) == times
        assert telling.said().count("writeback.refused") == 1

    async def test_an_archive_that_cannot_be_read_is_told_as_such_and_nothing_is_lost(self, telling: Telling) -> None:
        await telling.leave()
        telling.archive.error = ArchiveError("archive: no permission")
        with pytest.raises(ArchiveError):
            await telling.tell()
        telling.archive.error = None
        assert await telling.tell() == 0
        assert [doubted for *_, doubted in telling.crm.told()] == [""]

    async def test_what_retention_removed_before_it_was_told_is_forgotten(self, telling: Telling) -> None:
        record = await telling.leave()
        telling.crm.errors = [Unreachable("no connection")]
        await telling.tell()
        await telling.ledger.artifacts.save_pulled(replace(record, state=PulledState.REMOVED))
        assert await telling.tell() == 0
        assert await telling.ledger.write_backs.artifacts("sales") == []
        assert len(telling.crm.told()) == 1


async def test_the_ledger_gives_back_what_it_was_given(ledger: Ledger) -> None:
    whole = WriteBack(
        "sales", replace(key("a@b@20261201"), recurrence_id=SOON.date()), "x" * 32, SOON, WriteState.REFUSED, "wanted",
        "name", "written", NOW, ("f1", "f2"), 7, True, NOW + HOUR, "why\0",
    )  # fmt: skip
    await ledger.write_backs.save(whole, row())
    found = {one.thing: one for one in await ledger.write_backs.of_route("sales")}
    assert found == {"x" * 32: replace(whole, problem="why?"), LINK: row()}
    await ledger.write_backs.save(replace(whole, problem=""))
    assert len(await ledger.write_backs.of_route("sales")) == 2
    assert await ledger.write_backs.of_route("other") == []
    assert await ledger.write_backs.of_meetings("sales", [str(key())]) == [row()]
    await ledger.write_backs.drop([row()])
    assert await ledger.write_backs.links("sales") == []


async def test_forgetting_a_meeting_does_not_forget_what_stands_at_its_source(ledger: Ledger) -> None:
    await ledger.save_link(link_of(meeting()), NOW)
    await ledger.write_backs.save(row())
    await ledger.delete_link("sales", key())
    assert await ledger.write_backs.links("sales") == [row()]


async def test_the_echo_is_of_all_routes_and_of_one_source(ledger: Ledger) -> None:
    elsewhere = MeetingKey("crm", UID)
    rows: Iterable[WriteBack] = (
        row(former=("https://a",)),
        row(WriteState.TRYING, NEW, route="other"),
        row(key=elsewhere, written="https://b"),
        row(thing="artifact", written="sha"),
        row(WriteState.DONE, "", key=key("m2"), written=""),
    )
    await ledger.write_backs.save(*rows)
    assert await ledger.write_backs.ours("sales") == {UID: frozenset({URL, NEW, "https://a"})}
