"""How often something may be said of what others can make happen as often as they like."""

from collections.abc import Callable
from datetime import datetime, timedelta

EVERY = timedelta(minutes=1)


class Seldom:
    """One line a minute for each name, which says how often it happened. The names are few, and ours."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._said: dict[str, datetime] = {}
        self._untold: dict[str, int] = {}

    def times(self, name: str) -> int:
        """It happened once more: how often since it was told of last, or 0 when it is too soon to tell again."""
        now, number = self._now(), self._untold.pop(name, 0) + 1
        # A clock that was set back must not silence it.
        if name in self._said and abs(now - self._said[name]) < EVERY:
            self._untold[name] = number
            return 0
        self._said[name] = now
        return number
