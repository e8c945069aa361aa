"""Personal links that the vendor shows with its list of participants: asked for once, and when something is missing."""

from datetime import timedelta

import pytest

from connectors.simulators.faults import Fault
from sync.ledger.records import Registered
from sync.report import Exit
from tests.calendars import entries
from tests.clock import START
from tests.world import World

KEY = "aW4gdGVzdHMgdGhpcyBzZWFscyB0aGUgbGlua3MhISE="
JON, MARA = "jon@example.com", "mara@example.com"


async def people(world: World, name: str = "m0") -> dict[str, Registered]:
    """The participants of a meeting, as the ledger has them."""
    return {person.email: person for person in (await world.links())[str(world.key(name))].invitees}


def given(world: World, ref: str | None = None) -> dict[str, str]:
    """The vendor's links for the participants of a session, or of its newest one."""
    number = int(ref) if ref else max(world.sim.sessions)
    return {invitee.email: invitee.personal_session_link for invitee in world.sim.invitees(number)}


def asked(world: World) -> int:
    """How often the vendor was asked for a list of participants."""
    return sum((entry.method, entry.resource) == ("GET", "invitees") for entry in world.sim.requests)


async def is_quiet(world: World) -> bool:
    requests = len(world.sim.requests)
    assert (await world.reconcile()).exit() is Exit.DONE
    return len(world.sim.requests) == requests


async def test_the_pass_that_registers_people_asks_once_a_session_for_their_links(world: World) -> None:
    world.entries = entries(3)
    assert (await world.reconcile()).exit() is Exit.DONE
    assert asked(world) == 3
    for link in (await world.links()).values():
        links = {person.email: person.personal_link for person in link.invitees}
        assert set(links) == {JON, MARA}
        assert links == given(world, link.session)
        assert not any(secret in str(world.log) for secret in given(world, link.session).values())
    assert await is_quiet(world)


async def test_a_new_participant_is_asked_for_and_the_others_keep_theirs(world: World) -> None:
    world.entries = entries(2)
    await world.reconcile()
    before = await people(world)
    kept = world.entries["m0"].people
    world.entries["m0"] = world.entries["m0"].but(people=(*kept, ("new@example.com", "REQ-PARTICIPANT")))
    await world.reconcile()
    after = await people(world)
    assert asked(world) == 3, "one more, for that session alone"
    session = int((await world.links())[str(world.key("m0"))].session or 0)  # two are made side by side
    assert after["new@example.com"].personal_link in {i.personal_session_link for i in world.sim.invitees(session)}
    assert {email: after[email].personal_link for email in before} == {e: p.personal_link for e, p in before.items()}
    assert await is_quiet(world)


async def test_a_change_of_role_keeps_the_link(world: World) -> None:
    world.entries = entries(1)
    await world.reconcile()
    before = asked(world), (await people(world))[JON].personal_link
    world.entries["m0"] = world.entries["m0"].but(people=((JON, "CHAIR"),))
    await world.reconcile()
    listed = asked(world)
    assert (listed - before[0]) <= 1, "the look for the id that a role takes, and none for links"
    assert (await people(world))[JON].personal_link == before[1]
    assert await is_quiet(world)


async def test_who_is_registered_again_is_asked_for_again(world: World) -> None:
    world.entries = entries(1)
    await world.reconcile()
    former = (await people(world))[JON].personal_link
    for who in ((), ((JON, "REQ-PARTICIPANT"),)):
        world.entries["m0"] = world.entries["m0"].but(people=who)
        await world.reconcile()
    assert (await people(world))[JON].personal_link == given(world)[JON] != former
    assert await is_quiet(world)


async def test_a_session_that_was_made_anew_has_its_links_asked_for_anew(world: World) -> None:
    world.entries = entries(1)
    await world.reconcile()
    former = (await people(world))[JON].personal_link
    world.sim.remove_session(1)
    world.entries["m0"] = world.entries["m0"].but(title="Later")
    for _ in range(2):
        await world.reconcile()
    assert len(world.sim.sessions) == 1
    assert (await people(world))[JON].personal_link == given(world)[JON] != former
    assert await is_quiet(world)


@pytest.mark.parametrize("kind", ["500_before", "reset_before", "garbage", "429", "400_before"])
async def test_a_list_that_could_not_be_had_is_asked_for_in_the_next_pass(world: World, kind: str) -> None:
    world.entries = entries(1)
    # More often than one pass asks, and then never again.
    world.sim.faults.add(Fault(kind, "GET", "invitees", times=20, retry_after=60 if kind == "429" else None))
    await world.reconcile()
    assert {person.personal_link for person in (await people(world)).values()} == {None}
    world.sim.faults.clear()
    world.clock.advance(seconds=90)
    assert (await world.reconcile()).exit() is Exit.DONE
    assert {email: person.personal_link for email, person in (await people(world)).items()} == given(world)
    assert await is_quiet(world)


async def test_who_has_none_at_the_vendor_is_not_asked_for_again(world: World) -> None:
    world.entries = entries(1)
    world.sim.faults.add(Fault("500_before", "GET", "invitees", times=20))
    await world.reconcile()
    world.sim.faults.clear()
    without_links(world)
    assert (await world.reconcile()).exit() is Exit.DONE
    assert {person.personal_link for person in (await people(world)).values()} == {None}
    assert await is_quiet(world)
    asked_before = asked(world)
    world.entries["m0"] = world.entries["m0"].but(title="Something else changes")
    await world.reconcile()
    assert asked(world) == asked_before


def without_links(world: World) -> None:
    """The vendor takes back the links of everybody."""
    for session in world.sim._account.sessions.values():
        for invitee in session.invitees:
            invitee.personal_session_link = ""


async def test_a_meeting_that_is_over_is_asked_nothing_about(world: World) -> None:
    world.entries = entries(1, first=START + timedelta(minutes=30))
    world.sim.faults.add(Fault("500_before", "GET", "invitees", times=20))
    await world.reconcile()
    world.sim.faults.clear()
    world.clock.advance(hours=2)
    before = asked(world)
    await world.reconcile()
    assert asked(world) == before


async def test_with_a_key_no_byte_on_the_disk_holds_a_link_after_a_pass(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.entries = entries(2)
    await world.reconcile()
    links = [i.personal_session_link for ref in world.sim.sessions for i in world.sim.invitees(ref)]

    def found() -> list[str]:
        stored = b"".join(file.read_bytes() for file in world.folder.iterdir())
        tokens = [link.rpartition("/")[2] for link in links]
        return [token for token in tokens if token.encode() in stored]

    assert len(found()) == 4, "this is how they would be found"
    monkeypatch.setenv("CONVENER_SECRET_KEY", KEY)
    assert await is_quiet(world)
    assert found() == []
    for link in (await world.links()).values():
        assert {person.email: person.personal_link for person in link.invitees} == given(world, link.session)
