"""`meeting.json` says whose files these are and what became of each, and gives no way in."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

from sync.artifacts.manifest import manifest
from sync.ledger.records import Occurrence, Pulled, PulledState
from sync.model import MeetingKey, Participant, Role

START = datetime(2026, 12, 1, 9, tzinfo=UTC)
KEY = MeetingKey("sales", "weekly@example.com", START)
FOLDER = "sales/2026/12/2026-12-01 Weekly [3f9a1c20]"
MEETING = Occurrence(
    route="sales",
    key=KEY,
    link="sales:weekly@example.com",
    vendor="main",
    session="s-1",
    title="Weekly – Büro",
    start=START,
    end=START + timedelta(hours=1),
    location="https://vendor.example/join/location",
    description="come in: https://vendor.example/join/description",
    organizer="mara@example.com",
    people=(Participant("jon@example.com", "Jon Doe"), Participant("mara@example.com", "Mara", Role.MODERATOR)),
)
RECORDING = Pulled(
    route="sales",
    key=str(KEY),
    vendor="main",
    session="s-1",
    kind="recording",
    ref="17",
    name="Weekly call",
    stem=f"{FOLDER}/recording-17 Weekly call",
    state=PulledState.STORED,
    seen_at=START + timedelta(hours=2),
    media_type="video/mp4",
    size=1234,
    sha256="ab" * 32,
    duration=61.5,
    created=START,
    path=f"{FOLDER}/recording-17 Weekly call.mp4",
    stored_at=START + timedelta(hours=3),
)


def read(meeting: Occurrence = MEETING, *pulled: Pulled) -> Any:
    return json.loads(manifest(meeting, pulled))


def test_the_manifest_tells_the_meeting_and_its_files() -> None:
    assert read(MEETING, RECORDING) == {
        "convener_manifest": 1,
        "route": "sales",
        "vendor": "main",
        "session": "s-1",
        "key": "sales:weekly@example.com@20261201T090000Z",
        "uid": "weekly@example.com",
        "recurrence_id": "20261201T090000Z",
        "title": "Weekly – Büro",
        "start": "2026-12-01T09:00:00Z",
        "end": "2026-12-01T10:00:00Z",
        "organizer": "mara@example.com",
        "participants": [
            {"email": "jon@example.com", "name": "Jon Doe", "role": "participant"},
            {"email": "mara@example.com", "name": "Mara", "role": "moderator"},
        ],
        "artifacts": [
            {
                "kind": "recording",
                "id": "17",
                "name": "Weekly call",
                "file": "recording-17 Weekly call.mp4",
                "media_type": "video/mp4",
                "size": 1234,
                "sha256": "ab" * 32,
                "duration_s": 61.5,
                "created": "2026-12-01T09:00:00Z",
                "stored": "2026-12-01T12:00:00Z",
                "state": "stored",
                "status": "",
                "note": "",
            }
        ],
    }


def test_a_file_is_named_only_while_it_is_in_the_archive() -> None:
    for state in PulledState:
        (shown,) = read(MEETING, replace(RECORDING, state=state))["artifacts"]
        assert (shown["file"] is not None) == (state is PulledState.STORED)
        assert shown["state"] == state.value


def test_an_artifact_that_was_only_seen_has_nulls_for_what_is_not_known() -> None:
    seen = replace(RECORDING, state=PulledState.LISTED, path="", sha256="", size=None, duration=None, created=None)
    (shown,) = read(MEETING, replace(seen, stored_at=None))["artifacts"]
    unknown = {name for name, value in shown.items() if value is None}
    assert unknown == {"file", "sha256", "size", "duration_s", "created", "stored"}


def test_the_note_says_what_went_wrong_and_what_is_still_to_come() -> None:
    (shown,) = read(MEETING, replace(RECORDING, more="the signed one", problem="answered 500", status="unsigned"))[
        "artifacts"
    ]
    assert (shown["note"], shown["status"]) == ("answered 500; the signed one", "unsigned")


def test_the_same_things_give_the_same_bytes_in_whatever_order_they_come() -> None:
    three = [replace(RECORDING, ref=ref, kind=kind) for kind, ref in [("document", "2"), ("recording", "1")]]
    assert len({manifest(MEETING, some) for some in permutations([RECORDING, *three])}) == 1


def test_it_is_text_that_people_can_read() -> None:
    content = manifest(MEETING, [RECORDING])
    assert content.endswith(b"}\n")
    assert '\n  "title": "Weekly – Büro",\n' in content.decode()


def test_no_web_address_comes_into_it() -> None:
    link = "https://vendor.example/join/secret"
    content = manifest(
        replace(MEETING, title=f"Call {link}", people=(Participant("a@example.com", f"A {link}"),)),
        [replace(RECORDING, name=link, status=link, more=f"see {link}", problem=f"{link} refused", validator=link)],
    ).decode()
    assert "://" not in content
    assert "secret" not in content


def test_a_uid_that_looks_like_an_address_is_still_the_uid() -> None:
    key = MeetingKey("sales", "https://calendar.example.com/1")
    shown = read(replace(MEETING, key=key))
    assert (shown["uid"], shown["key"], shown["recurrence_id"]) == (key.uid, str(key), None)


def test_characters_that_are_none_do_not_stop_it() -> None:
    assert read(replace(MEETING, title="a\ud800b"))["title"] == "a?b"
