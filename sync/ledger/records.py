"""The ledger's rows as data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sync.model import MeetingKey, Role, Window

WATCH = "watch"
"""Action of an intent that is not about a call, but about a late effect of one that was taken for absent."""


class LinkState(StrEnum):
    """Where a meeting stands with its vendor. "ended" is not kept: it follows from the clock."""

    PENDING = "pending"
    LIVE = "live"
    CANCELLED = "cancelled"
    QUARANTINED = "quarantined"
    IN_DOUBT = "in_doubt"


GONE = "gone"
"""What `Registered.stale` says of a participant whom the calendar dropped and the vendor cannot remove."""

DOUBT = "doubt"
"""What `Registered.stale` says of a participant of whom nobody can tell whether the vendor registered them."""

MINT = "mint"
"""Action of an intent that makes one participant's personal link; making it twice does no harm."""

HOST = "host"
"""Action of an intent that makes a moderator's link for a person who asked for it; it is kept nowhere."""


@dataclass(frozen=True, slots=True)
class Registered:
    """A participant as last made known to the vendor; `ref` is the vendor's id where it is known.

    `stale` is what the calendar says and the vendor cannot change: GONE, or another role's name; or it is DOUBT.
    `personal_link` is this person's own way in (None: not made yet, "": refused by the vendor), `link_for` the digest
    of what it was made for, `link_expires` its end (None: as long as the session).
    """

    email: str
    name: str
    role: Role
    ref: str | None = None
    stale: str = ""
    personal_link: str | None = field(default=None, repr=False)
    link_for: str = ""
    link_expires: datetime | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """A meeting and its session. `title`, `start` and `end` are the calendar's, as of the last pass that looked.

    `applied` holds the fields as they were last sent to the vendor, `stale` those that the calendar has meanwhile
    changed and the vendor cannot, `echo` those that the vendor spells in its own way although they say the same.
    `lost` counts creations of unknown outcome that cannot be looked for.
    """

    route: str
    key: MeetingKey
    vendor: str
    marker: str
    state: LinkState
    session: str | None
    title: str
    start: datetime
    end: datetime
    join_url: str | None = field(repr=False)
    applied: Mapping[str, str]
    invitees: tuple[Registered, ...] = ()
    attempts: int = 0
    retry_at: datetime | None = None
    problem: str | None = None
    problem_digest: str | None = None
    stale: Mapping[str, str] = field(default_factory=dict)
    echo: Mapping[str, str] = field(default_factory=dict)
    lost: int = 0

    @property
    def has_session(self) -> bool:
        """Whether the vendor holds a session for it, as far as we know."""
        return self.session is not None and self.state is not LinkState.CANCELLED

    @property
    def in_doubt(self) -> bool:
        """Whether a person has to say how it stands with its session or with one of its participants."""
        return self.state is LinkState.IN_DOUBT or any(person.stale == DOUBT for person in self.invitees)

    def shown_state(self, now: datetime) -> str:
        """The state as people see it: a live meeting whose end has passed has ended."""
        if self.state is LinkState.LIVE and self.in_doubt and self.end > now:
            return LinkState.IN_DOUBT.value
        return "ended" if self.state is LinkState.LIVE and self.end <= now else self.state.value

    def in_window(self, window: Window) -> bool:
        """Whether the meeting, as last applied, overlaps the window."""
        return window.overlaps(self.start, self.end)


@dataclass(frozen=True, slots=True)
class Intent:
    """A vendor write that was decided and whose outcome is not recorded yet. `looked_at` is when the vendor was
    first looked at in vain; `payload` holds what is needed to record the effect when it is found."""

    id: int
    route: str
    key: str
    vendor: str
    action: str
    participant: str | None
    marker: str
    session: str | None
    payload: Mapping[str, Any]
    opened_at: datetime
    looked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SourceState:
    """What is remembered of a source between two reads."""

    cursor: bytes | None = field(default=None, repr=False)
    read_at: datetime | None = None
    complete_at: datetime | None = None
    problem: str | None = None
    rejected: frozenset[tuple[str | None, str]] = frozenset()


@dataclass(frozen=True, slots=True)
class VendorState:
    """What is remembered of a vendor between two runs."""

    cooldown_until: datetime | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """One finished or broken-off pass of a route."""

    id: int
    route: str
    started_at: datetime
    finished_at: datetime | None
    exit: int | None
    counts: Mapping[str, int]
    reason: str | None
