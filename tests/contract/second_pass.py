"""Whole passes over a source that can be written: the link goes back, and that is no change."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from daemon.wiring import Installation
from tests.clock import ManualClock
from tests.contract.source import NOW, PERSON, START, Scene
from tests.world import World, a_world, results


class _SourcedWorld(World):
    """Its passes read the scene's source instead of a calendar file, and write to it."""

    def sourced(self, make: Callable[[], Any]) -> None:
        self.make = make
        name = make().name
        file = self.folder / "convener.toml"
        text = file.read_text().replace("[sources.sales]", f"[sources.{name}]")
        file.write_text(text.replace('source = "sales"', f'source = "{name}"'))
        self.clock = ManualClock(NOW)

    async def open(self, use: Any, *, locked: bool = False) -> Any:
        async def with_source(inside: Installation) -> Any:
            source = self.make()
            inside._sources[source.name] = source
            inside._outlets["sales"] = replace(inside.outlets("sales"), source=source)
            return await use(inside)

        return await super().open(with_source, locked=locked)


class WrittenBack:
    """Mixed into the contract of each source that can be written."""

    async def test_a_link_that_was_written_back_is_no_change_in_the_passes_that_follow(
        self, scene: Scene, tmp_path: Path
    ) -> None:
        scene.add("Product demo", START, people=[(PERSON, "Ada Client"), ("bob@buyer.example", "Bob Buyer")])
        second = scene.add("Another", START + timedelta(hours=2))
        with a_world(tmp_path, world=_SourcedWorld) as world:
            world.sourced(scene.source)
            first = await world.reconcile(publish=False)
            assert results(first) == {"create done": 2}
            assert [one["outcome"] for one in world.events("link.written_back")] == ["written", "written"]
            await self._stays_quiet(world)
            scene.change(second, title="Another title")
            changed = await world.reconcile(publish=False)
            assert results(changed) == {"update done": 1}
            assert changed.changes[0].fields[0].after == "Another title"
            await self._stays_quiet(world)

    async def _stays_quiet(self, world: World) -> None:
        asked, told = len(world.sim.requests), len(world.events("link.written_back"))
        for _ in range(3):
            world.clock.advance(minutes=7)
            report = await world.reconcile(publish=False)
            assert report.snapshot.complete, report.snapshot.reason
            assert report.changes == ()
            assert len(world.sim.requests) == asked
            assert len(world.events("link.written_back")) == told
        assert (await world.plan()).changes == ()
