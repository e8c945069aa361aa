"""What the poller remembers between two reads: how far it has read, and every meeting that it knows.

Nobody else reads it. What is damaged, of another version or made with other settings is no error: it is as if there
were nothing, and the CRM is read anew.
"""

import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from connectors.sources.crm.api import Record
from sync.model import Finding, Meeting, MeetingKey, Participant, Role, parse_recurrence, recurrence_text

MAX_UNPACKED = 256 * 1024 * 1024
"""Bytes: far more than a million meetings are never kept."""

_VERSION = b"crm\x01"
_SEAL = 16


@dataclass(slots=True)
class State:
    """`watermark` is the newest stamp that was seen (the CRM's clock), `reads` counts whole reads, `known` are the
    records by id, `unpeopled` those of them whose participants were not read yet, `misses` how many looks in a row did
    not see an id that was known, `emptied` how many saw nobody in a meeting that had participants."""

    watermark: datetime | None = None
    reads: int = 0
    known: dict[str, Record] = field(default_factory=dict)
    unpeopled: set[str] = field(default_factory=set)
    misses: dict[str, int] = field(default_factory=dict)
    emptied: dict[str, int] = field(default_factory=dict)

    def copy(self) -> "State":
        """One that can be changed without this one."""
        return State(
            self.watermark, self.reads, dict(self.known), set(self.unpeopled), dict(self.misses), dict(self.emptied)
        )


def pack(state: State, origin: str) -> bytes:
    """The cursor; `origin` is a digest of what changes the meaning of the records."""
    document = {
        "origin": origin,
        "watermark": _stamp(state.watermark),
        "reads": state.reads,
        "unpeopled": sorted(state.unpeopled),
        "misses": state.misses,
        "emptied": state.emptied,
        "known": [_card(record) for record in state.known.values()],
    }
    packed = zlib.compress(json.dumps(document, separators=(",", ":")).encode(), 1)
    return _VERSION + hashlib.sha256(packed).digest()[:_SEAL] + packed


def unpack(cursor: bytes | None, source: str, origin: str) -> State | None:
    """What was packed, None when that cannot be used."""
    if not cursor or not cursor.startswith(_VERSION):
        return None
    seal, packed = cursor[len(_VERSION) :][:_SEAL], cursor[len(_VERSION) + _SEAL :]
    if hashlib.sha256(packed).digest()[:_SEAL] != seal:
        return None
    try:
        document = json.loads(zlib.decompressobj().decompress(packed, MAX_UNPACKED))
        if document["origin"] != origin:
            return None
        return State(
            watermark=_instant(document["watermark"]),
            reads=int(document["reads"]),
            known={card["id"]: _record(card, source) for card in document["known"]},
            unpeopled=set(document["unpeopled"]),
            misses={str(id_): int(count) for id_, count in document["misses"].items()},
            emptied={str(id_): int(count) for id_, count in document["emptied"].items()},
        )
    except (ValueError, KeyError, TypeError, zlib.error):
        return None


def _card(record: Record) -> dict[str, Any]:
    card: dict[str, Any] = {"id": record.id, "updated": _stamp(record.updated)}
    if record.problem:
        card["problem"] = record.problem
    if record.private:
        card["private"] = True
    if record.uid:
        card["uid"] = record.uid
    if (meeting := record.meeting) is not None:
        card["meeting"] = {
            "uid": meeting.key.uid,
            "recurrence": recurrence_text(meeting.key.recurrence_id),
            "start": meeting.start.isoformat(),
            "end": meeting.end.isoformat(),
            "people": [[p.email, p.name, p.role, p.language, p.declined] for p in meeting.participants],
            "findings": [[finding.code, finding.message] for finding in meeting.findings],
            **{name: getattr(meeting, name) for name in _PLAIN if getattr(meeting, name)},
        }
    return card


_PLAIN = (
    "title",
    "organizer",
    "organizer_name",
    "description",
    "location",
    "categories",
    "all_day",
    "tentative",
    "cancelled",
    "conference_links",
)
"""The fields of a meeting that JSON holds as they are (tuples as lists)."""


def _record(card: Mapping[str, Any], source: str) -> Record:
    given = card.get("meeting")
    meeting = None
    if given is not None:
        plain = {name: given[name] for name in _PLAIN if name in given}
        for name in ("categories", "conference_links"):
            plain[name] = tuple(plain.get(name, ()))
        meeting = Meeting(
            key=MeetingKey(source, given["uid"], parse_recurrence(given["recurrence"])),
            start=datetime.fromisoformat(given["start"]),
            end=datetime.fromisoformat(given["end"]),
            participants=tuple(
                Participant(email, name, Role(role), language, declined)
                for email, name, role, language, declined in given["people"]
            ),
            findings=tuple(Finding(code, message) for code, message in given["findings"]),
            **({"title": ""} | plain),
        )
    return Record(
        id=card["id"],
        updated=_instant(card["updated"]),
        meeting=meeting,
        problem=card.get("problem", ""),
        private=card.get("private", False),
        uid=card.get("uid", ""),
    )


def _stamp(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
