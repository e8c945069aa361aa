"""Real CalDAV servers for tests: each in a folder of its own, on a free port of loopback, gone afterwards."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

USER, PASSWORD = "bob", "p@ss:wörd"
_PATIENCE = 30.0
"""Seconds that a server may take to answer for the first time."""

RADICALE = """\
[server]
hosts = 127.0.0.1:{port}
[auth]
type = htpasswd
htpasswd_filename = {folder}/users
htpasswd_encryption = plain
delay = 0
[rights]
type = owner_only
[storage]
filesystem_folder = {folder}/collections
[web]
type = none
[logging]
level = error
"""


@dataclass(frozen=True)
class CalDavServer:
    """A running server. `principal` and `home` are paths; without a `user` everybody may do everything."""

    kind: str
    url: str
    principal: str
    home: str
    user: str = ""
    password: str = ""


@contextmanager
def radicale() -> Iterator[CalDavServer]:
    """Radicale with one user and a password."""
    with tempfile.TemporaryDirectory(prefix="radicale-") as folder:
        port = _free_port()
        (Path(folder) / "users").write_text(f"{USER}:{PASSWORD}\n", encoding="utf-8")
        config = Path(folder) / "config"
        config.write_text(RADICALE.format(port=port, folder=folder))
        with _running([sys.executable, "-m", "radicale", "--config", str(config)], port, folder):
            yield CalDavServer("radicale", f"http://127.0.0.1:{port}", f"/{USER}/", f"/{USER}/", USER, PASSWORD)


@contextmanager
def xandikos() -> Iterator[CalDavServer]:
    """Xandikos with one account and no password: it takes one over TLS only."""
    with tempfile.TemporaryDirectory(prefix="xandikos-") as folder:
        port = _free_port()
        command = [sys.executable, "-m", "xandikos", "serve", "-d", f"{folder}/data", "--defaults"]
        command += ["--state-dir", f"{folder}/state", "-l", "127.0.0.1", "-p", str(port)]
        with _running(command, port, folder):
            yield CalDavServer("xandikos", f"http://127.0.0.1:{port}", "/user/", "/user/calendars/")


@contextmanager
def _running(command: list[str], port: int, folder: str) -> Iterator[None]:
    environment = {**os.environ, "HOME": folder, "GIT_CONFIG_GLOBAL": os.devnull, "EMAIL": "owner@xandikos.example"}
    with open(Path(folder) / "output", "wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment, cwd=folder)
    try:
        _wait_for(process, port, Path(folder) / "output")
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(process: subprocess.Popen[bytes], port: int, output: Path) -> None:
    """Until it answers. Raises RuntimeError with what it said."""
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end and process.poll() is None:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("OPTIONS", "/")
            connection.getresponse().read()
        except OSError:
            time.sleep(0.05)
        else:
            connection.close()
            return
    raise RuntimeError(f"{process.args!r} does not answer: {output.read_text(errors='replace')[-2000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
