"""What the service tells systemd: the protocol of sd_notify(3), of which we need a datagram or two.

Each datagram is text, one `NAME=value` a line, to the Unix socket that $NOTIFY_SOCKET names. Without that variable,
which is everywhere but under a unit with Type=notify, nothing is sent.
"""

import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress

_LONGEST = 200
_PATIENCE = 1.0
"""Seconds that a datagram may wait for systemd to read those before it; longer, and it is lost."""


class Notifier:
    """The way to systemd. It never fails: the meetings are kept in step whether or not somebody listens.

    `watchdog_every`: seconds between two calls of `watchdog`, half of what systemd waits for; None when it does not."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = _address(environment.get("NOTIFY_SOCKET", ""))
        self.watchdog_every = _half_of_the_watchdog(environment)

    def ready(self, status: str) -> None:
        """The service has started, or has read its configuration again; `status` as for `status`."""
        self._send("READY=1", _status(status))

    def status(self, text: str) -> None:
        """One line for people, which `systemctl status` shows; whatever is in it, it stays one line."""
        self._send(_status(text))

    def reloading(self) -> None:
        """The configuration is read again; `ready` says that this is over, also when the new one was refused."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """The service is about to end."""
        self._send("STOPPING=1")

    def watchdog(self) -> None:
        """The service is alive: to be called every `watchdog_every` seconds, and only when that is true."""
        self._send("WATCHDOG=1")

    def _send(self, *lines: str) -> None:
        if self._address is None:
            return
        # systemd may be gone or too busy: there would be nobody to tell.
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as way:
            way.settimeout(_PATIENCE)
            way.sendto("\n".join(lines).encode("utf-8", "replace"), self._address)


def _address(given: str) -> str | None:
    """A path, or a name in the abstract namespace, which is written with "@" and begins with a zero byte."""
    if given.startswith("@"):
        return f"\0{given[1:]}"
    return given if given.startswith("/") else None


def _status(text: str) -> str:
    """The text without what could end its line and begin another assignment."""
    plain = "".join(letter if letter.isprintable() else " " for letter in text)
    return f"STATUS={plain[: _LONGEST - 1]}…" if len(plain) > _LONGEST else f"STATUS={plain}"


def _half_of_the_watchdog(environment: Mapping[str, str]) -> float | None:
    """sd_watchdog_enabled(3): $WATCHDOG_USEC counts for the process that $WATCHDOG_PID names, or for all without it."""
    try:
        microseconds = int(environment.get("WATCHDOG_USEC", "0"))
        ours = int(environment.get("WATCHDOG_PID", os.getpid())) == os.getpid()
    except ValueError:
        return None
    return microseconds / 2_000_000 if ours and microseconds > 0 else None
