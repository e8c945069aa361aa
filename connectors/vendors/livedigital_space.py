"""The space that holds the account's rooms: found by name or id, made where that is wanted.

Every path of the API begins with the id of a space (section "createSpace" of the public guides).
"""

import asyncio

from connectors.vendors import livedigital_wire as wire_format
from connectors.vendors.livedigital_api import LivedigitalApi
from connectors.vendors.livedigital_wire import Row, Space, Unreadable
from sync.errors import ConfigurationError, UnknownOutcome, Unreachable

SHOWN = 5
SHOWN_LETTERS = 40


class SpaceFinder:
    """Looks for the space once and remembers its id. Only `made` makes one, as a part of creating a room."""

    def __init__(self, api: LivedigitalApi, wanted: str, *, create: bool) -> None:
        self._api = api
        self._wanted = wanted
        self._create = create
        self._known: str | None = None
        self._lock = asyncio.Lock()

    async def id(self) -> str | None:
        """The space's id; None when there is none yet and the first room will make it.

        Raises ConfigurationError when there is none and none is to be made.
        """
        async with self._lock:
            return self._known or await self._found()

    async def made(self) -> str:
        """The space's id; the space is made when there is none. A write, then."""
        async with self._lock:
            return self._known or await self._found() or await self._made()

    def forget(self) -> None:
        """Look again next time."""
        self._known = None

    async def _found(self) -> str | None:
        found = await self._api.read_all(Space, "spaces", "spaces")
        spaces = found.rows.values()
        if self._wanted in found.rows:
            self._known = self._wanted
            return self._known
        named = [space.id for space in spaces if space.name == self._wanted]
        if len(named) > 1:
            ids = ", ".join(sorted(named)[:SHOWN])
            raise ConfigurationError(f'livedigital: several spaces are named "{self._wanted}": give an id ({ids})')
        if named:
            self._known = named[0]
            return self._known
        if found.lacking:
            if not wire_format.ID.fullmatch(self._wanted):
                raise Unreachable(found.lacking)
            self._known = self._wanted  # it may be among those that were not listed; the first look at it will tell
            return self._known
        if self._create and not wire_format.ID.fullmatch(self._wanted):
            return None
        there = _shortened([space.name or space.id for space in spaces])
        raise ConfigurationError(f'livedigital: there is no space "{self._wanted}" in this account; there {there}')

    async def _made(self) -> str:
        # isPublic must be sent as true (the guides call it deprecated); rooms have their own
        answer, _ = await self._api.create("space", "spaces", data={"name": self._wanted, "isPublic": True})
        try:
            self._known = wire_format.parsed(Row, answer).id
        except Unreadable:
            raise UnknownOutcome("POST space: the answer names no id") from None
        return self._known


def _shortened(names: list[str]) -> str:
    """Some of the names, for people."""
    if not names:
        return "is none at all"
    shown = ", ".join(f'"{" ".join(name.split())[:SHOWN_LETTERS]}"' for name in sorted(names)[:SHOWN])
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{'is' if len(names) == 1 else 'are'} {shown}{more}"
