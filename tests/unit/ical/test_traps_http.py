"""Traps of real servers, one test each; what kinds of answers prove stands in test_fetch.py."""

from pathlib import Path

import pytest

from connectors.sources.ical import IcalSource
from connectors.sources.ical.settings import locate
from tests.feed_server import serving
from tests.unit.ical.support import WINDOW, calendar, event, settings

GOOD = calendar(event("SUMMARY:One"), event("SUMMARY:Two", uid="b")).encode()
VALIDATORS = {"ETag": '"constant"', "Last-Modified": "Sun, 01 Nov 2026 00:00:00 GMT"}


async def test_an_etag_that_never_changes_does_not_hide_a_change() -> None:
    async with serving() as server:
        feed = IcalSource("s", settings(url=f"{server.url}/x.ics"), Path("/"))
        server.answer(GOOD, headers=VALIDATORS)
        first = await feed.fetch(None, WINDOW, [])
        server.answer(GOOD.replace(b"SUMMARY:One", b"SUMMARY:New"), headers=VALIDATORS)
        second = await feed.fetch(first.cursor, WINDOW, [])
        await feed.close()
    assert server.asked[1].headers["if-none-match"] == '"constant"'
    assert not second.unchanged
    assert {one.title for one in second.meetings} == {"New", "Two"}


@pytest.mark.parametrize("scheme", ["webcal", "WEBCAL", "webcals", "https"])
def test_webcal_is_https(scheme: str) -> None:
    assert locate(f"{scheme}://calendar.example.com/x.ics", Path("/")) == "https://calendar.example.com/x.ics"
