"""Traps of real calendars over whole passes: sessions are kept, moved and removed as people mean it."""

from itertools import permutations

import pytest

from sync.report import Exit
from tests.unit.ical.support import calendar, event
from tests.unit.ical.test_traps_text import mail
from tests.world import World, find, results

SERIES = event("RRULE:FREQ=DAILY;COUNT=3", "SUMMARY:Daily", start=":20261124T090000Z", end=":20261124T100000Z")
SECOND = "sales:a@20261125T090000Z"


def moved(start: str, *lines: str) -> str:
    return event(
        "RECURRENCE-ID:20261125T090000Z", "SUMMARY:Daily", *lines, "DURATION:PT1H", start=f":{start}", end=None
    )


async def one_pass(world: World, *parts: str, text: str | bytes = "") -> tuple[Exit, dict[str, int]]:
    world.publish(text or calendar(*parts))
    report = await world.reconcile(publish=False)
    return report.exit(), results(report)


@pytest.mark.parametrize("far", ["20261126T150000Z", "20270301T150000Z"])
async def test_an_override_keeps_its_session_when_it_moves_also_across_the_window_edge(world: World, far: str) -> None:
    assert await one_pass(world, SERIES) == (Exit.DONE, {"create done": 3})
    before = (await world.links())[SECOND]
    world.publish(calendar(SERIES, moved(far)))
    report = await world.reconcile(publish=False)
    change = find(report, key=SECOND)
    assert (change.action, change.link, results(report)) == ("update", "kept", {"update done": 1})
    after = (await world.links())[SECOND]
    assert (after.session, after.join_url) == (before.session, before.join_url)
    assert after.start.strftime("%Y%m%dT%H%M%SZ") == far
    assert await one_pass(world, SERIES, moved(far)) == (Exit.DONE, {})
    back = await one_pass(world, SERIES)
    assert back == (Exit.DONE, {"update done": 1}), "and when it moves back"
    assert (await world.links())[SECOND].session == before.session


async def test_an_override_that_moves_into_the_window_is_made_and_out_again_is_kept(world: World) -> None:
    world.configure(route='ahead = "3d"')
    later = SERIES.replace("20261124T", "20261201T")
    into = moved("20261125T150000Z").replace("RECURRENCE-ID:20261125", "RECURRENCE-ID:20261202")
    assert await one_pass(world, later) == (Exit.DONE, {})
    assert await one_pass(world, later, into) == (Exit.DONE, {"create done": 1})
    assert list(await world.links()) == ["sales:a@20261202T090000Z"]
    assert await one_pass(world, later) == (Exit.DONE, {"update done": 1})


async def test_an_override_without_master_keeps_its_session_when_the_master_arrives(world: World) -> None:
    assert await one_pass(world, moved("20261125T120000Z")) == (Exit.DONE, {"create done": 1})
    assert await one_pass(world, SERIES, moved("20261125T120000Z")) == (Exit.DONE, {"create done": 2})


async def test_a_feed_of_method_cancel_removes_what_it_names_and_nothing_else(world: World) -> None:
    others = [event(f"SUMMARY:{n}", uid=f"o{n}", start=f":2026112{n}T120000Z", end=None) for n in range(5, 9)]
    assert await one_pass(world, SERIES, *others) == (Exit.DONE, {"create done": 7})
    assert await one_pass(world, "METHOD:CANCEL", SERIES) == (Exit.DONE, {"cancel done": 3})
    assert world.topics() == ["5", "6", "7", "8"]
    gone = (Exit.DONE, {"cancel done": 4})
    assert await one_pass(world, "METHOD:CANCEL", *others) == gone, "an explicit word does not count for the guard"


@pytest.mark.parametrize("wrap", [lambda text: text, mail], ids=["calendar", "raw mail"])
async def test_itip_mails_saved_over_each_other(world: World, wrap: object) -> None:
    def message(method: str, *parts: str) -> str | bytes:
        return wrap(calendar(f"METHOD:{method}", *parts))  # type: ignore[operator, no-any-return]

    assert await one_pass(world, text=message("REQUEST", SERIES)) == (Exit.DONE, {"create done": 3})
    assert await one_pass(world, text=message("REPLY", SERIES)) == (Exit.DONE, {})
    assert await one_pass(world, text=message("COUNTER", moved("20261127T120000Z"))) == (Exit.DONE, {})
    changed = moved("20261125T110000Z", "SEQUENCE:1")
    assert await one_pass(world, text=message("REQUEST", changed)) == (Exit.DONE, {"update done": 1})
    one = moved("20261125T110000Z", "SEQUENCE:2")
    assert await one_pass(world, text=message("CANCEL", one)) == (Exit.DONE, {"cancel done": 1})
    bare = "BEGIN:VEVENT\r\nUID:a\r\nDTSTAMP:20261120T100000Z\r\nSEQUENCE:3\r\nEND:VEVENT"
    assert await one_pass(world, text=message("CANCEL", bare)) == (Exit.DONE, {"cancel done": 2})
    assert world.topics() == []


async def test_one_uid_for_everything_doubles_and_deletes_nothing_in_whatever_order(world: World) -> None:
    parts = [event(f"SUMMARY:{n}", start=f":2026112{n}T090000Z", end=None) for n in range(4, 8)]
    assert await one_pass(world, parts[0]) == (Exit.DONE, {"create done": 1})
    first = (await world.links())["sales:a"].session
    assert await one_pass(world, *parts) == (Exit.DONE, {"create done": 3})
    assert (await world.links())["sales:a@20261124T090000Z"].session == first, "the first one's session goes on"
    for order in list(permutations(parts))[1::5]:
        assert await one_pass(world, *order) == (Exit.DONE, {})
    assert await one_pass(world, *parts[1:]) == (Exit.DONE, {"cancel done": 1})
    assert world.topics() == ["5", "6", "7"]


async def test_what_had_to_be_assumed_is_said_with_the_change(world: World) -> None:
    text = calendar("X-WR-TIMEZONE:Nowhere", event("SUMMARY:Zürich", start=":20261124T090000", end=":20261124T100000"))
    world.publish(text.encode("cp1252"))
    report = await world.reconcile(publish=False)
    (change,) = report.changes
    assert {finding.code for finding in change.findings} >= {"charset-assumed", "timezone-assumed"}
    assert (report.exit(), world.topics()) == (Exit.DONE, ["Zürich"])

    async def check(inside: object) -> list[str]:
        async with inside.working("sales") as reconciler:  # type: ignore[attr-defined]
            return [finding.code for finding in await reconciler.source.check()]

    assert await world.open(check) == ["charset-assumed", "timezone-assumed"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (calendar("BEGIN:VEVENT\nUID:1\nEND:VEVENT\n" * 1_000_000), Exit.UNREACHABLE),
        (calendar(SERIES, "BEGIN:X\n" * 1000 + "END:X\n" * 1000), Exit.PARTIAL),
        (calendar(SERIES, event("DESCRIPTION:" + "x" * 1_048_576, uid="long")), Exit.PARTIAL),
        (calendar(SERIES, event("RRULE:FREQ=SECONDLY", uid="endless")), Exit.PARTIAL),
    ],
    ids=["a million events", "a nesting of a thousand", "a line of a mebibyte", "every second"],
)
async def test_what_is_absurd_ends_in_a_clear_error_and_costs_no_session(world: World, text: str, code: Exit) -> None:
    assert await one_pass(world, SERIES) == (Exit.DONE, {"create done": 3})
    world.publish(text)
    report = await world.reconcile(publish=False)
    assert (report.exit(), results(report)) == (code, {})
    said = report.snapshot.reason or report.snapshot.rejected[0].reason
    assert any(words in said for words in ("250,000 entries", "100 deep", "512 KiB", "max_occurrences"))
    assert len(world.topics()) == 3
