"""The status page and the documents under /api, without a browser: what they say, and what they never say."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from daemon.cli import cli
from daemon.live import Standing
from daemon.telemetry import Redaction
from daemon.web import application
from daemon.web.words import command, count, duration, safe_link, shown_with, span_of, when
from sync.change import Action, LinkEffect, Result
from sync.ledger.drift import Drift, DriftCheck
from sync.ledger.records import DOUBT, LinkState, SourceState, VendorState
from tests import showcase
from tests.clock import START
from tests.live import StillLife, still_life

HOSTILE = [
    "<script>document.title='owned'</script>",
    '"><img src=x onerror=alert(1)>',
    "'); DROP TABLE links;--",
    "{{ 7 * 7 }} {% raw %}",
    "right-to-left \u202e gnp.exe \u2066",
    "nul \x00 escape \x1b[31m separators \u2028",
    "</title></style><h1>x</h1>",
    "&lt;b&gt; &amp;",
]


@asynccontextmanager
async def asked(life: StillLife) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(application(life))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as made:
        yield made


async def page(life: StillLife, path: str = "/") -> str:
    async with asked(life) as client:
        answer = await client.get(path)
        assert answer.status_code == 200, answer.text
        assert answer.headers["cache-control"] == "no-store"
        return answer.text


def words(html: str) -> str:
    """The text of it, as it is read."""
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())


@pytest.fixture
async def life(tmp_path: Path) -> AsyncIterator[StillLife]:
    async with still_life(showcase.write_config(tmp_path), showcase.NOW) as made:
        yield made


@pytest.fixture
async def full(life: StillLife) -> StillLife:
    await showcase.fill(life)
    return life


class TestPage:
    async def test_an_empty_one_is_kind(self, life: StillLife) -> None:
        text = words(await page(life))
        assert "Nothing is ahead." in text
        assert "no pass yet" in text
        assert "What is not as it should be" not in text

    async def test_all_is_well_is_said_in_so_many_words(self, life: StillLife) -> None:
        for name in life.inside.settings.routes:
            number = await life.inside.ledger.start_run(name, showcase.NOW)
            await life.inside.ledger.finish_run(number, showcase.NOW, 0, {}, "")
        assert "<h1>All 5 routes are in step</h1>" in await page(life)

    async def test_a_route_that_is_not_reached_or_not_looked_after_is_said(self, life: StillLife) -> None:
        for name in life.inside.settings.routes:
            number = await life.inside.ledger.start_run(name, showcase.NOW)
            await life.inside.ledger.finish_run(number, showcase.NOW, 5 if name == "academy" else 0, {}, "")
        assert "<h1>1 of 5 routes is not in step</h1>" in await page(life)
        life.clock.advance(minutes=17)
        text = words(await page(life))
        assert "5 of 5 routes are not in step" in text
        assert text.count("no pass for too long") == 4, "the one that polls each quarter of an hour is not late yet"

    async def test_what_waits_for_a_person_comes_with_the_command(self, full: StillLife) -> None:
        text = words(await page(full))
        assert "2 things need a person" in text
        for wanted in (
            "convener reconcile academy --force",
            "convener retry sales:partner@example.com",
            "convener retry sales:demo@example.com",
            "7 of 9 meetings (78 %) are gone from the calendar",
            "Safety course, group 0",
            "and 4 more",
            "tried again in 8 min",
            "offsite@example.com: its start is no date",
            "by convener-2 (berlin)",
            "Safety course, part 2",
        ):
            assert wanted in text, wanted

    async def test_what_a_drift_check_left_is_shown_until_one_clears_it(self, life: StillLife) -> None:
        gone = [Drift("missing", f"sales:{n}@example.com", str(n), f"Gone {n}", "held") for n in range(5)]
        found = (
            *gone,
            Drift("changed", "sales:it's", "8", "Renamed", "reported"),
            Drift("orphan", "", "9", "<b>Nobody's</b>", "reported"),
            Drift("changed", "sales:r@example.com", "10", "Came back", "returned"),
            Drift("changed", "sales:done@example.com", "11", "Put right", "repaired"),
            Drift("changed", "sales:p@example.com", "12", "Known by now", "reported", pending=True),
        )
        check = DriftCheck("webinars", showcase.NOW - timedelta(hours=2), True, found)
        await life.inside.ledger.drift.save(check)
        await life.inside.ledger.drift.save(replace(check, route="advice"))  # its vendor shows nothing that is compared
        html = await page(life)
        text = words(html).replace("&#39;", "'").replace("&#34;", '"')
        assert "4 things need a person" in text
        for wanted in (
            "5 sessions gone at the vendor",
            "Gone 0",
            "Gone 2",
            "and 2 more",
            "convener reconcile webinars --drift --force",
            """convener explain 'sales:it'"'"'s'""",
            "1 session of ours that no meeting has",
            "convener explain sales:r@example.com",
            "as of the drift check 2 h ago",
        ):
            assert wanted in text, wanted
        for hidden in ("Gone 3", "Put right", "Known by now", "reconcile advice"):
            assert hidden not in text, hidden
        assert "<b>Nobody" not in html
        await life.inside.ledger.drift.save(replace(check, found=()))
        assert "What is not as it should be" not in words(await page(life))

    async def test_doubts_have_their_commands_too(self, life: StillLife) -> None:
        doubt = showcase.link("webinars", "it's; rm -rf", "In doubt", showcase.NOW + timedelta(hours=1))
        person = showcase.link("support", "p", "Someone in doubt", showcase.NOW + timedelta(hours=1))
        await life.inside.ledger.save_link(replace(doubt, state=LinkState.IN_DOUBT, session=None), showcase.NOW)
        doubted = tuple(replace(one, stale=DOUBT) for one in person.invitees[:1])
        await life.inside.ledger.save_link(replace(person, invitees=doubted), showcase.NOW)
        text = words(await page(life)).replace("&#39;", "'").replace("&#34;", '"')
        assert """convener adopt 'sales:it'"'"'s; rm -rf@example.com' REF""" in text
        assert "nobody can tell whether the vendor registered Mara Vogt" in text
        assert "2 things need a person" in text

    async def test_a_key_that_no_terminal_shows_is_not_made_a_command(self, life: StillLife) -> None:
        odd = showcase.link("webinars", "a\u202eb\x1b", "Odd", showcase.NOW + timedelta(hours=1))
        await life.inside.ledger.save_link(replace(odd, state=LinkState.QUARANTINED, problem="no"), showcase.NOW)
        html = await page(life)
        assert "\u202e" not in html
        assert "\x1b" not in html
        assert "convener retry when the cause is mended" in words(html)

    @pytest.mark.parametrize("text", HOSTILE, ids=ascii)
    async def test_hostile_texts_are_text(self, life: StillLife, text: str) -> None:
        ledger, now = life.inside.ledger, showcase.NOW
        bad = showcase.link("webinars", "x", text, now + timedelta(hours=1))
        named = tuple(replace(one, name=text) for one in bad.invitees)
        for uid, more in (
            ("1", {}),
            ("2", {"state": LinkState.QUARANTINED, "problem": text}),
            ("3", {"join_url": text}),
        ):
            key = replace(bad.key, uid=uid)
            await ledger.save_link(replace(bad, key=key, invitees=named, **more), now)  # type: ignore[arg-type]
        await ledger.steps.record("webinars", [showcase.step(bad, Action.CREATE, text, LinkEffect.NEW)], now)
        await ledger.save_source("sales", SourceState(None, now, now, text))
        await ledger.save_vendor("onstream", VendorState(None, text))
        life.standings["webinars"] = Standing(None, running=False, owner=text)
        html = await page(life)
        assert {tag.lower() for tag in re.findall(r"<([a-zA-Z]+)", html)} <= {
            "html", "head", "meta", "title", "link", "body", "a", "header", "p", "img", "time", "main", "div", "span",
            "h", "section", "ul", "ol", "li", "dl", "dt", "dd", "code", "bdi", "table", "caption", "thead", "tbody",
            "tr", "th", "td", "details", "summary", "footer",
        }  # fmt: skip
        assert len(re.findall("<h1", html)) == 1
        assert html.count("<img ") == 1
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]", html)
        assert "onerror=alert(1)>" not in html
        assert "49" not in re.findall(r"<bdi[^>]*>([^<]*)</bdi>", html)

    async def test_no_secret_and_no_personal_link_is_on_it(self, full: StillLife) -> None:
        secret = "s3cret-of-onstream"
        bad = showcase.link("webinars", "leak", f"Title with {secret}", showcase.NOW + timedelta(hours=1))
        problem = f"refused {secret} at https://user:{secret}@vendor.example/x?token=abcdef"
        await full.inside.ledger.save_link(replace(bad, state=LinkState.QUARANTINED, problem=problem), showcase.NOW)
        step = showcase.step(bad, Action.CREATE, problem, LinkEffect.NEW, Result.FAILED, problem)
        await full.inside.ledger.steps.record("webinars", [step], showcase.NOW)
        async with asked(full) as client:
            for path in ("/", "/api/status", "/api/links", "/api/links?all=1&personal=1", "/api/artifacts", "/readyz"):
                text = (await client.get(path)).text
                assert "personal-" not in text, path
                if path == "/":
                    assert secret not in text
                    assert "token=abcdef" not in text
                    assert "https://vendor.example/…" in text

    async def test_it_renews_itself_and_can_be_kept_still(self, life: StillLife) -> None:
        assert '<meta http-equiv="refresh" content="30">' in await page(life)
        still = await page(life, "/?renew=off")
        assert "http-equiv" not in still
        assert '<a href="/">' in still

    async def test_hundreds_of_meetings_and_troubles_are_bounded_and_counted(self, life: StillLife) -> None:
        for n in range(70):
            one = showcase.link("webinars", f"n{n:03}", f"Number {n:03}", showcase.NOW + timedelta(hours=n + 1))
            if n >= 60:
                one = replace(one, state=LinkState.QUARANTINED, session=None, problem="no")
            await life.inside.ledger.save_link(one, showcase.NOW)
        html = await page(life)
        assert html.count('class="button"') == 50
        assert "And 10 more" in words(html)
        for n in range(70, 110):
            one = showcase.link("webinars", f"n{n:03}", f"Number {n:03}", showcase.NOW + timedelta(hours=n + 1))
            bad = replace(one, state=LinkState.QUARANTINED, session=None, problem="no")
            await life.inside.ledger.save_link(bad, showcase.NOW)
        text = words(await page(life))
        assert "50 things need a person" in text
        assert "And 20 more: convener status" in text


class TestApi:
    """The documents are those of the command line, to the letter."""

    @pytest.mark.parametrize(
        ("path", "arguments"),
        [
            ("/api/status", ["status"]),
            ("/api/status?route=webinars&route=academy", ["status", "webinars", "academy"]),
            ("/api/links", ["links"]),
            ("/api/links?route=customers", ["links", "customers"]),
            ("/api/links?all=1", ["links", "--all"]),
            ("/api/artifacts", ["artifacts"]),
            ("/api/artifacts?route=academy", ["artifacts", "academy"]),
        ],
    )
    async def test_it_is_what_the_command_prints(
        self, full: StillLife, path: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with asked(full) as client:
            answer = await client.get(path)
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["cache-control"] == "no-store"
        printed = await _printed(full, arguments, monkeypatch)
        assert answer.text == printed
        assert (
            len(json.loads(answer.text)[path.removeprefix("/api/").partition("?")[0].replace("status", "routes")]) > 0
        )

    async def test_an_unknown_route_or_key_is_said(self, full: StillLife) -> None:
        async with asked(full) as client:
            for path, code, what in (
                ("/api/status?route=x", 404, 'no route is called "x"'),
                ("/api/links?route=x", 404, 'no route is called "x"'),
                ("/api/artifacts?route=x", 404, 'no route is called "x"'),
                ("/api/explain/nosource:uid", 404, "no route reads"),
                ("/api/explain/nokey", 400, ""),
                ("/api/explain/", 400, ""),
            ):
                answer = await client.get(path)
                assert answer.status_code == code, path
                assert what in answer.json()["error"]

    async def test_an_explanation_reads_the_source_and_writes_nothing(self, life: StillLife, tmp_path: Path) -> None:
        config = (tmp_path / "convener.toml").read_text()
        config = config.replace("https://calendar.example.com/sales.ics", "sales.ics")
        (tmp_path / "convener.toml").write_text(config)
        (tmp_path / "sales.ics").write_text("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nEND:VCALENDAR\r\n")
        async with still_life(tmp_path / "convener.toml", showcase.NOW) as life_now:
            one = showcase.link("webinars", "a/b?c", "Here", showcase.NOW + timedelta(hours=1))
            await life_now.inside.ledger.save_link(one, showcase.NOW)
            before = await life_now.inside.ledger.source("sales")
            async with asked(life_now) as client:
                answer = await client.get("/api/explain/sales:a%2Fb%3Fc@example.com")
            assert (answer.status_code, answer.json()["key"]) == (200, "sales:a/b?c@example.com")
            rows = {row["route"]: row for row in answer.json()["routes"]}
            assert rows["webinars"]["link"]["title"] == "Here"
            assert [step["action"] for step in rows["webinars"]["changes"]] == ["cancel"]
            assert "personal-" not in answer.text
            assert await life_now.inside.ledger.source("sales") == before
            assert await life_now.inside.ledger.last_run("webinars") is None


async def _printed(life: StillLife, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> str:
    """What the command prints at that time."""
    import asyncio

    import daemon.wiring

    class Still:
        def now(self) -> Any:
            return life.clock.now()

    monkeypatch.setattr(daemon.wiring, "SystemClock", Still)
    config = str(life.inside.settings.path)

    def run() -> str:
        return CliRunner().invoke(cli, [*arguments, "--json", "--config", config]).stdout

    return await asyncio.to_thread(run)


class TestWords:
    @pytest.mark.parametrize(
        ("seconds", "wanted"),
        [
            (0, "just now"), (-59, "just now"), (-60, "1 min ago"), (-3599, "59 min ago"), (-3660, "1 h 1 min ago"),
            (-86399, "23 h ago"), (-86400, "1 day ago"), (-200_000, "2 days ago"), (1, "in 1 s"), (90, "in 1 min"),
            (7200, "in 2 h"),
        ],
    )  # fmt: skip
    def test_times_are_told_from_now(self, seconds: int, wanted: str) -> None:
        seen = when(START + timedelta(seconds=seconds), START)
        assert seen.relative == wanted
        assert when(START, START).absolute == "Mon 23 Nov 2026 06:00 UTC"
        assert when(START, START).iso == "2026-11-23T06:00:00Z"

    def test_lengths_and_numbers(self) -> None:
        assert [duration(timedelta(minutes=m)) for m in (0, 45, 60, 90)] == ["0 min", "45 min", "1 h", "1 h 30 min"]
        assert [count(n, "entry", "entries") for n in (0, 1, 2)] == ["0 entries", "1 entry", "2 entries"]
        assert span_of(0.2) == "a moment"

    @pytest.mark.parametrize(
        "url",
        [
            "javascript:alert(1)", "JaVaScRiPt:alert(1)", " javascript:alert(1)", "java\tscript:alert(1)",
            "data:text/html,x", "vbscript:x", "file:///etc/passwd", "//evil.example", "http:", "http://",
            "https://user:pw@host/", "x", "", None, "https://a b/", "https://host/\u202egnp", "https://host/\x00",
            "http://[", "https://h/" + "x" * 2001,
            "blob:https://x/y",
        ],
        ids=ascii,
    )  # fmt: skip
    def test_only_links_that_lead_to_a_web_page_can_be_followed(self, url: str | None) -> None:
        assert safe_link(url) is None

    @pytest.mark.parametrize("url", ["https://x.example/go/1", "http://h:5080/om/#room/7?x=y&z", "https://é.example/ü"])
    def test_and_those_can(self, url: str) -> None:
        assert safe_link(url) == url

    def test_texts_are_cleaned_before_they_are_cut(self) -> None:
        shown = shown_with(Redaction(["the-secret"]))
        assert shown("x" * 10 + " the-secret", 16) == "x" * 10 + " [hid…"
        assert shown("  a\n\tb  \u202e c ", 50) == "a b c"
        assert shown("see https://host/a/secret?b", 50) == "see https://host/…"

    def test_a_command_is_quoted_for_a_shell_or_left_out(self) -> None:
        assert command("retry", "sales:a b") == "convener retry 'sales:a b'"
        assert command("retry", "sales:$(x)`y`") == "convener retry 'sales:$(x)`y`'"
        assert command("reconcile", "a", "--force") == "convener reconcile a --force"
        for odd in ("--help", "a\nb", "a\u202eb", "x" * 700):
            assert command("retry", odd) is None
