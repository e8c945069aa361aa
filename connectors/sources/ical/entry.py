"""One VEVENT (RFC 5545 section 3.6.1) with typed values, before any recurrence."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from connectors.sources.ical.attachments import documents
from connectors.sources.ical.charsets import is_utf8
from connectors.sources.ical.lines import Line, read_lines
from connectors.sources.ical.links import conference_links
from connectors.sources.ical.people import people
from connectors.sources.ical.rules import Rule, parse_rule
from connectors.sources.ical.text import unfold
from connectors.sources.ical.values import (
    UTC_ZONE,
    Length,
    Stamp,
    Unreadable,
    Zone,
    midnight,
    parse_duration,
    parse_time,
)
from connectors.sources.ical.zones import Zones, means_utc
from sync.model import Document, Finding, Participant, content_digest

_STAND_INS = ("RECURRENCE-ID", "DTSTAMP")
"""What says when a cancellation without DTSTART is."""
MADE_UP = "no-uid-"
"""How a UID begins that we made for an entry without one."""

_WHEN = frozenset({"DTSTART", "DTEND", "DURATION", "RECURRENCE-ID", "RRULE", "EXRULE", "RDATE", "EXDATE"})
_WHAT = frozenset({"SUMMARY", "DESCRIPTION", "LOCATION", "CATEGORIES", "STATUS", "URL", "CONFERENCE", "ATTACH"})
_WHO = frozenset({"ATTENDEE", "ORGANIZER"})
_RANK = frozenset({"SEQUENCE", "DTSTAMP", "LAST-MODIFIED"})
_CONFERENCE = (
    "X-GOOGLE-CONFERENCE",
    "X-MICROSOFT-SKYPETEAMSMEETINGURL",
    "X-MICROSOFT-ONLINEMEETINGEXTERNALLINK",
    "X-ZOOM",
)
_WHOLE_DAYS = ("X-MICROSOFT-CDO-ALLDAYEVENT", "X-MICROSOFT-MSNCALENDAR-ALLDAYEVENT")
_IDENTITY = frozenset({"DTSTART", "SUMMARY", "ORGANIZER"})


@dataclass(frozen=True, slots=True)
class Context:
    """What an entry means by the calendar around it: its zones and its METHOD.

    `default` gives the zone of floating times, and `doubt` says what is assumed in it ("" for nothing); `local` is the
    calendar's own zone (X-WR-TIMEZONE) when it is known. `charset` is what the text was in when that is not UTF-8.
    """

    zones: Zones
    default: Callable[[], Zone]
    method: str = ""
    local: Zone | None = None
    doubt: str = ""
    charset: str = ""


@dataclass(frozen=True, slots=True)
class Extra:
    """One RDATE: a start, and the length of its own when it is a PERIOD."""

    start: Stamp
    length: Length | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A readable VEVENT. `sequence`, `stamped` and `modified` (as written) order several copies of one instance.

    `placeless` is a cancellation that does not say when (RFC 5546 section 3.2.5 allows that): its start means nothing.
    `whole_days` has times of day, but is marked as all-day.
    """

    start: Stamp
    length: Length
    recurrence_id: Stamp | None = None
    and_future: bool = False
    rules: tuple[Rule, ...] = ()
    except_rules: tuple[Rule, ...] = ()
    extras: tuple[Extra, ...] = ()
    excluded: tuple[Stamp, ...] = ()
    sequence: int = 0
    stamped: str = ""
    modified: str = ""
    cancelled: bool = False
    placeless: bool = False
    tentative: bool = False
    whole_days: bool = False
    title: str = ""
    description: str = ""
    location: str = ""
    categories: tuple[str, ...] = ()
    participants: tuple[Participant, ...] = ()
    organizer: str = ""
    conference: tuple[str, ...] = ()
    zone_names: tuple[str, ...] = ()
    documents: tuple[Document, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def recurs(self) -> bool:
        """Whether the entry stands for more than its own start."""
        return bool(self.rules or self.extras)


def synthetic_uid(raw: bytes) -> str:
    """A stable UID for an entry without one, from what makes it recognisable."""
    lines = sorted((line.name, line.value.strip()) for line in read_lines(raw, _IDENTITY))
    return MADE_UP + content_digest(*lines)


def read_entry(raw: bytes, context: Context) -> Entry:
    """The VEVENT block `raw`. Raises Unreadable with the reason."""
    lines = read_lines(raw, _WHEN | _WHAT | _WHO | _RANK, (*_CONFERENCE, *_WHOLE_DAYS))
    one = {line.name: line for line in reversed(lines)}
    status = one["STATUS"].value.strip().upper() if "STATUS" in one else ""
    cancelled = status in ("CANCELLED", "CANCELED") or context.method == "CANCEL"
    named = next((name for name in ("DTSTART", *(_STAND_INS if cancelled else ())) if name in one), None)
    if named is None:
        raise Unreadable("it has no DTSTART")
    reader = _Times(context)
    start = reader.stamp(one[named])
    rules = tuple(parse_rule(line.value, start.is_date) for line in lines if line.name == "RRULE")
    if start.zone is UTC_ZONE and not one[named].parameters.get("TZID"):
        start = _at_home(start, rules, context.local)
    length = _length(start, one.get("DTEND"), one.get("DURATION"), reader) if named == "DTSTART" else Length()
    rid = one.get("RECURRENCE-ID")
    everyone, organizer = people(line for line in lines if line.name in _WHO)
    attached, left_out = documents(line for line in lines if line.name == "ATTACH")
    texts: dict[str, str] = {
        name: one[name].text.strip() for name in ("SUMMARY", "DESCRIPTION", "LOCATION", "URL") if name in one
    }
    return Entry(
        start=start,
        length=length,
        recurrence_id=reader.stamp(rid).in_zone(start.zone) if rid else None,
        and_future=bool(rid and rid.parameters.get("RANGE", "").strip().upper() == "THISANDFUTURE"),
        rules=rules,
        except_rules=tuple(parse_rule(line.value, start.is_date) for line in lines if line.name == "EXRULE"),
        extras=tuple(extra for line in lines if line.name == "RDATE" for extra in reader.extras(line, start)),
        excluded=tuple(
            stamp.in_zone(start.zone) for line in lines if line.name == "EXDATE" for stamp in reader.stamps(line)
        ),
        sequence=_sequence(one),
        stamped=one["DTSTAMP"].value.strip() if "DTSTAMP" in one else "",
        modified=one["LAST-MODIFIED"].value.strip() if "LAST-MODIFIED" in one else "",
        cancelled=cancelled,
        placeless=named != "DTSTART",
        tentative=status == "TENTATIVE",
        whole_days=any(one[name].value.strip().upper() == "TRUE" for name in _WHOLE_DAYS if name in one),
        title=texts.get("SUMMARY", ""),
        description=texts.get("DESCRIPTION", ""),
        location=texts.get("LOCATION", ""),
        categories=tuple(dict.fromkeys(part for line in lines if line.name == "CATEGORIES" for part in line.texts)),
        participants=everyone,
        organizer=organizer,
        conference=_conference(lines, texts),
        zone_names=tuple(dict.fromkeys(line.parameters["TZID"] for line in lines if "TZID" in line.parameters)),
        documents=attached,
        findings=(*left_out, *_assumptions(raw, start, reader, context)),
    )


def _at_home(start: Stamp, rules: tuple[Rule, ...], home: Zone | None) -> Stamp:
    """The start in UTC of a series, as the calendar's own zone shows it.

    Google and those who write like it give X-WR-TIMEZONE and all times in UTC: every Monday at nine stays at nine
    when the clocks change, and its Monday is the one over there.
    """
    if not rules or start.is_date or home is None:
        return start
    moved = Stamp(home.to_local(start.utc), home)
    plain = moved.utc == start.utc  # not the second one of an hour that comes twice
    return moved if plain and all(rule.may_move_with_its_zone for rule in rules) else start


def _assumptions(raw: bytes, start: Stamp, reader: "_Times", context: Context) -> Iterable[Finding]:
    """What had to be assumed to read the entry."""
    if reader.contradictory:
        both = f"a time names the time zone {reader.contradictory[:60]!r} and is marked as UTC (Z): it is read as UTC"
        yield Finding("timezone-assumed", both)
    if context.doubt and (start.floating or start.is_date):
        yield Finding("timezone-assumed", context.doubt)
    if raw.isascii():
        return
    if context.charset:
        yield Finding("charset-assumed", f"its text is not UTF-8: it is read as {context.charset}, as declared")
    elif not is_utf8(unfold(raw)):
        yield Finding("charset-assumed", "its text is not UTF-8: it is read as Windows-1252, which is a guess")


class _Times:
    """Reads the time properties of one entry."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.contradictory = ""
        """The TZID of a time that ends in Z all the same."""

    def stamp(self, line: Line, text: str | None = None) -> Stamp:
        naive, is_date, is_utc = parse_time(line.value if text is None else text)
        if is_date or line.parameters.get("VALUE", "").strip().upper() == "DATE":
            return Stamp(midnight(naive.date()), self._context.default(), is_date=True)
        name = line.parameters.get("TZID", "").strip()
        if is_utc:
            self.contradictory = self.contradictory or ("" if means_utc(name) else name)
            return Stamp(naive, UTC_ZONE)
        if name:
            return Stamp(naive, self._context.zones.find(name))
        return Stamp(naive, self._context.default(), floating=True)

    def stamps(self, line: Line) -> list[Stamp]:
        return [self.stamp(line, text) for text in line.value.split(",") if text.strip()]

    def extras(self, line: Line, start: Stamp) -> Iterable[Extra]:
        for text in line.value.split(","):
            begin, slash, rest = text.partition("/")
            if not begin.strip():
                continue
            first = self.stamp(line, begin).in_zone(start.zone)
            if first.is_date and not start.is_date:
                time = start.naive - midnight(start.naive.date())
                first = Stamp(first.naive + time, start.zone)
            if not slash:
                yield Extra(first)
            elif rest.strip().upper().startswith(("P", "+P")):
                yield Extra(first, _not_negative(parse_duration(rest)))
            else:
                last = self.stamp(line, rest).in_zone(start.zone)
                yield Extra(first, _not_negative(Length(exact=last.utc - first.utc)))


def _length(start: Stamp, end: Line | None, duration: Line | None, reader: _Times) -> Length:
    """DTEND wins over DURATION. Without both a DATE lasts its day and a time nothing at all."""
    if end is not None and end.value.strip():
        stamp = reader.stamp(end)
        if stamp.is_date and not start.is_date:
            stamp = Stamp(stamp.naive, start.zone)
        if not start.is_date:
            return _not_negative(Length(exact=stamp.utc - start.utc))
        days = _day_after(stamp) - start.naive.date()
        return _not_negative(Length(days=days.days or 1))
    if duration is not None:
        length = _not_negative(parse_duration(duration.value))
        return Length(days=max(1, length.days + -(-length.exact // timedelta(days=1)))) if start.is_date else length
    return Length(days=1) if start.is_date else Length()


def _day_after(end: Stamp) -> date:
    """The first day that an all-day entry does not touch any more."""
    day = end.naive.date()
    return day if end.naive == midnight(day) else day + timedelta(days=1)


def _not_negative(length: Length) -> Length:
    if length.days < 0 or length.exact < timedelta(0):
        raise Unreadable("it ends before it starts")
    return length


def _sequence(one: dict[str, Line]) -> int:
    text = one["SEQUENCE"].value.strip() if "SEQUENCE" in one else "0"
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


def _conference(lines: list[Line], texts: dict[str, str]) -> tuple[str, ...]:
    declared = [line.text for line in lines if line.name == "CONFERENCE" or line.name.startswith(_CONFERENCE)]
    return conference_links(declared, [texts.get(name, "") for name in ("URL", "LOCATION", "DESCRIPTION")])
