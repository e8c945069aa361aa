"""`meeting.json`: what lies in a meeting's folder of the archive, and whose meeting it was. Pure."""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sync.artifacts.places import without_links
from sync.degrade import instant_text
from sync.ledger.records import Occurrence, Pulled, PulledState
from sync.model import recurrence_text

VERSION = 1


def manifest(occurrence: Occurrence, pulled: Iterable[Pulled]) -> bytes:
    """The manifest as JSON (UTF-8, the same bytes for the same things). No web address is left in what people and
    vendors wrote: the archive is passed on, and a link would be passed on with it.

    Times are UTC, `size` is in bytes, `duration_s` in seconds; `file` is the name in the same folder, null while there
    is none; `note` says what is still to come or what went wrong.
    """
    content = {
        "convener_manifest": VERSION,
        "route": occurrence.route,
        "vendor": occurrence.vendor,
        "session": occurrence.session,
        "key": str(occurrence.key),
        "uid": occurrence.key.uid,
        "recurrence_id": recurrence_text(occurrence.key.recurrence_id),
        "title": without_links(occurrence.title),
        "start": instant_text(occurrence.start),
        "end": instant_text(occurrence.end),
        "organizer": occurrence.organizer,
        "participants": [
            {"email": p.email, "name": without_links(p.name), "role": p.role.value} for p in occurrence.people
        ],
        "artifacts": [_artifact(one) for one in sorted(pulled, key=lambda one: (one.kind, one.ref, one.session))],
    }
    text = json.dumps(content, ensure_ascii=False, indent=2) + "\n"
    return text.encode("utf-8", "replace")


def _artifact(pulled: Pulled) -> dict[str, Any]:
    return {
        "kind": pulled.kind,
        "id": pulled.ref,
        "name": without_links(pulled.name),
        "file": pulled.path.rpartition("/")[2] if pulled.path and pulled.state is PulledState.STORED else None,
        "media_type": pulled.media_type,
        "size": pulled.size,
        "sha256": pulled.sha256 or None,
        "duration_s": pulled.duration,
        "created": _instant(pulled.created),
        "stored": _instant(pulled.stored_at),
        "state": pulled.state.value,
        "status": without_links(pulled.status),
        "note": without_links("; ".join(text for text in (pulled.problem, pulled.more) if text)),
    }


def _instant(instant: datetime | None) -> str | None:
    return None if instant is None else instant_text(instant)
