"""The way to a file below a root, on which no link is followed, and what went wrong on it."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sync.errors import ArchiveError

UNFINISHED = ".part"
"""What the names of files on their way end in."""

PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_CANNOT_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EBADF)
"""How file systems of a network say that a folder is not something that they put on a disk."""


def segments(path: str) -> tuple[str, ...]:
    """The names that a relative path with `/` consists of. Raises ArchiveError for one that is absolute, has an empty
    part, `.`, `..`, a backslash or NUL, or cannot be a name at all."""
    parts = tuple(path.split("/"))
    try:
        path.encode()
    except UnicodeEncodeError:
        parts = ()
    if not parts or any(part in ("", ".", "..") or "\0" in part or "\\" in part for part in parts):
        raise ArchiveError(f"archive: {path[:100]!r} is not a path inside of it")
    return parts


def unfinished(stem: str) -> tuple[str, ...]:
    """The names that the path `<stem>.part` consists of. Raises ArchiveError."""
    *above, name = segments(stem)
    return (*above, name + UNFINISHED)


def finished(path: str) -> tuple[str, ...]:
    """The names that the path of a finished file consists of. Raises ArchiveError, also for an unfinished one's."""
    parts = segments(path)
    if parts[-1].lower().endswith(UNFINISHED):
        raise ArchiveError(f"archive: {path[:100]!r} is the name of an unfinished file")
    return parts


@contextmanager
def told(path: str) -> Iterator[None]:
    """Turn what the operating system says about the file at `path` into an ArchiveError."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            why = "there is a link or something else where a file or folder of the archive should be"
        else:
            why = os.strerror(error.errno) if error.errno else type(error).__name__
        raise ArchiveError(f"archive: {path[:400]}: {why}") from error


@contextmanager
def folder(root: Path, parts: tuple[str, ...], *, make: bool = False) -> Iterator[int]:
    """The open folder (a descriptor) that is reached from the root through the names, none of which may be a link;
    the root itself may be one. `make`: folders that are missing are made, for the owner only. Raises OSError."""
    if make:
        _make_root(root)
    descriptor = os.open(root, _FOLDER)
    try:
        for part in parts:
            if make:
                _make(part, descriptor)
            below = os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = below
        yield descriptor
    finally:
        os.close(descriptor)


def settle(root: Path, parts: tuple[str, ...]) -> None:
    """Put the entries of a folder, and of all above it up to the root, on the disk for good. Raises OSError."""
    for length in range(len(parts), -1, -1):
        with folder(root, parts[:length]) as descriptor:
            try:
                os.fsync(descriptor)
            except OSError as error:
                if error.errno not in _CANNOT_SYNC:
                    raise


def prune(root: Path, parts: tuple[str, ...]) -> tuple[str, ...]:
    """Remove the folder when it is empty, then those above it, never the root. Gives the lowest one that is left.
    Raises OSError."""
    while parts:
        with suppress(FileNotFoundError), folder(root, parts[:-1]) as above:  # not there: somebody else removed it
            try:
                os.rmdir(parts[-1], dir_fd=above)
            except OSError as error:
                if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.EBUSY):  # busy: a file system is mounted on it
                    return parts
                raise
        parts = parts[:-1]
    return parts


def regular(descriptor: int) -> os.stat_result:
    """What is known of the open file. Raises OSError when it is a device, a pipe or a folder."""
    known = os.fstat(descriptor)
    if not stat.S_ISREG(known.st_mode):
        raise OSError(errno.ENOTDIR, "not a regular file")
    return known


def _make(name: str, above: int) -> None:
    with suppress(FileExistsError):
        os.mkdir(name, PRIVATE_FOLDER, dir_fd=above)
        if os.stat(name, dir_fd=above, follow_symlinks=False).st_mode & 0o777 != PRIVATE_FOLDER:  # an odd umask
            os.chmod(name, PRIVATE_FOLDER, dir_fd=above)


def _make_root(root: Path) -> None:
    for missing in reversed([path for path in (root, *root.parents) if not path.exists()]):
        above = os.open(missing.parent, _FOLDER)
        try:
            _make(missing.name, above)
        finally:
            os.close(above)
