"""One login for many calls: made by the first that needs it, made anew when it has run out, refused once."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable

from sync.errors import CredentialsRefused


class Login:
    """Keeps the key (a session identifier, a token) that `enter` gives.

    A refusal is remembered: whoever asks again would only lock the account. `lasts` and `idle` are the seconds after
    which a key is not used any more, since it was given and since it was last used. `enter` raises CredentialsRefused.
    """

    def __init__(
        self,
        enter: Callable[[], Awaitable[str]],
        *,
        lasts: float = math.inf,
        idle: float = math.inf,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._enter = enter
        self._lasts = lasts
        self._idle = idle
        self._clock = clock
        self._lock = asyncio.Lock()
        self._given = self._used = 0.0
        self._refusal: str | None = None
        self.known: str | None = None
        """The key that would be used now, if there is one."""

    async def key(self, stale: str | None = None) -> str:
        """The key; a new one when there is none, it is `stale`, or it may have run out."""
        async with self._lock:
            now = self._clock()
            over = now - self._given >= self._lasts or now - self._used >= self._idle
            if self.known is None or self.known == stale or over:
                self.known = None
                self.known = await self._another()
                self._given = now
            self._used = self._clock()
            return self.known

    async def another(self, *, after_all: bool = False) -> str:
        """A key besides the one in use; `after_all`: also when an earlier login was refused."""
        async with self._lock:
            self._refusal = None if after_all else self._refusal
            return await self._another()

    async def afresh(self) -> str:
        """A new key, whatever was refused before."""
        async with self._lock:
            self._refusal = self.known = None
            begun = self._clock()
            self.known = await self._another()
            self._given = self._used = begun
            return self.known

    def forget(self, key: str) -> None:
        """Do not use this key again."""
        if self.known == key:
            self.known = None

    async def _another(self) -> str:
        if self._refusal is not None:
            raise CredentialsRefused(self._refusal)
        try:
            return await self._enter()
        except CredentialsRefused as error:
            self._refusal = str(error)
            raise
