"""Whether a vendor is worth asking, over all passes of this process: a circuit breaker.

Closed: calls go. Open: it failed, refused the account or asked to wait, and nothing is sent until some time. Half-open
after that: one call goes alone, and its outcome closes the circuit or opens it for longer.
"""

import asyncio
from datetime import datetime, timedelta
from typing import Literal

from sync.ports import Clock

Trouble = Literal["unreachable", "refused", "cooldown"]

FAILURES_BEFORE_OPEN = 3
"""Calls in a row without a usable answer."""

_REST = {
    "unreachable": (timedelta(seconds=5), timedelta(minutes=5)),
    "refused": (timedelta(seconds=30), timedelta(hours=1)),
    "cooldown": (timedelta(seconds=1), timedelta(days=2)),
}
"""How long it stays open: the first time, and at most. It doubles with each opening after a failed probe."""


class Circuit:
    """The breaker of one vendor account."""

    def __init__(self, clock: Clock) -> None:
        self.alone = asyncio.Lock()
        """Held by a call that goes alone: the first one of a pass, and the probe of a half-open circuit."""
        self.trouble: Trouble | None = None
        self.why = ""
        self.until: datetime | None = None
        """When it is half-open; None while it is closed."""
        self._clock = clock
        self._failures = 0
        self._openings = 0

    def shut(self) -> bool:
        """Whether nothing may be sent now."""
        return self.until is not None and self._clock.now() < self.until

    @property
    def half_open(self) -> bool:
        """Whether the next call is a probe."""
        return self.until is not None and not self.shut()

    def answered(self) -> None:
        """A call worked. It closes the circuit, unless it was under way when the vendor asked for something else."""
        self._failures = 0
        if self.trouble == "unreachable" or not self.shut():
            self.trouble, self.why, self.until, self._openings = None, "", None, 0

    def failed(self, why: str) -> None:
        """A call had no usable answer."""
        self._failures += 1
        if self.half_open or self._failures >= FAILURES_BEFORE_OPEN:
            self.open("unreachable", why)

    def open(self, trouble: Trouble, why: str, until: datetime | None = None) -> None:
        """Let nothing through until then, or for a time that grows with each opening that follows a failed probe."""
        if self.shut() and until is None:
            return  # calls that were under way tell nothing new
        first, longest = _REST[trouble]
        rest = min(first * 2 ** min(self._openings, 30), longest)
        self._openings += 1
        self.trouble, self.why = trouble, why
        self.until = max(filter(None, (until or self._clock.now() + rest, self.until)))
