"""Which join links a source has yet to get back: what should stand there, against what was written. Pure.

Only what is proved is acted upon: nothing is written to a meeting that the source does not show or has cancelled, and
a link is taken away only when its session certainly is not the meeting's any more.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from sync.ledger.records import Link, LinkState, Occurrence
from sync.ledger.write_backs import LINK, WriteBack, WriteState
from sync.links_back.publish import for_everybody
from sync.model import MeetingKey

EARLIER_LINKS = 5
"""So many links that stood at a meeting before are remembered: they may be seen there for a while."""

_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Situation:
    """What the planning looks at. `occurrences` are the route's that have not ended, `links` the route's by key as
    text; `shown` are the meetings that the source shows and has not cancelled, `taken` those that the route wants a
    session for (of a standing room, the room's key)."""

    route: str
    occurrences: Collection[Occurrence]
    links: Mapping[str, Link]
    shown: Collection[MeetingKey]
    taken: Collection[MeetingKey]
    now: datetime
    respect_backoff: bool = False


@dataclass(frozen=True, slots=True)
class Due:
    """One call that is to be made. `row` is written ahead of it; `link` is to stand in place of `former`, and `then` is
    what should stand in the end, which is something else where an earlier call is in doubt."""

    row: WriteBack
    link: str
    former: str
    then: str
    start: datetime
    others: tuple[WriteBack, ...] = field(default=(), repr=False)

    @property
    def clears(self) -> bool:
        """Whether it takes away what an earlier call in doubt may have left, and does no more than that."""
        return self.link == "" and self.row.wanted != ""


@dataclass(frozen=True, slots=True)
class WritePlan:
    """What has to be done: `due` calls in their order, rows that change without a call (`settled`), and how many that
    lack their link `wait`, for their time or for a person."""

    due: tuple[Due, ...] = ()
    settled: tuple[WriteBack, ...] = ()
    wait: int = 0


def due_links(s: Situation, rows: Iterable[WriteBack]) -> WritePlan:
    """What to write, those with the fewest attempts first. `rows` are the links of all routes of the source."""
    own: dict[MeetingKey, WriteBack] = {}
    others: dict[MeetingKey, list[WriteBack]] = {}
    for row in rows:
        if row.route == s.route:
            own[row.key] = row
        elif row.written:
            others.setdefault(row.key, []).append(row)
    due, settled, wait = [], [], 0
    for one in s.occurrences:
        before = own.get(one.key)
        link = _wanted(s, one) if one.key in s.shown else None
        if link is None or (before is None and not link):
            if before is not None and before.ends_at != one.end:
                settled.append(replace(before, ends_at=one.end))
            continue
        row = before or WriteBack(s.route, one.key, LINK, one.end, WriteState.DONE, "", attempts=0)
        row = replace(row, ends_at=one.end)
        step = next_step(row, link, others.get(one.key, ()), one.start)
        if isinstance(step, Due):
            waits = s.respect_backoff and row.wanted == link and row.retry_at is not None and row.retry_at > s.now
            wait += waits
            due += [] if waits else [step]
        else:
            wait += not step.is_over
            settled += [step] if step != before else []
    due.sort(key=lambda one: (one.row.attempts, one.start, str(one.row.key)))
    return WritePlan(tuple(due), tuple(settled), wait)


def next_step(row: WriteBack, link: str, others: Iterable[WriteBack], start: datetime) -> Due | WriteBack:
    """The next call that makes `link` stand, or the row as it is without one. `others` are the links of other routes
    that stand at the same meeting, or stood there before ours."""
    others = tuple(others)
    if row.wanted != link and not _is_open(row):
        if not link and not row.written:
            return replace(row, state=WriteState.DONE, wanted="", attempts=0, retry_at=None, problem="")
        tried = "" if row.state is WriteState.SKIPPED else row.wanted
        row = replace(row, wanted=link, state=WriteState.WAITING, attempts=0, doubted=False)
        row = with_earlier(row, tried)
    elif row.is_over or row.is_given_up:
        return row
    ahead = replace(
        row,
        state=WriteState.TRYING,
        attempts=row.attempts + 1,
        doubted=row.doubted or row.state is WriteState.TRYING,
        retry_at=None,
    )
    if row.wanted and row.wanted != link:
        # A link that is not wanted any more is not written once more only to learn whether it stands there.
        return Due(ahead, "", row.wanted, link, start, others)
    if not row.wanted:
        # What another route had written there before ours stands there again.
        return Due(ahead, _newest(others), row.written, link, start, others)
    return Due(ahead, row.wanted, _newest((row, *others)), link, start, others)


def with_earlier(row: WriteBack, link: str) -> WriteBack:
    """The row with one more link that stood there before, or may have."""
    earlier = dict.fromkeys(one for one in (link, *row.former) if one and one != row.wanted)
    return replace(row, former=tuple(earlier)[:EARLIER_LINKS])


def _newest(rows: Iterable[WriteBack]) -> str:
    """The link that was written last, "" when none was."""
    return max(((row.written_at or _NEVER, row.written) for row in rows if row.written), default=(_NEVER, ""))[1]


def _is_open(row: WriteBack) -> bool:
    """Whether nobody knows what stands there: that is made clear before anything else is written."""
    return row.state is WriteState.TRYING or (row.doubted and row.state is WriteState.WAITING)


def _wanted(s: Situation, one: Occurrence) -> str | None:
    """The join link that should stand at the source, "" for none, None when that cannot be told now."""
    link = s.links.get(one.link)
    if link is None:
        return None  # a person made us forget it, and its session goes on
    if link.has_session:
        known = link.session == one.session and link.join_url is not None
        return for_everybody(link) or "" if known else None
    # While a new session is to come, its link is waited for.
    over = link.key not in s.taken or link.state is LinkState.QUARANTINED
    return "" if over else None
