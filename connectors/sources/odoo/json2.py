"""JSON-2, the interface of Odoo 19 and later: `POST /json/2/<model>/<method>`, named arguments, the bare result.

Source: Odoo 19, external_api.rst of its documentation and addons/rpc/controllers/json2.py.
"""

from typing import Any

from connectors.answers import Answer, place, raise_for_status
from connectors.http import Wire
from connectors.sources.odoo.call import Call, NoDatabase, body_of, complaint, json_of, unreadable
from sync.errors import CredentialsRefused


class Json2:
    """One API key. There is no login: each request shows the key."""

    def __init__(self, wire: Wire, *, url: str, key: str, database: str) -> None:
        self._wire = wire
        self._url = url
        self._key = key
        self._headers = {
            "Accept": "application/json",
            "Content-Type": "application/json",
            "Authorization": f"bearer {key}",
            **({"X-Odoo-Database": database} if database else {}),
        }
        self._uid: int | None = None

    async def call(self, call: Call) -> Any:
        """See `Transport`."""
        body = {**({} if call.ids is None else {"ids": list(call.ids)}), **call.args, **call.options}
        address = f"{self._url}/json/2/{call.model}/{call.method}"
        headers, content = self._headers, body_of(body)
        if call.write:
            answer = await self._wire.write(address, method="POST", headers=headers, content=content, raw_status=True)
        else:
            answer = await self._wire.read(
                address, method="POST", headers=headers, content=content, raw_status=True, raw_500=True
            )
        return self._result(answer, f"{place(self._url)} {call.name}", write=call.write)

    async def uid(self) -> int:
        """See `Transport`."""
        if self._uid is None:
            await self.enter()
        return self._uid or 0

    async def enter(self) -> None:
        """See `Transport`: the cheapest call that needs the key."""
        context = await self.call(Call("res.users", "context_get"))
        uid = context.get("uid") if isinstance(context, dict) else None
        if not isinstance(uid, int):
            raise unreadable(f"{place(self._url)} res.users/context_get", "it names no user", write=False)
        self._uid = uid

    def _result(self, answer: Answer, what: str, *, write: bool) -> Any:
        try:
            said = json_of(answer.body)
        except ValueError:
            said = None
        if answer.status == 200:
            if said is None:
                raise unreadable(what, "not JSON", write=write)
            return said
        if isinstance(said, dict) and "name" in said:
            if answer.status == 401:
                raise CredentialsRefused(f"{what}: the API key is refused: it is wrong, or it has expired")
            raise complaint(said, what, write=write, secrets=(self._key,))
        if answer.status == 404:  # the way in itself is not there, so nothing was done
            raise NoDatabase(f"{what}: answered 404: is it an Odoo of 19 or later, and is `database` right?")
        raise_for_status(answer, write=write, what=what)
        raise unreadable(what, f"answered {answer.status}", write=write)
