"""The instances of one master entry: DTSTART, RRULE, RDATE less EXDATE, EXRULE (RFC 5545 section 3.8.5)."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import takewhile

from connectors.sources.ical.entry import Entry
from connectors.sources.ical.rules import Budget
from connectors.sources.ical.values import UTC_ZONE, Length, Stamp, midnight
from sync.model import Window

InstanceId = datetime | date
"""What names one instance: its original start as an instant, or as a day when the series is all-day."""

_SLACK = timedelta(days=2)
"""Local time and UTC differ by less; spans in local time are widened by it and the instants are checked after."""
_MIN, _MAX = datetime(2, 1, 1), datetime(9998, 1, 1)  # noqa: DTZ001 - wall clock times


@dataclass(frozen=True, slots=True)
class Instance:
    """One instance of a series, before overrides."""

    id: InstanceId
    start: Stamp
    length: Length


class Series:
    """What a master entry stands for."""

    def __init__(self, master: Entry) -> None:
        self.master = master
        self._excluded = {
            self.identify(stamp) for stamp in master.excluded if master.start.is_date or not stamp.is_date
        }
        self._excluded_days = {stamp.naive.date() for stamp in master.excluded if stamp.is_date}

    def identify(self, stamp: Stamp) -> InstanceId:
        """The instance that a stamp names (as RECURRENCE-ID or EXDATE): by instant, by day in an all-day series."""
        if not self.master.start.is_date:
            return stamp.utc
        if stamp.zone is UTC_ZONE and not stamp.is_date:
            return self.master.start.zone.to_local(stamp.utc).date()
        return stamp.naive.date()

    def excludes(self, instance: InstanceId) -> bool:
        """Whether EXDATE takes this instance out."""
        return instance in self._excluded or self._day(instance) in self._excluded_days

    def overlapping(self, window: Window, budget: Budget) -> Iterator[Instance]:
        """The instances with some part in the window, not ordered, EXDATE and EXRULE observed."""
        longest = max(
            [self.master.length.roughly, *(extra.length.roughly for extra in self.master.extras if extra.length)]
        )
        after = self._local(window.start, -_SLACK) - min(longest, self._local(window.start, -_SLACK) - _MIN)
        before = self._local(window.end, _SLACK)
        for instance in self._kept(after, before, budget):
            if window.overlaps(instance.start.utc, instance.length.after(instance.start)):
                yield instance

    def find(self, wanted: InstanceId, budget: Budget) -> Instance | None:
        """The instance with this identity, None when the series has none (or excludes it)."""
        day = midnight(self._day(wanted))
        found = self._kept(day - _SLACK, day + _SLACK, budget)
        return next((instance for instance in found if instance.id == wanted), None)

    def on_day(self, day: date, budget: Budget) -> InstanceId:
        """The identity of the (first) instance on a local day; without one the day at the master's hour."""
        begin = midnight(day)
        ids = [
            instance.id
            for instance in self._all(begin, begin + timedelta(days=1), budget)
            if self._day(instance.id) == day
        ]
        start = self.master.start
        return min(ids, key=str, default=start.zone.to_utc(begin + (start.naive - midnight(start.naive.date()))))

    def _day(self, instance: InstanceId) -> date:
        """The local day that an instance starts on."""
        if isinstance(instance, datetime):
            return self.master.start.zone.to_local(instance).date()
        return instance

    def _local(self, instant: datetime, shift: timedelta) -> datetime:
        naive = instant.replace(tzinfo=None)
        return min(max(naive, _MIN), _MAX) + shift

    def _kept(self, after: datetime, before: datetime, budget: Budget) -> Iterator[Instance]:
        master = self.master
        removed = {
            self.identify(Stamp(naive, master.start.zone, master.start.is_date))
            for rule in master.except_rules
            for naive in takewhile(
                lambda naive: naive < before, rule.times(master.start.naive, master.start.zone, budget, after)
            )
        }
        for instance in self._all(after, before, budget):
            if instance.id not in removed and not self.excludes(instance.id):
                yield instance

    def _all(self, after: datetime, before: datetime, budget: Budget) -> Iterator[Instance]:
        """All instances that start between two local times, and all RDATEs, each once. The first one that names
        an instance wins: a PERIOD of its own, then DTSTART (an instance also when its
        rule has it not, unless the rules have ended before it)."""
        master, seen = self.master, set[InstanceId]()
        stamps: Iterator[tuple[Stamp, Length]] = self._stamps(after, before, budget)
        for start, length in stamps:
            instance = start.naive.date() if master.start.is_date else start.utc
            if instance not in seen:
                seen.add(instance)
                yield Instance(instance, start, length)

    def _stamps(self, after: datetime, before: datetime, budget: Budget) -> Iterator[tuple[Stamp, Length]]:
        master = self.master
        first = master.start
        for extra in master.extras:
            budget.take(1)
            yield extra.start, extra.length or master.length
        if first.naive < before and not (master.rules and all(rule.ends_before(first) for rule in master.rules)):
            yield first, master.length
        for rule in master.rules:
            for naive in rule.times(first.naive, first.zone, budget, after):
                if naive >= before:
                    break
                yield Stamp(naive, first.zone, first.is_date), master.length
