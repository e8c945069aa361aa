"""What goes back to HubSpot: the join link into the meeting, recordings and documents as notes on its contacts.

Source: developers.hubspot.com, "Meetings" and "Notes"; association type 202 is note to contact, and there is none from
a note to a meeting. Neither call mails anybody. By document only.
"""

import html
from datetime import datetime
from typing import Any

from connectors.sources.hubspot.api import BATCH, Api
from connectors.sources.hubspot.texts import has_line, with_line, without_line
from sync.errors import Gone, Refused
from sync.outlets import Archived

NOTE_TO_CONTACT = 202
LONGEST = 65_536
"""Characters of a description or a note."""
NOTES_LOOKED_AT = 500
"""The newest ones of the contacts, when it is not known whether a note was made."""
_LOCATION, _BODY = "hs_meeting_location", "hs_meeting_body"
_LABELS = {"recording": "Recording", "document": "Document", "attendance": "Attendance"}


async def put_link(api: Api, id_: str, link: str, former: str) -> bool:
    """The link as the meeting's location, or as a line of its description where a person wrote a location. True when it
    stands there; one call at most. Raises Refused when HubSpot did not keep it."""
    location, body = await _place(api, id_)
    ours = location.strip() in {"", former, link}
    fields = {}
    if ours and location.strip() != link:
        fields[_LOCATION] = link
    line = "" if ours else link
    wanted = body if line and has_line(body, line) else without_line(body, link)
    wanted = without_line(wanted, former) if former != line else wanted
    if line and not has_line(wanted, line):
        wanted = with_line(wanted, line)
    if len(wanted) > max(LONGEST, len(body)):
        raise Refused("a person wrote the meeting's location, and its description has no room for the link")
    if wanted != body:
        fields[_BODY] = wanted
    if fields:
        answer = await api.update("meetings", id_, fields)
        await _read_back(api, id_, fields, answer, line)
    return True


async def _read_back(api: Api, id_: str, fields: dict[str, str], answer: dict[str, Any], line: str) -> None:
    shown = answer.get("properties")
    if not isinstance(shown, dict) or not fields.keys() <= shown.keys():
        location, body = await _place(api, id_)
    else:
        location, body = str(shown.get(_LOCATION) or ""), str(shown.get(_BODY) or "")
    kept = location.strip() == fields[_LOCATION] if _LOCATION in fields else not line or has_line(body, line)
    if not kept:
        raise Refused("HubSpot answered that it changed the meeting, but it does not show the link")


async def _place(api: Api, id_: str) -> tuple[str, str]:
    """A meeting's location and description. Raises Gone."""
    row = (await api.batch("meetings", [id_], (_LOCATION, _BODY))).get(id_)
    if row is None:
        raise Gone("HubSpot does not show the meeting any more", 404)
    shown = row.get("properties")
    fields = shown if isinstance(shown, dict) else {}
    return str(fields.get(_LOCATION) or ""), str(fields.get(_BODY) or "")


async def add_note(api: Api, id_: str, artifact: Archived, now: datetime, *, doubted: bool) -> bool:
    """A note that says where the artifact is, on the meeting's contacts. False when it has none."""
    contacts = (await api.associated("meetings", "contacts", [id_]))[id_]
    if not contacts:
        return False
    where = artifact.url or artifact.path
    if doubted and await _is_noted(api, contacts, where):
        return True
    to_contact = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": NOTE_TO_CONTACT}]
    await api.create(
        "notes",
        {
            "properties": {
                "hs_timestamp": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                "hs_note_body": _note(artifact, where),
            },
            "associations": [{"to": {"id": contact}, "types": to_contact} for contact in contacts],
        },
    )
    return True


def _note(artifact: Archived, where: str) -> str:
    label = f"{_LABELS[artifact.kind]}: {artifact.name}"
    shown = html.escape(where)
    there = f'<a href="{shown}">{shown}</a>' if artifact.url else f"{shown} in the archive"
    return f"<p>{html.escape(label)}<br>{there}</p>"


async def _is_noted(api: Api, contacts: tuple[str, ...], where: str) -> bool:
    """Whether a note of these contacts names the place. Their notes are asked for and not searched: a search would not
    show yet what was made a moment ago."""
    notes: set[str] = set()
    for first in range(0, len(contacts), BATCH):
        for some in (await api.associated("contacts", "notes", contacts[first : first + BATCH])).values():
            notes.update(some)
    newest = sorted(notes, key=lambda ref: (len(ref), ref), reverse=True)[:NOTES_LOOKED_AT]
    for first in range(0, len(newest), BATCH):
        for row in (await api.batch("notes", newest[first : first + BATCH], ("hs_note_body",))).values():
            fields = row.get("properties")
            body = html.unescape(str(fields.get("hs_note_body") or "")) if isinstance(fields, dict) else ""
            if where in body:
                return True
    return False
