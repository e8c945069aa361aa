"""Misbehaviour on demand, the same for every stand-in server: what goes wrong, for which requests, how often.

A fault named `…_before` strikes before the request has an effect, one named `…_after` when it has had it: that is
the difference between a write that may be repeated and one that must be looked for first.
"""

import asyncio
import contextlib
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass

FOREVER = 3600.0
"""Seconds: longer than any client waits. A stand-in that stops does not wait for it."""

KINDS = {
    "NNN_before": "answer the status NNN (400-599, 301, …) without any effect",
    "NNN_after": "let it take effect, then answer the status NNN",
    "429": "short for 429_before, with Retry-After",
    "401_once": "short for 401_before, one time",
    "reset_before": "reset the connection (RST) without any effect",
    "reset_after": "let it take effect, then reset the connection",
    "hang_before": "keep silent for `delay` seconds, then 503, without any effect",
    "hang_after": "let it take effect, keep silent for `delay` seconds, then answer",
    "late": "let it take effect only after `delay` seconds, even when the client has gone away",
    "truncate": "let it take effect, promise the whole length, send half of it and close",
    "cut": "let it take effect, promise the whole length of this answer, send its first `at` bytes and close",
    "truncate_gzip": "let it take effect, answer with half of a gzip stream under a Content-Length that fits",
    "garbage": "let it take effect, answer 200 with an HTML page",
    "empty": "let it take effect, answer 200 with nothing",
}
_STATUS_KIND = re.compile(r"^([3-5]\d\d)_(before|after)$")
_SHORT = {"429": "429_before", "401_once": "401_before"}


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of misbehaviour (see KINDS) for the requests that match `method` and `resource` ("*": any).

    It strikes `times` times after having let `after` matching requests pass. `retry_after` is the header's
    text, seconds or an HTTP date. `delay` is in seconds, `at` in bytes of the body. Raises ValueError for an unknown
    kind.
    """

    kind: str
    method: str = "*"
    resource: str = "*"
    times: int = 1
    after: int = 0
    retry_after: str | int | None = None
    delay: float = FOREVER
    at: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS and not _STATUS_KIND.match(self.kind):
            raise ValueError(f"{self.kind!r} is not a fault; there are {', '.join(KINDS)}")

    @property
    def status(self) -> int | None:
        """The status that the fault answers with, None when it is no such fault."""
        match = _STATUS_KIND.match(_SHORT.get(self.kind, self.kind))
        return int(match[1]) if match else None

    @property
    def takes_effect(self) -> bool:
        """Whether the request does what it asks for, nevertheless."""
        return not _SHORT.get(self.kind, self.kind).endswith("_before")

    def matches(self, method: str, resource: str) -> bool:
        """Whether a request is meant."""
        return self.method in ("*", method) and self.resource in ("*", resource)


class Held:
    """A request that is being kept waiting, in the server's event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._free = asyncio.Event()
        self._settled = threading.Event()

    async def wait(self, seconds: float) -> None:
        """Until released, or for `seconds`."""
        try:
            await asyncio.wait_for(self._free.wait(), seconds)
        except TimeoutError:
            return

    def settled(self) -> None:
        """The request is through."""
        self._settled.set()

    def release(self, timeout: float) -> None:
        """From another thread: let it go on, and wait until it is through."""
        with contextlib.suppress(RuntimeError):  # that server has stopped
            self._loop.call_soon_threadsafe(self._free.set)
        self._settled.wait(timeout)


class Faults:
    """The faults that are still to come, in the order in which they were added. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[tuple[Fault, list[int]]] = []
        self._held: list[Held] = []

    def add(self, *faults: Fault) -> None:
        """Let these happen."""
        with self._lock:
            self._waiting += [(fault, [fault.after, fault.times]) for fault in faults]

    def clear(self) -> None:
        """Behave from now on."""
        with self._lock:
            self._waiting.clear()

    def take(self, method: str, resource: str) -> Fault | None:
        """The fault that this request meets, counted as used."""
        with self._lock:
            for entry in self._waiting:
                fault, counts = entry
                if not fault.matches(method, resource):
                    continue
                if counts[0] > 0:
                    counts[0] -= 1
                    continue
                counts[1] -= 1
                if counts[1] <= 0:
                    self._waiting.remove(entry)
                return fault
            return None

    def hold(self) -> Held:
        """Note that a request is being kept waiting; call in the server's event loop."""
        held = Held()
        with self._lock:
            self._held.append(held)
        return held

    def release(self, timeout: float = 5.0) -> None:
        """Let every request that is being kept waiting go on, and return when they are through."""
        with self._lock:
            held, self._held = self._held, []
        for one in held:
            one.release(timeout)

    def pending(self) -> Sequence[Fault]:
        """Those that have not happened (often enough) yet."""
        with self._lock:
            return tuple(fault for fault, _ in self._waiting)
