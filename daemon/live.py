"""What the running service tells those who look at it (web page, metrics, watchdog) and what it lets them ask for."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from daemon.wiring import Installation


@dataclass(frozen=True, slots=True)
class Standing:
    """One route in this process. `next_run` is when its next pass begins (None while one is running, or when another
    process has the route); `owner` names the process that has it, "" when none has or nobody shares."""

    next_run: datetime | None
    running: bool
    owner: str = ""


class Live(Protocol):
    """The running service."""

    started_at: datetime

    @property
    def inside(self) -> Installation:
        """The present installation; another one after the configuration was read again."""
        ...

    def alive(self) -> bool:
        """Whether the loop and the scheduler really work: the scheduler's own tick came in time."""
        ...

    def standing(self, route: str) -> Standing:
        """How that route stands in this process."""
        ...

    def look(self, routes: Iterable[str], why: str) -> None:
        """A hint from outside: make a pass of these routes soon, wherever they are looked after; nothing more than the
        poll would do. `why` is for the log."""
        ...
