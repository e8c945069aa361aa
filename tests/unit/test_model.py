"""The model: keys, windows, names, digests."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.model import (
    Artifact,
    Invitee,
    MeetingKey,
    Participant,
    RecurrenceId,
    Window,
    content_digest,
    parse_recurrence,
    recurrence_text,
)

NINE = datetime(2026, 12, 1, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("recurrence_id", "text"),
    [
        (None, "sales:a@b"),
        (NINE, "sales:a@b@20261201T090000Z"),
        (NINE.astimezone(timezone(timedelta(hours=-9))), "sales:a@b@20261201T090000Z"),
        (date(2026, 12, 1), "sales:a@b@20261201"),
    ],
)
def test_a_key_prints_as_the_design_says_and_is_read_back(recurrence_id: RecurrenceId, text: str) -> None:
    key = MeetingKey("sales", "a@b", recurrence_id)
    assert str(key) == text
    assert MeetingKey.parse(text) == key


@pytest.mark.parametrize(
    ("text", "uid"),
    [
        ("sales:urn:uuid:1-2", "urn:uuid:1-2"),
        ("sales:a@2026120", "a@2026120"),
        ("sales:a@20261201T0900", "a@20261201T0900"),
        ("sales:ü 名@x", "ü 名@x"),
        ("sales:a@20261201@example.com", "a@20261201@example.com"),
        ("sales:a@99999999", "a@99999999"),  # looks like a date and is none
        ("sales:a@20261301T000000Z", "a@20261301T000000Z"),
    ],
)
def test_a_uid_that_only_looks_like_a_recurrence_stays_whole(text: str, uid: str) -> None:
    key = MeetingKey.parse(text)
    assert (key.uid, key.recurrence_id) == (uid, None)
    assert str(key) == text


@pytest.mark.parametrize("text", ["", "sales", "sales:", ":uid", "uid@example.com"])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a meeting key"):
        MeetingKey.parse(text)


@settings(deadline=None)
@given(st.text(min_size=1), st.none() | st.dates(date(1900, 1, 1)) | st.datetimes(datetime(1900, 1, 1)))
def test_every_key_reads_back_to_one_that_prints_the_same(uid: str, moment: date | None) -> None:
    recurrence_id = moment.replace(microsecond=0, tzinfo=UTC) if isinstance(moment, datetime) else moment
    text = str(MeetingKey("sales", uid, recurrence_id))
    assert str(MeetingKey.parse(text)) == text


@settings(deadline=None)
@given(st.none() | st.dates(date(1000, 1, 1)) | st.datetimes(datetime(1000, 1, 1), timezones=st.just(UTC)))
def test_recurrence_ids_survive_their_text_form(recurrence_id: RecurrenceId) -> None:
    whole = recurrence_id.replace(microsecond=0) if isinstance(recurrence_id, datetime) else recurrence_id
    assert parse_recurrence(recurrence_text(whole)) == whole


@pytest.mark.parametrize(
    ("start", "end", "inside"),
    [
        (NINE - HOUR, NINE, False),  # ends as the window opens
        (NINE - HOUR, NINE + HOUR, True),
        (NINE, NINE, True),  # an empty one is a point
        (NINE - HOUR, NINE - HOUR, False),
        (NINE + HOUR, NINE + 9 * HOUR, True),
        (NINE + 2 * HOUR, NINE + 3 * HOUR, False),  # starts as it closes
        (NINE + 2 * HOUR, NINE + 2 * HOUR, False),
        (NINE - HOUR, NINE + 9 * HOUR, True),
    ],
)
def test_a_window_is_half_open(start: datetime, end: datetime, inside: bool) -> None:
    assert Window(NINE, NINE + 2 * HOUR).overlaps(start, end) is inside


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("Jon Doe", ("Jon", "Doe")),
        ("Jon van der Doe", ("Jon", "van der Doe")),
        ("  Jon   Doe ", ("Jon", "Doe")),
        ("Jon", ("Jon", "")),
        ("", ("jon.d", "")),
        ("   ", ("jon.d", "")),
    ],
)
def test_a_name_splits_at_its_first_space(name: str, parts: tuple[str, str]) -> None:
    assert Participant("jon.d@example.com", name).first_and_last_name() == parts


def test_digests_tell_apart_what_only_concatenates_to_the_same() -> None:
    digests = [content_digest(*parts) for parts in (("ab", "c"), ("a", "bc"), ("abc",), ("abc", ""), ("\ud800",))]
    assert len(set(digests)) == 5
    assert content_digest("ab", "c") == digests[0]


def test_personal_and_recording_links_do_not_show_when_printed() -> None:
    invitee = Invitee("1", "a@b.example", personal_link="https://vendor.example/#sid")
    recording = Artifact("recording", "1", "2", link="https://vendor.example/rec/token")
    assert "sid" not in repr(invitee)
    assert "token" not in repr(recording)
