"""What the ledger tells a person at a glance: the newest steps, the next meetings, what is in trouble."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from daemon.database import open_ledger
from sync.change import Action, Change, LinkEffect, Result
from sync.ledger import steps as module
from sync.ledger.records import (
    DOUBT,
    Link,
    LinkState,
    Occurrence,
    Pulled,
    PulledState,
    Pushed,
    PushedState,
    Registered,
)
from sync.ledger.store import Ledger
from sync.ledger.write_backs import LINK, WriteBack, WriteState
from sync.model import Finding, MeetingKey, Participant, Role
from tests.clock import START

HOUR = timedelta(hours=1)


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    async with open_ledger(f"sqlite:///{tmp_path}/ledger.db") as opened:
        yield opened


def change(name: str = "m", result: Result = Result.DONE, why: str = "", reason: str = "new", **more: object) -> Change:
    findings = (Finding("x", why),) if why else ()
    made = Change(MeetingKey("s", name), Action.CREATE, reason, LinkEffect.NEW, f"Title {name}", START, result)
    return replace(made, findings=findings, **more)  # type: ignore[arg-type]


class TestSteps:
    async def test_a_step_tells_what_was_done_to_which_meeting_and_why(self, ledger: Ledger) -> None:
        anna = Participant("anna@example.com", "Anna", Role.PARTICIPANT)
        await ledger.steps.record("r", [change(person=anna, reason="new among the participants")], START)
        (step,) = await ledger.steps.newest(10)
        assert step == module.Step(
            "r", "s:m", "Title m", START, "create", "done", "new", "anna@example.com", "new among the participants"
        )

    async def test_of_one_that_was_not_done_it_says_why_not(self, ledger: Ledger) -> None:
        await ledger.steps.record("r", [change(result=Result.FAILED, why="the vendor says no")], START)
        (step,) = await ledger.steps.newest(10)
        assert (step.result, step.reason) == ("failed", "new: the vendor says no")

    async def test_what_is_only_planned_is_no_step(self, ledger: Ledger) -> None:
        await ledger.steps.record("r", [change(result=Result.PLANNED)], START)
        assert await ledger.steps.newest(10) == []

    async def test_they_come_newest_first_over_all_routes(self, ledger: Ledger) -> None:
        await ledger.steps.record("b", [change("1"), change("2")], START + HOUR)
        await ledger.steps.record("a", [change("3")], START)
        assert [step.key for step in await ledger.steps.newest(2)] == ["s:2", "s:1"]

    async def test_of_each_route_the_newest_are_kept(self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "KEPT", 3)
        await ledger.steps.record("quiet", [change("q")], START)
        for number in range(5):
            await ledger.steps.record("busy", [change(f"{number}")], START + number * HOUR)
        await ledger.steps.record("busy", [change(f"{number}") for number in range(10, 20)], START + 9 * HOUR)
        assert [step.key for step in await ledger.steps.newest(50)] == ["s:19", "s:18", "s:17", "s:q"]

    @pytest.mark.parametrize("result", [Result.FAILED, Result.DEFERRED, Result.IN_DOUBT])
    async def test_what_each_pass_finds_again_is_kept_once(self, ledger: Ledger, result: Result) -> None:
        for number in range(4):
            await ledger.steps.record("r", [change(result=result, why="waits")], START + number * HOUR)
        assert [step.at for step in await ledger.steps.newest(9)] == [START]
        await ledger.steps.record("r", [change(result=result, why="something else")], START + 5 * HOUR)
        await ledger.steps.record("r", [change(result=Result.DONE)], START + 6 * HOUR)
        await ledger.steps.record("r", [change(result=result, why="something else")], START + 7 * HOUR)
        assert len(await ledger.steps.newest(9)) == 4

    async def test_what_is_held_back_is_what_the_last_pass_held(self, ledger: Ledger) -> None:
        held = [change(name, Result.HELD, "too many") for name in ("1", "2", "3")]
        await ledger.steps.record("r", held, START)
        await ledger.steps.record("r", held[:2], START + HOUR)
        assert [step.key for step in await ledger.steps.held("r", START + HOUR)] == ["s:1", "s:2"]
        assert len(await ledger.steps.newest(9)) == 3, "not once for each pass"
        assert await ledger.steps.newest(9, held=False) == []
        assert await ledger.steps.held("other", START) == []

    async def test_a_pass_of_thousands_is_taken(self, ledger: Ledger) -> None:
        many = [change(f"{n}", Result.HELD if n % 2 else Result.DONE) for n in range(3000)]
        for number in range(2):
            await ledger.steps.record("r", many, START + number * HOUR)
        assert len(await ledger.steps.newest(9999)) == module.KEPT

    async def test_hostile_texts_are_kept_as_far_as_a_database_takes_them(self, ledger: Ledger) -> None:
        await ledger.steps.record("r", [replace(change(reason="a\0b\ud83d"), title="<b>\u202e")], START)
        (step,) = await ledger.steps.newest(1)
        assert (step.title, step.reason) == ("<b>\u202e", "a?b?")


def link(name: str, hours: float = 1, **more: object) -> Link:
    start = START + timedelta(hours=hours)
    made = Link(
        "r", MeetingKey("s", name), "v", "", LinkState.LIVE, f"session-{name}", f"Title {name}", start, start + HOUR,
        f"https://v.example/{name}", {},
    )  # fmt: skip
    return replace(made, **more)  # type: ignore[arg-type]


ANNA = Registered("anna@example.com", "Anna", Role.PARTICIPANT, personal_link="https://v.example/of-anna")
NAMELESS = Registered("bob@example.com", "", Role.PARTICIPANT)


class TestUpcoming:
    async def test_the_next_ones_come_first_and_what_is_over_or_off_does_not(self, ledger: Ledger) -> None:
        soon = link("next", 1, invitees=(ANNA, NAMELESS))
        off = link("off", 1, state=LinkState.CANCELLED)
        for one in (link("later", 5), link("over", -2), link("running", -0.5), soon, off):
            await ledger.save_link(one, START)
        found = await ledger.overview.upcoming(START, 10)
        assert [one.key for one in found] == ["s:running", "s:next", "s:later"]
        assert (found[1].people, found[1].state, found[1].join_url) == (
            ("Anna", "bob@example.com"),
            "live",
            "https://v.example/next",
        )
        assert [one.key for one in await ledger.overview.upcoming(START, 1)] == ["s:running"]
        assert "of-anna" not in repr(found), "personal links are not even read"

    async def test_of_a_standing_room_its_uses_are_listed_and_not_the_room(self, ledger: Ledger) -> None:
        room = link("room", 0.1)
        await ledger.save_link(room, START)
        await ledger.save_link(link("single", 2), START)
        await ledger.occurrences.save(
            *(
                Occurrence(
                    "r", MeetingKey("s", "room", START + hours * HOUR), "s:room", "v", "session-room" if on else "",
                    f"Use {hours}", START + hours * HOUR, START + (hours + 1) * HOUR,
                    people=(Participant("anna@example.com", "Anna", Role.PARTICIPANT),), off=not on,
                )
                for hours, on in ((-4, True), (1, True), (3, True), (5, False))
            ),
            Occurrence(
                "r", MeetingKey("s", "single"), "s:single", "v", "x", "Single", START + 2 * HOUR, START + 3 * HOUR
            ),
        )  # fmt: skip
        found = await ledger.overview.upcoming(START, 10)
        assert [one.title for one in found] == ["Use 1", "Title single", "Use 3"]
        assert (found[0].join_url, found[0].people, found[0].state) == ("https://v.example/room", ("Anna",), "live")
        assert await ledger.overview.ahead(START) == {"r": 2}


class TestTrouble:
    async def test_it_is_what_waits_or_failed_and_nothing_else(self, ledger: Ledger) -> None:
        doubted = replace(NAMELESS, stale=DOUBT)
        refused = replace(NAMELESS, personal_link="")
        for one in (
            link("well", invitees=(ANNA,)),
            link("aside", -9, state=LinkState.QUARANTINED, problem="no"),
            link("doubt", state=LinkState.IN_DOUBT, session=None),
            link("failed", problem="tried"),
            link("failed-and-over", -9, problem="tried"),
            link("off", problem="tried", state=LinkState.CANCELLED),
            link("person", invitees=(doubted, ANNA)),
            link("person-over", -9, invitees=(doubted,)),
            link("refused", invitees=(refused, ANNA)),
        ):
            await ledger.save_link(one, START)
        found = await ledger.overview.troubled(START, 20)
        assert {one.key.uid for one in found} == {"aside", "doubt", "failed", "person", "refused"}
        assert await ledger.overview.number_troubled(START) == (5, 2)
        first = await ledger.overview.troubled(START, 2)
        assert {one.key.uid for one in first} == {"aside", "doubt"}, "what waits for a person comes first"
        assert "of-anna" not in repr([one.invitees for one in found])

    async def test_what_did_not_get_where_it_should_is_told_in_the_words_of_status(self, ledger: Ledger) -> None:
        await ledger.save_link(link("m"), START)
        await ledger.save_link(link("over", -5), START)
        for number, (state, key) in enumerate(
            ((PushedState.REFUSED, "s:m"), (PushedState.IN_DOUBT, "s:m"), (PushedState.PUSHED, "s:m"),
             (PushedState.REFUSED, "s:over"))
        ):  # fmt: skip
            why = "" if state is PushedState.PUSHED else "why"
            one = Pushed("r", key, "v", "x", f"i{number}", f"paper-{number}.pdf", state, START, problem=why)
            await ledger.artifacts.save_pushed(one)
        for number, state in enumerate((PulledState.GIVEN_UP, PulledState.LISTED, PulledState.STORED)):
            one_of = Pulled("r", "s:over", "v", "x", "recording", f"{number}", "film.mp4", "stem", state, START)
            await ledger.artifacts.save_pulled(one_of)
        failing = Occurrence("r", MeetingKey("s", "o"), "s:o", "v", "x", "Looked at", START, START, problem="no answer")
        await ledger.occurrences.save(failing)
        for key, thing, state, why in (
            ("m", LINK, WriteState.REFUSED, "no"), ("m", "film", WriteState.WAITING, "503"),
            ("over", LINK, WriteState.WAITING, "late"), ("o", "film", WriteState.SKIPPED, "no place"),
        ):  # fmt: skip
            ends = START + HOUR if key == "m" else START - HOUR
            of = MeetingKey("s", key)
            await ledger.write_backs.save(WriteBack("r", of, thing, ends, state, "x", thing, problem=why))
        found = await ledger.overview.missed(START, 9)
        assert [(one.what, one.key, one.problem) for one in found] == [
            ("documents_in_doubt", "s:m", "why"),
            ("documents_refused", "s:m", "why"),
            ("artifacts_given_up", "s:over", ""),
            ("looks_failed", "s:o", "no answer"),
            ("write_backs_waiting", "s:m", "503"),
            ("write_backs_refused", "s:m", "no"),
        ]


async def test_what_was_stored_lately_comes_with_its_meetings_title(ledger: Ledger) -> None:
    await ledger.save_link(link("m"), START)
    await ledger.occurrences.save(
        Occurrence("r", MeetingKey("s", "o"), "s:m", "v", "x", "The use", START - HOUR, START)
    )
    for number, (key, state) in enumerate(
        (
            ("s:m", PulledState.STORED),
            ("s:o", PulledState.STORED),
            ("s:gone", PulledState.STORED),
            ("s:m", PulledState.REMOVED),
        )
    ):
        await ledger.artifacts.save_pulled(
            Pulled("r", key, "v", "x", "recording", f"{number}", f"{number}.mp4", "stem", state, START, size=7,
                   stored_at=START + number * HOUR)
        )  # fmt: skip
    found = await ledger.overview.lately_stored(9)
    assert [(one.name, one.title, one.size) for one in found] == [
        ("2.mp4", "", 7), ("1.mp4", "The use", 7), ("0.mp4", "Title m", 7),
    ]  # fmt: skip
    assert len(await ledger.overview.lately_stored(1)) == 1
