"""The dead man's switch: somebody else's server is told when all is well, and raises the alarm when it is not told."""

import asyncio
from collections.abc import Collection
from datetime import datetime, timedelta

import httpx
from pydantic import SecretStr

from connectors.http import Wire
from daemon.listen import is_loopback
from sync.errors import OutsideError
from sync.ports import Log
from sync.report import Exit

SHORTEST = timedelta(minutes=1)
"""Pings are so far apart at least."""

TIMEOUT = 10.0
"""Seconds for one ping, tries and all."""

_LARGEST = 1024 * 1024  # bytes of an answer that nobody reads


def checked_url(text: str) -> str:
    """The address as it is. Raises ValueError, with nothing of the address in it: its path is a secret."""
    try:
        parsed = httpx.URL(text)
        host = parsed.host  # read from its IDNA form only now
    except (httpx.InvalidURL, ValueError):
        raise ValueError("not a valid URL") from None
    if not text.isprintable() or " " in text:
        raise ValueError("not a valid URL")
    if parsed.scheme not in ("http", "https") or not host:
        raise ValueError("must begin with https:// and a host")
    if parsed.scheme == "http" and not is_loopback(host):
        raise ValueError("must begin with https://: its path is a secret")
    if parsed.port is not None and not 0 < parsed.port < 65536:
        raise ValueError("there is no such port")
    if parsed.userinfo or parsed.fragment:
        raise ValueError("must have no user and no fragment")
    return text


class Pinger:
    """Pings after a full success: every route of this process has had a pass with exit code 0 since the last ping, and
    none after it that ended otherwise. `url` None: never."""

    def __init__(self, url: SecretStr | None, log: Log) -> None:
        self._url = url
        self._log = log
        self._passes = 0
        self._well: dict[str, int] = {}
        self._told = 0
        self._tried_at: datetime | None = None
        self._failing = False

    def passed(self, route: str, code: Exit) -> None:
        """Remember how a pass of that route ended."""
        self._passes += 1
        if code is Exit.DONE:
            self._well[route] = self._passes
        else:
            self._well.pop(route, None)

    async def due(self, routes: Collection[str], now: datetime) -> None:
        """Ping if it is time to. `routes` are those that this process looks after now; what another process has, does
        not count. A ping that fails is made again, a minute later at the earliest. Raises nothing: the log tells of
        the first failure, and of the recovery."""
        if self._url is None or not routes or any(self._well.get(route, 0) <= self._told for route in routes):
            return
        if self._tried_at is not None and timedelta(0) <= now - self._tried_at < SHORTEST:
            return
        self._tried_at, telling = now, self._passes
        try:
            await _ping(self._url.get_secret_value())
        except (OutsideError, TimeoutError) as error:
            if not self._failing:
                self._log("ping.failed", reason=str(error) or f"no answer within {TIMEOUT:g} s")
            self._failing = True
            return
        self._told = telling
        if self._failing:
            self._log("ping.recovered")
        self._failing = False


async def _ping(url: str) -> None:
    wire = Wire(timeout=TIMEOUT, max_bytes=_LARGEST)
    try:
        async with asyncio.timeout(TIMEOUT):
            await wire.read(url)
    finally:
        await wire.close()
