"""Keeping to the limits that HubSpot sets for an account: before requests by what its answers say of them, and after
one that was refused by how long that lasts.

Source: developers.hubspot.com, "API usage guidelines" (headers, policies) and "Search the CRM" (five searches a second
for an account); the body of a 429 names the policy. By document only.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping

from connectors.answers import Answer, retry_after

SEARCHES = 4
"""A second: one less than HubSpot allows, since others search with the account too."""
LONGEST_WAIT = 15.0
"""Seconds that a request waits at most: a limit of ten seconds is waited out, one of a day is not."""
_POLICIES = {"SECONDLY": 1.0, "TEN_SECONDLY_ROLLING": 10.0, "DAILY": 3600.0}
"""Seconds after which it is worth while to ask again, where the answer has no Retry-After."""


class Pace:
    """The turns of one account's requests. `now` is a clock that never goes back (seconds), `sleep` waits (seconds)."""

    def __init__(
        self, now: Callable[[], float] = time.monotonic, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    ) -> None:
        self.now = now
        self.sleep = sleep
        self._not_before = 0.0
        self._searched: deque[float] = deque(maxlen=SEARCHES)

    async def turn(self, *, search: bool = False) -> None:
        """Wait until a request (a `search`) may be sent."""
        while (wait := self._wait(search)) > 0:
            await self.sleep(wait)
        if search:
            self._searched.append(self.now())

    def heard(self, headers: Mapping[str, str]) -> None:
        """Note what an answer says is left; searches do not say it."""
        if _number(headers, "x-hubspot-ratelimit-remaining") == 0:
            interval = _number(headers, "x-hubspot-ratelimit-interval-milliseconds")
            self._later(10.0 if interval is None else interval / 1000)
        if _number(headers, "x-hubspot-ratelimit-secondly-remaining") == 0:
            self._later(1.0)

    def _later(self, seconds: float) -> None:
        self._not_before = max(self._not_before, self.now() + min(seconds, LONGEST_WAIT))

    def _wait(self, search: bool) -> float:
        now = self.now()
        wait = self._not_before - now
        if search and len(self._searched) == SEARCHES:
            wait = max(wait, self._searched[0] + 1.0 - now)
        return wait


def pause(answer: Answer, policy: str) -> float:
    """Seconds that an answer of 429 asks to wait: by its header, else by the policy that was reached."""
    if "retry-after" in answer.headers and policy != "DAILY":
        return retry_after(answer)
    return _POLICIES.get(policy, 10.0)


def daily_rest(headers: Mapping[str, str]) -> tuple[float, float] | None:
    """How many requests are left of how many for today, None when the answer does not say."""
    left, most = (_number(headers, f"x-hubspot-ratelimit-daily{tail}") for tail in ("-remaining", ""))
    return None if left is None or not most else (left, most)


def _number(headers: Mapping[str, str], name: str) -> float | None:
    text = headers.get(name, "")
    return float(text) if text.isascii() and text.isdigit() else None
