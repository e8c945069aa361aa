"""`/api`: the documents of the command line, to the letter. Nothing is changed by looking at them."""

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from daemon.documents import json_text
from daemon.explanation import explanation
from daemon.live import Live
from daemon.views import artifacts_document, links_view, status_document
from daemon.web.health import NO_STORE
from daemon.wiring import Installation
from sync.errors import ConfigurationError
from sync.model import MeetingKey

EXPLAIN_TIME = 60.0
"""Seconds that an explanation may take: the source is read for it."""


class Api:
    """`?route=NAME`, as often as wanted, narrows each of them; `/api/links?all=1` has the cancelled ones too."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._explaining = asyncio.Lock()

    async def status(self, request: Request) -> Response:
        """`convener status --json`."""
        try:
            return _answer(await status_document(self._live.inside, request.query_params.getlist("route")))
        except ConfigurationError as error:
            return _refusal(404, error)

    async def links(self, request: Request) -> Response:
        """`convener links --json`; there is no way to the personal links here."""
        routes = request.query_params.getlist("route")
        everything = request.query_params.get("all", "") in ("1", "true")
        try:
            return _answer(await links_view(self._live.inside, routes, everything=everything))
        except ConfigurationError as error:
            return _refusal(404, error)

    async def artifacts(self, request: Request) -> Response:
        """`convener artifacts --json`."""
        try:
            return _answer(await artifacts_document(self._live.inside, request.query_params.getlist("route")))
        except ConfigurationError as error:
            return _refusal(404, error)

    async def explain(self, request: Request) -> Response:
        """`convener explain KEY --json`: one at a time, for the sources are read anew."""
        key: str = request.path_params["key"]
        try:
            MeetingKey.parse(key)
        except ValueError as error:
            return _refusal(400, error)
        try:
            async with asyncio.timeout(EXPLAIN_TIME), self._explaining:
                return _answer(await _explained(self._live.inside, key))
        except ConfigurationError as error:
            return _refusal(404, error)
        except TimeoutError:
            return _refusal(503, TimeoutError("it takes too long now"))


async def _explained(inside: Installation, key: str) -> dict[str, Any]:
    """Through connections of its own, which cannot write."""
    locked = Installation(inside.settings, inside.ledger, inside.clock, inside.log, locked=True)
    try:
        document, _ = await explanation(locked, key)
        return document
    finally:
        await locked.close()


def _answer(document: dict[str, Any], status: int = 200) -> Response:
    return Response(json_text(document), status, headers=NO_STORE, media_type="application/json")


def _refusal(status: int, error: Exception) -> Response:
    return _answer({"error": str(error)}, status)
