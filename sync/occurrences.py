"""Which occurrences have a session, kept in step with the calendar until they are over. Pure.

Feeds, mails and looks for artifacts follow occurrences; links follow sessions. They differ where a whole series has one
standing room.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from sync.ledger.records import Link, LinkState, Occurrence
from sync.model import Capabilities, Meeting, MeetingKey
from sync.route import Route
from sync.snapshot import Snapshot


def keys_with_a_session(route: Route, meetings: Iterable[Meeting], links: Mapping[MeetingKey, Link]) -> list[str]:
    """The keys (as text) of the meetings that take place in a session of the route."""
    return [str(meeting.key) for meeting in meetings if _link(route, meeting, links)]


def keep(
    route: Route,
    capabilities: Capabilities,
    snapshot: Snapshot,
    links: Mapping[MeetingKey, Link],
    known: Mapping[str, Occurrence],
    now: datetime,
) -> list[Occurrence]:
    """The occurrences that a read of the calendar changes. `known` are those of the ledger, by key as text: at least
    all that have not ended and all that the snapshot names.

    What is over stays as it was: its artifacts are filed under what it was called then. One that does not take place
    any more is kept without a session.
    """
    saved: list[Occurrence] = []
    cancelled = {str(meeting.key) for meeting in snapshot.meetings if meeting.cancelled}
    present: set[str] = set()
    for meeting in snapshot.meetings:
        link = None if meeting.cancelled else _link(route, meeting, links)
        if link is None:
            continue
        key = str(meeting.key)
        present.add(key)
        before = known.get(key)
        if before is not None and before.end <= now and meeting.end <= now:
            continue
        after = _as_shown(route, meeting, link, before)
        if before is None or (after.start, after.end, after.session) != (before.start, before.end, before.session):
            first = route.looks[0] if capabilities.leaves_artifacts and route.looks else None
            after = replace(after, looks=0, failures=0, look_at=None if first is None else after.end + first)
        if after != before:
            saved.append(after)
    by_text = {str(key): link for key, link in links.items()}
    upcoming = [one for key, one in known.items() if one.end > now and key not in present]
    off = [one for one in upcoming if one.session and _is_off(one, by_text.get(one.link), cancelled, snapshot)]
    return saved + [replace(one, session="", look_at=None) for one in off]


def _link(route: Route, meeting: Meeting, links: Mapping[MeetingKey, Link]) -> Link | None:
    """The link of the meeting, or of the standing room of its series."""
    if route.match.mismatch(meeting):
        return None
    link = links.get(meeting.key) or links.get(replace(meeting.key, recurrence_id=None))
    return link if link is not None and link.has_session else None


def _as_shown(route: Route, meeting: Meeting, link: Link, before: Occurrence | None) -> Occurrence:
    shown = Occurrence(
        route=route.name,
        key=meeting.key,
        link=str(link.key),
        vendor=link.vendor,
        session=str(link.session),
        title=meeting.title,
        start=meeting.start,
        end=meeting.end,
        location=meeting.location,
        description=meeting.description,
        organizer=meeting.organizer,
        people=tuple(
            replace(p, language=None, declined=False)
            for p in meeting.participants
            if route.declined == "keep" or not p.declined
        ),
    )
    if before is None:
        return shown
    return replace(
        shown,
        sequence=before.sequence,
        published=before.published,
        changed_at=before.changed_at,
        looks=before.looks,
        look_at=before.look_at,
        failures=before.failures,
        problem=before.problem,
        folder=before.folder,
        manifest_due=before.manifest_due,
    )


def _is_off(one: Occurrence, link: Link | None, cancelled: set[str], snapshot: Snapshot) -> bool:
    """Whether it is proved that the occurrence does not take place. A session of its own has its link to say so."""
    if link is None or link.state is LinkState.CANCELLED:
        return True
    if one.link == str(one.key):
        return False
    return str(one.key) in cancelled or snapshot.proves_absent(one.key, snapshot.window.overlaps(one.start, one.end))
