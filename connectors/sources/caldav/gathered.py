"""The resources of a calendar put together as one text, for the reader of iCalendar; and its complaints sorted back."""

import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from connectors.sources.caldav.cursor import Resource
from connectors.sources.caldav.dav import last_part
from connectors.sources.ical.feed import Reading
from connectors.sources.ical.text import Block, Feed
from connectors.sources.ical.values import Unreadable
from sync.snapshot import Rejected

_UID = re.compile(rb"\n(?i:UID):[ \t]*([^\r\n]{1,1000})")


@dataclass(slots=True)
class Gathered:
    """All resources that are whole calendars, as one `feed`. `rejected` are the others, as far as they were read,
    `unproved` the UIDs of those that were not; `unnamed` are the paths of those whose UID nobody knows."""

    feed: Feed = field(default_factory=lambda: Feed(b"", apart=True))
    members: list[Resource] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    unproved: set[str] = field(default_factory=set)
    unnamed: list[str] = field(default_factory=list)

    def by_resource(self, reading: Reading) -> list[Rejected]:
        """The reader's rejections with the resource in the reason, and the line in that."""
        if not reading.rejected:
            return self.rejected
        before, lines = [], 0
        for one in self.members:
            before.append(lines)
            lines += (one.text or b"").count(b"\n")
        found = list(self.rejected)
        for item in reading.rejected:
            place = max(bisect_right(before, (item.line or 1) - 1) - 1, 0)
            line = None if item.line is None else item.line - before[place]
            reason = f"{last_part(self.members[place].href)}: {item.reason}"
            found.append(replace(item, line=line, reason=reason))
        return found


def gather(resources: Iterable[Resource]) -> Gathered:
    """Each resource's text is a calendar by itself (RFC 4791 section 4.1): what one lacks, no other has."""
    gathered = Gathered()
    texts: list[bytes] = []
    at = 0
    for one in resources:
        if one.text is None:
            gathered.unproved.update(one.uids)
            if not one.uids:
                gathered.unnamed.append(one.href)
            continue
        try:
            feed = one.feed()
        except Unreadable as error:
            gathered.rejected += _rejections(one, str(error))
            continue
        if not feed.blocks:
            continue  # tasks, notes
        calendars = len(gathered.feed.calendars)
        gathered.members.append(one)
        gathered.feed.calendars += feed.calendars
        gathered.feed.blocks += [
            Block(
                block.begin + at,
                block.end + at,
                block.calendar + calendars,
                tuple((begin + at, end + at) for begin, end in block.nested),
            )
            for block in feed.blocks
        ]
        texts.append(feed.text)
        at += len(feed.text)
    gathered.feed.text = b"".join(texts)
    return gathered


def _rejections(one: Resource, reason: str) -> list[Rejected]:
    """One for each UID that the broken text names, or that the resource had before."""
    named = {match[1].decode("utf-8", "replace").strip(): None for match in _UID.finditer(one.text or b"")}
    reason = f"{last_part(one.href)}: {reason}"
    return [Rejected(uid, None, reason) for uid in {**dict.fromkeys(one.uids), **named} or (None,)]
