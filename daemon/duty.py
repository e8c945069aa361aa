"""The routes' work under one configuration: a pass of each when it is due, and beside it what fetches artifacts.

Each route has one pass at a time, and routes go on side by side. Whatever asks for a pass (the poll interval, a changed
file, a hook, another process, the clock) only moves the route's next one forward: asked for ten times, it is one pass.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from daemon.database import reason_of
from daemon.live import Standing
from daemon.metrics import Metrics
from daemon.ping import Pinger
from daemon.schedule import Schedule
from daemon.watching import watch
from daemon.wiring import Installation
from sync.errors import LeaseLost, LedgerError, LockTaken
from sync.gate import Halted
from sync.reconcile import Options, Reconciler
from sync.report import Exit, RouteReport

T = TypeVar("T")

DEBOUNCE = timedelta(seconds=1)
"""Hints that come within it are one."""

BUSY = timedelta(seconds=5)
"""When a route that another process works on just now is tried again."""

PATIENCE = 1.0
"""Seconds that a pass waits for another process to be done with its route, before it is put off."""


@dataclass(slots=True)
class _State:
    """A route's passes. `hinted`: one was asked for while one was under way; `missed`: how many did not begin when they
    were due, since they all last did; `late`: whether one did not since the present one began."""

    running: asyncio.Task[Any] | None = None
    harvest: asyncio.Task[None] | None = None
    hinted: bool = False
    late: bool = False
    missed: int = 0


class Duty:
    """Looks after the routes of one installation, from `start` to `stop`."""

    def __init__(
        self,
        inside: Installation,
        metrics: Metrics,
        pinger: Pinger,
        told: Callable[[RouteReport], None] = lambda _report: None,
    ) -> None:
        self.inside = inside
        self._metrics = metrics
        self._pinger = pinger
        self._told = told
        self._states = {route: _State() for route in inside.settings.routes}
        self._schedule = Schedule(inside.clock, self._due, self._missed, self._failed)
        self._beside: set[asyncio.Task[Any]] = set()
        self._retired = False

    async def start(self) -> None:
        """Begin: every route that falls to this process has its first pass at once."""
        sharing, settings = self.inside.sharing, self.inside.settings
        self._schedule.start()
        sharing.on_gained, sharing.on_lost, sharing.on_look = self._gained, self._schedule.drop, self._hint
        await sharing.start(list(settings.routes))
        files: dict[Path, list[str]] = {}
        for name, route in settings.routes.items():
            if (path := self.inside.file_of(route.source)) is not None:
                files.setdefault(path, []).append(name)
        self._aside(watch(files, self.look, self.inside.log), "watch")

    async def retire(self, why: str) -> None:
        """Begin nothing any more, let no vendor call begin, and let go of what is not being worked on."""
        self._retired = True
        self._schedule.pause()
        self.inside.stop(why)
        for task in self._beside:
            task.cancel()
        for state in self._states.values():
            if state.harvest is not None:
                state.harvest.cancel()  # it has no effect at the vendor, and is gone on with where it broke off
        await self.inside.sharing.start(())

    async def end(self, drain: timedelta) -> None:
        """After `retire`: wait for the calls under way, and break off what outlasts `drain`. Such a call is an open
        intent, and whoever works on the route next looks for its effect first."""
        if working := self.working():
            _, late = await asyncio.wait(working, timeout=drain.total_seconds())
            for task in late:
                task.cancel()
            await asyncio.gather(*working, return_exceptions=True)
            if late:
                self.inside.log("daemon.abandoned", routes=len(late))
        await asyncio.gather(*self._beside, return_exceptions=True)
        self._schedule.end()
        await self.inside.sharing.stop()

    def working(self) -> set[asyncio.Task[Any]]:
        """The passes and harvests under way."""
        return {task for s in self._states.values() for task in (s.running, s.harvest) if task and not task.done()}

    def next_run(self) -> datetime | None:
        """When the first route is due."""
        at = (self._schedule.next_run(route) for route in self._states)
        return min((instant for instant in at if instant), default=None)

    def alive(self) -> bool:
        """Whether passes begin when they are due."""
        return self._schedule.alive()

    def standing(self, route: str) -> Standing:
        """How that route stands in this process."""
        running = self._is_running(route)
        next_run = None if running else self._schedule.next_run(route)
        return Standing(next_run, running, self.inside.sharing.owner(route))

    def look(self, routes: Iterable[str], why: str) -> None:
        """Make a pass of these routes soon, wherever they are looked after."""
        self._aside(self.inside.sharing.tell(list(routes), why), "tell")

    def realign(self) -> None:
        """After the clock was set back."""
        self._schedule.realign()

    def _gained(self, route: str) -> None:
        source = self.inside.settings.sources[self.inside.settings.routes[route].source]
        self._schedule.put(route, source.poll, self.inside.clock.now())

    def _hint(self, route: str, why: str) -> None:
        state = self._states[route]
        if self._is_running(route):
            sooner, state.hinted = not state.hinted, True
        else:
            sooner = self._schedule.bring_forward(route, self.inside.clock.now() + DEBOUNCE)
        if sooner:
            self.inside.log("run.hinted", route=route, reason=why)

    async def _due(self, route: str) -> None:
        state = self._states[route]
        state.running = asyncio.current_task()
        state.hinted = state.late = False
        report = await self._outlived(route, self._pass(route))
        if self._retired:
            return
        if state.missed and not state.late:
            self.inside.log("run.recovered", route=route, missed=state.missed)
            state.missed = 0
        again = self._again(route, report)
        if again is not None:
            self._schedule.bring_forward(route, max(again, self.inside.clock.now() + DEBOUNCE))
        if report is not None and (state.harvest is None or state.harvest.done()):
            state.harvest = asyncio.create_task(self._harvest(route, report), name=f"harvest {route}")

    async def _pass(self, route: str) -> RouteReport:
        inside, began = self.inside, self.inside.clock.now()
        poll = inside.settings.sources[inside.settings.routes[route].source].poll
        async with inside.working(route, "pass", PATIENCE) as reconciler:
            await self._check_drift(reconciler)
            report = await reconciler.run(Options(respect_backoff=True, foresight=poll))
            due = await reconciler.drift_due(inside.settings.daemon.drift_every)
        now = inside.clock.now()
        self._metrics.passed(report, now, (now - began).total_seconds())
        self._pass_told(report)
        return replace(report, wake_at=min((at for at in (report.wake_at, due) if at and at > now), default=None))

    async def _check_drift(self, reconciler: Reconciler) -> None:
        due = await reconciler.drift_due(self.inside.settings.daemon.drift_every)
        if due is not None and due <= self.inside.clock.now():
            await reconciler.check_drift(Options(respect_backoff=True))

    def _again(self, route: str, report: RouteReport | None) -> datetime | None:
        """When the next pass is worth while before the next poll."""
        now = self.inside.clock.now()
        if self._states[route].hinted:
            return now
        if report is None:
            return now + BUSY if self._states[route].late else None
        circuit = self.inside.account(report.vendor).circuit
        half_open = circuit.until if report.vendor_trouble else None
        return min((at for at in (report.wake_at, half_open) if at is not None), default=None)

    async def _harvest(self, route: str, report: RouteReport) -> None:
        after = await self._outlived(route, self._fetch(route, report))
        if after is not None and after.exit() is not report.exit():
            self._pass_told(after)

    async def _fetch(self, route: str, report: RouteReport) -> RouteReport | None:
        try:
            async with self.inside.working(route, "harvest", 0) as reconciler:
                return await reconciler.harvest(report, Options(respect_backoff=True))
        except LockTaken:
            return None  # another process fetches: it is left to that one

    def _pass_told(self, report: RouteReport) -> None:
        self._pinger.passed(report.route, report.exit())
        self._told(report)
        self._aside(self._ping(), "ping")

    async def _ping(self) -> None:
        held = [route for route in self._states if self.inside.sharing.holds(route)]
        await self._pinger.due(held, self.inside.clock.now())

    async def _outlived(self, route: str, work: Coroutine[Any, Any, T]) -> T | None:
        """The service outlives what fails, and says so."""
        try:
            return await work
        except (LeaseLost, Halted):
            pass  # said when the route was lost; or the service stops, and knows
        # Another process works on the route, or the database is away, or too slow to connect to.
        except (LedgerError, SQLAlchemyError, TimeoutError) as error:
            self._missed(route, reason_of(error))
        except Exception as error:  # noqa: BLE001 - logged as an error
            self._failed(route, error)
        return None

    def _missed(self, route: str, reason: str = "the pass before is still going on") -> None:
        """Said once, until passes begin in time again."""
        state = self._states[route]
        state.late = True
        state.missed += 1
        if state.missed == 1:
            self.inside.log("run.missed", route=route, reason=reason)

    def _failed(self, route: str, error: BaseException) -> None:
        if isinstance(error, Exception):  # being broken off is no failure
            self._pinger.passed(route, Exit.DEFECT)
            self.inside.log("run.failed", route=route, reason=f"{type(error).__name__}: {error}")

    def _is_running(self, route: str) -> bool:
        running = self._states[route].running
        return running is not None and not running.done()

    def _aside(self, work: Coroutine[Any, Any, Any], name: str) -> None:
        """Something short that nobody waits for."""
        task = asyncio.create_task(work, name=name)
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)
