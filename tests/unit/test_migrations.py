"""A database of an earlier version keeps what it holds when it is brought to this version's schema."""

from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import Connection, text

from daemon.database import _config, open_engine, open_ledger, upgrade
from sync.ledger.records import LinkState
from tests.unit.postgresql import Server

LINK = """
INSERT INTO links (id, route, key, source, uid, recurrence_id, vendor, marker, state, session, title, starts_at,
                   ends_at, join_url, applied, attempts, created_at, updated_at)
VALUES (7, 'sales', 'sales:one', 'sales', 'one', NULL, 'main', 'convener/x', 'live', '42', 'One',
        '2026-12-01 09:00:00', '2026-12-01 10:00:00', 'https://v.example/42', '{"title": "One"}', 0,
        '2026-11-01 00:00:00', '2026-11-01 00:00:00')
"""
PERSON = (
    "INSERT INTO invitees (id, link_id, email, name, role, ref) VALUES (1, 7, 'a@example.com', 'A', 'observer', '9')"
)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/convener.db"
    server: Server = request.getfixturevalue("postgresql_server")
    return server.new_database()


async def test_links_and_people_of_the_first_schema_survive(url: str) -> None:
    async with open_engine(url) as engine:

        def first_schema(connection: Connection) -> None:
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, "0001")

        async with engine.begin() as connection:
            await connection.run_sync(first_schema)
        async with engine.begin() as connection:
            for statement in (LINK, PERSON):
                await connection.execute(text(statement.replace(":", "\\:")))
        await upgrade(engine)
    async with open_ledger(url) as ledger:
        (link,) = await ledger.links()
    assert (link.session, link.state, link.join_url) == ("42", LinkState.LIVE, "https://v.example/42")
    assert (link.stale, link.echo, link.lost) == ({}, {}, 0)
    (person,) = link.invitees
    assert (person.email, person.ref, person.stale, person.personal_link) == ("a@example.com", "9", "", None)
