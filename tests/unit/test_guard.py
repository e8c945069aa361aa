"""The guard: what it holds back, and what it lets through."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from sync.change import Action, Change, Result
from sync.guard import guard
from sync.ledger.records import Link
from sync.model import Meeting
from sync.route import Route
from tests.unit.builders import FULL, HOUR, JON, MARA, NOW, ROUTE, SOON, link_of, meeting, planned

MINUTE = timedelta(minutes=1)


def held_of(live: int, gone: int, route: Route = ROUTE, *, force: bool = False) -> int:
    """How many of `gone` removals by absence are held when there are `live` sessions."""
    wishes = [meeting(f"m{n}", start=SOON + n * HOUR) for n in range(live)]
    links = [link_of(wish) for wish in wishes]
    plan = planned(wishes[gone:], links)
    assert [c.action for c in plan.changes] == [Action.CANCEL] * gone
    verdict = guard(plan, links, route, NOW, force=force)
    assert bool(verdict.reason) == any(c.result is Result.HELD for c in verdict.plan.changes)
    return sum(c.result is Result.HELD for c in verdict.plan.changes)


@pytest.mark.parametrize(
    ("live", "gone", "held"),
    [
        (1, 1, 0),  # the only one may go
        (2, 1, 0),
        (2, 2, 2),  # all of two or more
        (4, 3, 0),  # below guard_from the percentage does not count
        (4, 4, 4),
        (5, 1, 0),  # 20 %
        (5, 2, 2),  # 40 %
        (10, 3, 0),  # exactly 30 %
        (10, 4, 4),
        (10, 10, 10),
    ],
)
def test_removals_by_absence_are_held_all_or_none(live: int, gone: int, held: int) -> None:
    assert held_of(live, gone) == held


@pytest.mark.parametrize(
    ("route", "live", "gone", "held"),
    [
        (replace(ROUTE, max_delete_percent=0), 5, 1, 1),
        (replace(ROUTE, max_delete_percent=100), 6, 5, 0),
        (replace(ROUTE, max_delete_percent=100), 6, 6, 6),  # "all" is held whatever the percentage says
        (replace(ROUTE, guard_from=2), 3, 1, 1),
        (replace(ROUTE, guard_from=1), 1, 1, 1),
        (replace(ROUTE, guard_from=11), 10, 9, 0),
    ],
)
def test_the_limits_are_the_routes(route: Route, live: int, gone: int, held: int) -> None:
    assert held_of(live, gone, route) == held


def test_force_lets_everything_through() -> None:
    assert held_of(10, 10, force=True) == 0


def test_ended_and_cancelled_links_do_not_count_as_live() -> None:
    wishes = [meeting(f"m{n}", start=SOON + n * HOUR) for n in range(2)]
    ended = [link_of(meeting(f"e{n}", start=NOW - (n + 3) * HOUR)) for n in range(10)]
    links = [*(link_of(wish) for wish in wishes), *ended]
    verdict = guard(planned([], links), links, ROUTE, NOW)
    assert [c.result for c in verdict.plan.changes] == [Result.HELD] * 2


def test_explicit_cancellations_pass_and_do_not_count() -> None:
    wishes = [meeting(f"m{n}", start=SOON + n * HOUR) for n in range(10)]
    links = [link_of(wish) for wish in wishes]
    said = [replace(wish, cancelled=True) for wish in wishes[:7]]
    plan = guard(planned([*said, *wishes[8:]], links), links, ROUTE, NOW).plan
    assert [c.result for c in plan.changes] == [Result.PLANNED] * 8


def test_the_rest_of_the_plan_is_applied_when_removals_are_held() -> None:
    wishes = [meeting(f"m{n}", start=SOON + n * HOUR) for n in range(5)]
    links = [link_of(wish) for wish in wishes]
    wanted = [replace(wishes[0], title="Renamed"), meeting("new")]
    plan = guard(planned(wanted, links), links, ROUTE, NOW).plan
    assert {c.action: c.result for c in plan.changes} == {
        Action.CREATE: Result.PLANNED,
        Action.UPDATE: Result.PLANNED,
        Action.CANCEL: Result.HELD,
    }


def test_what_waits_already_is_neither_held_nor_counted() -> None:
    wishes = [meeting(f"m{n}", start=SOON + n * HOUR) for n in range(10)]
    links = [link_of(wish) for wish in wishes]
    open_keys = frozenset(str(link.key) for link in links[:7])
    plan = guard(planned([], links, unsettled=open_keys), links, ROUTE, NOW).plan
    assert [c.result for c in plan.changes] == [Result.DEFERRED] * 7 + [Result.PLANNED] * 3


class TestFreeze:
    """Nothing is taken away shortly before the start or while it runs, unless the calendar says so."""

    def results(self, wanted: list[Meeting], link: Link, now: datetime = NOW, **options: object) -> list[Result]:
        plan = planned(wanted, [link], now=now, **options)
        return [c.result for c in guard(plan, [link], options.get("route", ROUTE), now).plan.changes]

    @pytest.mark.parametrize(
        ("starts_in", "result"),
        [
            (16 * MINUTE, Result.PLANNED),
            (15 * MINUTE, Result.HELD),
            (MINUTE, Result.HELD),
            (timedelta(0), Result.HELD),
            (-59 * MINUTE, Result.HELD),  # still running
        ],
    )
    def test_a_removal_by_absence_waits(self, starts_in: timedelta, result: Result) -> None:
        assert self.results([], link_of(meeting(start=NOW + starts_in))) == [result]

    def test_an_explicit_cancellation_passes(self) -> None:
        wish = meeting(start=NOW + MINUTE)
        assert self.results([replace(wish, cancelled=True)], link_of(wish)) == [Result.PLANNED]

    def test_an_update_passes(self) -> None:
        wish = meeting(start=NOW + MINUTE)
        assert self.results([replace(wish, title="Renamed")], link_of(wish)) == [Result.PLANNED]

    @pytest.mark.parametrize(
        ("change", "result"),
        [
            ({"title": "Renamed"}, Result.HELD),
            ({"title": "Renamed", "end": NOW + 2 * HOUR}, Result.PLANNED),  # the calendar moved it in so many words
        ],
    )
    def test_a_replacement_waits_unless_the_time_changed(self, change: dict[str, object], result: Result) -> None:
        wish = meeting(start=NOW + MINUTE)
        options = {
            "route": replace(ROUTE, on_unsupported_update="replace"),
            "capabilities": replace(FULL, update=frozenset()),
        }
        assert self.results([replace(wish, **change)], link_of(wish), **options) == [result]

    def test_with_a_held_replacement_nobody_is_invited_to_the_old_session_again(self) -> None:
        wish = meeting(start=NOW + MINUTE)
        options = {
            "route": replace(ROUTE, on_unsupported_update="replace"),
            "capabilities": replace(FULL, update=frozenset(), create_invites=False),
        }
        changed = replace(wish, title="Renamed", participants=(JON, MARA))
        assert set(self.results([changed], link_of(wish), **options)) == {Result.HELD}

    def test_the_step_says_why_and_how_to_override(self) -> None:
        link = link_of(meeting(start=NOW + MINUTE))
        verdict = guard(planned([], [link]), [link], replace(ROUTE, freeze=30 * MINUTE), NOW)
        change: Change = verdict.plan.changes[0]
        assert [f.code for f in change.findings] == ["guard-freeze"]
        assert "30 minutes" in verdict.reason
        assert "--force" in verdict.reason
