"""A CRM in memory: what the poller asks, answered without a wire."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from connectors.sources.crm.api import Page, Record
from connectors.sources.crm.poller import CrmSource
from connectors.sources.crm.settings import CrmSettings
from sync.errors import Unreachable
from sync.model import Finding, Meeting, MeetingKey, Participant
from sync.outlets import Archived

SETTINGS = CrmSettings(type="memory")
HOUR = timedelta(hours=1)


@dataclass
class Row:
    record: Record
    people: tuple[Participant, ...] = ()
    hidden: bool = False
    committed: bool = True


@dataclass
class MemoryCrm:
    """Implements `Crm`, and the scene of a person at it."""

    looks: int = 2
    page: int = 4
    batch: int = 3
    now: datetime = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
    rows: dict[str, Row] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    settings: CrmSettings = SETTINGS
    broken_from: int | None = None
    act: tuple[int, Callable[[], None]] | None = None
    writes: list[tuple[str, str, str]] = field(default_factory=list)
    obeys_since: bool = True
    stamped: bool = True

    # What the poller asks

    async def check(self) -> tuple[Finding, ...]:
        self._called("check")
        return ()

    async def notices(self) -> tuple[Finding, ...]:
        return (Finding("key-expires", "the key ends tomorrow"),)

    async def changed(self, since: datetime | None, after: str, ends_after: datetime | None) -> Page:
        self._called("changed")
        found = sorted(
            (
                row.record
                for row in self.rows.values()
                if row.committed
                and not row.hidden
                and (since is None or not self.obeys_since or row.record.updated is None or row.record.updated >= since)
                and (ends_after is None or row.record.meeting is None or row.record.meeting.end >= ends_after)
            ),
            key=lambda record: (str(record.updated), record.id),
        )
        first = int(after or 0)
        more = len(found) > first + self.page
        return Page(tuple(found[first : first + self.page]), str(first + self.page) if more else "")

    async def people(self, ids: Sequence[str]) -> Mapping[str, tuple[Participant, ...]]:
        self._called("people")
        return {id_: self.rows[id_].people for id_ in ids if id_ in self.rows}

    async def existing(self, ids: Sequence[str]) -> Collection[str]:
        self._called("existing")
        return [id_ for id_ in ids if id_ in self.rows and not self.rows[id_].hidden]

    async def write_link(self, id: str, link: str, former: str) -> bool:  # noqa: A002
        self.writes.append((id, link, former))
        return True

    async def add_artifact(self, id: str, artifact: Archived, *, doubted: bool) -> bool:  # noqa: A002
        self.writes.append((id, artifact.name, str(doubted)))
        return True

    async def close(self) -> None:
        pass

    def _called(self, name: str) -> None:
        self.calls.append(name)
        if self.broken_from is not None and len(self.calls) > self.broken_from:
            raise Unreachable("GET http://memory: answered 500")
        if self.act is not None and len(self.calls) > self.act[0]:
            act, self.act = self.act[1], None
            act()

    # What a person does

    def source(self) -> CrmSource:
        return CrmSource("crm", self.settings, self, now=lambda: self.now)

    def add(self, title: str, start: datetime, *, people: Sequence[tuple[str, str]] = ()) -> str:
        uid = str(len(self.rows) + 1)
        meeting = Meeting(MeetingKey("crm", uid), title, start, start + HOUR)
        self.rows[uid] = Row(Record(uid, self._stamp(), meeting), tuple(Participant(*person) for person in people))
        return uid

    def change(self, uid: str, *, title: str | None = None, start: datetime | None = None) -> None:
        meeting = self.rows[uid].record.meeting
        assert meeting is not None
        start = start or meeting.start
        self._set(uid, replace(meeting, title=title or meeting.title, start=start, end=start + HOUR))

    def cancel(self, uid: str) -> None:
        meeting = self.rows[uid].record.meeting
        assert meeting is not None
        self._set(uid, replace(meeting, cancelled=True))

    def delete(self, uid: str) -> None:
        del self.rows[uid]

    def many(self, count: int) -> None:
        for n in range(count):
            self.add(str(n), datetime(2026, 11, 24, 12, 0, tzinfo=UTC) + timedelta(minutes=4) * n)

    def hide(self, uid: str) -> None:
        self.rows[uid].hidden = True

    def show(self, uid: str) -> None:
        self.rows[uid].hidden = False

    def invite(self, uid: str, email: str, name: str) -> None:
        self.rows[uid].people += (Participant(email, name),)

    def tick(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def skew(self, hours: float) -> None:
        self.now += timedelta(hours=hours)

    def begin(self) -> Callable[[], None]:
        before = set(self.rows)

        def commit() -> None:
            for row in self.rows.values():
                row.committed = True

        inner = self.add

        def add(title: str, start: datetime, *, people: Sequence[tuple[str, str]] = ()) -> str:
            uid = inner(title, start, people=people)
            if len(self.rows) == len(before) + 1:
                self.rows[uid].committed = False
            return uid

        self.add = add  # type: ignore[method-assign]
        return commit

    def during_reads(self, act: Callable[[], None], after: int) -> None:
        self.act = len(self.calls) + after, act

    @contextmanager
    def breaking(self, kind: str, after: int = 0) -> Iterator[None]:
        self.broken_from = len(self.calls) + after
        yield
        self.broken_from = None

    def _set(self, uid: str, meeting: Meeting) -> None:
        self.rows[uid].record = replace(self.rows[uid].record, meeting=meeting, updated=self._stamp())

    def _stamp(self) -> datetime | None:
        return self.now.replace(microsecond=0) if self.stamped else None
