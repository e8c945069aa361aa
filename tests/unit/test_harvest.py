"""Looking for what a meeting left, and fetching it: in time, once, whole, and never given up in silence."""

import json
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from daemon.database import open_ledger
from sync.artifacts.retain import Retention
from sync.errors import Gone, OutsideError, RateLimited, Refused, Unreachable
from sync.ledger.records import PulledState
from sync.model import Artifact, MeetingKey
from tests.unit.builders import FULL, HOUR, NOW, link_of, meeting
from tests.unit.harvest_scene import ENDED, MP4, Scene, a_recording


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with open_ledger(f"sqlite:///{tmp_path}/convener.db") as ledger:
        made = Scene(ledger, tmp_path)
        await made.hold(ENDED)
        yield made


async def test_nobody_looks_before_the_first_time_of_the_schedule(scene: Scene) -> None:
    scene.vendor.leave(a_recording())
    await scene.look()
    assert scene.vendor.looked == 0
    scene.clock.advance(minutes=5)
    assert await scene.look() == 0
    assert scene.vendor.looked == 1
    assert scene.recordings() == [MP4]


async def test_what_was_found_ends_the_looking_and_is_fetched_once(scene: Scene) -> None:
    scene.vendor.leave(a_recording())
    for _ in range(6):
        scene.clock.advance(hours=1)
        await scene.look()
    assert (scene.vendor.looked, scene.vendor.opened) == (1, [0])
    (record,) = await scene.pulled()
    assert (record.state, record.size, record.sha256) == (
        PulledState.STORED, len(MP4), sha256(MP4).hexdigest()
    )  # fmt: skip
    assert scene.events("looks.finished") == [
        {
            "route": "sales", "vendor": "main", "key": "sales:m1@example.com", "session": "s-m1@example.com",
            "looks": 1, "stored": 1, "outcome": "found",
        }
    ]  # fmt: skip


async def test_where_nothing_is_found_every_look_of_the_schedule_is_made_and_no_more(scene: Scene) -> None:
    looked = []
    for _ in range(200):
        scene.clock.advance(minutes=1)
        before = scene.vendor.looked
        await scene.look()
        if scene.vendor.looked > before:
            looked.append((scene.clock.now() - NOW) / timedelta(minutes=1))
    assert looked == [5, 30, 120]
    assert [line["outcome"] for line in scene.events("looks.finished")] == ["no more looks"]
    assert scene.files() == {}


async def test_looks_that_were_missed_are_made_up_for_by_one(scene: Scene) -> None:
    scene.clock.advance(minutes=40)
    await scene.look()
    await scene.look()
    assert scene.vendor.looked == 1
    assert (await scene.occurrence()).look_at == ENDED.end + timedelta(minutes=120)


@pytest.mark.parametrize("error", [Unreachable("down"), Refused("no", 400), Gone("404", 404), RateLimited("slow", 60)])
async def test_a_look_that_failed_is_never_none_and_is_made_again(scene: Scene, error: OutsideError) -> None:
    scene.vendor.leave(a_recording())
    scene.vendor.listing = [error, error]
    scene.clock.advance(minutes=5)
    assert await scene.look() == 1
    assert await scene.look() == 0, "the wait before the next try binds the service"
    assert await scene.look(at_once=True) == 1, "a one-shot pass tries at once"
    assert (await scene.occurrence()).looks == 0
    assert await scene.look(at_once=True) == 0
    assert scene.recordings() == [MP4]
    assert len(scene.events("looks.failed")) == 1


async def test_a_vendor_that_never_says_what_there_is_is_given_up_aloud_after_a_week(scene: Scene) -> None:
    for _ in range(300):
        scene.vendor.listing = [Unreachable("down")]
        scene.clock.advance(hours=1)
        await scene.look()
    (line,) = scene.events("looks.given_up")
    assert line["reason"] == "down"
    assert 30 < scene.vendor.looked < 60, "with growing waits"


async def test_a_recording_that_is_not_ready_is_listed_and_looked_for_again(scene: Scene) -> None:
    scene.vendor.leave(replace(a_recording(), ready=False, more="it is being converted"))
    scene.clock.advance(minutes=5)
    assert await scene.look() == 0
    (record,) = await scene.pulled()
    assert (record.state, record.more) == (PulledState.LISTED, "it is being converted")
    scene.vendor.leave(a_recording())
    scene.clock.advance(minutes=25)
    await scene.look()
    assert scene.recordings() == [MP4]
    assert (await scene.occurrence()).look_at is None


async def test_what_is_never_ready_is_given_up_aloud_after_the_last_look(scene: Scene) -> None:
    scene.vendor.leave(replace(a_recording(), ready=False, more="it is being converted"))
    for _ in range(3):
        scene.clock.advance(hours=1)
        await scene.look()
    (record,) = await scene.pulled()
    assert (record.state, record.problem) == (PulledState.GIVEN_UP, "it is being converted")
    (line,) = scene.events("artifact.given_up")
    assert line["reason"] == "it is being converted"


async def test_a_report_alone_does_not_end_the_looking_for_a_recording(scene: Scene) -> None:
    scene.capabilities = replace(scene.capabilities, attendance_pull=True)
    report = Artifact("attendance", "c1", "s-m1@example.com", "attendance", "application/json")
    scene.vendor.leave(report, b'{"people": 3}')
    scene.clock.advance(minutes=5)
    await scene.look()
    assert (await scene.occurrence()).look_at == ENDED.end + timedelta(minutes=30)
    scene.vendor.leave(a_recording())
    scene.clock.advance(minutes=25)
    await scene.look()
    assert sorted(scene.recordings()) == sorted([b'{"people": 3}', MP4])
    assert (await scene.occurrence()).look_at is None


async def test_what_is_still_to_be_signed_is_fetched_now_and_again_when_it_is_signed(scene: Scene) -> None:
    scene.capabilities = replace(FULL, documents_pull=True)
    unsigned = Artifact("document", "3", "s-m1@example.com", "Contract.pdf", more="waits for a signature", status="1")
    scene.vendor.media_type = "application/pdf"
    scene.vendor.leave(unsigned, b"%PDF-1.4 unsigned")
    scene.clock.advance(minutes=5)
    await scene.look()
    assert scene.recordings() == [b"%PDF-1.4 unsigned"]
    scene.clock.advance(minutes=25)
    await scene.look()
    assert scene.vendor.opened == [0], "nothing new is said of it"
    scene.vendor.leave(replace(unsigned, more="", status="2"), b"%PDF-1.4 signed")
    scene.vendor.validator = '"v2"'
    scene.clock.advance(minutes=90)
    await scene.look()
    assert scene.recordings() == [b"%PDF-1.4 signed"]
    (record,) = await scene.pulled()
    assert (record.status, record.more, record.sha256) == ("2", "", sha256(b"%PDF-1.4 signed").hexdigest())
    assert (await scene.occurrence()).look_at is None


async def test_a_reference_gives_way_to_the_media_when_its_link_answers(scene: Scene) -> None:
    scene.vendor.leave(replace(a_recording(), size=None), b'{"link": "https://v.example/7"}')
    scene.vendor.media_type, scene.vendor.more = "application/json", "its link does not answer yet"
    scene.clock.advance(minutes=5)
    await scene.look()
    assert [name for name in scene.files() if name.endswith(".json")] == [
        "meeting.json",
        "recording-7 Recording 7.json",
    ]
    scene.vendor.leave(replace(a_recording(), size=None), MP4)
    scene.vendor.media_type, scene.vendor.more, scene.vendor.validator = "video/mp4", "", '"v2"'
    scene.clock.advance(minutes=25)
    await scene.look()
    assert list(scene.files()) == ["meeting.json", "recording-7 Recording 7.mp4"]


@pytest.mark.parametrize("seed", range(50))
async def test_a_download_broken_at_any_byte_ends_with_the_right_checksum(scene: Scene, seed: int) -> None:
    dice = random.Random(seed)
    content = MP4[:28] + dice.randbytes(dice.choice((0, 1, 999, 1000, 1001, 30_000)))
    vendor = scene.vendor
    vendor.leave(a_recording(content=content), content)
    vendor.breaks = [dice.randrange(len(content)) for _ in range(dice.randrange(1, 8))]
    vendor.resumes = dice.random() < 0.7
    vendor.validator = dice.choice(('"v1"', "Tue, 01 Dec 2026 09:00:00 GMT", ""))
    vendor.tells_size = dice.random() < 0.7
    scene.clock.advance(minutes=5)
    for _ in range(10):
        await scene.look(at_once=True)
        assert all(whole == content for name, whole in scene.files().items() if name.endswith(".mp4"))
        if dice.random() < 0.2:
            vendor.validator += "!"
    assert scene.recordings() == [content]
    (record,) = await scene.pulled()
    assert record.sha256 == sha256(content).hexdigest()


async def test_a_download_that_breaks_is_gone_on_with_where_it_broke(scene: Scene) -> None:
    scene.vendor.leave(a_recording())
    scene.vendor.breaks = [3000, 2000]
    scene.clock.advance(minutes=5)
    assert await scene.look() == 0
    assert scene.vendor.opened == [0, 3000, 5000]
    assert scene.recordings() == [MP4]


async def test_a_recording_that_changed_in_between_is_fetched_from_its_beginning(scene: Scene) -> None:
    scene.vendor.leave(a_recording())
    scene.vendor.breaks = [3000, 0]
    scene.clock.advance(minutes=5)
    assert await scene.look() == 1
    longer = MP4 + MP4
    scene.vendor.leave(a_recording(content=longer), longer)
    scene.vendor.validator = '"v2"'
    assert await scene.look(at_once=True) == 0
    assert scene.recordings() == [longer]


async def test_a_server_that_goes_on_with_another_version_gets_no_mixture_stored(scene: Scene) -> None:
    scene.vendor.leave(a_recording())
    scene.vendor.breaks = [3000, 0]
    scene.clock.advance(minutes=5)
    await scene.look()
    other = MP4[:28] + bytes(len(MP4) - 28)
    scene.vendor.leave(a_recording(), other)
    scene.vendor.validator, scene.vendor.ignores_version = '"v2"', True
    await scene.look(at_once=True)
    await scene.look(at_once=True)
    assert scene.recordings() == [other]


async def test_a_signed_document_that_cannot_be_fetched_is_not_lost_without_a_word(scene: Scene) -> None:
    scene.capabilities = replace(FULL, documents_pull=True)
    unsigned = Artifact("document", "3", "s-m1@example.com", "Contract.pdf", more="waits for a signature", status="1")
    scene.vendor.media_type = "application/pdf"
    scene.vendor.leave(unsigned, b"%PDF-1.4 unsigned")
    scene.clock.advance(minutes=5)
    await scene.look()
    scene.vendor.leave(replace(unsigned, more="", status="2"), b"%PDF-1.4 signed")
    for _ in range(250):
        scene.vendor.opening = [Unreachable("500")]
        scene.clock.advance(hours=1)
        await scene.look()
    assert [line["reason"] for line in scene.events("artifact.given_up")] == ["500"]
    assert list(scene.files()) == ["document-3 Contract.pdf", "meeting.json"], "what was there stays"


async def test_one_artifact_with_a_defect_hides_no_other(scene: Scene) -> None:
    scene.vendor.leave(a_recording("1"))
    scene.vendor.leave(a_recording("2"))
    scene.vendor.opening = [ZeroDivisionError()]
    scene.clock.advance(minutes=5)
    assert await scene.look() == 1
    assert {record.ref: record.state.value for record in await scene.pulled()} == {"1": "listed", "2": "stored"}
    assert await scene.look(at_once=True) == 0
    assert len(scene.recordings()) == 2


async def test_a_vendor_that_asks_to_wait_in_a_download_is_left_alone_and_nothing_is_held_against_the_artifact(
    scene: Scene,
) -> None:
    scene.vendor.leave(a_recording("1"))
    scene.vendor.leave(a_recording("2"))
    scene.vendor.opening = [RateLimited("slow", 3600)]
    scene.clock.advance(minutes=5)
    assert await scene.look() == 1
    assert (scene.gate.trouble, scene.vendor.opened) == ("cooldown", [])
    assert {record.attempts for record in await scene.pulled()} == {0}
    assert await scene.look() == 0
    assert len(scene.recordings()) == 2


async def test_a_meeting_that_is_forgotten_while_it_is_looked_for_stays_forgotten(scene: Scene) -> None:
    scene.vendor.meanwhile = lambda: scene.ledger.delete_link("sales", ENDED.key)
    scene.clock.advance(minutes=5)
    await scene.look()
    one = await scene.occurrence()
    assert (one.session, one.look_at) == ("", None)
    scene.clock.advance(days=1)
    await scene.look(at_once=True)
    assert scene.vendor.looked == 1


async def test_a_first_failure_long_after_everything_is_no_reason_to_give_up(scene: Scene) -> None:
    scene.vendor.leave(a_recording())
    scene.clock.advance(days=30)
    scene.vendor.listing = [Unreachable("down")]
    scene.vendor.opening = [Unreachable("down")]
    assert await scene.look() == 1
    assert await scene.look(at_once=True) == 1
    assert await scene.look(at_once=True) == 0
    assert scene.recordings() == [MP4]


@pytest.mark.parametrize(
    ("content", "size"),
    [(b"<!DOCTYPE html><title>Log in</title>", None), (b"", 0), (MP4[:-1], len(MP4)), (MP4 + b"x", len(MP4))],
)
async def test_what_is_not_the_recording_is_not_stored(scene: Scene, content: bytes, size: int | None) -> None:
    scene.vendor.leave(replace(a_recording(), size=size), content)
    scene.vendor.tells_size = False
    scene.clock.advance(minutes=5)
    assert await scene.look() == 1
    assert [name for name in scene.files() if not name.endswith(".part")] == ["meeting.json"]
    scene.vendor.leave(a_recording(), MP4)
    assert await scene.look(at_once=True) == 0
    assert scene.recordings() == [MP4]
    assert len(scene.events("artifact.failed")) == 1


@pytest.mark.parametrize("error", [Refused("no", 400), Gone("404", 404), Unreachable("x")])
async def test_a_download_that_is_refused_does_not_stop_the_others(scene: Scene, error: OutsideError) -> None:
    scene.vendor.leave(a_recording("1"))
    scene.vendor.leave(a_recording("2"))
    scene.vendor.opening = [error]
    scene.clock.advance(minutes=5)
    assert await scene.look() == 1
    assert {record.ref: record.state.value for record in await scene.pulled()} == {"1": "listed", "2": "stored"}


async def test_what_cannot_be_fetched_for_a_week_is_given_up_aloud(scene: Scene) -> None:
    scene.vendor.leave(a_recording())
    for _ in range(220):
        scene.vendor.opening = [Gone("404", 404)]
        scene.clock.advance(hours=1)
        await scene.look()
    assert [line["reason"] for line in scene.events("artifact.given_up")] == ["404"]
    assert not [name for name in scene.files() if name.endswith(".part")]


async def test_the_manifest_lists_what_is_there(scene: Scene) -> None:
    scene.vendor.leave(a_recording())
    scene.clock.advance(minutes=5)
    await scene.look()
    listed = json.loads(scene.files()["meeting.json"])
    assert (listed["title"], listed["key"]) == ("Meeting m1", "sales:m1@example.com")
    (only,) = listed["artifacts"]
    assert (only["file"], only["sha256"]) == ("recording-7 Recording 7.mp4", sha256(MP4).hexdigest())


async def test_the_place_in_the_archive_stays_when_the_vendor_renames_a_recording(scene: Scene) -> None:
    scene.vendor.leave(a_recording())
    scene.vendor.breaks = [100, 0]
    scene.clock.advance(minutes=5)
    await scene.look()
    scene.vendor.leave(replace(a_recording(), name="Renamed"))
    await scene.look(at_once=True)
    assert list(scene.files()) == ["meeting.json", "recording-7 Recording 7.mp4"]


async def test_in_a_standing_room_an_artifact_belongs_to_the_occurrence_in_which_it_was_made(scene: Scene) -> None:
    room = link_of(meeting("weekly", NOW - 4 * HOUR, 5 * HOUR), session="room")
    first = replace(meeting("weekly", NOW - 4 * HOUR, HOUR), key=MeetingKey("sales", "weekly@example.com", NOW))
    second = replace(first, key=replace(first.key, recurrence_id=NOW + HOUR), start=NOW - HOUR, end=NOW)
    scene.route = replace(scene.route, series="room")
    await scene.hold(first, second, links=[room])
    for ref, made in (("1", first.start + timedelta(minutes=2)), ("2", second.end + timedelta(minutes=2))):
        scene.vendor.leave(replace(a_recording(ref, created=made), session_ref="room"))
    scene.clock.advance(minutes=5)
    await scene.look()
    assert {r.ref: r.key for r in await scene.pulled()} == {"1": str(first.key), "2": str(second.key)}
    assert scene.vendor.looked == 2, "the room once for both, and the other meeting"


async def test_a_whole_file_that_only_lacked_its_record_is_not_fetched_again(scene: Scene) -> None:
    """The moments between the last byte and the last commit."""
    scene.vendor.leave(a_recording())
    scene.clock.advance(minutes=5)
    await scene.look()
    (record,) = await scene.pulled()
    occurrence = await scene.occurrence()
    for moment in ("named", "sealed"):
        await scene.ledger.artifacts.save_pulled(replace(record, state=PulledState.STORING))
        await scene.ledger.occurrences.save_looks(replace(occurrence, look_at=scene.clock.now()))
        if moment == "sealed":
            (scene.folder / record.path).rename(scene.folder / f"{record.stem}.part")
        await scene.look()
        assert scene.vendor.opened == [0], moment
        assert list(scene.files()) == ["meeting.json", "recording-7 Recording 7.mp4"], moment


async def test_files_are_removed_by_age_and_never_fetched_again(scene: Scene) -> None:
    scene.vendor.leave(a_recording())
    scene.clock.advance(minutes=5)
    await scene.look()
    foreign = scene.folder / "sales" / "notes.txt"
    foreign.write_text("somebody's own")
    scene.retention = Retention(max_age=timedelta(days=30))
    scene.clock.advance(days=31)
    occurrence = await scene.occurrence()
    await scene.ledger.occurrences.save_looks(replace(occurrence, look_at=scene.clock.now()))
    await scene.look()
    assert list(scene.files()) == ["notes.txt"]
    assert [record.state for record in await scene.pulled()] == [PulledState.REMOVED]
    assert scene.vendor.opened == [0]
    assert [line["reason"] for line in scene.events("artifact.removed")] == ["age"]


async def test_files_are_removed_oldest_first_when_there_is_too_much(scene: Scene) -> None:
    scene.vendor.leave(a_recording("1"))
    scene.vendor.leave(replace(a_recording("2"), ready=False, more="not yet"))
    scene.clock.advance(minutes=5)
    await scene.look()
    scene.vendor.leave(a_recording("2"))
    scene.clock.advance(minutes=25)
    await scene.look()
    scene.retention = Retention(max_size=len(MP4))
    await scene.look()
    assert list(scene.files()) == ["meeting.json", "recording-2 Recording 2.mp4"]
    listed = json.loads(scene.files()["meeting.json"])["artifacts"]
    assert {one["id"]: one["file"] for one in listed} == {"1": None, "2": "recording-2 Recording 2.mp4"}
