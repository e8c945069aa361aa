"""The CalDAV source: the meetings of one calendar, what changed in it, and the way back."""

import asyncio
import re
from collections.abc import Collection

import httpx

from connectors.documents import Documents
from connectors.sources.caldav.cursor import State, pack, unpack
from connectors.sources.caldav.dav import Dav, last_part
from connectors.sources.caldav.discovery import find_calendar
from connectors.sources.caldav.gathered import gather
from connectors.sources.caldav.refresh import MAX_KEPT, Fresh, Refresh
from connectors.sources.caldav.settings import CalDavSettings
from connectors.sources.caldav.writing import Writer
from connectors.sources.ical.feed import Reader
from connectors.sources.ical.values import Unreadable
from sync.errors import ConfigurationError, Gone, OutsideError, Unreachable
from sync.model import Document, Finding, MeetingKey, Window, content_digest
from sync.outlets import Archived
from sync.ports import Fetched
from sync.snapshot import Snapshot, Trouble

_MOST_UNPACKED = 2 * MAX_KEPT
"""Bytes of a cursor's resources: their texts and what is noted of each."""


class CalDavSource:
    """A calendar on a server. Implements the ports `Source` and `WritableSource`."""

    def __init__(self, name: str, settings: CalDavSettings, *, locked: bool = False) -> None:
        self.name = name
        self._settings = settings
        self._dav = Dav(settings, locked=locked)
        self._documents = Documents(timeout=settings.timeout.total_seconds(), allow_private=settings.allow_private)
        self._reader = Reader(name, settings)
        self._one_at_a_time = asyncio.Lock()
        self._url: httpx.URL | None = None
        self._last: tuple[bytes | None, State] = (None, State())
        self._writer = Writer(self._dav, settings)

    async def close(self) -> None:
        """Let go of connections."""
        await self._dav.close()
        await self._documents.close()

    async def document(self, document: Document, validator: str) -> Fetched | None:
        """What an entry's attachment holds now; see the port `Source`. Never with the calendar's credentials."""
        return await self._documents.fetch(document, validator)

    async def check(self) -> tuple[Finding, ...]:
        """Find the calendar anew and read it once. Raises OutsideError, and ConfigurationError when the settings mean
        no calendar or several."""
        url = await find_calendar(self._dav, self.name, self._settings)
        fresh = await Refresh(self._dav, url, None, 1).run()
        gathered = await asyncio.to_thread(gather, fresh.state.resources.values())
        findings = []
        if fresh.reason or gathered.unnamed:
            reason = _short(fresh.reason) or _unread(gathered.unnamed)
            findings.append(Finding("feed-incomplete", f"{reason}: nothing is removed because of this calendar"))
        elif not gathered.feed.blocks:
            findings.append(Finding("feed-empty", "the calendar has no entries"))
        return tuple(findings)

    async def fetch(self, cursor: bytes | None, window: Window, known: Collection[MeetingKey]) -> Snapshot:
        """One read. Never raises for what the outside does: the snapshot says what went wrong."""
        async with self._one_at_a_time:
            try:
                if self._url is None:
                    self._url = await find_calendar(self._dav, self.name, self._settings)
                origin = self._origin(self._url)
                before = await asyncio.to_thread(self._state, cursor, origin)
                fresh = await Refresh(self._dav, self._url, before, self._settings.full_every).run()
            except (OutsideError, ConfigurationError) as error:
                if isinstance(error, Gone):
                    self._url = None  # it may be found elsewhere next time
                return Snapshot(self.name, window, trouble=Trouble.UNREADABLE, reason=_short(str(error)))
            return await asyncio.to_thread(self._evaluate, fresh, origin, window, frozenset(known))

    async def write_link(self, key: MeetingKey, link: str, former: str) -> bool:
        """Put the join link into the meeting's own entry; see `sync.outlets.WritableSource`. False for an occurrence
        that has no entry of its own in the calendar: only its series has."""
        return await self._writer.write_link(await self._calendar(), self._known_paths(key.uid), key, link, former)

    async def add_artifact(self, key: MeetingKey, artifact: Archived, *, doubted: bool) -> bool:
        """Attach the artifact's address to the meeting's own entry, once; False when it has none or there is none. It
        is always looked for first."""
        if not artifact.url:
            return False
        return await self._writer.add_artifact(await self._calendar(), self._known_paths(key.uid), key, artifact)

    async def _calendar(self) -> httpx.URL:
        """Where to write. Raises OutsideError."""
        if self._url is None:
            try:
                self._url = await find_calendar(self._dav, self.name, self._settings)
            except ConfigurationError as error:
                raise Unreachable(str(error)) from error
        return self._url

    def _known_paths(self, uid: str) -> list[str]:
        """Where the last read saw the UID."""
        return [one.href for one in self._last[1].resources.values() if uid in one.uids]

    def _origin(self, url: httpx.URL) -> str:
        """What a cursor is for: the calendar, and what changes the meaning of its text."""
        said = self._settings
        return content_digest(
            url, said.username or "", said.timezone, said.all_day, said.tentative, said.max_occurrences
        )

    def _state(self, cursor: bytes | None, origin: str) -> State | None:
        """The state that the cursor holds; the one in memory when it is that."""
        kept, state = self._last
        return state if cursor is not None and cursor == kept else unpack(cursor, origin, _MOST_UNPACKED)

    def _evaluate(self, fresh: Fresh, origin: str, window: Window, known: frozenset[MeetingKey]) -> Snapshot:
        gathered = gather(fresh.state.resources.values())
        try:
            reading = self._reader.read(gathered.feed, window, known)
        except Unreadable as error:  # more than fits into memory
            return Snapshot(self.name, window, trouble=Trouble.UNREADABLE, reason=str(error))
        rejected = gathered.by_resource(reading)
        reason = _short(fresh.reason) or _unread(gathered.unnamed)
        nothing = reason and not gathered.members and not rejected
        trouble = Trouble.UNREADABLE if nothing else Trouble.PARTIAL if reason else Trouble.NONE
        whole = not reason and all(item.uid is not None for item in rejected)
        cursor = pack(fresh.state, origin) if whole else None
        self._last = cursor, fresh.state
        return Snapshot(
            source=self.name,
            window=window,
            meetings=tuple(reading.meetings),
            asked=frozenset(key for key in known if key.source == self.name),
            rejected=tuple(rejected),
            unproved=frozenset(MeetingKey(self.name, uid) for uid in gathered.unproved),
            trouble=trouble,
            reason=reason,
            cursor=cursor,
            unchanged=fresh.unchanged and whole,
        )


def _unread(paths: list[str]) -> str:
    """Why a calendar is not whole of which these resources could not be read, "" when there are none."""
    if not paths:
        return ""
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return f"the server does not hand over the entry {last_part(paths[0])}{more}"


def _short(message: str) -> str:
    """The client's message without its `REPORT scheme://host: ` in front."""
    return re.sub(r"^[A-Z]+ \S+: ", "", message)
