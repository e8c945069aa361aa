"""How a row of HubSpot's answers becomes a meeting."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.sources.crm.api import Record
from connectors.sources.hubspot.records import Owner, address_of, name_of, read_record
from sync.model import Meeting, MeetingKey

START = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
END = START + timedelta(hours=1)
UPDATED = datetime(2026, 11, 20, 8, 0, 0, 123000, tzinfo=UTC)
OWNERS = {"7": Owner("olga@seller.example", "Olga Owner")}


def row(**fields: Any) -> dict[str, Any]:
    properties = {
        "hs_meeting_title": "Demo",
        "hs_meeting_start_time": "2026-12-01T09:00:00Z",
        "hs_meeting_end_time": "2026-12-01T10:00:00Z",
        "hs_lastmodifieddate": "2026-11-20T08:00:00.123Z",
        **fields,
    }
    return {"id": "512", "properties": properties, "updatedAt": "2026-11-20T08:00:00.999Z", "archived": False}


def meeting(**fields: Any) -> Meeting:
    found = read_record(row(**fields), "hub", OWNERS).meeting
    assert found is not None
    return found


def test_a_meeting_is_read_with_its_fields() -> None:
    record = read_record(
        row(
            hubspot_owner_id="7",
            hs_meeting_location=" Room 5 ",
            hs_meeting_body="<p>Agenda</p>",
            hs_activity_type="Demo call",
            hs_meeting_outcome="SCHEDULED",
        ),
        "hub",
        OWNERS,
    )
    assert record == Record(
        "512",
        UPDATED,
        Meeting(
            key=MeetingKey("hub", "512"),
            title="Demo",
            start=START,
            end=END,
            organizer="olga@seller.example",
            organizer_name="Olga Owner",
            description="Agenda",
            location="Room 5",
            categories=("Demo call",),
        ),
    )


@pytest.mark.parametrize(
    "text",
    [
        "2026-12-01T09:00:00Z",
        "2026-12-01T09:00:00.000Z",
        "2026-12-01T10:00:00+01:00",
        "2026-12-01T09:00:00",
        "1796115600000",
        1796115600000,
    ],
)
def test_a_time_is_iso_or_milliseconds(text: Any) -> None:
    assert meeting(hs_meeting_start_time=text).start == START


def test_without_a_start_the_timestamp_counts_and_without_an_end_there_is_no_length() -> None:
    found = meeting(hs_meeting_start_time=None, hs_timestamp="2026-12-01T09:00:00Z", hs_meeting_end_time="")
    assert (found.start, found.end) == (START, START)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"hs_meeting_start_time": None}, "it has no start"),
        ({"hs_meeting_start_time": "soon"}, "'soon' is no time"),
        ({"hs_meeting_end_time": "9" * 30}, ""),
    ],
)
def test_what_cannot_be_read_is_said_with_its_stamp(fields: dict[str, Any], problem: str) -> None:
    record = read_record(row(**fields), "hub", OWNERS)
    assert (record.id, record.updated, record.meeting) == ("512", UPDATED, None)
    assert problem in record.problem


def test_a_stamp_that_cannot_be_read_is_made_up_for() -> None:
    record = read_record(row(hs_lastmodifieddate="yesterday"), "hub", OWNERS)
    assert record.updated == datetime(2026, 11, 20, 8, 0, 0, 999000, tzinfo=UTC)
    record = read_record({**row(hs_lastmodifieddate=None), "updatedAt": "9" * 40}, "hub", OWNERS)
    assert record.updated is None
    assert record.meeting is not None


@pytest.mark.parametrize("given", [None, [], {}, {"id": None}, {"id": ""}])
def test_a_row_without_an_id_is_nobodys(given: Any) -> None:
    assert read_record(given, "hub", OWNERS).id == ""
    assert read_record(given, "hub", OWNERS).problem


def test_a_row_without_properties_is_a_problem_and_no_meeting() -> None:
    assert read_record({"id": 5}, "hub", OWNERS) == Record("5", None, problem="HubSpot shows none of its properties")


@pytest.mark.parametrize("outcome", ["CANCELED", "CANCELLED", "canceled"])
def test_a_cancelled_meeting_is_cancelled(outcome: str) -> None:
    assert meeting(hs_meeting_outcome=outcome).cancelled


@pytest.mark.parametrize("outcome", ["", None, "SCHEDULED", "SOMETHING_OF_THEIR_OWN"])
def test_any_other_outcome_before_the_meeting_is_a_plan(outcome: str | None) -> None:
    assert not meeting(hs_meeting_outcome=outcome).cancelled


@pytest.mark.parametrize("outcome", ["COMPLETED", "NO_SHOW"])
def test_a_meeting_that_was_declared_over_before_its_start_will_not_be_and_one_afterwards_is_left_alone(
    outcome: str,
) -> None:
    assert meeting(hs_meeting_outcome=outcome).cancelled
    for later in ("2026-12-01T09:00:00Z", "2026-12-01T09:20:00Z", "2026-12-02T08:00:00Z"):
        assert not meeting(hs_meeting_outcome=outcome, hs_lastmodifieddate=later).cancelled


def test_a_rescheduled_meeting_stays_at_its_time_unless_the_settings_say_that_it_is_off() -> None:
    kept = meeting(hs_meeting_outcome="RESCHEDULED")
    assert not kept.cancelled
    assert [finding.code for finding in kept.findings] == ["outcome-rescheduled"]
    off = read_record(row(hs_meeting_outcome="RESCHEDULED"), "hub", OWNERS, "cancel").meeting
    assert off is not None
    assert off.cancelled
    assert off.findings == ()


def test_an_archived_meeting_is_cancelled_and_changed_when_it_was_archived() -> None:
    record = read_record({**row(), "archived": True, "archivedAt": "2026-11-21T00:00:00Z"}, "hub", OWNERS)
    assert record.meeting is not None
    assert record.meeting.cancelled
    assert record.updated == datetime(2026, 11, 21, tzinfo=UTC)


def test_a_known_meeting_service_in_location_or_description_is_somebody_elses_link() -> None:
    zoom = "https://us02web.zoom.us/j/123"
    assert meeting(hs_meeting_location=zoom).conference_links == (zoom,)
    body = f'<p>Please <a href="{zoom}">join here</a>.</p>'
    assert meeting(hs_meeting_body=body).conference_links == (zoom,)
    assert meeting(hs_meeting_external_url=zoom).conference_links == ()


@pytest.mark.parametrize(
    ("given", "address"),
    [
        (" Ada@Client.Example ", "ada@client.example"),
        ("ada", ""),
        ("@client.example", ""),
        ("ada@", ""),
        ("ada b@client.example", ""),
        ("Ada <ada@client.example>", ""),
        ("a@b@c.example", ""),
        (None, ""),
        (5, ""),
    ],
)
def test_an_address_is_one_that_mail_could_go_to(given: Any, address: str) -> None:
    assert address_of(given) == address


def test_a_name_is_of_its_parts() -> None:
    assert name_of(" Ada ", "Client  Smith") == "Ada Client Smith"
    assert name_of(None, "") == ""
