"""What the OpenMeetings stand-in remembers, and the ways in which real servers may differ.

Nothing is ever removed: users, rooms, appointments and files are marked as deleted, as in the server's database.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from connectors.simulators.media import Resumes
from connectors.simulators.openmeetings_json import Problem, java_error

COLUMN = 255
"""Characters that a text column takes (the entities name no length, so it is the default of JPA)."""


@dataclass
class SimUser:
    """A user: of type USER, EXTERNAL (ours by a hash) or CONTACT (known by address)."""

    id: int
    login: str
    type: str = "USER"
    firstname: str = ""
    lastname: str = ""
    email: str = ""
    password: str = field(default="", repr=False)
    rights: list[str] = field(default_factory=list)
    external_id: str | None = None
    external_type: str | None = None
    owner_id: int | None = None


@dataclass
class SimRoom:
    """A room; `fields` are those of the DTO that have no behaviour here, `groups` its external types."""

    id: int
    name: str
    type: str
    comment: str = ""
    appointment: bool = False
    is_public: bool = False
    capacity: int = 4
    external_id: str | None = None
    groups: list[str] = field(default_factory=list)
    files: list[dict[str, Any]] = field(default_factory=list)
    fields: dict[str, Any] = field(default_factory=dict)
    deleted: bool = False
    foreign: bool = False


@dataclass
class SimMember:
    """One person invited to an appointment."""

    id: int
    user_id: int


@dataclass
class SimAppointment:
    """One appointment; times in UTC."""

    id: int
    title: str
    start: datetime
    end: datetime
    room_id: int
    owner_id: int | None
    location: str = ""
    description: str = ""
    reminder: str | None = None
    ical_id: str = ""
    inserted: datetime | None = None
    language_id: int = 0
    connected: bool = False
    reminder_sent: bool = False
    password_protected: bool = False
    deleted: bool = False
    members: list[SimMember] = field(default_factory=list)


@dataclass
class SimRecording:
    """One recording; `content` is its MP4."""

    id: int
    room_id: int | None
    name: str
    status: str
    start: datetime
    end: datetime
    content: bytes = field(default=b"", repr=False)
    external_type: str | None = None


@dataclass
class SimFile:
    """One uploaded file. It lies in a room, in its owner's home, or nowhere (neither is set)."""

    id: int
    name: str
    type: str
    content: bytes = field(default=b"", repr=False)
    external_id: str | None = None
    room_id: int | None = None
    owner_id: int | None = None
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail; `kind`: create, update, cancel or reminder; `method` of its iCalendar part, "" without one."""

    email: str
    kind: str
    appointment: int
    method: str = ""


@dataclass
class SimSid:
    """A REST session; `remote` is the one guest that the next hash lets in (a session has room for one)."""

    user_id: int
    used: datetime
    remote: dict[str, Any] | None = None


@dataclass
class SimHash:
    """A hash made with /user/hash: it works once, as long as its session lives."""

    sid: str
    options: dict[str, Any]
    used: bool = False


@dataclass
class SimInvitation:
    """A hash made with /room/hash."""

    room_id: int
    user_id: int
    valid: str
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    used: bool = False


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Options:
    """How this server behaves; may be changed while it runs.

    `version` decides the login (POST from 9.0.0), JSON bodies of errors (from 6.3.0) and, unless `sanitise` says
    it, whether descriptions are sanitised (from 9.0.0). `zone` is the server's own time zone. `idle` is the life of
    an unused session by `clock`. `rights` are those of the account. `penalty` is how many seconds a wrong password
    waits. `owner_email` is the account's own address, "" for none. `healthy` is what /info/health says.
    `converters` false: an upload is stored, but ends in 500. An appointment whose title contains `choke_on` cannot
    be made: 500. `resumes` is how a film's download can be gone on with.
    """

    version: str = "9.1.0"
    zone: str = "Europe/Berlin"
    idle: timedelta = timedelta(minutes=30)
    clock: Callable[[], datetime] = _now
    rights: tuple[str, ...] = ("LOGIN", "ROOM", "SOAP")
    sanitise: bool | None = None
    penalty: float = 0.0
    owner_email: str = "daemon@example.com"
    healthy: bool = True
    converters: bool = True
    choke_on: str = ""
    resumes: Resumes = "etag"

    def since(self, *version: int) -> bool:
        """Whether this server is of that version or a later one."""
        return tuple(int(part) for part in self.version.partition("-")[0].split(".")) >= version

    @property
    def tz(self) -> ZoneInfo:
        """The server's zone."""
        return ZoneInfo(self.zone)

    @property
    def sanitises(self) -> bool:
        """Whether descriptions are sanitised."""
        return self.since(9, 0, 0) if self.sanitise is None else self.sanitise


class Store:
    """The server's database and its sessions."""

    def __init__(self, username: str, password: str, options: Options) -> None:
        self.options = options
        self.users: dict[int, SimUser] = {}
        self.rooms: dict[int, SimRoom] = {}
        self.appointments: dict[int, SimAppointment] = {}
        self.recordings: dict[int, SimRecording] = {}
        self.files: dict[int, SimFile] = {}
        self.sids: dict[str, SimSid] = {}
        self.hashes: dict[str, SimHash] = {}
        self.invitations: dict[str, SimInvitation] = {}
        self.mails: list[Mail] = []
        self.touched = False
        self._counters: dict[str, int] = {}
        self.account = self.add_user(login=username, password=password, email=options.owner_email)

    def touch(self) -> None:
        """The present request has an effect."""
        self.touched = True

    def next_id(self, kind: str) -> int:
        """Ids count up, kind by kind."""
        self._counters[kind] = self._counters.get(kind, 0) + 1
        return self._counters[kind]

    def new_key(self) -> str:
        """A fresh UUID, as sids and hashes are."""
        return str(uuid.uuid4())

    def add_user(self, **fields: Any) -> SimUser:
        """A new user."""
        user = SimUser(id=self.next_id("user"), **fields)
        self.users[user.id] = user
        return user

    def rights_of(self, user: SimUser) -> set[str]:
        """The account's rights are those of the options."""
        return set(self.options.rights if user is self.account else user.rights)

    def session(self, sid: str) -> SimSid | None:
        """The session, refreshed; None when it is unknown or has been idle too long."""
        one, now = self.sids.get(sid), self.options.clock()
        if one is None or now - one.used > self.options.idle:
            return None
        one.used = now
        return one

    def demand(self, sid: str, *rights: str) -> SimUser:
        """The session's user, who has the rights. An unknown sid and a missing right are one and the same."""
        one = self.session(sid)
        user = self.users.get(one.user_id) if one else None
        if user is None or not set(rights) <= self.rights_of(user):
            raise Problem(500, "error.notallowed")
        return user

    def room(self, number: int) -> SimRoom:
        """A room that is not deleted; otherwise the server stumbles over its own null."""
        room = self.rooms.get(number)
        if room is None or room.deleted:
            raise java_error('Cannot invoke "org.apache.openmeetings.db.entity.room.Room.getId()" because "r" is null')
        return room

    def contact(self, email: str, firstname: str, lastname: str, owner: SimUser) -> SimUser:
        """The owner's contact with that address, made when there is none; a known one keeps its name."""
        for user in self.users.values():
            if (user.type, user.email, user.owner_id) == ("CONTACT", email, owner.id):
                return user
        return self.add_user(
            login=f"{owner.id}_{email}",
            type="CONTACT",
            firstname=firstname,
            lastname=lastname,
            email=email,
            owner_id=owner.id,
        )

    def external(self, external_id: str | None, external_type: str | None) -> SimUser | None:
        """The external user with these keys."""
        for user in self.users.values():
            if user.type == "EXTERNAL" and (user.external_id, user.external_type) == (external_id, external_type):
                return user
        return None
