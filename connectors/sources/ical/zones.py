"""TZID to zone, for one calendar of one feed: nothing is remembered across feeds, a name means what its feed says.

In this order: the IANA database, the CLDR table of Windows names, an IANA name behind a vendor's prefix, the feed's
own VTIMEZONE, an offset in the name. A name that none of them knows is an error, never local time.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from zoneinfo import ZoneInfo

from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

from connectors.settings import iana_name
from connectors.sources.ical.feedzone import FeedZone, read_zone
from connectors.sources.ical.lines import read_lines
from connectors.sources.ical.rules import Budget
from connectors.sources.ical.values import UTC_ZONE, FixedZone, TableZone, Unreadable, Zone

_OFFSET = re.compile(r"(?:UTC|GMT)\s*([+-])\s*(\d{1,2}):?(\d\d)?(?!\d)", re.IGNORECASE | re.ASCII)
_LONGEST_NAME = 300
_UTC_NAMES = frozenset(
    {
        "utc",
        "z",
        "gmt",
        "etc/utc",
        "tzone://microsoft/utc",
        "coordinated universal time",
        "(utc) coordinated universal time",
    }
)
_WINDOWS = {name.lower(): olson for name, olson in WINDOWS_TO_OLSON.items()}


def iana_zone(name: str) -> TableZone | None:
    """The zone of the IANA database, whatever the case of its name."""
    known = iana_name(name)
    return TableZone(ZoneInfo(known)) if known else None


def means_utc(name: str) -> bool:
    """Whether a TZID is a name of UTC, or none at all."""
    clean = _clean(name).lower()
    return not clean or clean in _UTC_NAMES


@dataclass(slots=True)
class FeedZones:
    """The VTIMEZONE definitions of one read, by their bytes: an unchanged definition is computed once."""

    kept: dict[bytes, FeedZone | str] = field(default_factory=dict)
    seen: set[bytes] = field(default_factory=set)
    budget: Budget = field(default_factory=Budget)

    def read(self, raw: bytes) -> FeedZone:
        """Raises Unreadable."""
        self.seen.add(raw)
        if raw not in self.kept:
            try:
                self.kept[raw] = read_zone(raw, self.budget)
            except (ValueError, OverflowError) as error:
                self.kept[raw] = str(error)
        zone = self.kept[raw]
        if isinstance(zone, str):
            raise Unreadable(zone)
        return zone

    def forget_unseen(self) -> None:
        """Drop what the newest read does not hold any more."""
        self.kept = {raw: zone for raw, zone in self.kept.items() if raw in self.seen}
        self.seen = set()


@dataclass(slots=True)
class Zones:
    """The zones of one calendar: `own` are its VTIMEZONE blocks by TZID, `assumed` the names read by their offset."""

    own: Mapping[str, bytes]
    definitions: FeedZones
    resolved: dict[str, Zone | str] = field(default_factory=dict)
    assumed: set[str] = field(default_factory=set)

    def find(self, name: str) -> Zone:
        """The zone called `name`. Raises Unreadable."""
        if len(name) > _LONGEST_NAME:
            raise Unreadable(f"the time zone {name[:60]!r}… has a name of more than {_LONGEST_NAME} characters")
        if name not in self.resolved:
            try:
                self.resolved[name] = self._resolve(_clean(name))
            except Unreadable as error:
                self.resolved[name] = str(error)
        zone = self.resolved[name]
        if isinstance(zone, str):
            raise Unreadable(zone)
        return zone

    def _resolve(self, name: str) -> Zone:
        if name.lower() in _UTC_NAMES:
            return UTC_ZONE
        if zone := iana_zone(name) or iana_zone(_WINDOWS.get(name.lower(), "")) or _behind_prefix(name):
            return zone
        if raw := self.own.get(name.lower()):
            return self.definitions.read(raw)
        if match := _OFFSET.search(name):
            self.assumed.add(name)
            size = timedelta(hours=int(match[2]), minutes=int(match[3] or 0))
            if size < timedelta(days=1):
                return FixedZone(-size if match[1] == "-" else size)
        raise Unreadable(f"the time zone {name[:60]!r} is unknown and the calendar does not define it")


def calendar_zone(zones: Zones, name: str, fallback: str) -> tuple[Callable[[], Zone], Zone | None, str]:
    """What a calendar's X-WR-TIMEZONE (`name`, "" when it has none) means: the zone of floating times, the calendar's
    own zone when it is known, and what is assumed about floating times ("" for nothing). `fallback` is the source's."""
    configured = iana_zone(fallback)

    def default() -> Zone:
        if configured is None:
            raise Unreadable(f"the time zone {fallback!r} is unknown")
        return configured

    if not name:
        return default, None, ""
    try:
        local = zones.find(name)
    except Unreadable:
        unknown = f"the calendar's time zone {name[:60]!r} is unknown: its times without a zone are read in {fallback}"
        return default, None, unknown
    offset = f"the calendar's time zone {name[:60]!r} is not defined: the offset in its name is used all year"
    return lambda: local, local, offset if _clean(name) in zones.assumed else ""


def zone_name(raw: bytes) -> str:
    """The TZID of a VTIMEZONE block in lower case, "" when it has none that can be read."""
    try:
        lines = read_lines(raw, frozenset({"TZID"}))
    except Unreadable:
        return ""
    return _clean(lines[0].text).lower() if lines else ""


def _clean(name: str) -> str:
    return " ".join(name.strip().strip("\"'").split())


def _behind_prefix(name: str) -> TableZone | None:
    """`/freeassociation.sourceforge.net/Europe/Berlin` and the like: the longest IANA name at the end."""
    parts = name.strip("/").split("/")
    shortest = 1 if name.startswith("/") else 2  # "Acme/Japan" may be anything
    for first in range(len(parts) - shortest + 1 if "/" in name else 0):
        if zone := iana_zone("/".join(parts[first:])):
            return zone
    return None
