"""Blocking work in a thread that nobody leaves behind: when a cancellation is seen, the work has ended."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


class Stopped(Exception):
    """The work was asked to stop, and did."""


class Stop:
    """Asks long work to end early; the work looks at it between two blocks."""

    def __init__(self) -> None:
        self._asked = threading.Event()

    def ask(self) -> None:
        """Ask the work to end."""
        self._asked.set()

    def look(self) -> None:
        """Raises Stopped when the work was asked to end."""
        if self._asked.is_set():
            raise Stopped


async def in_thread(work: Callable[[], T], stop: Stop | None = None) -> T:
    """What `work` gives. A cancellation asks the work to `stop`, waits for its end, and only then goes on its way:
    otherwise a thread would go on with a file that its owner has closed or handed on."""
    running = asyncio.get_running_loop().run_in_executor(None, work)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        if stop is not None:
            stop.ask()
        while not running.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait({running})
        if not running.cancelled():
            running.exception()  # looked at, so that nothing is said of it
        raise
