"""Which collection is meant: from whatever address a person has to the calendar (RFC 4791 section 6, RFC 6764)."""

import httpx

from connectors.answers import place
from connectors.sources.caldav.dav import Dav, canonical, last_part, same_path
from connectors.sources.caldav.settings import CalDavSettings, is_address
from connectors.sources.caldav.xml import HOME, KINDS, NAME, PRINCIPAL, TYPE, Response
from sync.errors import ConfigurationError, CredentialsRefused, RateLimited, Refused, Unreachable

WELL_KNOWN = "/.well-known/caldav"
_ASKED = (TYPE, NAME, KINDS, PRINCIPAL, HOME)
_MOST = 20
"""Calendars that a message names, and homes that are looked through."""


async def find_calendar(dav: Dav, source: str, settings: CalDavSettings) -> httpx.URL:
    """The address of the calendar that the settings of `source` mean. Raises ConfigurationError when it is none or
    several, and what `Wire.read` raises."""
    wanted, url = settings.calendar, dav.root
    if is_address(wanted):
        url = dav.url(wanted)
    here = await _look(dav, url)
    at, found = here or (url, Response())
    if found.is_calendar and (not wanted or is_address(wanted) or wanted in _names(found, at)):
        return at
    if is_address(wanted):
        raise ConfigurationError(f"[sources.{source}] calendar: there is no calendar at that address")
    calendars = await _all(dav, at, found)
    meant = {path: one for path, one in calendars.items() if not wanted or _title(one) == wanted}
    meant = meant or {path: one for path, one in calendars.items() if wanted in _names(one[1], one[0])}
    if len(meant) == 1:
        return next(iter(meant.values()))[0]
    listed = ", ".join(f'"{_title(one)[:60]}" ({last_part(path)})' for path, one in list(calendars.items())[:_MOST])
    there = f"there are: {listed}" if listed else "the account shows none"
    if meant:
        called = f'are called "{wanted}"' if wanted else "are there"
        raise ConfigurationError(f"[sources.{source}] calendar: {len(meant)} calendars {called}, say which; {there}")
    called = f' called "{wanted}"' if wanted else ""
    raise ConfigurationError(f"[sources.{source}] calendar: no calendar{called}; {there}")


_Calendar = tuple[httpx.URL, Response]


def _title(calendar: _Calendar) -> str:
    at, response = calendar
    return " ".join(response.get(NAME).text.split()) or last_part(at.path)


def _names(response: Response, at: httpx.URL) -> tuple[str, str]:
    """What a calendar may be called: its title, or the last part of its path."""
    return _title((at, response)), last_part(at.path)


async def _look(dav: Dav, url: httpx.URL) -> tuple[httpx.URL, Response] | None:
    """What is at the address, None when that is nothing of WebDAV's."""
    try:
        found = await dav.properties(url, *_ASKED, redirects=True)
    except (CredentialsRefused, RateLimited):
        raise
    except Refused as error:
        if error.status in (400, 404, 405, 410, 501):
            return None
        raise
    except Unreachable:
        if url.path in ("", "/"):  # a web site at the root, which does not know the question
            return None
        raise
    own = [one for one in found.said.responses if same_path(one.href, found.at)]
    there = [one for one in own or found.said.responses if one.there]
    return (found.at, there[0]) if there else None


async def _all(dav: Dav, at: httpx.URL, here: Response) -> dict[str, _Calendar]:
    """The calendars of the home that the address is, else those of the account's homes."""
    if here.is_collection and not here.is_calendar and at.path != "/" and not here.get(HOME).hrefs:
        try:
            if found := await _calendars(dav, at):
                return found
        except (Refused, Unreachable):
            pass  # a list that is not for us: the account says where its calendars are
    homes = await _homes(dav, at, here)
    if not homes and (known := await _look(dav, dav.url(WELL_KNOWN))) is not None:
        homes = await _homes(dav, *known)
    if not homes:
        raise Unreachable(f"{place(dav.root)}: the server does not say where the account's calendars are")
    every: dict[str, _Calendar] = {}
    for home in homes[:_MOST]:
        every.update(await _calendars(dav, home))
    return every


async def _homes(dav: Dav, at: httpx.URL, here: Response) -> list[httpx.URL]:
    """The account's calendar homes: said at the address itself when that is an account, else by its account."""
    if hrefs := here.get(HOME).hrefs:
        return [dav.url(href, at) for href in hrefs]
    for href in here.get(PRINCIPAL).hrefs:
        principal = await _look(dav, dav.url(href, at))
        if principal is not None and (hrefs := principal[1].get(HOME).hrefs):
            return [dav.url(href, principal[0]) for href in hrefs]
    return []


async def _calendars(dav: Dav, home: httpx.URL) -> dict[str, _Calendar]:
    found = await dav.properties(home, TYPE, NAME, KINDS, depth=1, redirects=True)
    return {
        canonical(one.href): (dav.url(one.href, found.at), one)
        for one in found.said.responses
        if one.there and one.is_calendar
    }
