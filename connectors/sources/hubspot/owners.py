"""Who the users of the account are: meetings name their owner by a number."""

from collections.abc import Collection, Mapping

from connectors.sources.hubspot.api import Api, next_page
from connectors.sources.hubspot.records import Owner, address_of, name_of
from sync.errors import Unreachable

FRESH = 3600.0
"""Seconds that the list is believed; an owner who is not in it is looked for again after `AGAIN`."""
AGAIN = 60.0
_PAGE = 100
_MOST_PAGES = 200


class Owners:
    """The list of owners, read when somebody is missing in it: `GET /crm/owners/{version}`, archived ones left out."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._known: dict[str, Owner] = {}
        self._read_at: float | None = None

    async def of(self, ids: Collection[str]) -> Mapping[str, Owner]:
        """The owners by id; those of `ids` who are left out are not active or have no address."""
        age = None if self._read_at is None else self._api.pace.now() - self._read_at
        if ids and (age is None or age > FRESH or (age > AGAIN and not set(ids) <= self._known.keys())):
            await self.read()
            if not self._known:  # somebody owns these meetings: an empty list is none
                raise Unreachable("HubSpot names no owners, although meetings have some")
        return self._known

    async def read(self) -> Mapping[str, str]:
        """Read the whole list anew; the headers of the last answer."""
        known: dict[str, Owner] = {}
        after = ""
        for _ in range(_MOST_PAGES):
            more = {"after": after} if after else {}
            page, answer = await self._api.listed(self._api.paths.owners, limit=str(_PAGE), archived="false", **more)
            for row in page["results"]:
                if isinstance(row, dict) and (email := address_of(row.get("email"))):
                    known[str(row.get("id", ""))] = Owner(email, name_of(row.get("firstName"), row.get("lastName")))
            after = next_page(page)
            if not after:
                self._known, self._read_at = known, self._api.pace.now()
                return answer.headers
        raise Unreachable("HubSpot's list of owners does not come to an end")
