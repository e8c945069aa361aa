"""Planning: which steps lead from what was last applied to what is wanted."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from sync.change import Action, LinkEffect, Result
from sync.degrade import instant_text, wish_digest
from sync.effects import noted
from sync.ledger.records import LinkState
from sync.model import Finding, Participant, Role
from sync.snapshot import Rejected, Snapshot, Trouble
from tests.unit.builders import (
    FULL,
    HOUR,
    JON,
    MARA,
    NOW,
    ROUTE,
    SOON,
    actions,
    key,
    link_of,
    meeting,
    planned,
    the_change,
)

WINDOW = ROUTE.window(NOW)
EMPTY = Snapshot("sales", WINDOW)
TRUNCATED = replace(EMPTY, trouble=Trouble.PARTIAL)
UNREADABLE = replace(EMPTY, trouble=Trouble.UNREADABLE)


def test_a_new_meeting_is_created_with_its_fields_from_nothing() -> None:
    change = the_change(planned([meeting()]))
    assert (change.action, change.link, change.result) == (Action.CREATE, LinkEffect.NEW, Result.PLANNED)
    assert [(f.name, f.before, f.after) for f in change.fields] == [
        ("title", None, "Meeting m1"),
        ("start", None, instant_text(SOON)),
        ("end", None, instant_text(SOON + HOUR)),
        ("participants", None, "jon@example.com (participant)"),
    ]


@pytest.mark.parametrize(
    ("start", "length", "wanted"),
    [
        (NOW - 2 * HOUR, HOUR, False),  # over before it was first seen
        (NOW - HOUR, HOUR, False),  # ends at this very instant
        (NOW - HOUR, 2 * HOUR, True),  # running
        (NOW + ROUTE.ahead - timedelta(seconds=1), HOUR, True),
        (NOW + ROUTE.ahead, HOUR, False),  # the window is half-open
    ],
)
def test_a_meeting_is_created_only_inside_the_window_and_before_its_end(
    start: datetime, length: timedelta, wanted: bool
) -> None:
    plan = planned([meeting(start=start, length=length)])
    assert actions(plan) == (["create"] if wanted else [])
    assert plan.noop == 0


def test_a_meeting_that_is_cancelled_when_first_seen_is_nothing_at_all() -> None:
    plan = planned([meeting(cancelled=True)])
    assert (plan.changes, plan.noop) == ((), 0)


def test_an_unchanged_meeting_needs_nothing_and_counts_as_one() -> None:
    wish = meeting()
    plan = planned([wish], [link_of(wish)])
    assert (plan.changes, plan.noop) == ((), 1)


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"title": "Renamed"}, ["title"]),
        ({"end": SOON + 2 * HOUR}, ["end"]),
        ({"start": SOON + HOUR, "end": SOON + 2 * HOUR}, ["start", "end"]),
    ],
)
def test_a_changed_field_is_updated_in_place_and_keeps_the_link(change: dict[str, object], names: list[str]) -> None:
    wish = meeting()
    step = the_change(planned([replace(wish, **change)], [link_of(wish)]))
    assert (step.action, step.link, step.session) == (Action.UPDATE, LinkEffect.KEPT, f"s-{wish.key.uid}")
    assert [f.name for f in step.fields] == names
    assert all(f.before != f.after for f in step.fields)


@pytest.mark.parametrize("change", [{"description": "new"}, {"location": "new"}, {"categories": ("new",)}])
def test_a_field_that_the_vendor_does_not_store_changes_nothing(change: dict[str, object]) -> None:
    wish = meeting()
    assert planned([replace(wish, **change)], [link_of(wish)]).changes == ()


def test_a_change_that_gives_a_new_link_at_that_vendor_says_so() -> None:
    wish = meeting()
    capabilities = replace(FULL, relinks_on=frozenset({"start"}))
    moved = replace(wish, start=SOON - HOUR)
    assert the_change(planned([moved], [link_of(wish)], capabilities=capabilities)).link is LinkEffect.NEW
    renamed = replace(wish, title="Renamed")
    assert the_change(planned([renamed], [link_of(wish)], capabilities=capabilities)).link is LinkEffect.KEPT


class TestWhatTheVendorCannotUpdate:
    capabilities = replace(FULL, update=frozenset({"title"}))

    def test_with_keep_the_rest_is_updated_and_the_stale_field_is_named(self) -> None:
        wish = meeting()
        changed = replace(wish, title="Renamed", end=SOON + 2 * HOUR)
        step = the_change(planned([changed], [link_of(wish)], capabilities=self.capabilities))
        assert (step.action, step.link) == (Action.UPDATE, LinkEffect.KEPT)
        assert [f.name for f in step.fields] == ["title"]
        (finding,) = step.findings
        assert finding.code == "update-unsupported"
        assert "end" in finding.message

    def test_with_replace_one_step_makes_a_new_session_with_a_new_link(self) -> None:
        wish = meeting()
        changed = replace(wish, end=SOON + 2 * HOUR, participants=(JON, MARA))
        route = replace(ROUTE, on_unsupported_update="replace")
        step = the_change(planned([changed], [link_of(wish)], capabilities=self.capabilities, route=route))
        assert (step.action, step.link) == (Action.REPLACE, LinkEffect.NEW)
        assert [f.code for f in step.findings] == ["new-link"]
        assert step.session == f"s-{wish.key.uid}"

    def test_with_replace_a_possible_update_still_keeps_the_link(self) -> None:
        wish = meeting()
        route = replace(ROUTE, on_unsupported_update="replace")
        changed = replace(wish, title="Renamed")
        step = the_change(planned([changed], [link_of(wish)], capabilities=self.capabilities, route=route))
        assert (step.action, step.link) == (Action.UPDATE, LinkEffect.KEPT)


class TestParticipants:
    def test_each_difference_is_one_step_for_one_person(self) -> None:
        wish = meeting(participants=(JON, MARA))
        ann = replace(JON, email="ann@example.com")
        changed = replace(wish, participants=(ann, replace(JON, role=Role.MODERATOR)))
        plan = planned([changed], [link_of(wish)])
        assert actions(plan) == ["invite ann@example.com", "uninvite mara@example.com", "role jon@example.com"]
        assert {c.link for c in plan.changes} == {LinkEffect.KEPT}

    def test_a_changed_name_alone_is_no_step(self) -> None:
        wish = meeting()
        assert planned([replace(wish, participants=(replace(JON, name="J."),))], [link_of(wish)]).changes == ()

    @pytest.mark.parametrize(
        ("lacking", "people", "step", "code"),
        [
            ({"uninvite": False}, (), "uninvite jon@example.com", "uninvite-unsupported"),
            (
                {"change_role": False},
                (replace(JON, role=Role.OBSERVER),),
                "role jon@example.com",
                "role-change-unsupported",
            ),
        ],
    )
    def test_what_the_vendor_cannot_do_to_people_is_said_once(
        self, lacking: dict[str, bool], people: tuple[Participant, ...], step: str, code: str
    ) -> None:
        wish, capabilities = replace(meeting(), participants=people), replace(FULL, **lacking)
        plan = planned([wish], [link_of(meeting())], capabilities=capabilities)
        assert actions(plan) == [step]
        assert [finding.code for finding in plan.changes[0].findings] == [code]
        noticed = noted(plan.changes[0], plan.changes[0].action, link_of(meeting()), capabilities)
        assert planned([wish], [noticed], capabilities=capabilities).changes == ()
        assert planned([meeting()], [noticed], capabilities=capabilities).changes == () or people == ()

    def test_an_update_comes_before_the_people_of_the_same_meeting(self) -> None:
        wish = meeting()
        changed = replace(wish, title="Renamed", participants=(JON, MARA))
        assert actions(planned([changed], [link_of(wish)])) == ["update", "invite mara@example.com"]

    @pytest.mark.parametrize("create_invites", [True, False])
    def test_a_new_session_has_its_people_after_one_pass(self, create_invites: bool) -> None:
        capabilities = replace(FULL, create_invites=create_invites)
        plan = planned([meeting(participants=(JON, MARA))], capabilities=capabilities)
        expected = [] if create_invites else ["invite jon@example.com", "invite mara@example.com"]
        assert actions(plan) == ["create", *expected]

    def test_a_replaced_session_has_its_people_after_one_pass(self) -> None:
        wish = meeting()
        capabilities = replace(FULL, create_invites=False, update=frozenset())
        route = replace(ROUTE, on_unsupported_update="replace")
        plan = planned([replace(wish, title="New")], [link_of(wish)], capabilities=capabilities, route=route)
        assert actions(plan) == ["replace", "invite jon@example.com"]


class TestRemoval:
    @pytest.mark.parametrize(
        ("snapshot", "removed"),
        [
            (EMPTY, True),
            (TRUNCATED, False),
            (UNREADABLE, False),
            (replace(EMPTY, rejected=(Rejected(None, 7, "no UID"),)), False),  # it may be this very one
            (replace(EMPTY, rejected=(Rejected("m1@example.com", 7, "bad DTSTART"),)), False),
            (replace(EMPTY, rejected=(Rejected("m2@example.com", 7, "bad DTSTART"),)), True),
        ],
    )
    def test_absence_counts_only_from_a_complete_read_that_understood_the_entry(
        self, snapshot: Snapshot, removed: bool
    ) -> None:
        plan = planned([], [link_of(meeting())], snapshot=snapshot)
        assert actions(plan) == (["cancel"] if removed else [])
        assert all(c.by_absence and c.link is LinkEffect.RETIRED for c in plan.changes)

    def test_absence_outside_of_the_window_counts_only_where_the_source_looked_for_it(self) -> None:
        link = link_of(meeting(start=NOW + ROUTE.ahead + HOUR))
        assert planned([], [link], snapshot=EMPTY).changes == ()
        asked = replace(EMPTY, asked=frozenset({link.key}))
        assert actions(planned([], [link], snapshot=asked)) == ["cancel"]

    @pytest.mark.parametrize("snapshot", [EMPTY, TRUNCATED])
    def test_an_explicit_cancellation_is_a_fact_even_in_a_truncated_read(self, snapshot: Snapshot) -> None:
        wish = meeting(cancelled=True)
        step = the_change(planned([wish], [link_of(wish)], snapshot=snapshot))
        assert (step.action, step.by_absence) == (Action.CANCEL, False)

    def test_a_meeting_that_ended_is_left_alone(self) -> None:
        wish = meeting(start=NOW - 3 * HOUR)
        assert planned([], [link_of(wish)]).changes == ()
        assert planned([replace(wish, cancelled=True)], [link_of(wish)]).changes == ()
        assert planned([replace(wish, title="Renamed")], [link_of(wish)]).changes == ()

    def test_an_ended_meeting_that_is_moved_into_the_future_is_updated(self) -> None:
        wish = meeting(start=NOW - 3 * HOUR)
        assert actions(planned([meeting()], [link_of(wish)])) == ["update"]

    @pytest.mark.parametrize(("snapshot", "removed"), [(EMPTY, True), (TRUNCATED, False)])
    def test_a_meeting_that_left_the_route_is_removed_by_absence(self, snapshot: Snapshot, removed: bool) -> None:
        left = {key(): Finding("not-matched", "none of the route's categories")}
        plan = planned([], [link_of(meeting())], snapshot=snapshot, left=left)
        assert actions(plan) == (["cancel"] if removed else [])
        assert all(c.by_absence and "none of the route's categories" in c.reason for c in plan.changes)

    def test_removals_come_last(self) -> None:
        gone, new = meeting("gone", start=SOON - HOUR), meeting("new", start=SOON + HOUR)
        assert actions(planned([new], [link_of(gone)])) == ["create", "cancel"]

    def test_a_cancelled_link_is_not_cancelled_again(self) -> None:
        link = link_of(meeting(), state=LinkState.CANCELLED)
        assert planned([], [link]).changes == ()

    def test_a_cancelled_meeting_that_is_wanted_again_is_created_anew(self) -> None:
        step = the_change(planned([meeting()], [link_of(meeting(), state=LinkState.CANCELLED)]))
        assert (step.action, step.reason) == (Action.CREATE, "wanted again by the calendar")


class TestMeetingsThatAreSetAside:
    changed = meeting(title="Renamed")

    def steps(self, **values: object) -> list[tuple[Result, list[str]]]:
        options = {name: values.pop(name) for name in ("unsettled", "respect_backoff") if name in values}
        plan = planned([self.changed], [link_of(meeting(), **values)], **options)
        return [(c.result, [f.code for f in c.findings]) for c in plan.changes]

    def test_an_open_intent_defers(self) -> None:
        assert self.steps(unsettled=frozenset({str(key())})) == [(Result.DEFERRED, ["unsettled"])]

    def test_doubt_defers_until_a_person_decides(self) -> None:
        assert self.steps(state=LinkState.IN_DOUBT, problem="?") == [(Result.DEFERRED, ["in-doubt"])]

    def test_quarantine_defers_while_the_meeting_reads_the_same(self) -> None:
        digest = wish_digest(self.changed, FULL)
        aside = {"state": LinkState.QUARANTINED, "problem": "no"}
        assert self.steps(**aside, problem_digest=digest) == [(Result.DEFERRED, ["quarantined"])]
        assert self.steps(**aside, problem_digest="another") == [(Result.PLANNED, [])]
        assert self.steps(**aside, problem_digest=None) == [(Result.DEFERRED, ["quarantined"])]

    def test_the_quarantined_are_counted(self) -> None:
        link = link_of(meeting(), state=LinkState.QUARANTINED, problem="no")
        assert planned([meeting()], [link]).quarantined == 1

    @pytest.mark.parametrize(
        ("respect", "wait", "result"),
        [
            (True, HOUR, Result.DEFERRED),
            (True, timedelta(0), Result.PLANNED),
            (False, HOUR, Result.PLANNED),  # a one-shot pass tries at once
        ],
    )
    def test_back_off_binds_the_daemon_alone(self, respect: bool, wait: timedelta, result: Result) -> None:
        ((got, _),) = self.steps(retry_at=NOW + wait, problem="no", respect_backoff=respect)
        assert got is result

    def test_the_message_names_the_way_out(self) -> None:
        link = link_of(meeting(), state=LinkState.QUARANTINED, problem="no")
        (finding,) = the_change(planned([self.changed], [link])).findings
        assert f"convener retry '{key()}'" in finding.message


def test_the_digest_tells_plans_that_do_the_same_from_others() -> None:
    wish = meeting()
    link = link_of(wish)
    one = planned([replace(wish, title="A")], [link])
    assert one.digest == planned([replace(wish, title="A")], [link]).digest
    others = [
        planned([replace(wish, title="B")], [link]),
        planned([replace(wish, title="A", participants=(JON, MARA))], [link]),
        planned([replace(wish, title="A")], [replace(link, session="other")]),
        planned(),
    ]
    assert len({plan.digest for plan in [one, *others]}) == 5


def test_a_snapshot_is_complete_only_without_trouble_and_with_every_rejected_entry_named() -> None:
    assert EMPTY.complete
    assert not TRUNCATED.complete
    assert not UNREADABLE.complete
    assert replace(EMPTY, rejected=(Rejected("a", 1, "bad"),)).complete
    assert not replace(EMPTY, rejected=(Rejected(None, 1, "bad"),)).complete
