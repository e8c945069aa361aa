"""The vendor-neutral things that convener keeps in step: meetings, participants, sessions, capabilities.

Everything here is data: frozen, comparable, without behaviour that reaches outside. All datetimes are
timezone-aware and in UTC unless a docstring says otherwise.
"""

import hashlib
import re
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Literal


class Role(StrEnum):
    """What a participant may do in a meeting (RFC 5545 section 3.2.16 maps onto it)."""

    MODERATOR = "moderator"
    PARTICIPANT = "participant"
    OBSERVER = "observer"


@dataclass(frozen=True, slots=True)
class Participant:
    """A person of a meeting; `email` is lower case and identifies the person within the meeting."""

    email: str
    name: str = ""
    role: Role = Role.PARTICIPANT
    language: str | None = None
    declined: bool = False

    def first_and_last_name(self) -> tuple[str, str]:
        """The name split at its first space; without a name the local part of the address, and ""."""
        first, _, last = self.name.strip().partition(" ")
        return (first or self.email.partition("@")[0], last.strip())


@dataclass(frozen=True, slots=True)
class Finding:
    """Something a person should know: a stable `code` and a sentence with its consequence."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Document:
    """A document of a meeting. `url` is where it lies (for some vendors, where they fetch it from by themselves),
    often a secret; `content` (bytes) is there when the calendar carries it, or when it has been fetched."""

    name: str
    media_type: str
    content: bytes = field(default=b"", repr=False)
    url: str | None = field(default=None, repr=False)

    @property
    def identity(self) -> str:
        """What it is known by from one pass to the next: its address, or its content when it has none."""
        return content_digest(self.url) if self.url else hashlib.sha256(self.content).hexdigest()[:32]


RecurrenceId = datetime | date | None
"""The RECURRENCE-ID of one occurrence: UTC datetime, DATE, or None for a meeting that does not recur."""

_RECURRENCE_TAIL = re.compile(r"^(?P<uid>.*)@(?P<rid>\d{8}(T\d{6}Z)?)$", re.DOTALL)


def recurrence_text(recurrence_id: RecurrenceId) -> str | None:
    """`20261201T090000Z`, `20261201` for a date, None when there is none."""
    if recurrence_id is None:
        return None
    if isinstance(recurrence_id, datetime):
        return recurrence_id.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    return recurrence_id.strftime("%Y%m%d")


def parse_recurrence(text: str | None) -> RecurrenceId:
    """The inverse of `recurrence_text`. Raises ValueError."""
    if not text:
        return None
    if "T" in text:
        return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    return datetime.strptime(text, "%Y%m%d").replace(tzinfo=UTC).date()


@dataclass(frozen=True, slots=True)
class MeetingKey:
    """What identifies a meeting for ever: source, UID and the RECURRENCE-ID of the occurrence."""

    source: str
    uid: str
    recurrence_id: RecurrenceId = None

    def __str__(self) -> str:
        tail = recurrence_text(self.recurrence_id)
        return f"{self.source}:{self.uid}" + (f"@{tail}" if tail else "")

    @classmethod
    def parse(cls, text: str) -> "MeetingKey":
        """The key that prints as `text`. Raises ValueError when there is no `source:` in front."""
        source, colon, rest = text.partition(":")
        if not (source and colon and rest):
            raise ValueError(f"{text!r} is not a meeting key (source:UID or source:UID@20261201T090000Z)")
        if match := _RECURRENCE_TAIL.match(rest):
            with suppress(ValueError):  # digits that are no date belong to the UID
                return cls(source, match["uid"], parse_recurrence(match["rid"]))
        return cls(source, rest)


@dataclass(frozen=True, slots=True)
class Meeting:
    """One meeting that a source wants: a single one, or one occurrence of a series.

    `cancelled` is the source's explicit word (STATUS:CANCELLED, METHOD:CANCEL, an excluded date), which is something
    else than absence. `organizer` is an address, `organizer_name` that person's name, filled in by `degrade`.
    `conference_links` are the http(s) addresses of a video conference that the calendar entry already carries.
    `categories` keep their case. `findings` are what the source had to assume. `documents` are attached to the entry.
    """

    key: MeetingKey
    title: str
    start: datetime
    end: datetime
    participants: tuple[Participant, ...] = ()
    organizer: str = ""
    description: str = ""
    location: str = ""
    categories: tuple[str, ...] = ()
    all_day: bool = False
    tentative: bool = False
    cancelled: bool = False
    conference_links: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    organizer_name: str = ""
    documents: tuple[Document, ...] = ()


@dataclass(frozen=True, slots=True)
class Window:
    """A half-open span of time: `start <= t < end`, UTC."""

    start: datetime
    end: datetime

    def overlaps(self, start: datetime, end: datetime) -> bool:
        """Whether a meeting from `start` to `end` has any part in the window (an empty one counts as a point)."""
        return start < self.end and (end > self.start or (start == end and start >= self.start))


@dataclass(frozen=True, slots=True)
class Session:
    """What a vendor holds for a meeting. None means: this answer did not say."""

    ref: str
    title: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    join_url: str | None = None
    marker: str | None = None


@dataclass(frozen=True, slots=True)
class Invitee:
    """A participant as the vendor holds it; `ref` is the vendor's id. The personal link is a secret."""

    ref: str
    email: str
    role: Role | None = None
    name: str = ""
    personal_link: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class PersonalLink:
    """One participant's own way in, a secret; `expires` is None when it lives as long as the session."""

    url: str = field(repr=False)
    expires: datetime | None = None


@dataclass(frozen=True, slots=True)
class Artifact:
    """Something that a session left at the vendor: a recording, a document or an attendance report.

    `ref` is the vendor's id, unique within session and kind. `ready`: it can be downloaded now, and will not grow.
    `size` in bytes, `duration` in seconds, `created` in UTC. `link` is where the vendor shows it, often a secret
    and short-lived. `more` says in words what is still to come of it ("" when nothing is): one that is ready and has
    `more` to come is fetched, and fetched again later. `status` is what the vendor says of it (a signature's state).
    """

    kind: Literal["recording", "document", "attendance"]
    ref: str
    session_ref: str
    name: str = ""
    media_type: str = ""
    size: int | None = None
    duration: float | None = None
    created: datetime | None = None
    ready: bool = True
    more: str = ""
    status: str = ""
    link: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Limits:
    """Lengths in characters, durations in minutes; None where the vendor states no limit. `link_life` is the
    longest life of a personal link: it cannot be made earlier than that before the meeting."""

    title: int | None = None
    participants: int | None = None
    min_minutes: int = 1
    whole_minutes: bool = False
    link_life: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a vendor can hold and do, declared by its connector. The planner reads nothing else of a vendor.

    `name` is the vendor's name for people. What a session is: `session`, `marker` (where our marker is kept),
    `reads_back` (whether the vendor shows what it holds), `create_is_idempotent` (by our marker).

    Fields are named as in `Meeting` ("title", "start", "end", "description", "location"), and besides "organizer"
    and "participant" (the first one) for vendors that show them in fields of their own. `holds` are the ones that
    the vendor stores, `set_after_create` those of them that take an update of their own right after the creation,
    `update` those that can be changed in place, `relinks_on` those whose change gives a new join link although
    the session stays, `personal_relinks_on` those whose change voids the personal links.

    People: `create_invites` (they come along with the creation), `invite`, `uninvite`, `change_role`,
    `list_invitees`, `roles`; `hosts_apart`: moderators are the account's own people and are never registered.
    `vendor_mail` (it mails a participant on request), `mails_besides` (what it then mails by itself, in words).
    `personal_links`: each participant has a way in of their own; `mints_links`: that one is made on request
    (`Connector.personal_link`); `host_links`: a moderator's way in is made on request (`Connector.host_link`).

    Artifacts: `recordings_pull`, `documents_pull`, `attendance_pull` (what can be fetched), `documents_push` (documents
    can be handed over); `documents_by_url`: the vendor fetches those by itself and takes no bytes; `attach_again`:
    handing one over a second time does no harm.

    `retention` is how long after its end a session is kept before it is removed (None: for ever).
    """

    name: str
    session: Literal["scheduled", "room", "call"]
    marker: Literal["external_id", "metadata", "title", "none"]
    holds: frozenset[str]
    set_after_create: frozenset[str] = frozenset()
    update: frozenset[str] = frozenset()
    relinks_on: frozenset[str] = frozenset()
    personal_relinks_on: frozenset[str] = frozenset()
    reads_back: bool = True
    create_is_idempotent: bool = False
    create_invites: bool = False
    delete: bool = True
    list: bool = True
    invite: bool = True
    uninvite: bool = True
    roles: frozenset[Role] = frozenset(Role)
    change_role: bool = True
    hosts_apart: bool = False
    list_invitees: bool = True
    vendor_mail: bool = False
    mails_besides: str = ""
    personal_links: bool = False
    mints_links: bool = False
    host_links: bool = False
    recordings_pull: bool = False
    documents_push: bool = False
    documents_by_url: bool = False
    attach_again: bool = False
    documents_pull: bool = False
    attendance_pull: bool = False
    retention: timedelta | None = None
    limits: Limits = Limits()

    @property
    def leaves_artifacts(self) -> bool:
        """Whether it is worth looking for something after a meeting's end."""
        return self.recordings_pull or self.documents_pull or self.attendance_pull


def content_digest(*parts: object) -> str:
    """A short stable digest (hex) of the parts' text forms, for telling equal content from changed content."""
    digest = hashlib.sha256()
    for part in parts:
        text = str(part).encode("utf-8", "surrogatepass")
        digest.update(len(text).to_bytes(8, "big") + text)
    return digest.hexdigest()[:32]
