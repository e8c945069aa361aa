"""The connection to the database: which driver, and how SQLite keeps its promises."""

from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine


def make_engine(url: str) -> AsyncEngine:
    """An engine for `sqlite:///path` or `postgresql://…`, with the driver that we use filled in."""
    parsed = make_url(url)
    driver = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}
    query = {"ssl" if name == "sslmode" else name: value for name, value in parsed.query.items()}
    engine = create_async_engine(parsed.set(drivername=driver.get(parsed.drivername, parsed.drivername), query=query))
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine.sync_engine, "connect")
        def _pragmas(connection: Any, _record: object) -> None:
            cursor = connection.cursor()
            # FULL: a committed intent must survive a power cut, or the write behind it would be forgotten.
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=10000"):
                cursor.execute(f"PRAGMA {pragma}")
            cursor.close()

    return engine
