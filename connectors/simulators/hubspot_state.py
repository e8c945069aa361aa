"""What the HubSpot stand-in remembers: objects with their versions, associations, owners, requests by time."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from connectors.simulators.hubspot_rules import KINDS, Options, Problem, milliseconds, stamp

NEVER = 1 << 62
"""A time that does not come."""


@dataclass(frozen=True)
class SimObject:
    """One state of a meeting, a contact or a note; times are milliseconds since 1970 on the server's clock. `indexed`
    is when it was written, `modified` what HubSpot stamps it with. `hidden`: the key may not see it any more."""

    id: int
    kind: str
    properties: dict[str, str]
    created: int
    modified: int
    indexed: int
    archived_at: int | None = None
    hidden: bool = False

    def value(self, name: str) -> str:
        """A property as text, "" when it has none."""
        if name == "hs_lastmodifieddate":
            return stamp(self.modified)
        if name == "hs_createdate":
            return stamp(self.created)
        return str(self.id) if name == "hs_object_id" else self.properties.get(name, "")

    def row(self, wanted: Iterable[str]) -> dict[str, Any]:
        """As HubSpot shows it: the wanted properties that exist, and always those that it keeps by itself."""
        known = KINDS[self.kind] | {"hs_createdate", "hs_lastmodifieddate", "hs_object_id"}
        names = sorted({"hs_createdate", "hs_lastmodifieddate", "hs_object_id"} | (known & set(wanted)))
        shown = {
            "id": str(self.id),
            "properties": {name: self.value(name) or None for name in names},
            "createdAt": stamp(self.created),
            "updatedAt": stamp(self.modified),
            "archived": self.archived_at is not None,
        }
        return shown if self.archived_at is None else {**shown, "archivedAt": stamp(self.archived_at)}


@dataclass
class SimOwner:
    """One user of the account."""

    id: int
    email: str
    first_name: str
    last_name: str
    archived: bool = False

    def row(self, now: int) -> dict[str, Any]:
        """As HubSpot shows it."""
        return {
            "id": str(self.id),
            "email": self.email,
            "type": "PERSON",
            "firstName": self.first_name,
            "lastName": self.last_name,
            "userId": 9000 + self.id,
            "createdAt": stamp(now),
            "updatedAt": stamp(now),
            "archived": self.archived,
        }


@dataclass
class Account:
    """Everything of one account. Objects have one numbering, as in HubSpot: their ids grow. `shown` is what a
    search at one time shows, kept until something is written."""

    options: Options
    versions: dict[int, list[SimObject]] = field(default_factory=dict)
    links: dict[tuple[int, str], list[int]] = field(default_factory=dict)
    owners: dict[int, SimOwner] = field(default_factory=dict)
    asked: list[datetime] = field(default_factory=list)
    searched: list[datetime] = field(default_factory=list)
    last_id: int = 500
    shown: dict[str, tuple[int, list[SimObject]]] = field(default_factory=dict)

    def now(self) -> int:
        """The server's time in milliseconds since 1970."""
        return milliseconds(self.options.clock())

    def new_id(self) -> int:
        """The next number."""
        self.last_id += 1
        return self.last_id

    def add(self, kind: str, properties: dict[str, str], modified: int | None = None) -> SimObject:
        """Make an object."""
        now = self.now()
        made = SimObject(self.new_id(), kind, properties, now, now if modified is None else modified, now)
        self.put([made])
        return made

    def change(self, id_: int, properties: dict[str, str], modified: int | None = None, **fields: Any) -> SimObject:
        """Write properties (an empty one is cleared), or another field of the object."""
        now, before = self.now(), self.versions[id_][-1]
        merged = {name: value for name, value in {**before.properties, **properties}.items() if value}
        after = replace(
            before, properties=merged, modified=now if modified is None else modified, indexed=now, **fields
        )
        self.put([*self.versions[id_], after])
        return after

    def put(self, states: list[SimObject]) -> None:
        """Keep an object's versions."""
        self.versions[states[0].id] = states
        self.shown.clear()

    def drop(self, id_: int) -> None:
        """Forget an object."""
        del self.versions[id_]
        self.shown.clear()

    def link(self, one: int, other: int) -> None:
        """Associate two objects. That is no change of either."""
        for left, right in ((one, other), (other, one)):
            kept = self.links.setdefault((left, self.versions[right][-1].kind), [])
            if right not in kept:
                kept.append(right)

    def unlink(self, one: int, other: int) -> None:
        """Take an association away."""
        for left, right in ((one, other), (other, one)):
            self.links[left, self.versions[right][-1].kind].remove(right)

    def all(self, kind: str, *, archived: bool = False) -> list[SimObject]:
        """The objects that the key may see, by id."""
        latest = (states[-1] for states in self.versions.values())
        return [
            one for one in latest if one.kind == kind and (one.archived_at is not None) == archived and not one.hidden
        ]

    def get(self, kind: str, id_: str, *, archived: bool = False) -> SimObject | None:
        """One of them, None when there is none."""
        states = self.versions.get(int(id_)) if id_.isascii() and id_.isdigit() else None
        if not states:
            return None
        one = states[-1]
        seen = one.kind == kind and (one.archived_at is not None) == archived and not one.hidden
        return one if seen else None

    def indexed(self, kind: str) -> list[SimObject]:
        """The objects as a search shows them, the oldest change first: as they were `search_delay` ago."""
        until = self.now() - self.options.search_delay // timedelta(milliseconds=1)
        known = self.shown.get(kind)
        if known is not None and known[0] == until:
            return known[1]
        shown = []
        for states in self.versions.values():
            if states[0].kind != kind:
                continue
            old = [state for state in states if state.indexed <= until]
            if old and old[-1].archived_at is None and not old[-1].hidden:
                shown.append(old[-1])
        shown.sort(key=lambda one: (one.modified, one.id))
        self.shown[kind] = (until, shown)
        return shown

    def admit(self, *, search: bool) -> dict[str, str]:
        """Count a request; the headers of its answer. Raises Problem when a limit is reached."""
        options, now = self.options, self.options.clock()
        self.asked.append(now)
        recent = sum(now - then < timedelta(seconds=10) for then in self.asked)
        if options.daily is not None and len(self.asked) > options.daily:
            raise _limited("daily", "DAILY")
        if options.ten_seconds is not None and recent > options.ten_seconds:
            raise _limited("ten_secondly_rolling", "TEN_SECONDLY_ROLLING")
        if search:
            self.searched.append(now)
            if options.searches is not None:
                last = sum(now - then < timedelta(seconds=1) for then in self.searched)
                if last > options.searches:
                    raise _limited("secondly", "SECONDLY")
            return {}
        headers = {}
        if options.ten_seconds is not None:
            headers["x-hubspot-ratelimit-max"] = str(options.ten_seconds)
            headers["x-hubspot-ratelimit-remaining"] = str(options.ten_seconds - recent)
            headers["x-hubspot-ratelimit-interval-milliseconds"] = "10000"
        if options.daily is not None:
            headers["x-hubspot-ratelimit-daily"] = str(options.daily)
            headers["x-hubspot-ratelimit-daily-remaining"] = str(options.daily - len(self.asked))
        return headers

    def linked(self, one: int, kind: str) -> Sequence[int]:
        """The objects of a kind that are associated with an object and not archived."""
        others = [self.versions[other][-1] for other in self.links.get((one, kind), []) if other in self.versions]
        return [other.id for other in others if other.archived_at is None]


def _limited(words: str, policy: str) -> Problem:
    return Problem(
        429, f"You have reached your {words} limit.", "RATE_LIMITS", errorType="RATE_LIMIT", policyName=policy
    )
