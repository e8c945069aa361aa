"""The ledger's rows as data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from sync.model import MeetingKey, Participant, Role, Window

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

ATTACH = "attach"
"""Action of an intent that hands a document to a session; its payload names the document by its identity."""

HOST = "host"
"""Action of an intent that makes a moderator's link for a person who asked for it; it is kept nowhere."""


@dataclass(frozen=True, slots=True)
class Registered:
    """A participant as last made known to the vendor; `ref` is the vendor's id where it is known.

    `stale` is what the calendar says and the vendor cannot change: GONE, or another role's name; or it is DOUBT.
    `personal_link` is this person's own way in (None: not made yet, "": refused by the vendor), `link_for` the digest
    of what it was made for (or that the vendor's list was looked at for it), `link_expires` its end (None: as long as
    the session).
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
    `lost` counts creations of unknown outcome that cannot be looked for, `missing` the drift checks in a row that did
    not see the session.
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
    missing: int = 0

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
class Occurrence:
    """A meeting with a session at its own time, as the calendar last showed it: of a standing room each use of it.

    `link` is the key (as text) of the link whose session it takes place in; `session` is "" when it has none (any
    more), and `off` says whether it is proved that it does not take place. What is published of it: `sequence` and
    `published` (digest of what the feed says, "" while it says nothing), as of `changed_at`. What is looked for after
    its end: `looks` were made, the next is due at `look_at` (None: no more), `failures` of them in a row could not be
    made, `problem` says why. `folder` is its place in the archive ("" until there is something), whose manifest has to
    be written when `manifest_due`.
    """

    route: str
    key: MeetingKey
    link: str
    vendor: str
    session: str
    title: str
    start: datetime
    end: datetime
    location: str = ""
    description: str = ""
    organizer: str = ""
    people: tuple[Participant, ...] = ()
    sequence: int = 0
    published: str = ""
    changed_at: datetime | None = None
    looks: int = 0
    look_at: datetime | None = None
    failures: int = 0
    problem: str = ""
    folder: str = ""
    manifest_due: bool = False
    off: bool = False


class PulledState(StrEnum):
    """How far an artifact has come: seen at the vendor, whole on the disk but not yet under its name, in the archive,
    given up, or removed from the archive again by retention."""

    LISTED = "listed"
    STORING = "storing"
    STORED = "stored"
    GIVEN_UP = "given_up"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Pulled:
    """An artifact that a session left, and its file. `ref` is the vendor's id; `key` (as text) its meeting's.

    `stem` is its path in the archive without an extension, fixed when it was first seen; `path` the file's, "" while
    there is none. `size` in bytes, `duration` in seconds. `validator` stands for the version of which a part has been
    received. `more` is what is still to come of it.
    """

    route: str
    key: str
    vendor: str
    session: str
    kind: str
    ref: str
    name: str
    stem: str
    state: PulledState
    seen_at: datetime
    media_type: str = ""
    size: int | None = None
    sha256: str = ""
    duration: float | None = None
    created: datetime | None = None
    status: str = ""
    more: str = ""
    path: str = ""
    validator: str = ""
    attempts: int = 0
    problem: str = ""
    stored_at: datetime | None = None


class PushedState(StrEnum):
    """How a document stands with its session: it has it; it could not be had (yet) or the vendor said no; nobody can
    tell whether the session has it."""

    PUSHED = "pushed"
    REFUSED = "refused"
    IN_DOUBT = "in_doubt"


@dataclass(frozen=True, slots=True)
class Pushed:
    """A document of a meeting and its session. `identity` is `Document.identity`, `sha256` that of the content which
    the session has, `handed` those of all that it ever got under this identity, `ref` the vendor's id of the last,
    `validator` what the server of its address calls this version."""

    route: str
    key: str
    vendor: str
    session: str
    identity: str
    name: str
    state: PushedState
    looked_at: datetime
    media_type: str = ""
    size: int = 0
    sha256: str = ""
    ref: str = ""
    validator: str = ""
    attempts: int = 0
    problem: str = ""
    pushed_at: datetime | None = None
    handed: tuple[str, ...] = ()


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
    """What is remembered of a vendor between two runs; `troubled_at`: since when it has a problem."""

    cooldown_until: datetime | None = None
    problem: str | None = None
    troubled_at: datetime | None = None


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


class MailState(StrEnum):
    """How an invitation stands: handed to the mail server without a recorded answer; taken; not taken, to be tried
    again; not taken, and not tried again by itself."""

    SENDING = "sending"
    SENT = "sent"
    WAITING = "waiting"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Mail:
    """What one participant was last mailed about one meeting (`key`, as text), or is being mailed.

    `uid` is the meeting's in all of its mails, kept when the meeting gets another key. `digest` stands for what the
    mail says, the link among it, which is not kept. `invited`: an invitation was taken, or may have been. `doubted`:
    this same mail was sent before and nobody knows whether it was taken. `attempts` were made to send it.
    """

    route: str
    key: str
    uid: str
    email: str
    name: str
    role: Role
    organizer: str
    session: str
    title: str
    start: datetime
    end: datetime
    method: Literal["REQUEST", "CANCEL"]
    sequence: int
    digest: str
    message_id: str
    state: MailState
    attempts: int = 1
    invited: bool = False
    doubted: bool = False
    retry_at: datetime | None = None
    problem: str = ""
