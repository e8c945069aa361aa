"""Runs inside of a unit's walls and says, in one line on stdout, what got through; test_systemd.py reads it."""

import asyncio
import ctypes
import importlib.util
import json
import mmap
import os
import re
import socket
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

NEW_USER_NAMESPACE = 0x10000000


def tried(what: Callable[[], Any]) -> str:
    """ "done", or the name of the error that it ended with."""
    try:
        what()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what we want to know
        return type(error).__name__
    return "done"


def encrypt() -> None:
    from cryptography.fernet import Fernet

    box = Fernet(Fernet.generate_key())
    assert box.decrypt(box.encrypt(b"x")) == b"x"


def serve() -> None:
    from connectors.simulators.serve import serve_in_thread

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body", "body": b""})

    with serve_in_thread(app) as served, urllib.request.urlopen(served.url) as answer:
        assert answer.status == 204


def watch() -> None:
    if importlib.util.find_spec("watchfiles") is None:
        return
    from watchfiles import awatch

    file = Path(os.environ["STATE_DIRECTORY"]) / "watched"

    async def change() -> None:
        while True:
            await asyncio.sleep(0.05)
            file.write_text("x")

    async def look() -> None:
        changing = asyncio.create_task(change())
        async with asyncio.timeout(10):
            async for _ in awatch(file.parent, debounce=50):
                break
        changing.cancel()

    asyncio.run(look())


def ask_postgresql() -> None:
    with socket.socket(socket.AF_UNIX) as way:
        way.connect("/run/postgresql/.s.PGSQL.5432")
        assert int(way.recv(10)) == os.getuid(), "peer authentication sees somebody else"


def make_a_namespace() -> None:
    if ctypes.CDLL(None, use_errno=True).unshare(NEW_USER_NAMESPACE) != 0:
        raise PermissionError


def make_executable_memory() -> None:
    """Memory that is writable and executable at once."""
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()


def write(path: str) -> Callable[[], Any]:
    return lambda: Path(path).write_text("x")


NEEDED = {
    "cryptography": encrypt,
    "uvicorn": serve,
    "watchfiles": watch,
    "postgresql": ask_postgresql,
    "its state": write(f"{os.environ['STATE_DIRECTORY']}/probe"),
    "a private /tmp": write("/tmp/probe"),
}
WALLED = {
    "the configuration": write("/etc/convener/probe"),
    "the program": write("/opt/convener/probe"),
    "others' state": write("/var/lib/probe"),
    "home folders": lambda: list(Path("/root").iterdir()),
    "raw packets": lambda: socket.socket(socket.AF_PACKET),
    "namespaces": make_a_namespace,
    "executable memory": make_executable_memory,
}


def main() -> None:
    status = Path("/proc/self/status").read_text()
    found = {
        "needed": {name: tried(what) for name, what in NEEDED.items()},
        "walled": {name: tried(what) for name, what in WALLED.items()},
        "status": dict(re.findall(r"^(\w+):\s+(.*)$", status, re.MULTILINE)),
        "environment": sorted(os.environ),
        "processes": sum(folder.name.isdigit() for folder in Path("/proc").iterdir()),
        "uid": os.getuid(),
    }
    print("found " + json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
