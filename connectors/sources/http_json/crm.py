"""A CRM as its profile describes it. Implements `connectors.sources.crm.api.Crm`."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from connectors.answers import place
from connectors.sources.crm.api import Page, Record
from connectors.sources.http_json.addresses import neighbour
from connectors.sources.http_json.calls import Calls
from connectors.sources.http_json.expressions import Unanswerable, search
from connectors.sources.http_json.mapping import Mapper
from connectors.sources.http_json.people import People, batches
from connectors.sources.http_json.settings import HttpJsonSettings
from connectors.sources.http_json.templates import USABLE_ID, Values
from connectors.sources.http_json.times import THE_BEGINNING, write_instant, zone_of
from connectors.sources.http_json.writing import Writing
from sync.errors import ConfigurationError, Refused, Unreachable
from sync.model import Finding, Participant
from sync.outlets import Archived

MOST_PAGES = 2_000
"""Pages of one question: what has more does not come to an end."""
SKIPPED = 50
"""Pages that are passed over in one go when nothing on them is still to come."""

SAMPLE = 5
"""Records that `check` asks more about."""

_NOT_THERE = frozenset({403, 404, 410})
"""What a CRM answers for a record that is deleted, or that we may not see (any more): the two look alike."""


class HttpJsonCrm:
    """One account with a CRM. `name` is the source's; a `locked` one cannot write."""

    def __init__(
        self,
        name: str,
        settings: HttpJsonSettings,
        *,
        locked: bool = False,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.name = name
        self.batch = settings.exists.batch
        self._settings = settings
        self._now = now
        self._calls = Calls(settings, locked=locked, now=now, sleep=sleep)
        self._mapper = Mapper(name, settings)
        self._people = People(settings, self._calls, self._mapper)
        self._writing = Writing(settings, self._calls)
        self._here = place(settings.url)

    async def close(self) -> None:
        """Let go of connections."""
        await self._calls.close()

    async def check(self) -> tuple[Finding, ...]:
        """Log in afresh and look at the first page. Raises OutsideError, and ConfigurationError for a map that finds no
        id, start or end in any of its records."""
        await self._calls.afresh()
        items, _ = await self._page(THE_BEGINNING, "")
        for name in ("id", "start", "end", "time.date"):
            if items and all(name in self._mapper.missing(item) for item in items):
                what = f"the first {len(items)} records" if len(items) > 1 else "the first record"
                raise ConfigurationError(
                    f"[sources.{self.name}.map] {name}: is null in {what}; no meeting can be made of that"
                )
        await self._try_the_rest([record.id for record in self._records(items[:SAMPLE]) if record.meeting is not None])
        return ()

    async def _try_the_rest(self, ids: Sequence[str]) -> None:
        """Ask for the people of some records, and whether they exist: a sweep that finds nothing would remove all."""
        if not ids:
            return
        await self.people(ids)
        if not await self.existing(ids):
            raise ConfigurationError(
                f"[sources.{self.name}.exists] items: finds none of the records that are in the list of changes"
            )

    async def notices(self) -> tuple[Finding, ...]:
        """See `Crm`: nothing that ends is known here."""
        return ()

    async def changed(self, since: datetime | None, after: str, ends_after: datetime | None) -> Page:
        """See `Crm`. Records that ended before `ends_after` are left out, but for a page's last one, from whose stamp
        the next question goes on."""
        begin = since or THE_BEGINNING
        for _ in range(SKIPPED):
            items, following = await self._page(begin, after)
            records = await asyncio.to_thread(self._records, items)
            wanted = [record for record in records if ends_after is None or _still_to_come(record, ends_after)]
            if wanted or not following:
                break
            last = records[-1].updated if records else None
            begin, after = (last, "") if last is not None and last > begin else (begin, following)
        if records and records[-1] not in wanted:
            wanted.append(records[-1])
        return Page(tuple(wanted), following)

    async def people(self, ids: Sequence[str]) -> Mapping[str, tuple[Participant, ...]]:
        """See `Crm`. A record that is not there (any more) is left out; one that is there, but whose people may not be
        read, is an error: it must not look as if nobody took part."""
        usable = [id_ for id_ in ids if USABLE_ID.fullmatch(id_)]
        found, hidden = await self._people.read(usable, _NOT_THERE)
        if hidden and (there := await self.existing(hidden)):
            some = f"{len(there)} of {len(usable)} meetings" if len(usable) > 1 else "a meeting"
            raise Refused(f"{self._here}: {some} can be read, but who takes part cannot (see attendees)")
        return found

    async def existing(self, ids: Sequence[str]) -> Collection[str]:
        """See `Crm`. What cannot be asked for is taken for there: nothing is proved about it."""
        table = self._settings.exists
        usable = [id_ for id_ in ids if USABLE_ID.fullmatch(id_)]
        there = {id_ for id_ in ids if not USABLE_ID.fullmatch(id_)}
        for some in batches(usable, 1 if table.one_by_one else table.batch):
            values: Values = {"id": some[0], "ids": some}
            heard = await self._calls.read(table, values, missing=_NOT_THERE if self._asks_by_path() else frozenset())
            if heard.document is None:
                continue
            listed = self._list(table.items, heard.document, "exists.items")
            there |= {str(one) for one in listed if isinstance(one, (str, int))} & set(some)
        return there

    async def write_link(self, id: str, link: str, former: str) -> bool:  # noqa: A002
        """See `sync.outlets.WritableSource`."""
        return await self._writing.link(id, link, former)

    async def add_artifact(self, id: str, artifact: Archived, *, doubted: bool) -> bool:  # noqa: A002
        """See `sync.outlets.WritableSource`."""
        return await self._writing.artifact(id, artifact, doubted=doubted)

    async def _page(self, since: datetime, after: str) -> tuple[list[Any], str]:
        """The items of one page, and what asks for the next one."""
        table = self._settings.changed
        paging = table.paging
        number = int(after) if after.isdecimal() and paging.kind in ("offset", "page") else paging.start
        if number > MOST_PAGES * (paging.size if paging.kind == "offset" else 1):
            raise Unreachable(f"{self._here}: its list does not come to an end (more than {MOST_PAGES} pages)")
        values: Values = {
            "since": write_instant(since, table.since_format, zone_of(table.since_zone)),
            "size": paging.size,
            "offset": number,
            "page": number,
            "cursor": (after or None) if paging.kind == "cursor" else None,
        }
        behind_the_end = frozenset({404}) if after else frozenset[int]()
        url = after if paging.kind == "link" else ""
        heard = await self._calls.read(table, values, missing=behind_the_end, url=url)
        if heard.document is None:
            return [], ""
        items = self._list(table.items, heard.document, "changed.items")
        return items, self._following(items, heard.document, heard.url, number, after)

    def _following(self, items: list[Any], document: Any, url: str, number: int, after: str) -> str:
        paging = self._settings.changed.paging
        if paging.kind in ("offset", "page"):
            step = paging.size if paging.kind == "offset" else 1
            return str(number + step) if len(items) >= paging.size else ""
        mark = self._quietly(paging.cursor or paging.link or "@", document)
        if not isinstance(mark, (str, int)) or isinstance(mark, bool) or mark == "":
            return ""
        following = neighbour(mark, url) if paging.kind == "link" and isinstance(mark, str) else str(mark)
        if following in (after, url):
            raise Unreachable(f"{self._here}: a page leads to itself")
        return following

    def _records(self, items: list[Any]) -> list[Record]:
        now = self._now()
        return [self._mapper.record(item, now) for item in items]

    def _asks_by_path(self) -> bool:
        """Whether a 404 is about the one id that was asked for."""
        return "${id}" in self._settings.exists.path

    def _list(self, expression: str, document: Any, key: str) -> list[Any]:
        """The list in an answer. What has none is no well-formed answer, and never "none"."""
        found = self._quietly(expression, document)
        if not isinstance(found, list):
            raise Unreachable(f"{self._here}: there is no list in the answer where {key} looks for it")
        return found

    def _quietly(self, expression: str, document: Any) -> Any:
        try:
            return search(expression, document)
        except Unanswerable:
            return None


def _still_to_come(record: Record, ends_after: datetime) -> bool:
    """Whether it is of interest; what cannot be read is."""
    return record.meeting is None or record.meeting.end >= ends_after
