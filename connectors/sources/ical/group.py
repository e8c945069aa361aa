"""One UID with its master and its overrides: which meetings they are.

A UID's entries are read together or not at all. An override is known by its RECURRENCE-ID, never by the time that it
was moved to; so is every instance of a series.
"""

from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from connectors.sources.ical.copies import Placed, newest, standing
from connectors.sources.ical.entry import Context, Entry, read_entry
from connectors.sources.ical.rules import SERIES_STEPS, Budget, BudgetSpent
from connectors.sources.ical.series import Instance, InstanceId, Series
from connectors.sources.ical.settings import CalendarSettings
from connectors.sources.ical.values import Length, Stamp, Unreadable, midnight
from sync.model import Finding, Meeting, MeetingKey, RecurrenceId, Window

MARGIN = timedelta(days=1)
"""How far beyond the window a series is worked out at once, so that the next reads need not do it again."""


AHEAD = (timedelta(days=45), timedelta(days=400), timedelta(days=800))
"""How far beyond the window the next occurrence of a known series is looked for, in steps: a yearly one is found."""


class BadEntry(Unreadable):
    """One entry of a group cannot be read; `index` is its place in the group."""

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(reason)
        self.index = index


_COPIES = "several entries have this UID: the one with the highest SEQUENCE, or the newest, or the last is used"
_SEVERAL = "entries with different starts have this UID, and nothing tells which is newer: each is a meeting of its own"


class TooMany(Unreadable):
    """A series has more occurrences in the window than `max_occurrences` allows."""


@dataclass(slots=True)
class Group:
    """The entries of one UID, sorted out. `onwards` are the overrides with RANGE=THISANDFUTURE by the `_order` of their
    instances. `others` are the further meetings of a UID that stands for several, with the same overrides, which only
    the first one gives; then each master that does not recur is known by its start (`by_start`).

    `worked_out` keeps a series' meetings of a span of time, `singles` those of the overrides and of a master that does
    not recur: an unchanged group is worked out once. `hopeless` is why a series could not be worked out in a span of
    time, although it had all its steps."""

    master: Entry | None
    series: Series | None
    overrides: dict[InstanceId, Entry]
    onwards: list[tuple[str, Entry]]
    findings: tuple[Finding, ...] = ()
    others: tuple["Group", ...] = ()
    by_start: bool = False
    is_other: bool = False
    worked_out: tuple[Window, list[Meeting]] | None = None
    singles: list[Meeting] | None = None
    hopeless: tuple[Window, str] | None = None
    index_of_master: int = 0


def read_group(parts: Sequence[tuple[bytes, Context]], budget: Budget) -> Group:
    """Read the VEVENT blocks of one UID. Raises BadEntry."""
    entries: list[tuple[int, Entry]] = []
    findings: dict[str, Finding] = {}
    for index, (raw, context) in enumerate(parts):
        try:
            entry = read_entry(raw, context)
        except (ValueError, OverflowError, ArithmeticError) as error:
            raise BadEntry(index, str(error) or type(error).__name__) from error
        if context.method == "ADD" and entry.recurrence_id is None:
            entry = replace(entry, recurrence_id=entry.start)  # one more instance of a series (RFC 5546 section 3.2.4)
        entries.append((index, entry))
        for name in entry.zone_names:
            if name in context.zones.assumed:
                message = f"the time zone {name[:60]!r} is not defined: the offset in its name is used all year"
                findings["zone"] = Finding("timezone-assumed", message)
    masters = [placed for placed in entries if placed[1].recurrence_id is None]
    # Notes sends the rest of a series as an override with dates of its own: without its master it is one
    masters = masters or [placed for placed in entries if placed[1].and_future and placed[1].recurs]
    counting = standing(masters) if masters else []
    index, master = counting[0] if counting else (0, None)
    series = Series(master) if master else None
    steps = budget.series()
    by_instance: dict[InstanceId, list[Placed]] = {}
    for place, entry in entries:
        if entry.recurrence_id is not None and entry is not master:
            by_instance.setdefault(_instance_id(series, entry.recurrence_id, steps), []).append((place, entry))
    if len(masters) > len(counting) or any(len(same) > 1 for same in by_instance.values()):
        findings["uid"] = Finding("duplicate-uid", _COPIES)
    if len(counting) > 1:
        findings["uid"] = Finding("duplicate-uid", _SEVERAL)
    overrides = {instance: newest(same)[1] for instance, same in by_instance.items()}
    onwards = [(_order(instance), entry) for instance, entry in overrides.items() if entry.and_future]
    onwards.sort(key=lambda pair: pair[0])
    said = tuple(findings.values())
    others = tuple(
        Group(other, Series(other), overrides, onwards, said, by_start=True, is_other=True) for _, other in counting[1:]
    )
    return Group(master, series, overrides, onwards, said, others, by_start=bool(others), index_of_master=index)


def _order(instance: InstanceId) -> str:
    return instance.strftime("%Y%m%dT%H%M%S") if isinstance(instance, datetime) else instance.strftime("%Y%m%d")


def _instance_id(series: Series | None, stamp: Stamp, budget: Budget) -> InstanceId:
    if series is None:
        return stamp.naive.date() if stamp.is_date else stamp.utc
    if stamp.is_date and not series.master.start.is_date:
        return series.on_day(stamp.naive.date(), budget)
    return series.identify(stamp)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a read is about: the source's name and settings, the window, and the budget of the feed."""

    source: str
    settings: CalendarSettings
    window: Window
    budget: Budget = field(default_factory=Budget)


def meetings_of(group: Group, uid: str, known: Collection[RecurrenceId], wanted: Wanted) -> list[Meeting]:
    """The group's meetings in the window, and those of the known instances wherever they are in time.

    Of a series that is known as a whole (None among `known`), the next occurrence after the window tells that it goes
    on. Raises Unreadable when the series cannot be worked out within its limits.
    """
    found: dict[MeetingKey, Meeting] = {}
    for part in (group, *group.others):
        for one in _meetings_of_one(part, uid, known, wanted):
            if one.key not in found or found[one.key].cancelled:
                found[one.key] = one
    if group.master is not None and group.master.cancelled and not group.others:
        for instance in known:
            key = MeetingKey(wanted.source, uid, instance)
            if key not in found and (meeting := _cancelled_too(group, group.master, uid, instance, wanted)):
                found[key] = meeting
    return list(found.values())


def _meetings_of_one(group: Group, uid: str, known: Collection[RecurrenceId], wanted: Wanted) -> list[Meeting]:
    """Those of one master, and of the overrides."""
    recurs = group.master is not None and group.master.recurs
    found = _in_window(group, uid, wanted) if recurs else []
    if group.singles is None:
        group.singles = list(_singles(group, uid, wanted))
    found += [one for one in group.singles if _overlaps(one, wanted.window) or one.key.recurrence_id in known]
    if known and group.series is not None and (recurs or not group.is_other):
        budget, present = wanted.budget.series(), {one.key.recurrence_id for one in found}
        for instance in known:
            if instance is not None and instance not in present and instance not in group.overrides:
                found += _known_instance(group, group.series, uid, instance, wanted, budget)
    if None in known:
        found += _next_of_series(group, uid, wanted)
    return found


def _cancelled_too(group: Group, master: Entry, uid: str, instance: RecurrenceId, wanted: Wanted) -> Meeting | None:
    """An instance of a cancelled UID that its entries do not name: a cancellation may come without the rule."""
    start = master.start
    if isinstance(instance, datetime):
        start = Stamp(start.zone.to_local(instance), start.zone)
    elif instance is not None:
        start = Stamp(midnight(instance), start.zone, is_date=True)
    return _meeting(group, uid, instance, master, start, master.length, wanted, cancelled=True)


def _in_window(group: Group, uid: str, wanted: Wanted) -> list[Meeting]:
    """A series' own instances in the window, overrides apart; kept for the reads that follow."""
    window = wanted.window
    span = Window(_day(window.start), _day(window.end) + 2 * MARGIN)
    if group.hopeless is not None and _within(window, group.hopeless[0]):
        raise Unreadable(group.hopeless[1])
    if group.worked_out is None or not _within(window, group.worked_out[0]):
        all_steps = wanted.budget.feed[0] >= SERIES_STEPS
        try:
            group.worked_out = span, _work_out(group, uid, wanted, span)
        except TooMany:
            group.worked_out = window, _work_out(group, uid, wanted, window)
        except BudgetSpent as error:
            if all_steps:
                group.hopeless = span, str(error)
            raise
    return [one for one in group.worked_out[1] if _overlaps(one, window)]


def _work_out(group: Group, uid: str, wanted: Wanted, span: Window) -> list[Meeting]:
    if group.series is None:
        return []
    budget, shift = wanted.budget.series(), _largest_shift(group)
    found: list[Meeting] = []
    for instance in group.series.overlapping(Window(span.start - shift, span.end + shift), budget):
        if instance.id in group.overrides:
            continue
        meeting = _of_instance(group, uid, instance, wanted)
        if meeting is not None and _overlaps(meeting, span):
            found.append(meeting)
            if len(found) > (limit := wanted.settings.max_occurrences):
                raise TooMany(f"it has more than {limit} occurrences in the window (max_occurrences)")
    return found


def _singles(group: Group, uid: str, wanted: Wanted) -> Iterator[Meeting]:
    """The overrides, and the master when it does not recur."""
    for instance, entry in () if group.is_other else group.overrides.items():
        master = group.master
        over = master is not None and master.cancelled and not group.others and master.sequence >= entry.sequence
        if meeting := _meeting(group, uid, instance, entry, entry.start, entry.length, wanted, cancelled=over):
            yield meeting
    master, series = group.master, group.series
    if master is None or series is None or master.recurs:
        return
    own = series.identify(master.start)
    name, gone = own if group.by_start else None, series.excludes(own)
    if own not in group.overrides and (
        meeting := _meeting(group, uid, name, master, master.start, master.length, wanted, cancelled=gone)
    ):
        yield meeting


def _known_instance(
    group: Group, series: Series, uid: str, wanted_id: date, wanted: Wanted, budget: Budget
) -> Iterator[Meeting]:
    """An instance that has a session, wherever it is; an excluded one is an explicit cancellation."""
    if isinstance(wanted_id, datetime) == series.master.start.is_date:
        return
    excluded = series.excludes(wanted_id)
    instance: Instance | None
    if excluded:
        start = series.master.start
        naive = start.zone.to_local(wanted_id) if isinstance(wanted_id, datetime) else midnight(wanted_id)
        instance = Instance(wanted_id, Stamp(naive, start.zone, start.is_date), series.master.length)
    else:
        instance = series.find(wanted_id, budget) if series.master.recurs else None
    meeting = _of_instance(group, uid, instance, wanted) if instance else None
    if meeting is not None:
        yield replace(meeting, cancelled=meeting.cancelled or excluded)


def _next_of_series(group: Group, uid: str, wanted: Wanted) -> list[Meeting]:
    """The first occurrence that begins after the window and is not cancelled; none when there is no (further) one."""
    budget, end = wanted.budget.series(), wanted.window.end
    for ahead in AHEAD:
        later = [one for one in group.singles or () if one.key.recurrence_id is not None and one.start < end + ahead]
        if group.series is not None and group.master is not None and group.master.recurs:
            for instance in group.series.overlapping(Window(end, end + ahead), budget):
                meeting = _of_instance(group, uid, instance, wanted) if instance.id not in group.overrides else None
                later += [meeting] if meeting is not None else []
        found = sorted((one for one in later if one.start >= end and not one.cancelled), key=lambda one: one.start)
        if found:
            return found[:1]
    return []


def _of_instance(group: Group, uid: str, instance: Instance, wanted: Wanted) -> Meeting | None:
    """An instance as its master says, or as the last RANGE=THISANDFUTURE override at or before it says."""
    entry, start, length = group.master, instance.start, instance.length
    before = bisect_right(group.onwards, _order(instance.id), key=lambda pair: pair[0]) if group.onwards else 0
    if before:
        _, entry = group.onwards[before - 1]
        start, length = _shifted(instance.start, entry), entry.length
    if entry is None:
        return None
    cancelled = group.master is not None and group.master.cancelled
    return _meeting(group, uid, instance.id, entry, start, length, wanted, cancelled=cancelled)


def _shifted(start: Stamp, override: Entry) -> Stamp:
    """`start` moved as the override moved its own instance, on the override's wall clock."""
    origin = override.recurrence_id
    if origin is None:
        return start
    if override.start.is_date or origin.is_date or start.is_date:
        moved = start.naive + (override.start.naive - origin.naive)
        return Stamp(moved, override.start.zone, override.start.is_date)
    zone = override.start.zone
    return Stamp(zone.to_local(start.utc) + (override.start.naive - zone.to_local(origin.utc)), zone)


def _largest_shift(group: Group) -> timedelta:
    """How far THISANDFUTURE overrides move or stretch instances."""
    sizes = [timedelta(0)]
    for _, entry in group.onwards:
        if entry.recurrence_id is not None:
            sizes.append(abs(entry.start.utc - entry.recurrence_id.utc) + entry.length.roughly + timedelta(days=1))
    return max(sizes)


def _meeting(
    group: Group,
    uid: str,
    instance: RecurrenceId,
    entry: Entry,
    start: Stamp,
    length: Length,
    wanted: Wanted,
    *,
    cancelled: bool = False,
) -> Meeting | None:
    """The meeting, None when the settings leave it out (all-day, tentative)."""
    cancelled = cancelled or entry.cancelled
    all_day = start.is_date or entry.whole_days
    if (all_day and not wanted.settings.all_day and not entry.placeless) or (
        entry.tentative and not wanted.settings.tentative and not cancelled
    ):
        return None
    return Meeting(
        key=MeetingKey(wanted.source, uid, instance),
        title=entry.title,
        start=start.utc,
        end=length.after(start),
        participants=entry.participants,
        organizer=entry.organizer,
        description=entry.description,
        location=entry.location,
        categories=entry.categories,
        all_day=all_day,
        tentative=entry.tentative,
        cancelled=cancelled,
        conference_links=entry.conference,
        findings=(*group.findings, *entry.findings),
        documents=entry.documents,
    )


def _overlaps(meeting: Meeting, window: Window) -> bool:
    return window.overlaps(meeting.start, meeting.end)


def _within(window: Window, span: Window) -> bool:
    return span.start <= window.start and window.end <= span.end


def _day(instant: datetime) -> datetime:
    return instant.replace(hour=0, minute=0, second=0, microsecond=0)
