"""One text to meetings and rejections, UID by UID; what did not change since the last text is not parsed again."""

import hashlib
import re
from collections import ChainMap
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

from connectors.sources.ical.entry import MADE_UP, Context, synthetic_uid
from connectors.sources.ical.group import BadEntry, Group, Wanted, meetings_of, read_group
from connectors.sources.ical.lines import Line, read_lines
from connectors.sources.ical.rules import Budget
from connectors.sources.ical.settings import IcalSettings
from connectors.sources.ical.text import Block, Calendar, Feed, without_dtstamp
from connectors.sources.ical.values import Unreadable, Zone
from connectors.sources.ical.zones import FeedZones, Zones, iana_zone, zone_name
from sync.model import Meeting, MeetingKey, RecurrenceId, Window
from sync.snapshot import Rejected

_NOT_EVENTS = frozenset({"REPLY", "COUNTER", "DECLINECOUNTER", "REFRESH"})
_OWN = frozenset({"METHOD", "X-WR-TIMEZONE"})
_DAYS = re.compile(rb"\nDT(START|END)[;:][^\n]{0,200}?(\d{4})(\d\d)(\d\d)(?:T\d{6}Z?)?\r?(?=\n[^ \t])")
_RECURS = re.compile(rb"\n(?i:RRULE|RDATE|RECURRENCE-ID|DURATION)")
_STAMP = re.compile(rb"\n(?i:DTSTAMP)[;:]([^\n]*)")
_NEAR = timedelta(days=3)
"""A single entry further from the window than this is not parsed; zones and all-day ends shift by less."""


@dataclass(slots=True)
class Reading:
    """What one text says: meetings, and what was rejected, in the order of its lines."""

    meetings: list[Meeting] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)


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

    def __init__(self, source: str, settings: IcalSettings) -> None:
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
        one. A UID with fewer may have lost an override, so it is rejected.
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
        self._around = _surroundings(feed.calendars, reader._settings, reader._zones)
        self._used: dict[bytes, Group | _Failure] = {}
        self._meetings: list[Meeting] = []
        self._rejected: list[tuple[Block, str | None, str]] = []

    def run(self) -> Reading:
        for uid, blocks in self._by_uid().items():
            if self._sizes is not None and len(blocks) < self._sizes.get(uid, 0):
                self._rejected.append((blocks[0], uid, "a part of it is missing in a calendar that is not whole"))
            elif len(blocks) > 1 or uid in self._known or self._may_matter(blocks[0]):
                self._read_group(uid, blocks)
        if self._sizes is None:
            self._reader._keep(self._used)
        return Reading(self._meetings, self._with_lines())

    def _by_uid(self) -> dict[str, list[Block]]:
        groups: dict[str, list[Block]] = {}
        for block in self._feed.blocks:
            if self._around[block.calendar].context.method in _NOT_EVENTS:
                continue
            uid = self._feed.uid_of(block)
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

    def _may_matter(self, block: Block) -> bool:
        """False only for a single entry whose days, read off its text, are clearly outside of the window."""
        text, window = self._feed.text, self._wanted.window
        if _RECURS.search(text, block.begin, block.end):
            return True
        days: dict[bytes, date] = {}
        for match in _DAYS.finditer(text, block.begin, block.end):
            try:
                days.setdefault(match[1], date(int(match[2]), int(match[3]), int(match[4])))
            except ValueError:
                return True
        start = days.get(b"START")
        if start is None or (b"END" not in days and b"DTEND" in text[block.begin : block.end].upper()):
            return True
        last = max(start, days.get(b"END", start))
        if last < start or (b"END" in days and days[b"END"] < start):
            return True
        return start - _NEAR <= window.end.date() and last + _NEAR >= window.start.date()

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


def _surroundings(calendars: list[Calendar], settings: IcalSettings, definitions: FeedZones) -> list[_Surroundings]:
    named = [{zone_name(raw): raw for raw in calendar.zones} for calendar in calendars]
    everywhere: dict[str, bytes] = {}
    for definitions_here in named:
        everywhere.update(definitions_here)
    common = hashlib.sha256(repr(sorted(everywhere.items())).encode()).digest()
    found = []
    for calendar, own in zip(calendars, named, strict=True):
        lines = {line.name: line.text.strip() for line in _own_lines(calendar)}
        zones = Zones(ChainMap(own, everywhere), definitions)
        method, floating = lines.get("METHOD", "").upper(), lines.get("X-WR-TIMEZONE", "")
        context = Context(zones, _default_zone(zones, floating, settings.timezone), method)
        digest = hashlib.sha256(common)
        digest.update(repr((sorted(own.items()), method, floating)).encode())
        found.append(_Surroundings(context, digest.digest()))
    return found


def _own_lines(calendar: Calendar) -> list[Line]:
    try:
        return read_lines(b"\nBEGIN:VCALENDAR" + b"".join(calendar.own), _OWN)
    except Unreadable:
        return []


def _default_zone(zones: Zones, floating: str, fallback: str) -> Callable[[], Zone]:
    """The zone of floating times: X-WR-TIMEZONE, else the source's. Asked only when an entry needs it."""

    def zone() -> Zone:
        if floating:
            return zones.find(floating)
        found = iana_zone(fallback)
        if found is None:
            raise Unreadable(f"the time zone {fallback!r} is unknown")
        return found

    return zone


def _digest(uid: str, raws: list[bytes], around: list[_Surroundings]) -> bytes:
    """What a group is recognised by: its blocks without DTSTAMP, what is around them, and the order in time that
    the time stamps of several entries give."""
    digest = hashlib.sha256(uid.encode("utf-8", "surrogatepass"))
    for raw, one in zip(raws, around, strict=True):
        digest.update(hashlib.sha256(without_dtstamp(raw)).digest() + one.digest)
    if len(raws) > 1:
        stamps = [match[1].strip() if (match := _STAMP.search(raw)) else b"" for raw in raws]
        order = sorted(set(stamps))
        digest.update(repr([order.index(stamp) for stamp in stamps]).encode())
    return digest.digest()
