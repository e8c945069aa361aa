"""The personal links at rest: sealed once there is a key, sealed anew when there is another, dropped when it is lost.

`meta` holds a known text, sealed, under CHECK: it tells whether the keys of a process are those of the database before
anything else is read. While it is not there, nothing is sealed.
"""

from typing import Any

from sqlalchemy import Select, delete, insert, select, text, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection

from sync.errors import LedgerError
from sync.ledger import tables as t
from sync.ledger.database import Database
from sync.ledger.vault import PREFIX, Vault

NO_KEY = (
    "the personal links in the database are encrypted, and secret_key is missing: give it, or drop the links with "
    "`convener db forget-links`"
)

CHECK = "vault"
_KNOWN = "convener"

RESIDUE = "vault-residue"
"""In `meta` while the file of an SQLite database may still hold, in pages that are free by now, what was replaced."""

_I, _M = t.invitees.c, t.meta.c


async def open_vault(database: Database, vault: Vault, *, seal: bool) -> None:
    """Make sure that the vault's keys are those of the database; with `seal`, leave nothing there that is clear or
    under a former key. Raises LedgerError when they are not, or when there is none."""
    check = await _meta(database, CHECK)
    if check is not None and not vault.seals:
        raise LedgerError(NO_KEY)
    if check is not None:
        vault.open(check)
    if not (seal and vault.seals):
        return
    # Beside a key's first and last day this finds what a process wrote that was still running without it.
    if check is None or not vault.is_newest(check) or await _worn(database, vault):
        await _seal_all(database, vault)
    if await _meta(database, RESIDUE) is not None:
        await _sweep(database)


async def forget_links(database: Database) -> int:
    """Drop the sealed links and the check; how many. What makes or asks for links finds that there are none."""
    async with database.write() as connection:
        none = update(t.invitees).values(personal_link=None, link_for="", link_expires_at=None)
        dropped = await connection.execute(none.where(_I.personal_link.startswith(PREFIX)))
        await connection.execute(delete(t.meta).where(_M.name == CHECK))
        return int(dropped.rowcount)


async def _worn(database: Database, vault: Vault) -> bool:
    return any(not vault.is_newest(row.personal_link) for row in await database.all(_links(vault)))


async def _seal_all(database: Database, vault: Vault) -> None:
    async with database.write() as connection:
        await _one_at_a_time(connection)
        query = select(_M.value).where(_M.name == CHECK)
        check = (await connection.execute(query)).scalar_one_or_none()
        if check is not None:
            vault.open(check)  # another process may have been first, with another key
        for row in list(await connection.execute(_links(vault))):
            old = row.personal_link
            if not vault.is_newest(old):
                # Only what is still the same: PostgreSQL lets others write meanwhile.
                same = (_I.id == row.id, _I.personal_link == old)
                sealed = vault.seal(vault.open(old))
                await connection.execute(update(t.invitees).where(*same).values(personal_link=sealed))
        await _remember(connection, CHECK, vault.seal(_KNOWN))
        if database.engine.dialect.name == "sqlite":
            await _remember(connection, RESIDUE, "")


def _links(vault: Vault) -> Select[Any]:
    """The links that may have to be sealed: the clear ones; while keys are being changed, all of them."""
    query = select(_I.id, _I.personal_link).where(_I.personal_link != "")  # "" is a refusal, and no secret
    return query if vault.rotates else query.where(~_I.personal_link.startswith(PREFIX))


async def _one_at_a_time(connection: AsyncConnection) -> None:
    """Let no other process seal while this transaction lasts."""
    if connection.dialect.name == "sqlite":
        await connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        await connection.exec_driver_sql("LOCK TABLE meta IN SHARE ROW EXCLUSIVE MODE")


async def _remember(connection: AsyncConnection, name: str, value: str) -> None:
    if not (await connection.execute(update(t.meta).where(_M.name == name).values(value=value))).rowcount:
        await connection.execute(insert(t.meta).values(name=name, value=value))


async def _sweep(database: Database) -> None:
    """Write the file anew, and its log: what was replaced is in neither then. While another process keeps them busy it
    is left for the next opening."""
    async with database.engine.connect() as connection:
        alone = await connection.execution_options(isolation_level="AUTOCOMMIT")
        try:
            await alone.execute(text("VACUUM"))
            busy = (await alone.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))).scalar_one()
        except OperationalError as error:
            if "locked" not in str(error.orig):
                raise
            return
    if not busy:
        async with database.write() as connection:
            await connection.execute(delete(t.meta).where(_M.name == RESIDUE))


async def _meta(database: Database, name: str) -> str | None:
    found = await database.all(select(_M.value).where(_M.name == name))
    return str(found[0].value) if found else None
