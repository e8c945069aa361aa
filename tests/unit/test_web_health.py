"""Health as monitors see it: alive, fresh within three polls, counted."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy.exc import OperationalError

from daemon.web import application
from sync.ledger.records import SourceState, VendorState
from tests.live import StillLife, still_life

CONFIG = """\
[sources.sales]
type = "ical"
url = "sales.ics"
[sources.slow]
type = "ical"
url = "slow.ics"
poll = "1h"
[sources.unused]
type = "ical"
url = "unused.ics"
[vendors.main]
type = "onstream"
url = "https://vendor.example"
username = "acme"
password = "the-vendors-secret"
[routes.sales]
source = "sales"
vendor = "main"
[routes.slow]
source = "slow"
vendor = "main"
"""
READY = {"ready": True, "ledger": "ok", "stale": {"sources": [], "vendors": []}}


@pytest.fixture
async def life(tmp_path: Path) -> AsyncIterator[StillLife]:
    (tmp_path / "convener.toml").write_text(CONFIG)
    async with still_life(tmp_path / "convener.toml") as made:
        yield made


async def metrics() -> bytes:
    return "convener_up 1 # ü\n".encode()


@pytest.fixture
async def client(life: StillLife) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(application(life, metrics))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as made:
        yield made


async def ready(client: httpx.AsyncClient) -> tuple[int, Any]:
    answer = await client.get("/readyz")
    return answer.status_code, answer.json()


async def read(life: StillLife, source: str, minutes_ago: float) -> None:
    at = life.clock.now() - timedelta(minutes=minutes_ago)
    await life.inside.ledger.save_source(source, SourceState(None, at, at, None))


async def test_it_is_alive_while_the_scheduler_is(life: StillLife, client: httpx.AsyncClient) -> None:
    answer = await client.get("/healthz")
    assert (answer.status_code, answer.text, answer.headers["cache-control"]) == (200, "ok\n", "no-store")
    life.well = False
    assert (await client.get("/healthz")).status_code == 503


async def test_a_fresh_start_is_ready_for_three_polls_and_not_for_ever(
    life: StillLife, client: httpx.AsyncClient
) -> None:
    assert await ready(client) == (200, READY)
    life.clock.advance(minutes=16)
    assert await ready(client) == (200, READY)
    life.clock.advance(seconds=1)
    code, document = await ready(client)
    assert (code, document["stale"]) == (503, {"sources": ["sales"], "vendors": []})
    life.clock.advance(hours=3)
    assert (await ready(client))[1]["stale"]["sources"] == ["sales", "slow"]


async def test_a_start_after_a_night_is_given_the_time_to_look(life: StillLife, client: httpx.AsyncClient) -> None:
    await read(life, "sales", 600)
    assert await ready(client) == (200, READY)


async def test_each_source_is_fresh_within_three_of_its_own_polls(life: StillLife, client: httpx.AsyncClient) -> None:
    life.clock.advance(days=2)
    await read(life, "sales", 15)
    await read(life, "slow", 179)
    assert await ready(client) == (200, READY)
    await read(life, "sales", 17)
    assert (await ready(client))[0] == 503


async def test_a_read_that_was_not_whole_is_none(life: StillLife, client: httpx.AsyncClient) -> None:
    life.clock.advance(days=2)
    now = life.clock.now()
    await read(life, "slow", 0)
    await life.inside.ledger.save_source("sales", SourceState(None, now, now - timedelta(hours=1), "cut"))
    assert (await ready(client))[1]["stale"] == {"sources": ["sales"], "vendors": []}


class TestVendor:
    @pytest.fixture(autouse=True)
    async def long_up(self, life: StillLife) -> None:
        """Two days after the start, everything was read lately."""
        life.clock.advance(days=2)
        await read(life, "sales", 0)
        await read(life, "slow", 0)

    async def trouble(self, life: StillLife, since: timedelta = timedelta(0)) -> None:
        state = VendorState(None, "does not answer: secret detail", life.clock.now() - since)
        await life.inside.ledger.save_vendor("main", state)

    async def test_one_in_trouble_is_borne_for_three_polls(self, life: StillLife, client: httpx.AsyncClient) -> None:
        assert await ready(client) == (200, READY)
        await self.trouble(life)
        life.clock.advance(minutes=15)
        await read(life, "sales", 0)
        assert (await ready(client))[0] == 200
        life.clock.advance(minutes=2)
        code, document = await ready(client)
        assert (code, document["stale"]) == (503, {"sources": [], "vendors": ["main"]})
        assert "secret" not in str(document), "names only"

    async def test_a_trouble_that_the_ledger_knows_longer_than_we_run_counts_from_our_start(
        self, life: StillLife, client: httpx.AsyncClient
    ) -> None:
        await self.trouble(life, since=timedelta(days=9))
        assert (await ready(client))[0] == 503, "it has been up for two days"

    async def test_recovery_is_seen_at_once(self, life: StillLife, client: httpx.AsyncClient) -> None:
        await self.trouble(life, since=timedelta(hours=1))
        assert (await ready(client))[0] == 503
        await life.inside.ledger.save_vendor("main", VendorState())
        assert await ready(client) == (200, READY)


async def test_a_ledger_that_cannot_be_read_is_not_ready_and_no_defect(
    life: StillLife, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> object:
        raise OperationalError("SELECT", {}, Exception("server closed the connection"))

    monkeypatch.setattr(life.inside.ledger, "source", away)
    code, document = await ready(client)
    assert (code, document["ready"], document["ledger"]) == (503, False, "cannot be read")
    assert life.said == []


async def test_metrics_are_served_as_prometheus_wants_them(life: StillLife, client: httpx.AsyncClient) -> None:
    answer = await client.get("/metrics")
    assert (answer.status_code, answer.content) == (200, await metrics())
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    transport = httpx.ASGITransport(application(life))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as without:
        assert (await without.get("/metrics")).status_code == 404
