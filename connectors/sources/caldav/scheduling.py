"""Whom the server would write to if an entry were changed (RFC 6638).

A server that schedules by itself mails the attendees whenever the organizer's own copy changes, and cancels them when
SCHEDULE-AGENT becomes CLIENT (section 3.2.1.2): there is no change of such a copy that nobody hears of. An attendee's
copy may be changed: nothing is sent as long as the answer (PARTSTAT) stays (section 3.2.2.3), and the server has to go
on sending the answers. For everybody else's entries the server does nothing, and SCHEDULE-AGENT=CLIENT keeps it so
wherever the entry goes.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import httpx

from connectors.sources.caldav.dav import Dav
from connectors.sources.caldav.xml import ADDRESSES, OUTBOX, OWNER, PRINCIPAL, Response
from connectors.sources.ical.lines import Line
from connectors.sources.ical.people import address_of
from sync.errors import CredentialsRefused, Refused

_WOULD_MAIL = "the server sends invitations by itself, so the participants would be mailed for a changed link"


@dataclass(frozen=True, slots=True)
class Scheduling:
    """What a server does about invitations: nothing (no `addresses`), or it knows the calendar's owner by these.
    `certain`: these are all."""

    addresses: frozenset[str] = frozenset()
    certain: bool = True

    def allows_muting(self, lines: Iterable[Line]) -> bool:
        """Whether SCHEDULE-AGENT=CLIENT may be written to the entry with these ORGANIZER and ATTENDEE lines. Raises
        Refused when any change of it would be mailed."""
        lines = list(lines)
        agents = [(line, line.parameters.get("SCHEDULE-AGENT", "SERVER").strip().upper()) for line in lines]
        invited = [line for line, agent in agents if line.name == "ATTENDEE" and agent not in ("CLIENT", "NONE")]
        organizers = [line for line in lines if line.name == "ORGANIZER"]
        if not invited or not organizers:
            return True
        if not self.certain or any(self._is_ours(line) for line in organizers):
            raise Refused(_WOULD_MAIL)
        return not any(self._is_ours(line) for line in invited)

    def _is_ours(self, line: Line) -> bool:
        return not self.addresses.isdisjoint({address_of(line), _bare(line.value)} - {""})


def _bare(address: str) -> str:
    return address.strip().lower().removeprefix("mailto:")


async def scheduling_of(dav: Dav, calendar: httpx.URL) -> Scheduling:
    """What the server would do. An outbox is what servers that schedule have (RFC 6638 section 2.1). Raises what
    `Wire.read` raises."""
    here = await dav.one(calendar, PRINCIPAL, OWNER)
    account = [dav.url(href, calendar) for href in here.get(PRINCIPAL).hrefs[:1]]
    said = await dav.one(account[0], OUTBOX, ADDRESSES) if account else Response()
    if not said.get(OUTBOX).hrefs:
        return Scheduling()
    known = set(said.get(ADDRESSES).hrefs)
    certain = True
    for href in here.get(OWNER).hrefs[:1]:
        owner = dav.url(href, calendar)
        if owner.path.rstrip("/") != account[0].path.rstrip("/"):
            try:
                known.update((await dav.one(owner, ADDRESSES)).get(ADDRESSES).hrefs)
            except (Refused, CredentialsRefused):
                certain = False
    return Scheduling(frozenset(map(_bare, known)) - {""}, certain)
