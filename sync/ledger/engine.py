"""The connection to the database: which driver, how SQLite keeps its promises, and how PostgreSQL is rid of us."""

from datetime import timedelta
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

CONNECT_TIMEOUT = 10.0
STATEMENT_TIMEOUT = 60.0
"""Seconds: the longest that a statement of ours may take, those of migrations apart."""


def make_engine(url: str, lease: timedelta | None = None) -> AsyncEngine:
    """An engine for `sqlite:///path` or `postgresql://…`, with the driver that we use filled in. With the length of a
    `lease`, PostgreSQL ends what a frozen or vanished process of ours leaves open, so that others can go on in time."""
    parsed = make_url(url)
    driver = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}
    query = {"ssl" if name == "sslmode" else name: value for name, value in parsed.query.items()}
    full = parsed.set(drivername=driver.get(parsed.drivername, parsed.drivername), query=query)
    if full.get_backend_name() != "sqlite":
        # A server that was restarted is found out before a connection to it is used, not by a pass that fails.
        return create_async_engine(full, pool_pre_ping=True, connect_args=_postgresql(lease))
    engine = create_async_engine(full)

    @event.listens_for(engine.sync_engine, "connect")
    def _pragmas(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        # FULL: a committed intent must survive a power cut, or the write behind it would be forgotten.
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=10000"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    return engine


def _postgresql(lease: timedelta | None) -> dict[str, Any]:
    """What asyncpg is told, and through it the server; see "Client Connection Defaults" and "TCP Settings" in
    PostgreSQL's manual (times in milliseconds unless the name says otherwise)."""
    settings = {"application_name": "convener"}
    if lease is None:
        return {"timeout": CONNECT_TIMEOUT, "server_settings": settings}
    life = round(lease.total_seconds() * 1000)
    settings |= {
        # Who is frozen in the middle of a transaction keeps its row locks no longer than this …
        "idle_in_transaction_session_timeout": str(life // 2),
        # … and who waits for such a lock gets it.
        "lock_timeout": str(life),
        "statement_timeout": str(round(STATEMENT_TIMEOUT * 1000)),
        # The same for a machine that has gone, and with it the end of its connections (seconds, but the last).
        "tcp_keepalives_idle": str(max(1, life // 6000)),
        "tcp_keepalives_interval": str(max(1, life // 6000)),
        "tcp_keepalives_count": "2",
        "tcp_user_timeout": str(life // 2),
    }
    # The server may be the one that has gone: nothing is waited for much longer than it would take.
    return {"timeout": CONNECT_TIMEOUT, "command_timeout": STATEMENT_TIMEOUT + 5, "server_settings": settings}
