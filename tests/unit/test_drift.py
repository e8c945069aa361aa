"""What a drift check concludes: never that something is gone on one doubtful look, never a vendor's own spelling."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from daemon.database import open_ledger
from sync.change import Action, FieldDiff
from sync.drift import (
    Policy,
    Sight,
    due,
    held_back,
    judged,
    meant_for,
    sight_of,
    still_pending,
    strays,
    watched,
    without,
)
from sync.ledger.drift import Drift, DriftCheck, Held
from sync.ledger.records import Link, LinkState
from sync.ledger.store import Ledger
from sync.model import Session, Window, content_digest
from sync.ports import Listing
from tests.unit.builders import FULL, HOUR, NOW, ROUTE, SOON, key, link_of, meeting, planned, the_change

REPAIR = Policy.of(ROUTE, FULL)
REPORT = Policy.of(replace(ROUTE, drift="report"), FULL)
FIXED = Policy.of(ROUTE, replace(FULL, update=frozenset({"title"})))
WINDOW = Window(NOW - HOUR, NOW + 30 * 24 * HOUR)
MINE = "0123456789ab"


def session_of(link: Link, **other: Any) -> Session:
    """The session just as the link has it, but for what is given."""
    shown = Session(str(link.session), link.title, link.start, link.end, link.join_url, link.marker)
    return replace(shown, **other)


def seen(*sessions: Session, complete: bool = True) -> Sight:
    return sight_of(Listing(sessions, complete), {}, WINDOW, asks=True)


LINK = link_of(meeting())


# Missing


def test_a_session_that_is_listed_and_not_asked_about_is_there() -> None:
    assert judged(replace(LINK, missing=1), seen(session_of(LINK)), REPAIR, {}) == (LINK, [])


def test_what_a_complete_list_lacks_and_the_vendor_does_not_know_is_believed_to_be_gone_at_once() -> None:
    sight = sight_of(Listing((), True), {"s-m1@example.com": None}, WINDOW, asks=True)
    after, (drift,) = judged(LINK, sight, REPAIR, {})
    assert (drift.kind, drift.outcome, after.missing) == ("missing", "reported", 1)


@pytest.mark.parametrize(
    ("listing", "asks"), [(Listing((), False), True), (Listing((), True), False), (None, True)],
    ids=["the list was cut", "one session cannot be asked for", "there is no list"],
)  # fmt: skip
def test_with_one_witness_it_is_believed_when_two_checks_in_a_row_came_to_it(
    listing: Listing | None, asks: bool
) -> None:
    sight = sight_of(listing, {"s-m1@example.com": None}, WINDOW, asks=asks)
    once, (first,) = judged(LINK, sight, REPAIR, {})
    twice, (second,) = judged(once, sight, REPAIR, {})
    assert (first.outcome, second.outcome, twice.missing) == ("suspected", "reported", 2)
    back, nothing = judged(once, seen(session_of(LINK)), REPAIR, {})
    assert (back.missing, nothing) == (0, []), "to be seen in between is to begin again"


def test_a_list_that_lacks_a_session_which_exists_is_not_believed_about_the_others() -> None:
    other = link_of(meeting("m2"))
    asked = {str(LINK.session): None, str(other.session): session_of(other)}
    sight = sight_of(Listing((), True), asked, WINDOW, asks=True)
    assert not sight.complete
    assert [one.outcome for one in judged(LINK, sight, REPAIR, {})[1]] == ["suspected"]


def test_a_session_that_was_moved_out_of_the_window_is_no_fault_of_the_list() -> None:
    far = session_of(LINK, start=SOON + 900 * 24 * HOUR, end=SOON + 901 * 24 * HOUR)
    sight = sight_of(Listing((), True), {far.ref: far}, WINDOW, asks=True)
    assert sight.complete
    (drift,) = judged(LINK, sight, REPAIR, {})[1]
    assert [diff.name for diff in drift.fields] == ["start", "end"]


def test_where_nobody_could_be_asked_nothing_is_concluded() -> None:
    assert judged(replace(LINK, missing=1), seen(), REPAIR, {}) == (replace(LINK, missing=1), [])


def test_too_many_at_once_are_held_back_unless_it_is_forced() -> None:
    assert held_back(2, 2, ROUTE, force=False) == "2 of 2 sessions are gone at once; `--force` believes it all the same"
    assert held_back(4, 10, ROUTE, force=False)
    assert [held_back(*counts, ROUTE, force=False) for counts in ((1, 1), (3, 10), (2, 4))] == [""] * 3
    assert held_back(10, 10, ROUTE, force=True) == ""


def test_what_is_gone_is_made_anew_or_set_aside_as_the_route_says() -> None:
    lost = replace(LINK, missing=2)
    again, aside = without(lost, ROUTE), without(lost, replace(ROUTE, drift="report"))
    assert (again.state, again.session, again.missing) == (LinkState.PENDING, None, 0)
    assert (aside.state, aside.session, aside.missing) == (LinkState.QUARANTINED, LINK.session, 0)


@pytest.mark.parametrize(
    "change",
    [
        {"state": LinkState.QUARANTINED}, {"state": LinkState.IN_DOUBT}, {"state": LinkState.CANCELLED},
        {"state": LinkState.PENDING, "session": None}, {"end": NOW}, {"vendor": "another"},
    ],
)  # fmt: skip
def test_only_a_live_session_of_the_routes_vendor_that_is_not_over_is_looked_at(change: dict[str, Any]) -> None:
    assert watched(LINK, "main", NOW, ())
    assert not watched(replace(LINK, **change), "main", NOW, ())
    assert not watched(LINK, "main", NOW, {str(LINK.key)}), "a call for it is open"


# Changed


def test_a_changed_field_is_repaired_by_the_plan_that_follows_which_says_where_it_was_changed() -> None:
    after, (drift,) = judged(LINK, seen(session_of(LINK, title="By hand")), REPAIR, {})
    assert drift == Drift(
        "changed", str(LINK.key), str(LINK.session), LINK.title, "repaired",
        (FieldDiff("title", "Meeting m1", "By hand"),),
    )  # fmt: skip
    check = DriftCheck("sales", NOW, True, (drift,))
    step = the_change(planned([meeting()], [after], drifted=check.changed_at_the_vendor()))
    assert (step.action, step.reason) == (Action.UPDATE, "title changed at the vendor")
    assert step.fields == (FieldDiff("title", "By hand", "Meeting m1"),)


def test_a_plan_tells_what_the_calendar_changed_from_what_somebody_changed_at_the_vendor() -> None:
    after, (drift,) = judged(LINK, seen(session_of(LINK, title="By hand")), REPAIR, {})
    told = DriftCheck("sales", NOW, True, (drift,)).changed_at_the_vendor()
    moved = meeting(start=SOON + HOUR)
    reason = the_change(planned([moved], [after], drifted=told)).reason
    assert reason == "start and end changed in the calendar and title changed at the vendor"
    assert the_change(planned([moved], [LINK], drifted=told)).reason == "start and end changed in the calendar"


def test_a_vendors_own_spelling_is_no_drift() -> None:
    spelled = link_of(meeting(title="R&D <now>"))
    assert judged(spelled, seen(session_of(spelled, title="R&amp;D  &lt;now&gt;")), REPAIR, {})[1] == []
    odd = replace(LINK, echo={"title": "MEETING M1"})
    assert judged(odd, seen(session_of(LINK, title="MEETING M1")), REPAIR, {})[1] == []


def test_fields_that_the_answer_does_not_say_or_that_were_never_sent_are_not_compared() -> None:
    assert judged(LINK, seen(session_of(LINK, title=None, start=None, end=None)), REPAIR, {})[1] == []
    timeless = replace(LINK, applied={"title": LINK.title})
    assert judged(timeless, seen(session_of(LINK, start=NOW)), REPAIR, {})[1] == []


def test_in_the_mode_report_the_link_stays_as_it_was_applied() -> None:
    after, (drift,) = judged(LINK, seen(session_of(LINK, title="By hand")), REPORT, {})
    assert (after, drift.outcome) == (LINK, "reported")


def test_what_comes_back_after_a_repair_is_not_repaired_again() -> None:
    sight = seen(session_of(LINK, title="By hand"))
    _, (first,) = judged(LINK, sight, REPAIR, {})
    after, (second,) = judged(LINK, sight, REPAIR, {first.identity: first.outcome})
    assert (after, second.outcome) == (LINK, "returned")
    assert judged(LINK, sight, REPAIR, {second.identity: second.outcome})[1] == [second]
    other = seen(session_of(LINK, title="Something else by hand"))
    assert judged(LINK, other, REPAIR, {second.identity: second.outcome})[1][0].outcome == "repaired"


def test_a_field_that_the_vendor_cannot_change_is_said_once_and_then_known() -> None:
    sight = seen(session_of(LINK, start=SOON + HOUR, title="By hand"))
    after, found = judged(LINK, sight, FIXED, {})
    assert [(one.outcome, one.fields[0].name) for one in found] == [("repaired", "title"), ("reported", "start")]
    assert judged(after, sight, FIXED, {})[1] == []
    can = replace(FULL, update=frozenset({"title"}))
    told = DriftCheck("sales", NOW, True, tuple(found)).changed_at_the_vendor()
    step = the_change(planned([meeting()], [after], capabilities=can, drifted=told))
    assert [finding.code for finding in step.findings] == ["update-unsupported"]


def test_what_was_done_by_hand_because_the_vendor_has_no_call_for_it_is_as_the_calendar_wants_it() -> None:
    stale = replace(LINK, title="New", stale={"title": "New"})
    for policy in (FIXED, REPORT):
        after, found = judged(stale, seen(session_of(LINK, title="New")), policy, {})
        assert (found, after.applied["title"]) == ([], "New")


@pytest.mark.parametrize("policy", [REPAIR, REPORT])
def test_another_join_link_is_told_and_taken_over_whatever_the_route_says(policy: Policy) -> None:
    after, (drift,) = judged(LINK, seen(session_of(LINK, join_url="https://vendor.example/new")), policy, {})
    assert (drift.kind, drift.outcome, after.join_url) == ("join_link", "repaired", "https://vendor.example/new")
    for unknown in (session_of(LINK, join_url=None), session_of(LINK)):
        assert judged(LINK, seen(unknown), policy, {})[1] == []
    asked_later = replace(LINK, join_url=None)
    assert judged(asked_later, seen(session_of(LINK)), policy, {}) == (asked_later, [])


def test_a_change_that_no_pass_has_set_right_yet_is_remembered_until_one_has() -> None:
    after, (drift,) = judged(LINK, seen(session_of(LINK, title="By hand")), REPAIR, {})
    last = DriftCheck("sales", NOW, True, (drift,))
    assert still_pending(last, [after], []) == [replace(drift, pending=True)]
    assert still_pending(last, [LINK], []) == []
    assert still_pending(last, [after], [replace(drift, outcome="returned")]) == []
    assert still_pending(None, [after], []) == []


# Sessions beside those of the ledger


def held_of(link: Link, **other: Any) -> Held:
    known = Held(link.route, str(link.key), link.marker, link.session, link.state, link.title, link.end)
    return replace(known, **other)


def marker(name: str, installation: str = MINE) -> str:
    return f"convener/{installation}/{content_digest('sales', key(name))}/aabbccdd"


OURS = link_of(meeting(), marker=marker("m1"))


def found(sight: Sight, *held: Held, waiting: frozenset[str] = frozenset()) -> list[tuple[str, str]]:
    strangers = strays(sight, held, waiting, MINE, "sales", NOW)
    return [(one.kind, one.session.ref) for one in strangers]


def test_a_foreign_session_or_another_installations_is_never_found() -> None:
    others = [Session("1"), Session("2", marker="somebody"), Session("3", marker=marker("m1", "ba9876543210"))]
    assert found(seen(session_of(OURS), *others), held_of(OURS)) == []


def test_a_second_session_with_the_marker_of_a_live_one_is_a_double() -> None:
    second = Session("9", marker=OURS.marker)
    assert found(seen(session_of(OURS), second), held_of(OURS)) == [("double", "9")]
    assert found(seen(second), held_of(OURS)) == [], "whether the first one is there nobody knows"
    assert found(seen(session_of(OURS), second), held_of(OURS), waiting=frozenset({OURS.marker})) == []
    assert found(seen(session_of(OURS), second), held_of(OURS, route="another")) == []
    assert found(seen(session_of(OURS), second, complete=False), held_of(OURS)) == []


def test_a_double_is_told_by_the_short_mark_that_a_title_shows() -> None:
    first, second = session_of(OURS, marker="cv-0123456789ab"), Session("9", marker="cv-0123456789ab")
    assert found(seen(first, second), held_of(OURS)) == [("double", "9")]


def test_the_session_that_another_meeting_has_is_nobodys_double() -> None:
    second = Session("9", marker=OURS.marker)
    moved = held_of(OURS, key="sales:m2@example.com", marker=marker("m2"), session="9")
    assert found(seen(session_of(OURS), second), held_of(OURS), moved) == []


def test_with_its_own_session_gone_another_one_with_its_marker_is_an_orphan_to_be_adopted() -> None:
    second = Session("9", marker=OURS.marker)
    sight = sight_of(Listing((second,), True), {str(OURS.session): None}, WINDOW, asks=True)
    assert found(sight, held_of(OURS)) == [("orphan", "9")]


def test_a_session_that_was_removed_and_is_still_there_is_a_leftover_until_its_meeting_is_over() -> None:
    gone = held_of(OURS, state=LinkState.CANCELLED)
    assert found(seen(session_of(OURS)), gone) == [("leftover", str(OURS.session))]
    assert found(seen(session_of(OURS)), replace(gone, end=NOW)) == []
    assert found(seen(session_of(OURS, ref="9")), gone) == [("orphan", "9")]


def test_a_session_of_ours_that_no_meeting_has_is_an_orphan_made_for_one_meeting() -> None:
    lost = Session("9", marker=marker("m5"))
    assert found(seen(lost)) == [("orphan", "9")]
    assert meant_for(marker("m5"), content_digest("sales", key("m5")))
    assert not meant_for(marker("m5"), content_digest("sales", key("m1")))
    assert not meant_for("cv-0123456789ab", "")


# When


def test_a_check_is_due_every_so_often_and_soon_after_one_that_could_not_conclude() -> None:
    every = timedelta(hours=6)
    assert due(DriftCheck("sales", NOW, True), None, every, NOW) == NOW + every
    assert due(DriftCheck("sales", NOW, False), None, every, NOW) == NOW + timedelta(minutes=15)
    assert due(DriftCheck("sales", NOW, False), None, timedelta(minutes=1), NOW) == NOW + timedelta(minutes=1)


def test_a_route_that_was_never_checked_waits_for_its_turn_from_its_first_pass_on() -> None:
    every = timedelta(hours=6)
    assert due(None, None, every, NOW) == NOW + every
    assert due(None, NOW - timedelta(days=9), every, NOW) < NOW


# The ledger


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    async with open_ledger(f"sqlite:///{tmp_path}/convener.db") as opened:
        yield opened


async def test_a_check_and_the_links_that_it_changed_come_back_as_they_went_in(ledger: Ledger) -> None:
    assert await ledger.drift.last("sales") is None
    drift = Drift("changed", "sales:x", "7", "T \ud800 \0", "repaired", (FieldDiff("title", "a", "b"),))
    for problem in ("", "down"):
        check = DriftCheck("sales", NOW, not problem, (drift, Drift("orphan", "", "8")), problem)
        await ledger.drift.save(check, [replace(LINK, missing=1)])
        assert await ledger.drift.last("sales") == check
    assert [link.missing for link in await ledger.links("sales")] == [1]
    assert await ledger.drift.last("another") is None


async def test_the_ledger_tells_what_all_routes_have_at_a_vendor_and_what_is_under_way(ledger: Ledger) -> None:
    other = replace(OURS, route="other", session="9", state=LinkState.CANCELLED)
    await ledger.save_links([OURS, other, replace(OURS, key=key("m2"), vendor="elsewhere")], NOW)
    assert await ledger.drift.held("main") == [held_of(OURS), held_of(other)]
    assert await ledger.drift.open_markers("main") == frozenset()
    intent = await ledger.open_intent(OURS, Action.CREATE, NOW)
    assert await ledger.drift.open_markers("main") == {OURS.marker}
    await ledger.settle(intent, "done", NOW)
    assert await ledger.drift.open_markers("main") == frozenset()


async def test_the_first_pass_of_a_route_is_known(ledger: Ledger) -> None:
    assert await ledger.drift.first_pass("sales") is None
    for hours in (0, 1):
        await ledger.start_run("sales", NOW + hours * HOUR)
    assert await ledger.drift.first_pass("sales") == NOW


async def test_a_marker_is_read_as_the_ledger_makes_it(ledger: Ledger) -> None:
    made = await ledger.new_marker("sales", key("m5"))
    installation = await ledger.installation()
    assert meant_for(made, content_digest("sales", key("m5")))
    ours = seen(Session("9", marker=made))
    assert [one.kind for one in strays(ours, (), frozenset(), installation, "sales", NOW)] == ["orphan"]
    assert list(strays(ours, (), frozenset(), MINE, "sales", NOW)) == []
