"""Times as CRMs write them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.sources.http_json.times import (
    is_null,
    read_day,
    read_instant,
    read_length,
    read_parts,
    write_instant,
    zone_of,
)

NAIVE = "%Y-%m-%d %H:%M:%S"
AT = datetime(2026, 12, 1, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "form", "zone", "instant"),
    [
        ("2026-12-01 09:00:00", NAIVE, "UTC", AT),
        ("2026-12-01 10:00:00", NAIVE, "Europe/Berlin", AT),
        ("2026-12-01T10:00:00+01:00", "iso", "UTC", AT),
        ("2026-12-01T09:00:00Z", "iso", "Europe/Berlin", AT),
        (" 2026-12-01T09:00 ", "iso", "UTC", AT),
        (1796115600, "epoch", "Europe/Berlin", AT),
        ("1796115600", "epoch", "UTC", AT),
        ("1796115600000", "epoch-ms", "UTC", AT),
        ("2026-03-29 02:30:00", NAIVE, "Europe/Berlin", datetime(2026, 3, 29, 1, 30, tzinfo=UTC)),  # does not exist
        ("2026-10-25 02:30:00", NAIVE, "Europe/Berlin", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),  # exists twice
    ],
)
def test_an_instant_is_read(value: Any, form: str, zone: str, instant: datetime) -> None:
    assert read_instant(value, form, zone_of(zone)) == instant


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("2026-12-01", NAIVE),
        (True, "epoch"),
        ("1e9", "epoch"),
        ("9" * 15, "epoch"),
        (float("nan"), "epoch"),
        (float("inf"), "epoch-ms"),
        (12, "iso"),
        ([], "epoch"),
        ("0001-01-01T00:00:00+14:00", "iso"),
        ("", "iso"),
    ],
)
def test_what_is_no_instant_is_an_error(value: Any, form: str) -> None:
    with pytest.raises(ValueError):
        read_instant(value, form, zone_of("UTC"))


@given(
    st.text(max_size=20) | st.integers() | st.floats() | st.none() | st.booleans(), st.sampled_from(["iso", "epoch"])
)
def test_nothing_but_an_error_comes_of_anything(value: Any, form: str) -> None:
    try:
        assert read_instant(value, form, zone_of("UTC")).tzinfo is UTC
    except ValueError:
        return


def test_parts_make_a_time() -> None:
    assert read_parts("2026-12-01", "09:00:00", zone_of("UTC")) == AT
    assert read_parts("2026-12-01", "10:00", zone_of("Europe/Berlin")) == AT
    with pytest.raises(ValueError):
        read_parts("2026-12-01", "25:00", zone_of("UTC"))


@pytest.mark.parametrize(("value", "minutes"), [("01:30", 90), ("01:30:00", 90), (45, 45), ("45", 45), ("00:00", 0)])
def test_a_length_is_read(value: Any, minutes: int) -> None:
    assert read_length(value) == timedelta(minutes=minutes)


@pytest.mark.parametrize("value", ["1:99", -5, "9999:00", True, None, "PT1H", float("nan")])
def test_what_is_no_length_is_an_error(value: Any) -> None:
    with pytest.raises(ValueError):
        read_length(value)


def test_a_day_begins_in_its_zone() -> None:
    assert read_day("2026-12-01", zone_of("Europe/Berlin")) == datetime(2026, 11, 30, 23, tzinfo=UTC)
    assert read_day("2026-12-01 00:00:00", zone_of("UTC"), after=1) == datetime(2026, 12, 2, tzinfo=UTC)
    with pytest.raises(ValueError):
        read_day("9999-12-31", zone_of("UTC"), after=1)


def test_false_and_nothing_are_null_and_zero_is_not() -> None:
    assert is_null(False, ["", False])
    assert is_null("", ["", False])
    assert not is_null(0, ["", False])


@pytest.mark.parametrize(
    ("form", "zone", "text"),
    [
        (NAIVE, "UTC", "2026-12-01 09:00:00"),
        ("%Y%m%d%H%M%S", "Europe/Paris", "20261201100000"),
        ("iso", "UTC", "2026-12-01T09:00:00Z"),
        ("iso", "Europe/Paris", "2026-12-01T10:00:00+01:00"),
        ("epoch", "UTC", "1796115600"),
        ("epoch-ms", "UTC", "1796115600000"),
    ],
)
def test_the_time_of_a_question_is_written_as_the_profile_says(form: str, zone: str, text: str) -> None:
    assert write_instant(AT, form, zone_of(zone)) == text


@given(st.integers(0, 4 * 60))
def test_a_local_time_in_a_question_is_never_later_than_meant(minutes: int) -> None:
    """Through the night in which clocks go back: read as either of the two hours, nothing is left out."""
    zone = zone_of("Europe/Paris")
    meant = datetime(2026, 10, 24, 23, tzinfo=UTC) + timedelta(minutes=minutes)
    asked = datetime.strptime(write_instant(meant, NAIVE, zone), NAIVE)
    for fold in (0, 1):
        assert asked.replace(tzinfo=zone, fold=fold).astimezone(UTC) <= meant
