"""`POST /hooks/{name}`: a source or a vendor says that something has happened. It is only ever a hint to go and look.

The sender proves that it knows the `hook_secret` of that source or vendor: by the secret itself as a bearer; by the
header `X-Convener-Signature: sha256=<hexadecimal HMAC-SHA256 of TIMESTAMP.BODY>` beside `X-Convener-Timestamp`, seconds
since 1970; or in the vendor's own way, where it has one. What else the body says is not even read.
"""

import asyncio
import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response

from daemon.live import Live
from daemon.settings import vendor_plugin
from daemon.web.access import bearer, same
from daemon.web.seldom import Seldom
from daemon.wiring import Installation
from sync.errors import ConvenerError

MAX_BYTES = 64 * 1024
BODY_TIME = 10.0
"""Seconds in which the body has to come."""

OFF_AT_MOST = timedelta(minutes=5)
"""How far a signature's time may be from ours, and so how long it is remembered."""

_MAX_SIGNATURES = 4096
"""Remembered ones. Only who has the secret can make one; when there are more, the oldest may count again."""

_TIMESTAMP = re.compile(r"[0-9]{1,11}")
_SIGNATURE = re.compile(r"sha256=([0-9a-f]{64})")

CheckHook = Callable[[str, bytes], object]


@dataclass(frozen=True, slots=True)
class _Door:
    """What a hook's name stands for: a source or a vendor (`place` says which) with a secret, the routes that use it,
    and the vendor's own way of proving a delivery."""

    place: str
    secret: str
    routes: tuple[str, ...]
    check: CheckHook | None = None


class Hooks:
    """Takes hooks. Signatures are remembered here, for as long as they would be believed again."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._seen: dict[tuple[str, str], datetime] = {}
        self._seldom = Seldom(lambda: live.inside.clock.now())

    async def answer(self, request: Request) -> Response:
        """202, also for a repetition, which does nothing: whoever sends again has not heard that it came. Raises
        HTTPException."""
        name = request.path_params["name"]
        doors = _doors(self._live.inside, name)
        if not doors:
            raise HTTPException(404)
        body = await _body(request)
        verdicts = [self._proof(request, body, door) for door in doors]
        if not any(verdict in ("", "repeated") for verdict in verdicts):
            if times := self._seldom.times(f"refused {name}"):
                self._live.inside.log("hook.refused", name=name, reason=verdicts[0], times=times)
            raise HTTPException(401, "Unauthorized", headers={"WWW-Authenticate": "Bearer"})
        opened = [door for door, verdict in zip(doors, verdicts, strict=True) if not verdict]
        if routes := list(dict.fromkeys(route for door in opened for route in door.routes)):
            if times := self._seldom.times(f"received {name}"):
                self._live.inside.log("hook.received", name=name, routes=routes, times=times)
            self._live.look(routes, f"hook {name}")
        return PlainTextResponse("accepted\n", 202)

    def _proof(self, request: Request, body: bytes, door: _Door) -> str:
        """Why it is not believed: "" when it is, "repeated" when it was before."""
        shown = [token for text in request.headers.getlist("authorization") if (token := bearer(text)) is not None]
        if len(shown) == 1 and same(shown[0], door.secret.encode()):
            return ""
        signatures = request.headers.getlist("x-convener-signature")
        if signatures:
            times = request.headers.getlist("x-convener-timestamp")
            one = len(signatures) == len(times) == 1
            return self._signed(times[0], signatures[0], body, door) if one else "a signature goes with one timestamp"
        if door.check is not None and body:
            try:
                door.check(door.secret, body)
            except ConvenerError as error:
                return str(error)
            return ""
        return "the secret is wrong" if shown else "neither a secret nor a signature"

    def _signed(self, time: str, signature: str, body: bytes, door: _Door) -> str:
        now = self._live.inside.clock.now()
        given = _SIGNATURE.fullmatch(signature)
        if given is None or not _TIMESTAMP.fullmatch(time):
            return "the signature or its timestamp is none"
        expected = hmac.new(door.secret.encode(), time.encode() + b"." + body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected, given[1]):
            return "the signature is wrong"
        if abs(now.timestamp() - int(time)) > OFF_AT_MOST.total_seconds():
            return "the signature's time is not ours"
        return self._repeated((door.place, expected), now)

    def _repeated(self, signature: tuple[str, str], now: datetime) -> str:
        """From five minutes ahead of us to five minutes behind: so long a signature may come again."""
        for old in [one for one, at in self._seen.items() if abs(now - at) > 2 * OFF_AT_MOST]:
            del self._seen[old]
        if signature in self._seen:
            return "repeated"
        self._seen[signature] = now
        if len(self._seen) > _MAX_SIGNATURES:
            del self._seen[next(iter(self._seen))]
        return ""


def _doors(inside: Installation, name: str) -> list[_Door]:
    """Those behind the name: a source and a vendor may have the same."""
    settings, doors = inside.settings, []
    source, vendor = settings.sources.get(name), settings.vendors.get(name)
    if source is not None and source.hook_secret is not None:
        routes = tuple(route for route, table in settings.routes.items() if table.source == name)
        doors.append(_Door(f"source {name}", source.hook_secret.get_secret_value(), routes))
    if vendor is not None and vendor.hook_secret is not None:
        routes = tuple(route for route, table in settings.routes.items() if table.vendor == name)
        plugin = vendor_plugin(vendor.type)
        check = plugin.check_hook if plugin else None
        doors.append(_Door(f"vendor {name}", vendor.hook_secret.get_secret_value(), routes, check))
    return doors


async def _body(request: Request) -> bytes:
    """All of it. Raises HTTPException for what is too large, too slow or broken off."""
    length = request.headers.get("content-length", "")
    if length.isdecimal() and (len(length) > 9 or int(length) > MAX_BYTES):
        raise HTTPException(413)
    received = bytearray()
    try:
        async with asyncio.timeout(BODY_TIME):
            async for chunk in request.stream():
                received += chunk
                if len(received) > MAX_BYTES:
                    raise HTTPException(413)
    except TimeoutError as error:
        raise HTTPException(408) from error
    except ClientDisconnect as error:
        raise HTTPException(400) from error
    return bytes(received)
