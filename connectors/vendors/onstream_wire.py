"""What goes over the wire to and from Onstream: paths, bodies, answers, zone codes. No request is made here.

Source: the Onstream API v2 document. The JSON shapes of answers are not in it (it shows XML, and one list of objects
with numbers as strings), so reading is tolerant: a list, an object around it, or one object where there is only one.
"""

import json
import math
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeVar
from urllib.parse import quote, urlencode

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from connectors.vendors.onstream_zones import ZONES
from sync.model import Artifact, Invitee, Meeting, Participant, Role, Session

ROLES = {Role.MODERATOR: 1, Role.PARTICIPANT: 2, Role.OBSERVER: 3}
GROUPS = {"moderators": Role.MODERATOR, "participants": Role.PARTICIPANT, "observers": Role.OBSERVER}

LONGEST_DESCRIPTION = 255
"""Characters of a file's description (section "PUT file")."""

_Model = TypeVar("_Model", bound=BaseModel)

_WALL = "%Y-%m-%d %H:%M:%S"
_TRAILING_NUMBER = re.compile(r"/(\d+)(?:/format/\w+)?/?$")
_ADDRESS = re.compile(r"\S+://\S+")


class Unreadable(Exception):
    """The answer is not what any Onstream server is known to send."""


class NothingSaid(Unreadable):
    """The answer is JSON, and empty in a way that does not say what is empty."""


# What is asked


def path(username: str, version: int, resource: str, *pairs: object) -> str:
    """`/api/{version}/{username}/{resource}[/key/value…]/format/json` (section "Return Formatting")."""
    segments = [version, username, resource, *pairs, "format", "json"]
    return "/api/" + "/".join(quote(str(segment), safe=";") for segment in segments)


def form_body(data: dict[str, Any]) -> bytes:
    """A request body (section "Quickstart", point 3b).

    The samples send the JSON raw, which the server reads as a form: an `&`, `+` or `%` in a title would cut or
    change it. So it is encoded as the form that it is.
    """
    return urlencode({"input_type": "json", "rest_data": json.dumps(data)}).encode("ascii")


def times(meeting: Meeting, zone: str) -> dict[str, Any]:
    """Start (wall time in the account's zone), duration (whole minutes, rounded up, at least 1) and zone."""
    wall = (meeting.start.astimezone(UTC) + ZONES[zone]).strftime(_WALL)
    minutes = -((meeting.start - meeting.end) // timedelta(minutes=1))
    return {"start_time": wall, "duration": max(minutes, 1), "timezone": zone}


def person(participant: Participant, *, mail: bool) -> dict[str, Any]:
    """A participant for PUT session and PUT invitee. Whether to mail is always said: the default is yes."""
    first, last = participant.first_and_last_name()
    return {
        "email": participant.email,
        "first_name": first,
        "last_name": last,
        "role": ROLES[participant.role],
        "send_email_invitation": mail,
    }


def file(url: str, name: str) -> dict[str, Any]:
    """An address for PUT file; `is_url` is 0 unless it is said, and files of other kinds cannot be added."""
    return {"file_link": url, "is_url": 1, "file_description": name[:LONGEST_DESCRIPTION]}


# What is answered


def _text_or_none(value: Any) -> str | None:
    """Lenient, so that one odd row does not make a whole list unreadable."""
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) and value != "" else None


def _number_or_none(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _no_boolean(value: Any) -> Any:
    """PHP says `false` where it has no id; pydantic would take that for 0."""
    if isinstance(value, bool):
        raise ValueError("not a number")  # noqa: TRY004 - pydantic wants a ValueError
    return value


_Id = Annotated[int, BeforeValidator(_no_boolean), Field(ge=1)]
_Text = Annotated[str | None, BeforeValidator(_text_or_none)]
_Number = Annotated[float | None, BeforeValidator(_number_or_none)]


class _Row(BaseModel):
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    id: _Id


class SessionRow(_Row):
    """Section "GET session(s)"; duration in minutes."""

    topic: _Text = None
    start_time: _Text = None
    duration: _Number = None
    timezone: _Text = None
    session_link: _Text = None
    custom_data: Any = None

    @property
    def says_custom_data(self) -> bool:
        """Whether the answer holds the session's custom data at all."""
        return "custom_data" in self.model_fields_set

    def session(self, zone: str) -> Session:
        """In convener's terms; times that cannot be read are not said."""
        start = _instant(self.start_time, zone)
        end = _later(start, self.duration)
        return Session(
            ref=str(self.id),
            title=self.topic,
            start=start,
            end=end,
            join_url=_web_address(self.session_link),
            marker=_marker(self.custom_data),
        )


class _InviteeRow(_Row):
    email: _Text = None
    first_name: _Text = None
    last_name: _Text = None
    personal_session_link: _Text = None


class RecordingRow(_Row):
    """Section "GET recording(s)"; duration in milliseconds."""

    session_id: _Number = None
    title: _Text = None
    duration: _Number = None
    recording_link: _Text = None
    creation_date: _Text = None

    def recording(self, session_ref: str) -> Artifact:
        """In convener's terms; the document names no zone for creation_date: UTC is assumed."""
        return Artifact(
            kind="recording",
            ref=str(self.id),
            session_ref=session_ref,
            name=self.title or "",
            duration=self.duration / 1000 if self.duration is not None else None,
            link=_web_address(self.recording_link),
            created=_instant(self.creation_date, "UTC"),
        )


class _Verified(BaseModel):
    authenticated: Any


def session_rows(body: bytes) -> list[SessionRow]:
    """The sessions of an answer. Raises Unreadable."""
    return [_parsed(SessionRow, item) for item in _items(_json(body), "sessions", "session")]


def recording_rows(body: bytes) -> list[RecordingRow]:
    """The recordings of an answer. Raises Unreadable; NothingSaid for an object without anything in it: what names
    nothing does not say that there is nothing, as an empty list or a 404 does."""
    data = _unwrapped(_json(body), "recordings", "recording")
    if data is None or data == {}:
        raise NothingSaid("no list of recordings")
    return [_parsed(RecordingRow, item) for item in _items(data, "recordings", "recording")]


def is_own_absence(body: bytes) -> bool:
    """Whether the body of a 404 or 410 is the service's: it has none, or JSON."""
    try:
        return not body.strip() or isinstance(_json(body), dict | list)
    except Unreadable:
        return False


def invitees(body: bytes) -> tuple[Invitee, ...]:
    """The people of an answer, who come in groups by role (section "GET invitees"). Raises Unreadable."""
    data = _unwrapped(_json(body), "xml", "invitees")
    if data == []:
        return ()
    if not isinstance(data, dict) or (data and not data.keys() & GROUPS.keys()):
        raise Unreadable("no groups of invitees")
    found = []
    for group, role in GROUPS.items():
        for item in _items(data.get(group) or [], "item"):
            row = _parsed(_InviteeRow, item)
            found.append(
                Invitee(
                    ref=str(row.id),
                    email=(row.email or "").strip().lower(),
                    role=role,
                    name=f"{row.first_name or ''} {row.last_name or ''}".strip(),
                    personal_link=_web_address(row.personal_session_link),
                )
            )
    return tuple(found)


def authenticated(body: bytes) -> bool:
    """What authverify says: 1/true or something else (section "GET authverify"). Raises Unreadable."""
    data = _unwrapped(_json(body), "xml", "root")
    if isinstance(data, list) and len(data) == 1:
        data = data[0]
    value = _parsed(_Verified, data).authenticated
    return str(value).strip().lower() in ("1", "true")


def new_id(body: bytes) -> str | None:
    """The id that a write answers with, None when there is none."""
    try:
        items = _items(_json(body), "xml", "root", "sessions", "session", "invitee", "item")
        return str(_parsed(_Row, items[0]).id) if len(items) == 1 else None
    except Unreadable:
        return None


def id_at_the_end(location: str) -> str | None:
    """The number that a Location ends with: `…/session/id/12` (section "HTTP Success Codes", 201)."""
    match = _TRAILING_NUMBER.search(location)
    return match[1] if match else None


def is_done(body: bytes) -> bool:
    """Whether the answer to an edit is what the server says when it is done: a JSON object that denies nothing.

    The document's texts and fields differ between its tables and samples: neither is looked at.
    """
    try:
        data = _json(body)
    except Unreadable:
        return False
    if isinstance(data, list) and len(data) == 1:
        data = data[0]
    return isinstance(data, dict) and data.get("status") is not False and not data.get("error")


def refusal(body: bytes) -> str:
    """What a 4xx answer says for people: one line, at most 200 characters, without addresses; often ""."""
    try:
        data = _json(body)
    except Unreadable:
        return ""
    if not isinstance(data, dict):
        return ""
    said = data.get("error") or data.get("message") or ""
    line = " ".join(said.split()) if isinstance(said, str) else ""
    return _ADDRESS.sub("…", line)[:200]


# Reading JSON


def _json(body: bytes) -> Any:
    """An object or a list: anything else, `null` included, says nothing."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Unreadable("not JSON") from error
    if not isinstance(data, dict | list):
        raise Unreadable("neither a list nor an object")
    return data


def _unwrapped(data: Any, *names: str) -> Any:
    while isinstance(data, dict):
        name = next((name for name in names if name in data), None)
        if name is None:
            break
        data = data[name]
    return data


def _items(data: Any, *wrappers: str) -> list[Any]:
    """The objects in `data`: a list, one object, or either of them inside objects named as in `wrappers`."""
    data = _unwrapped(data, *wrappers)
    if isinstance(data, list):
        return [_unwrapped(item, *wrappers) for item in data]
    if isinstance(data, dict):
        return [data] if data else []
    if data is None or data == "":
        return []
    raise Unreadable("neither a list nor an object")


def _parsed(model: type[_Model], item: Any) -> _Model:
    try:
        return model.model_validate(item)
    except ValidationError as error:
        raise Unreadable(f"{error.error_count()} fields are not what they should be") from None


def _instant(wall: str | None, zone: str) -> datetime | None:
    try:
        return datetime.strptime(wall or "", _WALL).replace(tzinfo=UTC) - ZONES[zone]
    except (ValueError, OverflowError):
        return None


def _later(start: datetime | None, minutes: float | None) -> datetime | None:
    try:
        return start + timedelta(minutes=minutes) if start and minutes is not None else None
    except OverflowError:
        return None


def _web_address(link: str | None) -> str | None:
    return link if link and link.lower().startswith(("http://", "https://")) else None


def _marker(custom_data: Any) -> str | None:
    """custom1 out of an object, a list of objects, or the JSON text of either."""
    if isinstance(custom_data, str):
        try:
            custom_data = json.loads(custom_data)
        except ValueError:
            return None
    entries: Iterable[Any] = custom_data if isinstance(custom_data, list) else [custom_data]
    for entry in entries:
        value = entry.get("custom1") if isinstance(entry, dict) else None
        if isinstance(value, str | int) and value != "":
            return str(value)
    return None
