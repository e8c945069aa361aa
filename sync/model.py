"""The vendor-neutral things that convener keeps in step: meetings, participants, sessions, capabilities.

Everything here is data: frozen, comparable, without behaviour that reaches outside. All datetimes are
timezone-aware and in UTC unless a docstring says otherwise.
"""

import hashlib
import re
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
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

    `cancelled` is the source's explicit word (STATUS:CANCELLED, METHOD:CANCEL, an excluded date), which is
    something else than absence. `conference_links` are the http(s) addresses of a video conference that the
    calendar entry already carries. `categories` keep their case. `findings` are what the source had to assume.
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
class Recording:
    """Metadata of one recording; `duration` in seconds, `created` as the vendor says (UTC assumed)."""

    ref: str
    session_ref: str
    title: str = ""
    duration: float | None = None
    link: str | None = field(default=None, repr=False)
    created: datetime | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """Lengths in characters, durations in minutes; None where the vendor states no limit."""

    title: int | None = None
    participants: int | None = None
    min_minutes: int = 1
    whole_minutes: bool = False


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a vendor can hold and do, declared by its connector. The planner reads nothing else of a vendor.

    `holds` names the meeting's fields that the vendor stores ("title", "start", "end", "description",
    "location"); `update` the ones of them that can be changed in place; `relinks_on` the ones whose change
    gives a new join link although the session stays.
    """

    session: Literal["scheduled", "room", "call"]
    marker: Literal["external_id", "metadata", "title", "none"]
    holds: frozenset[str]
    update: frozenset[str] = frozenset()
    relinks_on: frozenset[str] = frozenset()
    create_is_idempotent: bool = False
    create_invites: bool = False
    delete: bool = True
    list: bool = True
    invite: bool = True
    uninvite: bool = True
    roles: frozenset[Role] = frozenset(Role)
    change_role: bool = True
    list_invitees: bool = True
    vendor_mail: bool = False
    personal_links: bool = False
    recordings_pull: bool = False
    documents_push: bool = False
    documents_pull: bool = False
    limits: Limits = Limits()


def content_digest(*parts: object) -> str:
    """A short stable digest (hex) of the parts' text forms, for telling equal content from changed content."""
    digest = hashlib.sha256()
    for part in parts:
        text = str(part).encode("utf-8", "surrogatepass")
        digest.update(len(text).to_bytes(8, "big") + text)
    return digest.hexdigest()[:32]
