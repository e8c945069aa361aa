"""What one pass of one route comes to: its changes, counts and exit code. Pure."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import Literal

from sync.change import Action, Change, Result
from sync.ledger.drift import Drift
from sync.model import Finding, MeetingKey
from sync.snapshot import Snapshot, Trouble

COUNTS = (
    "create",
    "update",
    "replace",
    "cancel",
    "invite",
    "uninvite",
    "noop",
    "held",
    "failed",
    "deferred",
    "quarantined",
)


class Exit(IntEnum):
    """The exit codes of the command line."""

    DONE = 0
    DEFECT = 1
    USAGE = 2
    HELD = 3
    PARTIAL = 4
    UNREACHABLE = 5
    PENDING = 10


_WORST_FIRST = (Exit.DEFECT, Exit.USAGE, Exit.UNREACHABLE, Exit.HELD, Exit.PARTIAL, Exit.PENDING, Exit.DONE)


def worst(exits: Iterable[Exit]) -> Exit:
    """The exit code when several hold."""
    return min(exits, key=_WORST_FIRST.index, default=Exit.DONE)


@dataclass(frozen=True, slots=True)
class RouteReport:
    """One pass of one route. `mode` is "plan" or "dry-run" when nothing was written."""

    route: str
    source: str
    vendor: str
    mode: Literal["plan", "dry-run", "apply"]
    snapshot: Snapshot
    changes: tuple[Change, ...]
    digest: str
    noop: int = 0
    quarantined: int = 0
    waiting: int = 0
    """Meetings of the route that are in doubt, quarantined, have an open intent or lack a personal link that is due;
    and documents, artifacts, mails and write-backs that did not get where they should."""
    held_reason: str = ""
    vendor_trouble: Literal["unreachable", "refused", "cooldown"] | None = None
    vendor_reason: str = ""
    left: dict[MeetingKey, Finding] = field(default_factory=dict)
    run: int | None = None
    """The pass's number in the ledger, None when nothing was written."""
    followed: dict[str, int] = field(default_factory=dict)
    """What was done beside the plan: how many, by the name of the log line that told of it."""
    unresolved: tuple[Drift, ...] = ()
    """What the route's last drift check left to a person; nothing when nothing was written."""
    wake_at: datetime | None = None
    """When the clock alone makes work for the route, None when it does not."""

    @property
    def counts(self) -> dict[str, int]:
        """The documented counts: steps planned or done by action, the others by result; roles, and what the vendor
        has no call for, are not counted."""
        through = [c for c in self.changes if c.result in (Result.PLANNED, Result.DONE) and not c.unsupported]
        by_action = Counter(c.action.value for c in through)
        by_result = Counter(c.result for c in self.changes)
        other = {
            "noop": self.noop,
            "held": by_result[Result.HELD],
            "failed": by_result[Result.FAILED] + by_result[Result.IN_DOUBT],
            "deferred": by_result[Result.DEFERRED],
            "quarantined": self.quarantined,
        }
        return {name: other.get(name, by_action[name]) for name in COUNTS}

    def exit(self, *, detailed: bool = False) -> Exit:
        """The exit code of this route alone; `detailed` is `plan --detailed-exitcode`."""
        results = {change.result for change in self.changes}
        exits = [Exit.DONE]
        if self.snapshot.trouble is Trouble.UNREADABLE or self.vendor_trouble in ("unreachable", "refused"):
            exits.append(Exit.UNREACHABLE)
        if self.mode == "plan":
            if detailed:
                exits += [Exit.HELD] if Result.HELD in results else []
                exits += [Exit.PENDING] if self.changes else []
            return worst(exits)
        left = {one.outcome for one in self.unresolved}
        if Result.HELD in results or self.followed.get("guard.held") or "held" in left:
            exits.append(Exit.HELD)
        if left - {"held"}:
            exits.append(Exit.PARTIAL)
        if self.snapshot.trouble is Trouble.PARTIAL or self.snapshot.rejected or self.waiting:
            exits.append(Exit.PARTIAL)
        if results & {Result.FAILED, Result.DEFERRED, Result.IN_DOUBT}:
            exits.append(Exit.PARTIAL)
        return worst(exits)

    def done(self, action: Action) -> int:
        """How many steps of a kind were carried out."""
        return sum(change.action is action and change.result is Result.DONE for change in self.changes)
