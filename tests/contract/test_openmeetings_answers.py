"""OpenMeetings: settings, references, and the reading of answers that two libraries write."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.simulators.openmeetings_json import coerced
from connectors.vendors import openmeetings_rows as rows
from connectors.vendors.openmeetings import OpenMeetingsConnector, plugin
from connectors.vendors.openmeetings_rows import AppointmentRow, FilesRow, RecordingRow, RoomRow, Unreadable
from connectors.vendors.openmeetings_wire import external_id, file_type, parts, stamp
from sync.errors import Refused
from tests.contract.connector_base import NOON
from tests.contract.test_openmeetings import PASSWORD, settings

ROOM = {"id": 12, "type": "CONFERENCE"}
APPOINTMENT = {"id": 3, "start": "2026-12-01T13:00:00+0100", "end": "2026-12-01T14:00:00+0100", "room": ROOM}


def room(**fields: Any) -> RoomRow:
    return rows.one(RoomRow, "roomDTO", coerced("roomDTO", {**ROOM, **fields}).encode())


def appointment(**fields: Any) -> AppointmentRow:
    return rows.one(
        AppointmentRow, "appointmentDTO", json.dumps({"appointmentDTO": {**APPOINTMENT, **fields}}).encode()
    )


def test_the_settings_are_the_documented_ones() -> None:
    plain = settings("http://host:5080")
    assert (plain.url, plain.room_type, plain.invitation) == ("http://host:5080/openmeetings", "CONFERENCE", "endless")
    assert PASSWORD not in repr(plain)
    for wrong in ({"room_type": "conference"}, {"invitation": "once"}, {"password": ""}, {"sid": "x"}):
        with pytest.raises(ValidationError):
            settings("http://host:5080", **wrong)
    assert plugin.capabilities == OpenMeetingsConnector.capabilities


def test_keys_are_safe_in_a_path_and_no_numbers() -> None:
    markers = ["", "second", "42", "convener/0123/4567", "a;b%2Fc\\d", "ü🚀\ud800"]
    keys = [external_id(marker) for marker in markers]
    assert len(set(keys)) == len(markers)
    for key in keys:
        assert key.startswith("cv-")
        assert key.removeprefix("cv-").isalnum()
        assert len(key) == 35


def test_references_are_rooms_or_doubles_in_rooms() -> None:
    assert parts("12") == (12, None)
    assert parts("12.77") == (12, 77)
    for ref in ("", "0", "012", "-1", "1.", ".1", "1.2.3", "1.0", "١", "1\n", "9" * 19):
        with pytest.raises(Refused):
            parts(ref)


def test_dates_are_sent_in_the_one_form_that_is_read_right() -> None:
    assert stamp(NOON) == "2026-12-01T12:00:00+0000"
    assert stamp(datetime.fromisoformat("2026-07-01T00:15:59.9+02:00")) == "2026-06-30T22:15:59+0000"


@pytest.mark.parametrize("text", ["2026", "-5", "true", "false", "1.0E10", "0012", "1.50", "null", " 7", ""])
def test_texts_of_rooms_survive_the_coercing_writer(text: str) -> None:
    read = room(name=text, comment=text, tag=text)
    assert (read.name, read.comment, read.tag) == (text, text, text)


def test_a_room_goes_back_whole_with_fields_that_nobody_knows_yet() -> None:
    files = [{"id": 1, "fileId": 9, "wbIdx": 0}]
    fields = {"name": "7", "capacity": 25, "isPublic": True, "hiddenElements": ["CHAT"], "files": files, "novelty": "x"}
    back = room(**fields).replaced(name="New")
    assert back == {**ROOM, **fields, "name": "New", "capacity": "25", "appointment": False}
    assert room().replaced()["files"] == []
    two = [*files, {"id": 2, "fileId": 10, "wbIdx": 1}]
    assert room(files=two).replaced()["files"] == two


@pytest.mark.parametrize(
    ("fields", "marker"),
    [
        ({"externalId": external_id("m"), "comment": "m", "externalType": "convener"}, "m"),
        ({"externalId": external_id("m"), "comment": "m"}, "m"),
        ({"externalId": external_id("m"), "comment": "else"}, external_id("m")),
        ({"externalId": external_id("m"), "comment": "m", "externalType": "moodle"}, None),
        ({"externalId": "42", "comment": "m"}, None),
        ({"comment": "m"}, None),
    ],
)
def test_a_marker_is_believed_only_with_its_key(fields: dict[str, Any], marker: str | None) -> None:
    assert room(**fields).marker == marker


def test_an_appointment_goes_back_whole() -> None:
    owner = {"id": 7, "login": "x", "address": {"email": "o@example.com", "inserted": {"date": 29, "time": 1}}}
    who = {"id": 5, "user": {"id": 8, "firstname": "A", "address": {"mail": "A@Example.com"}}}
    me = {"id": 6, "user": owner}
    one = appointment(
        title="T",
        owner=owner,
        icalId="i",
        inserted="2026-11-30T23:00:00-0330",
        reminder="ICAL",
        meetingMembers=[who, me],
    )
    assert one.replaced(title="N") == {
        "id": 3,
        "title": "N",
        "start": "2026-12-01T12:00:00+0000",
        "end": "2026-12-01T13:00:00+0000",
        "owner": {"id": 7},
        "icalId": "i",
        "inserted": "2026-12-01T02:30:00+0000",
        "reminder": "ICAL",
        "languageId": 1,
        "reminderEmailSend": False,
        "passwordProtected": False,
        "connectedEvent": False,
        "deleted": False,
        "room": ROOM,
        "meetingMembers": [{"id": 5}, {"id": 6}],
    }
    assert [guest.id for guest in one.guests] == [5]
    invitee = one.invited("a@example.com")
    assert invitee is not None
    assert (invitee.ref, invitee.name) == ("5", "A")


@pytest.mark.parametrize(
    "fields", [{"start": None}, {"start": "2026-12-01T13:00:00"}, {"end": "soon"}, {"room": None}, {"id": 0}]
)
def test_an_appointment_that_lacks_something_is_unreadable(fields: dict[str, Any]) -> None:
    with pytest.raises(Unreadable):
        appointment(**fields)


@pytest.mark.parametrize(
    "body", [b"", b"<html></html>", b"[]", b"null", b"{}", b'{"other":{}}', b'{"roomDTO":{"id":1', b"\xff"]
)
def test_what_cannot_be_read_is_nothing_else(body: bytes) -> None:
    with pytest.raises(Unreadable):
        rows.one(RoomRow, "roomDTO", body)
    with pytest.raises(Unreadable):
        rows.many(RecordingRow, "recordingDTO", body)
    assert rows.said(body) is None


def test_lists_of_none_one_and_two() -> None:
    for count in (0, 1, 2):
        files = coerced("fileExplorerObject", {"userHome": [{"id": 1 + number} for number in range(count)]})
        assert len(rows.one(FilesRow, "fileExplorerObject", files.encode()).user_home) == count
    assert rows.many(RecordingRow, "recordingDTO", b'{"recordingDTO":[]}') == []
    assert len(rows.many(RecordingRow, "recordingDTO", b'{"recordingDTO":{"id":1,"status":"NONE"}}')) == 1


def test_a_recordings_times_may_have_fractions_or_be_missing() -> None:
    times = {"start": "2021-09-19T10:43:39.123+12:00", "end": "2021-09-19T10:43:56+12:00"}
    one = RecordingRow.model_validate({"id": 1, "status": "PROCESSED", **times}).artifact("12")
    assert (one.created, one.duration) == (datetime(2021, 9, 18, 22, 43, 39, 123000, tzinfo=UTC), 16.877)
    assert RecordingRow.model_validate({"id": 1, "status": "NEW"}).artifact("12").more == "the server calls it NEW"


def test_a_result_may_be_a_number_or_say_nothing() -> None:
    number = rows.said(b'{"serviceResult":{"message":42,"type":"SUCCESS"}}')
    nothing = rows.said(b'{"serviceResult":{"type":"ERROR"}}')
    assert number is not None
    assert nothing is not None
    assert (number.message, nothing.message, nothing.not_allowed) == ("42", None, False)


def test_a_servers_words_are_one_short_line_without_addresses() -> None:
    assert rows.for_people("No,\n see https://x.example/go/SECRET " + "x" * 300) == ("No, see … " + "x" * 110)
    assert rows.for_people(None) == ""


def test_files_are_sorted_by_media_type() -> None:
    kinds = {"image/png": "IMAGE", "video/mp4": "VIDEO", "application/pdf": "PRESENTATION", "": "PRESENTATION"}
    assert {media: file_type(media) for media in kinds} == kinds
