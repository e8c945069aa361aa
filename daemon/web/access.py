"""Who is answered: people with the token, or without one whoever is on this very machine; and no defect in silence."""

import base64
import binascii
import hashlib
import hmac
import re
from collections import deque
from datetime import datetime, timedelta

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from daemon.listen import is_loopback
from daemon.live import Live
from daemon.web.seldom import Seldom

_WRONG_A_MINUTE = 20
"""So many wrong tokens are refused politely; what comes on top of them is told to come back later."""

_MAX_HEADERS = 16 * 1024
"""Bytes of all names and values, and of the path."""

_MINUTE = timedelta(minutes=1)
_HOST = re.compile(r"(\[[^\[\]]+\]|[^:\[\]]+)(?::[0-9]*)?")


class Access:
    """Without a token: only from loopback, and only when a loopback host is named. A page in somebody's browser whose
    name was made to resolve to 127.0.0.1 would otherwise read what is served here (DNS rebinding).

    With a token: only with it, from wherever, as a bearer (RFC 6750 section 2.1) or as the password of any user (RFC
    7617), which is what browsers ask people for. The right one is never made to wait for those who try wrong ones.
    Health is told to everybody, and hooks have secrets of their own.
    """

    def __init__(self, app: ASGIApp, live: Live) -> None:
        self._app = app
        self._live = live
        self._wrong: deque[datetime] = deque(maxlen=_WRONG_A_MINUTE)
        self._seldom = Seldom(lambda: live.inside.clock.now())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse to."""
        refusal = _too_large(scope) or self._refusal(Request(scope)) if scope["type"] == "http" else None
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, request: Request) -> Response | None:
        token = self._live.inside.settings.daemon.token
        if token is None:
            return _not_from_here(request)
        path: str = request.scope["path"]
        if path in ("/healthz", "/readyz") or path.startswith("/hooks/"):
            return None
        shown = request.headers.getlist("authorization")
        if not shown:
            return _asked("Unauthorized: a token is needed")
        if len(shown) == 1 and same(_token(shown[0]), token.get_secret_value().encode()):
            return None
        return self._refused(request)

    def _refused(self, request: Request) -> Response:
        now = self._live.inside.clock.now()
        client = request.client.host if request.client else "unknown"
        if times := self._seldom.times("token"):
            self._live.inside.log("web.refused", client=client, times=times)
        many = len(self._wrong) == _WRONG_A_MINUTE and abs(now - self._wrong[0]) < _MINUTE
        self._wrong.append(now)
        if many:
            return PlainTextResponse("Too Many Requests", 429, headers={"Retry-After": "60"})
        return _asked("Unauthorized: this is not the token")


class Faults:
    """A defect in the answering of a request is told in the log, and to the client without a word about its inside."""

    def __init__(self, app: ASGIApp, live: Live) -> None:
        self._app = app
        self._live = live
        self._seldom = Seldom(lambda: live.inside.clock.now())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        began = False

        async def noticing(message: Message) -> None:
            nonlocal began
            began = began or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, noticing)
        except Exception as error:
            kind = type(error).__name__
            if self._seldom.times(kind):
                first = str(error).partition("\n")[0]
                self._live.inside.log("web.error", path=scope.get("path", ""), reason=f"{kind}: {first}")
            if began:
                raise  # the connection is dropped: half an answer must not pass for a whole one
            await PlainTextResponse("Internal Server Error", 500)(scope, receive, send)


def _too_large(scope: Scope) -> Response | None:
    """What came in one piece has not been measured yet."""
    size = (
        len(scope["path"])
        + len(scope["query_string"])
        + sum(len(name) + len(value) for name, value in scope["headers"])
    )
    return PlainTextResponse("Request Header Fields Too Large", 431) if size > _MAX_HEADERS else None


def same(shown: bytes, wanted: bytes) -> bool:
    """Whether they are equal, in a time that tells nothing of either, not even its length."""
    return hmac.compare_digest(hashlib.sha256(shown).digest(), hashlib.sha256(wanted).digest())


def bearer(authorization: str) -> bytes | None:
    """The token of `Bearer TOKEN`, None for another scheme."""
    scheme, _, rest = authorization.partition(" ")
    return rest.strip().encode() if scheme.lower() == "bearer" else None


def _token(authorization: str) -> bytes:
    """The token that is shown, b"" when there is none in it."""
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() != "basic":
        return bearer(authorization) or b""
    try:
        return base64.b64decode(rest.strip(), validate=True).partition(b":")[2]
    except (binascii.Error, ValueError):
        return b""


def _asked(words: str) -> Response:
    return PlainTextResponse(words, 401, headers={"WWW-Authenticate": 'Basic realm="convener"'})


def _not_from_here(request: Request) -> Response | None:
    client = request.client.host if request.client else ""
    if not is_loopback(client):  # the address that was bound when the configuration still had a token
        return PlainTextResponse("Forbidden", 403)
    hosts = request.headers.getlist("host")
    named = _HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
    if named is None or not is_loopback(named[1].strip("[]")):
        return PlainTextResponse("Misdirected Request", 421)
    return None
