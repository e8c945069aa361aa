"""The seeded world of `test_random_world.py` at the other four vendors: each is held to what it can do, and no less.

At the end, with the faults gone, the vendor holds one session for each meeting and nothing else of ours (but for what
it cannot find or remove), and a further pass asks it nothing. A failing seed replays: it is in the test's name.
"""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.simulators.faults import Fault
from connectors.simulators.idiligo import IdiligoSimulator
from connectors.simulators.isl_groop import IslGroopSimulator
from connectors.simulators.livedigital import LivedigitalSimulator
from connectors.simulators.openmeetings import OpenMeetingsSimulator
from sync.effects import released as let_go
from sync.ledger.records import GONE
from tests.calendars import entries
from tests.clock import START
from tests.simulation.test_random_world import KINDS, converges, edit
from tests.world import World, a_world

SEEDS = 6
STEPS = 8
VALUES = 'values = {subject = "{title}", when = "{start}", who = "{participant.email}"}'


@dataclass(frozen=True)
class Kind:
    """One vendor: how it is simulated, how its foreign sessions are made and seen, which calls meet faults."""

    make: Callable[..., Any]
    add_foreign: Callable[[Any], str]
    present: Callable[[Any], dict[str, Any]]
    """Everything that the vendor holds, by reference."""
    calls: tuple[str, ...]
    extra: str = ""


def appointments(sim: Any) -> dict[str, Any]:
    rooms = {one.id: one for one in sim.rooms.values() if not one.deleted}
    kept = {str(a.room_id): a for a in sim.appointments.values() if not a.deleted and a.room_id in rooms}
    assert len(kept) == sum(not a.deleted for a in sim.appointments.values()), "two appointments in one room"
    return kept


KINDS_OF_VENDORS = {
    "openmeetings": Kind(
        OpenMeetingsSimulator,
        lambda sim: str(sim.add_session().room_id),
        appointments,
        (
            "login", "room.find", "room.create", "room.get", "room.update", "room.delete", "room.hash",
            "calendar.room", "calendar.create", "calendar.update", "calendar.delete",
        ),
    ),
    "isl-groop": Kind(
        IslGroopSimulator,
        lambda sim: str(sim.add_session().code),
        lambda sim: dict(sim.sessions),
        ("login", "get_info", "create", "add_registered_user", "delete"),
    ),
    "idiligo": Kind(
        IdiligoSimulator,
        lambda sim: str(sim.add_session()),
        lambda sim: {str(ref): call for ref, call in sim.calls.items()},
        ("Login", "CreateCall", "GetPublicCallId", "SetValues", "CreateContact", "SetContact"),
        VALUES,
    ),
    "livedigital": Kind(
        LivedigitalSimulator,
        lambda sim: str(sim.add_session().id),
        lambda sim: dict(sim.rooms),
        ("spaces", "rooms", "room", "room-create", "room-update", "room-delete", "generate-access"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("seed", range(SEEDS))
@pytest.mark.parametrize("name", KINDS_OF_VENDORS)
async def test_each_vendor_converges_to_what_it_can_hold(name: str, seed: int, tmp_path: Path) -> None:
    kind, dice = KINDS_OF_VENDORS[name], random.Random(f"{name}/{seed}")
    with a_world(tmp_path, kind.make) as world:
        settle = dice.choice(["0s", "2s", "60s"])
        world.configure(vendor=f'timeout = "300ms"\nsettle = "{settle}"\n{kind.extra}')
        foreign = {ref: kind.present(world.sim)[ref] for ref in [kind.add_foreign(world.sim) for _ in range(2)]}
        world.entries = entries(5, first=START + timedelta(days=2))
        for step in range(STEPS):
            await one_step(world, kind, dice, step)
            seen = kind.present(world.sim)
            assert {ref: seen.get(ref) for ref in foreign} == foreign, "a foreign session was touched"
            assert world.sim.mails == []
        await retried(world)
        await converges(world)
        ours = {ref: held for ref, held in kind.present(world.sim).items() if ref not in foreign}
        links = {link.session: link for link in (await world.links()).values() if link.has_session}
        wanted = [entry for entry in world.entries.values() if not entry.cancelled]
        assert len(links) == len(wanted)
        assert {link.title for link in links.values()} == {entry.title for entry in wanted}
        CHECKS[name](ours, links)


async def one_step(world: World, kind: Kind, dice: random.Random, step: int) -> None:
    for n in range(dice.randrange(3)):
        edit(world, dice, 10 * step + n)
    for _ in range(dice.choice([0, 1, 1, 2, 3])):
        fault = dice.choice(KINDS)
        resource = dice.choice(kind.calls)
        if fault == "404_before" and "delete" in resource:
            continue  # by the vendors' contracts 404 says that it is gone
        retry_after = dice.choice([1, 30]) if fault == "429" else None
        world.sim.faults.add(Fault(fault, resource=resource, after=dice.randrange(3), retry_after=retry_after))
    world.publish()
    if dice.random() < 0.2:
        world.publish(b"<html>busy</html>" if dice.random() < 0.5 else b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n")
    await world.reconcile(publish=False)
    world.clock.advance(seconds=dice.choice([0, 10, 70, 400]))


async def retried(world: World) -> None:
    """A person releases what is in doubt: `convener retry`."""
    world.sim.faults.clear()

    async def release(inside: Any) -> None:
        links = await inside.ledger.links()
        await inside.ledger.save_links(
            [let_go(link) for link in links if link.in_doubt or refused(link)], world.clock.now()
        )

    await world.open(release)


def refused(link: Any) -> bool:
    return any(person.personal_link == "" for person in link.invitees)


def check_openmeetings(ours: dict[str, Any], links: dict[str | None, Any]) -> None:
    assert ours.keys() == links.keys()
    for ref, link in links.items():
        held = ours[str(ref)]
        assert (held.title, held.start, held.end) == (link.title, link.start, link.end)
        assert len(held.members) == len(link.invitees)
        assert all(person.personal_link for person in link.invitees)


def check_isl(ours: dict[str, Any], links: dict[str | None, Any]) -> None:
    assert ours.keys() == links.keys()
    for ref, link in links.items():
        held = ours[str(ref)]
        assert held.session_name.startswith(link.applied["title"])
        assert link.applied["title"] == link.title or link.stale == {"title": link.title}
        counts = Counter(user.email for user in held.users)
        assert counts.keys() == {person.email for person in link.invitees}
        # Once more after a lost call, then it is in doubt, and once more when a person releases it.
        assert max(counts.values(), default=0) <= 3


def check_idiligo(ours: dict[str, Any], links: dict[str | None, Any]) -> None:
    assert links.keys() <= ours.keys(), "calls that nobody needs any more cannot be removed"
    for ref, link in links.items():
        held = ours[str(ref)]
        guests = [person for person in link.invitees if person.stale != GONE]
        assert held.values["subject"] == link.title.replace("<", "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}")
        assert held.values["who"] == (guests[0].email if guests else "")
        assert (held.contact is not None) == bool(link.invitees)
        assert held.public_ids[-1:] == [
            link.join_url.rpartition("=")[2].replace("%2F", "/").replace("%2B", "+").replace("%3D", "=")
        ]


def check_livedigital(ours: dict[str, Any], links: dict[str | None, Any]) -> None:
    assert ours.keys() == links.keys()
    for ref, link in links.items():
        assert ours[str(ref)].settings["name"] == link.title
        assert link.join_url.endswith(f"/room/{ours[str(ref)].alias}")


CHECKS: dict[str, Callable[[dict[str, Any], dict[str | None, Any]], None]] = {
    "openmeetings": check_openmeetings,
    "isl-groop": check_isl,
    "idiligo": check_idiligo,
    "livedigital": check_livedigital,
}
