"""What the livedigital server accepts (tables of the public guides); where they are silent, as little as possible."""

import json
import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from connectors.simulators.livedigital_state import Problem
from connectors.simulators.stage import Request

ID = re.compile(r"[0-9a-f]{24}")

SWITCHES = {
    "isScreensharingAllowed": True,
    "isChatAllowed": True,
    "isRecordAllowed": False,
    "isAutoRecordingAllowed": False,
    "isMicrophonePublishingAllowed": True,
    "isScreenMediaPublishingAllowed": True,
    "isCameraPublishingAllowed": True,
    "isAvatarsAllowed": True,
    "isSelfRenamingAllowed": True,
    "isHandRaisingAllowed": True,
    "isRemoteDrawingAllowed": True,
}
DEFAULTS: dict[str, Any] = {
    "isPublic": True,
    **SWITCHES,
    "type": "lesson",
    "waitingRoomAudience": "nobody",
    "joinSettings": {"fields": [], "customFields": []},
    "redirectUrl": None,
}
"""A room of which only the name was said. It is public: who forgets to send `isPublic` opens the room."""

_WEB = ("http", "https")


def body(request: Request) -> dict[str, Any]:
    """The JSON object that a request brings."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise Problem(415, "application/json is wanted", "unsupported_media_type")
    try:
        data = json.loads(request.body)
    except ValueError:
        raise Problem(400, "the body is not JSON", "bad_json") from None
    if not isinstance(data, dict):
        raise Problem(422, "the body must be an object")
    return data


def query(request: Request, *known: str) -> dict[str, str]:
    """The parameters of a GET; unknown ones are ignored."""
    found = dict(parse_qsl(request.query, keep_blank_values=True))
    return {name: found[name] for name in known if name in found}


def only(data: dict[str, Any], *names: str) -> None:
    """Nothing else may be said."""
    for name in data:
        if name not in names:
            raise Problem(422, f"{name} is not allowed")


def text(data: dict[str, Any], name: str) -> str:
    """A required text that is not blank."""
    value = data.get(name)
    if not isinstance(value, str) or not value.strip():
        raise Problem(422, f"{name} is required")
    return value


def boolean(data: dict[str, Any], name: str, default: bool) -> bool:
    """A boolean that is one."""
    value = data.get(name, default)
    if not isinstance(value, bool):
        raise Problem(422, f"{name} must be a boolean")
    return value


def web_address(value: Any, name: str) -> str:
    """An address of a page."""
    parts = urlsplit(value) if isinstance(value, str) else None
    if parts is None or parts.scheme not in _WEB or not parts.hostname:
        raise Problem(422, f"{name} must be a URL")
    return str(value)


def identifier(value: str | None, name: str) -> str:
    """An id; an alias is none."""
    if value is None or not ID.fullmatch(value):
        raise Problem(422, f"{name} must be an id")
    return value


def room_settings(data: dict[str, Any]) -> dict[str, Any]:
    """All settings of a room: what is not said is the default, also when the room had something else before."""
    for name in ("templateId", "parentRoomId"):
        if name in data:
            raise Problem(422, f"{name} must not be sent")
    only(data, "name", *DEFAULTS)
    settings = {"name": text(data, "name"), **DEFAULTS}
    for name in ("isPublic", *SWITCHES):
        settings[name] = boolean(data, name, DEFAULTS[name])
    settings["type"] = data.get("type", DEFAULTS["type"])
    if settings["type"] not in ("lesson", "webinar"):
        raise Problem(422, "type is lesson or webinar")
    if "waitingRoomAudience" in data:
        settings["waitingRoomAudience"] = text(data, "waitingRoomAudience")
    if data.get("joinSettings") is not None:
        if not isinstance(data["joinSettings"], dict):
            raise Problem(422, "joinSettings must be an object")
        settings["joinSettings"] = data["joinSettings"]
    if data.get("redirectUrl") is not None:
        settings["redirectUrl"] = web_address(data["redirectUrl"], "redirectUrl")
    return settings


def access(data: dict[str, Any], longest: int) -> dict[str, Any]:
    """What generate-access is told."""
    only(data, "username", "role", "externalUserId", "externalMeetingId", "ttl", "isPermanent", "email", "phone")
    role, ttl, external = data.get("role"), data.get("ttl", 86400), data.get("externalUserId")
    if role not in ("user", "moderator"):
        raise Problem(422, "role is user or moderator")
    if isinstance(ttl, bool) or not isinstance(ttl, int) or not 0 < ttl <= longest:
        raise Problem(422, f"ttl must be from 1 to {longest}")
    if external is not None and not (isinstance(external, str) and external.isascii() and external.isalnum()):
        raise Problem(422, "externalUserId must be letters and digits")
    return {
        "name": text(data, "username"),
        "role": role,
        "external_id": external,
        "ttl": ttl,
        "permanent": boolean(data, "isPermanent", False),
    }


def day(value: str | None) -> datetime:
    """A required instant in ISO 8601 with its zone."""
    try:
        moment = datetime.fromisoformat(value or "")
    except ValueError:
        raise Problem(422, "date must be an ISO date") from None
    if moment.tzinfo is None:
        raise Problem(422, "date must have a zone")
    return moment.astimezone(UTC)
