"""One text to meetings and rejections, UID by UID; what did not change since the last text is not parsed again."""

import hashlib
import re
from collections import ChainMap
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise

from connectors.sources.ical.copies import near
from connectors.sources.ical.entry import MADE_UP, Context, synthetic_uid
from connectors.sources.ical.group import BadEntry, Group, Wanted, meetings_of, read_group
from connectors.sources.ical.lines import Line, read_lines
from connectors.sources.ical.prefilter import may_matter
from connectors.sources.ical.rules import Budget
from connectors.sources.ical.settings import CalendarSettings
from connectors.sources.ical.text import Block, Calendar, Feed, without_dtstamp
from connectors.sources.ical.values import Unreadable
from connectors.sources.ical.zones import FeedZones, Zones, calendar_zone, zone_name
from sync.model import Meeting, MeetingKey, RecurrenceId, Window
from sync.snapshot import Rejected

MAX_MEETINGS = 250_000
"""Meetings that one read may give."""

_NOT_EVENTS = frozenset({"REPLY", "COUNTER", "DECLINECOUNTER", "REFRESH"})
_MESSAGES = _NOT_EVENTS | {"CANCEL"}
"""METHODs of calendars that are about what they name, and silent on everything else (RFC 5546 section 1.4)."""
_OF_ONE = frozenset({"REQUEST", "ADD"})
"""METHODs that may speak of one occurrence of a series alone (RFC 5546 sections 3.2.2.1 and 3.2.4)."""
_OWN = frozenset({"METHOD", "X-WR-TIMEZONE"})
_STAMP = re.compile(rb"\n(?i:DTSTAMP)[;:]([^\n]*)")


@dataclass(slots=True)
class Reading:
    """What one text says: meetings, what was rejected, in the order of its lines, and the known meetings whose absence
    it does not prove although it is whole."""

    meetings: list[Meeting] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    unproved: frozenset[MeetingKey] = frozenset()


@dataclass(frozen=True, slots=True)
class _Failure:
    """A group that cannot be read, because of the entry at `index`."""

    index: int
    reason: str


@dataclass(frozen=True, slots=True)
class _Surroundings:
    """A calendar's context and the digest of everything in it that changes what its entries mean."""

    context: Context
    digest: bytes


class Reader:
    """Reads the texts of one feed one after another."""

    def __init__(self, source: str, settings: CalendarSettings) -> None:
        self._source = source
        self._settings = settings
        self._groups: dict[bytes, Group | _Failure] = {}
        self._zones = FeedZones()

    def read(
        self,
        feed: Feed,
        window: Window,
        known: Collection[MeetingKey],
        sizes: Mapping[str, int] | None = None,
    ) -> Reading:
        """The meetings in the window and those of the known keys.

        `sizes` is given for a text that is not whole: the number of entries that each UID had in the last whole
        one. A UID with fewer may have lost an override, so it is rejected. Raises Unreadable for more than
        MAX_MEETINGS.
        """
        return _Pass(self, feed, window, known, sizes).run()

    def _keep(self, groups: dict[bytes, Group | _Failure]) -> None:
        self._groups = groups
        self._zones.forget_unseen()


class _Pass:
    """One run over one text."""

    def __init__(
        self,
        reader: Reader,
        feed: Feed,
        window: Window,
        known: Collection[MeetingKey],
        sizes: Mapping[str, int] | None,
    ) -> None:
        self._reader = reader
        self._feed = feed
        self._sizes = sizes
        self._budget = Budget()
        self._wanted = Wanted(reader._source, reader._settings, window, self._budget)
        self._known: dict[str, set[RecurrenceId]] = {}
        for key in known:
            if key.source == reader._source:
                self._known.setdefault(key.uid, set()).add(key.recurrence_id)
        reader._zones.budget = self._budget
        self._around = _surroundings(feed, reader._settings, reader._zones)
        self._used: dict[bytes, Group | _Failure] = {}
        self._meetings: list[Meeting] = []
        self._rejected: list[tuple[Block, str | None, str]] = []
        self._named: set[str] = set()
        """The UIDs of which a message speaks without saying what they are, or speaks of a part only."""

    def run(self) -> Reading:
        groups = self._by_uid()
        for uid, blocks in groups.items():
            if self._sizes is not None and len(blocks) < self._sizes.get(uid, 0):
                self._rejected.append((blocks[0], uid, "a part of it is missing in a calendar that is not whole"))
            elif len(blocks) > 1 or uid in self._known or self._is_near(blocks[0]):
                self._read_group(uid, blocks)
                if len(self._meetings) > MAX_MEETINGS:
                    raise Unreadable(f"more than {MAX_MEETINGS:,} meetings in the window")
        if self._sizes is None:
            self._reader._keep(self._used)
        return Reading(self._meetings, self._with_lines(), self._silent_on())

    def _silent_on(self) -> frozenset[MeetingKey]:
        """The known meetings that are not proved gone by having no entry: those of the UIDs that a message speaks of,
        and all where the text consists of messages."""
        methods = {one.context.method for one in self._around}
        uids = self._known if self._feed.mail or (methods and methods <= _MESSAGES) else self._named
        asked = {MeetingKey(self._reader._source, uid, one) for uid in uids for one in self._known.get(uid, ())}
        return frozenset(asked - {one.key for one in self._meetings}) if asked else frozenset()

    def _by_uid(self) -> dict[str, list[Block]]:
        groups: dict[str, list[Block]] = {}
        for block in self._feed.blocks:
            uid = self._feed.uid_of(block)
            if self._around[block.calendar].context.method in _NOT_EVENTS:
                self._named.add(uid or "")
                continue
            if uid == "":
                try:
                    uid = synthetic_uid(self._feed.bytes_of(block))
                except Unreadable as error:
                    self._rejected.append((block, None, str(error)))
                    continue
            if uid is None:
                self._rejected.append((block, None, "its UID cannot be read"))
            else:
                groups.setdefault(uid, []).append(block)
        return groups

    def _is_near(self, block: Block) -> bool:
        return may_matter(self._feed.bytes_of(block), self._wanted.window)

    def _read_group(self, uid: str, blocks: list[Block]) -> None:
        raws = [self._feed.bytes_of(block) for block in blocks]
        around = [self._around[block.calendar] for block in blocks]
        digest = _digest(uid, raws, around)
        group = self._used.get(digest) or self._reader._groups.get(digest)
        if group is None:
            try:
                parts = [(raw, one.context) for raw, one in zip(raws, around, strict=True)]
                group = read_group(parts, self._budget)
            except BadEntry as error:
                group = _Failure(error.index, str(error))
            except (ValueError, OverflowError) as error:
                group = _Failure(0, str(error))
        self._used[digest] = group
        if isinstance(group, Group):
            if group.master is not None:
                self._named.discard(uid)
            elif around[0].context.method in _OF_ONE:
                self._named.add(uid)
            try:
                self._meetings += meetings_of(group, uid, self._known.get(uid, ()), self._wanted)
            except (ValueError, OverflowError) as error:
                self._rejected.append((blocks[group.index_of_master], uid, str(error) or type(error).__name__))
        else:
            self._rejected.append((blocks[group.index], uid, group.reason))

    def _with_lines(self) -> list[Rejected]:
        """The rejections by line; the lines are counted in one walk over the text."""
        found: list[Rejected] = []
        line, at = 1, 0
        for block, uid, reason in sorted(self._rejected, key=lambda item: item[0].begin):
            line += self._feed.text.count(b"\n", at + 1, block.begin + 1)
            at = block.begin
            # A UID of our own making is none that anybody knows: which session it costs cannot be told.
            found.append(Rejected(None if uid and uid.startswith(MADE_UP) else uid, line, reason))
        return found


def contexts(feed: Feed, settings: CalendarSettings) -> list[Context]:
    """What the entries of each of the text's calendars mean by what is around them."""
    return [one.context for one in _surroundings(feed, settings, FeedZones())]


def _surroundings(feed: Feed, settings: CalendarSettings, definitions: FeedZones) -> list[_Surroundings]:
    everywhere: dict[str, bytes] = {}
    for calendar in () if feed.apart else feed.calendars:
        everywhere.update((zone_name(raw), raw) for raw in calendar.zones)
    common = hashlib.sha256(repr((sorted(everywhere.items()), feed.charset)).encode()).digest()
    alike: dict[tuple[bytes, ...], _Surroundings] = {}
    found = []
    for calendar in feed.calendars:
        text = (*calendar.own, b"", *calendar.zones)
        if text not in alike:
            around = _of_calendar(calendar, everywhere, settings, definitions, feed.charset)
            alike[text] = replace(around, digest=hashlib.sha256(common + around.digest).digest())
        found.append(alike[text])
    return found


def _of_calendar(
    calendar: Calendar,
    everywhere: dict[str, bytes],
    settings: CalendarSettings,
    definitions: FeedZones,
    charset: str,
) -> _Surroundings:
    own = {zone_name(raw): raw for raw in calendar.zones}
    lines = {line.name: line.text.strip() for line in _own_lines(calendar)}
    zones = Zones(ChainMap(own, everywhere), definitions)
    method, name = lines.get("METHOD", "").upper(), lines.get("X-WR-TIMEZONE", "")
    default, local, doubt = calendar_zone(zones, name, settings.timezone)
    digest = hashlib.sha256(repr((sorted(own.items()), method, name)).encode())
    return _Surroundings(Context(zones, default, method, local, doubt, charset), digest.digest())


def _own_lines(calendar: Calendar) -> list[Line]:
    try:
        return read_lines(b"\nBEGIN:VCALENDAR" + b"".join(calendar.own), _OWN)
    except Unreadable:
        return []


def _digest(uid: str, raws: list[bytes], around: list[_Surroundings]) -> bytes:
    """What a group is recognised by: its blocks without DTSTAMP, what is around them, and the order in time that
    the time stamps of several entries give."""
    digest = hashlib.sha256(uid.encode("utf-8", "surrogatepass"))
    for raw, one in zip(raws, around, strict=True):
        digest.update(hashlib.sha256(without_dtstamp(raw)).digest() + one.digest)
    if len(raws) > 1:
        stamps = [match[1].decode("latin-1").strip() if (match := _STAMP.search(raw)) else "" for raw in raws]
        places = {stamp: place for place, stamp in enumerate(sorted(set(stamps)))}
        gaps = [near(one, other) for one, other in pairwise(places)]
        digest.update(repr(([places[stamp] for stamp in stamps], gaps)).encode())
    return digest.digest()
