"""Capabilities in words and as a document: nothing that a connector declares is lost, and vendors can be told apart."""

import json
from dataclasses import fields, replace
from datetime import timedelta
from typing import Any, get_args, get_type_hints

import pytest

from daemon.capabilities import capabilities_document, capability_rows, span
from sync.model import Capabilities, Limits, Role
from tests.unit.builders import FULL

CALL = Capabilities(
    name="Callers",
    session="call",
    marker="none",
    holds=frozenset({"title"}),
    set_after_create=frozenset({"title"}),
    update=frozenset({"title"}),
    delete=False,
    list=False,
    uninvite=False,
    list_invitees=False,
    roles=frozenset({Role.PARTICIPANT}),
    change_role=False,
    hosts_apart=True,
    host_links=True,
    documents_pull=True,
    limits=Limits(participants=1),
)
MINT = Capabilities(
    name="Minters",
    session="room",
    marker="title",
    holds=frozenset(),
    personal_relinks_on=frozenset({"start", "end"}),
    invite=False,
    personal_links=True,
    mints_links=True,
    recordings_pull=True,
    limits=Limits(title=100, whole_minutes=True, link_life=timedelta(days=5)),
)


def said(*vendors: Capabilities) -> dict[str, list[str]]:
    return dict(capability_rows(vendors))


def test_contrasting_vendors_are_told_apart_in_words() -> None:
    assert said(FULL, CALL, MINT) == {
        "a meeting becomes": ["a session", "a call without a time", "a standing room"],
        "it stores": ["title, start, end", "title", "nothing of the meeting"],
        "it can change": ["title, start, end; the join link stays", "title; the join link stays", "nothing"],
        "limits": ["none known", "none known", "title 100 characters, whole minutes"],
        "it can remove it": ["yes", "no", "yes"],
        "it lists them": ["yes", "no", "yes"],
        "ours is known by": [
            "a field that nobody sees",
            "nothing: never found again",
            "a short mark in the title",
        ],
        "a lost creation is": [
            "looked for, then made again",
            "repeated once, then a person is asked",
            "looked for, then made again",
        ],
        "participants": [
            "with the session, removed, listed",
            "1 at most, one by one, never removed, never listed",
            "not registered: each gets a personal link",
        ],
        "roles": [
            "moderator, participant, observer",
            "participant; moderators are the account's own people",
            "moderator, participant, observer",
        ],
        "it mails": ["on request", "no", "no"],
        "personal links": [
            "no",
            "no",
            "made on request when the start is nearer than 5 days, anew when start, end change",
        ],
        "host link on demand": ["no", "yes", "no"],
        "recordings": ["no", "no", "yes"],
        "attendance": ["no", "no", "no"],
        "documents to it": ["no", "no", "no"],
        "documents from it": ["no", "yes", "no"],
    }


@pytest.mark.parametrize(
    ("values", "label", "words"),
    [
        ({"relinks_on": frozenset({"start"})}, "it can change", "title, start, end; a new join link with start"),
        ({"update": frozenset()}, "it can change", "nothing"),
        ({"change_role": False}, "roles", "moderator, participant, observer; never changed"),
        ({"mails_besides": "reminders"}, "it mails", "on request; then also reminders"),
        ({"vendor_mail": False, "mails_besides": "reminders"}, "it mails", "no"),
        ({"personal_links": True}, "personal links", "given by the vendor"),
        ({"personal_links": True, "mints_links": True}, "personal links", "made on request"),
        ({"invite": False}, "participants", "not registered"),
        ({"create_invites": False}, "participants", "one by one, removed, listed"),
        ({"marker": "external_id"}, "ours is known by", "an id of ours"),
        ({"attendance_pull": True}, "attendance", "yes"),
        ({"documents_push": True}, "documents to it", "yes"),
    ],
)
def test_one_ability_more_or_less_changes_its_row(values: dict[str, Any], label: str, words: str) -> None:
    assert said(FULL)[label] != [words]
    assert said(replace(FULL, **values))[label] == [words]


def test_a_row_that_says_nothing_of_any_vendor_is_left_out_and_stays_when_it_says_something_of_one() -> None:
    nobody = replace(FULL, invite=False)
    assert "roles" not in said(nobody)
    assert said(nobody, FULL)["roles"] == ["", "moderator, participant, observer"]


def test_the_fields_are_said_in_the_order_of_a_meeting_however_they_were_declared() -> None:
    (cell,) = said(replace(FULL, holds=frozenset({"participant", "end", "title", "location"})))["it stores"]
    assert cell == "title, end, location, participant"


@pytest.mark.parametrize(
    ("life", "text"),
    [
        (timedelta(days=5), "5 days"),
        (timedelta(hours=36), "1.5 days"),
        (timedelta(hours=12), "12 hours"),
        (timedelta(minutes=90), "1.5 hours"),
    ],
)
def test_a_span_is_said_in_days_from_one_on_and_in_hours_below(life: timedelta, text: str) -> None:
    assert span(life) == text


def other(kind: Any, value: Any) -> Any:
    """A value of a field that is not the one it has."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, frozenset):
        return value ^ {Role.OBSERVER if Role.OBSERVER in value else "title"}
    if isinstance(value, Limits):
        return replace(value, title=7)
    if value is None:
        return timedelta(hours=3) if timedelta in get_args(kind) else 7
    return f"other {value}" if isinstance(value, str) else value + 1


HINTS = get_type_hints(Capabilities)


@pytest.mark.parametrize("name", [field.name for field in fields(Capabilities)])
@pytest.mark.parametrize("vendor", [FULL, CALL, MINT], ids=lambda vendor: vendor.name)
def test_every_capability_is_in_the_document_under_its_own_name(vendor: Capabilities, name: str) -> None:
    changed = replace(vendor, **{name: other(HINTS[name], getattr(vendor, name))})
    before, after = capabilities_document("x", vendor), capabilities_document("x", changed)
    assert {key for key in before if before[key] != after[key]} == {name}
    assert before.keys() == after.keys()


@pytest.mark.parametrize("name", [field.name for field in fields(Limits)])
def test_every_limit_is_in_the_document_too(name: str) -> None:
    limits = replace(FULL.limits, **{name: other(get_type_hints(Limits)[name], getattr(FULL.limits, name))})
    before = capabilities_document("x", FULL)["limits"]
    after = capabilities_document("x", replace(FULL, limits=limits))["limits"]
    assert {key for key in before if before[key] != after[key]} == {name}


@pytest.mark.parametrize("vendor", [FULL, CALL, MINT], ids=lambda vendor: vendor.name)
def test_the_document_is_plain_json(vendor: Capabilities) -> None:
    document = capabilities_document("x", vendor)
    assert json.loads(json.dumps(document)) == document
    assert (document["type"], document["name"]) == ("x", vendor.name)


def test_sets_are_sorted_lists_and_durations_seconds() -> None:
    document = capabilities_document("x", replace(MINT, retention=timedelta(days=1, seconds=30)))
    assert document["personal_relinks_on"] == ["end", "start"]
    assert document["roles"] == ["moderator", "observer", "participant"]
    assert document["holds"] == []
    assert document["retention"] == 86430
    assert document["limits"] == {
        "title": 100,
        "participants": None,
        "min_minutes": 1,
        "whole_minutes": True,
        "link_life": 432000,
    }
