"""What the status page shows, made from the running service and the ledger; the template only lays it out."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from daemon.capabilities import is_compared
from daemon.live import Live, Standing
from daemon.render import size
from daemon.telemetry import Redaction
from daemon.web.attention import Card, drifted, held_back, of_link, of_missed, unsettled, urgent_first
from daemon.web.health import patience
from daemon.web.words import NAME, REASON, TITLE, Shown, When, count, duration, safe_link, shown_with, when
from daemon.wiring import Installation, secrets_of
from sync.ledger.overview import Upcoming
from sync.ledger.records import Run
from sync.ledger.steps import Step

MEETINGS, STEPS, STORED, CARDS = 50, 30, 12, 30
"""At most so many of each are shown."""

_ENDS = {
    0: ("good", "in step"),
    1: ("bad", "stopped by a defect"),
    2: ("bad", "configuration or database"),
    3: ("person", "held back in part"),
    4: ("wait", "something waits"),
    5: ("bad", "not reachable"),
}
"""How a pass ended, by its exit code: a tone, and words."""

_DONE = {
    "create": "created", "update": "updated", "replace": "replaced", "cancel": "cancelled", "invite": "invited",
    "uninvite": "uninvited", "role": "role changed",
}  # fmt: skip
_RESULTS = {
    "done": ("good", ""),
    "held": ("person", "held back"),
    "failed": ("bad", "failed"),
    "deferred": ("wait", "put off"),
    "in_doubt": ("person", "in doubt"),
}
_LINKS = {"new": "new join link", "kept": "", "retired": "join link retired", "none": ""}
_STATES = {
    "pending": ("wait", "not made yet"),
    "live": ("good", "ready"),
    "quarantined": ("bad", "quarantined"),
    "in_doubt": ("person", "in doubt"),
}


@dataclass(frozen=True, slots=True)
class RouteRow:
    """A route. `tone` is good, wait, person, bad or calm; `state` says the same in words, `coming` what is next."""

    name: str
    source: str
    vendor: str
    tone: str
    state: str
    last_success: When | None
    last_pass: When | None
    coming: str
    next_run: When | None
    sessions: int


@dataclass(frozen=True, slots=True)
class OutsideRow:
    """A source or a vendor."""

    kind: str
    name: str
    tone: str
    state: str
    reason: str
    read: When | None = None


@dataclass(frozen=True, slots=True)
class MeetingRow:
    """A meeting to come. `link` may be followed; `link_text` is shown where it may not."""

    start: When
    time: str
    length: str
    running: bool
    title: str
    route: str
    vendor: str
    tone: str
    state: str
    people: tuple[str, ...]
    link: str | None
    link_text: str


@dataclass(frozen=True, slots=True)
class StepRow:
    """Something that was done, or tried."""

    at: When
    route: str
    what: str
    title: str
    person: str
    reason: str
    tone: str
    result: str
    effect: str


@dataclass(frozen=True, slots=True)
class StoredRow:
    """A file of the archive."""

    at: When
    name: str
    kind: str
    size: str
    title: str
    route: str


@dataclass(frozen=True, slots=True)
class Board:
    """The page. `days` are the meetings by day, `more_cards` are those that are not shown."""

    tone: str
    headline: str
    lead: tuple[str, ...]
    now: When
    started: When
    cards: tuple[Card, ...]
    more_cards: int
    routes: tuple[RouteRow, ...]
    outside: tuple[OutsideRow, ...]
    days: tuple[tuple[str, tuple[MeetingRow, ...]], ...]
    more_meetings: int
    steps: tuple[StepRow, ...]
    stored: tuple[StoredRow, ...]


async def board(live: Live) -> Board:
    """The page as it is now."""
    inside = live.inside
    now, ledger = inside.clock.now(), inside.ledger
    shown = shown_with(Redaction(secrets_of(inside.settings)))
    ahead = await ledger.overview.ahead(now)
    routes, cards = [], []
    for name in inside.settings.routes:
        last = await ledger.last_run(name)
        good = await ledger.last_run(name, successful=True)
        routes.append(_route(inside, name, last, good, live.standing(name), ahead.get(name, 0), now, shown))
        held = await ledger.steps.held(name, last.started_at) if last else []
        cards += held_back(name, last, held, shown)
        if is_compared(inside.settings, name):
            cards += drifted(name, await ledger.drift.last(name), now, shown)
        cards += unsettled(name, await ledger.undecided(name), shown)
    troubled = await ledger.overview.troubled(now, CARDS)
    number, aside = await ledger.overview.number_troubled(now)
    cards += [of_link(link, now, shown) for link in troubled]
    unnamed = max(0, number - len(troubled))
    unnamed_persons = max(0, min(unnamed, aside - len(troubled)))
    cards += [of_missed(one, shown) for one in await ledger.overview.missed(now, CARDS)]
    cards = urgent_first(cards)
    outside = [*await _sources(inside, now, shown), *await _vendors(inside, now, shown)]
    coming = await ledger.overview.upcoming(now, MEETINGS)
    tone, headline = _headline(routes, cards, unnamed_persons)
    return Board(
        tone=tone,
        headline=headline,
        lead=_lead(routes, coming, sum(ahead.values()), now, shown),
        now=when(now, now),
        started=when(live.started_at, now),
        cards=tuple(cards[:CARDS]),
        more_cards=len(cards[CARDS:]) + unnamed,
        routes=tuple(routes),
        outside=tuple(outside),
        days=_days(coming, now, shown),
        more_meetings=max(0, sum(ahead.values()) - len(coming)) if len(coming) == MEETINGS else 0,
        steps=tuple(_step(one, now, shown) for one in await ledger.steps.newest(STEPS, held=False)),
        stored=tuple(
            StoredRow(
                when(one.at, now), shown(one.name, TITLE) or one.kind, shown(one.kind, NAME), size(one.size),
                shown(one.title, TITLE), shown(one.route, NAME),
            )
            for one in await ledger.overview.lately_stored(STORED)
        ),
    )  # fmt: skip


def _headline(routes: list[RouteRow], cards: list[Card], unnamed: int) -> tuple[str, str]:
    """The whole in one sentence: the worst that is true. `unnamed` are those who need a person and have no card."""
    number = sum(card.person for card in cards) + unnamed
    if number:
        return "person", f"{count(number, 'thing')} {'needs' if number == 1 else 'need'} a person"
    off = [row for row in routes if row.tone == "bad"]
    if off:
        which = "The only route is" if len(routes) == 1 else f"{len(off)} of {count(len(routes), 'route')}"
        return "bad", f"{which} not in step" if len(
            routes
        ) == 1 else f"{which} {'is' if len(off) == 1 else 'are'} not in step"
    if cards:
        return "wait", f"{count(len(cards), 'thing')} {'is' if len(cards) == 1 else 'are'} tried again"
    if not routes:
        return "calm", "There is no route yet"
    if any(row.tone in ("calm", "wait") for row in routes):
        return "wait", "Almost: a pass has still to come through"
    return "good", "The only route is in step" if len(routes) == 1 else f"All {len(routes)} routes are in step"


def _lead(
    routes: list[RouteRow], coming: list[Upcoming], sessions: int, now: datetime, shown: Shown
) -> tuple[str, ...]:
    """What one wants to know next."""
    parts = []
    good = sum(row.tone == "good" for row in routes)
    if routes and good < len(routes):
        parts.append(f"{good} of {count(len(routes), 'route')} in step")
    parts.append(f"{count(sessions, 'session')} ahead" if sessions else "no session ahead")
    running = sum(one.start <= now for one in coming)
    if running:
        parts.append(f"{running} running now")
    later = next((one for one in coming if one.start > now), None)
    if later:
        parts.append(f"next {when(later.start, now).relative}: {shown(later.title, NAME) or '(untitled)'}")
    return tuple(parts)


def _route(
    inside: Installation,
    name: str,
    last: Run | None,
    good: Run | None,
    standing: Standing,
    sessions: int,
    now: datetime,
    shown: Shown,
) -> RouteRow:
    settings = inside.settings.routes[name]
    tone, state = _state(last, standing)
    if last and not standing.running and now - last.started_at > patience(inside, source=settings.source):
        tone, state = "bad", "no pass for too long"
    owner = shown(standing.owner, NAME)
    coming = "running now" if standing.running else f"by {owner}" if owner else "not planned"
    return RouteRow(
        shown(name, NAME),
        shown(settings.source, NAME),
        shown(settings.vendor, NAME),
        tone,
        state,
        when(good.started_at, now) if good else None,
        when(last.started_at, now) if last else None,
        coming,
        when(max(standing.next_run, now), now) if standing.next_run else None,
        sessions,
    )


def _state(last: Run | None, standing: Standing) -> tuple[str, str]:
    if last is None:
        return "calm", "first pass running" if standing.running else "no pass yet"
    if last.exit is None:
        return ("calm", "first pass running") if standing.running else ("wait", "the last pass broke off")
    return _ENDS.get(last.exit, ("bad", f"ended with {last.exit}"))


async def _sources(inside: Installation, now: datetime, shown: Shown) -> list[OutsideRow]:
    rows = []
    for name in dict.fromkeys(route.source for route in inside.settings.routes.values()):
        known = await inside.ledger.source(name)
        read = when(known.complete_at, now) if known.complete_at else None
        tone, state = ("good", "read whole") if read else ("calm", "not read yet")
        reason = known.problem or ""
        if known.rejected:
            tone, state = "wait", f"{count(len(known.rejected), 'entry', 'entries')} not readable"
            reason = reason or "; ".join(sorted(f"{uid or 'an entry'}: {why}" for uid, why in known.rejected))
        if known.problem:
            tone, state = "bad", "not read whole"
        rows.append(OutsideRow("source", shown(name, NAME), tone, state, shown(reason, REASON), read))
    return rows


async def _vendors(inside: Installation, now: datetime, shown: Shown) -> list[OutsideRow]:
    rows = []
    for name in dict.fromkeys(route.vendor for route in inside.settings.routes.values()):
        known = await inside.ledger.vendor(name)
        tone, state = ("bad", "in trouble") if known.problem else ("good", "no trouble")
        if known.cooldown_until and known.cooldown_until > now:
            tone, state = "wait", f"asks us to wait, until {known.cooldown_until:%H:%M} UTC"
        rows.append(OutsideRow("vendor", shown(name, NAME), tone, state, shown(known.problem or "", REASON)))
    return rows


def _days(coming: Iterable[Upcoming], now: datetime, shown: Shown) -> tuple[tuple[str, tuple[MeetingRow, ...]], ...]:
    """By the day they start on, in UTC; those that run already are today's."""

    def day(one: Upcoming) -> str:
        date = max(one.start, now).date()
        near = {0: "Today, ", 1: "Tomorrow, "}.get((date - now.date()).days, "")
        return (
            f"{near}{date:%A} {date.day} {date:%B}{date: %Y}"
            if date.year != now.year
            else f"{near}{date:%A} {date.day} {date:%B}"
        )

    return tuple((name, tuple(_meeting(one, now, shown) for one in rows)) for name, rows in groupby(coming, day))


def _meeting(one: Upcoming, now: datetime, shown: Shown) -> MeetingRow:
    tone, state = _STATES.get(one.state, ("calm", one.state))
    link = safe_link(one.join_url)
    return MeetingRow(
        when(one.start, now),
        f"{one.start:%H:%M}",
        duration(one.end - one.start),
        one.start <= now,
        shown(one.title, TITLE) or "(untitled)",
        shown(one.route, NAME),
        shown(one.vendor, NAME),
        tone,
        state,
        tuple(shown(name, NAME) for name in one.people),
        link,
        "" if link or not one.join_url else shown(one.join_url, NAME),
    )


def _step(one: Step, now: datetime, shown: Shown) -> StepRow:
    tone, result = _RESULTS.get(one.result, ("calm", one.result))
    return StepRow(
        when(one.at, now),
        shown(one.route, NAME),
        _DONE.get(one.action, one.action) if one.result == "done" else one.action,
        shown(one.title, TITLE) or "(untitled)",
        shown(one.participant or "", NAME),
        shown(one.reason, REASON),
        tone,
        result,
        _LINKS.get(one.link, "") if one.result == "done" else "",
    )
