"""JSON-RPC, the interface of Odoo up to 21: `POST /jsonrpc`, `common.login` and `object.execute_kw`.

Source: external_rpc_api.rst of Odoo's documentation. Everything is answered with 200, a refused login with `false`.
"""

from typing import Any

from connectors.answers import place, raise_for_status
from connectors.http import Wire
from connectors.login import Login, NotUnderstood
from connectors.sources.odoo.call import Call, PasswordRefused, SessionOver, body_of, complaint, json_of, unreadable

HEADERS = {"Accept": "application/json", "Content-Type": "application/json"}


def envelope(params: dict[str, Any]) -> bytes:
    """A request; the id is of no use with one request for each answer."""
    return body_of({"jsonrpc": "2.0", "method": "call", "id": 1, "params": params})


class JsonRpc:
    """One user. The login gives the user's id, which each call shows together with the password."""

    def __init__(self, wire: Wire, *, url: str, database: str, username: str, secret: str) -> None:
        self._wire = wire
        self._url = url
        self._database = database
        self._username = username
        self._secret = secret
        self._login = Login(self._log_in)

    async def call(self, call: Call) -> Any:
        """See `Transport`; the login is made anew when the server asks for it, and only then."""
        key = await self._login.key()
        try:
            return await self._execute(call, key)
        except SessionOver:
            return await self._execute(call, await self._login.key(key))
        except PasswordRefused:  # the next call logs in, and is the last one that asks
            self._login.forget(key)
            raise

    async def uid(self) -> int:
        """See `Transport`."""
        return int(await self._login.key())

    async def enter(self) -> None:
        """See `Transport`."""
        await self._login.afresh()

    async def _execute(self, call: Call, uid: str) -> Any:
        # A creation takes a list of records nowadays, and one record since ever.
        given = [value[0] if name == "vals_list" else value for name, value in call.args.items()]
        placed = [*([] if call.ids is None else [list(call.ids)]), *given]
        args = [self._database, int(uid), self._secret, call.model, call.method, placed, dict(call.options)]
        params = {"service": "object", "method": "execute_kw", "args": args}
        return await self._post(params, call.name, write=call.write)

    async def _log_in(self) -> str:
        args = [self._database, self._username, self._secret]
        uid = await self._post({"service": "common", "method": "login", "args": args}, "login", write=False)
        if uid is False or uid is None:
            raise PasswordRefused(f"{place(self._url)} login: refused: wrong database, user or password")
        if isinstance(uid, bool) or not isinstance(uid, int):
            raise NotUnderstood(f"{place(self._url)} login: unreadable answer")
        return str(uid)

    async def _post(self, params: dict[str, Any], name: str, *, write: bool) -> Any:
        address, content, what = f"{self._url}/jsonrpc", envelope(params), f"{place(self._url)} {name}"
        if write:
            answer = await self._wire.write(address, method="POST", headers=HEADERS, content=content, raw_status=True)
        else:
            answer = await self._wire.read(address, method="POST", headers=HEADERS, content=content, raw_status=True)
        raise_for_status(answer, write=write, what=what)
        try:
            said = json_of(answer.body)
        except ValueError:
            raise unreadable(what, "not JSON", write=write) from None
        error = said.get("error") if isinstance(said, dict) else None
        if isinstance(error, dict):
            data = error.get("data")
            raise complaint(
                data if isinstance(data, dict) else {"message": error.get("message")},
                what,
                write=write,
                secrets=(self._secret,),
            )
        if not isinstance(said, dict) or "result" not in said:
            raise unreadable(what, "neither a result nor an error", write=write)
        return said["result"]
