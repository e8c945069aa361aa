"""`convener run`: a pass for every route at its source's poll interval, until told to stop."""

import asyncio
import signal
from datetime import UTC
from typing import Any

from apscheduler.events import EVENT_JOB_MISSED
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from daemon.settings import Settings
from daemon.telemetry import Format
from daemon.wiring import Installation, installation
from sync.reconcile import Options
from sync.report import Exit


async def serve(settings: Settings, log_format: Format) -> Exit:
    """Run until SIGTERM or SIGINT; calls under way end first, and no new one begins."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with installation(settings, log_format=log_format, patience=0) as inside:
        one_at_a_time = asyncio.Lock()
        scheduler = AsyncIOScheduler(timezone=UTC)
        # The defaults would drop a pass that starts a second late, with no more than a warning.
        defaults: dict[str, Any] = {"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
        for name, route in settings.routes.items():
            poll = settings.sources[route.source].poll.total_seconds()
            scheduler.add_job(
                _one_pass, "interval", args=(inside, name, one_at_a_time), id=name, seconds=poll,
                jitter=min(poll / 10, 10), next_run_time=inside.clock.now(), **defaults,
            )  # fmt: skip
        scheduler.add_listener(lambda missed: inside.log("run.missed", route=missed.job_id), EVENT_JOB_MISSED)
        scheduler.start()
        inside.log("daemon.started", routes=len(settings.routes))
        await stop.wait()
        scheduler.pause()
        inside.stop("the service is stopping")
        async with one_at_a_time:  # the pass under way ends first
            scheduler.shutdown(wait=False)
        inside.log("daemon.stopped")
    return Exit.DONE


async def _one_pass(inside: Installation, route: str, one_at_a_time: asyncio.Lock) -> None:
    async with one_at_a_time:
        await inside.new_run(inside.settings.routes[route].vendor)
        try:
            async with inside.writing():
                await inside.reconciler(route).run(Options(respect_backoff=True))
        except Exception as error:  # noqa: BLE001 - the service outlives a failed pass; logged as an error
            inside.log("run.failed", route=route, reason=f"{type(error).__name__}: {error}")
