"""HubSpot's limits and refusals: what is waited out, what ends the read, and what is said of it."""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import pytest

from connectors.simulators.faults import Fault
from connectors.simulators.hubspot import HubspotSimulator
from connectors.simulators.hubspot_rules import READS, WRITES
from connectors.simulators.serve import Served, serve_in_thread
from connectors.simulators.stage import Reply, Request, json_reply
from connectors.sources.hubspot import HubspotCrm
from sync.errors import CredentialsRefused, RateLimited, Refused, Unreachable
from tests.contract.hubspot_scene import KEY, HubspotScene
from tests.contract.source import START, WINDOW


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[HubspotSimulator, Served]]:
    simulator = HubspotSimulator(password=KEY)
    with serve_in_thread(simulator.app) as at:
        yield simulator, at


@pytest.fixture
def scene(served: tuple[HubspotSimulator, Served]) -> HubspotScene:
    """The server's clock and that of the pace go together."""
    simulator, at = served
    scene = HubspotScene(simulator, at.url)
    begun, started = scene.server_now, scene.time.seconds
    simulator.options.clock = lambda: begun + timedelta(seconds=scene.time.seconds - started)
    return scene


@pytest.fixture
async def crm(scene: HubspotScene) -> AsyncIterator[HubspotCrm]:
    crm = scene.crm()
    yield crm
    await crm.close()


def answering(scene: HubspotScene, reply: Reply) -> None:
    """Every request gets this answer from now on."""

    def answer(request: Request) -> Reply:
        return reply

    scene.simulator.answer = answer  # type: ignore[method-assign]


@pytest.fixture(autouse=True)
def as_itself(scene: HubspotScene) -> Iterator[None]:
    yield
    scene.simulator.__dict__.pop("answer", None)


async def test_searches_keep_to_four_a_second_and_are_never_refused(scene: HubspotScene, crm: HubspotCrm) -> None:
    scene.simulator.options.searches = 5
    for _ in range(20):
        await crm.changed(None, "", WINDOW.start)
    assert [entry.status for entry in scene.simulator.requests] == [200] * 20
    assert scene.time.slept == [1.0] * 4


async def test_what_is_left_of_ten_seconds_is_obeyed(scene: HubspotScene, crm: HubspotCrm) -> None:
    scene.simulator.options.ten_seconds = 7
    for _ in range(20):
        await crm.existing(["1"])
    assert 429 not in [entry.status for entry in scene.simulator.requests]
    assert scene.time.slept == [10.0, 10.0]


async def test_others_may_use_up_the_limit_and_the_read_waits_a_moment(scene: HubspotScene, crm: HubspotCrm) -> None:
    uid = scene.add("Demo", START)
    scene.simulator.options.searches = 0
    scene.simulator.options.clock = lambda: scene.server_now
    waits = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        scene.simulator.options.searches = None

    crm._api.pace.sleep = sleep
    page = await crm.changed(None, "", WINDOW.start)
    assert [record.id for record in page.records] == [uid]
    assert waits == [1.0]


@pytest.mark.parametrize(
    ("reply", "slept", "told"),
    [
        (json_reply(429, {"message": "Too many", "policyName": "TEN_SECONDLY_ROLLING"}), [10.0, 10.0], 10.0),
        (json_reply(429, {"message": "Too many", "policyName": "DAILY"}), [], 3600.0),
        (Reply(429, b"", {"retry-after": "2"}), [2.0, 2.0], 2.0),
        (Reply(429, b"", {"retry-after": "60"}), [], 60.0),
    ],
)
async def test_a_limit_is_waited_out_within_bounds_and_told_after_that(
    scene: HubspotScene, crm: HubspotCrm, reply: Reply, slept: list[float], told: float
) -> None:
    answering(scene, reply)
    with pytest.raises(RateLimited) as caught:
        await crm.existing(["1"])
    assert scene.time.slept == slept
    assert caught.value.retry_after == told


async def test_a_write_is_sent_once_whatever_the_limit(scene: HubspotScene, crm: HubspotCrm) -> None:
    uid = scene.add("Demo", START)
    await crm.existing([uid])
    scene.simulator.faults.add(Fault("429", method="PATCH", retry_after=7))
    with pytest.raises(RateLimited) as caught:
        await crm.write_link(uid, "https://join.vendor.example/1", "")
    assert caught.value.retry_after == 7
    assert len(scene.simulator.writes) == 1


@pytest.mark.parametrize("status", [423, 477])
async def test_a_record_that_is_locked_may_work_later(scene: HubspotScene, crm: HubspotCrm, status: int) -> None:
    answering(scene, json_reply(status, {"message": "The record is locked"}))
    with pytest.raises(Unreachable, match="The record is locked"):
        await crm._api.update("meetings", "1", {})


async def test_a_wrong_key_and_a_missing_right_are_said_in_words(scene: HubspotScene, crm: HubspotCrm) -> None:
    scene.simulator.options.scopes = frozenset({READS, WRITES})
    with pytest.raises(CredentialsRefused, match=r"lacks the scope crm\.objects\.owners\.read"):
        await crm.check()
    wrong = scene.crm(token="pat-eu1-wrong")
    with pytest.raises(CredentialsRefused, match="The access token is not valid") as caught:
        await wrong.check()
    assert "wrong" not in str(caught.value)
    await wrong.close()


async def test_check_says_when_few_requests_are_left_today(scene: HubspotScene, crm: HubspotCrm) -> None:
    assert await crm.check() == ()
    scene.simulator.options.daily = 1000
    assert await crm.check() == ()
    for _ in range(20):
        await crm.existing(["1"])
    scene.simulator.options.daily = len(scene.simulator.requests) + 2
    assert [finding.code for finding in await crm.check()] == ["limit-near"]


@pytest.mark.parametrize(
    "body",
    [
        {"results": None},
        {"status": "PROCESSING", "results": []},
        {"results": [], "errors": [{"category": "RATE_LIMITS", "message": "later"}], "numErrors": 1},
        {"results": [], "errors": ["?"]},
        {},
    ],
)
async def test_a_batch_that_was_not_read_whole_proves_nothing(
    scene: HubspotScene, crm: HubspotCrm, body: dict[str, object]
) -> None:
    answering(scene, json_reply(207, body))
    with pytest.raises(Unreachable):
        await crm.existing(["1"])
    with pytest.raises(Unreachable):
        await crm.people(["1"])


@pytest.mark.parametrize(
    "rows",
    [[{}], [{"from": {"id": "1"}}], [{"from": {}, "to": []}], [{"from": {"id": "1"}, "to": [{}]}], ["?"]],
)
async def test_associations_of_another_shape_are_no_empty_meeting(
    scene: HubspotScene, crm: HubspotCrm, rows: list[object]
) -> None:
    answering(scene, json_reply(200, {"status": "COMPLETE", "results": rows}))
    with pytest.raises(Unreachable):
        await crm.people(["1"])


async def test_a_list_that_does_not_end_is_given_up(scene: HubspotScene, crm: HubspotCrm) -> None:
    answering(scene, json_reply(200, {"results": [], "paging": {"next": {"after": "1"}}}))
    with pytest.raises(Unreachable, match="does not come to an end"):
        await crm.check()


async def test_a_redirect_is_not_followed_with_the_key(scene: HubspotScene, crm: HubspotCrm) -> None:
    answering(scene, Reply(302, b"", {"location": "https://elsewhere.example/"}))
    with pytest.raises(Unreachable):
        await crm.check()


async def test_a_refusal_of_a_search_is_told_in_hubspots_words(scene: HubspotScene, crm: HubspotCrm) -> None:
    answering(scene, json_reply(400, {"message": "There was a problem\nwith the request."}))
    with pytest.raises(Refused, match=r"answered 400: There was a problem with the request\."):
        await crm.changed(None, "", None)
