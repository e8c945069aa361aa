"""Opening the database: who may read it, and what people read when it cannot be used."""

import asyncio
import os
import sqlite3
import stat
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest

from daemon.database import open_ledger, reason_of, revisions, upgrade
from daemon.locks import FileLocks
from sync.errors import LedgerError
from sync.ledger.engine import make_engine
from sync.ledger.records import SourceState, VendorState
from tests.unit.builders import NOW, link_of, meeting
from tests.unit.postgresql import PASSWORD, Server

ROOT = Path(__file__).parents[2]
NOBODY = 65534


@pytest.fixture
def private_umask() -> Iterator[None]:
    """The most careless umask there is: what is private is private by our own doing."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def readable() -> Iterator[Path]:
    """A folder for a process that is not root: the administrator may write everywhere."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        if os.geteuid() == 0:
            os.seteuid(NOBODY)
        try:
            yield Path(name)
        finally:
            os.seteuid(os.getuid())
            Path(name).chmod(0o755)


@contextmanager
def as_owner() -> Iterator[None]:
    """With the rights that the tests were started with."""
    before = os.geteuid()
    os.seteuid(os.getuid())
    try:
        yield
    finally:
        os.seteuid(before)


async def complaint(url: str) -> str:
    """What people read, in one line."""
    with pytest.raises(LedgerError) as caught:
        async with open_ledger(url) as ledger:
            await ledger.save_link(link_of(meeting()), NOW)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert PASSWORD not in message
    return message


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[None]:
    async with open_ledger(f"sqlite:///{path}") as ledger:
        await ledger.save_link(link_of(meeting()), NOW)
        yield


class TestSqlite:
    async def test_it_is_made_on_first_use_and_private_with_all_its_companions(
        self, tmp_path: Path, private_umask: None
    ) -> None:
        locks = FileLocks(tmp_path / "convener.db")
        async with opened(tmp_path / "convener.db"), locks.held("sales", "pass", 0):
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
        assert {"convener.db", "convener.db-wal", "convener.db.lock"} <= set(modes)
        assert set(modes.values()) == {0o600}

    async def test_a_file_of_zeros_or_of_somebody_else_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "convener.db"
        path.write_bytes(b"this is no database, it is a letter to a friend " * 100)
        assert "not a database" in await complaint(f"sqlite:///{path}")
        assert path.read_bytes().startswith(b"this is no database")

    async def test_an_empty_file_is_an_empty_database(self, tmp_path: Path) -> None:
        (tmp_path / "convener.db").touch()
        async with opened(tmp_path / "convener.db"):
            pass

    async def test_a_damaged_database_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "convener.db"
        async with opened(path):
            pass
        content = path.read_bytes()
        path.write_bytes(content[:100] + b"\xff" * (len(content) - 100))
        await complaint(f"sqlite:///{path}")

    async def test_another_programs_database_is_not_taken_over(self, tmp_path: Path) -> None:
        path = tmp_path / "other.db"
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE links (id INTEGER)")
        connection.close()
        assert "already exists" in await complaint(f"sqlite:///{path}")

    @pytest.mark.parametrize("name", ["", "missing/convener.db", "file/convener.db"])
    async def test_a_place_where_no_database_can_be_is_told(self, tmp_path: Path, name: str) -> None:
        (tmp_path / "file").touch()
        assert "database" in await complaint(f"sqlite:///{tmp_path}/{name}")

    @pytest.mark.parametrize("state", ["current", "empty", "missing"])
    async def test_a_readonly_database_is_told(self, readable: Path, state: str) -> None:
        path = readable / "convener.db"
        with as_owner():
            if state == "current":
                async with opened(path):
                    pass
            elif state == "empty":
                path.touch()
            for file in readable.iterdir():
                file.chmod(0o444)
            readable.chmod(0o555)
        assert "database" in await complaint(f"sqlite:///{path}")

    async def test_two_first_starts_at_once_make_one_database(self, tmp_path: Path) -> None:
        url = f"sqlite:///{tmp_path}/convener.db"
        engines = [make_engine(url) for _ in range(3)]
        try:
            await asyncio.gather(*(upgrade(engine) for engine in engines))
        finally:
            for engine in engines:
                await engine.dispose()
        async with opened(tmp_path / "convener.db"):
            pass


@pytest.mark.postgresql
class TestPostgresql:
    async def test_it_is_not_migrated_behind_anybodys_back(self, postgresql_server: Server) -> None:
        assert "convener db upgrade" in await complaint(postgresql_server.new_database())

    async def test_a_wrong_password_is_told(self, postgresql_server: Server) -> None:
        assert "password" in await complaint(postgresql_server.url("postgres", "wrong"))

    async def test_a_missing_database_is_told(self, postgresql_server: Server) -> None:
        assert "nowhere" in await complaint(postgresql_server.url("nowhere"))

    async def test_an_option_that_the_driver_does_not_know_is_told(self, postgresql_server: Server) -> None:
        assert "colour" in await complaint(f"{postgresql_server.url('postgres')}&colour=blue")

    async def test_libpqs_word_for_encryption_is_understood(self, postgresql_server: Server) -> None:
        assert "convener db upgrade" in await complaint(f"{postgresql_server.new_database()}&sslmode=disable")
        assert await complaint(f"{postgresql_server.new_database()}&sslmode=require")

    async def test_a_server_that_is_not_there_is_told(self, tmp_path: Path) -> None:
        await complaint(f"postgresql://user:{quote(PASSWORD, safe='')}@/db?host={tmp_path}")
        await complaint("postgresql://user@127.0.0.1:1/db")

    async def test_two_upgrades_at_once_are_one(self, postgresql_server: Server) -> None:
        url = postgresql_server.new_database()
        engines = [make_engine(url) for _ in range(3)]
        try:
            await asyncio.gather(*(upgrade(engine) for engine in engines))
            here, newest = await revisions(engines[0])
            assert here == newest
        finally:
            for engine in engines:
                await engine.dispose()

    async def test_two_processes_that_use_it_first_agree_on_the_installations_name(
        self, postgresql_server: Server
    ) -> None:
        url = postgresql_server.new_database()
        engine = make_engine(url)
        await upgrade(engine)
        await engine.dispose()
        async with open_ledger(url) as one, open_ledger(url) as other:
            names = await asyncio.gather(*(ledger.installation() for ledger in [one, other] * 5))
            state = SourceState(read_at=NOW)
            await asyncio.gather(*(ledger.save_source("sales", state) for ledger in [one, other] * 5))
            await asyncio.gather(*(ledger.save_vendor("main", VendorState()) for ledger in [one, other] * 5))
        assert len(set(names)) == 1


def test_what_takes_too_long_is_said_in_words() -> None:
    assert reason_of(TimeoutError()) == "the database does not answer in time"
    assert reason_of(TimeoutError("in 30 s")) == "in 30 s"
