"""Steps for which a vendor has no call: each is said once, remembered in the ledger, and then quiet."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from sync.change import Action, Change, Plan
from sync.effects import noted, payload_of, recorded, refreshed, sends
from sync.ledger.records import GONE, Link, LinkState, Registered
from sync.model import Capabilities, Meeting, Participant, Role
from sync.route import Route
from sync.snapshot import Snapshot, Trouble
from tests.unit.builders import (
    FULL,
    HOUR,
    JON,
    MARA,
    NOW,
    ROUTE,
    SOON,
    actions,
    intent_of,
    link_of,
    meeting,
    planned,
    the_change,
)

TITLE_ONLY = replace(FULL, update=frozenset({"title"}))
NO_FIELDS = replace(FULL, update=frozenset())
KEEPS_PEOPLE = replace(FULL, uninvite=False)
KEEPS_ROLES = replace(FULL, change_role=False)
MINTS = replace(FULL, invite=False, create_invites=False, uninvite=False, change_role=False, mints_links=True)
NO_DELETE = replace(FULL, delete=False)
REPLACING = replace(ROUTE, on_unsupported_update="replace")
OBSERVER = replace(JON, role=Role.OBSERVER)
LATER: dict[str, Any] = {"start": SOON + HOUR, "end": SOON + 2 * HOUR}


class Ledgered:
    """One meeting over several passes; `sent` are the steps for which the vendor was called."""

    def __init__(self, wish: Meeting, capabilities: Capabilities, *, route: Route = ROUTE, **values: Any) -> None:
        self.link: Link = link_of(wish, capabilities, **values)
        self.capabilities = capabilities
        self.route = route
        self.sent: list[Action] = []

    def plan(self, wish: Meeting) -> Plan:
        return planned([wish], [self.link], capabilities=self.capabilities, route=self.route)

    def reads(self, wish: Meeting) -> list[str]:
        """One pass over a calendar with this meeting: the steps, "+" before the codes of what they say."""
        plan = self.plan(wish)
        for change in plan.changes:
            self.link = self.carried_out(change)
        self.link = refreshed(self.link, wish, self.capabilities)
        said = ["".join(f"+{finding.code}" for finding in change.findings) for change in plan.changes]
        return [step + codes for step, codes in zip(actions(plan), said, strict=True)]

    def carried_out(self, change: Change) -> Link:
        if not sends(change, change.action, self.link, self.capabilities):
            return noted(change, change.action, self.link, self.capabilities)
        self.sent.append(change.action)
        payload = payload_of(change, change.action, self.link, self.capabilities, mail=False)
        return recorded(intent_of(self.link, change.action, payload), self.link)

    def person(self, email: str = JON.email) -> Registered:
        (found,) = (p for p in self.link.invitees if p.email == email)
        return found


class TestFieldsThatCannotChange:
    def test_it_is_said_once_without_a_call_and_then_quiet(self) -> None:
        ledger = Ledgered(meeting(), NO_FIELDS)
        assert ledger.reads(meeting(title="New")) == ["update+update-unsupported"]
        assert ledger.reads(meeting(title="New")) == []
        assert ledger.sent == []
        assert ledger.link.applied["title"] == "Meeting m1", "what the vendor holds is not what the calendar says"
        assert ledger.link.stale == {"title": "New"}

    def test_the_row_names_what_should_change_where_nothing_does(self) -> None:
        change = the_change(Ledgered(meeting(), NO_FIELDS).plan(meeting(title="New", **LATER)))
        assert [f.name for f in change.fields] == ["title", "start", "end"]
        assert change.unsupported

    def test_yet_another_value_is_said_again(self) -> None:
        ledger = Ledgered(meeting(), NO_FIELDS)
        ledger.reads(meeting(title="New"))
        assert ledger.reads(meeting(title="Newer")) == ["update+update-unsupported"]
        assert ledger.reads(meeting(title="Newer")) == []

    def test_back_to_what_the_vendor_holds_is_no_step_and_forgets(self) -> None:
        ledger = Ledgered(meeting(), NO_FIELDS)
        ledger.reads(meeting(title="New"))
        assert ledger.reads(meeting()) == []
        assert ledger.link.stale == {}
        assert ledger.reads(meeting(title="New")) == ["update+update-unsupported"], "and away again is news again"

    def test_another_field_that_goes_stale_does_not_repeat_the_first(self) -> None:
        ledger = Ledgered(meeting(), NO_FIELDS)
        ledger.reads(meeting(title="New"))
        change = the_change(ledger.plan(meeting(title="New", **LATER)))
        assert [f.name for f in change.fields] == ["start", "end"]
        ledger.reads(meeting(title="New", **LATER))
        assert set(ledger.link.stale) == {"title", "start", "end"}

    def test_what_can_change_is_sent_and_what_cannot_is_remembered_in_one_step(self) -> None:
        ledger = Ledgered(meeting(), TITLE_ONLY)
        changed = meeting(title="New", **LATER)
        assert ledger.reads(changed) == ["update+update-unsupported"]
        assert ledger.sent == [Action.UPDATE]
        assert ledger.link.applied == {
            "title": "New",
            "start": "2026-11-24T06:00:00Z",
            "end": "2026-11-24T07:00:00Z",
        }
        assert ledger.reads(changed) == []
        assert ledger.reads(replace(changed, title="Newer")) == ["update"], "what is stale already is not said again"

    def test_a_text_that_was_taken_away_is_stale_as_the_empty_one(self) -> None:
        capabilities = replace(NO_FIELDS, holds=NO_FIELDS.holds | {"description"})
        ledger = Ledgered(meeting(description="about"), capabilities)
        assert ledger.reads(meeting()) == ["update+update-unsupported"]
        assert ledger.link.stale == {"description": ""}
        assert ledger.reads(meeting()) == []

    def test_the_calendars_time_counts_although_the_vendor_shows_another(self) -> None:
        ledger = Ledgered(meeting(), NO_FIELDS)
        ledger.reads(meeting(**LATER))
        assert (ledger.link.start, ledger.link.end) == (SOON + HOUR, SOON + 2 * HOUR)

    def test_a_vendor_that_has_learned_to_change_it_gets_it(self) -> None:
        ledger = Ledgered(meeting(), NO_FIELDS)
        ledger.reads(meeting(title="New"))
        ledger.capabilities = FULL
        assert ledger.reads(meeting(title="New")) == ["update"]
        assert (ledger.sent, ledger.link.applied["title"], ledger.link.stale) == ([Action.UPDATE], "New", {})

    def test_a_route_that_replaces_does_not_mind_what_was_said(self) -> None:
        ledger = Ledgered(meeting(), NO_FIELDS)
        ledger.reads(meeting(title="New"))
        ledger.route = REPLACING
        change = the_change(ledger.plan(meeting(title="New")))
        assert (change.action, [f.name for f in change.fields]) == (Action.REPLACE, ["title"])

    def test_a_new_session_has_nothing_stale(self) -> None:
        link = replace(link_of(meeting(), NO_FIELDS), stale={"title": "New"}, lost=1, echo={"title": "x"})
        change = the_change(planned([meeting(title="New")], capabilities=NO_FIELDS))
        payload = payload_of(change, Action.CREATE, link, NO_FIELDS, mail=False)
        made = recorded(intent_of(link, Action.CREATE, payload), link, session="s2")
        assert (made.stale, made.lost, made.echo, made.applied["title"]) == ({}, 0, {}, "New")


class TestPeopleWhoCannotBeRemoved:
    nobody = meeting(participants=())

    def test_it_is_said_once_and_then_quiet(self) -> None:
        ledger = Ledgered(meeting(), KEEPS_PEOPLE)
        assert ledger.reads(self.nobody) == [f"uninvite {JON.email}+uninvite-unsupported"]
        assert ledger.reads(self.nobody) == []
        assert (ledger.person().stale, ledger.person().ref, ledger.sent) == (GONE, f"i-{JON.email}", [])

    def test_wanted_again_they_are_taken_back_without_a_call_and_dropping_them_is_news_again(self) -> None:
        ledger = Ledgered(meeting(), KEEPS_PEOPLE)
        ledger.reads(self.nobody)
        assert ledger.reads(meeting()) == [f"invite {JON.email}"]
        assert (ledger.person().stale, ledger.person().ref) == ("", f"i-{JON.email}")
        assert ledger.reads(meeting()) == []
        assert ledger.reads(self.nobody) == [f"uninvite {JON.email}+uninvite-unsupported"]
        assert ledger.sent == []

    def test_a_new_person_beside_one_who_is_gone_is_invited(self) -> None:
        ledger = Ledgered(meeting(), KEEPS_PEOPLE)
        assert ledger.reads(meeting(participants=(MARA,))) == [
            f"invite {MARA.email}",
            f"uninvite {JON.email}+uninvite-unsupported",
        ]
        assert ledger.sent == [Action.INVITE]
        assert {p.email: p.stale for p in ledger.link.invitees} == {JON.email: GONE, MARA.email: ""}

    def test_where_links_are_minted_one_who_never_got_one_is_simply_gone(self) -> None:
        ledger = Ledgered(meeting(), MINTS)
        assert ledger.reads(self.nobody) == [f"uninvite {JON.email}"]
        assert (ledger.link.invitees, ledger.sent) == ((), [])
        assert ledger.reads(self.nobody) == []

    def test_where_links_are_minted_one_who_has_one_is_remembered(self) -> None:
        held = Registered(JON.email, JON.name, JON.role, personal_link="https://v.example/p")
        ledger = Ledgered(meeting(), MINTS, invitees=(held,))
        assert ledger.reads(self.nobody) == [f"uninvite {JON.email}+uninvite-unsupported"]
        assert ledger.reads(self.nobody) == []
        ledger.reads(meeting())
        assert ledger.person() == held, "the link that they still have is theirs again"


class TestRolesThatCannotChange:
    def test_it_is_said_once_and_then_quiet(self) -> None:
        ledger = Ledgered(meeting(), KEEPS_ROLES)
        changed = meeting(participants=(OBSERVER,))
        assert ledger.reads(changed) == [f"role {JON.email}+role-change-unsupported"]
        assert ledger.reads(changed) == []
        assert (ledger.person().role, ledger.person().stale) == (Role.PARTICIPANT, "observer")
        assert ledger.sent == []

    def test_back_to_what_the_vendor_holds_is_no_step(self) -> None:
        ledger = Ledgered(meeting(), KEEPS_ROLES)
        ledger.reads(meeting(participants=(OBSERVER,)))
        assert ledger.reads(meeting()) == []

    def test_a_third_role_is_said_again(self) -> None:
        ledger = Ledgered(meeting(), KEEPS_ROLES)
        ledger.reads(meeting(participants=(OBSERVER,)))
        hosting = meeting(participants=(replace(JON, role=Role.MODERATOR),))
        assert ledger.reads(hosting) == [f"role {JON.email}+role-change-unsupported"]
        assert ledger.reads(hosting) == []

    def test_where_links_are_minted_the_role_is_the_new_one_and_a_link_in_hand_is_told(self) -> None:
        held = Registered(JON.email, JON.name, JON.role, personal_link="https://v.example/p")
        ledger = Ledgered(meeting(), MINTS, invitees=(held,))
        assert ledger.reads(meeting(participants=(OBSERVER,))) == [f"role {JON.email}+new-personal-links"]
        assert (ledger.person().role, ledger.sent) == (Role.OBSERVER, [])
        assert ledger.reads(meeting(participants=(OBSERVER,))) == []

    def test_where_no_link_was_made_yet_nothing_is_lost_and_nothing_said(self) -> None:
        ledger = Ledgered(meeting(), MINTS)
        assert ledger.reads(meeting(participants=(OBSERVER,))) == [f"role {JON.email}"]
        assert ledger.person().role is Role.OBSERVER


class TestVendorsThatTakeOneParticipant:
    @pytest.mark.parametrize("uninvite", [True, False])
    def test_an_invitation_takes_the_formers_place_in_one_call(self, uninvite: bool) -> None:
        one = replace(FULL, uninvite=uninvite, limits=replace(FULL.limits, participants=1))
        ledger = Ledgered(meeting(), one)
        assert ledger.reads(meeting(participants=(MARA,))) == [f"invite {MARA.email}"]
        assert [p.email for p in ledger.link.invitees] == [MARA.email]
        assert ledger.sent == [Action.INVITE]
        assert ledger.reads(meeting(participants=(MARA,))) == []
        assert ledger.reads(meeting()) == [f"invite {JON.email}"], "and back again"
        assert [p.email for p in ledger.link.invitees] == [JON.email]

    def test_one_who_could_not_be_removed_makes_room_for_the_next(self) -> None:
        one = replace(KEEPS_PEOPLE, limits=replace(FULL.limits, participants=1))
        ledger = Ledgered(meeting(), one)
        assert ledger.reads(meeting(participants=())) == [f"uninvite {JON.email}+uninvite-unsupported"]
        assert ledger.reads(meeting(participants=(MARA,))) == [f"invite {MARA.email}"]
        assert [p.email for p in ledger.link.invitees] == [MARA.email]

    def test_an_invitation_among_many_takes_nobodys_place(self) -> None:
        ledger = Ledgered(meeting(), replace(FULL, limits=replace(FULL.limits, participants=2)))
        assert ledger.reads(meeting(participants=(JON, MARA))) == [f"invite {MARA.email}"]
        assert [p.email for p in ledger.link.invitees] == [JON.email, MARA.email]


class TestSessionsThatCannotBeRemoved:
    @pytest.mark.parametrize("wishes", [[meeting(cancelled=True)], []])
    def test_the_link_is_retired_without_a_call_and_then_quiet(self, wishes: list[Meeting]) -> None:
        link = link_of(meeting())
        change = the_change(planned(wishes, [link], capabilities=NO_DELETE))
        assert (change.action, [f.code for f in change.findings]) == (Action.CANCEL, ["delete-unsupported"])
        assert not sends(change, change.action, link, NO_DELETE)
        retired = noted(change, change.action, replace(link, problem="no", attempts=2), NO_DELETE)
        assert (retired.state, retired.has_session, retired.problem) == (LinkState.CANCELLED, False, None)
        assert retired.session == link.session, "the session stays on record"
        assert planned(wishes, [retired], capabilities=NO_DELETE).changes == ()

    def test_wanted_again_it_is_a_new_session(self) -> None:
        retired = link_of(meeting(), state=LinkState.CANCELLED)
        assert actions(planned([meeting()], [retired], capabilities=NO_DELETE)) == ["create"]


class TestRetention:
    kept = timedelta(days=30)

    @pytest.mark.parametrize(("after", "removed"), [(kept - timedelta(seconds=1), False), (kept, True)])
    @pytest.mark.parametrize("wanted", [True, False])
    @pytest.mark.parametrize("delete", [True, False])
    def test_a_session_is_removed_when_it_ended_so_long_ago(
        self, after: timedelta, removed: bool, wanted: bool, delete: bool
    ) -> None:
        wish = meeting(start=NOW - after - HOUR)
        capabilities = replace(FULL, retention=self.kept, delete=delete)
        plan = planned([wish] if wanted else [], [link_of(wish)], capabilities=capabilities)
        assert actions(plan) == (["cancel"] if removed else [])
        assert not any(change.by_absence for change in plan.changes), "the guard does not count it"

    def test_a_read_that_proves_nothing_removes_nothing(self) -> None:
        link = link_of(meeting(start=NOW - self.kept - HOUR))
        unread = Snapshot("sales", ROUTE.window(NOW), trouble=Trouble.UNREADABLE)
        assert planned([], [link], capabilities=replace(FULL, retention=self.kept), snapshot=unread).changes == ()

    def test_it_says_why_and_is_done_once(self) -> None:
        link = link_of(meeting(start=NOW - self.kept - HOUR))
        change = the_change(planned([], [link], capabilities=replace(FULL, retention=self.kept)))
        assert change.reason == "it ended more than 30 days ago (retention)"
        retired = noted(change, Action.CANCEL, link, NO_DELETE)
        assert planned([], [retired], capabilities=replace(NO_DELETE, retention=self.kept)).changes == ()

    def test_a_meeting_that_ended_for_the_ledger_but_goes_on_in_the_calendar_stays(self) -> None:
        link = link_of(meeting(start=NOW - self.kept - HOUR))
        plan = planned([meeting()], [link], capabilities=replace(FULL, retention=self.kept))
        assert actions(plan) == ["update"]


ANN = Participant("ann@example.com")


@pytest.mark.parametrize("action", [Action.INVITE, Action.ROLE, Action.UNINVITE, Action.UPDATE])
def test_a_noted_step_ends_the_meetings_troubles_and_touches_nobody_else(action: Action) -> None:
    troubled = link_of(meeting(participants=(JON, MARA)), attempts=3, retry_at=NOW, problem="no", problem_digest="d")
    plan = planned([meeting()], [link_of(meeting(participants=()))])
    change = replace(plan.changes[0], action=action, person=None if action is Action.UPDATE else JON)
    link = noted(change, action, troubled, MINTS)
    assert (link.attempts, link.retry_at, link.problem, link.problem_digest) == (0, None, None, None)
    assert [p for p in link.invitees if p.email == MARA.email] == [troubled.invitees[1]]


def test_a_role_or_a_removal_of_somebody_unknown_is_noted_as_nothing() -> None:
    link = link_of(meeting())
    change = replace(planned([meeting()], [link_of(meeting(participants=()))]).changes[0], person=ANN)
    for action in (Action.ROLE, Action.UNINVITE):
        assert noted(change, action, link, MINTS).invitees == link.invitees
