"""The archive in a local folder.

What it guarantees: a finished name holds a whole file, at any moment and whoever is killed; nothing is read or written
beyond the folder, whatever a path or a link in it says; everything in it is its owner's alone.
"""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from hashlib import sha256
from pathlib import Path

from connectors.archive.folders import UNFINISHED, finished, folder, prune, regular, settle, told, unfinished
from connectors.archive.part import BLOCK, Part
from connectors.archive.threads import Stop, in_thread
from connectors.passage import still_wanted
from sync.errors import ArchiveError
from sync.outlets import Stored


class LocalArchive:
    """An `Archive` below the folder `root`, which is made when the first file comes. Links below it are not followed,
    wherever they lead; the root itself may be one."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._open: dict[str, Part] = {}

    @asynccontextmanager
    async def incoming(self, stem: str) -> AsyncIterator[Part]:
        """The unfinished file `<stem>.part`, made when it is not there, opened for going on: one at a time, among all
        processes. What was written stays when it is left unsealed. Raises ArchiveError."""
        part = Part(self._root, stem)
        stop = Stop()
        try:
            await in_thread(lambda: part.open(stop), stop)
            self._open[stem] = part
            yield part
        finally:
            if self._open.get(stem) is part:
                del self._open[stem]
            await in_thread(part.close)

    @asynccontextmanager
    async def at_rest(self, stem: str) -> AsyncIterator[Path]:
        """Where the unfinished file lies; nobody writes to it meanwhile. Raises ArchiveError when somebody does, when
        it is open here and not sealed, or when there is none."""
        mine = self._mine(stem)
        part = mine or Part(self._root, stem)
        try:
            if mine is not None and mine.sealed is None:
                raise ArchiveError(f"archive: {stem}{UNFINISHED}: is not sealed yet")
            if mine is None and not await in_thread(part.lock):
                raise ArchiveError(f"archive: {stem}{UNFINISHED}: there is no such file")
            yield self._root.joinpath(*unfinished(stem))
        finally:
            if mine is None:
                await in_thread(part.close)

    async def publish(self, stem: str, path: str) -> None:
        """Give the sealed `<stem>.part` its final name, at once and whole; one that was there is replaced. Raises
        ArchiveError."""
        parts = finished(path)
        async with self.at_rest(stem):
            await in_thread(lambda: self._publish(stem, parts))

    async def drop(self, stem: str) -> None:
        """Remove the unfinished file, if there is one, and the folders that are empty then. Raises ArchiveError, also
        when another process writes to it."""
        part = self._mine(stem) or Part(self._root, stem)
        try:
            if part.is_open or await in_thread(part.lock):
                await in_thread(lambda: self._remove(unfinished(stem)))
        finally:
            await in_thread(part.close)

    async def stored(self, path: str) -> Stored | None:
        """The finished file as it is now, read from its beginning to its end; None when there is none. Raises
        ArchiveError."""
        parts = finished(path)
        stop = Stop()
        return await in_thread(lambda: self._stored(parts, stop), stop)

    async def read(self, path: str, most: int) -> bytes | None:
        """The finished file's content; None when there is none, or when it has more than `most` bytes. Raises
        ArchiveError."""
        parts = finished(path)
        stop = Stop()
        return await in_thread(lambda: self._read(parts, most, stop), stop)

    async def write(self, path: str, content: bytes) -> None:
        """A small file, at once and whole; nothing is written when it says so already. Raises ArchiveError."""
        if await self.stored(path) == Stored(len(content), sha256(content).hexdigest()):
            return
        async with self.incoming(path) as part:
            await part.restart()
            await part.write(content)
            await part.seal()
            await self.publish(path, path)

    async def remove(self, path: str) -> None:
        """Remove a finished file, and the folders that are empty then; already gone is success. Raises ArchiveError."""
        parts = finished(path)
        await in_thread(lambda: self._remove(parts))

    def _mine(self, stem: str) -> Part | None:
        """The unfinished file when it is open here."""
        part = self._open.get(stem)
        return part if part is not None and part.is_open else None

    def _publish(self, stem: str, parts: tuple[str, ...]) -> None:
        *source, part = unfinished(stem)
        *target, name = parts
        with (
            told("/".join(parts)),
            folder(self._root, tuple(source)) as there,
            folder(self._root, tuple(target), make=True) as here,
        ):
            still_wanted()
            os.replace(part, name, src_dir_fd=there, dst_dir_fd=here)
            if mine := self._mine(stem):
                mine.close()  # what would be written from now on would go into the finished file
            settle(self._root, tuple(target))
            if target != source:
                settle(self._root, prune(self._root, tuple(source)))

    def _stored(self, parts: tuple[str, ...], stop: Stop) -> Stored | None:
        digest, size = sha256(), 0
        with self._finished(parts) as file:
            if file is None:
                return None
            while block := os.read(file, BLOCK):
                stop.look()
                digest.update(block)
                size += len(block)
        return Stored(size, digest.hexdigest())

    def _read(self, parts: tuple[str, ...], most: int, stop: Stop) -> bytes | None:
        content = bytearray()
        with self._finished(parts) as file:
            if file is None:
                return None
            while block := os.read(file, BLOCK):
                stop.look()
                content += block
                if len(content) > most:
                    return None
        return bytes(content)

    @contextmanager
    def _finished(self, parts: tuple[str, ...]) -> Iterator[int | None]:
        """The finished file, open for reading (a descriptor); None when there is none."""
        *above, name = parts
        with told("/".join(parts)):
            try:
                with folder(self._root, tuple(above)) as here:
                    file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=here)
            except FileNotFoundError:
                file = None
            if file is None:
                yield None
                return
            try:
                regular(file)
                yield file
            finally:
                os.close(file)

    def _remove(self, parts: tuple[str, ...]) -> None:
        with told("/".join(parts)):
            try:
                with folder(self._root, parts[:-1]) as here:
                    os.unlink(parts[-1], dir_fd=here)
            except FileNotFoundError:
                return
            settle(self._root, prune(self._root, parts[:-1]))
