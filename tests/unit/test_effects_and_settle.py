"""What a write does to its link, told from the intent alone; and the pure parts of settling."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from sync.change import Action, Change, FieldDiff, LinkEffect
from sync.echo import shown_fields
from sync.effects import new_link, parse_instant, payload_of, recorded, settled, vanished
from sync.ledger.records import Link, LinkState, Registered
from sync.model import Capabilities, Invitee, Meeting, Participant, Role, Session
from sync.settle import with_vendor_ids
from tests.unit.builders import FULL, HOUR, JON, MARA, NOW, SOON, intent_of, link_of, meeting, planned, the_change

TROUBLED = {"attempts": 3, "retry_at": NOW, "problem": "no", "problem_digest": "d"}


def effect(link: Link, action: Action, change: Change, capabilities: Capabilities = FULL, **ids: str) -> Link:
    """The link after the intent of a change was written to disk, read back, and found to be done."""
    payload = json.loads(json.dumps(payload_of(change, action, link, capabilities, mail=False)))
    return recorded(intent_of(link, action, payload), link, **ids)


def change_of(wish: Meeting | None, person: Participant | None = None) -> Change:
    return Change(meeting().key, Action.UPDATE, "because", LinkEffect.KEPT, "Title", SOON, person=person, wish=wish)


def fresh(wish: Meeting) -> Link:
    return new_link(change_of(wish), wish, "sales", "main", "marker")


def test_a_new_link_is_pending_and_has_no_session() -> None:
    link = fresh(meeting())
    assert (link.state, link.has_session, link.session, link.applied) == (LinkState.PENDING, False, None, {})


@pytest.mark.parametrize("create_invites", [True, False])
def test_a_creation_makes_the_link_live_with_what_was_sent(create_invites: bool) -> None:
    wish = meeting(participants=(JON, MARA))
    capabilities = replace(FULL, create_invites=create_invites)
    link = effect(fresh(wish), Action.CREATE, change_of(wish), capabilities, session="s1")
    assert (link.state, link.session, link.join_url) == (LinkState.LIVE, "s1", None)
    assert (link.title, link.start, link.end) == (wish.title, wish.start, wish.end)
    assert link.applied == {"title": "Meeting m1", "start": "2026-11-24T06:00:00Z", "end": "2026-11-24T07:00:00Z"}
    registered = (Registered(JON.email, "Jon Doe", JON.role), Registered(MARA.email, "Mara Moe", MARA.role))
    assert link.invitees == (registered if create_invites else ())


def test_a_new_session_forgets_the_old_ones_people_and_join_link() -> None:
    old = link_of(meeting(participants=(JON, MARA)))
    wish = meeting()
    link = effect(old, Action.CREATE, change_of(wish), session="s2")
    assert (link.session, link.join_url) == ("s2", None)
    assert [(p.email, p.ref) for p in link.invitees] == [(JON.email, None)]


def test_an_update_changes_the_fields_and_nothing_else() -> None:
    wish = meeting()
    old = link_of(wish)
    changed = replace(wish, title="Renamed", end=SOON + 2 * HOUR)
    fields = tuple(FieldDiff(name, "", "") for name in ("title", "end"))
    link = effect(old, Action.UPDATE, replace(change_of(changed), fields=fields))
    assert (link.title, link.end, link.applied["title"]) == ("Renamed", SOON + 2 * HOUR, "Renamed")
    assert (link.session, link.join_url, link.invitees) == (old.session, old.join_url, old.invitees)


def test_a_cancellation_keeps_the_session_on_record() -> None:
    old = link_of(meeting())
    link = effect(old, Action.CANCEL, change_of(None))
    assert (link.state, link.session, link.has_session) == (LinkState.CANCELLED, old.session, False)


class TestPeople:
    old = link_of(meeting())

    def test_an_invitation_adds_one_with_the_vendors_id(self) -> None:
        link = effect(self.old, Action.INVITE, change_of(None, MARA), ref="i9")
        assert [(p.email, p.role, p.ref) for p in link.invitees] == [
            (JON.email, JON.role, f"i-{JON.email}"),
            (MARA.email, MARA.role, "i9"),
        ]

    def test_an_invitation_recorded_twice_is_one(self) -> None:
        once = effect(self.old, Action.INVITE, change_of(None, MARA), ref="i9")
        assert effect(once, Action.INVITE, change_of(None, MARA)) == once

    def test_a_role_change_keeps_the_vendors_id(self) -> None:
        link = effect(self.old, Action.ROLE, change_of(None, replace(JON, role=Role.OBSERVER)))
        assert [(p.role, p.ref) for p in link.invitees] == [(Role.OBSERVER, f"i-{JON.email}")]

    def test_a_removal_removes_that_one_alone(self) -> None:
        both = effect(self.old, Action.INVITE, change_of(None, MARA), ref="i9")
        link = effect(both, Action.UNINVITE, change_of(None, JON))
        assert [p.email for p in link.invitees] == [MARA.email]


@pytest.mark.parametrize("action", [a for a in Action if a is not Action.REPLACE])
def test_every_effect_ends_the_links_troubles(action: Action) -> None:
    link = effect(link_of(meeting(), **TROUBLED), action, change_of(meeting(), JON), session="s1")
    assert (link.attempts, link.retry_at, link.problem, link.problem_digest) == (0, None, None, None)


def test_a_replacement_is_two_writes_and_never_one_intent() -> None:
    with pytest.raises(ValueError, match="a cancellation and a creation"):
        recorded(intent_of(link_of(meeting()), Action.REPLACE, {}), link_of(meeting()))


@pytest.mark.parametrize("mail", [True, False])
def test_the_payload_says_whether_mail_was_to_go_out_and_is_plain_json(mail: bool) -> None:
    for action in Action:
        payload = payload_of(change_of(meeting(), JON), action, link_of(meeting()), FULL, mail=mail)
        assert payload["mail"] is mail
        assert json.loads(json.dumps(payload)) == payload


def test_settling_a_link_only_clears_its_troubles() -> None:
    link = link_of(meeting())
    assert settled(replace(link, **TROUBLED)) == link


def test_a_vanished_session_is_made_anew_or_set_aside_as_the_route_says() -> None:
    repaired = vanished(link_of(meeting()), repair=True)
    assert (repaired.has_session, repaired.state, repaired.invitees) == (False, LinkState.PENDING, ())
    reported = vanished(link_of(meeting()), repair=False)
    assert (reported.has_session, reported.state) == (True, LinkState.QUARANTINED)
    assert reported.problem
    assert the_change(planned([meeting()], [repaired])).action is Action.CREATE


def test_instants_survive_their_text_form() -> None:
    assert parse_instant("2026-12-01T09:00:00Z") == datetime(2026, 12, 1, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ({}, {}),
        ({"title": ""}, {"title": ""}),  # an empty title is an answer, None is none
        ({"start": SOON, "title": "T"}, {"title": "T", "start": "2026-11-24T06:00:00Z"}),
        ({"end": SOON, "join_url": "https://x.example"}, {"end": "2026-11-24T06:00:00Z"}),
    ],
)
def test_only_what_the_vendor_said_counts_as_shown(values: dict[str, Any], shown: dict[str, str]) -> None:
    assert shown_fields(Session("s1", **values)) == shown


class TestVendorIds:
    known = (Registered("jon@example.com", "Jon", Role.PARTICIPANT), Registered("mara@example.com", "", Role.OBSERVER))

    def test_they_are_matched_by_address_whatever_its_case(self) -> None:
        listed = (Invitee("7", "Jon@Example.COM"),)
        assert [p.ref for p in with_vendor_ids(self.known, listed)] == ["7", None]

    def test_strangers_are_not_taken_over(self) -> None:
        listed = (Invitee("7", "jon@example.com"), Invitee("8", "stranger@example.com"))
        assert [p.email for p in with_vendor_ids(self.known, listed)] == ["jon@example.com", "mara@example.com"]

    def test_of_several_with_one_address_the_first_is_taken(self) -> None:
        listed = (Invitee("7", "jon@example.com"), Invitee("8", "jon@example.com"))
        assert with_vendor_ids(self.known, listed)[0].ref == "7"

    def test_a_known_id_stays_where_the_list_is_silent(self) -> None:
        known = (replace(self.known[0], ref="5"),)
        assert with_vendor_ids(known, ()) == known
