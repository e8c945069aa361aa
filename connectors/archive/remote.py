"""The archive in a store that fsspec reaches (`s3://bucket/prefix`, `memory://…`).

Files on their way are spooled in a local folder, because such a store can neither be appended to nor locked: publishing
uploads the sealed file. A store of objects (S3 and its like) shows an object when all of it is there. On others the
file is uploaded as `<path>.part` and then renamed. Credentials and end points are the store's own matter (for S3 the
environment and the files of the AWS tools: AWS_ACCESS_KEY_ID, AWS_PROFILE, AWS_ENDPOINT_URL).

Of fsspec only calls that take a path as it is are used: most others read `[…]` in it as a pattern.
"""

import os
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from connectors.answers import place
from connectors.archive.folders import UNFINISHED, finished
from connectors.archive.local import LocalArchive
from connectors.archive.part import BLOCK
from connectors.archive.threads import Stop, Stopped, in_thread
from sync.errors import ArchiveError, ConfigurationError
from sync.outlets import Incoming, Stored

T = TypeVar("T")

_OBJECTS = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az"})
"""Stores of objects, which have no folders, and where an object that is being written is not there yet."""

_READ_ONLY = frozenset({"http", "https", "data"})

_OPTIONS = {scheme: {"max_concurrency": 2} for scheme in ("s3", "s3a")}
"""Parts of 50 MB that are in memory at a time, instead of ten."""


class RemoteArchive:
    """An `Archive` in the store at `url`; `spool` keeps what is on its way. Raises ConfigurationError for an address
    that cannot be used, ArchiveError when the store cannot be reached."""

    def __init__(self, url: str, spool: LocalArchive) -> None:
        self._spool = spool
        self._place = place(url)
        self._objects = url.partition("://")[0].lower() in _OBJECTS
        self._fs, root = _file_system(url)
        self._root = str(root).rstrip("/")

    def incoming(self, stem: str) -> AbstractAsyncContextManager[Incoming]:
        """The unfinished file, in the spool. Raises ArchiveError."""
        return self._spool.incoming(stem)

    async def publish(self, stem: str, path: str) -> None:
        """Upload the sealed file under its final name and drop it from the spool, when the store says that all of it
        is there. Raises ArchiveError."""
        finished(path)
        stop = Stop()
        async with self._spool.at_rest(stem) as part:
            await in_thread(lambda: self._told(path, lambda: self._upload(part, path, stop)), stop)
        await self._spool.drop(stem)

    async def drop(self, stem: str) -> None:
        """Remove the unfinished file from the spool, if there is one. Raises ArchiveError."""
        await self._spool.drop(stem)

    async def stored(self, path: str) -> Stored | None:
        """The finished file as it is now, read as a whole; None when there is none. Raises ArchiveError."""
        finished(path)
        stop = Stop()
        return await in_thread(lambda: self._told(path, lambda: self._stored(path, stop)), stop)

    async def read(self, path: str, most: int) -> bytes | None:
        """The finished file's content; None when there is none, or when it has more than `most` bytes. Raises
        ArchiveError."""
        finished(path)
        stop = Stop()
        return await in_thread(lambda: self._told(path, lambda: self._read(path, most, stop)), stop)

    async def write(self, path: str, content: bytes) -> None:
        """A small file, at once and whole; nothing is written when it says so already. Raises ArchiveError."""
        finished(path)
        await in_thread(lambda: self._told(path, lambda: self._write(path, content)))

    async def remove(self, path: str) -> None:
        """Remove a finished file, and the folders that are empty then; already gone is success. Raises ArchiveError."""
        finished(path)
        await in_thread(lambda: self._told(path, lambda: self._remove(path)))

    def _upload(self, part: Path, path: str, stop: Stop) -> None:
        size = part.stat().st_size
        self._put(path, lambda target: self._fs.put_file(str(part), target, callback=_looking(stop)), size)

    def _write(self, path: str, content: bytes) -> None:
        if self._size(path) == len(content) and self._fs.cat_file(self._at(path)) == content:
            return
        self._put(path, lambda target: self._fs.pipe_file(target, content), len(content))

    def _put(self, path: str, send: Callable[[str], object], size: int) -> None:
        """Send something of this many bytes, so that the final name never stands for a part of it."""
        sent = path if self._objects else path + UNFINISHED
        if not self._objects:
            self._fs.makedirs(self._fs._parent(self._at(path)), exist_ok=True)
        send(self._at(sent))
        if (there := self._size(sent)) != size:
            raise ArchiveError(f"archive {self._place}: {path}: {there} of {size} bytes arrived")
        if not self._objects:
            self._rename(self._at(sent), self._at(path))

    def _rename(self, old: str, new: str) -> None:
        import fsspec

        if type(self._fs).mv is fsspec.AbstractFileSystem.mv:  # it has none of its own, and that one reads patterns
            self._fs.cp_file(old, new)
            self._fs.rm_file(old)
        else:
            self._fs.mv(old, new)

    def _stored(self, path: str, stop: Stop) -> Stored | None:
        if self._size(path) is None:
            return None
        digest, size = sha256(), 0
        with self._fs.open(self._at(path), "rb") as content:
            while block := content.read(BLOCK):
                stop.look()
                digest.update(block)
                size += len(block)
        return Stored(size, digest.hexdigest())

    def _read(self, path: str, most: int, stop: Stop) -> bytes | None:
        size = self._size(path)
        if size is None or size > most:
            return None
        found = bytearray()
        with self._fs.open(self._at(path), "rb") as content:
            while block := content.read(BLOCK):
                stop.look()
                found += block
        return bytes(found) if len(found) <= most else None

    def _remove(self, path: str) -> None:
        if self._size(path) is None:
            return
        self._fs.rm_file(self._at(path))
        above = "" if self._objects else path.rpartition("/")[0]
        with suppress(FileNotFoundError):  # somebody else removed it
            while above and not self._fs.ls(self._at(above), detail=False):
                self._fs.rmdir(self._at(above))
                above = above.rpartition("/")[0]

    def _size(self, path: str) -> int | None:
        """Bytes of what is there now, None when nothing is."""
        self._fs.invalidate_cache()
        try:
            known = self._fs.info(self._at(path))
        except FileNotFoundError:
            return None
        if known["type"] != "file":
            raise ArchiveError(f"archive {self._place}: {path}: there is a folder where a file should be")
        return int(known["size"])

    def _at(self, path: str) -> str:
        return f"{self._root}/{path}"

    def _told(self, path: str, work: Callable[[], T]) -> T:
        """Do the work; whatever a store's library raises is told as an ArchiveError without its words, which may
        hold addresses and keys."""
        try:
            return work()
        except (ArchiveError, Stopped):
            raise
        except Exception as error:  # noqa: BLE001  every store has errors of its own
            number = error.errno if isinstance(error, OSError) else None
            why = os.strerror(number) if number else type(error).__name__
            raise ArchiveError(f"archive {self._place}: {path}: {why}") from None


def _file_system(url: str) -> tuple[Any, str]:
    """The store, and the path in it. Raises ConfigurationError and ArchiveError."""
    scheme = url.partition("://")[0].lower()
    shown = f"archive: {scheme}://…"
    try:
        import fsspec
    except ImportError:
        raise ConfigurationError(f"{shown} {_needs(scheme)}") from None
    if scheme in _READ_ONLY or scheme not in fsspec.available_protocols():
        raise ConfigurationError(
            f"{shown} cannot be used; write a folder, s3://bucket/prefix or another store of fsspec"
        )
    try:
        made: tuple[Any, str] = fsspec.core.url_to_fs(url, **_OPTIONS.get(scheme, {}))
    except ImportError:
        raise ConfigurationError(f"{shown} {_needs(scheme)}") from None
    except (ValueError, TypeError, NotImplementedError) as error:
        raise ConfigurationError(f"{shown} cannot be used ({type(error).__name__})") from None
    except OSError as error:
        raise ArchiveError(f"archive {place(url)}: {type(error).__name__}") from None
    return made


def _needs(scheme: str) -> str:
    if scheme in ("s3", "s3a"):
        return "needs the extra s3: pip install 'convener[s3]'"
    return f"needs the extra remote-archive and fsspec's package for {scheme}: pip install 'convener[remote-archive]'"


def _looking(stop: Stop) -> Any:
    """What fsspec calls between two blocks."""
    from fsspec.callbacks import Callback

    return Callback(hooks={"stop": lambda *_, **__: stop.look()})
