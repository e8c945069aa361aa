"""The guard: what refuses part of a plan. Pure; it only ever turns planned steps into held ones."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from sync.change import Action, Change, Plan, Result
from sync.ledger.records import Link
from sync.model import Finding, MeetingKey
from sync.route import Route


@dataclass(frozen=True, slots=True)
class Verdict:
    """The plan with its held steps marked, and why anything was held ("" when nothing was)."""

    plan: Plan
    reason: str = ""


def guard(plan: Plan, links: Iterable[Link], route: Route, now: datetime, *, force: bool = False) -> Verdict:
    """Hold back removals that look like an accident.

    Removals by absence are held, all of them, when there are two or more and they are all of the route's live
    sessions, or when the route has `guard_from` live sessions or more and they are over `max_delete_percent`.
    A removal by absence and a replacement are held within `freeze` before the start and while it runs.
    Explicit cancellations always pass. With `force` everything passes.
    """
    if force:
        return Verdict(plan)
    live = sum(link.has_session and link.end > now for link in links)
    removals = sum(c.by_absence and c.result is Result.PLANNED for c in plan.changes)
    too_many = crowd(removals, live, route, "live sessions")
    ends = {link.key: link.end for link in links}
    changes = []
    held_replacements: dict[MeetingKey, Finding] = {}
    for change in plan.changes:
        why = None
        if change.result is not Result.PLANNED:
            pass
        elif change.by_absence and too_many:
            why = too_many
        elif _disturbs(change) and change.start - route.freeze <= now < ends.get(change.key, change.start):
            minutes = int(route.freeze.total_seconds() // 60)
            why = Finding("guard-freeze", f"it runs or starts within {minutes} minutes; `--force` does it all the same")
        elif change.person is not None and (kept := held_replacements.get(change.key)):
            why = kept  # it would be done to the session that stays
        if why is not None and change.action is Action.REPLACE:
            held_replacements[change.key] = why
        changes.append(replace(change, result=Result.HELD, findings=(*change.findings, why)) if why else change)
    reasons = {f.message for c in changes if c.result is Result.HELD for f in c.findings if f.code.startswith("guard-")}
    return Verdict(replace(plan, changes=tuple(changes)), "; ".join(sorted(reasons)))


def _disturbs(change: Change) -> bool:
    """Whether the step takes away or moves a session without the calendar saying so in as many words."""
    if change.action is Action.REPLACE:
        return not any(diff.name in ("start", "end") for diff in change.fields)
    return change.by_absence


def crowd(removals: int, live: int, route: Route, what: str) -> Finding | None:
    """Why so many removals by absence, of so many `live` ones, are held; None when they are not. `what` they are."""
    if removals >= 2 and removals >= live:
        return Finding("guard-all", f"this would remove all {live} {what}; `--force` does it all the same")
    if live >= route.guard_from and removals * 100 > live * route.max_delete_percent:
        return Finding(
            "guard-percent",
            f"this would remove {removals} of {live} {what}, more than {route.max_delete_percent} %; "
            "`--force` does it all the same",
        )
    return None
