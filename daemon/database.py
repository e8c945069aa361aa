"""Opening the ledger: migrations, and clear words when it cannot be used."""

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing, suppress
from datetime import timedelta
from functools import cache
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

from sync.errors import DatabaseAway, LedgerError
from sync.ledger.engine import make_engine
from sync.ledger.store import Ledger
from sync.ledger.vault import Vault

LEASE = timedelta(seconds=30)
"""How long a lease of a route lasts when the configuration does not say."""

CLOSE_TIMEOUT = 3.0
"""Seconds that a server has for saying good-bye."""

_UPGRADE_LOCK = 0x636F6E76  # "conv": PostgreSQL's advisory lock for changing the schema


@asynccontextmanager
async def open_engine(url: str) -> AsyncIterator[AsyncEngine]:
    """The database behind `url`, whatever its schema; an SQLite file is made private. Raises LedgerError, also for
    what goes wrong inside of the block: DatabaseAway when a server does not answer."""
    engine = make_engine(url)
    try:
        if engine.dialect.name == "sqlite":
            _prepare_file(make_url(url).database)
        yield engine
    except (SQLAlchemyError, OSError, TypeError) as error:  # TypeError: an option that the driver does not know
        kind = DatabaseAway if _is_away(engine, error) else LedgerError
        raise kind(f"the database cannot be used: {reason_of(error)}") from error
    finally:
        await close_engine(engine)


@asynccontextmanager
async def open_ledger(url: str, keys: Sequence[str] = (), lease: timedelta = LEASE) -> AsyncIterator[Ledger]:
    """The ledger behind `url`, its personal links sealed with `keys`; SQLite is made and migrated on first use. For
    `lease` see `make_engine`. Raises LedgerError."""
    async with open_engine(url) as engine:
        here, newest = await revisions(engine)
        if here != newest:
            if engine.dialect.name != "sqlite":
                raise LedgerError("the database is not at this version's schema: run `convener db upgrade`")
            await upgrade(engine)
    # A new engine, so that an error of those who use the ledger is not taken for one of opening it.
    engine = make_engine(url, lease)
    try:
        yield Ledger(engine, Vault(keys))
    finally:
        await close_engine(engine)


async def close_engine(engine: AsyncEngine) -> None:
    """Close its connections; those of a server that does not answer are dropped."""
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT):
            await engine.dispose()
    except TimeoutError:
        await engine.dispose(close=False)


async def revisions(engine: AsyncEngine) -> tuple[str | None, str]:
    """The schema revision of the database (None: empty) and the newest one. Raises LedgerError when the database
    is newer than this program."""
    script = _script()
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
        else:
            # One process at a time: the second one finds nothing left to do.
            await connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _UPGRADE_LOCK})
        await connection.run_sync(run)


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


def _is_away(engine: AsyncEngine, error: Exception) -> bool:
    """Whether no connection came about: SQLSTATE class 08, 53300 (too many), 57P03 (starting up); a socket's error."""
    if engine.dialect.name == "sqlite":
        return False
    state = getattr(getattr(error, "orig", None), "sqlstate", None) or ""
    return isinstance(error, OSError) or state.startswith("08") or state in ("53300", "57P03")


@cache
def _script() -> ScriptDirectory:
    """The migrations, read once a process."""
    return ScriptDirectory.from_config(_config())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(files("migrations")))
    return config


def reason_of(error: Exception) -> str:
    """For people: what the database, or the way to it, says; one line."""
    original = getattr(error, "orig", None) or error
    if isinstance(original, TimeoutError) and not str(original):
        return "the database does not answer in time"
    return str(original).splitlines()[0][:200] if str(original) else type(original).__name__
