"""API keys of Odoo end, and `check` warns before."""

from datetime import timedelta
from typing import Any

from tests.contract.odoo_scene import OdooScene, served
from tests.contract.source import NOW


async def findings(scene: OdooScene, **settings: Any) -> list[tuple[str, str]]:
    crm = scene.crm(**settings)
    try:
        return [(one.code, one.message) for one in await crm.check()]
    finally:
        await crm.close()


async def test_a_key_that_ends_soon_is_warned_about() -> None:
    for days, warned in ((15, False), (13, True), (1, True)):
        with served(19, key_ends=NOW + timedelta(days=days, hours=1)) as scene:
            said = await findings(scene)
            assert [code for code, _ in said] == (["key-expires"] if warned else [])
            if warned:
                day = (NOW + timedelta(days=days)).date()
                assert f"the API key 'convener' ends on {day}, in {days} days" in said[0][1]


async def test_a_key_without_an_end_or_a_version_whose_keys_have_none_gives_no_warning() -> None:
    with served(19) as scene:
        assert await findings(scene) == []
    with served(17) as scene:
        assert await findings(scene, api_key=scene.sim.options.api_key, username="acme", password=None) == []
        assert "res.users.apikeys/search_read" not in scene.asked


async def test_when_it_cannot_be_told_when_the_key_ends_that_is_said() -> None:
    with served(19, tells_keys=False, key_ends=NOW + timedelta(days=3)) as scene:
        ((code, message),) = await findings(scene)
    assert code == "key-expires"
    assert "90 days at most" in message


async def test_of_several_keys_each_that_ends_soon_is_named() -> None:
    with served(19) as scene:
        rows = [
            {"id": 1, "name": "ours", "expiration_date": "2026-11-30 00:00:00"},
            {"id": 2, "name": "other", "expiration_date": "2027-01-30 00:00:00"},
            {"id": 3, "name": "old", "expiration_date": "2026-11-20 00:00:00"},
        ]
        scene.say("res.users.apikeys/search_read", 200, rows)
        said = [message for _, message in await findings(scene)]
    assert [one.partition(" on ")[0].partition(":")[0] for one in said] == [
        "the API key 'ours', one of 3 of this user, ends",
        "the API key 'old', one of 3 of this user, has ended",
    ]
