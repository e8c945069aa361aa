"""An unfinished file: it is appended to by one at a time, its checksum grows with it, and it outlives the process."""

import errno
import fcntl
import hashlib
import os
from pathlib import Path

from connectors.archive.folders import PRIVATE_FILE, folder, regular, told, unfinished
from connectors.archive.threads import Stop, in_thread
from sync.errors import ArchiveError
from sync.outlets import Stored

BLOCK = 1024 * 1024
"""Bytes that are read at a time, and that are gathered before they are written."""

HEAD = 4096
_ATTEMPTS = 5
"""How often a file may be taken away between its being opened and its being locked."""


class Part:
    """The file `<stem>.part` (an `Incoming`). Its lock is the operating system's and ends with the process.

    `open`, `lock` and `close` block, and are called from a thread; the others are for the one who writes.
    """

    def __init__(self, root: Path, stem: str) -> None:
        self.stem = stem
        self.sealed: Stored | None = None
        """What it holds, when everything of it is on the disk for good."""
        self._root = root
        self._parts = unfinished(stem)
        self._file: int | None = None
        self._restart()

    @property
    def size(self) -> int:
        """Bytes that are there so far, those not yet written included."""
        return self._written + len(self._gathered)

    @property
    def head(self) -> bytes:
        """The first bytes, up to 4 KiB."""
        return bytes(self._head)

    @property
    def is_open(self) -> bool:
        """Whether the file is open, and locked, here."""
        return self._file is not None

    async def restart(self) -> None:
        """Drop what is there. Raises ArchiveError."""
        await in_thread(self._truncate)

    async def write(self, chunk: bytes) -> None:
        """Append. Raises ArchiveError; then the chunk is kept, and written with the next one."""
        self._descriptor()
        self.sealed = None
        self._gathered += chunk
        self._head += chunk[: HEAD - len(self._head)]
        if len(self._gathered) >= BLOCK:
            await in_thread(self._flush)

    async def seal(self) -> Stored:
        """Put what is there on the disk for good. Raises ArchiveError."""
        return await in_thread(self._seal)

    def open(self, stop: Stop) -> None:
        """Open the file, made when it is not there, lock it and read what it holds. Raises ArchiveError, also when
        somebody else writes to it, and Stopped."""
        with told(self._name):
            self._file = self._locked(make=True)
            while block := os.pread(self._file, BLOCK, self._written):
                stop.look()
                self._hash.update(block)
                self._head += block[: HEAD - len(self._head)]
                self._written += len(block)

    def lock(self) -> bool:
        """Open and lock the file without reading it; False when there is none. Raises ArchiveError."""
        with told(self._name):
            try:
                self._file = self._locked(make=False)
            except FileNotFoundError:
                return False
        return True

    def close(self) -> None:
        """Write what was gathered, and let go of the file."""
        if self._file is None:
            return
        try:
            self._flush()
        except ArchiveError:
            # What did not fit is not there: the next who goes on reads from the file how far it came.
            self._gathered.clear()
        os.close(self._file)
        self._file = None

    def _locked(self, *, make: bool) -> int:
        """The file, open and locked: the one that has the name at that time, not one that got another name since."""
        *above, name = self._parts
        for _ in range(_ATTEMPTS):
            try:
                with folder(self._root, tuple(above), make=make) as here:
                    create = os.O_CREAT if make else 0
                    flags = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | create
                    file = os.open(name, flags, PRIVATE_FILE, dir_fd=here)
                    if self._lock(file, name, here):
                        return file
            except FileNotFoundError:  # its folder was empty, and somebody else has just removed it
                if not make:
                    raise
        raise ArchiveError(f"archive: {self._name}: is being moved by another process")

    def _lock(self, file: int, name: str, here: int) -> bool:
        """Lock the file; closes it, and gives False, when it is not the one that has the name any more."""
        try:
            known = regular(file)
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            named = os.stat(name, dir_fd=here, follow_symlinks=False)
            if (named.st_ino, named.st_dev) == (known.st_ino, known.st_dev):
                if known.st_mode & 0o777 != PRIVATE_FILE:
                    os.fchmod(file, PRIVATE_FILE)
                return True
        except BlockingIOError:
            os.close(file)
            raise ArchiveError(f"archive: {self._name}: is being written by another process") from None
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(file)
            raise
        os.close(file)
        return False

    def _flush(self) -> None:
        """Write what was gathered. What could be written of it counts, whatever becomes of the rest."""
        file = self._descriptor()
        with told(self._name):
            while self._gathered:
                block = bytes(self._gathered[:BLOCK])
                written = os.write(file, block)
                self._hash.update(block[:written])
                self._written += written
                del self._gathered[:written]

    def _seal(self) -> Stored:
        self._flush()
        file = self._descriptor()
        with told(self._name):
            os.fsync(file)
            if os.fstat(file).st_size != self._written:
                raise OSError(errno.EIO, "not as long as what was written")
        self.sealed = Stored(self._written, self._hash.hexdigest())
        return self.sealed

    def _truncate(self) -> None:
        with told(self._name):
            os.ftruncate(self._descriptor(), 0)
        self._restart()

    def _restart(self) -> None:
        self.sealed = None
        self._hash = hashlib.sha256()
        self._written = 0
        self._head = bytearray()
        self._gathered = bytearray()

    def _descriptor(self) -> int:
        if self._file is None:
            raise ArchiveError(f"archive: {self._name}: is not open (any more)")
        return self._file

    @property
    def _name(self) -> str:
        return "/".join(self._parts)
