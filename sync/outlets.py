"""Where things go, as `sync` asks it of the outside: artifacts into the archive, join links into the feed and into
mails, and both back to the source that the meetings came from.

Implementations live in `connectors`. What the storage does is an ArchiveError.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from sync.model import MeetingKey, Role


@dataclass(frozen=True, slots=True)
class Stored:
    """A file of the archive: its length (bytes) and the SHA-256 of its content (hexadecimal)."""

    size: int
    sha256: str


class Incoming(Protocol):
    """A file on its way into the archive. What is written stays when the writing breaks off, to be gone on with."""

    @property
    def size(self) -> int:
        """Bytes that are there so far."""
        ...

    @property
    def head(self) -> bytes:
        """Its first bytes (up to 4 KiB), for telling what it is."""
        ...

    async def restart(self) -> None:
        """Drop what is there."""
        ...

    async def write(self, chunk: bytes) -> None:
        """Append. Raises ArchiveError."""
        ...

    async def seal(self) -> Stored:
        """Put what is there on the disk for good, still under its unfinished name. Raises ArchiveError."""
        ...


class Contents(Protocol):
    """Tells what a file is by what is in it; `head` are its first bytes, up to 4 KiB."""

    def media_type_of(self, head: bytes, declared: str, name: str) -> str:
        """The content's own word, else what was declared, else what the name's extension stands for."""
        ...

    def extension_of(self, media_type: str) -> str:
        """The extension with its dot, "" when there is none."""
        ...

    def looks_like_a_page(self, head: bytes) -> bool:
        """Whether it is a web page."""
        ...


class Archive(Protocol):
    """Where pulled artifacts are kept. Paths are relative, with `/`, and never lead out of it: what is not below it is
    refused. Raises ArchiveError for what the storage does."""

    def incoming(self, stem: str) -> AbstractAsyncContextManager[Incoming]:
        """The unfinished file `<stem>.part`, made when it is not there, opened for going on."""
        ...

    async def publish(self, stem: str, path: str) -> None:
        """Give the sealed `<stem>.part` its final name, at once and whole; one that was there is replaced."""
        ...

    async def drop(self, stem: str) -> None:
        """Remove the unfinished file, if there is one."""
        ...

    async def stored(self, path: str) -> Stored | None:
        """The finished file as it is now, None when there is none."""
        ...

    async def read(self, path: str, most: int) -> bytes | None:
        """The finished file's content; None when there is none, or when it has more than `most` bytes."""
        ...

    async def write(self, path: str, content: bytes) -> None:
        """A small file, at once and whole; nothing is written when it says so already."""
        ...

    async def remove(self, path: str) -> None:
        """Remove a finished file, and its folder when that is empty; already gone is success."""
        ...


@dataclass(frozen=True, slots=True)
class Published:
    """A meeting as a published feed shows it; `sequence` grows with every change, the last one of which was at
    `changed_at`. `join_url` is None where the vendor gives no link for everybody."""

    key: MeetingKey
    title: str
    start: datetime
    end: datetime
    join_url: str | None
    location: str
    description: str
    sequence: int
    changed_at: datetime


class Feed(Protocol):
    """Where a route's meetings are published with their join links."""

    async def write(self, meetings: Sequence[Published]) -> bool:
        """Publish these instead of what was there, at once and whole; whether that changed anything. Raises
        ArchiveError."""
        ...


@dataclass(frozen=True, slots=True)
class Invitation:
    """One mail to one participant, with the way in that is theirs (a secret) or everybody's. `organizer` is who
    organises the meeting, in words."""

    method: Literal["REQUEST", "CANCEL"]
    uid: str
    sequence: int
    message_id: str
    email: str
    name: str
    role: Role
    title: str
    start: datetime
    end: datetime
    location: str
    description: str
    made_at: datetime
    organizer: str = ""
    link: str = field(default="", repr=False)


class Mailer(Protocol):
    """Sends invitations."""

    async def send(self, invitation: Invitation) -> None:
        """Send one. Raises Refused when the server will never take it, CredentialsRefused, Unreachable when it was
        certainly not taken, UnknownOutcome when it may have been."""
        ...


@dataclass(frozen=True, slots=True)
class Archived:
    """An artifact that the archive has, as its source is told of it. `size` in bytes, `duration` in seconds, `path` is
    relative to the archive, `url` where people can open it ("" when the archive has no web address), `content` its
    bytes when it is small enough to be handed over (None: not handed over)."""

    kind: Literal["recording", "document", "attendance"]
    name: str
    media_type: str
    size: int
    path: str
    url: str = ""
    duration: float | None = None
    content: bytes | None = field(default=None, repr=False)


class WritableSource(Protocol):
    """A source that can be written: it gets back what came of its meetings.

    Writes go through the source's own `Wire`, once each, and never mail anybody. They raise OutsideError: what
    certainly had no effect is `Unreachable`, `CredentialsRefused`, `RateLimited`, `Refused` or `Gone`, anything else
    `UnknownOutcome`. A meeting for which the source has no place is False, and said once.
    """

    async def write_link(self, key: MeetingKey, link: str, former: str) -> bool:
        """Put the join link where people look for it: `link` in place of `former`, which is what was last put there
        ("": nothing). With an empty `link` only `former` is taken away, where it still stands. What a person wrote is
        kept. Repeating it does no harm; what was written is read back, and Refused when the source dropped it."""
        ...

    async def add_artifact(self, key: MeetingKey, artifact: Archived, *, doubted: bool) -> bool:
        """Add an artifact to the meeting, as a file where the source takes its content, else as a note with its address
        or path. `doubted`: an earlier call may have done it, so it is looked for first."""
        ...
