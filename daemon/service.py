"""`convener run`: the service's life. It starts, reads its configuration again when told to, and ends in good order.

What it does in between is `daemon.duty`.
"""

import asyncio
import logging
import signal
from collections.abc import Iterable
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy.exc import SQLAlchemyError

from daemon.duty import Duty
from daemon.live import Standing
from daemon.metrics import Metrics
from daemon.notify import Notifier
from daemon.ping import Pinger
from daemon.schedule import BEAT
from daemon.settings import Settings, load
from daemon.telemetry import Format, Telemetry
from daemon.web import application, serving
from daemon.wiring import Installation, installation, secrets_of
from sync.errors import ConfigurationError, ConvenerError, DatabaseAway
from sync.ports import Log
from sync.report import Exit, RouteReport

STEP = timedelta(seconds=10)
"""A difference between the wall clock and the machine's own that grows by so much at once: the clock was set."""

GRACE = 2.0
"""Seconds in which calls under way usually end, when a new configuration is taken over."""

FIRST_WAIT, LONGEST_WAIT = 1.0, 30.0
"""Seconds between two tries to reach the database at the start."""


class Word(StrEnum):
    """What the service can be told."""

    STOP = "stop"
    RELOAD = "reload"


async def serve(settings: Settings, log_format: Format) -> Exit:
    """Run until SIGTERM or SIGINT; SIGHUP reads the configuration again. Raises ConvenerError when it cannot start."""
    words: asyncio.Queue[Word] = asyncio.Queue()
    logging.getLogger().addHandler(Libraries(Telemetry(form=log_format, secrets=secrets_of(settings))))
    loop = asyncio.get_running_loop()
    for number, word in ((signal.SIGTERM, Word.STOP), (signal.SIGINT, Word.STOP), (signal.SIGHUP, Word.RELOAD)):
        loop.add_signal_handler(number, words.put_nowait, word)
    async with Service(log_format) as service:
        if await _started(service, settings, words):
            while await words.get() is Word.RELOAD:
                await service.reload()
            await service.stop()
    return Exit.DONE


async def _started(service: "Service", settings: Settings, words: asyncio.Queue[Word]) -> bool:
    """Start; False when the service is told to stop before that has come about. A configuration that is mended while
    the database is waited for is taken."""
    while True:
        starting = asyncio.create_task(service.start(settings))
        told = asyncio.create_task(words.get())
        await asyncio.wait({starting, told}, return_when=asyncio.FIRST_COMPLETED)
        if not told.done():
            told.cancel()
        elif told.result() is Word.RELOAD and not service.waiting:
            words.put_nowait(Word.RELOAD)  # when it has started
        elif not starting.done():
            starting.cancel()
            await asyncio.wait({starting})
            if told.result() is Word.STOP:
                return False
            settings = service.newest(settings)
            continue
        else:
            words.put_nowait(told.result())
        await starting
        return True


class Libraries(logging.Handler):
    """What libraries have to say, in one line of our log each."""

    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Without its traceback, which is many lines."""
        error = record.exc_info[1] if record.exc_info else None
        reason = f"{record.getMessage()} ({type(error).__name__}: {error})" if error else record.getMessage()
        self._log("library.warned", library=record.name, reason=" ".join(reason.split()))


class Service:
    """The running service: one process, under one configuration at a time. Implements `daemon.live.Live`."""

    def __init__(self, log_format: Format = "auto", notifier: Notifier | None = None) -> None:
        self.metrics = Metrics()
        self.waiting = False
        """For the database, to begin with."""
        self.started_at: datetime
        self._notifier = notifier or Notifier()
        self._log_format = log_format
        self._duty: Duty
        self._open = AsyncExitStack()
        self._web = AsyncExitStack()
        self._listening = "", False
        self._watching: asyncio.Task[None]
        self._ending: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "Service":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._web.aclose()
        await self._open.aclose()

    @property
    def inside(self) -> Installation:
        """The present installation."""
        return self._duty.inside

    def alive(self) -> bool:
        """Whether the loop and the scheduler really work."""
        return self._duty.alive()

    def standing(self, route: str) -> Standing:
        """How that route stands in this process."""
        return self._duty.standing(route)

    def look(self, routes: Iterable[str], why: str) -> None:
        """Have a pass of these routes made soon."""
        self._duty.look(routes, why)

    async def start(self, settings: Settings) -> None:
        """Begin the work, once the database can be reached. Raises ConvenerError."""
        self._open, inside = await self._opened_in_the_end(settings)
        self.started_at = inside.clock.now()
        self._duty = self._new_duty(inside)
        await self._listen()
        await self._duty.start()
        self._watching = asyncio.create_task(self._watch_over(), name="watch over")
        inside.log("daemon.started", routes=len(settings.routes))
        self._notifier.ready(f"{len(settings.routes)} routes")

    def newest(self, settings: Settings) -> Settings:
        """The configuration as it is now, or, when that cannot be used, as it was."""
        try:
            return load(settings.path)
        except ConvenerError as error:
            self._early_log(settings)("daemon.reload_refused", reason=str(error))
            return settings

    def _early_log(self, settings: Settings) -> Telemetry:
        """Before there is an installation."""
        return Telemetry(form=self._log_format, secrets=secrets_of(settings))

    async def reload(self) -> None:
        """Take a new configuration over; one that is not usable changes nothing."""
        self._notifier.reloading()
        try:
            settings = load(self.inside.settings.path)
            # The new installation is open before the old one is let go, so that what cannot be opened is refused.
            opened = await self._opened(settings)
        except (ConvenerError, SQLAlchemyError, OSError) as error:
            self.inside.log("daemon.reload_refused", reason=str(error))
        else:
            await self._take_over(*opened)
            self.inside.log("daemon.reloaded", routes=len(settings.routes))
        self._notifier.ready(f"{len(self.inside.settings.routes)} routes")

    async def stop(self) -> None:
        """End in good order: no call begins any more, those under way end or are broken off."""
        self._notifier.stopping()
        self._watching.cancel()
        await self._duty.retire("the service is stopping")
        await asyncio.gather(self._end(self._duty, AsyncExitStack()), *self._ending)
        await self._web.aclose()
        self.inside.log("daemon.stopped")
        await self._open.aclose()

    async def _take_over(self, opened: AsyncExitStack, inside: Installation) -> None:
        """From now on by the new configuration. Calls under way end by the old one; their routes follow when they are
        free, the others at once."""
        old, before = self._duty, self._open
        await old.retire("the configuration was read again")
        if working := old.working():
            await asyncio.wait(working, timeout=GRACE)
        self._open, self._duty = opened, self._new_duty(inside)
        await self._duty.start()
        await self._listen()
        ending = asyncio.create_task(self._end(old, before), name="end of the old configuration")
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)

    async def _end(self, duty: Duty, opened: AsyncExitStack) -> None:
        await duty.end(duty.inside.settings.daemon.drain)
        await opened.aclose()

    async def _opened_in_the_end(self, settings: Settings) -> tuple[AsyncExitStack, Installation]:
        """A database server may start later than this machine: it is waited for, and the log says so once."""
        wait, log = FIRST_WAIT, None
        while True:
            try:
                opened = await self._opened(settings)
            except DatabaseAway as error:
                self.waiting = True
                if log is None:
                    log = self._early_log(settings)
                    log("database.unreachable", reason=str(error))
                    self._notifier.status("waiting for the database")
                await asyncio.sleep(wait)
                wait = min(2 * wait, LONGEST_WAIT)
            else:
                self.waiting = False
                if log is not None:
                    log("database.recovered")
                return opened

    async def _opened(self, settings: Settings) -> tuple[AsyncExitStack, Installation]:
        async with AsyncExitStack() as stack:
            wanted = installation(
                settings,
                log_format=self._log_format,
                on_line=self.metrics.logged,
                on_answer=self.metrics.answered,
            )
            inside = await stack.enter_async_context(wanted)
            return stack.pop_all(), inside

    def _new_duty(self, inside: Installation) -> Duty:
        pinger = Pinger(inside.settings.daemon.ping_url, inside.log)
        return Duty(inside, self.metrics, pinger, self._passed)

    def _passed(self, report: RouteReport) -> None:
        ended = f"{self.inside.clock.now():%H:%M:%S} UTC"
        routes = len(self.inside.settings.routes)
        self._notifier.status(f"{routes} routes; last pass: {report.route} at {ended}, exit {int(report.exit())}")

    async def _listen(self) -> None:
        """Serve the pages, if they are wanted. Meetings are kept in step whether or not that works."""
        daemon, log = self.inside.settings.daemon, self.inside.log
        listen, guarded = daemon.listen, daemon.token is not None
        if (listen, guarded) == self._listening:
            return
        if listen == self._listening[0]:  # the same port cannot be had twice
            await self._web.aclose()
        async with AsyncExitStack() as web:
            try:
                app = application(self, lambda: self.metrics.page(self))
                address = await web.enter_async_context(serving(listen, app, anywhere=guarded))
            except (OSError, ConfigurationError) as error:
                log("web.failed", listen=listen, reason=str(error))
                return  # what was served before still is
            await self._web.aclose()
            self._web, self._listening = web.pop_all(), (listen, guarded)
        if listen:
            log("web.started", listen=address)

    async def _watch_over(self) -> None:
        """Feed systemd's watchdog while the scheduler gives signs of life, and notice when the clock is set."""
        loop, every = asyncio.get_running_loop(), min(BEAT, self._notifier.watchdog_every or BEAT)
        clock = self.inside.clock
        before = clock.now().timestamp() - loop.time()
        while True:
            if self.alive():
                self._notifier.watchdog()
            offset = clock.now().timestamp() - loop.time()
            if abs(offset - before) > STEP.total_seconds():
                self.inside.log("clock.stepped", seconds=round(offset - before))
                self._duty.realign()
            before = offset
            await asyncio.sleep(every)
