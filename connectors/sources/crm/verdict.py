"""What a read of a CRM proves: the snapshot, and what is remembered of it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from connectors.sources.crm.api import Record
from connectors.sources.crm.looks import GONE_AFTER
from connectors.sources.crm.read import Read
from connectors.sources.crm.settings import CrmSettings
from sync.model import Meeting, MeetingKey, Participant, Role
from sync.snapshot import Rejected, Snapshot, Trouble

BELIEVED = timedelta(hours=1)
"""So far ahead of the clock here a stamp may be; one that is further ahead would stop all reading."""

_NEVER = datetime.min.replace(tzinfo=UTC)


def snapshot_of(source: str, read: Read, keys: Mapping[str, MeetingKey], settings: CrmSettings) -> Snapshot:
    """The sum of all reads. `keys` are those of the meetings by id."""
    state = read.state
    rejected = [Rejected(None, None, one.problem or "it has no id") for one in read.nameless]
    unknown = read.known - frozenset(keys.values())
    unproved = {key for key in unknown if state.misses.get(key.uid, 0) < GONE_AFTER}
    meetings: dict[MeetingKey, Record] = {}
    for id_, record in read.everything.items():
        misses, problem = state.misses.get(id_, 0), record.problem or _nonsense(record.meeting)
        if misses >= GONE_AFTER:
            continue
        if problem and not misses:
            rejected.append(Rejected(record.uid or id_, None, problem))
        elif problem or record.meeting is None or misses:
            unproved.add(keys.get(id_, MeetingKey(source, record.uid or id_)))
        elif _wanted(record.meeting, settings) and read.matters(record.meeting):
            same = meetings.get(record.meeting.key)
            if same is None or (same.updated or _NEVER) <= (record.updated or _NEVER):
                meetings[record.meeting.key] = record
    return Snapshot(
        source=source,
        window=read.window,
        meetings=tuple(_with_organizer(one.meeting) for one in meetings.values() if one.meeting is not None),
        asked=read.known,
        rejected=tuple(rejected),
        unproved=frozenset(unproved),
        trouble=Trouble.PARTIAL if read.trouble else Trouble.NONE,
        reason=read.trouble,
    )


def remember(read: Read, now: datetime) -> None:
    """Make the state what a whole read leaves."""
    state = read.state
    state.known = {id_: one for id_, one in read.everything.items() if _is_worth_keeping(id_, one, read)}
    state.unpeopled &= state.known.keys()
    state.emptied = {id_: looks for id_, looks in state.emptied.items() if id_ in state.known}
    stamps = [one.updated for one in read.fresh.values() if one.updated is not None]
    believed = [stamp for stamp in stamps if stamp <= now + BELIEVED]
    state.watermark = max([*believed, *([state.watermark] if state.watermark else [])], default=None)
    state.reads += 1


def _is_worth_keeping(id_: str, record: Record, read: Read) -> bool:
    """Whether it still matters; what cannot be read or seen is kept until it is gone, or no full read brings it."""
    if record.meeting is not None:
        return record.meeting.key in read.known or record.meeting.end >= read.window.start
    return read.state.misses.get(id_, 0) < GONE_AFTER and (not read.is_full or id_ in read.told)


def _wanted(meeting: Meeting, settings: CrmSettings) -> bool:
    """Whether the settings do not leave it out."""
    if meeting.all_day and not settings.all_day:
        return False
    return settings.tentative or not meeting.tentative or meeting.cancelled


def _nonsense(meeting: Meeting | None) -> str:
    return "it ends before it starts" if meeting is not None and meeting.end < meeting.start else ""


def _with_organizer(meeting: Meeting) -> Meeting:
    """Who organises a meeting moderates it, also when the CRM does not list them."""
    if not meeting.organizer or any(person.email == meeting.organizer for person in meeting.participants):
        return meeting
    organizer = Participant(meeting.organizer, meeting.organizer_name, Role.MODERATOR)
    return replace(meeting, participants=(*meeting.participants, organizer))
