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
    seen = [(meeting, link) for meeting in snapshot.meetings if (link := _place(route, meeting, links)) is not None]
    saved = []
    for meeting, link in seen:
        before = known.get(str(meeting.key))
        if before is not None and before.end <= now and meeting.end <= now:
            continue
        after = _with_looks(_as_shown(route, meeting, link, before), before, route, capabilities)
        if after != before:
            saved.append(after)
    present = {str(meeting.key) for meeting, _ in seen}
    missing = {key: one for key, one in known.items() if one.end > now and key not in present and not one.off}
    off, gone = _off_and_gone(missing, snapshot, links, {str(link.key) for _, link in seen})
    moved = _moved(gone, [one for one in saved if str(one.key) not in known])
    dropped = [one for one in gone if str(one.key) not in moved]
    held, reason = (set[str](), "") if force else _held(dropped, len(missing) + len(present), route, now)
    off += [one for one in gone if str(one.key) not in held]
    return Kept(saved + [replace(one, session="", look_at=None, off=True) for one in off], len(held), reason)


def _off_and_gone(
    missing: Mapping[str, Occurrence], snapshot: Snapshot, links: Mapping[MeetingKey, Link], used: set[str]
) -> tuple[list[Occurrence], list[Occurrence]]:
    """Of the occurrences that are not in a session: those that are certainly off, and those that are only absent, from
    rooms that are still used."""
    by_text = {str(key): link for key, link in links.items()}
    cancelled = {str(meeting.key) for meeting in snapshot.meetings if meeting.cancelled}
    shown = {str(meeting.key) for meeting in snapshot.meetings if not meeting.cancelled}
    off, gone = [], []
    for key, one in missing.items():
        link = by_text.get(one.link)
        absent = key not in shown and snapshot.proves_absent(one.key, snapshot.window.overlaps(one.start, one.end))
        # One that a person made us forget has no link and no session that could be guarded.
        forgotten = absent and link is None and not one.session
        if key in cancelled or forgotten or (link is not None and link.state is LinkState.CANCELLED):
            off.append(one)
        elif absent and one.session and one.link in used:
            gone.append(one)
    return off, gone


def _place(route: Route, meeting: Meeting, links: Mapping[MeetingKey, Link]) -> Link | None:
    """The link in whose session the meeting takes place."""
    return None if meeting.cancelled else _link(route, meeting, links)


def _with_looks(after: Occurrence, before: Occurrence | None, route: Route, capabilities: Capabilities) -> Occurrence:
    """With the schedule of its looks begun anew when it has another time or session."""
    if before is not None and (after.start, after.end, after.session) == (before.start, before.end, before.session):
        return after
    first = route.looks[0] if capabilities.leaves_artifacts and route.looks else None
    return replace(after, looks=0, failures=0, look_at=None if first is None else after.end + first)


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


def _moved(gone: list[Occurrence], new: list[Occurrence]) -> set[str]:
    """The keys (as text) of those whose series was moved: for each, another occurrence of it has appeared nearby in the
    same room."""
    moved: set[str] = set()
    free = list(new)
    for one in gone:
        near = [other for other in free if _same_series(one, other) and abs(other.start - one.start) < FURTHEST_MOVE]
        if near:
            free.remove(min(near, key=lambda other: abs(other.start - one.start)))
            moved.add(str(one.key))
    return moved


def _same_series(one: Occurrence, other: Occurrence) -> bool:
    return (one.link, one.key.uid) == (other.link, other.key.uid)


def _held(dropped: list[Occurrence], live: int, route: Route, now: datetime) -> tuple[set[str], str]:
    """The keys (as text) of those that look like an accident, by the guard's rules for sessions, and the reason."""
    if finding := crowd(len(dropped), live, route, "occurrences"):
        return {str(one.key) for one in dropped}, finding.message
    soon = {str(one.key) for one in dropped if one.start - route.freeze <= now < one.end}
    minutes = int(route.freeze.total_seconds() // 60)
    return soon, f"it runs or starts within {minutes} minutes; `--force` does it all the same" if soon else ""
