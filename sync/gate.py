"""The gate before one vendor during one pass: sets the vendor aside when it refuses, fails or asks to wait."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sync.circuit import Circuit, Trouble
from sync.errors import CredentialsRefused, OutsideError, RateLimited, UnknownOutcome, Unreachable
from sync.ports import PASSAGE, Clock, Connector

T = TypeVar("T")
Answered = Callable[[str, str, str], None]
"""Told of every request: vendor, method, and the HTTP status or what came instead of one."""

SHORT_WAITS = 3


class Halted(OutsideError):
    """The vendor is set aside for the rest of this pass: nothing was sent."""


class VendorGate:
    """All calls to one vendor in one pass go through `call`.

    The first call goes alone, so that a wrong password is tried once and not by every meeting at the same time.
    Waits of up to `patience` seconds that the vendor asks for are waited out, longer ones set it aside. `circuit` is
    what the passes side by side know of the vendor together; `lost` says why this pass may not write any more.
    """

    def __init__(
        self,
        name: str,
        connector: Connector,
        clock: Clock,
        patience: float,
        *,
        circuit: Circuit | None = None,
        lost: Callable[[], str | None] = lambda: None,
        on_answer: Answered = lambda _vendor, _method, _status: None,
    ) -> None:
        self.name = name
        self.connector = connector
        self.patience = patience
        self.circuit = circuit or Circuit(clock)
        self.answered = False
        self.cooldown_until: datetime | None = None
        self.on_answer = on_answer
        self._clock = clock
        self._lost = lost
        self._stopped = ""
        self._stop = asyncio.Event()
        self._halted = ""
        self._trouble: Trouble | None = None
        self._failures = 0
        self._last_failure = ""

    @property
    def trouble(self) -> Trouble | None:
        """What this pass met; one failed call is enough when nothing worked since."""
        return self._trouble or ("unreachable" if self._failures else None)

    @property
    def reason(self) -> str | None:
        """The trouble in words."""
        if self._trouble:
            return self._halted
        return self._last_failure if self._failures else None

    @property
    def stopped(self) -> str | None:
        """Why nothing may begin any more, whatever the vendor does: the service stops, or another has the route."""
        return self._stopped or self._lost()

    @property
    def halted(self) -> str | None:
        """Why no further call begins in this pass."""
        return self.stopped or self._halted or None

    async def begin(self, cooldown_until: datetime | None) -> None:
        """Honour a wait that the vendor asked for in an earlier run."""
        if cooldown_until is None:
            return
        left = (cooldown_until - self._clock.now()).total_seconds()
        if left > self.patience:
            self._cool_down(cooldown_until, f"the vendor asked to wait until {cooldown_until:%Y-%m-%d %H:%M:%S} UTC")
        elif left > 0:
            await self._clock.sleep(left)

    async def call(self, make: Callable[[], Awaitable[T]]) -> T:
        """The result of the vendor call that `make` starts. Raises Halted, and what the call raises."""
        if not self.answered or self.circuit.half_open:
            async with self.circuit.alone:
                if not self.answered or self.circuit.half_open:
                    return await self._attempt(make)
        return await self._attempt(make)

    async def _attempt(self, make: Callable[[], Awaitable[T]]) -> T:
        waits = 0
        while True:
            self._admit()
            try:
                with self.passing(counted=True):
                    result = await make()
            except RateLimited as error:
                waits += 1
                if error.retry_after > self.patience or waits > SHORT_WAITS:
                    self.tell(error)
                    raise
                await self._clock.sleep(error.retry_after)
            except CredentialsRefused as error:
                self.tell(error)
                raise
            except UnknownOutcome as error:
                # One meeting's trouble, until the look that follows fails as well; or until nothing ever answers.
                if error.silent and not self.answered:
                    self.circuit.failed(str(error))
                    if self.circuit.shut():
                        self._halt("unreachable", str(error))
                raise
            except Unreachable as error:
                self._failures += 1
                self._last_failure = str(error)
                self.circuit.failed(str(error))
                if self.circuit.shut():
                    self._halt("unreachable", str(error))
                raise
            else:
                self.answered = True
                self._failures = 0
                self.circuit.answered()
                return result

    @contextmanager
    def passing(self, *, counted: bool = False) -> Iterator[None]:
        """What is done in the block beside calls to the vendor asks before it has an effect, as these do. `counted`:
        its requests are the vendor's."""
        token = PASSAGE.set(_Attempt(self, counted))
        try:
            yield
        finally:
            PASSAGE.reset(token)

    def _admit(self) -> None:
        """Raises Halted unless a call may begin now."""
        if not self.halted and self.circuit.shut() and self.circuit.trouble:
            self._halt(self.circuit.trouble, self.circuit.why)
            if self.circuit.trouble == "cooldown":
                self.cooldown_until = self.circuit.until
        if why := self.halted:
            raise Halted(why)

    def tell(self, error: RateLimited | CredentialsRefused) -> None:
        """What a call met, here or past the gate; the vendor is set aside for the rest of the pass."""
        if isinstance(error, RateLimited):
            until = self._clock.now() + timedelta(seconds=error.retry_after)
            self._cool_down(until, f"the vendor asks to wait {error.retry_after:g} s")
        else:
            self.circuit.open("refused", str(error))
            self._halt("refused", str(error))

    def stop(self, why: str) -> None:
        """Let no further call begin; those under way go on. Nothing is held against the vendor."""
        self._stopped = self._stopped or why
        self._stop.set()

    async def unless_stopped(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of work that asks nothing of the vendor and has no effect. Raises Halted when the pass is to stop
        before it is done: it is broken off."""
        task, stop = asyncio.ensure_future(work), asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            raise Halted(self._stopped)
        finally:
            task.cancel()
            stop.cancel()

    def _cool_down(self, until: datetime, why: str) -> None:
        if self._halted:
            return
        self.cooldown_until = until
        self.circuit.open("cooldown", why, until)
        self._halt("cooldown", why)

    def _halt(self, trouble: Trouble, why: str) -> None:
        if not self._halted:
            self._halted, self._trouble = why, trouble


class _Attempt:
    """One call on its way through the HTTP client. Implements `sync.ports.Passage`."""

    def __init__(self, gate: VendorGate, counted: bool) -> None:
        self._gate = gate
        self._counted = counted
        self._wrote = False

    def check(self) -> None:
        """Between gate and wire a call may wait for its turn: long enough for a stop, or to lose a lease."""
        if why := self._gate.stopped:
            # A call of several requests that has begun to write has an effect already.
            raise UnknownOutcome(f"broken off: {why}") if self._wrote else Halted(why)

    def before_write(self) -> None:
        """From here on there is an effect."""
        self.check()
        self._wrote = True

    def answered(self, method: str, status: str) -> None:
        """Counted by the gate's observer, when it was the vendor that answered."""
        if self._counted:
            self._gate.on_answer(self._gate.name, method, status)
