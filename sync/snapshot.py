"""What one read of a source proved, and how far. Absence is a fact only where a snapshot says so."""

from dataclasses import dataclass, field, replace
from enum import StrEnum

from sync.model import Finding, Meeting, MeetingKey, Window


class Trouble(StrEnum):
    """Why a read is incomplete, coarse enough to decide the exit code."""

    NONE = "none"
    UNREADABLE = "unreadable"
    """Unreachable, 4xx/5xx, empty, HTML or no calendar at all: exit code 5."""
    PARTIAL = "partial"
    """A calendar, but not provably the whole of it (truncated, unbalanced): exit code 4."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A part of the source that could not be read. `uid` is None when not even that could be told."""

    uid: str | None
    line: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One read of one source.

    `meetings` are those that overlap `window` and those of the known keys that exist anywhere in time, the
    explicitly cancelled ones of both included. `asked` are the known keys that the source looked for. `cursor` is
    opaque to everybody but the source (validators, kept bodies, tokens) and only given when the read was complete.
    `unchanged` is true when the source proved that nothing changed since the cursor was made.
    `unproved` are keys that were not seen this time, but may exist all the same: nothing is done about them (one
    without a RECURRENCE-ID stands for everything with its UID). `notices` are what a person should know of the source
    before it is too late.
    """

    source: str
    window: Window
    meetings: tuple[Meeting, ...] = ()
    asked: frozenset[MeetingKey] = frozenset()
    rejected: tuple[Rejected, ...] = ()
    trouble: Trouble = Trouble.NONE
    reason: str = ""
    cursor: bytes | None = field(default=None, repr=False)
    unchanged: bool = False
    unproved: frozenset[MeetingKey] = frozenset()
    notices: tuple[Finding, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether absence from this snapshot may be believed at all."""
        return self.trouble is Trouble.NONE and all(item.uid is not None for item in self.rejected)

    def proves_absent(self, key: MeetingKey, window_covers: bool) -> bool:
        """Whether this read proves that the meeting `key` is no longer wanted by the source."""
        if not self.complete or any(item.uid == key.uid for item in self.rejected):
            return False
        if key in self.unproved or replace(key, recurrence_id=None) in self.unproved:
            return False
        return window_covers or key in self.asked
