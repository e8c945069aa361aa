"""The ledger's drift checks: when a route was last compared with its vendor, and what was found."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import func, insert, select, update

from sync.change import FieldDiff
from sync.ledger import rows
from sync.ledger import tables as t
from sync.ledger.database import Database
from sync.ledger.records import Link, LinkState
from sync.ledger.vault import Vault

Kind = Literal["missing", "changed", "join_link", "double", "leftover", "orphan"]
"""What is wrong with a session: it is gone; somebody changed it; its join link is another one; it is a second one of
its meeting; it is still there although it was removed; it is ours, and no meeting of the ledger has it."""

Outcome = Literal["repaired", "adopted", "suspected", "reported", "returned", "held"]
"""What is done about it: it is put right now or by the pass that follows; the session is taken over by its meeting;
it is believed when the next check finds the same; it is left to a person, because the route says so or nothing can be
done, or because it came back after a repair, or because there is too much of it at once."""

LEFT: tuple[Outcome, ...] = ("held", "reported", "returned")
"""The outcomes that leave it to a person."""


@dataclass(frozen=True, slots=True)
class Drift:
    """One difference between what was last applied and what the vendor holds. `key` (as text) is the meeting's, ""
    when that is not known; `fields` go from what was applied to what the vendor shows. `pending`: found by an earlier
    check and not by this one, kept because no pass has set it right."""

    kind: Kind
    key: str
    session: str
    title: str = ""
    outcome: Outcome = "reported"
    fields: tuple[FieldDiff, ...] = ()
    pending: bool = False

    @property
    def identity(self) -> tuple[object, ...]:
        """Equal when the same is found again."""
        return (self.kind, self.key, self.session, self.fields)


@dataclass(frozen=True, slots=True)
class DriftCheck:
    """The last check of a route. `complete`: nothing has to be looked at again soon; `problem`: why not everything
    could be looked at, "" when it could; `compared_at`: when a check last could, None when none ever did."""

    route: str
    checked_at: datetime
    complete: bool
    found: tuple[Drift, ...] = ()
    problem: str = ""
    compared_at: datetime | None = None

    @property
    def unresolved(self) -> tuple[Drift, ...]:
        """What was left to a person: until the next check, the route is not as it should be."""
        return tuple(one for one in self.found if one.outcome in LEFT and not one.pending)

    def changed_at_the_vendor(self) -> dict[str, dict[str, str]]:
        """The values that somebody gave at the vendor, by key (as text) and name of the field."""
        values: dict[str, dict[str, str]] = {}
        for one in self.found:
            if one.kind == "changed":
                values.setdefault(one.key, {}).update({diff.name: diff.after or "" for diff in one.fields})
        return values


@dataclass(frozen=True, slots=True)
class Held:
    """What any route of a vendor knows of one of its sessions; `session` is None when it never had one."""

    route: str
    key: str
    marker: str
    session: str | None
    state: LinkState
    title: str
    end: datetime

    @property
    def live(self) -> bool:
        """Whether the session is believed to be there."""
        return self.session is not None and self.state is not LinkState.CANCELLED


class DriftChecks:
    """The checks of all routes."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._db = database
        self._vault = vault

    async def last(self, route: str) -> DriftCheck | None:
        """The route's last check, None when there was none."""
        found = await self._db.all(select(t.drift_checks).where(t.drift_checks.c.route == route))
        return check_of(found[0]) if found else None

    async def save(self, check: DriftCheck, links: Iterable[Link] = ()) -> None:
        """Remember a check together with the links that it changed, all or nothing."""
        values = {
            "checked_at": check.checked_at,
            "complete": check.complete,
            "findings": {
                "problem": check.problem,
                "found": [_values(one) for one in check.found],
                "compared_at": check.compared_at.isoformat() if check.compared_at else None,
            },
        }
        async with self._db.write() as connection:
            for link in links:
                await rows.save_link(connection, link, check.checked_at, self._vault)
            same = update(t.drift_checks).where(t.drift_checks.c.route == check.route)
            if not (await connection.execute(same.values(values))).rowcount:
                await connection.execute(insert(t.drift_checks).values(route=check.route, **values))

    async def first_pass(self, route: str) -> datetime | None:
        """When the oldest remembered pass of the route began."""
        first = select(func.min(t.runs.c.started_at).label("at")).where(t.runs.c.route == route)
        at: datetime | None = (await self._db.all(first))[0].at
        return at

    async def held(self, vendor: str) -> list[Held]:
        """What all routes know of a vendor's sessions, the removed ones included."""
        c = t.links.c
        columns = (c.route, c.key, c.marker, c.session, c.state, c.title, c.ends_at)
        return [
            Held(row.route, row.key, row.marker, row.session, LinkState(row.state), row.title, row.ends_at)
            for row in await self._db.all(select(*columns).where(c.vendor == vendor).order_by(c.id))
        ]

    async def open_markers(self, vendor: str) -> frozenset[str]:
        """The markers of which a call is under way, has an unknown outcome or may take effect late."""
        c = t.intents.c
        found = await self._db.all(select(c.marker).where(c.vendor == vendor, c.settled_at.is_(None)))
        return frozenset(row.marker for row in found)


def check_of(row: Any) -> DriftCheck:
    """A row of the table as a check."""
    known = row.findings
    if "compared_at" in known:
        compared_at = datetime.fromisoformat(known["compared_at"]) if known["compared_at"] else None
    else:  # written before that was kept
        compared_at = None if known["problem"] else row.checked_at
    found = tuple(_read(one) for one in known["found"])
    return DriftCheck(row.route, row.checked_at, row.complete, found, known["problem"], compared_at)


def _values(one: Drift) -> dict[str, Any]:
    fields = [[diff.name, diff.before, diff.after] for diff in one.fields]
    return {
        "kind": one.kind,
        "key": one.key,
        "session": one.session,
        "title": one.title,
        "outcome": one.outcome,
        "fields": fields,
        "pending": one.pending,
    }


def _read(row: Mapping[str, Any]) -> Drift:
    return Drift(**{**row, "fields": tuple(FieldDiff(*diff) for diff in row["fields"])})
