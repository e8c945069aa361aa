"""What is sent to OpenMeetings: keys, dates, bodies. No request is made here; for answers see `openmeetings_rows.py`.

Source: the REST services of Apache OpenMeetings 6.0 to 9.1.
"""

import hashlib
import json
import re
from datetime import UTC, datetime, tzinfo
from typing import Any

from sync.errors import Refused
from sync.model import Document, Meeting, Participant

EXTERNAL_TYPE = "convener"
"""The external type of our rooms: it makes an external group of that name, once."""
LONGEST_TEXT = 255
"""Characters of a title or a location: the columns of the entities have the default length."""

_REF = re.compile(r"([1-9][0-9]{0,17})(?:\.([1-9][0-9]{0,17}))?")


def parts(ref: str) -> tuple[int, int | None]:
    """Room and, for a further appointment of the same room, its id: `12` or `12.77`. Raises Refused."""
    match = _REF.fullmatch(ref)
    if not match:
        raise Refused(f"{ref[:40]!r} is not the id of an OpenMeetings room, which is a number")
    return int(match[1]), int(match[2]) if match[2] else None


def number(ref: str) -> int:
    """The room of a reference, or another id. Raises Refused."""
    return parts(ref)[0]


def external_id(marker: str) -> str:
    """The external id of the marker's room: short, safe in a path, never a number (it would come back as one)."""
    return "cv-" + hashlib.sha256(marker.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def stamp(moment: datetime) -> str:
    """`2026-12-01T12:00:00+0000`: every other form is silently read as the server's local time."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")


def wall(moment: datetime, zone: tzinfo | None) -> str:
    """`2026-12-01 13:00:00`: how an invitation has it, on the server's clock."""
    return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")


def content(meeting: Meeting) -> dict[str, Any]:
    """The fields of an appointment that are the meeting's own."""
    return {
        "title": meeting.title,
        "start": stamp(meeting.start),
        "end": stamp(meeting.end),
        "description": meeting.description,
        "location": meeting.location[:LONGEST_TEXT],
    }


def member(participant: Participant) -> dict[str, Any]:
    """A new member of an appointment, who becomes a contact of the account."""
    first, last = participant.first_and_last_name()
    return {"user": {"firstname": first, "lastname": last, "address": {"email": participant.email}}}


def guest(name: str, key: str) -> dict[str, str]:
    """Somebody who enters by a hash; the server makes a user of that key when it is used."""
    return {"login": f"convener-{key}", "firstname": name, "lastname": "", "email": "", "externalId": key}


def document_key(room: int, document: Document) -> str:
    """The external id under which a document is found again after an upload of unknown outcome."""
    seen = hashlib.sha256(f"{room}\n{document.name}\n".encode("utf-8", "surrogatepass") + document.content)
    return f"cv-{seen.hexdigest()[:32]}"


def file_type(media_type: str) -> str:
    """The kind of file that goes with a media type; the server looks at the content anyway."""
    kind = media_type.partition("/")[0].strip().lower()
    return {"image": "IMAGE", "video": "VIDEO"}.get(kind, "PRESENTATION")


def multipart(boundary: str, details: dict[str, Any], content: bytes) -> bytes:
    """The body of an upload: its details, wrapped as this one call wants them, and its content."""
    described = json.dumps({"fileItemDTO": details}).encode()
    edge = f"--{boundary}\r\nContent-Disposition: form-data; name=".encode()
    return b"".join(
        [
            edge + b'"file"\r\nContent-Type: application/json\r\n\r\n' + described + b"\r\n",
            edge
            + b'"stream"; filename="document"\r\nContent-Type: application/octet-stream\r\n\r\n'
            + content
            + b"\r\n",
            f"--{boundary}--\r\n".encode(),
        ]
    )
