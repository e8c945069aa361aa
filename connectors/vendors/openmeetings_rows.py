"""What OpenMeetings answers, and whole records to send back. No request is made here.

Two libraries write its JSON: one of them gives texts that look like numbers or booleans as such, and a list of one
element as that element. So every number is read as the text that it was, and each field then as what it is.
"""

import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from connectors.vendors.openmeetings_wire import EXTERNAL_TYPE, external_id, stamp
from sync.model import Artifact, Invitee, Role, Session

_Model = TypeVar("_Model", bound=BaseModel)

_ADDRESS = re.compile(r"\S+://\S+")
_UNREADY = {
    "RECORDING": "it is still being recorded",
    "CONVERTING": "the server is still converting it",
    "NONE": "the server has not begun to convert it",
    "ERROR": "the server could not convert it",
}


class Unreadable(Exception):
    """The answer is not what any OpenMeetings server is known to send."""


def _text(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


def _many(value: Any) -> Any:
    if value is None or value == "":
        return []
    return value if isinstance(value, list) else [value]


def _moment(value: Any) -> datetime:
    """`2026-12-01T13:00:00+0100`, in the server's zone; recordings have a colon in the offset, maybe a fraction."""
    moment = datetime.fromisoformat(str(value))
    if moment.tzinfo is None:
        raise ValueError("a time without a zone")
    return moment


def _moment_or_none(value: Any) -> datetime | None:
    try:
        return _moment(value)
    except ValueError:
        return None


_Id = Annotated[int, Field(ge=1)]
_Text = Annotated[str | None, BeforeValidator(_text)]
_Moment = Annotated[datetime, BeforeValidator(_moment)]
_Told = Annotated[datetime | None, BeforeValidator(_moment_or_none)]


class _Row(BaseModel):
    model_config = ConfigDict(
        extra="ignore", alias_generator=to_camel, populate_by_name=True, hide_input_in_errors=True, frozen=True
    )


class RoomFile(_Row):
    """A file that lies on a room's whiteboard."""

    id: int | None = None
    file_id: int
    wb_idx: int = 0


class RoomRow(_Row):
    """A room. Fields that are not named here are kept as they came, because a change replaces all of them."""

    model_config = ConfigDict(extra="allow")

    id: _Id
    type: str
    name: _Text = None
    tag: _Text = None
    comment: _Text = None
    confno: _Text = None
    redirect_url: _Text = None
    external_id: _Text = None
    external_type: _Text = None
    appointment: bool = False
    hidden_elements: Annotated[list[str], BeforeValidator(_many)] = []
    files: Annotated[list[RoomFile], BeforeValidator(_many)] = []

    @property
    def marker(self) -> str | None:
        """The marker of a room of ours: its comment, as long as that fits its key; otherwise the key itself."""
        key = self.external_id
        if not (key and key.startswith("cv-") and self.external_type in (None, "", EXTERNAL_TYPE)):
            return None
        return self.comment if self.comment and external_id(self.comment) == key else key

    def replaced(self, **changes: Any) -> dict[str, Any]:
        """The whole room with the changes, for a POST /room, which resets what it does not get."""
        return self.model_copy(update=changes).model_dump(by_alias=True, exclude_none=True)


class _Address(_Row):
    email: Annotated[_Text, Field(validation_alias=AliasChoices("email", "mail"))] = None


class _User(_Row):
    id: int | None = None
    firstname: _Text = None
    lastname: _Text = None
    address: _Address = _Address()


class MemberRow(_Row):
    """One person invited to an appointment; `id` is that of the membership."""

    id: _Id
    user: _User

    def invitee(self) -> Invitee:
        """In convener's terms."""
        name = f"{self.user.firstname or ''} {self.user.lastname or ''}".strip()
        email = (self.user.address.email or "").strip().lower()
        return Invitee(ref=str(self.id), email=email, role=Role.PARTICIPANT, name=name)


class AppointmentRow(_Row):
    """An appointment; its times carry the offset that the server's own zone has then."""

    id: _Id
    room: RoomRow
    start: _Moment
    end: _Moment
    title: _Text = None
    location: _Text = None
    description: _Text = None
    owner: _User | None = None
    ical_id: _Text = None
    inserted: _Told = None
    reminder: _Text = None
    language_id: int | None = None
    reminder_email_send: bool = False
    connected_event: bool = False
    password_protected: bool = False
    meeting_members: Annotated[list[MemberRow], BeforeValidator(_many)] = []

    def session(self, marker: str | None, url: str) -> Session:
        """In convener's terms; `url` is the server's root."""
        return Session(
            ref=str(self.room.id),
            title=self.title,
            start=self.start.astimezone(UTC),
            end=self.end.astimezone(UTC),
            join_url=f"{url}/#room/{self.room.id}",
            marker=marker,
        )

    def invited(self, email: str) -> Invitee | None:
        """The member with that address."""
        return next((who for who in (one.invitee() for one in self.guests) if who.email == email.lower()), None)

    @property
    def guests(self) -> list[MemberRow]:
        """The members other than the owner."""
        owner = self.owner.id if self.owner else None
        return [one for one in self.meeting_members if one.user.id is None or one.user.id != owner]

    def replaced(self, *, members: Iterable[dict[str, Any]] | None = None, **changes: Any) -> dict[str, Any]:
        """The whole appointment with the changes, for a POST /calendar, which resets what it does not get.

        The people keep their ids (others would be cancelled and invited anew), the room is named and not described
        (it would be overwritten). Texts go back just as they came: a sanitizer's output passes it unchanged.
        """
        whole = {
            "id": self.id,
            "title": self.title,
            "start": stamp(self.start),
            "end": stamp(self.end),
            "location": self.location,
            "description": self.description,
            "owner": {"id": self.owner.id} if self.owner and self.owner.id else None,
            "icalId": self.ical_id,
            "inserted": stamp(self.inserted) if self.inserted else None,
            "reminder": self.reminder or "NONE",
            "languageId": self.language_id or 1,
            "reminderEmailSend": self.reminder_email_send,
            "passwordProtected": self.password_protected,
            "connectedEvent": False,
            "deleted": False,
            "room": {"id": self.room.id, "type": self.room.type},
            "meetingMembers": [{"id": one.id} for one in self.meeting_members] if members is None else list(members),
        }
        return {name: value for name, value in (whole | changes).items() if value is not None}


class RecordingRow(_Row):
    """A recording; folders are listed like recordings, without a room."""

    id: _Id
    name: _Text = None
    room_id: int | None = None
    status: str = "NONE"
    start: _Told = None
    end: _Told = None

    def artifact(self, session_ref: str) -> Artifact:
        """In convener's terms; only what is PROCESSED has a file."""
        ready = self.status == "PROCESSED"
        return Artifact(
            kind="recording",
            ref=str(self.id),
            session_ref=session_ref,
            name=self.name or "",
            media_type="video/mp4",
            duration=(self.end - self.start).total_seconds() if self.start and self.end else None,
            created=self.start.astimezone(UTC) if self.start else None,
            ready=ready,
            more="" if ready else _UNREADY.get(self.status, f"the server calls it {self.status[:20]}"),
        )


class FileRow(_Row):
    """An uploaded file."""

    id: _Id
    external_id: _Text = None


class FilesRow(_Row):
    """The files of the account's home and of a room."""

    user_home: Annotated[list[FileRow], BeforeValidator(_many)] = []
    room_home: Annotated[list[FileRow], BeforeValidator(_many)] = []


class ServiceResult(_Row):
    """What a call says that has nothing to show; `message` may be missing."""

    message: _Text = None
    type: str

    @property
    def not_allowed(self) -> bool:
        """An expired session, an unknown one, or a missing right: the server does not tell them apart."""
        return self.message == "error.notallowed"


class Health(_Row):
    """What the server thinks of itself."""

    inited: bool
    installed: bool
    db_ok: bool


class Info(_Row):
    """The server's version."""

    version: Annotated[str, BeforeValidator(_text)]


def one(model: type[_Model], root: str, body: bytes) -> _Model:
    """The object under its root name. Raises Unreadable."""
    return _parsed(model, _root(root, body))


def many(model: type[_Model], root: str, body: bytes) -> list[_Model]:
    """The list under its root name, which must be there, empty or not. Raises Unreadable."""
    return [_parsed(model, item) for item in _many(_root(root, body))]


def said(body: bytes) -> ServiceResult | None:
    """The serviceResult of an answer, None when it is something else."""
    try:
        return one(ServiceResult, "serviceResult", body)
    except Unreadable:
        return None


def for_people(message: str | None) -> str:
    """A server's words: one line, at most 120 characters, without addresses."""
    return _ADDRESS.sub("…", " ".join((message or "").split()))[:120]


def _root(root: str, body: bytes) -> Any:
    try:
        data = json.loads(body, parse_int=str, parse_float=str)
    except (ValueError, RecursionError) as error:
        raise Unreadable("not JSON") from error
    if not isinstance(data, dict) or root not in data:
        raise Unreadable(f"no {root}")
    return data[root]


def _parsed(model: type[_Model], item: Any) -> _Model:
    try:
        return model.model_validate(item)
    except ValidationError as error:
        raise Unreadable(f"{error.error_count()} fields are not what they should be") from None
