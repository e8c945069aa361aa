"""One account with HubSpot, as the poller asks for it."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from connectors.sources.crm.api import Page
from connectors.sources.hubspot.api import BATCH, Api, next_page
from connectors.sources.hubspot.owners import Owners
from connectors.sources.hubspot.pace import Pace, daily_rest
from connectors.sources.hubspot.records import PROPERTIES, Owner, address_of, name_of, owner_of, read_record
from connectors.sources.hubspot.settings import HubspotSettings
from connectors.sources.hubspot.writing import add_note, put_link
from sync.errors import Unreachable
from sync.model import Finding, Participant, Role
from sync.outlets import Archived

PAGE = 200
"""Meetings on a page of a search, the most that there can be."""
MOST_FOUND = 10_000
"""HubSpot shows no more of one search, and answers 400 when it is asked for more."""
BIN_PAGES = 10
"""Pages (of 100) of the recycle bin that are looked at; what is deleted besides is missed by its id."""


class HubspotCrm:
    """Implements `connectors.sources.crm.api.Crm`. `now` is the time for notes' stamps."""

    batch = BATCH

    def __init__(
        self,
        name: str,
        settings: HubspotSettings,
        *,
        locked: bool = False,
        pace: Pace | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._name = name
        self._settings = settings
        self._now = now
        self._api = Api(settings, locked=locked, pace=pace or Pace())
        self._owners = Owners(self._api)
        self._large = False
        self._owned: dict[str, str] = {}

    async def close(self) -> None:
        """Let go of connections."""
        await self._api.close()

    async def check(self) -> tuple[Finding, ...]:
        """Read the owners: that proves the key, and that it may."""
        rest = daily_rest(await self._owners.read())
        if rest is None or rest[0] >= rest[1] / 10:
            return ()
        message = f"HubSpot lets this key ask {rest[0]:.0f} more times today, of {rest[1]:.0f}"
        return (Finding("limit-near", message),)

    async def notices(self) -> tuple[Finding, ...]:
        """See `Crm`: nothing that ends is known here."""
        return ()

    async def changed(self, since: datetime | None, after: str, ends_after: datetime | None) -> Page:
        """See `Crm`. The meetings in the recycle bin come last: they are in no search. They are left out where only
        what is to come was asked for. Raises Unreachable when more changed at one moment than a search shows."""
        if after.isdigit() and int(after) + PAGE > MOST_FOUND:
            message = f"more than {MOST_FOUND} meetings changed at one moment: HubSpot's search shows no more of them"
            raise Unreachable(message)
        answer = await self._found(since, after, ends_after)
        rows, following = answer["results"], next_page(answer)
        if not following and ends_after is None:
            rows = [*rows, *await self._binned()]
        self._owned |= {str(row.get("id")): owner_of(row) for row in rows if isinstance(row, dict)}
        owners = await self._owners.of({owner for row in rows if (owner := owner_of(row))})
        records = [read_record(row, self._name, owners, self._settings.rescheduled) for row in rows]
        if ends_after is not None:
            # The poller goes on from the last stamp, also of what is over
            wanted = [record for record in records[:-1] if record.meeting is None or record.meeting.end >= ends_after]
            records = [*wanted, *records[-1:]]
        return Page(tuple(records), following)

    async def people(self, ids: Sequence[str]) -> Mapping[str, tuple[Participant, ...]]:
        """See `Crm`: the owner as a moderator, and the contacts that are associated with each meeting; those without an
        address are left out."""
        contacts = await self._api.associated("meetings", "contacts", ids)
        wanted = list(dict.fromkeys(one for some in contacts.values() for one in some))
        found: dict[str, Participant] = {}
        for first in range(0, len(wanted), BATCH):
            rows = await self._api.batch("contacts", wanted[first : first + BATCH], ("email", "firstname", "lastname"))
            found |= {id_: one for id_, row in rows.items() if (one := _participant(row)) is not None}
        owners = await self._owners_of(ids)
        return {id_: _together(owners.get(id_), [found[one] for one in contacts[id_] if one in found]) for id_ in ids}

    async def _owners_of(self, ids: Sequence[str]) -> Mapping[str, Owner]:
        """The owners of meetings; which user that is, is known of those that were read in this process."""
        if unknown := [id_ for id_ in ids if id_ not in self._owned]:
            rows = await self._api.batch("meetings", unknown, ("hubspot_owner_id",))
            self._owned |= {id_: owner_of(rows.get(id_)) for id_ in unknown}
        named = {id_: self._owned[id_] for id_ in ids if self._owned[id_]}
        owners = await self._owners.of(set(named.values()))
        return {id_: owners[owner] for id_, owner in named.items() if owner in owners}

    async def existing(self, ids: Sequence[str]) -> Collection[str]:
        """See `Crm`. What is no number was never HubSpot's, and would spoil the whole batch."""
        numbers = [id_ for id_ in ids if id_.isascii() and id_.isdigit()]
        if not numbers:
            return ()
        return (await self._api.batch("meetings", numbers, ("hs_lastmodifieddate",))).keys() & set(numbers)

    async def write_link(self, id: str, link: str, former: str) -> bool:  # noqa: A002 - as in `Crm`
        """See `Crm`."""
        return await put_link(self._api, id, link, former)

    async def add_artifact(self, id: str, artifact: Archived, *, doubted: bool) -> bool:  # noqa: A002
        """See `Crm`: a note on the meeting's contacts. A meeting without contacts has no place for one."""
        return await add_note(self._api, id, artifact, self._now(), doubted=doubted)

    async def _found(self, since: datetime | None, after: str, ends_after: datetime | None) -> dict[str, Any]:
        """The answer to the search. In an account with more meetings than one search shows, what is over is left out by
        HubSpot; all pages of a question are asked for in the way that its first one was."""
        first = since is None and not after
        answer = await self._search(since, after, ends_after if self._large and not first else None)
        if first and ends_after is not None:
            total = answer.get("total")
            self._large = isinstance(total, int) and total > MOST_FOUND
            if self._large:
                return await self._search(None, "", ends_after)
        return answer

    async def _search(self, since: datetime | None, after: str, ends_after: datetime | None) -> dict[str, Any]:
        return await self._api.search("meetings", _question(since, after, ends_after))

    async def _binned(self) -> list[Any]:
        """The meetings in the recycle bin (for 90 days) that can be understood: deleting one is a person's word that it
        is off, where a missing id alone may be lost permission."""
        rows: list[Any] = []
        after = ""
        for _ in range(BIN_PAGES):
            more = {"after": after} if after else {}
            page, _answer = await self._api.listed(
                f"{self._api.paths.objects}/meetings",
                archived="true",
                limit=str(BATCH),
                properties=",".join(PROPERTIES),
                **more,
            )
            rows += [row for row in page["results"] if isinstance(row, dict) and row.get("archived") is True]
            after = next_page(page)
            if not after:
                break
        return [row for row in rows if read_record(row, self._name, {}).meeting is not None]


def _question(since: datetime | None, after: str, ends_after: datetime | None) -> dict[str, Any]:
    """A search for what was changed, the oldest change first; with `ends_after` without what was over by then."""
    changed = _filter("hs_lastmodifieddate", "GTE", 0 if since is None else _milliseconds(since))
    groups = [[changed]]
    if ends_after is not None:
        then = _milliseconds(ends_after)
        endless = [
            _filter("hs_meeting_end_time", "NOT_HAS_PROPERTY"),
            _filter("hs_meeting_start_time", "GTE", then),
        ]
        groups = [[changed, _filter("hs_meeting_end_time", "GTE", then)], [changed, *endless]]
    return {
        "filterGroups": [{"filters": filters} for filters in groups],
        "sorts": ["hs_lastmodifieddate"],
        "properties": list(PROPERTIES),
        "limit": PAGE,
        "after": after or "0",
    }


def _filter(name: str, operator: str, value: int | None = None) -> dict[str, str]:
    return {"propertyName": name, "operator": operator, **({} if value is None else {"value": str(value)})}


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _participant(row: Mapping[str, Any]) -> Participant | None:
    fields = row.get("properties")
    email = address_of(fields.get("email")) if isinstance(fields, dict) else ""
    if not email or not isinstance(fields, dict):
        return None
    return Participant(email, name_of(fields.get("firstname"), fields.get("lastname")))


def _together(owner: Owner | None, contacts: Iterable[Participant]) -> tuple[Participant, ...]:
    """Each address once; the owner's is a moderator's, also when it is a contact's."""
    moderators = [Participant(owner.email, owner.name, Role.MODERATOR)] if owner else []
    return tuple({person.email: person for person in (*contacts, *moderators)}.values())
