"""A registration of which nobody can tell whether it was done: it is one person's, and a person decides."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.simulators.faults import Fault
from connectors.simulators.isl_groop import IslGroopSimulator
from sync.effects import released
from sync.report import Exit
from tests.calendars import entries
from tests.world import World, a_world, results


@pytest.fixture
def isl(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path, IslGroopSimulator) as world:
        world.configure(route='invite = "email"')
        world.entries = entries(1)
        yield world


async def test_the_others_are_registered_and_mailed_all_the_same(isl: World) -> None:
    isl.sim.faults.add(Fault("reset_after", resource="add_registered_user"))
    report = await isl.reconcile()
    assert results(report) == {"create done": 1, "invite in_doubt": 1, "invite done": 1}
    assert report.exit() is Exit.PARTIAL
    assert sorted(mail.email for mail in isl.sim.mails) == ["jon@example.com", "mara@example.com"]
    (link,) = (await isl.links()).values()
    assert link.shown_state(isl.clock.now()) == "in_doubt"


async def test_it_waits_without_a_word_to_the_vendor_until_somebody_says_retry(isl: World) -> None:
    isl.sim.faults.add(Fault("reset_before", resource="add_registered_user"))
    await isl.reconcile()
    asked = len(isl.sim.requests)
    again = await isl.reconcile()
    assert results(again) == {"invite deferred": 1}
    assert [finding.code for finding in again.changes[0].findings] == ["in-doubt"]
    assert (again.exit(), len(isl.sim.requests)) == (Exit.PARTIAL, asked)

    async def retry(inside: Any) -> None:
        await inside.ledger.save_links([released(link) for link in await inside.ledger.links()], isl.clock.now())

    await isl.open(retry)
    assert results(await isl.reconcile()) == {"invite done": 1}
    assert sorted(mail.email for mail in isl.sim.mails) == ["jon@example.com", "mara@example.com"]
    assert (await isl.reconcile()).exit() is Exit.DONE
