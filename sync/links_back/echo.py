"""Taking what we wrote into a source out again of what is read there. Pure.

A link that we wrote would else be a change of the meeting, and somebody else's meeting in the next pass.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import replace

from sync.model import Meeting
from sync.snapshot import Snapshot

_LONGER = re.compile(r"/*[\w=&?%#~+-]|[.:@!$*]+\w")
"""What goes on with an address, and does not end it."""


def without_ours(meeting: Meeting, links: Collection[str]) -> Meeting:
    """The meeting as it would read had we never written to it. `links` are those that may stand there by us.

    A location that is one of them is none; lines of the description that hold one are left out, with the blank lines
    that are at its beginning or end then; they are no conference links.
    """
    ours = {_bare(link) for link in links}
    location = "" if meeting.location and _bare(meeting.location) in ours else meeting.location
    description = _without_lines(meeting.description, ours)
    conference = tuple(link for link in meeting.conference_links if _bare(link) not in ours)
    if (location, description, conference) == (meeting.location, meeting.description, meeting.conference_links):
        return meeting
    return replace(meeting, location=location, description=description, conference_links=conference)


def all_without_ours(snapshot: Snapshot, ours: Mapping[str, Collection[str]]) -> Snapshot:
    """The snapshot with its meetings as they would read without us; `ours` holds the links by the meetings' UID: the
    occurrences of a series may show each other's."""
    if not ours:
        return snapshot
    meetings = tuple(
        without_ours(meeting, links) if (links := ours.get(meeting.key.uid)) else meeting
        for meeting in snapshot.meetings
    )
    return replace(snapshot, meetings=meetings)


def _bare(text: str) -> str:
    """The link without what an editor puts around it or at its end."""
    return text.strip().strip("<>").rstrip("/")


def _without_lines(text: str, ours: Collection[str]) -> str:
    if "://" not in text:
        return text
    lines = text.split("\n")
    kept = [line for line in lines if "://" not in line or not any(_holds(line, link) for link in ours)]
    if len(kept) == len(lines):
        return text
    while kept and not kept[-1].strip():
        kept.pop()
    while kept and not kept[0].strip():
        kept.pop(0)
    return "\n".join(kept).removesuffix("\r")


def _holds(line: str, link: str) -> bool:
    """Whether the line holds this link, and not a longer one that begins with it."""
    end = -1
    while (start := line.find(link, end + 1)) >= 0:
        end = start + len(link)
        if not _LONGER.match(line, end):
            return True
    return False
