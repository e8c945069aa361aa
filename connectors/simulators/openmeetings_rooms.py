"""The rooms of the OpenMeetings stand-in (service room)."""

from typing import Any

from connectors.simulators.openmeetings_doors import Form, result
from connectors.simulators.openmeetings_json import (
    Problem,
    coerced,
    java_error,
    no_value,
    opt_flag,
    opt_number,
    opt_text,
    read_object,
)
from connectors.simulators.openmeetings_state import COLUMN, SimRoom, Store

TYPES = ("CONFERENCE", "PRESENTATION", "INTERVIEW")
HIDEABLE = {
    "TOP_BAR",
    "CHAT",
    "ACTIVITIES",
    "FILES",
    "ACTION_MENU",
    "POLL_MENU",
    "SCREEN_SHARING",
    "WHITEBOARD",
    "MICROPHONE_STATUS",
    "USER_COUNT",
}
_FLAGS = (
    "demo",
    "closed",
    "moderated",
    "waitModerator",
    "allowUserQuestions",
    "allowRecording",
    "waitRecording",
    "audioOnly",
)


def room_json(room: SimRoom) -> dict[str, Any]:
    """RoomDTO as the coercing writer has it; fields without a value are not in it."""
    return {
        "id": room.id,
        "name": room.name,
        "comment": room.comment,
        "type": room.type,
        "capacity": room.capacity,
        "appointment": room.appointment,
        "isPublic": room.is_public,
        "externalId": room.external_id,
        "externalType": room.groups[0] if room.groups else None,
        "files": [dict(one) for one in room.files],
        **room.fields,
    }


def _converted(text: str | None, status: int) -> dict[str, Any]:
    """A room's JSON as it comes in; it must name a type that there is."""
    try:
        return checked(read_object(text or ""))
    except ValueError:
        raise no_value(status) from None


def checked(data: dict[str, Any]) -> dict[str, Any]:
    """Raises ValueError for a room of no known type, or with an unknown element to hide."""
    if data.get("type") not in TYPES or not set(data.get("hiddenElements") or []) <= HIDEABLE:
        raise ValueError("Room should have valid type")
    return data


def fill(store: Store, room: SimRoom, data: dict[str, Any]) -> None:
    """Everything is replaced: what `data` leaves out is reset. A further external type is added to the former."""
    name, tag = opt_text(data, "name") or "", opt_text(data, "tag") or ""
    files = data.get("files") or []
    if any(opt_number(one, "wbIdx") is None for one in files):
        raise java_error('Cannot invoke "java.lang.Long.longValue()" because "wbIdx" is null')
    if len(name) > COLUMN or len(tag) > 10:
        raise java_error("Data truncation: Data too long for column")
    room.name, room.type, room.comment = name, data["type"], opt_text(data, "comment") or ""
    room.appointment, room.is_public = opt_flag(data, "appointment"), opt_flag(data, "isPublic")
    room.capacity = opt_number(data, "capacity", 4) or 0
    room.external_id = opt_text(data, "externalId", None)
    external_type = opt_text(data, "externalType", None)
    if external_type and external_type not in room.groups:
        room.groups.append(external_type)
    room.files = [
        {
            "id": opt_number(one, "id") or store.next_id("room file"),
            "fileId": opt_number(one, "fileId"),
            "wbIdx": opt_number(one, "wbIdx"),
        }
        for one in files
        if (opt_number(one, "fileId") or 0) in store.files
    ]
    room.fields = {
        "tag": tag,
        "redirectUrl": opt_text(data, "redirectUrl"),
        "demoTime": opt_number(data, "demoTime"),
        "hiddenElements": list(data.get("hiddenElements") or []),
        **{flag: opt_flag(data, flag) for flag in _FLAGS},
    }


def new_room(store: Store, data: dict[str, Any]) -> SimRoom:
    """A room that was not there."""
    room = SimRoom(id=0, name="", type=data["type"])
    fill(store, room, data)
    room.id = store.next_id("room")
    store.rooms[room.id] = room
    store.touch()
    return room


def by_key(store: Store, sid: str, kind: str, external_type: str, external_id: str, room: str | None) -> str:
    """GET /room/{type}/{externaltype}/{externalid}[?room=]: the first one with that key, made only with `room`.

    What is there is answered as it is. Nothing is 204.
    """
    data = None if room is None else _converted(room, 404)
    store.demand(sid, "SOAP")
    if kind not in TYPES:
        raise java_error("No enum constant org.apache.openmeetings.db.entity.room.Room.Type")
    for one in store.rooms.values():
        if (one.type, one.external_id, one.deleted) == (kind, external_id, False) and external_type in one.groups:
            return coerced("roomDTO", room_json(one))
    if data is None:
        raise Problem(204, body="none")
    made = new_room(store, {**data, "externalType": external_type, "externalId": external_id})
    return coerced("roomDTO", room_json(made))


def get(store: Store, sid: str, number: int) -> str:
    """GET /room/{id}."""
    store.demand(sid, "SOAP")
    return coerced("roomDTO", room_json(store.room(number)))


def save(store: Store, sid: str, form: Form) -> str:
    """POST /room: without an id always a new one, with an id a full replacement."""
    data = _converted(form.get("room"), 400)
    store.demand(sid, "SOAP")
    number = opt_number(data, "id")
    if number is None:
        return coerced("roomDTO", room_json(new_room(store, data)))
    room = store.room(number)
    fill(store, room, data)
    store.touch()
    return coerced("roomDTO", room_json(room))


def delete(store: Store, sid: str, number: int) -> str:
    """DELETE /room/{id}: marked as deleted; one that is not there is a success, too."""
    store.demand(sid, "SOAP")
    room = store.rooms.get(number)
    if room is None or room.deleted:
        return result("Not found")
    room.deleted = True
    store.touch()
    return result("Deleted")
