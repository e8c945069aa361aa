"""What every stand-in server has: faults on demand, a log of the requests, a lock."""

import threading
from collections.abc import Callable
from dataclasses import asdict
from types import SimpleNamespace
from typing import Any

from connectors.simulators.faults import Faults
from connectors.simulators.stage import Logged, Reply, Request, Stage


class StandIn:
    """A server with one account that forgets everything with `reset`; a subclass answers requests, and keeps what they
    change.

    Everything public may be used from any thread while it is being served. `options` say how it behaves where real
    servers may differ. `_changes` counts the requests that had an effect; a subclass counts it up.
    """

    options_type: Callable[..., Any] = SimpleNamespace

    def __init__(self, username: str = "acme", password: str = "secret", **options: Any) -> None:  # noqa: S107
        self.username = username
        self.password = password
        self.options: Any = self.options_type(**options)
        self.faults = Faults()
        self.app = Stage(self, self.faults)
        self._lock = threading.RLock()
        self.reset()

    # What tests look at

    @property
    def requests(self) -> list[Logged]:
        """Every request so far."""
        with self._lock:
            return list(self._requests)

    @property
    def writes(self) -> list[Logged]:
        """Every request so far that was to have an effect, whatever came of it."""
        return [entry for entry in self.requests if self.is_write(entry)]

    @property
    def changes(self) -> int:
        """How many requests had an effect."""
        with self._lock:
            return self._changes

    @property
    def mails(self) -> list[Any]:
        """Every mail to participants so far."""
        return []

    def is_write(self, entry: Logged) -> bool:
        """Whether a request is one that is to have an effect."""
        return entry.method != "GET"

    # What the stage calls

    def resource(self, request: Request) -> str:
        """The first part of the path."""
        return request.path.strip("/").partition("/")[0]

    def params(self, request: Request) -> dict[str, Any]:
        """None that can be read."""
        return {}

    def answer(self, request: Request) -> Reply:
        """Serve one request."""
        raise NotImplementedError

    def log(self, entry: Logged) -> None:
        """Keep a line of the request log."""
        with self._lock:
            self._requests.append(entry)

    def state(self) -> dict[str, Any]:
        """The log, as JSON types; a subclass adds what it holds."""
        with self._lock:
            return {"requests": [asdict(entry) for entry in self._requests], "changes": self._changes}

    def seed(self, things: dict[str, Any]) -> None:
        """Put things there. Raises ValueError for what it does not know."""
        if things:
            raise ValueError(f"there is nothing to put here: {', '.join(things)}")

    def reset(self) -> None:
        """Forget everything."""
        with self._lock:
            self._requests: list[Logged] = []
            self._changes = 0
