"""Which occurrences have a session, kept in step with the calendar until they are over. Pure.

Feeds, mails and looks for artifacts follow occurrences; links follow sessions. They differ where a whole series has one
standing room: an occurrence that disappears from there is no step of a plan, so it is guarded here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sync.guard import crowd
from sync.ledger.records import Link, LinkState, Occurrence
from sync.model import Capabilities, Meeting, MeetingKey
from sync.rekey import FURTHEST_MOVE
from sync.route import Route
from sync.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Kept:
    """The occurrences that have changed; and how many that seem to be gone are held back, with the reason."""

    changed: list[Occurrence]
    held: int = 0
    reason: str = ""


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
    *,
    force: bool = False,
) -> Kept:
    """What a read of the calendar changes. `known` are the occurrences of the ledger, by key as text: at least all that
    have not ended and all that the snapshot names.

    What is over stays as it was: its artifacts are filed under what it was called then. One that does not take place
    any more is kept without a session. One that disappears from a room that others still use is `gone`; where nobody
    uses it any more, the room is to be removed, which is a step of the plan and guarded there.
    """
    saved: list[Occurrence] = []
    shown = {str(meeting.key) for meeting in snapshot.meetings if not meeting.cancelled}
    cancelled = {str(meeting.key) for meeting in snapshot.meetings if meeting.cancelled}
    places: dict[str, str] = {}
    for meeting in snapshot.meetings:
        link = None if meeting.cancelled else _link(route, meeting, links)
        if link is None:
            continue
        key = str(meeting.key)
        places[key] = str(link.key)
        before = known.get(key)
        if before is not None and before.end <= now and meeting.end <= now:
            continue
        after = _as_shown(route, meeting, link, before)
        if before is None or (after.start, after.end, after.session) != (before.start, before.end, before.session):
            first = route.looks[0] if capabilities.leaves_artifacts and route.looks else None
            after = replace(after, looks=0, failures=0, look_at=None if first is None else after.end + first)
        if after != before:
            saved.append(after)
    upcoming = [one for one in known.values() if one.end > now and str(one.key) not in places and not one.off]
    by_text = {str(key): link for key, link in links.items()}
    off = [one for one in upcoming if str(one.key) in cancelled or _is_over(by_text.get(one.link))]
    used, missing = set(places.values()), [one for one in upcoming if one not in off and str(one.key) not in shown]
    # One that a person made us forget has no session that could be guarded.
    off += [one for one in missing if not one.session and one.link not in by_text and _is_absent(one, snapshot)]
    gone = [one for one in missing if one.session and one.link in used and _is_absent(one, snapshot)]
    moved = _moved(gone, [one for one in saved if str(one.key) not in known])
    dropped = [one for one in gone if one not in moved]
    held, reason = ([], "") if force else _held(dropped, len(upcoming) + len(places), route, now)
    off += [one for one in gone if one not in held]
    return Kept(saved + [replace(one, session="", look_at=None, off=True) for one in off], len(held), reason)


def _link(route: Route, meeting: Meeting, links: Mapping[MeetingKey, Link]) -> Link | None:
    """The link of the meeting, or of the standing room of its series."""
    if route.match.mismatch(meeting):
        return None
    of_its_own, of_the_room = links.get(meeting.key), links.get(replace(meeting.key, recurrence_id=None))
    return next((link for link in (of_its_own, of_the_room) if link is not None and link.has_session), None)


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


def _is_over(link: Link | None) -> bool:
    """Whether the session was taken away for good. A link that is not there (any more) proves nothing."""
    return link is not None and link.state is LinkState.CANCELLED


def _is_absent(one: Occurrence, snapshot: Snapshot) -> bool:
    return snapshot.proves_absent(one.key, snapshot.window.overlaps(one.start, one.end))


def _moved(gone: list[Occurrence], new: list[Occurrence]) -> list[Occurrence]:
    """Those whose series was moved: another occurrence of it has appeared nearby in the same room for each."""
    moved: list[Occurrence] = []
    free = list(new)
    for one in gone:
        near = [other for other in free if _same_series(one, other) and abs(other.start - one.start) < FURTHEST_MOVE]
        if near:
            free.remove(min(near, key=lambda other: abs(other.start - one.start)))
            moved.append(one)
    return moved


def _same_series(one: Occurrence, other: Occurrence) -> bool:
    return (one.link, one.key.uid) == (other.link, other.key.uid)


def _held(gone: list[Occurrence], live: int, route: Route, now: datetime) -> tuple[list[Occurrence], str]:
    """Those that look like an accident, by the guard's rules for sessions."""
    if finding := crowd(len(gone), live, route, "occurrences"):
        return gone, finding.message
    soon = [one for one in gone if one.start - route.freeze <= now < one.end]
    minutes = int(route.freeze.total_seconds() // 60)
    return soon, f"it runs or starts within {minutes} minutes; `--force` does it all the same" if soon else ""
