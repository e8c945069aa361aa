"""Opening the ledger: migrations, the lock against a second process, and clear words when it cannot be used."""

import asyncio
import fcntl
import os
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from importlib.resources import files
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from sync.errors import LedgerError, LockTaken
from sync.ledger.engine import make_engine
from sync.ledger.store import Ledger
from sync.ledger.vault import Vault

LOCK_PATIENCE = 30.0
"""Seconds that a command waits for another convener process to finish its pass."""

_LOCK_NUMBER = 0x636F6E76  # "conv": PostgreSQL's advisory lock of this application
_HARVEST_LOCK_NUMBER = 0x68617276  # "harv"


@asynccontextmanager
async def open_engine(url: str) -> AsyncIterator[AsyncEngine]:
    """The database behind `url`, whatever its schema; an SQLite file is made private. Raises LedgerError, also for
    what goes wrong inside of the block."""
    engine = make_engine(url)
    try:
        if engine.dialect.name == "sqlite":
            _prepare_file(make_url(url).database)
        yield engine
    except (SQLAlchemyError, OSError, TypeError) as error:  # TypeError: an option that the driver does not know
        raise LedgerError(f"the database cannot be used: {_reason(error)}") from error
    finally:
        await engine.dispose()


@asynccontextmanager
async def open_ledger(url: str, keys: Sequence[str] = ()) -> AsyncIterator[Ledger]:
    """The ledger behind `url`, its personal links sealed with `keys`; SQLite is made and migrated on first use. Raises
    LedgerError."""
    async with open_engine(url) as engine:
        here, newest = await revisions(engine)
        if here != newest:
            if engine.dialect.name != "sqlite":
                raise LedgerError("the database is not at this version's schema: run `convener db upgrade`")
            await upgrade(engine)
    # A new engine, so that an error of those who use the ledger is not taken for one of opening it.
    engine = make_engine(url)
    try:
        yield Ledger(engine, Vault(keys))
    finally:
        await engine.dispose()


async def revisions(engine: AsyncEngine) -> tuple[str | None, str]:
    """The schema revision of the database (None: empty) and the newest one. Raises LedgerError when the database
    is newer than this program."""
    script = ScriptDirectory.from_config(_config())
    newest = script.get_current_head()
    async with engine.connect() as connection:
        here = await connection.run_sync(lambda c: MigrationContext.configure(c).get_current_revision())
    if here is not None:
        try:
            script.get_revision(here)
        except CommandError as error:
            raise LedgerError(
                f"the database has schema {here}, which is newer than this convener knows ({newest}): upgrade convener"
            ) from error
    return here, str(newest)


async def upgrade(engine: AsyncEngine) -> None:
    """Run the migrations that are missing."""

    def run(connection: Connection) -> None:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    async with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            # All or nothing, and one process at a time: by itself SQLite's driver commits each step of the schema.
            await connection.exec_driver_sql("BEGIN IMMEDIATE")
        await connection.run_sync(run)


@asynccontextmanager
async def pass_lock(url: str, *, harvest: bool = False, patience: float | None = None) -> AsyncIterator[None]:
    """One pass at a time on one database; `harvest`: the lock of its own under which artifacts are fetched, beside the
    passes. It dies with its process. Raises LedgerError when another process has it for `patience` seconds
    (else LOCK_PATIENCE): LockTaken."""
    patience = LOCK_PATIENCE if patience is None else patience
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        async with _file_lock(Path(f"{parsed.database}{'.harvest' if harvest else ''}.lock"), patience):
            yield
        return
    number = _HARVEST_LOCK_NUMBER if harvest else _LOCK_NUMBER
    engine = make_engine(url)
    try:
        async with AsyncExitStack() as held:
            try:
                connection = await held.enter_async_context(engine.connect())
                async with asyncio.timeout(max(patience, 1.0)):
                    await connection.execute(text("SELECT pg_advisory_lock(:n)"), {"n": number})
                    await connection.commit()
            except TimeoutError as error:
                raise LockTaken("another convener process is working on this database") from error
            except (SQLAlchemyError, OSError) as error:
                raise LedgerError(f"the database cannot be used: {_reason(error)}") from error
            yield  # outside of the patience: a pass takes as long as it takes
    finally:
        await engine.dispose()


@asynccontextmanager
async def _file_lock(path: Path, patience: float) -> AsyncIterator[None]:
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise LedgerError(f"the lock {path} cannot be made: {error.strerror}") from error
    try:
        waited = 0.0
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if waited >= patience:
                    raise LockTaken("another convener process is working on this database") from None
                waited += 0.1
                await asyncio.sleep(0.1)
        yield
    finally:
        os.close(handle)


def _prepare_file(database: str | None) -> None:
    if not database or database == ":memory:":
        return
    path = Path(database)
    try:
        # Made by us, so that it is private from its first byte on; SQLite would follow the umask.
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        with closing(sqlite3.connect(path)):
            pass  # the driver's thread would outlive a failure, and say so
    except OSError as error:
        raise LedgerError(f"the database {path} cannot be made: {error.strerror}") from error
    except sqlite3.Error as error:
        raise LedgerError(f"the database {path} cannot be used: {error}") from error


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(files("migrations")))
    return config


def _reason(error: Exception) -> str:
    original = getattr(error, "orig", None) or error
    return str(original).splitlines()[0][:200] if str(original) else type(original).__name__
