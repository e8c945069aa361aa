"""The times of an answer, as CRMs write them, and the time in a question."""

import re
from collections.abc import Collection
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from connectors.settings import iana_name

DEFAULT_LENGTH = timedelta(minutes=30)
"""Of a meeting that has a start alone: what it gets in a calendar as well."""

THE_BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
"""What "since ever" is asked as: before any CRM that is still running."""

_MONTH = timedelta(days=31)
_CLOCK = re.compile(r"(\d{1,4}):([0-5]\d)(?::([0-5]\d))?")
_NUMBER = re.compile(r"-?\d{1,15}(\.\d{1,9})?")


def zone_of(name: str) -> tzinfo:
    """The zone of that name, in any case. Raises ValueError for one that the IANA database does not have."""
    known = iana_name(name)
    if known is None:
        raise ValueError('not a time zone of the IANA database; write for example "Europe/Berlin" or "UTC"')
    return UTC if known == "UTC" else ZoneInfo(known)


def is_null(value: Any, nulls: Collection[Any]) -> bool:
    """Whether the CRM means nothing by this value. `false` and 0 are not the same."""
    return value is None or any(type(value) is type(one) and value == one for one in nulls)


def read_instant(value: Any, form: str, zone: tzinfo) -> datetime:
    """The instant (UTC) behind a value: `form` is "iso", "epoch" (seconds), "epoch-ms", or a pattern of strptime.

    What names no offset is in `zone`; a local time that does not exist takes the offset before the gap, a repeated one
    is the first. Raises ValueError.
    """
    try:
        if form in ("epoch", "epoch-ms"):
            return _since_1970(value, 1000 if form == "epoch-ms" else 1)
        if not isinstance(value, str):
            raise ValueError("not a text")  # noqa: TRY004 - a value, not a type of ours
        text = value.strip()
        local = datetime.fromisoformat(text) if form == "iso" else datetime.strptime(text, form)  # noqa: DTZ007
        return (local if local.tzinfo else local.replace(tzinfo=zone)).astimezone(UTC)
    except (OverflowError, OSError) as error:
        raise ValueError("out of range") from error


def read_day(value: Any, zone: tzinfo, *, after: int = 0) -> datetime:
    """The beginning (UTC) of the day `after` days behind a date such as 2026-12-01, in `zone`. Raises ValueError."""
    if not isinstance(value, str):
        raise ValueError("not a date")  # noqa: TRY004
    try:
        day = date.fromisoformat(value.strip()[:10]) + timedelta(days=after)
        return datetime.combine(day, time(), zone).astimezone(UTC)
    except OverflowError as error:
        raise ValueError("out of range") from error


def read_parts(day: Any, clock: Any, zone: tzinfo) -> datetime:
    """The instant (UTC) of a date and a time of day such as 15:00 or 15:00:00. Raises ValueError."""
    if not isinstance(day, str) or not isinstance(clock, str):
        raise ValueError("not a date and a time")  # noqa: TRY004
    moment = time.fromisoformat(clock.strip())
    local = datetime.combine(date.fromisoformat(day.strip()[:10]), moment)
    return (local if local.tzinfo else local.replace(tzinfo=zone)).astimezone(UTC)


def read_length(value: Any) -> timedelta:
    """A length such as 01:30, 01:30:00, or a number of minutes. Raises ValueError."""
    if isinstance(value, str) and (match := _CLOCK.fullmatch(value.strip())):
        length = timedelta(hours=int(match[1]), minutes=int(match[2]), seconds=int(match[3] or 0))
    else:
        length = timedelta(minutes=_number(value))
    if not timedelta(0) <= length <= _MONTH:
        raise ValueError("not a length")
    return length


def write_instant(instant: datetime, form: str, zone: tzinfo) -> str:
    """The instant as a question writes it. In the hour that is repeated when clocks go back, a local time means the
    first pass at one server and the second at another: then it is an hour less, so that nothing is left out."""
    if form == "iso":
        text = instant.astimezone(zone).isoformat(timespec="seconds")
        return text.removesuffix("+00:00") + "Z" if text.endswith("+00:00") else text
    if form in ("epoch", "epoch-ms"):
        return str(int(instant.timestamp()) * (1000 if form == "epoch-ms" else 1))
    local = instant.astimezone(zone)
    before, behind = local.replace(fold=0).utcoffset(), local.replace(fold=1).utcoffset()
    if before is not None and behind is not None and before > behind:
        local = local.replace(tzinfo=None) - (before - behind)
    return local.strftime(form)


def _since_1970(value: Any, parts: int) -> datetime:
    return datetime.fromtimestamp(_number(value) / parts, UTC)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError("not a number")  # noqa: TRY004 - a value, not a type of ours
    if isinstance(value, str) and not _NUMBER.fullmatch(value.strip()):
        raise ValueError("not a number")
    return float(value)
