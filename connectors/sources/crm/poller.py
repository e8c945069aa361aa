"""The source that polls a CRM. What it knows is the sum of all its reads; what is gone, it asks for.

    changed since -> participants -> which of the known ones exist -> Snapshot

A CRM says what changed, but neither what was deleted nor, often, who takes part; and what it says may come late, twice
or in a moved order. So each read begins some time before the newest change that was seen, goes on from the last stamp
of each page instead of counting pages, and asks for what it knows already. A record that two looks in a row did not see
is gone; lost permission looks the same, which is what the guard is for.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from typing import TypeVar

from connectors.sources.crm.api import Crm, Page, Record
from connectors.sources.crm.settings import CrmSettings
from connectors.sources.crm.state import State, pack, unpack
from sync.errors import Gone, OutsideError, Refused, Unreachable
from sync.model import Document, Finding, Meeting, MeetingKey, Participant, Role, Window, content_digest
from sync.outlets import Archived
from sync.ports import Fetched
from sync.snapshot import Rejected, Snapshot, Trouble

T = TypeVar("T")

MOST_PAGES = 2_000
"""Of one read: what needs more does not come to an end."""
MOST_RECORDS = 200_000
"""That are kept; a calendar with more is not one that people meet in."""
FULL_EVERY = 100
"""How many reads there are from one that reads everything to the next, for what the CRM failed to say."""
GONE_AFTER = 2
"""How many looks in a row have to miss a record before it is gone."""
SHOWN = 5
"""How many meetings `check` shows."""


@dataclass(slots=True)
class _Read:
    """One read under way: what came so far, and what went wrong."""

    state: State
    fresh: dict[str, Record] = field(default_factory=dict)
    nameless: list[Record] = field(default_factory=list)
    trouble: str = ""

    async def attempt(self, work: Awaitable[T], otherwise: T) -> T:
        """The work's result; what fails makes the read a partial one."""
        try:
            return await work
        except OutsideError as error:
            self.trouble = self.trouble or str(error)
            return otherwise


class CrmSource:
    """A CRM as a source of meetings that can be written. Implements `Source` and `WritableSource`."""

    def __init__(
        self, name: str, settings: CrmSettings, crm: Crm, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.name = name
        self._settings = settings
        self._crm = crm
        self._now = now
        self._origin = content_digest(name, settings.model_dump_json(exclude={"poll", "sweep_every", "hook_secret"}))
        self._one_at_a_time = asyncio.Lock()
        self._kept: tuple[bytes, State] | None = None
        self._ids: dict[MeetingKey, str] = {}

    async def close(self) -> None:
        """Let go of connections."""
        await self._crm.close()

    async def check(self) -> tuple[Finding, ...]:
        """Log in and show how the first meetings are understood. Raises OutsideError, and ConfigurationError for a
        mapping that cannot be right."""
        findings = list(await self._crm.check())
        page = await self._crm.changed(None, "", self._now())
        findings += [_shown(record) for record in islice(page.records, SHOWN)]
        if not page.records:
            findings.append(Finding("feed-empty", "there are no meetings to come, or the account may see none"))
        return tuple(findings)

    async def document(self, document: Document, validator: str) -> Fetched | None:
        """No CRM brings documents so far."""
        raise Refused("this source brings no documents")

    async def fetch(self, cursor: bytes | None, window: Window, known: Collection[MeetingKey]) -> Snapshot:
        """One read. Never raises for what the outside does: the snapshot says what went wrong."""
        async with self._one_at_a_time:
            before = await asyncio.to_thread(self._recall, cursor)
            read = _Read(before.copy())
            await self._read_changes(read, window)
            if read.trouble and not (read.fresh or read.nameless):
                return Snapshot(self.name, window, trouble=Trouble.UNREADABLE, reason=read.trouble)
            ours = frozenset(key for key in known if key.source == self.name)
            relevant = self._relevant(read, window, ours)
            await self._read_people(read, relevant)
            await self._look_for_known(read, relevant, ours)
            snapshot = await asyncio.to_thread(self._evaluate, read, before, window, ours)
            return replace(snapshot, notices=await self._notices(before))

    async def write_link(self, key: MeetingKey, link: str, former: str) -> bool:
        """See the port `WritableSource`."""
        id_ = self._id(key)
        return id_ is not None and await self._where_it_is(self._crm.write_link(id_, link, former))

    async def add_artifact(self, key: MeetingKey, artifact: Archived, *, doubted: bool) -> bool:
        """See the port `WritableSource`."""
        id_ = self._id(key)
        return id_ is not None and await self._where_it_is(self._crm.add_artifact(id_, artifact, doubted=doubted))

    def _id(self, key: MeetingKey) -> str | None:
        """What is over is not kept, but its recording may come later."""
        return self._ids.get(key, key.uid if key.recurrence_id is None else None)

    @staticmethod
    async def _where_it_is(work: Awaitable[bool]) -> bool:
        try:
            return await work
        except Gone:
            return False

    async def _notices(self, before: State) -> tuple[Finding, ...]:
        with suppress(OutsideError):  # the read itself tells what is wrong
            return await self._crm.notices() if before.reads % FULL_EVERY == 0 else ()
        return ()

    def _recall(self, cursor: bytes | None) -> State:
        if self._kept is not None and self._kept[0] == cursor:
            return self._kept[1]
        return unpack(cursor, self.name, self._origin) or State()

    async def _read_changes(self, read: _Read, window: Window) -> None:
        """What changed since the last read; and now and then everything that is still to come."""
        state = read.state
        if state.watermark is not None:
            await read.attempt(self._pages(read, state.watermark - self._settings.overlap, None), None)
        if not read.trouble and (state.watermark is None or state.reads % FULL_EVERY == 0):
            # Without stamps only the whole tells of a known meeting that moved into the past.
            ends_after = None if state.watermark is None and state.known else window.start
            await read.attempt(self._pages(read, None, ends_after), None)

    async def _pages(self, read: _Read, since: datetime | None, ends_after: datetime | None) -> None:
        """All pages of one question. The next one is asked for by the last stamp of the one before, so that records
        which change meanwhile and move to the end let none behind them slip through; by the CRM's own counting only
        among records of one and the same stamp, or when they do not come in order."""
        after = ""
        for _ in range(MOST_PAGES):
            page = await self._crm.changed(since, after, ends_after)
            for record in page.records:
                if record.id:
                    read.fresh[record.id] = record
                else:
                    read.nameless.append(record)
            if not page.after:
                return
            if len(read.fresh) > MOST_RECORDS:
                raise Unreachable(f"it has more than {MOST_RECORDS} meetings")
            last = _last_stamp(page)
            if last is not None and (since is None or last > since):
                since, after = last, ""
            else:
                after = page.after
        raise Unreachable(f"its list does not come to an end (more than {MOST_PAGES} pages)")

    async def _read_people(self, read: _Read, relevant: Collection[str]) -> None:
        """Who takes part: changes of that are not changes of the record."""
        state = read.state
        new = (read.fresh.keys() | state.unpeopled) & set(relevant)
        ids = list(relevant) if self._sweeps(read) else sorted(new)
        state.unpeopled |= read.fresh.keys() - set(relevant)
        for some in _batches(ids, self._crm.batch):
            found = await read.attempt(self._crm.people(some), None)
            for id_ in some:
                record = read.fresh.get(id_) or state.known[id_]
                before = state.known.get(id_)
                if found is None and (before is None or before.meeting is None or id_ in state.unpeopled):
                    read.fresh.pop(id_, None)  # it waits until it is known who takes part
                elif record.meeting is not None and found is None and before and before.meeting:
                    read.fresh[id_] = _with_people(record, record.meeting, before.meeting.participants)
                elif record.meeting is not None and found is not None and id_ in found:
                    read.fresh[id_] = _with_people(record, record.meeting, found[id_])
            if found is not None:
                state.unpeopled.difference_update(some)

    async def _look_for_known(self, read: _Read, relevant: Collection[str], known: Collection[MeetingKey]) -> None:
        """Deleted records are in no list: they are asked for; those too of which only the session is known."""
        state = read.state
        if read.trouble or not self._sweeps(read):
            return
        named = {_key(record) for record in (*state.known.values(), *read.fresh.values())}
        ids = list(dict.fromkeys([*relevant, *(key.uid for key in known if key not in named)]))
        there: set[str] = set()
        for some in _batches(ids, self._crm.batch):
            there |= set(await read.attempt(self._crm.existing(some), ()))
        if not read.trouble:  # another route of this source may ask for others
            others = {
                id_: misses for id_, misses in state.misses.items() if id_ not in ids and self._is_kept(id_, read)
            }
            state.misses = others | {id_: state.misses.get(id_, 0) + 1 for id_ in ids if id_ not in there}

    def _is_kept(self, id_: str, read: _Read) -> bool:
        return id_ in read.state.known or read.state.reads % FULL_EVERY != 0

    def _sweeps(self, read: _Read) -> bool:
        return read.state.reads % self._settings.sweep_every == 0

    def _relevant(self, read: _Read, window: Window, known: Collection[MeetingKey]) -> list[str]:
        """The ids of the meetings of which anything may follow now."""
        return [
            id_
            for id_, one in {**read.state.known, **read.fresh}.items()
            if one.meeting is not None and not one.meeting.cancelled and _matters(one.meeting, window, known)
        ]

    def _evaluate(self, read: _Read, before: State, window: Window, known: frozenset[MeetingKey]) -> Snapshot:
        state = read.state
        state.known.update(read.fresh)
        keys = {id_: key for id_, record in state.known.items() if (key := _key(record)) is not None}
        self._ids = {key: id_ for id_, key in keys.items()}
        rejected = [Rejected(None, None, one.problem or "it has no id") for one in read.nameless]
        unproved = {key for key in known - self._ids.keys() if state.misses.get(key.uid, 0) < GONE_AFTER}
        meetings = []
        for id_, record in state.known.items():
            misses = state.misses.get(id_, 0)
            if problem := record.problem or _nonsense(record.meeting):
                rejected.append(Rejected(record.uid or id_, None, problem))
            elif record.meeting is None or 0 < misses < GONE_AFTER:
                unproved.add(keys.get(id_, MeetingKey(self.name, record.uid or id_)))
            elif not misses and self._wanted(record.meeting) and _matters(record.meeting, window, known):
                meetings.append(_with_organizer(record.meeting))
        snapshot = Snapshot(
            source=self.name,
            window=window,
            meetings=tuple(meetings),
            asked=known,
            rejected=tuple(rejected),
            unproved=frozenset(unproved),
            trouble=Trouble.PARTIAL if read.trouble else Trouble.NONE,
            reason=read.trouble,
        )
        return snapshot if read.trouble else self._remembered(snapshot, read, before, known)

    def _remembered(self, snapshot: Snapshot, read: _Read, before: State, known: frozenset[MeetingKey]) -> Snapshot:
        """With the cursor of a whole read."""
        state, window = read.state, snapshot.window
        state.known = {
            id_: one
            for id_, one in state.known.items()
            if one.meeting is None or one.meeting.key in known or one.meeting.end >= window.start
        }
        state.unpeopled &= state.known.keys()
        stamps = [one.updated for one in read.fresh.values() if one.updated is not None]
        believed = [stamp for stamp in stamps if stamp < window.end]  # one far in the future would stop all reading
        state.watermark = max([*believed, *([state.watermark] if state.watermark else [])], default=None)
        state.reads += 1
        unchanged = before.reads > 0 and (state.known, state.misses) == (before.known, before.misses)
        packed = pack(state, self._origin)
        self._kept = packed, state
        return replace(snapshot, cursor=packed, unchanged=unchanged)

    def _wanted(self, meeting: Meeting) -> bool:
        """Whether the settings do not leave it out."""
        if meeting.all_day and not self._settings.all_day:
            return False
        return self._settings.tentative or not meeting.tentative or meeting.cancelled


def _last_stamp(page: Page) -> datetime | None:
    """The newest stamp of a page whose records are in order, None otherwise."""
    stamps = [record.updated for record in page.records]
    known = [stamp for stamp in stamps if stamp is not None]
    return known[-1] if known and len(known) == len(stamps) and known == sorted(known) else None


def _key(record: Record) -> MeetingKey | None:
    return record.meeting.key if record.meeting is not None else None


def _nonsense(meeting: Meeting | None) -> str:
    return "it ends before it starts" if meeting is not None and meeting.end < meeting.start else ""


def _matters(meeting: Meeting, window: Window, known: Collection[MeetingKey]) -> bool:
    return meeting.key in known or window.overlaps(meeting.start, meeting.end)


def _with_people(record: Record, meeting: Meeting, people: tuple[Participant, ...]) -> Record:
    return replace(record, meeting=replace(meeting, participants=people))


def _with_organizer(meeting: Meeting) -> Meeting:
    """Who organises a meeting moderates it, also when the CRM does not list them."""
    if not meeting.organizer or any(person.email == meeting.organizer for person in meeting.participants):
        return meeting
    organizer = Participant(meeting.organizer, meeting.organizer_name, Role.MODERATOR)
    return replace(meeting, participants=(*meeting.participants, organizer))


def _batches(ids: Sequence[str], size: int) -> Iterable[Sequence[str]]:
    return (ids[first : first + size] for first in range(0, len(ids), size))


def _shown(record: Record) -> Finding:
    meeting, name = record.meeting, record.id or "a record without an id"
    if meeting is None:
        why = "it is private, and left alone" if record.private else record.problem
        return Finding("record-left-out", f"{name}: {why}")
    when = f"{meeting.start:%Y-%m-%d %H:%M} to {meeting.end:%Y-%m-%d %H:%M} UTC"
    notes = ", ".join(word for word in ("cancelled", "all_day", "tentative") if getattr(meeting, word))
    return Finding("mapped", f"{name}: {meeting.title or '(no title)'}, {when}{f' ({notes})' if notes else ''}")
