"""Fixtures of the unit tests."""

from collections.abc import Iterator

import pytest

from tests.unit.postgresql import Server, a_server


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[Server]:
    """A private server for the whole session; skips, with the reason, where there can be none."""
    server = a_server()
    try:
        running = server.__enter__()
    except (RuntimeError, OSError, LookupError) as error:
        pytest.skip(f"no PostgreSQL server: {error}")
    yield running
    server.__exit__(None, None, None)
