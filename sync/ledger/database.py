"""The one way in and out of the database for the ledger's parts: one writer at a time, each write a transaction."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import Row, Select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine


class Database:
    """Connections of one engine."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self._one_writer = asyncio.Lock()

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """A transaction, committed when the block ends without an error."""
        async with self._one_writer, self.engine.begin() as connection:
            yield connection

    async def all(self, query: Select[Any]) -> list[Row[Any]]:
        """All rows of a query."""
        async with self.engine.connect() as connection:
            return list(await connection.execute(query))
