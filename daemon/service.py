"""`convener run`: a pass for every route at its source's poll interval, until told to stop."""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC
from typing import Any, TypeVar

from apscheduler.events import EVENT_JOB_MAX_INSTANCES, EVENT_JOB_MISSED
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from daemon.settings import Settings
from daemon.telemetry import Format
from daemon.web import application, serving
from daemon.wiring import Installation, installation
from sync.errors import ConfigurationError, LockTaken
from sync.reconcile import Options
from sync.report import Exit, RouteReport

T = TypeVar("T")


async def serve(settings: Settings, log_format: Format) -> Exit:
    """Run until SIGTERM or SIGINT; calls under way end first, and no new one begins."""
    logging.getLogger("apscheduler").setLevel(logging.CRITICAL)  # its words are not ours: see the listener below
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with installation(settings, log_format=log_format, patience=0) as inside, AsyncExitStack() as web:
        await _serve_feeds(inside, web)
        work = _Work(inside)
        scheduler = AsyncIOScheduler(timezone=UTC)
        # The defaults would drop a pass that starts a second late, with no more than a warning.
        defaults: dict[str, Any] = {"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
        for name, route in settings.routes.items():
            poll = settings.sources[route.source].poll.total_seconds()
            scheduler.add_job(
                work.one_pass, "interval", args=(name,), id=name, seconds=poll,
                jitter=min(poll / 10, 10), next_run_time=inside.clock.now(), **defaults,
            )  # fmt: skip
        missed = EVENT_JOB_MISSED | EVENT_JOB_MAX_INSTANCES
        scheduler.add_listener(lambda one: inside.log("run.missed", route=one.job_id), missed)
        scheduler.start()
        inside.log("daemon.started", routes=len(settings.routes))
        await stop.wait()
        scheduler.pause()
        inside.stop("the service is stopping")
        await work.end()
        scheduler.shutdown(wait=False)
        inside.log("daemon.stopped")
    return Exit.DONE


class _Work:
    """The passes, one at a time, and beside them what fetches artifacts, one for each route at most."""

    def __init__(self, inside: Installation) -> None:
        self._inside = inside
        self._one_at_a_time = asyncio.Lock()
        self._harvests: dict[str, asyncio.Task[None]] = {}
        self._fetching = 0
        self._harvesting = AsyncExitStack()
        self._door = asyncio.Lock()

    async def one_pass(self, route: str) -> None:
        """A pass, and a harvest after it unless the last one is still going on."""
        async with self._one_at_a_time:
            await self._inside.new_run(self._inside.settings.routes[route].vendor)
            report = await self._outlived(route, self._pass(route))
        before = self._harvests.get(route)
        if report is not None and (before is None or before.done()):
            self._harvests[route] = asyncio.create_task(self._harvest(route, report), name=f"harvest {route}")

    async def end(self) -> None:
        """When everything that is under way has ended; what fetches breaks off, and goes on in the next life."""
        async with self._one_at_a_time:
            await asyncio.gather(*self._harvests.values())

    async def _pass(self, route: str) -> RouteReport:
        async with self._inside.writing():
            return await self._inside.reconciler(route).run(Options(respect_backoff=True))

    async def _harvest(self, route: str, report: RouteReport) -> None:
        await self._outlived(route, self._fetch(route, report))

    async def _fetch(self, route: str, report: RouteReport) -> None:
        inside = self._inside
        async with self._among_processes():
            with inside.gate_beside(inside.settings.routes[route].vendor) as gate:
                await inside.reconciler(route, gate).harvest(report, Options(respect_backoff=True))

    @asynccontextmanager
    async def _among_processes(self) -> AsyncIterator[None]:
        """The lock against other processes' harvests, shared by ours, which go on side by side."""
        async with self._door:
            if not self._fetching:
                await self._harvesting.enter_async_context(self._inside.harvesting())
            self._fetching += 1
        try:
            yield
        finally:
            async with self._door:
                self._fetching -= 1
                if not self._fetching:
                    await self._harvesting.aclose()

    async def _outlived(self, route: str, work: Coroutine[Any, Any, T]) -> T | None:
        """The service outlives what fails, and says so."""
        try:
            return await work
        except LockTaken as error:
            self._inside.log("run.missed", route=route, reason=str(error))
        except Exception as error:  # noqa: BLE001 - logged as an error
            self._inside.log("run.failed", route=route, reason=f"{type(error).__name__}: {error}")
        return None


async def _serve_feeds(inside: Installation, web: AsyncExitStack) -> None:
    """Serve the published feeds, if there are any. Meetings are kept in step whether or not that works."""
    feeds = {path.name: path for path in inside.settings.feeds.values()}
    listen = inside.settings.daemon.listen
    if not (feeds and listen):
        return
    try:
        address = await web.enter_async_context(serving(listen, application(feeds)))
    except (OSError, ConfigurationError) as error:
        inside.log("web.failed", listen=listen, reason=str(error))
    else:
        inside.log("web.started", listen=address)
