"""What `sync` asks of the outside: a source to read, a connector to write through, a clock, a log.

Implementations live in `connectors` (sources, vendors) and `daemon` (clock, log). Every method may raise the
errors of `sync.errors`; which ones it may raise says what is known about the effect.
"""

from collections.abc import AsyncIterator, Collection
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from dataclasses import dataclass, field
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


class Log(Protocol):
    """Takes one log line; `event` is a name from `sync.logbook`, the fields are the documented ones."""

    def __call__(self, event: str, /, **fields: Any) -> None: ...


@dataclass(frozen=True, slots=True)
class Fetched:
    """A document with its content, its name and type taken from the answer where the entry gave none. `validator`
    stands for this version of it ("" when the server names none)."""

    document: Document
    validator: str = ""


@dataclass(frozen=True, slots=True)
class Download:
    """An artifact's content on its way. The `chunks` (bytes) begin at byte `start` of the whole, which is the one that
    was asked for, or 0; an end without an error is the end of the whole. `size` (bytes) is that of the whole where the
    server tells; `validator` stands for this version of it, for going on later ("" when that is not possible).
    `media_type` is what the server calls it, "" when it does not. `more`: what may still come in its place.
    """

    chunks: AsyncIterator[bytes] = field(repr=False)
    start: int = 0
    size: int | None = None
    validator: str = ""
    media_type: str = ""
    more: str = ""


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

    async def document(self, document: Document, validator: str) -> Fetched | None:
        """Fetch the document behind the address that an entry brought; None when it is still what `validator` (of
        an earlier answer) stood for. Raises Refused for what must not or cannot be had, Unreachable for what may
        work later."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
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


class Passage(Protocol):
    """What a vendor call carries with it down to the wire; PASSAGE is that of the call under way."""

    def check(self) -> None:
        """Raises OutsideError when no request with an effect may be sent (any more)."""

    def before_write(self) -> None:
        """The same, right before one is sent."""

    def answered(self, method: str, status: str) -> None:
        """Told of every request: the HTTP status, or in a word what came instead of one."""


PASSAGE: ContextVar[Passage | None] = ContextVar("passage", default=None)


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

    def download(
        self, artifact: Artifact, *, start: int = 0, validator: str = ""
    ) -> AbstractAsyncContextManager[Download]:
        """The artifact's content; from byte `start` on where the server still has what `validator` stands for, else
        from its beginning. Raises OutsideError, while it is read too."""
        ...

    async def attach(self, ref: str, document: Document) -> str:
        """Hand a document to the session (`capabilities.documents_push`); the vendor's id of it. UnknownOutcome only
        when the session may have it now."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
