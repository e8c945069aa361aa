"""What `sync` asks of the outside: a source to read, a connector to write through, a clock, a log.

Implementations live in `connectors` (sources, vendors) and `daemon` (clock, log). Every method may raise the
errors of `sync.errors`; which ones it may raise says what is known about the effect.
"""

from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sync.model import (
    Artifact,
    Capabilities,
    Document,
    Finding,
    Invitee,
    Meeting,
    MeetingKey,
    Participant,
    PersonalLink,
    Session,
    Window,
)
from sync.snapshot import Snapshot


class Clock(Protocol):
    """Time is handed in: nothing in `sync` looks at a wall clock or sleeps by itself."""

    def now(self) -> datetime:
        """The present instant, UTC-aware."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class Log(Protocol):
    """Takes one log line; `event` is a name from `sync.logbook`, the fields are the documented ones."""

    def __call__(self, event: str, /, **fields: Any) -> None: ...


class Source(Protocol):
    """A place where meetings come from."""

    name: str

    async def check(self) -> tuple[Finding, ...]:
        """Read once and say what a person should know. Raises OutsideError when nothing can be read."""
        ...

    async def fetch(self, cursor: bytes | None, window: Window, known: Collection[MeetingKey]) -> Snapshot:
        """Read the source; never raises for what the outside does: an incomplete snapshot says it.

        `known` are the keys with a live session: they are looked for outside of the window too, so that a
        meeting that moved beyond it is told from one that is gone.
        """
        ...


@dataclass(frozen=True, slots=True)
class Unfindable:
    """The vendor has no way to look for this; `why` says so for people."""

    why: str


@dataclass(frozen=True, slots=True)
class Listing:
    """What the vendor listed. `complete` is honest: false when paging was cut short or looks odd."""

    sessions: tuple[Session, ...]
    complete: bool


class Connector(Protocol):
    """Talks to one vendor account; maps both ways; decides nothing.

    It implements what its `capabilities` declare; what they do not declare is never called. Writes raise
    `Unreachable`, `CredentialsRefused`, `RateLimited`, `Refused` or `Gone` only when there was certainly no effect,
    and `UnknownOutcome` otherwise. A write is one vendor call; where the API needs several, the call that makes the
    thing comes first or can be repeated without harm, and is found again by the next look.
    """

    capabilities: Capabilities

    async def check(self) -> tuple[Finding, ...]:
        """Log in afresh and say what a person should know. Raises OutsideError."""
        ...

    async def create(self, meeting: Meeting, marker: str, *, mail: bool) -> Session:
        """Create the session, with its participants where `capabilities.create_invites`, without the fields of
        `capabilities.set_after_create`. The session's fields are what the answer shows."""
        ...

    async def get(self, ref: str) -> Session | None:
        """The session, or None when it does not exist (any more)."""
        ...

    async def find(self, marker: str) -> tuple[Session, ...] | Unfindable:
        """All sessions that carry the marker, oldest first. An empty tuple is a proof of absence: when the
        look was cut short or failed, it raises instead."""
        ...

    async def list(self, window: Window) -> Listing:
        """The account's sessions that overlap the window (those without times included)."""
        ...

    async def update(self, ref: str, meeting: Meeting, changed: frozenset[str], *, join_url: str | None = None) -> None:
        """Make the named fields ("title", "start", "end", …) what `meeting` says. Raises Gone.

        `join_url` is the session's link as the ledger has it, for vendors whose fields show it or that address a
        session by it.
        """
        ...

    async def delete(self, ref: str) -> None:
        """Remove the session; already gone is success."""
        ...

    async def invitees(self, ref: str) -> tuple[Invitee, ...] | Unfindable:
        """The people registered with the session."""
        ...

    async def invite(self, ref: str, participant: Participant, *, mail: bool) -> Invitee:
        """Register one participant; where the vendor takes one only, instead of the former."""
        ...

    async def change_role(self, ref: str, invitee: str, participant: Participant) -> None:
        """Give the invitee (by the vendor's id) the participant's role; never mails."""
        ...

    async def uninvite(self, ref: str, invitee: str) -> None:
        """Remove the invitee (by the vendor's id); already gone is success."""
        ...

    async def personal_link(self, ref: str, meeting: Meeting, participant: Participant) -> PersonalLink:
        """Make the participant's own way in (`capabilities.mints_links`). A write; repeating it does no harm."""
        ...

    async def host_link(self, ref: str) -> str:
        """Make a moderator's way in (`capabilities.host_links`): a secret, short-lived, never stored. A write."""
        ...

    async def artifacts(self, ref: str) -> tuple[Artifact, ...]:
        """What the session left at the vendor so far. A listing that failed raises; it is never "none"."""
        ...

    def download(self, artifact: Artifact) -> AsyncIterator[bytes]:
        """The artifact's content in chunks; an end without an error is the whole of it. Raises OutsideError."""
        ...

    async def attach(self, ref: str, document: Document) -> str:
        """Hand a document to the session (`capabilities.documents_push`); the vendor's id of it."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
