"""Locks on routes for processes of one machine: byte ranges of one file, which the kernel frees when a process dies."""

import asyncio
import fcntl
import hashlib
import os
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sync.errors import LedgerError, LockTaken

POLL = 0.1
"""Seconds between two tries to get a lock that somebody has."""

_FLOCK = "hhqqi4x"
"""Linux' struct flock (fcntl(2)): type, whence, start and length in bytes, pid (0 for a lock of a file description)."""


class FileLocks:
    """The locks of the database in `path`, in the file `<path>.lock` beside it; without a path, this object's alone."""

    def __init__(self, path: Path | None) -> None:
        self._path = Path(f"{path}.lock") if path else None
        self._own: dict[int, asyncio.Lock] = {}

    @asynccontextmanager
    async def held(self, route: str, work: str, patience: float) -> AsyncIterator[None]:
        """Alone at this work on this route, here and in every other process. Raises LockTaken when somebody else is for
        `patience` seconds, LedgerError when there can be no lock file."""
        place = _place(route, work)
        if self._path is None:
            async with self._own.setdefault(place, asyncio.Lock()):
                yield
            return
        try:
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise LedgerError(f"the lock {self._path} cannot be made: {error.strerror}") from error
        try:
            waited = 0.0
            while not _locked(handle, place):
                if waited >= patience:
                    raise LockTaken(taken_words(route))
                await asyncio.sleep(POLL)
                waited += POLL
            yield
        finally:
            os.close(handle)  # and the lock with it, for nothing else shares this opening of the file


def taken_words(route: str, owner: str = "") -> str:
    """For people: that somebody else (`owner`, where it is known) is at it."""
    return f'another convener process{f" ({owner})" if owner else ""} is working on route "{route}"'


def _locked(handle: int, place: int) -> bool:
    """Whether the byte there is ours now. A lock of an open file description: it is against other openings in this
    process as well, and no other file that is closed takes it away, as with the locks of a process."""
    try:
        fcntl.fcntl(handle, fcntl.F_OFD_SETLK, struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, place, 1, 0))
    except BlockingIOError:
        return False
    except OSError as error:
        raise LedgerError(f"the database's lock file cannot be locked: {error.strerror}") from error
    return True


def _place(route: str, work: str) -> int:
    """A byte of its own for every route and work; the file stays empty, and names may be any."""
    digest = hashlib.sha256(f"{work}\0{route}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") >> 2
