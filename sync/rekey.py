"""Occurrences whose identity changed because their whole series was moved, and what they are called now. Pure.

A calendar names an occurrence by the start that the series' rule gives it (RECURRENCE-ID). When somebody moves
the series from nine to ten o'clock, or makes a single meeting a series, every name changes although people see
the same meetings. Taken literally that would retire every join link and make new ones.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from sync.ledger.records import Link
from sync.model import Meeting, MeetingKey, Window
from sync.snapshot import Snapshot

FURTHEST_MOVE = timedelta(days=7)
"""An occurrence that is nearer than this to a vanished one of the same UID is taken for the same meeting."""


def moved_occurrences(
    links: Mapping[MeetingKey, Link],
    wishes: Mapping[MeetingKey, Meeting],
    snapshot: Snapshot,
    window: Window,
    now: datetime,
    unsettled: frozenset[str],
) -> dict[MeetingKey, MeetingKey]:
    """Old key to new key, for sessions whose key is provably gone while their UID has a new key without one.

    Pairs are made from the nearest starts outward; what has no partner stays what it is, gone or new.
    """
    gone: dict[str, list[Link]] = {}
    for key, link in links.items():
        if not link.has_session or link.end <= now or key in wishes or str(key) in unsettled:
            continue
        if snapshot.proves_absent(key, link.in_window(window)):
            gone.setdefault(key.uid, []).append(link)
    if not gone:
        return {}
    fresh: dict[str, list[Meeting]] = {}
    for key, wish in wishes.items():
        known = links.get(key)
        taken = wish.cancelled or wish.end <= now or (known is not None and known.has_session)
        if key.uid in gone and not taken and window.overlaps(wish.start, wish.end) and str(key) not in unsettled:
            fresh.setdefault(key.uid, []).append(wish)
    return {old: new for uid, meetings in fresh.items() for old, new in _pairs(gone[uid], meetings)}


def _pairs(gone: list[Link], fresh: list[Meeting]) -> list[tuple[MeetingKey, MeetingKey]]:
    """The nearest pairs first; each link and each meeting once."""
    distances = sorted(
        (abs(link.start - wish.start), str(link.key), str(wish.key), link.key, wish.key)
        for link in gone
        for wish in fresh
        if abs(link.start - wish.start) < FURTHEST_MOVE
    )
    pairs: dict[MeetingKey, MeetingKey] = {}
    used: set[MeetingKey] = set()
    for _, _, _, old, new in distances:
        if old not in pairs and new not in used:
            pairs[old] = new
            used.add(new)
    return list(pairs.items())
