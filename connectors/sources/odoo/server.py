"""One Odoo server: which version it is, and the transport that goes with it, found out once."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Any

from connectors.answers import place, raise_for_status
from connectors.http import Wire
from connectors.sources.odoo.call import Call, Transport, json_of, unreadable
from connectors.sources.odoo.json2 import Json2
from connectors.sources.odoo.jsonrpc import HEADERS, JsonRpc, envelope
from connectors.sources.odoo.settings import OdooSettings
from sync.errors import CredentialsRefused, OutsideError, Refused, Unreachable

JSON2_SINCE = 19
RPC_UNTIL = 21
"""The last version with JSON-RPC (external_rpc_api.rst)."""

QUIET = {"no_mail_to_attendees": True, "dont_notify": True}
"""The context of a write that is to mail nobody."""

Row = Mapping[str, Any]


class OdooServer:
    """Calls methods of the server's models, by whichever transport it has."""

    def __init__(self, wire: Wire, settings: OdooSettings) -> None:
        self._wire = wire
        self._settings = settings
        self._here = place(settings.url)
        self._transport: Transport | None = None
        self._version: int | None = None
        self._lock = asyncio.Lock()

    async def close(self) -> None:
        """Let go of connections."""
        await self._wire.close()

    async def version(self) -> int:
        """The server's major version. Raises Unreachable when it does not say."""
        if self._version is None:
            self._version = await self._ask_version()
        return self._version

    async def transport(self) -> Transport:
        """The way to call it. Raises CredentialsRefused when the settings lack what that way takes."""
        async with self._lock:
            if self._transport is None:
                self._transport = await self._choose()
            return self._transport

    @property
    def chosen(self) -> str:
        """The transport in use, "" before the first call."""
        return {Json2: "json-2", JsonRpc: "json-rpc"}.get(type(self._transport), "")

    # Calls

    async def search_read(
        self, model: str, domain: Sequence[Any], fields: Sequence[str], **options: Any
    ) -> tuple[Row, ...]:
        """The fields of all records that match. Raises Unreachable for what is no list of records."""
        call = Call(model, "search_read", args={"domain": domain}, options={"fields": list(fields), **options})
        return self._rows(await self.call(call), call)

    async def search(self, model: str, domain: Sequence[Any], **options: Any) -> tuple[str, ...]:
        """The ids of all records that match, as texts."""
        call = Call(model, "search", args={"domain": domain}, options=options)
        found = await self.call(call)
        if not isinstance(found, list) or not all(_is_id(one) for one in found):
            raise self._odd(call)
        return tuple(str(one) for one in found)

    async def read(self, model: str, ids: Sequence[int], fields: Sequence[str]) -> tuple[Row, ...]:
        """The fields of those of the records that exist."""
        call = Call(model, "read", ids=tuple(ids), options={"fields": list(fields)})
        return self._rows(await self.call(call), call)

    async def fields_of(self, model: str) -> dict[str, str]:
        """The model's fields, and the type of each."""
        call = Call(model, "fields_get", options={"attributes": ["type"]})
        found = await self.call(call)
        if not isinstance(found, dict) or not found:
            raise self._odd(call)
        return {name: str(about.get("type", "")) for name, about in found.items() if isinstance(about, dict)}

    async def write(self, model: str, id_: int, vals: Mapping[str, Any]) -> None:
        """Change a record, without a mail."""
        options = {"context": QUIET}
        await self.call(Call(model, "write", ids=(id_,), args={"vals": dict(vals)}, options=options, write=True))

    async def create(self, model: str, vals: Mapping[str, Any]) -> None:
        """Make a record."""
        await self.call(Call(model, "create", args={"vals_list": [dict(vals)]}, write=True))

    async def post_note(self, model: str, id_: int, body: str) -> None:
        """Put a note on a record; nobody is notified."""
        options = {"body": body, "message_type": "comment", "context": QUIET}
        await self.call(Call(model, "message_post", ids=(id_,), options=options, write=True))

    async def uid(self) -> int:
        """The user's own id."""
        return await (await self.transport()).uid()

    async def enter(self) -> None:
        """Show the credentials afresh. Raises CredentialsRefused."""
        await (await self.transport()).enter()

    async def call(self, call: Call) -> Any:
        """One call."""
        return await (await self.transport()).call(call)

    # Parts

    async def _choose(self) -> Transport:
        settings = self._settings
        version = await self.version() if settings.transport == "auto" else 0
        key = settings.api_key
        if settings.transport == "json-2" or (version >= JSON2_SINCE and key is not None):
            return Json2(
                self._wire, url=settings.url, key=key.get_secret_value() if key else "", database=settings.database
            )
        if version > RPC_UNTIL:
            raise CredentialsRefused(f"{self._here}: Odoo {version} takes an `api_key`, and no password")
        if lacking := settings.lacking_for_rpc:
            raise CredentialsRefused(f"{self._here}: Odoo {version} has no JSON-2: it takes a `{lacking}`, too")
        return JsonRpc(
            self._wire,
            url=settings.url,
            database=settings.database,
            username=settings.username,
            secret=settings.password_for_rpc,
        )

    async def _ask_version(self) -> int:
        """As the web client does, and where that way is closed, as programs do; neither takes a login."""
        address, what = f"{self._settings.url}/web/webclient/version_info", f"{self._here} version_info"
        answer = await self._wire.read(address, method="POST", headers=HEADERS, content=envelope({}), raw_status=True)
        if answer.status in (400, 403, 404, 405):
            params = {"service": "common", "method": "version", "args": []}
            answer = await self._wire.read(
                f"{self._settings.url}/jsonrpc",
                method="POST",
                headers=HEADERS,
                content=envelope(params),
                raw_status=True,
            )
        if answer.status == 404:
            raise Unreachable(f"{what}: answered 404: is there an Odoo at `url`?")
        raise_for_status(answer, write=False, what=what)
        return _major(answer.body, what)

    def _rows(self, found: Any, call: Call) -> tuple[Row, ...]:
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            raise self._odd(call)
        return tuple(found)

    def _odd(self, call: Call) -> OutsideError:
        return unreadable(f"{self._here} {call.name}", "not what Odoo answers", write=call.write)


def the_number(id_: str) -> int:
    """The number of the record behind an id: of a virtual one (`2-20261202090000`) that of its series. Raises
    Refused."""
    number = id_.partition("-")[0]
    if not (number.isascii() and number.isdigit()) or len(number) > 18:
        raise Refused(f"{id_[:40]!r} is not the id of an Odoo record")
    return int(number)


def _is_id(value: Any) -> bool:
    return (isinstance(value, int) and not isinstance(value, bool)) or isinstance(value, str)


def _major(body: bytes, what: str) -> int:
    """`19.0`, `saas~18.2+e`, `17.0-20260101`: the first number."""
    try:
        said = json_of(body)
    except ValueError:
        raise unreadable(what, "not JSON", write=False) from None
    result = said.get("result") if isinstance(said, dict) else None
    names = [result.get(key) for key in ("server_version", "server_serie")] if isinstance(result, dict) else []
    number = next((found for name in names if isinstance(name, str) and (found := re.search(r"\d{1,3}", name))), None)
    if number is None:
        raise unreadable(what, "it names no version", write=False)
    return int(number[0])
