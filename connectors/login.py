"""One login for many calls: made by the first that needs it, made anew when it has run out, refused once."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable

from sync.errors import CredentialsRefused, OutsideError, Unreachable


class NotUnderstood(Unreachable):
    """A login was answered with something that is neither a key nor a plain refusal: it may well be one."""


class Login:
    """Keeps the key (a session identifier, a token) that `enter` gives.

    A refusal is remembered: whoever asks again would only lock the account. So is an answer that was not understood,
    after so many `tries` in a row, because servers have many ways to say no. `lasts` and `idle` are the seconds after
    which a key is not used any more, since it was given and since it was last used. `enter` raises OutsideError.
    """

    def __init__(
        self,
        enter: Callable[[], Awaitable[str]],
        *,
        tries: int = 2,
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
        self._tries = tries
        self._failed = 0
        self._refusal: OutsideError | None = None
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
            if after_all:
                self._forgive()
            return await self._another()

    async def afresh(self) -> str:
        """A new key, whatever was refused before."""
        async with self._lock:
            self._forgive()
            self.known = None
            begun = self._clock()
            self.known = await self._another()
            self._given = self._used = begun
            return self.known

    def forget(self, key: str | None) -> None:
        """Do not use this key again."""
        if self.known == key:
            self.known = None

    async def _another(self) -> str:
        if self._refusal is not None:
            raise type(self._refusal)(*self._refusal.args)
        try:
            key = await self._enter()
        except (CredentialsRefused, NotUnderstood) as error:
            self._failed += 1
            if isinstance(error, CredentialsRefused) or self._failed >= self._tries:
                self._refusal = error
            raise
        self._failed = 0
        return key

    def _forgive(self) -> None:
        self._refusal, self._failed = None, 0
