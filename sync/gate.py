"""The gate before one vendor during one run: sets the vendor aside when it refuses, fails or asks to wait."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Literal, TypeVar

from sync.errors import CredentialsRefused, OutsideError, RateLimited, UnknownOutcome, Unreachable
from sync.ports import Clock, Connector

T = TypeVar("T")
Trouble = Literal["unreachable", "refused", "cooldown"]

FAILURES_BEFORE_HALT = 3
SHORT_WAITS = 3


class Halted(OutsideError):
    """The vendor is set aside for the rest of this run: nothing was sent."""


class VendorGate:
    """All calls to one vendor in one run go through `call`.

    The first call goes alone, so that a wrong password is tried once and not by every meeting at the same time.
    Waits of up to `patience` seconds that the vendor asks for are waited out, longer ones set it aside.
    """

    def __init__(self, name: str, connector: Connector, clock: Clock, patience: float) -> None:
        self.name = name
        self.connector = connector
        self.patience = patience
        self.halted: str | None = None
        self.stopped = False
        self._trouble: Trouble | None = None
        self.cooldown_until: datetime | None = None
        self.answered = False
        self._clock = clock
        self._first = asyncio.Lock()
        self._failures = 0
        self._last_failure = ""

    @property
    def trouble(self) -> Trouble | None:
        """What is wrong with the vendor at this moment; one failed call is enough when nothing worked since."""
        return self._trouble or ("unreachable" if self._failures else None)

    @property
    def reason(self) -> str | None:
        """The trouble in words."""
        if self._trouble:
            return self.halted
        return self._last_failure if self._failures else None

    async def begin(self, cooldown_until: datetime | None) -> None:
        """Honour a wait that the vendor asked for in an earlier run."""
        if cooldown_until is None:
            return
        left = (cooldown_until - self._clock.now()).total_seconds()
        if left > self.patience:
            self._halt("cooldown", f"the vendor asked to wait until {cooldown_until:%Y-%m-%d %H:%M:%S} UTC")
            self.cooldown_until = cooldown_until
        elif left > 0:
            await self._clock.sleep(left)

    async def call(self, make: Callable[[], Awaitable[T]]) -> T:
        """The result of the vendor call that `make` starts. Raises Halted, and what the call raises."""
        if not self.answered:
            async with self._first:
                if not self.answered:
                    return await self._attempt(make)
        return await self._attempt(make)

    async def _attempt(self, make: Callable[[], Awaitable[T]]) -> T:
        waits = 0
        while True:
            if self.halted:
                raise Halted(self.halted)
            try:
                result = await make()
            except RateLimited as error:
                waits += 1
                if error.retry_after > self.patience or waits > SHORT_WAITS:
                    self.cooldown_until = self._clock.now() + timedelta(seconds=error.retry_after)
                    self._halt("cooldown", f"the vendor asks to wait {error.retry_after:g} s")
                    raise
                await self._clock.sleep(error.retry_after)
            except CredentialsRefused as error:
                self._halt("refused", str(error))
                raise
            except UnknownOutcome:
                raise  # one meeting's trouble, until the look that follows fails as well
            except Unreachable as error:
                self._failures += 1
                self._last_failure = str(error)
                if self._failures >= FAILURES_BEFORE_HALT:
                    self._halt("unreachable", str(error))
                raise
            else:
                self.answered = True
                self._failures = 0
                return result

    def tell(self, error: RateLimited | CredentialsRefused) -> None:
        """What a call that did not go through the gate met; it is set aside for the rest of the run."""
        if isinstance(error, RateLimited):
            self.cooldown_until = self._clock.now() + timedelta(seconds=error.retry_after)
            self._halt("cooldown", f"the vendor asks to wait {error.retry_after:g} s")
        else:
            self._halt("refused", str(error))

    def stop(self, why: str) -> None:
        """Let no further call begin; those under way go on. Nothing is held against the vendor."""
        self.stopped = True
        self.halted = self.halted or why

    def _halt(self, trouble: Trouble, why: str) -> None:
        if self.halted is None:
            self.halted, self._trouble = why, trouble
