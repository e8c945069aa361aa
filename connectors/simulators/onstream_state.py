"""What the Onstream stand-in remembers: sessions, people, mails; and the ways in which real servers may differ."""

from dataclasses import dataclass, field
from typing import Any, Literal

from connectors.simulators.media import Resumes


@dataclass
class SimInvitee:
    """One entry of a session's list of people."""

    id: int
    email: str
    first_name: str
    last_name: str
    role: int
    personal_session_link: str


@dataclass
class SimSession:
    """One session as the server keeps it; `start_time` is wall time in the account's zone."""

    topic: str
    duration: int
    start_time: str
    timezone: str
    id: int = 0
    key: str = ""
    friendly_url: str | None = None
    password: str | None = None
    custom_data: dict[str, str] = field(default_factory=dict)
    invitees: list[SimInvitee] = field(default_factory=list)
    files: list[int] = field(default_factory=list)
    foreign: bool = False


@dataclass
class SimMedia:
    """What a recording's link leads to at this server; without `content` a page that plays it."""

    content: bytes | None = field(default=None, repr=False)
    media_type: str = "video/mp4"


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail that the server sent; `kind` names the call that caused it ("PUT session", "POST invitee", …)."""

    email: str
    kind: str
    session: int


@dataclass
class Options:
    """How this server behaves where real ones may differ; may be changed while it runs.

    `max_count` caps the rows of a page whatever the client asks for. `list_custom_data` false leaves
    custom_data out of lists. `escape_topics` gives topics back entity-encoded. `duplicate_invitee` says what a
    second invitation of an address does. `gone_status` is the answer for deleted sessions. `shape` and
    `custom_shape` pick among the JSON shapes that are seen. `timezone` is the account's zone code.
    `show_custom_data` false never shows custom_data at all. A session whose topic contains `choke_on` cannot be
    made: 500. `authenticated` is what authverify says. `paging` false ignores the offset.
    `resumes` is how a recording's download can be gone on with.
    """

    max_count: int | None = None
    list_custom_data: bool = True
    show_custom_data: bool = True
    choke_on: str = ""
    escape_topics: bool = False
    duplicate_invitee: Literal["second", "same", "conflict"] = "second"
    gone_status: int = 404
    shape: Literal["list", "sessions", "sessions.session", "session", "bare"] = "list"
    custom_shape: Literal["object", "list", "text"] = "object"
    timezone: str = "UTC"
    authenticated: Any = 1
    paging: bool = True
    resumes: Resumes = "etag"
