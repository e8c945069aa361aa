"""Writing into a calendar: the entry is read, edited where it stands, and put back if it is still the same.

A PUT carries the validator of what was read (If-Match), so nobody's change is ever overwritten; when somebody was
faster, the entry is read and edited again.
"""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from weakref import WeakValueDictionary

import httpx

from connectors.answers import Answer, place
from connectors.sources.caldav.component import (
    Component,
    has_artifact,
    put_artifact,
    put_link,
    shows,
)
from connectors.sources.caldav.dav import Dav, canonical
from connectors.sources.caldav.scheduling import Scheduling, scheduling_of
from connectors.sources.caldav.settings import CalDavSettings
from connectors.sources.caldav.xml import with_uid
from connectors.sources.ical.feed import contexts
from connectors.sources.ical.group import BadEntry, read_group
from connectors.sources.ical.lines import read_lines
from connectors.sources.ical.rules import Budget
from connectors.sources.ical.text import Block, Feed, normalise, scan
from connectors.sources.ical.values import Unreadable
from sync.errors import Gone, OutsideError, Refused, UnknownOutcome
from sync.model import MeetingKey
from sync.outlets import Archived

ATTEMPTS = 4
"""How often an entry is read and put back until nobody else was faster."""
_MOST_FOUND = 10
"""Resources that are looked into for one UID."""
_RECURRENCE = frozenset({"RECURRENCE-ID"})
_URL = re.compile(r"https?://[^\s\\\x00-\x20\x7f-\x9f\ud800-\udfff]+", re.IGNORECASE)
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")

Edit = Callable[[Component], bool]
"""Changes a component; whether that changed anything. Doing it again changes nothing."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """A resource as it was read, with the components that the meeting is read from. `body` begins with a line feed of
    ours."""

    url: httpx.URL
    etag: str
    media_type: str
    body: bytes
    feed: Feed
    blocks: tuple[Block, ...]

    def components(self) -> list[Component]:
        return [Component(self.body[block.begin + 1 : block.end]) for block in self.blocks]

    def with_components(self, components: list[Component]) -> bytes:
        """The resource's bytes with these in the places of the former ones."""
        body = self.body
        for block, component in sorted(zip(self.blocks, components, strict=True), key=lambda pair: -pair[0].begin):
            body = body[: block.begin + 1] + component.text + body[block.end :]
        return body[1:]


class Writer:
    """Writes to one calendar."""

    def __init__(self, dav: Dav, settings: CalDavSettings) -> None:
        self._dav = dav
        self._settings = settings
        self._scheduling: Scheduling | None = None
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def write_link(self, calendar: httpx.URL, paths: list[str], key: MeetingKey, link: str, former: str) -> bool:
        """See `sync.outlets.WritableSource`; `paths` is where the UID was seen last."""
        if link and not _URL.fullmatch(link):
            raise Refused("the join link is not an address that a calendar can hold")

        def done(component: Component) -> bool:
            return shows(component, link) if link else not (former and shows(component, former))

        try:
            return await self._change(calendar, paths, key, lambda one: put_link(one, link, former), done)
        except Gone:
            if link:
                raise
            return True  # with the entry the link is gone, too

    async def add_artifact(self, calendar: httpx.URL, paths: list[str], key: MeetingKey, artifact: Archived) -> bool:
        """See `sync.outlets.WritableSource`."""
        if not _URL.fullmatch(artifact.url):
            raise Refused("the artifact's address is not one that a calendar can hold")

        def done(component: Component) -> bool:
            return has_artifact(component, artifact)

        return await self._change(calendar, paths, key, lambda one: put_artifact(one, artifact), done)

    async def _change(
        self, calendar: httpx.URL, paths: list[str], key: MeetingKey, edit: Edit, done: Callable[[Component], bool]
    ) -> bool:
        async with self._turns.setdefault(key.uid, asyncio.Lock()):  # overrides of one series share a resource
            return await self._in_turn(calendar, paths, key, edit, done)

    async def _in_turn(
        self, calendar: httpx.URL, paths: list[str], key: MeetingKey, edit: Edit, done: Callable[[Component], bool]
    ) -> bool:
        for _ in range(ATTEMPTS):
            entry = await self._find(calendar, paths, key)
            if not entry.blocks:
                return False
            components = entry.components()
            changed = [edit(one) for one in components]
            if not any(changed):
                return True
            await self._mute(calendar, entry, components)
            content = entry.with_components(components)
            if await self._dav.put(entry.url, content, entry.media_type, entry.etag):
                await self._read_back(entry.url, key, done)
                return True
        raise Refused(f"{place(calendar)}: others changed the entry {ATTEMPTS} times while it was written to")

    async def _mute(self, calendar: httpx.URL, entry: _Entry, components: list[Component]) -> None:
        """Keep the server from writing to the participants. Raises Refused where it would all the same."""
        everybody = [
            line
            for block in entry.feed.blocks
            for _, line in Component(entry.body[block.begin + 1 : block.end]).own("ORGANIZER", "ATTENDEE")
        ]
        if not everybody:
            return
        if self._scheduling is None:
            self._scheduling = await scheduling_of(self._dav, calendar)
        if self._scheduling.allows_muting(everybody):
            for one in components:
                one.mute()

    async def _read_back(self, url: httpx.URL, key: MeetingKey, done: Callable[[Component], bool]) -> None:
        try:
            entry = self._entry(await self._dav.get(url), url, key)
        except Gone:
            return  # somebody removed it since
        except OutsideError as error:
            raise UnknownOutcome(f"written, but it could not be read back: {error}") from error
        if not all(done(one) for one in entry.components()):
            raise Refused(f"{place(url)}: the server took the entry, but dropped what was written into it")

    async def _find(self, calendar: httpx.URL, paths: list[str], key: MeetingKey) -> _Entry:
        """The resource that holds the meeting: the one with the right component, else any with the UID. Raises Gone."""
        found: _Entry | None = None
        for step in (self._known, self._asked):
            for url in await step(calendar, paths, key.uid):
                try:
                    entry = self._entry(await self._dav.get(url), url, key)
                except Gone:
                    continue
                if entry.blocks:
                    return entry
                if any(entry.feed.uid_of(block) == key.uid for block in entry.feed.blocks):
                    found = entry
            if found is not None:
                return found
        raise Gone(f"{place(calendar)}: the calendar has no such entry any more", 404)

    async def _known(self, calendar: httpx.URL, paths: list[str], _uid: str) -> list[httpx.URL]:
        return [self._dav.url(path, calendar) for path in paths[:_MOST_FOUND]]

    async def _asked(self, calendar: httpx.URL, _paths: list[str], uid: str) -> list[httpx.URL]:
        if _NOT_XML.search(uid):
            return []
        said = await self._dav.report(calendar, with_uid(uid), 1)
        here = canonical(calendar.raw_path.decode("ascii"))
        hrefs = [one.href for one in said.responses if one.there and canonical(one.href) != here]
        return [self._dav.url(href, calendar) for href in hrefs[:_MOST_FOUND]]

    def _entry(self, answer: Answer, url: httpx.URL, key: MeetingKey) -> _Entry:
        """Raises Refused for a resource that must not be edited: without a validator, or that is not wholly read."""
        etag, media_type = answer.headers.get("etag", ""), answer.headers.get("content-type", "")
        text = b"\n" + answer.body
        try:
            feed = scan(text)
            plain = normalise(answer.body, "") == text and not feed.defect
            blocks = tuple(self._blocks(feed, key)) if plain else ()
        except Unreadable as error:
            raise Refused(f"{place(url)}: the entry cannot be read ({error})") from error
        if not plain:
            raise Refused(f"{place(url)}: the entry is not plain iCalendar, so it is left as it is")
        if not etag:
            raise Refused(f"{place(url)}: the server gives no ETag, so the entry cannot be changed safely")
        return _Entry(url, etag, media_type or "text/calendar; charset=utf-8", text, feed, blocks)

    def _blocks(self, feed: Feed, key: MeetingKey) -> list[Block]:
        """The components that the meeting is read from: the entry without a RECURRENCE-ID, or the override with that of
        the key."""
        mine = [block for block in feed.blocks if feed.uid_of(block) == key.uid]
        overrides = [block for block in mine if read_lines(feed.bytes_of(block), _RECURRENCE)]
        masters = [block for block in mine if block not in overrides]
        if key.recurrence_id is None:
            return masters
        around = contexts(feed, self._settings)
        found = []
        for block in overrides:
            parts = [(feed.bytes_of(one), around[one.calendar]) for one in (*masters, block)]
            try:
                group = read_group(parts, Budget())
            except BadEntry as error:
                raise Unreadable(str(error)) from error
            if key.recurrence_id in group.overrides:
                found.append(block)
        return found
