"""What livedigital answers, in convener's terms, and what an edit sends back. No request is made here.

Sources: the public guides of the platform (moodhoodhelp.github.io; the integration guides of livedigital and of its
white labels), named by their sections. The full specification is behind a password, so reading is tolerant of what is
more, and strict about what is needed.
"""

import base64
import json
import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Annotated, Any, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

ID = re.compile(r"[0-9a-f]{24}")
"""The vendor's ids; paths take ids, links take aliases."""

TTL_LONGEST = timedelta(seconds=432000)
"""The longest life of a personal link (section "generateAccess" of the white-label guide)."""

WRITABLE = frozenset({"name", "isPublic", "type", "waitingRoomAudience", "redirectUrl", "joinSettings"})
"""The fields of a room that an edit sends back, besides its switches (section "updateRoom"). `type` is sent as it
is, because leaving it out of a full replacement may change it; templateId and parentRoomId must not be sent."""

FAILED = ("failed", "aborted", "error", "deleted")
"""States of a record that nothing will come of, by the names of the events (section "webhooks")."""

DAYS_AROUND = 1
MAX_DAYS = 12

_SWITCH = re.compile(r"is[A-Z]\w*Allowed")
_ALIAS = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ADDRESS = re.compile(r"\S+://\S+")
_TOKEN = re.compile(r"[\x21-\x7e]{1,8192}")

_Model = TypeVar("_Model", bound=BaseModel)


class Unreadable(Exception):
    """The answer is not what any server of this platform is known to send."""


def _text_or_none(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _alias_or_none(value: Any) -> str | None:
    return value if isinstance(value, str) and _ALIAS.fullmatch(value) else None


def _number_or_none(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _instant_or_none(value: Any) -> datetime | None:
    """ISO 8601; a time without a zone is taken for UTC, one that no calendar can hold is not said."""
    try:
        found = datetime.fromisoformat(value)
        found = (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if 2000 <= found.year < 3000 else None


Text = Annotated[str | None, BeforeValidator(_text_or_none)]
Instant = Annotated[datetime | None, BeforeValidator(_instant_or_none)]
_Id = Annotated[str, Field(pattern=r"^[0-9a-f]{24}$")]
_Alias = Annotated[str | None, BeforeValidator(_alias_or_none)]
_Number = Annotated[int | None, BeforeValidator(_number_or_none)]


class Row(BaseModel):
    """Anything that has an id."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    id: _Id


class Space(Row):
    """A group of rooms (section "createSpace")."""

    name: Text = None


class Room(Row):
    """A room (section "createRoom"); `held` is everything that the answer says of it."""

    name: Text = None
    alias: _Alias = None
    redirect_url: Text = Field(default=None, validation_alias="redirectUrl")
    created: Instant = Field(default=None, validation_alias="createdAt")
    last_call: Instant = Field(default=None, validation_alias="lastCallAt")
    held: dict[str, Any] = Field(repr=False)

    @model_validator(mode="before")
    @classmethod
    def _all_of_it(cls, answer: Any) -> Any:
        return {**answer, "held": answer} if isinstance(answer, dict) else answer

    @property
    def says_redirect(self) -> bool:
        """Whether the answer has the field at all."""
        return "redirectUrl" in self.held

    def edited(self, changes: dict[str, Any], *, public: bool) -> dict[str, Any]:
        """The body of a full replacement: every setting as it is, but for the changes.

        Whether the room is public is sent also when the answer did not say it.
        """
        kept = {name: value for name, value in self.held.items() if _is_setting(name, value)}
        return {"isPublic": public, **kept, **changes}


class Record(Row):
    """A recording (section "getRecords"); size in bytes."""

    name: Text = None
    state: Text = None
    size: _Number = Field(default=None, validation_alias="fileSize")
    created: Instant = Field(default=None, validation_alias="createdAt")
    started: Instant = Field(default=None, validation_alias="startedAt")
    finished: Instant = Field(default=None, validation_alias="finishedAt")

    @property
    def failed(self) -> bool:
        """Nothing will come of it."""
        return any(word in (self.state or "").lower() for word in FAILED)

    @property
    def seconds(self) -> float | None:
        """Its length."""
        if not (self.started and self.finished):
            return None
        return max((self.finished - self.started).total_seconds(), 0.0)


class Call(Row):
    """From the first person's coming to the last one's leaving (section "analyticsCalls")."""

    started: Instant = Field(default=None, validation_alias="startedAt")
    finished: Instant = Field(default=None, validation_alias="finishedAt")


class Page(BaseModel):
    """A part of a list; `total` only where the server says it."""

    items: list[dict[str, Any]]
    total: _Number = None


def parsed(model: type[_Model], item: Any) -> _Model:
    """The item as the model has it. Raises Unreadable."""
    try:
        return model.model_validate(item)
    except ValidationError as error:
        raise Unreadable(f"{error.error_count()} fields are not what they should be") from None


def page(body: bytes) -> Page:
    """A list: `{"items": […], "total": n}`, or the bare list. Raises Unreadable."""
    data = json_value(body)
    return parsed(Page, {"items": data} if isinstance(data, list) else data)


def json_value(body: bytes) -> Any:
    """An object or a list: anything else says nothing. Raises Unreadable."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        raise Unreadable("not JSON") from None
    if not isinstance(data, dict | list):
        raise Unreadable("neither a list nor an object")
    return data


def json_object(body: bytes) -> dict[str, Any]:
    """An object. Raises Unreadable."""
    data = json_value(body)
    if not isinstance(data, dict):
        raise Unreadable("not an object")
    return data


def json_body(data: dict[str, Any]) -> bytes:
    """A request body."""
    return json.dumps(data, separators=(",", ":")).encode("ascii")


def is_done(body: bytes) -> bool:
    """Whether an edit or a removal was carried out, when its status says so: the guides promise the status only, so
    nothing, an "ok" or any JSON will do, and an error or a page of HTML will not."""
    text = body.strip()
    if text.lower() in (b"", b"ok", b'"ok"', b"true"):
        return True
    try:
        data = json_value(body)
    except Unreadable:
        return False
    return not (isinstance(data, dict) and "error" in data)


def refusal(body: bytes, secrets: Iterable[str] = ()) -> str:
    """What an error says for people: one line, at most 200 characters, without addresses and secrets; often "".

    `{"message", "code"}`, and `{"error", "error_description"}` where tokens are given.
    """
    try:
        data = json_object(body)
    except Unreadable:
        return ""
    said = [data.get(name) for name in ("message", "error_description", "code", "error")]
    words = [" ".join(text.split()) for text in said if isinstance(text, str) and text.strip()]
    line = _ADDRESS.sub("…", " – ".join(words[:2]))
    for secret in sorted(secrets, key=len, reverse=True):
        line = line.replace(secret, "…")
    return line[:200]


def bearer_token(value: Any) -> str:
    """A token that can be put into a header. Raises Unreadable."""
    if not (isinstance(value, str) and _TOKEN.fullmatch(value)):
        raise Unreadable("no token")
    return value


def web_address(text: Any) -> str:
    """An http(s) address. Raises Unreadable."""
    if not (isinstance(text, str) and text.lower().startswith(("http://", "https://"))):
        raise Unreadable("no address")
    return text


def download_address(body: bytes) -> str:
    """The address of a record's file: plain text, a JSON string, or an object with `url`. Raises Unreadable."""
    try:
        said: Any = body.decode("utf-8").strip()
        if said[:1] in ('"', "{"):
            said = json.loads(said)
            said = said.get("url") if isinstance(said, dict) else said
    except (ValueError, RecursionError):
        raise Unreadable("no address") from None
    return web_address(said)


def link_expiry(url: str, served: str, life: timedelta) -> datetime | None:
    """When a personal link ends: by the token in it and by the answer's Date, whichever is earlier, on the server's
    clock in any case. None when neither can be read."""
    now = _http_date(served)
    ends = _token_expiry(url)
    if ends is not None and now is not None and ends <= now:
        ends = None  # a token that was never valid says nothing about the link
    known = [end for end in (ends, now + life if now else None) if end is not None]
    return min(known, default=None)


def days_of_calls(instants: Iterable[datetime]) -> list[str]:
    """The values of `date` to ask for, newest first, so that a call at any of the instants is among the answers.

    Which clock divides the days is not documented: the days before and after are asked for, too.
    """
    days: set[date] = set()
    for instant in instants:
        days |= {instant.date() + timedelta(days=off) for off in range(-DAYS_AROUND, DAYS_AROUND + 1)}
    return [f"{day.isoformat()}T12:00:00.000Z" for day in sorted(days, reverse=True)[:MAX_DAYS]]


def room_link(front_url: str, alias: str) -> str:
    """Where people enter the room."""
    return f"{front_url}/room/{quote(alias, safe='')}"


def _is_setting(name: str, value: Any) -> bool:
    """Whether a field that a room shows is one that its owner may set; an unset one needs no sending."""
    if value is None:
        return False
    return name in WRITABLE or (isinstance(value, bool) and _SWITCH.fullmatch(name) is not None)


def _token_expiry(url: str) -> datetime | None:
    """The `exp` of the JSON web token that a link carries (RFC 7519 section 4.1.4). Its signature is not ours to
    check: it only says when to ask again."""
    try:
        claims = httpx.URL(url).params.get("accessToken", "").split(".")[1]
        data = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
        expires = data["exp"]
        if isinstance(expires, bool) or not isinstance(expires, int | float):
            return None
        return datetime.fromtimestamp(expires, UTC)
    except (httpx.InvalidURL, IndexError, KeyError, TypeError, ValueError, OverflowError, OSError, RecursionError):
        return None  # binascii.Error is a ValueError


def _http_date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
