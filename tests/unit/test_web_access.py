"""Who is answered: with a token whoever has it, from wherever; without one nobody but this very machine."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from daemon.web import application, serving
from sync.errors import ConfigurationError
from tests.live import StillLife, still_life

TOKEN = "t0ken:with-a-colon-0123"
CONFIG = f"""\
[daemon]
listen = "127.0.0.1:0"
token = "{TOKEN}"
[sources.sales]
type = "ical"
url = "sales.ics"
[vendors.main]
type = "onstream"
url = "https://vendor.example"
username = "acme"
password = "the-vendors-secret"
[routes.sales]
source = "sales"
vendor = "main"
"""
PATHS = (
    "/",
    "/assets/style.css",
    "/metrics",
    "/feeds/x.ics",
    "/api/status",
    "/api/links",
    "/api/explain/a:b",
    "/nothing",
)


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


async def metrics() -> bytes:
    return b"convener_up 1\n"


@asynccontextmanager
async def asked(life: StillLife, client: tuple[str, int] = ("127.0.0.1", 5)) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application, from an address of its own."""
    transport = httpx.ASGITransport(application(life, metrics), client=client)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as made:
        yield made


@pytest.fixture
async def life(tmp_path: Path) -> AsyncIterator[StillLife]:
    (tmp_path / "convener.toml").write_text(CONFIG)
    async with still_life(tmp_path / "convener.toml") as made:
        yield made


def without_token(life: StillLife, folder: Path) -> None:
    """The configuration is read again, and has none any more."""
    (folder / "convener.toml").write_text(CONFIG.replace("token", "# token"))
    from daemon.settings import load

    life.inside.settings = load(folder / "convener.toml")


@pytest.mark.parametrize("path", PATHS)
async def test_without_the_token_nothing_is_told(life: StillLife, path: str) -> None:
    async with asked(life) as client:
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": basic("anna", "wrong")}):
            answer = await client.get(path, headers=headers)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == 'Basic realm="convener"'


@pytest.mark.parametrize(
    "shown",
    [f"Bearer {TOKEN}", f"bearer  {TOKEN} ", basic("", TOKEN), basic("anna", TOKEN), basic("ünal", TOKEN)],
)
async def test_with_it_everything_is_whoever_asks_by_whatever_name(life: StillLife, shown: str) -> None:
    async with asked(life, ("203.0.113.9", 4)) as client:
        for path, code in (("/", 200), ("/metrics", 200), ("/api/status", 200), ("/nothing", 404)):
            headers = {"Authorization": shown, "Host": "convener.example.com"}
            assert (await client.get(path, headers=headers)).status_code == code


@pytest.mark.parametrize(
    "shown",
    [
        "", "Bearer", "Bearer ", "Basic", "Basic !!!", "Basic é", f"Token {TOKEN}", TOKEN, f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN.upper()}", basic(TOKEN, ""), basic(TOKEN, "x"),
        "Basic " + base64.b64encode(TOKEN.encode()).decode(), basic("a", TOKEN)[:-2], f"Bearer {TOKEN}, Bearer {TOKEN}",
    ],
    ids=ascii,
)  # fmt: skip
async def test_whatever_else_is_shown_is_not_the_token(life: StillLife, shown: str) -> None:
    async with asked(life) as client:
        answer = await client.get("/api/status", headers={b"Authorization": shown.encode("latin-1")})
        assert answer.status_code == 401


async def test_two_of_them_are_not_one(life: StillLife) -> None:
    async with asked(life) as client:
        both = [("Authorization", f"Bearer {TOKEN}"), ("Authorization", "Bearer other")]
        assert (await client.get("/api/status", headers=both)).status_code == 401


async def test_health_is_told_to_everybody_and_hooks_have_secrets_of_their_own(life: StillLife) -> None:
    async with asked(life, ("203.0.113.9", 4)) as client:
        for path in ("/healthz", "/readyz"):
            assert (await client.get(path)).status_code == 200
        assert (await client.post("/hooks/sales")).status_code == 404
        for path in ("/healthz/", "/healthz/../api/status", "/readyzz", "/hooks", "/HEALTHZ"):
            assert (await client.get(path)).status_code in (401, 404), path


async def test_wrong_tokens_are_bounded_and_the_right_one_is_never_kept_waiting(life: StillLife) -> None:
    async with asked(life) as client:
        codes = [(await client.get("/", headers={"Authorization": f"Bearer {n}"})).status_code for n in range(25)]
        assert codes == [401] * 20 + [429] * 5
        assert (await client.get("/", headers={"Authorization": f"Bearer {TOKEN}"})).status_code == 200
        assert (await client.get("/")).status_code == 401, "a browser is asked for it all the same"
        life.clock.advance(seconds=61)
        assert (await client.get("/", headers={"Authorization": "Bearer x"})).status_code == 401
    first, second = life.events("web.refused")
    assert (first["client"], first["times"], second["times"]) == ("127.0.0.1", 1, 25)


async def test_a_clock_that_was_set_back_silences_nothing(life: StillLife) -> None:
    async with asked(life) as client:
        for _ in range(3):
            await client.get("/", headers={"Authorization": "Bearer x"})
            life.clock.advance(hours=-1)
    assert len(life.events("web.refused")) == 3


async def test_the_token_is_the_one_of_the_present_configuration(life: StillLife, tmp_path: Path) -> None:
    async with asked(life) as client:
        assert (await client.get("/api/status")).status_code == 401
        without_token(life, tmp_path)
        assert (await client.get("/api/status")).status_code == 200


@pytest.mark.parametrize("address", ["203.0.113.9", "192.168.1.7", "::ffff:203.0.113.9", "fe80::1", "unknown"])
async def test_without_one_nobody_elsewhere_is_answered_whatever_host_they_name(
    life: StillLife, tmp_path: Path, address: str
) -> None:
    without_token(life, tmp_path)
    async with asked(life, (address, 4)) as client:
        for path in ("/", "/healthz", "/hooks/sales"):
            assert (await client.get(path)).status_code == 403


async def test_with_a_token_every_address_may_be_listened_on(life: StillLife) -> None:
    with pytest.raises(ConfigurationError, match="token"):
        async with serving("0.0.0.0:0", Starlette()):
            pytest.fail("it was served")
    async with serving("0.0.0.0:0", application(life), anywhere=True) as bound:
        url = f"http://127.0.0.1:{bound.rpartition(':')[2]}/api/status"
        async with httpx.AsyncClient(trust_env=False) as client:
            assert (await client.get(url)).status_code == 401
            assert (await client.get(url, auth=("x", TOKEN))).status_code == 200


async def test_a_defect_is_told_in_the_log_and_nobody_else_hears_of_its_inside(
    life: StillLife, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> object:
        raise RuntimeError("at line 7 of the-inside\nwith more")

    monkeypatch.setattr(life.inside.ledger, "last_run", broken)
    async with asked(life) as client:
        for _ in range(3):
            answer = await client.get("/api/status", headers={"Authorization": f"Bearer {TOKEN}"})
            assert (answer.status_code, answer.text) == (500, "Internal Server Error")
    assert life.events("web.error") == [{"path": "/api/status", "reason": "RuntimeError: at line 7 of the-inside"}], (
        "and not once for each request"
    )


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("path", ["/", "/healthz", "/metrics", "/api/status", "/api/explain/x", "/assets/style.css"])
async def test_nothing_can_be_done_but_reading(life: StillLife, method: str, path: str) -> None:
    async with asked(life) as client:
        answer = await client.request(method, path, headers={"Authorization": f"Bearer {TOKEN}"})
        assert answer.status_code == 405
        assert sorted(answer.headers["allow"].split(", ")) == ["GET", "HEAD"]
