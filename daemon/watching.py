"""Looking at a calendar file as soon as it has changed, instead of at the next poll only."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from watchfiles import awatch

from sync.ports import Log

DEBOUNCE = 400
"""Milliseconds in which changes are taken for one."""

LOOK_UP = 5.0
"""Seconds after which the files are looked at, although nobody said that they changed: a folder may have been put in
place of another, or lie on a disk that tells nothing."""


async def watch(files: Mapping[Path, Iterable[str]], changed: Callable[[Iterable[str], str], None], log: Log) -> None:
    """Call `changed` with the routes of each file that changes, until cancelled. The files need not exist. A folder
    that does not, or cannot be watched, is said once, and so is when it can.

    It is the folders that are watched, also the one that a symbolic link leads to: whoever writes a calendar puts a new
    file, or a new link, in place of the old one. What changed is told by the files themselves.
    """
    seen = {path: _state(path) for path in files}
    missing: set[Path] = set()

    def compare() -> None:
        for path, before in seen.items():
            seen[path] = now = _state(path)
            if now is not None and now != before:
                changed(files[path], "its calendar file changed")

    while True:
        folders = _folders(files)
        for folder in sorted({path.parent for path in files}):
            if not folder.is_dir() and folder not in missing:
                missing.add(folder)
                log("watch.failed", folder=str(folder), reason="there is no such folder")
            elif folder.is_dir() and folder in missing:
                missing.remove(folder)
                log("watch.recovered", folder=str(folder))
        try:
            await _until_moved(files, folders, compare)
        except (OSError, RuntimeError) as error:
            for folder in sorted(set(folders) - missing):
                missing.add(folder)
                log("watch.failed", folder=str(folder), reason=str(error))
            await asyncio.sleep(LOOK_UP)
        compare()


async def _until_moved(
    files: Mapping[Path, object], folders: Mapping[Path, object], compare: Callable[[], None]
) -> None:
    """Compare the files at each change in their folders, until these are other folders than before."""
    if not folders:
        await asyncio.sleep(LOOK_UP)
        return
    wait = int(LOOK_UP * 1000)
    async for _ in awatch(
        *folders, watch_filter=None, debounce=DEBOUNCE, recursive=False, rust_timeout=wait, yield_on_timeout=True
    ):
        compare()
        if _folders(files) != folders:
            return


def _folders(files: Iterable[Path]) -> dict[Path, tuple[int, int]]:
    """The folders that are there, with what tells one from another of the same name."""
    found = {}
    for path in files:
        for folder in (path.parent, path.resolve().parent):
            if folder.is_dir():
                about = folder.stat()
                found[folder] = (about.st_dev, about.st_ino)
    return found


def _state(path: Path) -> tuple[int, int, int, int] | None:
    """What differs when a file was written or another one stands in its place; None when there is none."""
    try:
        about = path.stat()
    except OSError:
        return None
    return about.st_dev, about.st_ino, about.st_mtime_ns, about.st_size
