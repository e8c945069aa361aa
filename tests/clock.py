"""A clock that tests move themselves."""

from datetime import UTC, datetime, timedelta

START = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)


class ManualClock:
    """`sleep` moves the time on at once; `slept` says how much was slept in all (seconds)."""

    def __init__(self, now: datetime = START) -> None:
        self._now = now
        self.slept = 0.0

    def now(self) -> datetime:
        return self._now

    async def sleep(self, seconds: float) -> None:
        self.slept += seconds
        self.advance(seconds=seconds)

    def advance(self, **span: float) -> None:
        self._now += timedelta(**span)
