"""Who takes part: the look-ups of a profile, in one step or two."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

from connectors.answers import place
from connectors.sources.http_json.calls import Calls
from connectors.sources.http_json.expressions import Unanswerable, search
from connectors.sources.http_json.mapping import Mapper, identity, merged_people
from connectors.sources.http_json.profile import Attendees, Resolve
from connectors.sources.http_json.settings import HttpJsonSettings
from connectors.sources.http_json.templates import USABLE_ID
from sync.errors import Unreachable
from sync.model import Participant

AT_ONCE = 4
"""Meetings that are asked for at the same time, where each takes a call of its own."""

_GONE = frozenset({404, 410})


class People:
    """Reads the participants of records by their ids."""

    def __init__(self, settings: HttpJsonSettings, calls: Calls, mapper: Mapper) -> None:
        self._tables = [table for table in settings.attendees.values() if table.path]
        self._calls = calls
        self._mapper = mapper
        self._here = place(settings.url)

    async def read(
        self, ids: Sequence[str], missing: frozenset[int]
    ) -> tuple[dict[str, tuple[Participant, ...]], list[str]]:
        """The participants by record, and the ids of those for which the CRM answered with a status of `missing`, or
        of which it said nothing. Raises OutsideError."""
        if not self._tables:
            return {}, []
        found: dict[str, list[Participant]] = {id_: [] for id_ in ids}
        hidden: set[str] = set()
        for table in self._tables:
            rows = await self._rows(table, ids, missing)
            hidden |= set(ids) - rows.keys()
            known = await self._resolved(table.resolve, rows) if table.resolve is not None else None
            for id_, people in rows.items():
                items = people if known is None else [known[one] for one in map(identity, people) if one in known]
                persons = (self._mapper.person(item, table.map) for item in items)
                found[id_] += [person for person in persons if person is not None]
        read = {id_: merged_people(people) for id_, people in found.items() if id_ not in hidden}
        return read, [id_ for id_ in ids if id_ in hidden]

    async def _rows(self, table: Attendees, ids: Sequence[str], missing: frozenset[int]) -> dict[str, list[Any]]:
        """What the first step says of each record: people, or the ids of people."""
        found: dict[str, list[Any]] = {}
        if table.one_by_one:
            for some in batches(ids, AT_ONCE):
                asked = (self._calls.read(table, {"id": id_}, missing=missing) for id_ in some)
                answers = await asyncio.gather(*asked, return_exceptions=True)
                for id_, heard in zip(some, answers, strict=True):
                    if isinstance(heard, BaseException):
                        raise heard
                    if heard.document is not None:
                        found[id_] = self._list(table.items, heard.document)
            return found
        for some in batches(ids, table.batch):
            heard = await self._calls.read(table, {"ids": some})
            for row in self._list(table.items, heard.document) if heard.document is not None else ():
                id_ = identity(_quietly(table.of, row))
                if id_ in some:
                    people = _quietly(table.people or "@", row)
                    found[id_] = found.get(id_, []) + (people if isinstance(people, list) else [])
        return found

    async def _resolved(self, table: Resolve, rows: dict[str, list[Any]]) -> dict[str, Any]:
        """What stands behind the ids of people; one that is not there (any more) is nobody."""
        wanted = dict.fromkeys(identity(one) for people in rows.values() for one in people)
        usable = [one for one in wanted if USABLE_ID.fullmatch(one)]
        found: dict[str, Any] = {}
        single = "id" in table.names()
        for some in batches(usable, 1 if single else table.batch):
            missing = _GONE if single else frozenset[int]()
            heard = await self._calls.read(table, {"id": some[0], "ids": some}, missing=missing)
            for item in self._list(table.items, heard.document) if heard.document is not None else ():
                found[identity(_quietly(table.id, item))] = item
        return found

    def _list(self, expression: str, document: Any) -> list[Any]:
        found = _quietly(expression, document)
        if not isinstance(found, list):
            raise Unreachable(f"{self._here}: there is no list in the answer where attendees looks for it")
        return found


def batches(ids: Sequence[str], size: int) -> Iterator[list[str]]:
    """The ids, so many at once."""
    return (list(ids[first : first + size]) for first in range(0, len(ids), size))


def _quietly(expression: str, document: Any) -> Any:
    try:
        return search(expression, document)
    except Unanswerable:
        return None
