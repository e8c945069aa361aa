"""Several entries with one UID for one and the same instance: which of them counts.

The highest SEQUENCE does, then the newest LAST-MODIFIED (where all have one), then the newest DTSTAMP, then the last
one in the feed. Entries that start at different times and that nothing ranks are no copies at all: some programs give
one UID to everything that they write.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from connectors.sources.ical.entry import Entry
from connectors.sources.ical.values import Unreadable, parse_time

Placed = tuple[int, Entry]
"""An entry with its place among those of its UID."""

ONE_REQUEST = timedelta(minutes=10)
"""Time stamps that are nearer to each other rank nothing: many servers write the time of the request into them."""


def newest(same: Sequence[Placed]) -> Placed:
    """The one that counts of several copies of one instance."""
    return max(same, key=_precedence(same))


def standing(masters: Sequence[Placed]) -> list[Placed]:
    """The masters of one UID that count: one, or several with different starts that nothing ranks, the series first,
    then by start. Their order in the feed makes no difference to which they are."""
    best = newest(masters)
    if best[1].placeless:
        return [best]
    equal = [one for one in masters if not one[1].placeless and _unranked(one[1], best[1], masters)]
    by_start: dict[tuple[datetime, bool], list[Placed]] = {}
    for one in equal:
        by_start.setdefault((one[1].start.utc, one[1].start.is_date), []).append(one)
    if len(by_start) == 1:
        return [best]
    found = [newest(by_start[start]) for start in sorted(by_start)]
    return sorted(found, key=lambda one: not one[1].recurs)


def near(one: str, other: str) -> bool:
    """Whether two time stamps as written may be of one and the same request."""
    if one == other:
        return True
    try:
        return abs(_instant(one) - _instant(other)) < ONE_REQUEST
    except Unreadable:
        return False


def _precedence(same: Sequence[Placed]) -> Callable[[Placed], tuple[int, str, str, int]]:
    dated = _all_dated(same)
    return lambda one: (one[1].sequence, one[1].modified if dated else "", one[1].stamped, one[0])


def _all_dated(same: Sequence[Placed]) -> bool:
    return all(entry.modified for _, entry in same)


def _unranked(one: Entry, best: Entry, among: Sequence[Placed]) -> bool:
    if one.sequence != best.sequence or not near(one.stamped, best.stamped):
        return False
    return not _all_dated(among) or near(one.modified, best.modified)


def _instant(text: str) -> datetime:
    return parse_time(text)[0].replace(tzinfo=UTC)
