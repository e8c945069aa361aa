"""A seeded world: random edits of the calendar, random faults of the vendor, bad reads.

Each step checks what must always hold; at the end, with the faults gone, it must have converged. A failing seed
replays: it is in the test's name.
"""

import random
from datetime import timedelta

import pytest

from connectors.simulators.faults import Fault
from sync.report import Exit
from tests.calendars import Entry, entries
from tests.clock import START
from tests.world import World

SEEDS = 30
STEPS = 10

PEOPLE = [f"{name}@example.com" for name in ("ana", "ben", "cem", "dia", "eva")]
KINDS = (
    "500_before", "500_after", "503_after", "reset_before", "reset_after", "hang_after", "truncate", "garbage", "empty",
    "429", "400_before", "301_after", "404_before", "409_before",
)  # fmt: skip
CALLS = [
    ("PUT", "session"), ("POST", "session"), ("DELETE", "session"), ("PUT", "invitee"), ("POST", "invitee"),
    ("DELETE", "invitee"), ("GET", "sessions"), ("GET", "session"), ("GET", "invitees"),
]  # fmt: skip


def edit(world: World, dice: random.Random, number: int) -> None:
    """One random edit of the calendar."""
    names = sorted(world.entries)
    name = dice.choice(names) if names else ""
    match dice.randrange(6):
        case 0:
            start = START + timedelta(days=2, minutes=15 * dice.randrange(900))
            world.entries[f"n{number}"] = Entry(f"n{number}@example.com", start, title=f"New {number}")
        case 1 if name:
            world.entries[name] = world.entries[name].but(title=f"Title {number} & <b>+%</b>")
        case 2 if name:
            moved = world.entries[name].start + timedelta(minutes=dice.randrange(-600, 600))
            world.entries[name] = world.entries[name].but(start=moved)
        case 3 if name:
            chosen = dice.sample(PEOPLE, dice.randrange(len(PEOPLE)))
            people = tuple((email, dice.choice(["CHAIR", "REQ-PARTICIPANT", "NON-PARTICIPANT"])) for email in chosen)
            world.entries[name] = world.entries[name].but(people=people)
        case 4 if name:
            world.entries[name] = world.entries[name].but(cancelled=not world.entries[name].cancelled)
        case _ if name:
            del world.entries[name]


def always(world: World, foreign: dict[int, object]) -> None:
    """What holds after every single pass, whatever went wrong in it."""
    sessions = world.sim.sessions
    assert {ref: sessions.get(ref) for ref in foreign} == foreign, "a foreign session was touched"
    assert world.sim.mails == []


def roles(entry: Entry) -> dict[str, int]:
    numbers = {"CHAIR": 1, "REQ-PARTICIPANT": 2, "NON-PARTICIPANT": 3}
    return {email: numbers[role] for email, role in entry.people} | {entry.organizer: 1}


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_a_random_world_converges_with_nothing_doubled_lost_or_foreign_touched(world: World, seed: int) -> None:
    dice = random.Random(seed)
    world.configure(vendor=f'timeout = "200ms"\nsettle = "{dice.choice(["0s", "2s", "60s"])}"')
    foreign = {s.id: s for s in (world.sim.add_session(topic=f"Foreign {n}") for n in range(3))}
    world.entries = entries(6, first=START + timedelta(days=2))
    for step in range(STEPS):
        for n in range(dice.randrange(3)):
            edit(world, dice, 10 * step + n)
        for _ in range(dice.choice([0, 1, 1, 2, 4])):
            method, resource = dice.choice(CALLS)
            kind = dice.choice(KINDS)
            if (kind, method) == ("404_before", "DELETE"):
                continue  # by the vendor's contract 404 says that it is gone; a lie here is a drift check's business
            retry_after = dice.choice([1, 30]) if kind == "429" else None
            world.sim.faults.add(Fault(kind, method, resource, after=dice.randrange(3), retry_after=retry_after))
        world.publish()
        if dice.random() < 0.2:
            world.publish(b"<html>busy</html>" if dice.random() < 0.5 else b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n")
        await world.reconcile(publish=False)
        always(world, foreign)
        world.clock.advance(seconds=dice.choice([0, 10, 70, 400]))
    await converges(world)
    always(world, foreign)
    live = {s.topic: s for ref, s in world.sim.sessions.items() if ref not in foreign}
    wanted = {entry.title: entry for entry in world.entries.values() if not entry.cancelled}
    assert world.topics() == sorted(wanted)
    assert world.doubled_invitees() == []
    for title, entry in wanted.items():
        assert live[title].start_time == f"{entry.start:%Y-%m-%d %H:%M:%S}"
        assert {i.email: i.role for i in live[title].invitees} == roles(entry)


async def converges(world: World) -> None:
    """The faults are gone: a person releases what was set aside, and a few passes later all is in step."""
    world.sim.faults.clear()
    for _ in range(4):
        world.clock.advance(minutes=5)

        async def release(inside):  # type: ignore[no-untyped-def]
            from dataclasses import replace

            from sync.effects import settled
            from sync.ledger.records import LinkState

            for link in await inside.ledger.links():
                if link.state is LinkState.QUARANTINED:
                    state = LinkState.LIVE if link.session else LinkState.PENDING
                    await inside.ledger.save_link(replace(settled(link), state=state), world.clock.now())

        await world.open(release)
        report = await world.reconcile(force=True)
    assert report.exit() is Exit.DONE
    asked = len(world.sim.requests)
    assert (await world.reconcile()).changes == ()
    assert len(world.sim.requests) == asked
