"""Properties of planning that must hold for any calendar and any ledger."""

import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sync.change import Action, Change, FieldDiff, Plan, Result
from sync.degrade import degrade, for_route, held_fields
from sync.effects import new_link, noted, payload_of, recorded, refreshed, sends
from sync.guard import guard
from sync.ledger.records import Link, LinkState
from sync.model import Capabilities, Limits, Meeting, MeetingKey, Participant, Role
from sync.plan import Situation, make_plan
from sync.route import Route
from sync.snapshot import Rejected, Snapshot, Trouble
from tests.unit.builders import HOUR, NOW, ROUTE, intent_of, key, link_of, situation

unhurried = settings(deadline=None, max_examples=80)

PEOPLE = [f"p{n}@example.com" for n in range(4)]
NAMES = [f"m{n}" for n in range(12)]
STATES = [LinkState.LIVE] * 6 + [LinkState.CANCELLED, LinkState.QUARANTINED, LinkState.IN_DOUBT, LinkState.PENDING]

participants = st.lists(
    st.builds(Participant, st.sampled_from(PEOPLE), role=st.sampled_from(Role)), max_size=3, unique_by=lambda p: p.email
).map(tuple)
starts = st.integers(-72, 40 * 24).map(lambda hours: NOW + timedelta(hours=hours))


@st.composite
def meetings(draw: st.DrawFn, name: str) -> Meeting:
    start = draw(starts)
    title = draw(st.sampled_from(["A", "B", "C" * 30, "", "\x07 bell", "\ud800"]))
    length = draw(st.sampled_from([0, 1, 3])) * HOUR
    text = draw(st.sampled_from(["", "about"]))
    cancelled = draw(st.booleans()) and draw(st.booleans())
    people = draw(participants)
    return Meeting(key(name), title, start, start + length, people, description=text, cancelled=cancelled)


FIELDS = ["title", "start", "end", "description", "organizer", "participant"]


@st.composite
def capabilities_of_some_vendor(draw: st.DrawFn) -> Capabilities:
    """Any mixture of abilities that a connector may declare; what is set after a creation can always be changed."""
    update = draw(st.sets(st.sampled_from(FIELDS)))
    return Capabilities(
        name="some vendor",
        session=draw(st.sampled_from(["scheduled", "room", "call"])),
        marker=draw(st.sampled_from(["metadata", "title", "none"])),
        holds=frozenset({"title", "start", "end"} | draw(st.sets(st.sampled_from(FIELDS)))),
        update=frozenset(update),
        set_after_create=frozenset(draw(st.sets(st.sampled_from(sorted(update)))) if update else ()),
        relinks_on=frozenset(draw(st.sets(st.sampled_from(["title", "start"])))),
        personal_relinks_on=frozenset(draw(st.sets(st.sampled_from(["start", "end"])))),
        create_invites=draw(st.booleans()),
        delete=draw(st.booleans()),
        invite=draw(st.booleans()),
        uninvite=draw(st.booleans()),
        change_role=draw(st.booleans()),
        mints_links=draw(st.booleans()),
        hosts_apart=draw(st.booleans()),
        roles=frozenset(draw(st.sets(st.sampled_from(Role))) | {Role.PARTICIPANT}),
        retention=draw(st.sampled_from([None, HOUR, timedelta(days=30)])),
        limits=Limits(
            title=draw(st.sampled_from([None, 10])),
            participants=draw(st.sampled_from([None, None, 1])),
            whole_minutes=draw(st.booleans()),
        ),
    )


routes = st.builds(
    replace,
    st.just(ROUTE),
    on_unsupported_update=st.sampled_from(["keep", "replace"]),
    max_delete_percent=st.sampled_from([0, 30, 50, 100]),
    guard_from=st.sampled_from([1, 2, 5]),
    title_marker=st.booleans(),
    series=st.sampled_from(["occurrences", "room"]),
)


@dataclass(frozen=True)
class Case:
    """A calendar, a ledger and a vendor; `build` gives what planning looks at."""

    wishes: list[Meeting]
    links: list[Link]
    capabilities: Capabilities
    route: Route
    trouble: Trouble = Trouble.NONE
    rejected: tuple[Rejected, ...] = ()

    def build(self, order: Callable[[list[Any]], None] = lambda _: None) -> Situation:
        wishes = [degrade(wish, self.capabilities, self.route) for wish in self.wishes]
        links = list(self.links)
        order(wishes)
        order(links)
        window = self.route.window(NOW)
        asked = frozenset(link.key for link in links if link.has_session)
        snapshot = Snapshot("sales", window, tuple(wishes), asked, self.rejected, self.trouble)
        return situation(wishes, links, snapshot=snapshot, route=self.route, capabilities=self.capabilities)


@st.composite
def cases(draw: st.DrawFn, *, troubled: bool = True) -> Case:
    route = draw(routes)
    capabilities = for_route(draw(capabilities_of_some_vendor()), route)
    wishes = [draw(meetings(name)) for name in draw(st.sets(st.sampled_from(NAMES)))]
    links = []
    for name in draw(st.sets(st.sampled_from(NAMES))):
        was = degrade(draw(meetings(name)), capabilities, route)
        state = draw(st.sampled_from(STATES)) if troubled else LinkState.LIVE
        session = None if state is LinkState.PENDING else f"s-{name}"
        problem = "no" if state in (LinkState.QUARANTINED, LinkState.IN_DOUBT) else None
        links.append(link_of(was, capabilities, state=state, session=session, problem=problem))
    return Case(wishes, links, capabilities, route)


def pretend(now_is: Situation, plan: Plan) -> dict[MeetingKey, Link]:
    """The links after every planned step worked, recorded and tidied as a pass does it."""
    links = dict(now_is.links)
    for number, change in enumerate(plan.changes):
        if change.result is Result.PLANNED:
            links[change.key] = carried_out(now_is, links.get(change.key), change, number)
    waiting = {change.key for change in plan.changes if change.result is not Result.PLANNED}
    for name, wish in now_is.wishes.items():
        if name in links and links[name].has_session and name not in waiting and not wish.cancelled:
            links[name] = refreshed(links[name], wish, now_is.capabilities)
    return links


def carried_out(now_is: Situation, link: Link | None, change: Change, number: int) -> Link:
    """The link after one row of the plan, with all calls that the row takes."""
    if change.action not in (Action.CREATE, Action.REPLACE):
        assert link is not None
        assert link.has_session, f"{change.action} without a session"
        return written(now_is, link, change, change.action, number)
    if change.action is Action.REPLACE:
        assert link is not None
        link = written(now_is, link, change, Action.CANCEL, number)
        assert not link.has_session, "the old session is given up before the new one is made"
    assert change.wish is not None
    link = written(now_is, new_link(change, change.wish, "sales", "main", "marker"), change, Action.CREATE, number)
    held = held_fields(change.wish, now_is.capabilities)
    late = tuple(FieldDiff(n, None, value) for n, value in held.items() if n in now_is.capabilities.set_after_create)
    return written(now_is, link, replace(change, fields=late), Action.UPDATE, number) if late else link


def written(now_is: Situation, link: Link, change: Change, action: Action, number: int) -> Link:
    """The link after one call, or after the note that takes its place."""
    if not sends(change, action, link, now_is.capabilities):
        return noted(change, action, link, now_is.capabilities)
    payload = json.loads(json.dumps(payload_of(change, action, link, now_is.capabilities, mail=False)))
    session = f"new-{number}" if action is Action.CREATE else None
    return recorded(intent_of(link, action, payload), link, session=session)


@unhurried
@given(cases())
def test_planning_again_after_everything_was_applied_gives_nothing_new(case: Case) -> None:
    now_is = case.build()
    plan = make_plan(now_is)
    again = make_plan(replace(now_is, links=pretend(now_is, plan)))
    assert [c for c in again.changes if c.result is Result.PLANNED and not outlived(c)] == []
    before = [c.identity for c in plan.changes if c.result is Result.DEFERRED]
    waiting = [c.identity for c in again.changes if c.result is Result.DEFERRED]
    assert waiting == before, "what waits, waits on, unchanged"


@unhurried
@given(cases(troubled=False), st.data())
def test_calendar_after_calendar_one_pass_is_enough_for_each(case: Case, data: st.DataObject) -> None:
    """The ledger's memory of what the vendor cannot do grows with the edits, and never asks for a second pass."""
    now_is = case.build()
    for _ in range(3):
        links = pretend(now_is, make_plan(now_is))
        again = make_plan(replace(now_is, links=links))
        assert [c for c in again.changes if not outlived(c)] == []
        links = pretend(now_is, again)
        case = replace(case, wishes=[data.draw(meetings(name)) for name in NAMES[:4]], links=list(links.values()))
        now_is = case.build()


def outlived(change: Change) -> bool:
    """A session that was just moved into a past beyond the retention is removed by the pass after."""
    return change.action is Action.CANCEL and change.reason.endswith("(retention)")


@unhurried
@given(cases())
def test_no_step_is_planned_twice(case: Case) -> None:
    plan = make_plan(case.build())
    steps = Counter((c.key, c.action, c.person.email if c.person else None) for c in plan.changes)
    assert [step for step, number in steps.items() if number > 1] == []
    own = Counter(c.key for c in plan.changes if c.person is None)
    assert [name for name, number in own.items() if number > 1] == [], "one step for the session itself"


@unhurried
@given(cases())
def test_the_steps_of_one_meeting_stand_together_and_removals_come_last(case: Case) -> None:
    changes = make_plan(case.build()).changes
    order = [change.key for change in changes]
    runs = [name for at, name in enumerate(order) if at == 0 or order[at - 1] != name]
    assert len(runs) == len(set(runs))
    removals = [change.action is Action.CANCEL for change in changes]
    assert removals == sorted(removals)


@unhurried
@given(cases(), st.sampled_from([Trouble.PARTIAL, Trouble.UNREADABLE, None]))
def test_an_incomplete_snapshot_never_removes_by_absence(case: Case, trouble: Trouble | None) -> None:
    broken = replace(case, trouble=trouble) if trouble else replace(case, rejected=(Rejected(None, 1, "?"),))
    plan = make_plan(broken.build())
    assert [change for change in plan.changes if change.by_absence] == []
    said = {wish.key for wish in case.wishes if wish.cancelled}
    assert {c.key for c in plan.changes if c.action is Action.CANCEL and not outlived(c)} <= said


@unhurried
@given(cases(), st.sets(st.sampled_from(NAMES)))
def test_a_rejected_entry_never_loses_its_session(case: Case, rejected: set[str]) -> None:
    items = tuple(Rejected(key(name).uid, 1, "bad") for name in sorted(rejected))
    plan = make_plan(replace(case, rejected=items).build())
    assert not {c.key for c in plan.changes if c.by_absence} & {key(name) for name in rejected}


@unhurried
@given(cases(troubled=False))
def test_the_guard_never_lets_more_removals_through_than_allowed(case: Case) -> None:
    now_is = case.build()
    plan = make_plan(now_is)
    verdict = guard(plan, now_is.links.values(), case.route, NOW).plan
    passed = [c for c in verdict.changes if c.by_absence and c.result is Result.PLANNED]
    live = [link for link in now_is.links.values() if link.has_session and link.end > NOW]
    if len(live) >= case.route.guard_from:
        assert len(passed) * 100 <= case.route.max_delete_percent * len(live) or len(passed) == 0
    assert len(passed) < 2 or len(passed) < len(live)
    running = {link.key for link in live if link.start - case.route.freeze <= NOW}
    assert not running & {c.key for c in passed}
    untouched = [(a.identity, a.result) for a in plan.changes if not a.by_absence and a.action is not Action.REPLACE]
    guarded = {(b.identity, b.result) for b in verdict.changes}
    replaced = {c.key for c in verdict.changes if c.action is Action.REPLACE and c.result is Result.HELD}
    if not replaced:
        assert set(untouched) <= guarded, "the guard holds removals and replacements alone"


@unhurried
@given(cases(), st.randoms(use_true_random=False))
def test_plan_and_digest_do_not_depend_on_the_order_of_what_was_read(case: Case, chance: random.Random) -> None:
    one, two = make_plan(case.build()), make_plan(case.build(chance.shuffle))
    assert one.digest == two.digest
    assert one == two
