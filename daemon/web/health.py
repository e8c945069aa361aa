"""Whether the service is alive, whether what it knows is fresh, and what it counts."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from daemon.live import Live
from daemon.wiring import Installation

NO_STORE = {"Cache-Control": "no-store"}

POLLS, GRACE = 3, timedelta(minutes=1)
"""So many polls may be missed, and a little more, before something is stale."""

Metrics = Callable[[], Awaitable[bytes]]


class Health:
    """`/healthz`, `/readyz` and `/metrics`."""

    def __init__(self, live: Live, metrics: Metrics | None) -> None:
        self._live = live
        self._metrics = metrics

    async def healthz(self, _request: Request) -> Response:
        """200 while the loop and the scheduler work."""
        alive = self._live.alive()
        return PlainTextResponse("ok\n" if alive else "not alive\n", 200 if alive else 503, headers=NO_STORE)

    async def readyz(self, _request: Request) -> Response:
        """200 when all that routes use is fresh; else 503 with the names of what is stale.

        In its first three polls a service is ready whatever the ledger says: it has not had the time to look.
        """
        try:
            sources, vendors = await self._stale_sources(), await self._stale_vendors()
        except (SQLAlchemyError, OSError):
            document = {"ready": False, "ledger": "cannot be read", "stale": {"sources": [], "vendors": []}}
            return JSONResponse(document, 503, headers=NO_STORE)
        ready = not (sources or vendors)
        document = {"ready": ready, "ledger": "ok", "stale": {"sources": sources, "vendors": vendors}}
        return JSONResponse(document, 200 if ready else 503, headers=NO_STORE)

    async def metrics(self, _request: Request) -> Response:
        """In the text format of Prometheus, version 0.0.4. Raises HTTPException where nothing is counted."""
        if self._metrics is None:
            raise HTTPException(404)
        kind = "text/plain; version=0.0.4; charset=utf-8"
        return Response(await self._metrics(), headers={**NO_STORE, "Content-Type": kind})

    async def _stale_sources(self) -> list[str]:
        """Those whose last complete read is too long ago."""
        inside, stale = self._live.inside, []
        now = inside.clock.now()
        for name in sorted({route.source for route in inside.settings.routes.values()}):
            read = (await inside.ledger.source(name)).complete_at
            last = max(self._live.started_at, read) if read else self._live.started_at
            if now - last > patience(inside, source=name):
                stale.append(name)
        return stale

    async def _stale_vendors(self) -> list[str]:
        """Those that have been in trouble for too long."""
        inside, stale = self._live.inside, []
        now = inside.clock.now()
        for name in sorted({route.vendor for route in inside.settings.routes.values()}):
            state = await inside.ledger.vendor(name)
            since = max(self._live.started_at, state.troubled_at or self._live.started_at)
            if state.problem is not None and now - since > patience(inside, vendor=name):
                stale.append(name)
        return stale


def patience(inside: Installation, *, source: str | None = None, vendor: str | None = None) -> timedelta:
    """How old news of a source or of a vendor may be: three polls of the route that looks most often, and a little."""
    routes = [r for r in inside.settings.routes.values() if source in (None, r.source) and vendor in (None, r.vendor)]
    return POLLS * min(inside.settings.sources[route.source].poll for route in routes) + GRACE
