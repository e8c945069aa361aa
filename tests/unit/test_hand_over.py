"""Documents go to sessions once for each content, never twice because of a lost answer, and failures are said."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from daemon.database import open_ledger
from sync.artifacts.hand_over import MOST_VERSIONS, HandOver
from sync.errors import Gone, OutsideError, RateLimited, Refused, UnknownOutcome, Unreachable
from sync.gate import VendorGate
from sync.ledger.records import ATTACH, PushedState
from sync.ledger.store import Ledger
from sync.model import Document, Meeting, Session
from sync.ports import Fetched
from sync.settle import Settler
from tests.clock import ManualClock
from tests.unit.builders import FULL, NOW, ROUTE, link_of, meeting

AGENDA = Document("agenda.pdf", "application/pdf", url="https://docs.example.com/agenda.pdf?token=secret")
INLINE = Document("notes.txt", "text/plain", content=b"Notes")
TAKES = replace(FULL, documents_push=True, attach_again=True)
ONCE = replace(TAKES, attach_again=False)


class Outside:
    """The document server and the vendor: what lies behind addresses, and what sessions were given."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.pages: dict[str, bytes] = {str(AGENDA.url): b"%PDF agenda"}
        self.fetching: list[BaseException] = []
        self.attaching: list[BaseException] = []
        self.fetched: list[str] = []
        self.given: list[tuple[str, str, bytes]] = []
        self.ahead: list[list[str]] = []

    async def document(self, document: Document, validator: str) -> Fetched | None:
        self.fetched.append(validator)
        if self.fetching:
            raise self.fetching.pop(0)
        content = self.pages[str(document.url)]
        tag = f'"{content.decode()}"'
        return None if validator == tag else Fetched(replace(document, content=content), tag)

    async def get(self, ref: str) -> Session | None:
        return Session(ref)

    async def attach(self, ref: str, document: Document) -> str:
        self.ahead.append([intent.action for intent in await self.ledger.open_intents(ROUTE.name)])
        if self.attaching:
            raise self.attaching.pop(0)
        self.given.append((ref, document.name, document.content))
        return str(len(self.given))


class Scene:
    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.clock = ManualClock()
        self.outside = Outside(ledger)
        self.capabilities = TAKES
        self.log: list[tuple[str, dict[str, Any]]] = []

    async def hand_over(self, *wishes: Meeting, service: bool = False) -> int:
        outside: Any = self.outside
        gate = VendorGate("main", outside, self.clock, 5.0)
        settler = Settler(ROUTE, self.ledger, gate, self.clock, self._say, ROUTE.freeze, self.capabilities)
        links = await self.ledger.links(ROUTE.name)
        await settler.settle_all({str(link.key): link for link in links})
        work = HandOver(ROUTE.name, outside, gate, self.ledger, self.clock, self._say, self.capabilities, 4)
        return await work.run({wish.key: wish for wish in wishes}, links, respect_backoff=service)

    async def states(self) -> dict[str, str]:
        return {row.name: row.state.value for row in await self.ledger.artifacts.pushed(ROUTE.name)}

    def events(self) -> list[str]:
        return [event for event, _ in self.log]

    def _say(self, event: str, /, **fields: Any) -> None:
        assert "token" not in str(fields)
        self.log.append((event, fields))


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with open_ledger(f"sqlite:///{tmp_path}/convener.db") as ledger:
        await ledger.save_links([link_of(meeting())], NOW)
        yield Scene(ledger)


WISH = meeting(documents=(AGENDA, INLINE))


async def test_documents_are_handed_over_once_each_with_an_intent_written_ahead(scene: Scene) -> None:
    for _ in range(3):
        assert await scene.hand_over(WISH) == 0
    session = "s-m1@example.com"
    assert scene.outside.given == [(session, "agenda.pdf", b"%PDF agenda"), (session, "notes.txt", b"Notes")]
    assert scene.outside.ahead == [[ATTACH], [ATTACH]]
    assert await scene.states() == {"agenda.pdf": "pushed", "notes.txt": "pushed"}
    assert scene.events() == ["document.pushed"] * 2


async def test_a_changed_document_is_handed_over_again(scene: Scene) -> None:
    await scene.hand_over(WISH)
    scene.outside.pages[str(AGENDA.url)] = b"%PDF agenda 2"
    await scene.hand_over(replace(WISH, documents=(AGENDA, replace(INLINE, content=b"Notes 2"))))
    assert [content for _, _, content in scene.outside.given] == [
        b"%PDF agenda",
        b"Notes",
        b"%PDF agenda 2",
        b"Notes 2",
    ]


async def test_equal_content_under_two_addresses_is_handed_over_once(scene: Scene) -> None:
    other = replace(AGENDA, url="https://docs.example.com/copy.pdf")
    scene.outside.pages[str(other.url)] = scene.outside.pages[str(AGENDA.url)]
    await scene.hand_over(replace(WISH, documents=(AGENDA, other)))
    assert len(scene.outside.given) == 1


async def test_the_service_looks_at_an_address_once_an_hour_and_a_one_shot_pass_always(scene: Scene) -> None:
    await scene.hand_over(WISH, service=True)
    await scene.hand_over(WISH, service=True)
    assert len(scene.outside.fetched) == 1
    scene.clock.advance(minutes=61)
    await scene.hand_over(WISH, service=True)
    await scene.hand_over(WISH)
    assert len(scene.outside.fetched) == 3
    assert scene.outside.fetched[1:] == ['"%PDF agenda"'] * 2, "it is asked whether anything has changed"


async def test_a_session_that_was_replaced_gets_its_documents_anew(scene: Scene) -> None:
    await scene.hand_over(WISH)
    await scene.ledger.save_links([link_of(WISH, session="s-new")], NOW)
    await scene.hand_over(WISH)
    assert [ref for ref, _, _ in scene.outside.given] == ["s-m1@example.com"] * 2 + ["s-new"] * 2
    assert len(await scene.states()) == 2, "what the old session was given is forgotten with it"


@pytest.mark.parametrize("what", ["ended", "cancelled", "no session", "not pushing"])
async def test_nothing_is_fetched_for_a_meeting_that_needs_nothing(scene: Scene, what: str) -> None:
    wish = WISH
    if what == "ended":
        scene.clock.advance(days=3)
    elif what == "cancelled":
        wish = replace(WISH, cancelled=True)
    elif what == "no session":
        await scene.ledger.save_links([link_of(WISH, session=None)], NOW)
    else:
        scene.capabilities = FULL
    assert await scene.hand_over(wish) == 0
    assert scene.outside.fetched == []


@pytest.mark.parametrize("error", [Refused("403"), Unreachable("down"), Gone("404", 404)])
async def test_a_document_that_cannot_be_had_is_said_once_and_tried_again(scene: Scene, error: OutsideError) -> None:
    scene.outside.fetching = [error, error]
    assert await scene.hand_over(WISH) == 1
    assert await scene.states() == {"agenda.pdf": "refused", "notes.txt": "pushed"}, "the others go on"
    assert await scene.hand_over(WISH, service=True) == 0, "the service waits before it tries again"
    assert await scene.hand_over(WISH) == 1
    assert await scene.hand_over(WISH) == 0
    assert await scene.states() == {"agenda.pdf": "pushed", "notes.txt": "pushed"}
    assert scene.events().count("document.failed") == 1


@pytest.mark.parametrize("error", [Refused("413"), Unreachable("down"), RateLimited("slow", 600)])
async def test_a_document_that_the_vendor_did_not_take_is_offered_again(scene: Scene, error: OutsideError) -> None:
    scene.outside.attaching = [error]
    assert await scene.hand_over(WISH) > 0
    assert await scene.hand_over(WISH) == 0
    assert sorted(name for _, name, _ in scene.outside.given) == ["agenda.pdf", "notes.txt"]


async def test_a_change_that_could_not_be_handed_over_is_not_forgotten(scene: Scene) -> None:
    await scene.hand_over(WISH)
    scene.outside.pages[str(AGENDA.url)] = b"%PDF agenda 2"
    scene.outside.attaching = [Refused("413")]
    assert await scene.hand_over(WISH) == 1
    assert await scene.states() == {"agenda.pdf": "pushed", "notes.txt": "pushed"}, "the session has the former one"
    assert await scene.hand_over(WISH) == 0
    assert scene.outside.given[-1][2] == b"%PDF agenda 2"


async def test_where_handing_over_again_does_no_harm_a_lost_answer_is_followed_by_another_try(scene: Scene) -> None:
    scene.outside.attaching = [UnknownOutcome("time-out")]
    assert await scene.hand_over(WISH) == 1
    assert await scene.hand_over(WISH) == 0
    assert await scene.ledger.open_intents(ROUTE.name) == []


async def test_where_it_would_be_there_twice_a_lost_answer_is_left_to_a_person(scene: Scene) -> None:
    scene.capabilities = ONCE
    scene.outside.attaching = [UnknownOutcome("time-out")]
    for _ in range(3):
        assert await scene.hand_over(WISH) == 1, "it goes on being said until somebody decides"
    assert await scene.states() == {"agenda.pdf": "in_doubt", "notes.txt": "pushed"}
    assert [name for _, name, _ in scene.outside.given] == ["notes.txt"]
    assert scene.events().count("document.in_doubt") == 1
    for row in await scene.ledger.artifacts.pushed(ROUTE.name):
        await scene.ledger.artifacts.save_pushed(replace(row, state=PushedState.REFUSED, problem=""))
    assert await scene.hand_over(WISH) == 0
    assert sorted(name for _, name, _ in scene.outside.given) == ["agenda.pdf", "notes.txt"]


@pytest.mark.parametrize(("capabilities", "state"), [(TAKES, "pushed"), (ONCE, "in_doubt")])
async def test_a_kill_while_a_document_is_handed_over_is_like_a_lost_answer(
    scene: Scene, capabilities: Any, state: str
) -> None:
    scene.capabilities = capabilities
    (link,) = await scene.ledger.links()
    payload = {"identity": AGENDA.identity, "name": AGENDA.name}
    await scene.ledger.open_intent(link, ATTACH, NOW, payload=payload, recorded=True)
    await scene.hand_over(WISH)
    assert (await scene.states())["agenda.pdf"] == state
    assert await scene.ledger.open_intents(ROUTE.name) == []


async def test_a_defect_in_one_document_stops_no_other_meeting(scene: Scene) -> None:
    other = meeting("m2", documents=(INLINE,))
    await scene.ledger.save_links([link_of(other)], NOW)
    scene.outside.fetching = [ZeroDivisionError()]
    assert await scene.hand_over(WISH, other) == 1
    assert ("s-m2@example.com", "notes.txt", b"Notes") in scene.outside.given
    assert "meeting.defect" in scene.events()


async def test_content_that_comes_back_is_not_handed_over_again(scene: Scene) -> None:
    for content in (b"one", b"two", b"one", b"two"):
        scene.outside.pages[str(AGENDA.url)] = content
        assert await scene.hand_over(meeting(documents=(AGENDA,))) == 0
    assert [content for _, _, content in scene.outside.given] == [b"one", b"two"]


async def test_a_document_that_is_made_anew_at_each_look_does_not_fill_the_session(scene: Scene) -> None:
    for number in range(3 * MOST_VERSIONS):
        scene.outside.pages[str(AGENDA.url)] = str(number).encode()
        await scene.hand_over(meeting(documents=(AGENDA,)))
    assert len(scene.outside.given) == MOST_VERSIONS
    assert scene.events().count("document.failed") == 1


async def test_a_defect_in_one_document_stops_no_other_of_the_meeting(scene: Scene) -> None:
    scene.outside.fetching = [ZeroDivisionError()]
    assert await scene.hand_over(WISH) == 1
    assert await scene.states() == {"agenda.pdf": "refused", "notes.txt": "pushed"}
    assert await scene.hand_over(WISH) == 0


async def test_the_states_are_the_documented_ones() -> None:
    assert {state.value for state in PushedState} == {"pushed", "refused", "in_doubt"}
