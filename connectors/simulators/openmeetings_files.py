"""The recordings and files of the OpenMeetings stand-in (services record and file, downloads)."""

from email.parser import BytesParser
from email.policy import HTTP
from typing import Any

from connectors.simulators import media
from connectors.simulators.openmeetings_doors import redeem, result
from connectors.simulators.openmeetings_json import (
    Problem,
    coerced,
    java_error,
    opt_number,
    opt_text,
    read_object,
)
from connectors.simulators.openmeetings_state import SimFile, SimRecording, Store
from connectors.simulators.openmeetings_text import iso_stamp
from connectors.simulators.stage import Reply, Request

OWN_HOME = -1
FILE_TYPES = ("FOLDER", "IMAGE", "PRESENTATION", "VIDEO", "POLL_CHART", "WML_FILE", "RECORDING")
_DONE = "PROCESSED"


# Recordings


def recordings_of_room(store: Store, sid: str, number: int) -> str:
    """GET /record/room/{roomid}: of deleted rooms, too."""
    store.demand(sid, "SOAP")
    return coerced(
        "recordingDTO", [_recording(store, one) for one in store.recordings.values() if one.room_id == number]
    )


def _recording(store: Store, one: SimRecording) -> dict[str, Any]:
    zone = store.options.tz
    return {
        "id": one.id,
        "name": one.name,
        "hash": f"hash-of-{one.id}",
        "roomId": one.room_id,
        "status": one.status,
        "interview": False,
        "start": iso_stamp(one.start, zone),
        "end": iso_stamp(one.end, zone),
        "width": 1280,
        "height": 720,
        "ownerId": store.account.id,
        "externalType": one.external_type,
    }


def mp4(store: Store, request: Request, key: str) -> Reply:
    """GET /recordings/mp4/<hash>: with a hash made for that recording, once, whatever part of it is asked for.
    Everything else is 404."""
    if key.isdigit():  # needs a signed-in HTTP session, which nobody has here
        return Reply(404)
    entered = redeem(store, key)
    one = store.recordings.get(entered.recording or 0) if entered else None
    if one is None or one.status != _DONE:
        return Reply(404)
    return media.served(request, one.content, "video/mp4", store.options.resumes)


# Files


def upload(store: Store, sid: str, request: Request) -> str:
    """POST /file (multipart). `roomId` gets lost, and `groupId` takes its place; `externalType` is ignored.

    The content is processed after the file has been stored: without its converters the server then says 500.
    """
    parts = multipart(request)
    try:
        data = read_object(parts["file"].decode())["fileItemDTO"]
    except (KeyError, ValueError):
        raise Problem(500, body="html") from None
    user = store.demand(sid, "SOAP")
    if data.get("id") is not None or data.get("type") not in FILE_TYPES:
        raise java_error("Bad id")
    one = SimFile(
        id=store.next_id("file"),
        name=opt_text(data, "name") or "",
        type=data["type"],
        content=parts.get("stream", b""),
        external_id=opt_text(data, "externalId", None),
        room_id=opt_number(data, "groupId"),
        owner_id=opt_number(data, "ownerId"),
    )
    if one.owner_id is not None and one.owner_id != user.id:
        raise java_error("Access denied")
    store.files[one.id] = one
    store.touch()
    if not store.options.converters:
        raise java_error("Cannot run program soffice")
    return coerced("fileItemDTO", _file(one))


def multipart(request: Request) -> dict[str, bytes]:
    """The parts of a multipart body by name; {} when it is none."""
    head = f"content-type: {request.headers.get('content-type', '')}\r\n\r\n".encode("latin-1")
    message = BytesParser(policy=HTTP).parsebytes(head + request.body)
    parts = {}
    for part in message.iter_parts() if message.is_multipart() else ():
        name, content = part.get_param("name", header="content-disposition"), part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(content, bytes):
            parts[name] = content
    return parts


def move(store: Store, sid: str, room: int, number: int, parent: int) -> str:
    """POST /file/move/{roomid}/{id}/{parentid}: -1 into the user's home, -2 into the room. Nothing there is 204."""
    user = store.demand(sid, "SOAP")
    one = store.files.get(number)
    if one is None or one.deleted:
        raise Problem(204, body="none")
    home = parent == OWN_HOME
    one.room_id, one.owner_id = (None, user.id) if home else (room, None)
    store.touch()
    return coerced("fileItemDTO", _file(one))


def of_room(store: Store, sid: str, room: int) -> str:
    """GET /file/room/{id}: the user's home and the room's files; a list of one is that one."""
    user = store.demand(sid, "SOAP")
    alive = [one for one in store.files.values() if not one.deleted]
    home = [_file(one) for one in alive if one.owner_id == user.id]
    there = [_file(one) for one in alive if one.room_id == room]
    value = {
        "userHome": home,
        "roomHome": there,
        "userHomeSize": sum(one["size"] for one in home),
        "roomHomeSize": sum(one["size"] for one in there),
    }
    return coerced("fileExplorerObject", value)


def delete(store: Store, sid: str, number: int) -> str:
    """DELETE /file/{id}: marked as deleted; one that is not there is 200 with an ERROR."""
    store.demand(sid, "SOAP")
    one = store.files.get(number)
    if one is None or one.deleted:
        return result("Bad id", "ERROR")
    one.deleted = True
    store.touch()
    return result("Deleted")


def _file(one: SimFile) -> dict[str, Any]:
    return {
        "id": one.id,
        "name": one.name,
        "hash": f"hash-of-{one.id}",
        "roomId": one.room_id,
        "ownerId": one.owner_id,
        "size": len(one.content),
        "externalId": one.external_id,
        "type": one.type,
    }
