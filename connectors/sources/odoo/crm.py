"""One account with an Odoo server: the calls, and what they mean. See `connectors.sources.crm.api.Crm`.

    calendar.event/search_read by write_date -> calendar.attendee/search_read by event -> calendar.event/search by id

Archived meetings are cancelled ones; deleted ones are in no answer at all.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from connectors.base import clear_text
from connectors.sources.crm.api import Page
from connectors.sources.odoo import rows
from connectors.sources.odoo.rows import Person, Reading, Row
from connectors.sources.odoo.server import JSON2_SINCE, OdooServer, the_number
from connectors.sources.odoo.write_back import EVENT, WriteBack
from sync.errors import Refused, Unreachable
from sync.model import Finding, Participant
from sync.outlets import Archived

PAGE = 100
OLDEST_FIRST = "write_date asc, id asc"
ARCHIVED_TOO = {"active_test": False}

KEYS_END_SINCE = 18
"""The first version whose API keys end: those of ordinary users after 90 days at the latest."""
WARN_AHEAD = timedelta(days=14)
A_DAY = timedelta(days=1)


class OdooCrm:
    """Implements `Crm`. `zone` is that of all-day meetings; `keyed`: we come with an API key."""

    batch = 200

    def __init__(
        self,
        name: str,
        server: OdooServer,
        *,
        url: str,
        zone: ZoneInfo,
        keyed: bool,
        page: int = PAGE,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._name = name
        self._server = server
        self._url = url
        self._zone = zone
        self._keyed = keyed
        self._page = page
        self._now = now
        self._fields: dict[str, str] | None = None
        self._users: dict[int, Person | None] = {}
        self._organizers: dict[int, int] = {}

    async def close(self) -> None:
        """Let go of connections."""
        await self._server.close()

    # What a person should know

    async def check(self) -> tuple[Finding, ...]:
        """See `Crm`."""
        await self._server.enter()
        self._fields = None
        await self._event_fields()
        findings = list(clear_text(self._url))
        ending = await self._ending_keys()
        unknown = "Odoo does not tell when the API key ends; those of ordinary users last 90 days at most"
        findings += (Finding("key-expires", unknown),) if ending is None else ending
        if self._server.chosen == "json-rpc" and await self._server.version() >= JSON2_SINCE:
            message = "Odoo 22 will not understand JSON-RPC any more: give an api_key instead of the password"
            findings.append(Finding("transport-outdated", message))
        return tuple(findings)

    async def notices(self) -> tuple[Finding, ...]:
        """See `Crm`: an API key that ends soon. One call."""
        return await self._ending_keys() or ()

    async def _ending_keys(self) -> tuple[Finding, ...] | None:
        """About the account's keys that end soon; None when Odoo does not tell."""
        if not self._keyed or await self._server.version() < KEYS_END_SINCE:
            return ()
        domain = [["user_id", "=", await self._server.uid()]]
        try:
            keys = await self._server.search_read("res.users.apikeys", domain, ["name", "expiration_date"])
        except Refused:
            return None
        return tuple(finding for key in keys if (finding := self._ending(key, len(keys))) is not None)

    def _ending(self, key: Row, keys: int) -> Finding | None:
        try:
            ends = rows.instant(key.get("expiration_date"))
        except rows.Unreadable:
            return None
        left = ends - self._now()
        if left > WARN_AHEAD:
            return None
        which = f"the API key {rows.text(key.get('name'))[:40]!r}" + (
            f", one of {keys} of this user," if keys > 1 else ""
        )
        when = f"ends on {ends:%Y-%m-%d}, in {left.days} days" if left > timedelta(0) else "has ended"
        return Finding("key-expires", f"{which} {when}: make a new one, or nothing will be read any more")

    # Reading

    async def changed(self, since: datetime | None, after: str, ends_after: datetime | None) -> Page:
        """See `Crm`."""
        if since is None and not after:
            self._users.clear()
        domain = []
        if since is not None:
            domain.append(["write_date", ">=", rows.stamp(since)])
        if ends_after is not None:  # a day earlier: the days of all-day meetings are those of a zone
            domain.append(["stop", ">=", rows.stamp(ends_after - A_DAY)])
        offset = int(after or 0)
        fields = await self._event_fields()
        wanted = [*rows.ALWAYS, *(name for name in rows.SOMETIMES if name in fields)]
        try:
            found = await self._server.search_read(
                EVENT, domain, wanted, limit=self._page, offset=offset, order=OLDEST_FIRST, context=ARCHIVED_TOO
            )
        except Refused:
            self._fields = None  # the server may have been changed: next time they are asked for again
            raise
        reading = await self._reading(found, fields)
        more = str(offset + self._page) if len(found) >= self._page else ""
        return Page(tuple(rows.record(row, reading) for row in found), more)

    async def people(self, ids: Sequence[str]) -> Mapping[str, tuple[Participant, ...]]:
        """See `Crm`: the attendees, and the organizer."""
        numbers = _numbers(ids)
        found = await self._server.search_read(
            "calendar.attendee", [["event_id", "in", sorted(set(numbers.values()))]], rows.ATTENDEE
        )
        if not all(rows.first(row.get("event_id")) for row in found):
            raise Unreachable("calendar.attendee: an answer that names no meetings")
        attendees = rows.people(found)
        await self._learn_organizers(set(numbers.values()))
        return {
            id_: rows.with_organizer(attendees.get(number, {}), self._users.get(self._organizers.get(number, 0)))
            for id_, number in numbers.items()
        }

    async def existing(self, ids: Sequence[str]) -> Collection[str]:
        """See `Crm`. For a series, older versions answer with its occurrences; and the number of one that is named by
        its own id stands for all of them."""
        numbers = _numbers(ids)
        if not numbers:
            return ()
        domain = [["id", "in", sorted(set(numbers.values()))]]
        shown = set(await self._server.search(EVENT, domain, context=ARCHIVED_TOO))
        there = {the_number(one) for one in shown}
        return {
            id_
            for id_, number in numbers.items()
            if id_ in shown or str(number) in shown or ("-" not in id_ and number in there)
        }

    async def _event_fields(self) -> dict[str, str]:
        if self._fields is None:
            self._fields = await self._server.fields_of(EVENT)
        return self._fields

    async def _reading(self, found: Sequence[Row], fields: Mapping[str, str]) -> Reading:
        """What the rows are to be read with; our own id only where there is something private."""
        uid = await self._server.uid() if any(rows.not_for_us(row, 0) for row in found) else 0
        for row in found:
            number, user = rows.first(row.get("id")), rows.first(row.get("user_id"))
            if number is None and isinstance(row.get("id"), str):
                number = next(iter(_numbers([row["id"]]).values()), None)
            if number is not None:
                self._organizers[number] = user or 0
        await self._learn_users({user for row in found if (user := rows.first(row.get("user_id")))})
        return Reading(self._name, self._zone, uid, self._users, fields.get("description") == "html")

    async def _learn_organizers(self, numbers: Collection[int]) -> None:
        """Who organizes the meetings that were read by an earlier process."""
        unknown = sorted(number for number in numbers if number not in self._organizers)
        if unknown:
            found = await self._server.search_read(
                EVENT, [["id", "in", unknown]], ["id", "user_id"], context=ARCHIVED_TOO
            )
            for row in found:
                for number in _numbers([str(row.get("id"))]).values():
                    self._organizers[number] = rows.first(row.get("user_id")) or 0
        await self._learn_users({user for number in numbers if (user := self._organizers.get(number))})

    async def _learn_users(self, users: Collection[int]) -> None:
        """Users that are deleted, or of another company, organize nothing; a failure must not look like that."""
        unknown = sorted(user for user in users if user not in self._users)
        if not unknown:
            return
        try:
            found = list(await self._server.read("res.users", unknown, rows.USER))
        except Refused:  # one of them is enough for that
            found = list(await self._server.read("res.users", [await self._server.uid()], rows.USER))
            for one in unknown:
                with suppress(Refused):
                    found += await self._server.read("res.users", [one], rows.USER)
        known = {user: rows.person(row) for row in found if (user := rows.first(row.get("id")))}
        self._users.update({user: known.get(user) for user in unknown})

    # Writing

    async def write_link(self, id: str, link: str, former: str) -> bool:  # noqa: A002 - as the port names it
        """See `Crm`."""
        return await WriteBack(self._server, await self._event_fields()).link(id, link, former)

    async def add_artifact(self, id: str, artifact: Archived, *, doubted: bool) -> bool:  # noqa: A002
        """See `Crm`."""
        return await WriteBack(self._server, await self._event_fields()).artifact(id, artifact, doubted=doubted)


def _numbers(ids: Sequence[str]) -> dict[str, int]:
    """The number of the record behind each id; what cannot be one is left out."""
    numbers = {}
    for id_ in ids:
        try:
            numbers[id_] = the_number(id_)
        except Refused:
            continue
    return numbers
