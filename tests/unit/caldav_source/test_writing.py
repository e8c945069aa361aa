"""What a PUT that goes wrong says about its effect, and whom the server would mail."""

from collections.abc import AsyncIterator

import pytest

from connectors.sources.caldav import CalDavSource
from sync.errors import CredentialsRefused, Gone, RateLimited, Refused, UnknownOutcome, Unreachable
from sync.model import MeetingKey
from tests.dav_http import Asked, Reply
from tests.unit.caldav_source.stand_in import PATH, StandIn, a_calendar, source
from tests.unit.caldav_source.test_misbehaving import WINDOW, text

LINK = "https://meet.vendor.example/1"
KEY = MeetingKey("cal", "a")
BOSS, ANN, ME = (
    f"{kind}:mailto:{name}@x.example" for kind, name in [("ORGANIZER", "boss"), ("ATTENDEE", "ann"), ("ATTENDEE", "me")]
)
OUTBOX = "<C:schedule-outbox-URL><D:href>/dav/outbox/</D:href></C:schedule-outbox-URL>"


def addresses(*hrefs: str) -> str:
    inside = "".join(f"<D:href>{href}</D:href>" for href in hrefs)
    return f"<C:calendar-user-address-set>{inside}</C:calendar-user-address-set>"


@pytest.fixture
async def server() -> AsyncIterator[StandIn]:
    async with a_calendar() as made:
        made.put("a.ics", text("a"))
        yield made


@pytest.fixture
async def calendar(server: StandIn) -> AsyncIterator[CalDavSource]:
    made = source(server, timeout="500ms")
    await made.fetch(None, WINDOW, ())
    server.kinds()
    yield made
    await made.close()


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (500, UnknownOutcome),
        (502, UnknownOutcome),
        (301, UnknownOutcome),
        (507, UnknownOutcome),
        (401, CredentialsRefused),
        (403, Refused),
        (404, Gone),
        (409, Refused),
        (413, Refused),
        (415, Refused),
        (429, RateLimited),
    ],
)
async def test_a_put_that_fails_is_made_once_and_says_what_is_known(
    server: StandIn, calendar: CalDavSource, status: int, error: type[Exception]
) -> None:
    server.respond_first = lambda asked: Reply(status) if asked.method == "PUT" else None
    with pytest.raises(error) as raised:
        await calendar.write_link(KEY, LINK, "")
    assert type(raised.value) is error
    assert server.kinds().count("PUT") == 1
    assert PATH not in str(raised.value)


async def test_a_put_without_an_answer_is_of_unknown_outcome_and_can_be_made_again(
    server: StandIn, calendar: CalDavSource
) -> None:
    server.stuck = True
    with pytest.raises(UnknownOutcome):
        await calendar.write_link(KEY, LINK, "")
    server.stuck = False
    assert await calendar.write_link(KEY, LINK, "")
    assert server.stored[PATH + "a.ics"].text.count(f"URL:{LINK}") == 2  # URL and our mark
    assert server.revision == 2


async def test_others_who_are_always_faster_are_not_overwritten(server: StandIn, calendar: CalDavSource) -> None:
    def faster(asked: Asked) -> None:
        if asked.method == "PUT":
            server.put("a.ics", text("a", f"edit {server.revision}"))

    server.respond_first = faster  # type: ignore[assignment]
    with pytest.raises(Refused, match="others changed"):
        await calendar.write_link(KEY, LINK, "")
    assert LINK not in server.stored[PATH + "a.ics"].text


async def test_a_server_that_drops_what_it_took_is_noticed(server: StandIn, calendar: CalDavSource) -> None:
    server.respond_first = lambda asked: Reply(204) if asked.method == "PUT" else None
    with pytest.raises(Refused, match="dropped"):
        await calendar.write_link(KEY, LINK, "")


async def test_an_entry_that_cannot_be_read_back_is_of_unknown_outcome(server: StandIn, calendar: CalDavSource) -> None:
    def broken(asked: Asked) -> Reply | None:
        return Reply(500) if asked.method == "GET" and server.revision > 1 else None

    server.respond_first = broken
    with pytest.raises(UnknownOutcome):
        await calendar.write_link(KEY, LINK, "")
    assert LINK in server.stored[PATH + "a.ics"].text


async def test_nothing_is_written_when_the_entry_cannot_be_read(server: StandIn, calendar: CalDavSource) -> None:
    server.respond_first = lambda asked: Reply(500) if asked.method == "GET" else None
    with pytest.raises(Unreachable):
        await calendar.write_link(KEY, LINK, "")
    assert "PUT" not in server.kinds()


@pytest.mark.parametrize("body", [text("a")[:-20], text("a").replace("\r\n", "\r"), text("a") + "\0"])
async def test_an_entry_that_is_not_plain_is_left_as_it_is(server: StandIn, calendar: CalDavSource, body: str) -> None:
    server.put("a.ics", body)
    with pytest.raises(Refused):
        await calendar.write_link(KEY, LINK, "")
    assert "PUT" not in server.kinds()


@pytest.mark.parametrize("link", ["javascript:alert(1)", "https://x.example/a b", "https://x.example/\r\nX:1", "x"])
async def test_what_is_no_address_is_not_written(server: StandIn, calendar: CalDavSource, link: str) -> None:
    with pytest.raises(Refused):
        await calendar.write_link(KEY, link, "")
    assert server.kinds() == []


async def test_an_entry_that_moved_within_the_calendar_is_found_again(server: StandIn, calendar: CalDavSource) -> None:
    server.delete("a.ics")
    server.put("moved.ics", text("a"))
    server.put("longer.ics", text("a-and-more"))
    said = server._sync_collection

    def query(asked: Asked) -> Reply | None:
        return said(asked) if asked.kind == "calendar-query" else None

    server.tokens, server.forgets = True, "everything"
    server.respond_first = query
    assert await calendar.write_link(KEY, LINK, "")
    assert LINK in server.stored[PATH + "moved.ics"].text
    assert LINK not in server.stored[PATH + "longer.ics"].text


@pytest.mark.parametrize(
    ("principal", "people", "muted"),
    [
        ((), (BOSS, ANN), True),
        ((OUTBOX,), (BOSS, ANN), True),
        ((OUTBOX, addresses("mailto:me@x.example")), (BOSS, ANN), True),
        ((OUTBOX, addresses("/dav/me/", "mailto:ME@X.example")), (BOSS, ANN, ME), False),
        ((OUTBOX, addresses("mailto:boss@x.example")), (BOSS, ANN), None),
        ((OUTBOX, addresses("urn:uuid:1")), ("ORGANIZER:urn:uuid:1", ANN), None),
        ((OUTBOX, addresses("mailto:boss@x.example")), (BOSS,), True),
        ((OUTBOX, addresses("mailto:boss@x.example")), (BOSS, ANN.replace(":", ";SCHEDULE-AGENT=NONE:", 1)), True),
        ((OUTBOX, addresses("mailto:boss@x.example")), (), True),
        ((addresses("mailto:boss@x.example"),), (BOSS, ANN), True),
    ],
)
async def test_nobody_is_mailed_because_of_a_link(
    server: StandIn, calendar: CalDavSource, principal: tuple[str, ...], people: tuple[str, ...], muted: bool | None
) -> None:
    server.principal = principal
    server.put("a.ics", text("a", "Demo", *people))
    if muted is None:
        with pytest.raises(Refused, match="sends invitations"):
            await calendar.write_link(KEY, LINK, "")
        assert "PUT" not in server.kinds()
        return
    assert await calendar.write_link(KEY, LINK, "")
    lines = server.stored[PATH + "a.ics"].text.replace("\r\n ", "").split("\r\n")
    silent = [line for line in lines if line.startswith(("ORGANIZER", "ATTENDEE")) and "SCHEDULE-AGENT" in line]
    assert len(silent) == (len(people) if muted else 0)
