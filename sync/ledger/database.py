"""The one way in and out of the database for the ledger's parts: each write a transaction, one writer at a time."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import Row, Select, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from sync.ledger.leases import Lease, fence


class Database:
    """Connections of one engine; with `leases`, a view that writes only while these are ours."""

    def __init__(self, engine: AsyncEngine, leases: tuple[Lease, ...] = ()) -> None:
        self.engine = engine
        # A view has a lock of its own: on PostgreSQL, where leases are, one route's writes wait for no other's.
        self._one_writer = asyncio.Lock()
        self._leases = leases

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """A transaction, committed when the block ends without an error. Raises LeaseLost, before anything is written,
        when a lease is not ours any more; otherwise nobody else gets it before the transaction ends."""
        async with self._one_writer, self.engine.begin() as connection:
            if self._leases:
                await fence(connection, self._leases)
            yield connection

    async def all(self, query: Select[Any]) -> list[Row[Any]]:
        """All rows of a query."""
        async with self.engine.connect() as connection:
            return list(await connection.execute(query))


async def put(connection: AsyncConnection, table: Table, key: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Insert a row, or give it these values where there is one with that primary key: one that belongs to no route, so
    that another process may have been first. Without values the row that is there stays."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    row = dialect.insert(table).values(**key, **values)
    done = row.on_conflict_do_update(index_elements=list(key), set_=values) if values else row.on_conflict_do_nothing()
    await connection.execute(done)
