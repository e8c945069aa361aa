"""A private PostgreSQL server for tests: in a temporary folder, on a unix socket, gone afterwards."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from urllib.parse import quote

USER, PASSWORD = "convener", "p@ss/word?"
_numbers = count(1)


def binaries() -> Path | None:
    """The folder of the newest installed server's programs."""
    found = [path for path in Path("/usr/lib/postgresql").glob("*/bin") if (path / "initdb").exists()]
    return max(found, key=lambda path: float(path.parent.name), default=None)


@dataclass(frozen=True)
class Server:
    """A running server; each test takes a database of its own."""

    folder: Path
    programs: Path

    def url(self, database: str, password: str = PASSWORD) -> str:
        return f"postgresql://{USER}:{quote(password, safe='')}@/{database}?host={self.folder}"

    def new_database(self) -> str:
        """The URL of an empty database."""
        name = f"ledger_{next(_numbers)}"
        self.sql(f"CREATE DATABASE {name}", "postgres")
        return self.url(name)

    def restart(self) -> None:
        """End all connections, as an update of the server does, and be there again."""
        _run([*_as_owner(), self.programs / "pg_ctl", "-D", self.folder / "data", "-w", "-m", "fast", "restart"])

    def sql(self, statement: str, database: str) -> str:
        """Run a statement as an administrator would."""
        command = [self.programs / "psql", "-qAtX", "-h", self.folder, "-U", USER, "-d", database, "-c", statement]
        environment = {**os.environ, "PGPASSWORD": PASSWORD}
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()


@contextmanager
def a_server(connections: int = 40) -> Iterator[Server]:
    """A server of our own, which nobody else can reach. Raises RuntimeError with the reason when there is none."""
    programs = binaries()
    if programs is None:
        raise RuntimeError("PostgreSQL is not installed (/usr/lib/postgresql/*/bin/initdb)")
    as_owner = _as_owner()
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    data, secret = folder / "data", folder / "secret"
    try:
        secret.write_text(PASSWORD)
        if as_owner:
            for path in (folder, secret):
                shutil.chown(path, "postgres", "postgres")
        initdb = ["-D", data, "-U", USER, f"--pwfile={secret}", "-A", "scram-sha-256", "--no-sync", "-E", "UTF8"]
        _run([*as_owner, programs / "initdb", *initdb, "--locale=C"])
        options = f"-k {folder} -c listen_addresses= -c fsync=off -c max_connections={connections}"
        _run([*as_owner, programs / "pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", options, "start"])
        try:
            yield Server(folder, programs)
        finally:
            _run([*as_owner, programs / "pg_ctl", "-D", data, "-w", "-m", "immediate", "stop"])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _as_owner() -> list[str]:
    """The server refuses to run as root: become its own user."""
    if os.getuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise RuntimeError("running as root and setpriv is not installed")
    return [setpriv, "--reuid=postgres", "--regid=postgres", "--clear-groups"]


def _run(command: list[str | Path]) -> None:
    # pg_ctl leaves the server with our output: pipes would never end.
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False, cwd="/")
    if done.returncode:
        raise RuntimeError(f"{Path(command[-1]).name}: {' '.join(map(str, command))} ended {done.returncode}")
