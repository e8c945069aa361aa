"""Hooks: who proves to know the secret is heard, as a hint and no more; everybody else is not."""

import asyncio
import hashlib
import hmac
import importlib
import json
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from daemon.settings import load
from daemon.web import application, serving
from daemon.wiring import secrets_of
from sync.errors import ConfigurationError
from tests.live import StillLife, still_life

hooks = importlib.import_module("daemon.web.hooks")

OF_SALES, OF_MAIN, OF_ROOMS = "sales-secret-0123456789", "main-secret-0123456789", "g7r0gOSKiQ59prCGXo1H50PACb5ca1mD"
CONFIG = f"""\
[sources.sales]
type = "ical"
url = "sales.ics"
hook_secret = "{OF_SALES}"
[sources.quiet]
type = "ical"
url = "quiet.ics"
[vendors.main]
type = "onstream"
url = "https://vendor.example"
username = "acme"
password = "the-vendors-secret"
hook_secret = "{OF_MAIN}"
[vendors.rooms]
type = "livedigital"
url = "https://rooms.example"
front_url = "https://edu.example"
space = "Acme"
access_token = "the-rooms-token"
hook_secret = "{OF_ROOMS}"
[routes.a]
source = "sales"
vendor = "main"
[routes.b]
source = "sales"
vendor = "rooms"
[routes.c]
source = "quiet"
vendor = "main"
"""
URL = "/hooks/sales"


@pytest.fixture
async def life(tmp_path: Path) -> AsyncIterator[StillLife]:
    (tmp_path / "convener.toml").write_text(CONFIG)
    async with still_life(tmp_path / "convener.toml") as made:
        yield made


@pytest.fixture
async def client(life: StillLife) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        serving("127.0.0.1:0", application(life)) as address,
        httpx.AsyncClient(base_url=f"http://{address}", trust_env=False) as made,
    ):
        yield made


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def signed(life: StillLife, body: bytes, secret: str = OF_SALES, *, late: float = 0) -> dict[str, str]:
    """The headers of a signature that is so many seconds old."""
    time = str(int(life.clock.now().timestamp() - late))
    signature = hmac.new(secret.encode(), time.encode() + b"." + body, hashlib.sha256).hexdigest()
    return {"X-Convener-Timestamp": time, "X-Convener-Signature": f"sha256={signature}"}


def delivery(event: str = "record_finished") -> bytes:
    """What livedigital posts."""
    room = "649c18e086b915cae33041a2"
    body = json.dumps({"eventName": event, "roomId": room, "spaceId": room}, separators=(",", ":"))
    signature = hmac.new(OF_ROOMS.encode(), body.encode(), hashlib.sha256).hexdigest()
    return f'{{"signature":"{signature}","body":{body}}}'.encode()


class TestHeard:
    @pytest.mark.parametrize(
        ("name", "secret", "routes"), [("sales", OF_SALES, ["a", "b"]), ("main", OF_MAIN, ["a", "c"])]
    )
    async def test_the_secret_itself_is_a_proof(
        self, life: StillLife, client: httpx.AsyncClient, name: str, secret: str, routes: list[str]
    ) -> None:
        answer = await client.post(f"/hooks/{name}", headers=bearer(secret), content=b"whatever: DELETE ALL")
        assert (answer.status_code, answer.text) == (202, "accepted\n")
        assert life.looked == [(routes, f"hook {name}")]
        assert life.events("hook.received") == [{"name": name, "routes": routes, "times": 1}]

    @pytest.mark.parametrize("body", [b"", b'{"id": 7}', bytes(range(256))])
    @pytest.mark.parametrize("late", [0, 299, -299])
    async def test_a_signature_of_these_five_minutes_is_one(
        self, life: StillLife, client: httpx.AsyncClient, body: bytes, late: int
    ) -> None:
        answer = await client.post(URL, headers=signed(life, body, late=late), content=body)
        assert answer.status_code == 202
        assert life.looked == [(["a", "b"], "hook sales")]

    async def test_a_vendors_own_way_is_one_at_that_vendor(self, life: StillLife, client: httpx.AsyncClient) -> None:
        assert (await client.post("/hooks/rooms", content=delivery())).status_code == 202
        assert life.looked == [(["b"], "hook rooms")]
        assert (await client.post("/hooks/main", content=delivery())).status_code == 401
        assert (await client.post(URL, content=delivery())).status_code == 401

    async def test_a_signature_counts_once_and_its_repetition_is_answered_alike(
        self, life: StillLife, client: httpx.AsyncClient
    ) -> None:
        headers = signed(life, b"x")
        for _ in range(3):
            assert (await client.post(URL, headers=headers, content=b"x")).status_code == 202
        assert len(life.looked) == 1
        life.clock.advance(minutes=4)
        assert (await client.post(URL, headers=headers, content=b"x")).status_code == 202
        assert len(life.looked) == 1
        life.clock.advance(minutes=2)
        assert (await client.post(URL, headers=headers, content=b"x")).status_code == 401
        assert (await client.post(URL, headers=signed(life, b"x"), content=b"x")).status_code == 202
        assert len(life.looked) == 2

    async def test_one_from_the_future_is_remembered_for_as_long_as_it_would_be_believed(
        self, life: StillLife, client: httpx.AsyncClient
    ) -> None:
        headers = signed(life, b"x", late=-290)
        for _ in range(10):
            assert (await client.post(URL, headers=headers, content=b"x")).status_code in (202, 401)
            life.clock.advance(minutes=1)
        assert len(life.looked) == 1

    async def test_what_is_remembered_is_bounded(
        self, life: StillLife, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(hooks, "_MAX_SIGNATURES", 2)
        bodies = (b"1", b"2", b"3")
        for body in (*bodies, b"3", b"2", b"1"):
            assert (await client.post(URL, headers=signed(life, body), content=body)).status_code == 202
        assert len(life.looked) == 4, "the oldest counted again, the two others did not"

    async def test_however_many_come_one_line_a_minute_is_logged(
        self, life: StillLife, client: httpx.AsyncClient
    ) -> None:
        for _ in range(30):
            await client.post(URL, headers=bearer(OF_SALES))
            await client.post(URL, headers=bearer("wrong"))
        life.clock.advance(seconds=60)
        await client.post(URL, headers=bearer(OF_SALES))
        await client.post(URL, headers=bearer("wrong"))
        assert [fields["times"] for fields in life.events("hook.received")] == [1, 30]
        assert [fields["times"] for fields in life.events("hook.refused")] == [1, 30]
        assert len(life.looked) == 31

    async def test_a_source_and_a_vendor_of_one_name_are_told_apart_by_their_secrets(
        self, life: StillLife, client: httpx.AsyncClient, tmp_path: Path
    ) -> None:
        renamed = CONFIG.replace("sources.sales", "sources.main").replace('"sales"\nvendor', '"main"\nvendor')
        (tmp_path / "convener.toml").write_text(renamed)
        life.inside.settings = load(tmp_path / "convener.toml")
        await client.post("/hooks/main", headers=bearer(OF_SALES))
        await client.post("/hooks/main", headers=signed(life, b"", OF_MAIN))
        assert life.looked == [(["a", "b"], "hook main"), (["a", "c"], "hook main")]
        (tmp_path / "convener.toml").write_text(renamed.replace(OF_SALES, OF_MAIN))
        life.inside.settings = load(tmp_path / "convener.toml")
        await client.post("/hooks/main", headers=signed(life, b"x", OF_MAIN), content=b"x")
        assert life.looked[2:] == [(["a", "b", "c"], "hook main")], "one signature opens both where the secret is one"

    async def test_a_secret_that_was_changed_counts_from_then_on(
        self, life: StillLife, client: httpx.AsyncClient, tmp_path: Path
    ) -> None:
        (tmp_path / "convener.toml").write_text(CONFIG.replace(OF_SALES, "another-secret-0123456789"))
        life.inside.settings = load(tmp_path / "convener.toml")
        assert (await client.post(URL, headers=bearer(OF_SALES))).status_code == 401
        assert (await client.post(URL, headers=bearer("another-secret-0123456789"))).status_code == 202


class TestNotHeard:
    @pytest.mark.parametrize("name", ["quiet", "nobody", "a", "SALES", "sales%2F", "sales/", "../sales", ""])
    async def test_without_a_secret_in_the_configuration_there_is_no_hook(
        self, life: StillLife, client: httpx.AsyncClient, name: str
    ) -> None:
        answer = await client.post(f"/hooks/{name}", headers=bearer(OF_SALES))
        assert answer.status_code == 404 if name != "../sales" else answer.status_code in (404, 405)
        assert life.looked == []

    @pytest.mark.parametrize(
        "authorization",
        ["Bearer", f"Bearer {OF_MAIN}", f"Bearer {OF_SALES}0", f"Bearer {OF_SALES[:-1]}", OF_SALES,
         f"Basic {OF_SALES}", f"Bearer {OF_SALES.upper()}", "Bearer é"],
        ids=ascii,
    )  # fmt: skip
    async def test_a_wrong_secret_is_refused(
        self, life: StillLife, client: httpx.AsyncClient, authorization: str
    ) -> None:
        answer = await client.post(URL, headers={b"Authorization": authorization.encode("latin-1")})
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert life.looked == []
        assert OF_SALES not in str(life.said)

    async def test_no_proof_at_all_is_refused(self, life: StillLife, client: httpx.AsyncClient) -> None:
        for name in ("sales", "main", "rooms"):
            assert (await client.post(f"/hooks/{name}")).status_code == 401
            assert (await client.post(f"/hooks/{name}?secret={OF_SALES}&token={OF_SALES}")).status_code == 401
        assert (life.looked, len(life.events("hook.refused"))) == ([], 3)

    @pytest.mark.parametrize(
        "changes",
        [
            {"X-Convener-Signature": "sha256=" + "0" * 64},
            {"X-Convener-Signature": "0" * 64},
            {"X-Convener-Signature": "sha1=" + "0" * 40},
            {"X-Convener-Signature": ""},
            {"X-Convener-Timestamp": "1"},
            {"X-Convener-Timestamp": ""},
            {"X-Convener-Timestamp": "now"},
            {"X-Convener-Timestamp": "-5"},
            {"X-Convener-Timestamp": "9" * 400},
            {"X-Convener-Timestamp": "1e9"},
            {"X-Convener-Timestamp": "²"},
        ],
        ids=str,
    )
    async def test_a_signature_with_anything_wrong_is_refused(
        self, life: StillLife, client: httpx.AsyncClient, changes: dict[str, str]
    ) -> None:
        raw = {name: value.encode("latin-1") for name, value in (signed(life, b"x") | changes).items()}
        assert (await client.post(URL, headers=raw, content=b"x")).status_code == 401
        assert life.looked == []

    async def test_a_signature_is_of_this_body_this_time_and_this_secret(
        self, life: StillLife, client: httpx.AsyncClient
    ) -> None:
        for headers, body in (
            (signed(life, b"x"), b"y"),
            (signed(life, b"x", OF_MAIN), b"x"),
            (signed(life, b"x", late=301), b"x"),
            (signed(life, b"x", late=-301), b"x"),
            ({"X-Convener-Signature": signed(life, b"x")["X-Convener-Signature"]}, b"x"),
        ):
            assert (await client.post(URL, headers=headers, content=body)).status_code == 401
        twice = [*signed(life, b"x").items(), *signed(life, b"x", OF_MAIN).items()]
        assert (await client.post(URL, headers=twice, content=b"x")).status_code == 401
        assert life.looked == []

    async def test_a_forged_delivery_of_a_vendor_is_refused(self, life: StillLife, client: httpx.AsyncClient) -> None:
        for body in (delivery().replace(b"finished", b"started."), b"{}", b"[" * 60_000, b"\xff", b"null"):
            assert (await client.post("/hooks/rooms", content=body)).status_code == 401
        assert life.looked == []

    async def test_hooks_are_posted(self, life: StillLife, client: httpx.AsyncClient) -> None:
        for method in ("GET", "HEAD", "PUT", "DELETE"):
            assert (await client.request(method, URL, headers=bearer(OF_SALES))).status_code == 405
        assert life.looked == []

    @pytest.mark.parametrize("chunked", [False, True])
    async def test_a_body_that_is_too_large_is_not_read(
        self, life: StillLife, client: httpx.AsyncClient, chunked: bool
    ) -> None:
        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(9):
                yield b"x" * 8192

        for size, code in ((hooks.MAX_BYTES, 202), (hooks.MAX_BYTES + 1, 413)):
            content: Any = chunks() if chunked and code == 413 else b"x" * size
            assert (await client.post(URL, headers=bearer(OF_SALES), content=content)).status_code == code
        assert len(life.looked) == 1

    async def test_a_body_that_does_not_come_is_not_waited_for(
        self, life: StillLife, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(hooks, "BODY_TIME", 0.2)

        reader, writer = await asyncio.open_connection("127.0.0.1", client.base_url.port)
        head = (
            f"POST {URL} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {OF_SALES}\r\nContent-Length: 9\r\n\r\nx"
        )
        writer.write(head.encode())
        async with asyncio.timeout(5):
            assert (await reader.readline()).startswith(b"HTTP/1.1 408 ")
        writer.close()
        assert life.looked == []

    async def test_who_hangs_up_in_the_middle_leaves_no_trace(self, life: StillLife, client: httpx.AsyncClient) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", client.base_url.port)
        writer.write(b"POST /hooks/sales HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nx")
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        assert (await client.post(URL, headers=bearer(OF_SALES))).status_code == 202
        assert life.events("web.error") == []


class TestSettings:
    @pytest.mark.parametrize("secret", ["", "short", "x" * 15, "with a space in it 0123", "x" * 513, "é" * 16])
    @pytest.mark.parametrize("old", [f'hook_secret = "{OF_SALES}"', f'hook_secret = "{OF_MAIN}"', "[daemon] token"])
    def test_a_secret_that_could_be_guessed_or_not_be_sent_is_an_error(
        self, tmp_path: Path, old: str, secret: str
    ) -> None:
        text = CONFIG.replace(old, f'hook_secret = "{secret}"')
        if old == "[daemon] token":
            text = f'[daemon]\ntoken = "{secret}"\n' + CONFIG
        (tmp_path / "convener.toml").write_text(text)
        with pytest.raises(ConfigurationError, match="must be 16 to 512 plain characters, without a space") as caught:
            load(tmp_path / "convener.toml")
        assert re.search(r"\[(sources.sales|vendors.main|daemon)\] (hook_secret|token): ", str(caught.value))

    def test_the_secrets_are_known_to_the_redaction_and_show_nowhere(self, tmp_path: Path) -> None:
        (tmp_path / "convener.toml").write_text('[daemon]\ntoken = "the-daemons-token"\n' + CONFIG)
        settings = load(tmp_path / "convener.toml")
        assert {OF_SALES, OF_MAIN, OF_ROOMS, "the-daemons-token"} <= set(secrets_of(settings))
        for secret in (OF_SALES, OF_MAIN, "the-daemons-token"):
            assert secret not in repr(settings)

    @pytest.mark.parametrize("listen", ["0.0.0.0:8377", "[::]:8377", "192.168.1.5:80"])
    def test_beyond_loopback_it_takes_a_token(self, tmp_path: Path, listen: str) -> None:
        (tmp_path / "convener.toml").write_text(f'[daemon]\nlisten = "{listen}"\n' + CONFIG)
        with pytest.raises(ConfigurationError, match=r"convener.toml: \[daemon\] listen: .* until there is a token"):
            load(tmp_path / "convener.toml")
        (tmp_path / "convener.toml").write_text(f'[daemon]\nlisten = "{listen}"\ntoken = "0123456789abcdef"\n' + CONFIG)
        assert load(tmp_path / "convener.toml").daemon.listen == listen

    def test_the_token_may_be_a_credential(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "convener.toml").write_text('[daemon]\nlisten = "0.0.0.0:1"\n' + CONFIG)
        (tmp_path / "daemon__token").write_text("0123456789abcdef\n")
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
        token = load(tmp_path / "convener.toml").daemon.token
        assert token is not None
        assert token.get_secret_value() == "0123456789abcdef"


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("openssl")), reason="there is no curl or no openssl")
async def test_the_example_of_the_documentation_works(life: StillLife, client: httpx.AsyncClient) -> None:
    page = (Path(__file__).parents[2] / "docs/http.md").read_text()
    (example,) = re.findall(r"```sh\n(secret=.*?)```", page, re.DOTALL)
    script = example.replace("https://convener.example.com", str(client.base_url).rstrip("/"))
    script = re.sub(r"secret=.*", f"secret={OF_SALES}", script)
    script = script.replace("$(date +%s)", str(int(life.clock.now().timestamp())))
    done = await asyncio.to_thread(
        subprocess.run, ["sh", "-eu", "-c", script], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout) == (0, "accepted\n"), done.stderr
    assert life.looked == [(["a", "b"], "hook sales")]
