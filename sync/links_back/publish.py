"""What a route's published feed shows: the meetings that have a session, each with its join link.

The ledger remembers what was last said of a meeting, so that its SEQUENCE (RFC 5545 section 3.8.7.4) only ever grows:
the new number is committed before the feed says it, and a process that dies in between says the same in its next life.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from sync.errors import ArchiveError
from sync.ledger.records import Link, Occurrence
from sync.ledger.store import Ledger
from sync.model import content_digest
from sync.outlets import Feed, Published
from sync.ports import Clock, Log

SHOWN_AFTER_END = timedelta(days=31)
"""So long after its end a meeting stays in the feed, for those who look for what came of it."""


def published(
    occurrences: Iterable[Occurrence], links: Mapping[str, Link], now: datetime
) -> tuple[list[Published], list[Occurrence]]:
    """What the feed shows, and the occurrences to be saved before it does. Pure.

    `links` are the route's by their keys as text; the occurrences of a standing room share one. An occurrence is shown
    while it takes place in the session of its link and for `SHOWN_AFTER_END` afterwards. One that is left out keeps its
    sequence, and goes on from there when it comes back.
    """
    shown: list[Published] = []
    changed: list[Occurrence] = []
    for one in occurrences:
        link = links.get(one.link)
        if link is None or not link.has_session or link.session != one.session or one.end <= now - SHOWN_AFTER_END:
            continue
        join_url = for_everybody(link)
        location = one.location or join_url or ""
        digest = content_digest(one.key, one.title, one.start, one.end, join_url, location, one.description)
        if digest != one.published:
            sequence = one.sequence if one.changed_at is None else one.sequence + 1
            one = replace(one, sequence=sequence, published=digest, changed_at=now)
            changed.append(one)
        shown.append(
            Published(
                key=one.key,
                title=one.title,
                start=one.start,
                end=one.end,
                join_url=join_url,
                location=location,
                description=one.description,
                sequence=one.sequence,
                changed_at=one.changed_at or now,
            )
        )
    return shown, changed


def for_everybody(link: Link) -> str | None:
    """The join link when it is a web address without anybody's name and password in it."""
    try:
        parts = urlsplit(link.join_url or "")
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
    except ValueError:  # brackets that are no IPv6 address
        return None
    return link.join_url if sound else None


class Publisher:
    """Keeps the feed of one route, by its name, in step. It lives as long as the process, so that a feed that cannot be
    written is logged once and not in every pass."""

    def __init__(self, feed: Feed, clock: Clock, log: Log, route: str) -> None:
        self._feed = feed
        self._clock = clock
        self._log = log
        self._route = route
        self._failed = False

    async def publish(self, ledger: Ledger, links: Iterable[Link]) -> bool:
        """Make the feed show what the route's links in the ledger say; whether it does now. A feed that cannot be
        written stops nothing: the next pass tries again."""
        now = self._clock.now()
        kept = await ledger.occurrences.since(self._route, now - SHOWN_AFTER_END)
        shown, changed = published(kept, {str(link.key): link for link in links}, now)
        await ledger.occurrences.save_published(*changed)
        try:
            written = await self._feed.write(shown)
        except ArchiveError as error:
            if not self._failed:
                self._log("feed.failed", route=self._route, reason=str(error))
            self._failed = True
            return False
        self._failed = False
        if written:
            self._log("feed.written", route=self._route, meetings=len(shown))
        return True
