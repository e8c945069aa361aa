"""The dead man's switch is told after a full success, seldom, and nobody ever learns its address."""

import asyncio
import io
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from daemon import ping
from daemon.ping import Pinger
from daemon.settings import load
from daemon.telemetry import Telemetry
from daemon.wiring import secrets_of
from sync.errors import ConfigurationError
from sync.report import Exit
from tests.unit.builders import NOW
from tests.unit.scripted_server import Handler, reply, serving

PATH = "/ping/0a1b2c-secret?key=also-secret"
MINUTE = timedelta(minutes=1)
BOTH = ("sales", "press")


class Scene:
    """A pinger with a clock of ours and its log."""

    def __init__(self, url: str | None) -> None:
        self.out = io.StringIO()
        self.pinger = Pinger(SecretStr(url) if url else None, Telemetry(form="json", stream=self.out))
        self.now: datetime = NOW

    async def passes(self, *ends: Exit, routes: tuple[str, ...] = BOTH, held: tuple[str, ...] = BOTH) -> None:
        """A pass of each of `routes`, and what the service does after each."""
        for number, route in enumerate(routes):
            self.pinger.passed(route, ends[number % len(ends)])
            await self.pinger.due(held, self.now)

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.getvalue().splitlines()]

    @property
    def events(self) -> list[str]:
        return [line["event"] for line in self.lines]


@pytest.fixture(autouse=True)
def _short_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ping, "TIMEOUT", 2.0)


class TestWhen:
    async def test_it_is_told_with_a_get_when_every_route_has_had_a_full_success(self) -> None:
        async with serving(reply(body=b"OK")) as server:
            scene = Scene(server.url + PATH)
            await scene.passes(Exit.DONE, routes=("sales",))
            assert server.heads == []
            await scene.passes(Exit.DONE, routes=("press",))
            assert [head.splitlines()[0] for head in server.heads] == [f"GET {PATH} HTTP/1.1"]
            assert scene.lines == []

    @pytest.mark.parametrize("end", [code for code in Exit if code is not Exit.DONE])
    async def test_any_other_end_of_any_route_keeps_it_silent(self, end: Exit) -> None:
        async with serving(reply()) as server:
            scene = Scene(server.url + PATH)
            await scene.passes(Exit.DONE, end)
            await scene.passes(Exit.DONE, routes=("sales",))
            assert server.heads == []

    async def test_a_success_that_was_followed_by_a_failure_is_none(self) -> None:
        async with serving(reply()) as server:
            scene = Scene(server.url + PATH)
            await scene.passes(Exit.DONE, Exit.PARTIAL, Exit.DONE, routes=("sales", "sales", "press"))
            assert server.heads == []
            await scene.passes(Exit.DONE, routes=("sales",))
            assert len(server.heads) == 1

    async def test_each_ping_takes_new_successes(self) -> None:
        async with serving(reply()) as server:
            scene = Scene(server.url + PATH)
            await scene.passes(Exit.DONE)
            for _ in range(5):
                scene.now += MINUTE
                await scene.passes(Exit.DONE, routes=("sales",))
            assert len(server.heads) == 1
            await scene.passes(Exit.DONE, routes=("press",))
            assert len(server.heads) == 2

    async def test_it_is_told_once_a_minute_at_most(self) -> None:
        async with serving(reply()) as server:
            scene = Scene(server.url + PATH)
            for _ in range(121):
                await scene.passes(Exit.DONE)
                scene.now += timedelta(seconds=1)
            assert len(server.heads) == 3

    async def test_a_clock_that_is_set_back_does_not_silence_it(self) -> None:
        async with serving(reply()) as server:
            scene = Scene(server.url + PATH)
            await scene.passes(Exit.DONE)
            scene.now -= timedelta(days=365)
            await scene.passes(Exit.DONE)
            assert len(server.heads) == 2

    async def test_what_another_process_looks_after_does_not_count(self) -> None:
        async with serving(reply()) as server:
            scene = Scene(server.url + PATH)
            await scene.passes(Exit.DONE, Exit.PARTIAL, held=("sales",))
            assert len(server.heads) == 1

    async def test_who_looks_after_nothing_tells_nothing(self) -> None:
        async with serving(reply()) as server:
            scene = Scene(server.url + PATH)
            await scene.passes(Exit.DONE, held=())
            assert server.heads == []

    async def test_without_an_address_nothing_happens(self) -> None:
        scene = Scene(None)
        await scene.passes(Exit.DONE)
        assert scene.lines == []

    async def test_a_failure_while_it_is_told_counts_for_the_next_time(self) -> None:
        asked, go_on = asyncio.Event(), asyncio.Event()

        async def slow(writer: asyncio.StreamWriter, _head: bytes) -> None:
            asked.set()
            await go_on.wait()
            writer.write(reply())
            await writer.drain()

        async with serving(slow) as server:
            scene = Scene(server.url + PATH)
            telling = asyncio.create_task(scene.passes(Exit.DONE))
            await asked.wait()
            scene.now += MINUTE
            scene.pinger.passed("sales", Exit.PARTIAL)
            scene.pinger.passed("press", Exit.DONE)
            go_on.set()
            await telling
            await scene.pinger.due(BOTH, scene.now)
            assert len(server.heads) == 1
            await scene.passes(Exit.DONE, routes=("sales",))
            assert len(server.heads) == 2


async def hanging(_writer: asyncio.StreamWriter, _head: bytes) -> None:
    await asyncio.Event().wait()


async def dripping(writer: asyncio.StreamWriter, _head: bytes) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while True:
        writer.write(b".")
        await writer.drain()
        await asyncio.sleep(0.05)


class TestFailure:
    @pytest.mark.parametrize(
        "script",
        [reply(500), reply(404), reply(401), reply(429, retry_after="99999"), hanging, dripping, b"nonsense\r\n\r\n"],
        ids=["500", "404", "401", "429", "hanging", "dripping", "nonsense"],
    )
    async def test_it_is_logged_once_and_so_is_the_recovery_and_the_address_is_not(
        self, script: bytes | Handler, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(ping, "TIMEOUT", 0.3)
        async with serving(script) as server:
            scene = Scene(server.url + PATH)
            for _ in range(3):
                await scene.passes(Exit.DONE)
                scene.now += MINUTE
            assert scene.events == ["ping.failed"]
            server._scripts[:] = [reply()]
            await scene.pinger.due(BOTH, scene.now)  # what was not told is still to be told
            assert scene.events == ["ping.failed", "ping.recovered"]
            scene.now += MINUTE
            await scene.passes(Exit.DONE)
            assert scene.events == ["ping.failed", "ping.recovered"]
        assert "secret" not in scene.out.getvalue()
        assert scene.lines[0]["reason"]

    async def test_a_server_that_is_not_there_is_a_failure_like_any_other(self) -> None:
        async with serving(reply()) as server:
            url = server.url + PATH
        scene = Scene(url)
        await scene.passes(Exit.DONE)
        assert scene.events == ["ping.failed"]
        assert "secret" not in scene.out.getvalue()

    async def test_a_failed_ping_is_not_made_again_within_a_minute(self) -> None:
        async with serving(reply(404)) as server:
            scene = Scene(server.url + PATH)
            for _ in range(59):
                await scene.passes(Exit.DONE)
                scene.now += timedelta(seconds=1)
            assert len(server.heads) == 1

    async def test_it_is_not_sent_elsewhere(self) -> None:
        async with serving(reply()) as elsewhere, serving(reply(302, location=elsewhere.url + "/x")) as server:
            scene = Scene(server.url + PATH)
            await scene.passes(Exit.DONE)
            assert server.heads
            assert elsewhere.heads == []
            assert scene.events == ["ping.failed"]


CONFIGURATION = """\
[daemon]
ping_url = '{}'
"""


def configured(folder: Path, url: str) -> Any:
    path = folder / "convener.toml"
    path.write_text(CONFIGURATION.format(url), encoding="utf-8")
    return load(path)


class TestTheKey:
    @pytest.mark.parametrize(
        "url",
        [
            "https://ping.example" + PATH,
            "https://ping.example:8443" + PATH,
            "http://127.0.0.1:9000" + PATH,
            "http://[::1]:9000" + PATH,
            "http://localhost" + PATH,
        ],
    )
    def test_an_address_is_taken_and_is_a_secret(self, tmp_path: Path, url: str) -> None:
        settings = configured(tmp_path, url)
        assert settings.daemon.ping_url.get_secret_value() == url
        assert PATH not in repr(settings)
        assert url in secrets_of(settings)

    @pytest.mark.parametrize(
        "url",
        [
            "http://ping.example/secret",
            "ftp://ping.example/secret",
            "https:///secret",
            "/secret",
            "secret",
            "",
            "https://user:secret@ping.example/",
            "https://ping.example/#secret",
            "https://ping.example:0/secret",
            "https://ping.example:70000/secret",
            "https://pi ng.example/secret",
            "https://[::1/secret",
        ],
    )
    def test_what_is_no_safe_address_is_refused_without_being_shown(self, tmp_path: Path, url: str) -> None:
        with pytest.raises(ConfigurationError, match=r"\[daemon\] ping_url: ") as caught:
            configured(tmp_path, url)
        assert "secret" not in str(caught.value).replace("its path is a secret", "")

    def test_it_can_be_a_credential(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "daemon__ping_url").write_text("https://ping.example/secret\n")
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
        path = tmp_path / "convener.toml"
        path.write_text("")
        url = load(path).daemon.ping_url
        assert url is not None
        assert url.get_secret_value() == "https://ping.example/secret"
