"""The status page in a real browser: what people see and can reach, and what a hostile calendar cannot do."""

import base64
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from connectors.simulators.faults import Fault
from connectors.simulators.media import film
from sync.change import Action, LinkEffect
from sync.ledger.records import LinkState, SourceState
from tests import showcase
from tests.calendars import entries
from tests.chromium import chromium, missing, scheme, window
from tests.clock import START
from tests.live import StillLife, served_in_thread
from tests.world import a_world

pytestmark = pytest.mark.chromium

TOKEN = "a-token-for-the-browser"
AXE = files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8")

HOSTILE = (
    "<script>document.title='owned'</script>",
    '"><img src=x onerror="document.title=\'owned\'">',
    "right-to-left \u202e exe.gnp",
    "{{ 7 * 7 }}",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Chrome]:
    """One for all tests of this file."""
    if why := missing():
        if os.environ.get("CI") == "true":
            pytest.fail(why)
        pytest.skip(why)
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, browser: Chrome) -> Iterator[str]:
    """Where the realistic state is shown."""
    config = showcase.write_config(tmp_path_factory.mktemp("showcase"))
    with served_in_thread(config, showcase.fill, showcase.NOW) as (_, bound):
        yield bound


@pytest.fixture(autouse=True)
def a_fresh_start(browser: Chrome) -> None:
    """A large, light, empty window, and empty logs."""
    window(browser, 1100, 900)
    scheme(browser, "light")
    browser.get("about:blank")
    for name in ("browser", "performance"):
        browser.get_log(name)


def requests(browser: Chrome) -> list[str]:
    """The addresses that the browser asked for since it was last asked about it."""
    messages = [json.loads(line["message"])["message"] for line in browser.get_log("performance")]
    return [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]


def violations(browser: Chrome, **options: Any) -> list[str]:
    """What axe-core finds wrong, each with the elements concerned."""
    browser.execute_script(AXE)
    found = browser.execute_async_script(
        "const done = arguments[arguments.length - 1];"
        "axe.run(document, arguments[0]).then(found => done(found.violations), error => done([{id: String(error)}]));",
        options,
    )
    return [f"{one['id']}: {[node['target'] for node in one.get('nodes', ())]}" for one in found]


def text(browser: Chrome) -> str:
    return browser.find_element(By.TAG_NAME, "body").text


class TestShowcase:
    def test_everything_that_a_person_wants_to_know_is_seen(self, browser: Chrome, address: str) -> None:
        browser.get(f"http://{address}/")
        assert browser.title == "2 things need a person · convener"
        assert browser.find_element(By.TAG_NAME, "h1").text == "2 things need a person"
        seen = text(browser)
        for wanted in (
            "2 of 5 routes in step", "convener reconcile academy --force", "convener retry sales:partner@example.com",
            "webinars", "sales → onstream", "by convener-2 (berlin)", "Project kick-off: Northwind", "running", "ready",
            "Einführung für neue Kunden – Zürich", "new join link", "Offer, signed.pdf", "184.3 kB",
            "Safety course, part 2",
        ):  # fmt: skip
            assert wanted in seen, wanted
        start = browser.find_element(By.XPATH, "//tr[contains(., 'Project kick-off')]//time")
        assert start.get_attribute("datetime") == "2026-11-24T09:00:00Z"
        join = browser.find_element(By.XPATH, "//tr[contains(., 'Project kick-off')]//a")
        assert join.get_attribute("href").startswith("https://meet.example.com/openmeetings/#room/")
        assert join.get_attribute("rel") == "noreferrer noopener"
        people = browser.find_element(By.XPATH, "//tr[contains(., 'Project kick-off')]//details")
        assert "Jon Berg" not in people.text
        people.find_element(By.TAG_NAME, "summary").click()
        assert "Jon Berg" in people.text
        assert "personal-" not in browser.page_source

    @pytest.mark.parametrize("colours", ["light", "dark"])
    @pytest.mark.parametrize("width", [1100, 360])
    def test_axe_finds_nothing_wrong(self, browser: Chrome, address: str, colours: str, width: int) -> None:
        scheme(browser, colours)
        window(browser, width, 900)
        browser.get(f"http://{address}/?renew=off")
        dark = browser.execute_script("return getComputedStyle(document.body).backgroundColor") == "rgb(19, 22, 26)"
        assert dark == (colours == "dark")
        assert violations(browser) == []

    def test_that_it_renews_itself_is_all_that_axe_says_of_it_and_there_is_a_way_to_stop_it(
        self, browser: Chrome, address: str
    ) -> None:
        browser.get(f"http://{address}/")
        assert [one.partition(":")[0] for one in violations(browser)] == ["meta-refresh"]
        browser.find_element(By.LINK_TEXT, "keep it still").click()
        assert browser.find_elements(By.CSS_SELECTOR, "meta[http-equiv]") == []

    def test_it_can_be_gone_through_with_the_tab_key_and_one_sees_where_one_is(
        self, browser: Chrome, address: str
    ) -> None:
        browser.get(f"http://{address}/?renew=off")
        reached = []
        for _ in range(60):
            browser.switch_to.active_element.send_keys(Keys.TAB)
            here = browser.switch_to.active_element
            if here.tag_name == "body":
                break
            style = browser.execute_script(
                "const e = document.activeElement, s = getComputedStyle(e), r = e.getBoundingClientRect();"
                "return [s.outlineStyle, parseFloat(s.outlineWidth), r.top >= 0 && r.bottom <= innerHeight]"
            )
            reached.append((here.text.strip(), here.tag_name, *style))
        names = [name for name, *_ in reached]
        assert names[:2] == ["Skip to the content", "renew it by itself"]
        joins = [name for name, tag, *_ in reached if tag == "a" and name.startswith("Join")]
        assert len(joins) == 9
        assert "Project kick-off" in joins[0]
        assert names[-3:] == ["status as JSON", "readiness", "metrics"]
        for name, _, outline, width, visible in reached:
            assert (outline, visible) == ("solid", True), name
            assert width >= 2, name

    def test_the_skip_link_leads_past_the_head(self, browser: Chrome, address: str) -> None:
        browser.get(f"http://{address}/?renew=off")
        browser.switch_to.active_element.send_keys(Keys.TAB)
        browser.switch_to.active_element.send_keys(Keys.ENTER)
        assert browser.switch_to.active_element.get_attribute("id") == "main"

    def test_its_structure_can_be_heard(self, browser: Chrome, address: str) -> None:
        browser.get(f"http://{address}/?renew=off")
        assert browser.find_element(By.TAG_NAME, "html").get_attribute("lang") == "en"
        levels = [int(one.tag_name[1]) for one in browser.find_elements(By.CSS_SELECTOR, "h1, h2, h3")]
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(after <= before + 1 for before, after in pairwise(levels))
        for table in browser.find_elements(By.TAG_NAME, "table"):
            assert table.find_elements(By.TAG_NAME, "caption")
            assert all(head.get_attribute("scope") for head in table.find_elements(By.TAG_NAME, "th"))

    @pytest.mark.parametrize("width", [360, 700, 1100])
    def test_nothing_has_to_be_scrolled_sideways(self, browser: Chrome, address: str, width: int) -> None:
        window(browser, width, 800)
        browser.get(f"http://{address}/?renew=off")
        size = browser.execute_script("return [innerWidth, document.documentElement.scrollWidth]")
        assert size == [width, width]

    def test_nobody_else_is_asked_for_anything_and_nothing_is_complained_of(
        self, browser: Chrome, address: str
    ) -> None:
        browser.get(f"http://{address}/")
        asked = requests(browser)
        assert {url.removeprefix(f"http://{address}") for url in asked} >= {
            "/",
            "/assets/style.css",
            "/assets/icon.svg",
        }
        assert [url for url in asked if not url.startswith(f"http://{address}/")] == []
        assert browser.get_log("browser") == []

    def test_it_works_without_any_script(self, browser: Chrome, address: str) -> None:
        browser.get(f"http://{address}/")
        assert browser.find_elements(By.CSS_SELECTOR, "script, iframe, object, embed, form, [style]") == []
        browser.execute_script(
            "const s = document.createElement('script'); s.text = 'document.title = 1'; document.body.append(s)"
        )
        assert browser.title == "2 things need a person · convener", "the policy lets none run"


class TestHostile:
    def test_what_a_calendar_says_is_shown_and_never_done(self, browser: Chrome, tmp_path: Path) -> None:
        async def fill(life: StillLife) -> None:
            ledger, now = life.inside.ledger, showcase.NOW
            for number, title in enumerate(HOSTILE):
                one = showcase.link("webinars", f"x{number}", title, now + timedelta(hours=1))
                named = tuple(replace(person, name=title) for person in one.invitees)
                link = replace(one, invitees=named, join_url="javascript:document.title='owned'")
                await ledger.save_link(link, now)
                bad = replace(link, key=replace(one.key, uid=title), state=LinkState.QUARANTINED, problem=title)
                await ledger.save_link(bad, now)
                step = showcase.step(one, Action.CREATE, title, LinkEffect.NEW)
                await ledger.steps.record("webinars", [step], now)
            await ledger.save_source("sales", SourceState(None, now, now, HOSTILE[0]))

        with served_in_thread(showcase.write_config(tmp_path), fill, showcase.NOW) as (_, bound):
            browser.get(f"http://{bound}/?renew=off")
            for summary in browser.find_elements(By.TAG_NAME, "summary"):
                summary.click()
            assert browser.title == "4 things need a person · convener"
            seen = text(browser)
            assert "<script>document.title='owned'</script>" in seen
            assert "<img src=x onerror=\"document.title='owned'\">" in seen
            assert "{{ 7 * 7 }}" in seen
            assert "right-to-left exe.gnp" in seen
            assert "\u202e" not in browser.page_source
            links = {one.get_attribute("href") for one in browser.find_elements(By.TAG_NAME, "a")}
            assert not [href for href in links if not href.startswith(f"http://{bound}/")]
            assert "javascript:document.title='owned'" in seen
            assert browser.find_elements(By.TAG_NAME, "script") == []
            assert browser.get_log("browser") == []
            assert violations(browser) == []
            window(browser, 360, 800)
            assert browser.execute_script("return document.documentElement.scrollWidth") == 360


class TestToken:
    def test_a_browser_that_shows_the_token_as_password_gets_in(self, browser: Chrome, tmp_path: Path) -> None:
        text_with = showcase.CONFIG.replace("[daemon]", f'[daemon]\ntoken = "{TOKEN}"')
        with served_in_thread(showcase.write_config(tmp_path, text_with), showcase.fill, showcase.NOW) as (_, bound):
            browser.get(f"http://anybody:{TOKEN}@{bound}/?renew=off")
            assert browser.find_element(By.TAG_NAME, "h1").text == "2 things need a person"
            back = browser.execute_script("return getComputedStyle(document.querySelector('.hero')).backgroundColor")
            assert back == "rgb(255, 233, 218)", "its style sheet came too"
            browser.find_element(By.LINK_TEXT, "status as JSON").click()
            assert '"routes"' in text(browser)

    def test_one_that_does_not_sees_nothing(self, browser: Chrome, tmp_path: Path) -> None:
        text_with = showcase.CONFIG.replace("[daemon]", f'[daemon]\ntoken = "{TOKEN}"')
        with served_in_thread(showcase.write_config(tmp_path, text_with), showcase.fill, showcase.NOW) as (_, bound):
            wrong = base64.b64encode(b"anybody:wrong").decode()
            browser.execute_cdp_cmd("Network.enable", {})
            browser.execute_cdp_cmd("Network.setExtraHTTPHeaders", {"headers": {"Authorization": f"Basic {wrong}"}})
            try:
                browser.get(f"http://{bound}/")
                assert "kick-off" not in browser.page_source
                assert "convener" not in text(browser)
            finally:
                browser.execute_cdp_cmd("Network.setExtraHTTPHeaders", {"headers": {}})


async def test_the_outcome_of_real_passes_is_seen(browser: Chrome, tmp_path: Path) -> None:
    """Meetings, one in quarantine, what the guard holds, a recording: from a calendar and a vendor's stand-in."""
    import asyncio

    with a_world(tmp_path) as world:
        world.entries = entries(8, first=START + timedelta(hours=1))
        world.configure(route='looks = ["5m"]')
        await world.reconcile()
        world.clock.advance(hours=2, minutes=6)
        first = (await world.links())[str(world.key("m0"))]
        world.sim.add_recording(int(str(first.session)), content=film(seconds=1800))
        world.entries["m1"] = world.entries["m1"].but(title="Refused & set aside <b>")
        for _ in range(5):
            world.sim.faults.add(Fault("400_before", "POST", "session"))
            await world.reconcile()
        for name in ("m3", "m4", "m5", "m6"):
            del world.entries[name]
        await world.reconcile()

        async def nothing(_life: StillLife) -> None:
            """The ledger is full."""

        def look() -> str:
            with served_in_thread(tmp_path / "convener.toml", nothing, world.clock.now()) as (_, bound):
                browser.get(f"http://{bound}/?renew=off")
                assert violations(browser) == []
                return text(browser)

        seen = await asyncio.to_thread(look)
    for wanted in (
        "2 things need a person", "4 steps on route sales", "convener reconcile sales --force", "quarantined",
        "Refused & set aside <b>", "convener retry sales:m1@example.com", "held back in part", "Meeting 7", "recording",
        "Meeting 0",
    ):  # fmt: skip
        assert wanted in seen, wanted
