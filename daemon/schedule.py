"""When: one entry for each route, at its source's poll interval, moved to an earlier time by hints and by the clock.

APScheduler keeps the times. Its defaults would drop a pass that starts a second late, with no more than a warning.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_MAX_INSTANCES, EVENT_JOB_MISSED, JobExecutionEvent
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from sync.ports import Clock

BEAT = 5.0
"""Seconds between two signs of life of the scheduler itself."""

_BEATS_MISSED = 6
_JITTER = timedelta(seconds=10)
_BEAT, _ROUTE = "beat", "route "


class Schedule:
    """Calls `due(route)` when a route's time has come, `missed(route)` when it has come while the call before is still
    under way, and `failed(route, error)` when a call fails."""

    def __init__(
        self,
        clock: Clock,
        due: Callable[[str], Coroutine[Any, Any, None]],
        missed: Callable[[str], None],
        failed: Callable[[str, BaseException], None],
    ) -> None:
        logging.getLogger("apscheduler").setLevel(logging.CRITICAL)  # its words are not ours: see the listener below
        defaults = {"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
        self._scheduler = AsyncIOScheduler(timezone=UTC, job_defaults=defaults)
        self._clock = clock
        self._due = due
        self._missed = missed
        self._failed = failed
        self._beaten = 0.0
        self._polls: dict[str, timedelta] = {}
        self._scheduler.add_listener(self._listen, EVENT_JOB_MISSED | EVENT_JOB_MAX_INSTANCES | EVENT_JOB_ERROR)

    def start(self) -> None:
        """Begin; the loop must be running."""
        self._beaten = asyncio.get_running_loop().time()
        self._scheduler.add_job(self._beat, "interval", id=_BEAT, seconds=BEAT, next_run_time=self._clock.now())
        self._scheduler.start()

    def alive(self) -> bool:
        """Whether the scheduler gave a sign of life lately."""
        return asyncio.get_running_loop().time() - self._beaten < _BEATS_MISSED * BEAT

    def put(self, route: str, poll: timedelta, first: datetime) -> None:
        """Look after a route from now on."""
        self._polls[route] = poll
        jitter = min(poll / 10, _JITTER).total_seconds()
        self._scheduler.add_job(
            self._due, "interval", args=(route,), id=_ROUTE + route, seconds=poll.total_seconds(), jitter=jitter,
            next_run_time=first, replace_existing=True,
        )  # fmt: skip

    def drop(self, route: str) -> None:
        """Look after a route no more; a call that is under way goes on."""
        if self._polls.pop(route, None) is not None:
            self._scheduler.remove_job(_ROUTE + route)

    def next_run(self, route: str) -> datetime | None:
        """When the route is due next, None when it is not looked after."""
        entry = self._scheduler.get_job(_ROUTE + route)
        at: datetime | None = entry.next_run_time if entry else None
        return at

    def bring_forward(self, route: str, at: datetime) -> bool:
        """Make it due at that time; False when it is due before, or not looked after."""
        entry = self._scheduler.get_job(_ROUTE + route)
        sooner = entry is not None and (entry.next_run_time is None or at < entry.next_run_time)
        if sooner:
            entry.modify(next_run_time=at)
        return sooner

    def realign(self) -> None:
        """After the clock was set back: nothing waits for longer than its interval."""
        self._scheduler.modify_job(_BEAT, next_run_time=self._clock.now())
        for route, poll in self._polls.items():
            self.bring_forward(route, self._clock.now() + poll)

    def pause(self) -> None:
        """Let nothing begin any more."""
        self._scheduler.pause()

    def end(self) -> None:
        """Break off what is under way, and end."""
        self._scheduler.shutdown(wait=False)

    async def _beat(self) -> None:
        self._beaten = asyncio.get_running_loop().time()

    def _listen(self, happened: JobExecutionEvent) -> None:
        if not happened.job_id.startswith(_ROUTE):
            return
        route = happened.job_id.removeprefix(_ROUTE)
        error = getattr(happened, "exception", None)
        if error is not None:
            self._failed(route, error)
        else:
            self._missed(route)
