"""The ledger's steps: what passes did lately and why, and what they could not do. For people to read."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from sync.change import Change, Result
from sync.ledger import tables as t
from sync.ledger.database import Database

KEPT = 500
"""The newest steps of a route that are kept."""

_C = t.steps.c
_BATCH = 200
"""Keys asked for in one query: databases bound the number of its parameters."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a pass, with its meeting's title as it was then and the reason for it or for its failure. `action`,
    `result` and `link` are the words of `sync.change`; `participant` is an e-mail address."""

    route: str
    key: str
    title: str
    at: datetime
    action: str
    result: str
    link: str
    participant: str | None
    reason: str


class Steps:
    """The steps of all routes."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def record(self, route: str, changes: Iterable[Change], now: datetime) -> None:
        """Remember what a pass did at `now` (UTC-aware), the newest KEPT of the route.

        What passes find again in vain is kept once: as of its first time, but a step that is held back as of its last,
        for `held` to tell what is held back now. What is only planned is left out.
        """
        new = [_step(route, change, now) for change in changes if change.result is not Result.PLANNED]
        if not new:
            return
        async with self._db.write() as connection:
            last = await _last(connection, route, {step.key for step in new if step.result != Result.DONE})
            held = [row.id for step in new if (row := last.get(_which(step))) and row.result == Result.HELD]
            for number in range(0, len(held), _BATCH):
                await connection.execute(delete(t.steps).where(_C.id.in_(held[number : number + _BATCH])))
            fresh = [step for step in new if not _known(step, last.get(_which(step)))]
            if fresh:
                await connection.execute(insert(t.steps), [_values(step) for step in fresh[-KEPT:]])
            oldest = select(_C.id).where(_C.route == route).order_by(_C.id.desc()).offset(KEPT - 1).limit(1)
            if (bound := (await connection.execute(oldest)).scalar_one_or_none()) is not None:
                await connection.execute(delete(t.steps).where(_C.route == route, _C.id < bound))

    async def newest(self, limit: int, *, held: bool = True) -> list[Step]:
        """The newest of all routes, the newest first; with or without those that were held back."""
        query = select(t.steps).order_by(_C.at.desc(), _C.id.desc()).limit(limit)
        rows = await self._db.all(query if held else query.where(_C.result != Result.HELD.value))
        return [_read(row) for row in rows]

    async def held(self, route: str, since: datetime) -> list[Step]:
        """Those of a route that the guard has held back since an instant, such as the beginning of its last pass."""
        query = select(t.steps).where(_C.route == route, _C.result == Result.HELD.value, _C.at >= since)
        return [_read(row) for row in await self._db.all(query.order_by(_C.id))]


def _step(route: str, change: Change, now: datetime) -> Step:
    """Of a step that was not done, the last finding says why."""
    why = change.findings[-1].message if change.result is not Result.DONE and change.findings else ""
    return Step(
        route,
        str(change.key),
        change.title,
        now,
        change.action.value,
        change.result.value,
        change.link.value,
        change.person.email if change.person else None,
        f"{change.reason}: {why}" if why else change.reason,
    )


def _which(step: Step | Row[Any]) -> tuple[str, str, str | None]:
    return (step.key, step.action, step.participant)


def _known(step: Step, before: Row[Any] | None) -> bool:
    """Whether the last pass that came to this step came no further, for the same reason."""
    if before is None or step.result in (Result.DONE, Result.HELD):
        return False
    return bool((before.result, before.reason) == (step.result, step.reason))


async def _last(
    connection: AsyncConnection, route: str, keys: Iterable[str]
) -> dict[tuple[str, str, str | None], Row[Any]]:
    """The last row of each step for these meetings."""
    found: dict[tuple[str, str, str | None], Row[Any]] = {}
    wanted = sorted(keys)
    for number in range(0, len(wanted), _BATCH):
        part = wanted[number : number + _BATCH]
        query = select(t.steps).where(_C.route == route, _C.key.in_(part)).order_by(_C.id)
        found |= {_which(row): row for row in await connection.execute(query)}
    return found


def _values(step: Step) -> dict[str, Any]:
    return {
        "route": step.route,
        "key": step.key,
        "title": step.title,
        "at": step.at,
        "action": step.action,
        "result": step.result,
        "link": step.link,
        "participant": step.participant,
        "reason": step.reason,
    }


def _read(row: Row[Any]) -> Step:
    return Step(row.route, row.key, row.title, row.at, row.action, row.result, row.link, row.participant, row.reason)
