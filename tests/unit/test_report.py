"""Reports: counts and exit codes of a pass, and the JSON document made of it."""

import json
from dataclasses import replace
from datetime import date, timedelta
from itertools import permutations

import pytest

from daemon.documents import links_document, passes_document
from sync.change import Action, Change, LinkEffect, Result
from sync.ledger.drift import Drift
from sync.ledger.records import LinkState
from sync.model import MeetingKey
from sync.report import COUNTS, Exit, RouteReport, worst
from sync.snapshot import Rejected, Snapshot, Trouble
from tests.unit.builders import HOUR, JON, NOW, ROUTE, SOON, key, link_of, meeting, planned

WHOLE = Snapshot("sales", ROUTE.window(NOW))
PARTIAL = replace(WHOLE, trouble=Trouble.PARTIAL, reason="cut off")
UNREADABLE = replace(WHOLE, trouble=Trouble.UNREADABLE, reason="HTTP 503")
REJECTED = replace(WHOLE, rejected=(Rejected("a", 3, "bad DTSTART"),))


def step(result: Result, action: Action = Action.CREATE) -> Change:
    return Change(key(), action, "because", LinkEffect.NEW, "Title", SOON, result=result)


def report(*results: Result, snapshot: Snapshot = WHOLE, mode: str = "apply", **values: object) -> RouteReport:
    changes = tuple(step(result) for result in results)
    return RouteReport("sales", "sales", "main", mode, snapshot, changes, "digest", **values)  # type: ignore[arg-type]


ORDER = [Exit.DEFECT, Exit.USAGE, Exit.UNREACHABLE, Exit.HELD, Exit.PARTIAL, Exit.DONE]


def test_the_exit_code_of_several_follows_the_documented_order() -> None:
    for one, two in permutations(range(len(ORDER)), 2):
        assert worst([ORDER[one], ORDER[two]]) is ORDER[min(one, two)]
    assert worst([]) is Exit.DONE
    assert worst([Exit.PENDING, Exit.HELD]) is Exit.HELD
    assert worst([Exit.DONE, Exit.PENDING]) is Exit.PENDING
    assert [int(code) for code in Exit] == [0, 1, 2, 3, 4, 5, 10]


@pytest.mark.parametrize(
    ("made", "code"),
    [
        (report(), 0),
        (report(Result.DONE), 0),
        (report(Result.HELD), 3),
        (report(Result.FAILED), 4),
        (report(Result.DEFERRED), 4),
        (report(Result.IN_DOUBT), 4),
        (report(waiting=1), 4),
        (report(unresolved=(Drift("missing", "k", "1", outcome="held"),)), 3),
        (report(unresolved=(Drift("changed", "k", "1", outcome="reported"),)), 4),
        (report(unresolved=(Drift("changed", "k", "1", outcome="returned"),)), 4),
        (report(snapshot=PARTIAL), 4),
        (report(snapshot=REJECTED), 4),
        (report(snapshot=UNREADABLE), 5),
        (report(vendor_trouble="unreachable"), 5),
        (report(vendor_trouble="refused"), 5),
        (report(vendor_trouble="cooldown"), 0),
        (report(Result.DEFERRED, vendor_trouble="cooldown"), 4),
        (report(Result.HELD, Result.FAILED), 3),
        (report(Result.HELD, snapshot=PARTIAL, waiting=2), 3),
        (report(Result.HELD, Result.FAILED, snapshot=UNREADABLE), 5),
        (report(Result.PLANNED, mode="dry-run"), 0),
        (report(Result.HELD, mode="dry-run"), 3),
        (report(mode="dry-run", snapshot=PARTIAL), 4),
    ],
)
def test_a_pass_ends_with_the_documented_code(made: RouteReport, code: int) -> None:
    assert made.exit() == code


@pytest.mark.parametrize(
    ("made", "plain", "detailed"),
    [
        (report(mode="plan"), 0, 0),
        (report(Result.PLANNED, mode="plan"), 0, 10),
        (report(Result.PLANNED, Result.HELD, mode="plan"), 0, 3),
        (report(Result.DEFERRED, mode="plan"), 0, 10),
        (report(mode="plan", snapshot=PARTIAL), 0, 0),
        (report(mode="plan", waiting=1), 0, 0),
        (report(Result.HELD, mode="plan", snapshot=UNREADABLE), 5, 5),
        (report(Result.PLANNED, mode="plan", vendor_trouble="refused"), 5, 5),
    ],
)
def test_a_plan_ends_with_the_documented_code(made: RouteReport, plain: int, detailed: int) -> None:
    assert (made.exit(), made.exit(detailed=True)) == (plain, detailed)


def test_counts_are_by_action_for_what_is_planned_or_done_and_by_result_for_the_rest() -> None:
    steps = [
        step(Result.DONE),
        step(Result.PLANNED),
        step(Result.DONE, Action.REPLACE),
        step(Result.DONE, Action.ROLE),
        step(Result.HELD, Action.CANCEL),
        step(Result.HELD, Action.CANCEL),
        step(Result.FAILED, Action.INVITE),
        step(Result.IN_DOUBT),
        step(Result.DEFERRED, Action.UPDATE),
    ]
    counts = replace(report(noop=7, quarantined=3), changes=tuple(steps)).counts
    assert counts == {
        "create": 2,
        "update": 0,
        "replace": 1,
        "cancel": 0,
        "invite": 0,
        "uninvite": 0,
        "noop": 7,
        "held": 2,
        "failed": 2,
        "deferred": 1,
        "quarantined": 3,
    }
    assert tuple(counts) == COUNTS


def test_done_counts_what_was_carried_out() -> None:
    made = report(Result.DONE, Result.DONE, Result.FAILED)
    assert (made.done(Action.CREATE), made.done(Action.CANCEL)) == (2, 0)


def test_the_document_of_a_pass_has_every_documented_field() -> None:
    wish, gone = meeting(), meeting("gone", start=SOON + HOUR)
    changed = replace(wish, title="Renamed", participants=(JON, replace(JON, email="new@example.com")))
    plan = planned([changed], [link_of(wish), link_of(gone)])
    made = replace(report(mode="plan", snapshot=REJECTED), changes=plan.changes, digest=plan.digest)
    document = json.loads(json.dumps(passes_document([made], Exit.PENDING)))
    (route,) = document["routes"]
    assert document["exit"] == 10
    assert set(route) == {"route", "source", "vendor", "snapshot", "changes", "counts", "digest"}
    assert route["snapshot"] == {
        "complete": True,
        "reason": "",
        "meetings": 0,
        "rejected": [{"uid": "a", "line": 3, "reason": "bad DTSTART"}],
    }
    names = {"key", "action", "reason", "link", "result", "session", "participant", "fields", "findings"}
    assert [set(change) for change in route["changes"]] == [names] * 3
    assert [(c["action"], c["participant"], c["link"]) for c in route["changes"]] == [
        ("update", None, "kept"),
        ("invite", "new@example.com", "kept"),
        ("cancel", None, "retired"),
    ]
    assert route["changes"][0]["fields"] == [{"name": "title", "from": "Meeting m1", "to": "Renamed"}]


@pytest.mark.parametrize(
    ("snapshot", "complete", "says"),
    [
        (WHOLE, True, ""),
        (PARTIAL, False, "cut off"),
        (replace(WHOLE, rejected=(Rejected(None, 1, "x"),)), False, "UID"),
    ],
)
def test_an_incomplete_snapshot_always_says_why(snapshot: Snapshot, complete: bool, says: str) -> None:
    shown = passes_document([report(snapshot=snapshot)], Exit.DONE)["routes"][0]["snapshot"]
    assert shown["complete"] is complete
    assert says in shown["reason"]
    assert bool(shown["reason"]) is not complete


@pytest.mark.parametrize(
    ("values", "state"),
    [
        ({}, "live"),
        ({"end": NOW}, "ended"),
        ({"state": LinkState.PENDING}, "pending"),
        ({"state": LinkState.CANCELLED, "end": NOW}, "cancelled"),
        ({"state": LinkState.IN_DOUBT}, "in_doubt"),
        ({"state": LinkState.QUARANTINED}, "quarantined"),
    ],
)
def test_a_link_is_shown_with_its_state(values: dict[str, object], state: str) -> None:
    row = links_document([link_of(meeting(), **values)], NOW)["links"][0]
    assert row["state"] == state


def test_the_document_of_links_has_every_documented_field() -> None:
    occurrence = MeetingKey("sales", "series@x", date(2026, 12, 1))
    link = link_of(replace(meeting(), key=occurrence), join_url="", end=SOON + timedelta(hours=2))
    (row,) = links_document([link], NOW)["links"]
    assert row == {
        "key": "sales:series@x@20261201",
        "uid": "series@x",
        "recurrence_id": "20261201",
        "route": "sales",
        "vendor": "main",
        "session": "s-series@x",
        "state": "live",
        "title": "Meeting m1",
        "start": "2026-11-24T06:00:00Z",
        "end": "2026-11-24T08:00:00Z",
        "join_url": None,
    }
