"""The source that polls a CRM. What it knows is the sum of all its reads; what is gone, it asks for.

    changed since -> participants -> which of the known ones exist -> Snapshot

A CRM says what changed, but neither what was deleted nor, often, who takes part; and what it says may come late, twice
or in a moved order. So each read begins some time before the newest change that was seen, goes on from the last stamp
of each page instead of counting pages, and asks for what it knows already. A record that two looks in a row did not see
is gone; lost permission looks the same, which is what the guard is for.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice

from connectors.sources.crm.api import Crm, Record
from connectors.sources.crm.changes import read_changes
from connectors.sources.crm.looks import look
from connectors.sources.crm.read import FULL_EVERY, Read
from connectors.sources.crm.settings import CrmSettings
from connectors.sources.crm.state import State, pack, unpack
from connectors.sources.crm.verdict import remember, snapshot_of
from sync.errors import ConfigurationError, Gone, OutsideError, Refused
from sync.model import Document, Finding, MeetingKey, Window, content_digest
from sync.outlets import Archived
from sync.ports import Fetched
from sync.snapshot import Snapshot, Trouble

SHOWN = 5
"""How many meetings `check` shows."""


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
        self._looked_at: datetime | None = None
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
        if page.records and all(record.problem for record in page.records):
            raise ConfigurationError(
                f"[sources.{self.name}]: no record can be read as a meeting: {findings[-1].message}"
            )
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
            read = self._begun(before, window, known)
            await read_changes(self._crm, read, self._settings.overlap)
            if read.trouble and not (read.fresh or read.nameless):
                return Snapshot(self.name, window, trouble=Trouble.UNREADABLE, reason=read.trouble)
            await look(self._crm, read)
            snapshot = await asyncio.to_thread(self._evaluate, read, before)
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

    def _begun(self, before: State, window: Window, known: Collection[MeetingKey]) -> Read:
        ours = frozenset(key for key in known if key.source == self.name)
        sweeps = before.reads % self._settings.sweep_every == 0
        return Read(before.copy(), window, ours, sweeps and self._counts(), sweeps, frozenset(before.known))

    def _counts(self) -> bool:
        """Whether this look counts: those of two routes in one pass are one."""
        now = self._now()
        if self._looked_at is not None and now - self._looked_at < self._settings.poll / 2:
            return False
        self._looked_at = now
        return True

    def _evaluate(self, read: Read, before: State) -> Snapshot:
        keys = {id_: one.meeting.key for id_, one in read.everything.items() if one.meeting is not None}
        self._ids = {key: id_ for id_, key in keys.items()}
        snapshot = snapshot_of(self.name, read, keys, self._settings)
        if read.trouble:
            return snapshot
        remember(read, self._now())
        state = read.state
        unchanged = before.reads > 0 and (state.known, state.misses) == (before.known, before.misses)
        packed = pack(state, self._origin)
        self._kept = packed, state
        return replace(snapshot, cursor=packed, unchanged=unchanged)


def _shown(record: Record) -> Finding:
    meeting, name = record.meeting, record.id or "a record without an id"
    if meeting is None:
        why = "it is private, and left alone" if record.private else record.problem
        return Finding("record-left-out", f"{name}: {why}")
    when = f"{meeting.start:%Y-%m-%d %H:%M} to {meeting.end:%Y-%m-%d %H:%M} UTC"
    notes = ", ".join(word for word in ("cancelled", "all_day", "tentative") if getattr(meeting, word))
    return Finding("mapped", f"{name}: {meeting.title or '(no title)'}, {when}{f' ({notes})' if notes else ''}")
