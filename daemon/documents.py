"""The JSON documents of the command line, as `docs/cli.md` describes them. Pure."""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from daemon.render_drift import words
from sync.change import Change
from sync.degrade import instant_text
from sync.ledger.drift import Drift, DriftCheck
from sync.ledger.records import Intent, Link, Mail, Occurrence, Pulled, Pushed, Registered
from sync.ledger.write_backs import LINK, WriteBack
from sync.model import recurrence_text
from sync.report import Exit, RouteReport


def json_text(document: Any) -> str:
    """The document as it is printed and served: in ASCII, so that no terminal or locale can break it."""
    return json.dumps(document, indent=2) + "\n"


def passes_document(reports: Iterable[RouteReport], code: Exit) -> dict[str, Any]:
    """What `plan` and `reconcile` print."""
    return {"routes": [_route(report) for report in reports], "exit": int(code)}


def links_document(links: Iterable[Link], now: datetime, *, personal: bool = False) -> dict[str, Any]:
    """What `links` prints; with the participants' own ways in, which are secrets, when `personal`."""
    rows = []
    for link in links:
        people = {"participants": [_person_row(person) for person in link.invitees]} if personal else {}
        rows.append(link_row(link, now) | people)
    return {"links": rows}


def link_row(link: Link, now: datetime) -> dict[str, Any]:
    """One link."""
    return {
        "key": str(link.key),
        "uid": link.key.uid,
        "recurrence_id": recurrence_text(link.key.recurrence_id),
        "route": link.route,
        "vendor": link.vendor,
        "session": link.session,
        "state": link.shown_state(now),
        "title": link.title,
        "start": instant_text(link.start),
        "end": instant_text(link.end),
        "join_url": link.join_url or None,
    }


def _person_row(person: Registered) -> dict[str, str | None]:
    return {
        "email": person.email,
        "role": person.role.value,
        "personal_link": person.personal_link or None,
        "expires": instant_text(person.link_expires) if person.personal_link and person.link_expires else None,
    }


def change_row(change: Change) -> dict[str, Any]:
    """One step of a plan; every field is always there."""
    return {
        "key": str(change.key),
        "action": change.action.value,
        "reason": change.reason,
        "link": change.link.value,
        "result": change.result.value,
        "session": change.session,
        "participant": change.person.email if change.person else None,
        "fields": [{"name": f.name, "from": f.before, "to": f.after} for f in change.fields],
        "findings": [{"code": f.code, "message": f.message} for f in change.findings],
    }


def explanation_row(
    report: RouteReport,
    now: datetime,
    *,
    verdict: str,
    key: str,
    link: Link | None,
    intents: Iterable[Intent],
    documents: Iterable[Pushed],
    looks: Iterable[Occurrence],
    artifacts: Iterable[Pulled],
    mails: Iterable[Mail],
    write_back: Iterable[WriteBack],
    drift: DriftCheck | None,
) -> dict[str, Any]:
    """One route's part of what `explain` prints; `key` (as text) is the one that the meeting's steps have there. Looks
    are listed where one was made or failed. `drift` is the last check of the route."""
    return {
        "route": report.route,
        "verdict": verdict,
        "link": link_row(link, now) if link else None,
        "problem": link.problem if link else None,
        # `stale` is what the calendar says and the vendor cannot change.
        "participants": [{"email": p.email, "role": p.role.value, "stale": p.stale} for p in link.invitees]
        if link
        else [],
        "stale": dict(link.stale) if link else {},
        "intents": [{"action": one.action, "opened": instant_text(one.opened_at)} for one in intents],
        "documents": [{"name": d.name, "state": d.state.value, "problem": d.problem or None} for d in documents],
        "looks": [_look_row(one) for one in looks if one.looks or one.problem],
        "artifacts": [
            {"key": a.key, "kind": a.kind, "name": a.name, "state": a.state.value, "problem": a.problem or None}
            for a in artifacts
        ],
        "mails": [
            {"key": m.key, "email": m.email, "method": m.method, "state": m.state.value, "problem": m.problem or None}
            for m in mails
        ],
        "write_back": [_write_back_row(one) for one in write_back],
        "drift": [_drift_row(one, drift) for one in drift.found if one.key == key] if drift else [],
        "changes": [change_row(change) for change in report.changes if str(change.key) == key],
    }


def _drift_row(one: Drift, check: DriftCheck) -> dict[str, Any]:
    return {
        "checked": instant_text(check.checked_at),
        "kind": one.kind,
        "outcome": one.outcome,
        "session": one.session,
        "fields": [{"name": f.name, "from": f.before, "to": f.after} for f in one.fields],
        "text": words(one),
    }


def _write_back_row(one: WriteBack) -> dict[str, Any]:
    is_link = one.thing == LINK
    return {
        "key": str(one.key),
        "what": "link" if is_link else "artifact",
        "name": one.name or None,
        "state": one.state.value,
        "link": one.written or None if is_link else None,
        "at": instant_text(one.written_at) if one.written_at else None,
        "problem": one.problem or None,
    }


def _look_row(one: Occurrence) -> dict[str, Any]:
    due = instant_text(one.look_at) if one.look_at else None
    return {"key": str(one.key), "made": one.looks, "next": due, "problem": one.problem or None}


def _route(report: RouteReport) -> dict[str, Any]:
    snapshot = report.snapshot
    return {
        "route": report.route,
        "source": report.source,
        "vendor": report.vendor,
        "snapshot": {
            "complete": snapshot.complete,
            "reason": snapshot.reason or ("" if snapshot.complete else "an entry without a readable UID"),
            "meetings": len(snapshot.meetings),
            "rejected": [{"uid": r.uid, "line": r.line, "reason": r.reason} for r in snapshot.rejected],
        },
        "changes": [change_row(change) for change in report.changes],
        "counts": report.counts,
        "digest": report.digest,
    }
