"""What livedigital's calls leave behind: recordings and attendance reports."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest

from connectors.simulators.faults import Fault
from connectors.simulators.livedigital import LivedigitalSimulator
from connectors.simulators.media import Resumes
from sync.errors import (
    CredentialsRefused,
    Gone,
    OutsideError,
    RateLimited,
    Refused,
    UnknownOutcome,
    Unreachable,
    WritesLocked,
)
from sync.model import Artifact
from sync.ports import Connector
from tests.contract.connector_base import MARKER, SHORT, ConnectorFixtures, Factory, a_meeting
from tests.contract.downloads import (
    a_whole_that_is_asked_for_more_comes_again,
    another_version_begins_anew,
    breaks_anywhere,
    content,
)
from tests.contract.test_livedigital import UNKNOWN, LivedigitalBase

MEDIA = bytes(range(256)) * 4000
EVENING = datetime(2026, 12, 1, 23, 50, tzinfo=UTC)
NOT_YET = "the recording cannot be downloaded yet"


class TestRecordings(LivedigitalBase, ConnectorFixtures):
    """Recordings."""

    async def test_a_recording_is_ready_when_it_has_finished_and_its_download_answers(
        self, connector: Connector, sim: LivedigitalSimulator
    ) -> None:
        room = sim.add_session().id
        record = sim.add_recording(room, finished=False, content=None)
        (found,) = await connector.artifacts(room)
        assert (found.ready, found.more) == (False, "the recording has not finished")
        sim.finish_recording(record, MEDIA)
        sim._account.records[record].content = None
        (found,) = await connector.artifacts(room)
        assert (found.ready, found.more) == (False, "the recording cannot be downloaded yet")
        sim.finish_recording(record, MEDIA)
        (found,) = await connector.artifacts(room)
        assert (found.ready, found.more) == (True, "")

    async def test_a_recording_says_what_it_is(self, connector: Connector, sim: LivedigitalSimulator) -> None:
        room = sim.add_session().id
        record = sim.add_recording(room, started=EVENING, content=MEDIA, name="Lesson")
        sim.add_recording(sim.add_session().id)
        (found,) = await connector.artifacts(room)
        assert found == Artifact(
            kind="recording",
            ref=record,
            session_ref=room,
            name="Lesson",
            media_type="video/mp4",
            size=len(MEDIA),
            duration=60.0,
            created=EVENING,
        )

    @pytest.mark.parametrize("state", ["failed", "record_aborted", "FAILED"])
    async def test_a_recording_that_failed_is_none(
        self, connector: Connector, sim: LivedigitalSimulator, state: str
    ) -> None:
        room = sim.add_session().id
        sim.add_recording(room, state=state, finished=False, content=None)
        assert await connector.artifacts(room) == ()

    @pytest.mark.parametrize("manner", ["text", "quoted", "redirect"])
    async def test_a_recording_is_downloaded_whatever_way_its_address_comes(
        self, connector: Connector, sim: LivedigitalSimulator, manner: Any
    ) -> None:
        sim.options.download = manner
        room = sim.add_session().id
        sim.add_recording(room, content=MEDIA)
        (found,) = await connector.artifacts(room)
        assert found.ready
        assert await content(connector, found) == MEDIA
        assert sim.requests[-1].resource == "media"  # which refuses credentials

    async def test_an_address_is_fetched_anew_for_each_download(
        self, connector: Connector, sim: LivedigitalSimulator
    ) -> None:
        now = [datetime(2026, 12, 1, tzinfo=UTC)]
        sim.options.clock = lambda: now[0]
        room = sim.add_session().id
        sim.add_recording(room, content=MEDIA)
        (found,) = await connector.artifacts(room)
        now[0] += timedelta(days=3)
        assert await content(connector, found) == MEDIA

    async def test_another_host_is_asked_only_when_it_is_public_or_allowed(
        self, make: Factory, sim: LivedigitalSimulator
    ) -> None:
        sim.options.media_host = "localhost"
        room = sim.add_session().id
        sim.add_recording(room, content=MEDIA)
        (found,) = await make().artifacts(room)
        with pytest.raises(Refused, match="private address"):
            await content(make(), found)
        assert "media" not in {entry.resource for entry in sim.requests}
        assert await content(make(allow_private=True), found) == MEDIA

    @pytest.mark.parametrize("kind", ["401_before", "403_before"])
    async def test_a_refused_link_says_nothing_about_the_account(
        self, connector: Connector, sim: LivedigitalSimulator, kind: str
    ) -> None:
        room = sim.add_session().id
        sim.add_recording(room, content=MEDIA)
        (found,) = await connector.artifacts(room)
        sim.faults.add(Fault(kind, resource="media"))
        with pytest.raises(Unreachable):
            await content(connector, found)

    @pytest.mark.parametrize("kind", ["truncate", "reset_before", "500_before"])
    async def test_a_download_that_breaks_is_not_an_end(
        self, connector: Connector, sim: LivedigitalSimulator, kind: str
    ) -> None:
        room = sim.add_session().id
        sim.add_recording(room, content=MEDIA)
        (found,) = await connector.artifacts(room)
        sim.faults.add(Fault(kind, resource="media"))
        with pytest.raises(Unreachable):
            await content(connector, found)

    @pytest.mark.parametrize("resumes", get_args(Resumes))
    async def test_a_download_that_breaks_anywhere_is_gone_on_with(
        self, connector: Connector, sim: LivedigitalSimulator, resumes: Resumes
    ) -> None:
        sim.options.resumes = resumes
        room = sim.add_session().id
        sim.add_recording(room, content=MEDIA)
        (found,) = await connector.artifacts(room)
        await breaks_anywhere(connector, found, sim, "media", MEDIA)

    async def test_a_recording_that_changed_or_is_there_already_begins_anew(
        self, connector: Connector, sim: LivedigitalSimulator
    ) -> None:
        room = sim.add_session().id
        record, other = sim.add_recording(room, content=MEDIA), MEDIA[::-1]
        (found,) = await connector.artifacts(room)
        await a_whole_that_is_asked_for_more_comes_again(connector, found, MEDIA)

        def change() -> bytes:
            sim.finish_recording(record, other)
            return other

        await another_version_begins_anew(connector, found, sim, "media", change, 5000)

    async def test_a_stand_in_has_a_film_to_give(self, connector: Connector, sim: LivedigitalSimulator) -> None:
        room = sim.add_session().id
        sim.add_recording(room)
        (found,) = await connector.artifacts(room)
        async with connector.download(found) as download:
            assert download.media_type == "video/mp4"
            assert b"".join([chunk async for chunk in download.chunks])[4:8] == b"ftyp"

    @pytest.mark.parametrize("resource", ["records", "calls", "room"])
    @pytest.mark.parametrize("kind", ["500_before", "garbage", "empty", "truncate"])
    async def test_a_look_that_fails_is_not_nothing(
        self, connector: Connector, sim: LivedigitalSimulator, resource: str, kind: str
    ) -> None:
        room = sim.add_session().id
        sim.add_recording(room)
        sim.faults.add(Fault(kind, resource=resource, times=99))
        with pytest.raises(Unreachable):
            await connector.artifacts(room)

    @pytest.mark.parametrize("kind", ["garbage", "empty"])
    async def test_a_recording_that_cannot_be_had_does_not_hide_the_others(
        self, connector: Connector, sim: LivedigitalSimulator, kind: str
    ) -> None:
        room = sim.add_session().id
        for number in range(3):
            sim.add_recording(room, name=f"Part {number}")
        sim.add_call(room, started=EVENING)
        sim.faults.add(Fault(kind, resource="record-download"))
        *films, report = await connector.artifacts(room)
        assert sorted((one.ready, one.more) for one in films) == [(False, NOT_YET), (True, ""), (True, "")]
        assert (report.kind, report.ready) == ("attendance", True)
        assert all(one.ready for one in await connector.artifacts(room))

    @pytest.mark.parametrize("kind", ["500_before", "503_before", "garbage", "empty", "truncate", "hang_before"])
    async def test_a_download_that_does_not_answer_now_is_asked_for_another_time(
        self, make: Factory, sim: LivedigitalSimulator, kind: str
    ) -> None:
        room = sim.add_session().id
        sim.add_recording(room)
        sim.faults.add(Fault(kind, resource="record-download", times=99))
        (found,) = await make(timeout=SHORT).artifacts(room)
        assert (found.ready, found.more) == (False, NOT_YET)

    @pytest.mark.parametrize(("kind", "error"), [("401_before", CredentialsRefused), ("429", RateLimited)])
    async def test_what_concerns_the_account_is_not_put_down_to_a_recording(
        self, connector: Connector, sim: LivedigitalSimulator, kind: str, error: type[OutsideError]
    ) -> None:
        room = sim.add_session().id
        for _ in range(2):
            sim.add_recording(room)
        sim.faults.add(Fault(kind, resource="record-download", times=99))
        with pytest.raises(error):
            await connector.artifacts(room)

    async def test_more_recordings_than_are_listed_are_said_to_come(
        self, connector: Connector, sim: LivedigitalSimulator
    ) -> None:
        room = sim.add_session().id
        for number in range(3):
            sim.add_recording(room, name=f"Part {number}")
        sim.options.page = 2
        assert len(await connector.artifacts(room)) == 3
        sim.options.paging = "capped"
        found = await connector.artifacts(room)
        assert [one.ready for one in found] == [True, True]
        assert [bool(one.more) for one in found] == [False, True]

    async def test_a_room_that_is_gone_has_no_artifacts_to_list(self, connector: Connector) -> None:
        with pytest.raises(Gone):
            await connector.artifacts(UNKNOWN)
        for ref in ("", "../1", "A" * 24):
            with pytest.raises(Refused):
                await connector.artifacts(ref)
            with pytest.raises(Refused):
                await content(connector, Artifact("recording", ref, UNKNOWN))

    async def test_a_plan_without_recordings_is_no_matter_of_credentials(
        self, connector: Connector, sim: LivedigitalSimulator
    ) -> None:
        room = sim.add_session().id
        sim.options.records = False
        with pytest.raises(Refused, match="403: Not part of the plan"):
            await connector.artifacts(room)
        sim.faults.add(Fault("401_before", resource="records"))
        with pytest.raises(CredentialsRefused):
            await connector.artifacts(room)


class TestAttendance(LivedigitalBase, ConnectorFixtures):
    """Reports of calls."""

    async def test_each_ended_call_leaves_a_report(self, connector: Connector, sim: LivedigitalSimulator) -> None:
        room = sim.add_session().id
        assert await connector.artifacts(room) == ()
        people = [{"name": "Ada", "externalUserId": "abc", "seconds": 600}]
        first = sim.add_call(room, started=EVENING - timedelta(hours=5), people=people)
        second = sim.add_call(room, started=EVENING, minutes=None)
        sim.add_call(sim.add_session().id, started=EVENING)
        ended, running = await connector.artifacts(room)
        assert (ended.kind, ended.ref, ended.ready, ended.duration) == ("attendance", first, True, 1800.0)
        assert (ended.media_type, ended.name) == ("application/json", "attendance 2026-12-01 18-50")
        assert (running.ref, running.ready, running.more) == (second, False, "the call has not ended")
        report = json.loads(await content(connector, ended))
        assert report["participants"] == people
        with pytest.raises(Gone):
            await content(connector, running)

    @pytest.mark.parametrize("hours", [-24, -12, 0, 12, 24])
    async def test_calls_around_the_last_one_are_seen_whatever_clock_divides_the_days(
        self, connector: Connector, sim: LivedigitalSimulator, hours: int
    ) -> None:
        room = sim.add_session().id
        sim.add_call(room, started=EVENING + timedelta(hours=hours))
        sim.add_call(room, started=EVENING)
        assert len(await connector.artifacts(room)) == 2

    async def test_days_with_recordings_are_asked_for_too(
        self, connector: Connector, sim: LivedigitalSimulator
    ) -> None:
        room = sim.add_session().id
        sim.add_call(room, started=EVENING - timedelta(days=30))
        sim.add_recording(room, started=EVENING - timedelta(days=30))
        sim.add_call(room, started=EVENING)
        assert [one.kind for one in await connector.artifacts(room)] == ["recording", "attendance", "attendance"]
        days = [entry.params["date"] for entry in sim.requests if entry.resource == "calls"]
        dates = ["12-02", "12-01", "11-30", "11-02", "11-01", "10-31"]
        assert days == [f"2026-{date}T12:00:00.000Z" for date in dates]

    async def test_reports_are_left_out_where_that_is_configured(
        self, make: Factory, sim: LivedigitalSimulator
    ) -> None:
        room = sim.add_session().id
        sim.add_call(room, started=EVENING)
        sim.options.analytics = False
        with pytest.raises(Refused, match="attendance = false"):
            await make().artifacts(room)
        assert await make(attendance=False).artifacts(room) == ()

    @pytest.mark.parametrize("kind", ["garbage", "empty", "truncate", "500_before"])
    async def test_a_report_that_cannot_be_read_is_not_stored(
        self, connector: Connector, sim: LivedigitalSimulator, kind: str
    ) -> None:
        room = sim.add_session().id
        sim.add_call(room, started=EVENING)
        (report,) = await connector.artifacts(room)
        sim.faults.add(Fault(kind, resource="report", times=99))
        with pytest.raises(Unreachable):
            await content(connector, report)


class TestWebhook(LivedigitalBase, ConnectorFixtures):
    """The registration, by the connector's API."""

    async def test_a_webhook_is_registered_changed_and_removed(
        self, connector: Any, make: Any, sim: LivedigitalSimulator
    ) -> None:
        api, space = connector._api, next(iter(sim.spaces))
        url = "https://convener.example.com/hooks/main"
        assert await api.webhook(space) is None
        with pytest.raises(WritesLocked):
            await make(locked=True)._api.register_webhook(space, url)
        secret = await api.register_webhook(space, url)
        assert sim.spaces[space].webhook == {"url": url, "secret": secret, "isActive": True}
        with pytest.raises(Refused, match="There is a webhook already"):
            await api.register_webhook(space, url)
        assert await api.webhook(space) == {"url": url, "isActive": True}
        await api.change_webhook(space, url + "2", active=False)
        assert await api.webhook(space) == {"url": url + "2", "isActive": False}
        renewed = await api.renew_webhook_secret(space)
        assert renewed != secret
        assert sim.spaces[space].webhook == {"url": url + "2", "secret": renewed, "isActive": False}
        for _ in range(2):
            await api.remove_webhook(space)
        assert await api.webhook(space) is None

    async def test_a_secret_that_did_not_arrive_is_an_unknown_outcome(
        self, connector: Any, sim: LivedigitalSimulator
    ) -> None:
        sim.faults.add(Fault("empty", resource="webhook-create"))
        with pytest.raises(UnknownOutcome):
            await connector._api.register_webhook(next(iter(sim.spaces)), "https://convener.example.com/h")

    async def test_a_room_may_be_created_while_events_are_sent(
        self, connector: Connector, sim: LivedigitalSimulator
    ) -> None:
        created = await connector.create(a_meeting(), MARKER, mail=False)
        with pytest.raises(ValueError, match="no webhook"):
            sim.delivery("call_started", created.ref)
