"""What the livedigital stand-in remembers, and the ways in which real servers may differ."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from connectors.simulators.media import Resumes

LONGEST_LINK = 432000
"""Seconds (section "generateAccess" of the white-label guide)."""


class Problem(Exception):
    """What the server answers instead: a status, a text and a code."""

    def __init__(self, status: int, message: str, code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code or {401: "unauthorized", 403: "forbidden", 404: "not_found"}.get(status, "validation_error")


@dataclass
class SimSpace:
    """A group of rooms, with the one webhook that it may have."""

    id: str
    name: str
    owner: str
    webhook: dict[str, Any] | None = None


@dataclass
class SimRoom:
    """A room; `settings` are the fields that its owner sets, by the API's names."""

    id: str
    alias: str
    space: str
    owner: str
    created: datetime
    settings: dict[str, Any]
    last_call: datetime | None = None


@dataclass(frozen=True, slots=True)
class Guest:
    """A temporary user, made by generate-access."""

    room: str
    name: str
    role: str
    external_id: str | None
    permanent: bool
    expires: datetime
    url: str = field(repr=False)


@dataclass
class SimRecord:
    """A recording; without `content` it cannot be downloaded (yet)."""

    id: str
    room: str
    name: str
    state: str
    created: datetime
    started: datetime
    finished: datetime | None
    content: bytes | None = field(default=b"", repr=False)
    call: str | None = None


@dataclass
class SimCall:
    """A call with the people who were in it."""

    id: str
    room: str
    started: datetime
    finished: datetime | None
    people: list[dict[str, Any]] = field(default_factory=list)


def utc_now() -> datetime:
    """The real time."""
    return datetime.now(UTC)


@dataclass
class Options:
    """How this server behaves where real ones may differ; may be changed while it runs.

    `way_in` is what `table` puts into a configuration: the personal token or the four keys of the grants. `space` is
    the name of the space that is there from the beginning, "" for none. `front` is where the room links lead.
    `clock` is the server's; tokens of grants live `access_life` and `refresh_life`, links `longest_link` seconds.

    `paging`, of every list: "limit_offset" honours these two (`page` rows at most) and gives a total, "no_total" is the
    same without a total, "none" gives everything with a total, "capped" gives the first `page` rows with a
    total whatever is asked, "mute" is that without a total. `refuse_paging`: unknown parameters are a 422.
    `short_lists` leaves everything but id, alias and name out of the list of rooms; `hide_redirect` shows no
    redirectUrl anywhere; `omit_nulls` leaves out what is not set.

    `download` is how a record's address comes: as text, as a JSON string, or as a 302. `media_host` is another host
    for it. `analytics` and `records` false: the plan has none (403). `refresh` false: that grant is not known.
    `refresh_tokens` false: none are given. `dated` false leaves the expiry out of the links' tokens. `user_tokens`
    false: every token is refused with 401, as soon as it was given. A room whose name contains `choke_on` is a 500.
    `resumes` is how a record's download can be gone on with.
    """

    way_in: Literal["token", "grants"] = "token"
    access_token: str = "personal-token-of-the-stand-in"  # noqa: S105 - a stand-in's
    client_id: str = "stand-in-client"
    client_secret: str = "stand-in-client-secret"  # noqa: S105 - a stand-in's
    space: str = "Meetings"
    front: str = "https://edu.example.com"
    clock: Callable[[], datetime] = utc_now
    access_life: timedelta = timedelta(days=7)
    refresh_life: timedelta = timedelta(days=21)
    longest_link: int = LONGEST_LINK
    paging: Literal["limit_offset", "no_total", "none", "capped", "mute"] = "limit_offset"
    page: int = 20
    refuse_paging: bool = False
    short_lists: bool = False
    hide_redirect: bool = False
    omit_nulls: bool = False
    download: Literal["text", "quoted", "redirect"] = "text"
    media_host: str = ""
    analytics: bool = True
    records: bool = True
    refresh: bool = True
    refresh_tokens: bool = True
    dated: bool = True
    user_tokens: bool = True
    choke_on: str = ""
    resumes: Resumes = "etag"


def instant(moment: datetime | None) -> str | None:
    """As the server writes it: UTC, milliseconds, Z."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
