"""A route: which meetings of a source go to which vendor, with what defaults and policy."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal
from urllib.parse import urlsplit

from sync.model import Finding, Meeting, MeetingKey, Window


@dataclass(frozen=True, slots=True)
class Match:
    """Which meetings a route takes: all given conditions must hold; none given takes every meeting."""

    categories: tuple[str, ...] = ()
    summary: re.Pattern[str] | None = None
    location: re.Pattern[str] | None = None
    organizer: tuple[str, ...] = ()

    def mismatch(self, meeting: Meeting) -> str | None:
        """Why the meeting is not taken, or None when it is."""
        have = {name.casefold() for name in meeting.categories}
        if self.categories and not have & {name.casefold() for name in self.categories}:
            return "none of the route's categories"
        if self.summary and not self.summary.search(meeting.title):
            return "its title does not match the route's `summary`"
        if self.location and not self.location.search(meeting.location):
            return "its location does not match the route's `location`"
        if self.organizer and not meeting.organizer.lower().endswith(tuple(o.lower() for o in self.organizer)):
            return "its organizer does not match the route's `organizer`"
        return None


@dataclass(frozen=True, slots=True)
class Route:
    """One route with its policy; durations are timedeltas, percentages whole numbers. `looks` are the times after a
    meeting's end at which its artifacts are looked for, in order. `mails`: convener mails where the vendor does
    not."""

    name: str
    source: str
    vendor: str
    ahead: timedelta = timedelta(days=30)
    behind: timedelta = timedelta(days=1)
    invite: Literal["register", "email", "none"] = "register"
    declined: Literal["skip", "keep"] = "skip"
    series: Literal["occurrences", "room"] = "occurrences"
    drift: Literal["repair", "report"] = "repair"
    existing_link: Literal["skip", "add"] = "skip"
    on_unsupported_update: Literal["keep", "replace"] = "keep"
    title_marker: bool = True
    max_delete_percent: int = 30
    guard_from: int = 5
    freeze: timedelta = timedelta(minutes=15)
    looks: tuple[timedelta, ...] = ()
    mails: bool = False
    match: Match = field(default_factory=Match)
    vendor_hosts: frozenset[str] = frozenset()
    """Host names of the vendor's own links: a link to one is ours and not somebody else's meeting."""

    def window(self, now: datetime) -> Window:
        """The span that this route looks after."""
        return Window(now - self.behind, now + self.ahead)


@dataclass(frozen=True, slots=True)
class Selection:
    """What a route takes of a snapshot, and what it leaves with the reason."""

    taken: dict[MeetingKey, Meeting]
    left: dict[MeetingKey, Finding]


def select(route: Route, meetings: Iterable[Meeting], linked: frozenset[MeetingKey]) -> Selection:
    """The meetings that belong to the route, declined participants left out as its policy says.

    A meeting that has a session already (`linked`) is not given up because of a foreign link added to it later.
    """
    taken: dict[MeetingKey, Meeting] = {}
    left: dict[MeetingKey, Finding] = {}
    for meeting in meetings:
        if reason := route.match.mismatch(meeting):
            left[meeting.key] = Finding("not-matched", reason)
        elif (link := _foreign_link(route, meeting)) and meeting.key not in linked:
            left[meeting.key] = Finding("existing-link", f"it already carries a meeting link to {link}")
        else:
            taken[meeting.key] = meeting
    return Selection(taken, left)


def _foreign_link(route: Route, meeting: Meeting) -> str | None:
    if route.existing_link == "add" or meeting.cancelled:
        return None
    hosts = [_host(link) for link in meeting.conference_links]
    return next((host for host in hosts if host and host not in route.vendor_hosts), None)


def _host(link: str) -> str:
    try:
        return urlsplit(link).hostname or ""
    except ValueError:
        return ""  # a calendar's text may hold anything; what is no address is nobody's meeting
