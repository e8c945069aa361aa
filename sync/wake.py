"""When the clock alone makes work for a route: the next pass is then, whatever the source's poll interval."""

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from sync.ledger.records import WATCH, Link, LinkState
from sync.ledger.store import Ledger
from sync.model import Capabilities, MeetingKey, Window
from sync.route import Route
from sync.snapshot import Snapshot


def narrowed(
    snapshot: Snapshot, window: Window, known: Collection[MeetingKey]
) -> tuple[Snapshot, tuple[datetime, ...]]:
    """What a read that looked further ahead says of the route's own window, and when those beyond it start. Pure.

    Meetings whose session is `known` stay, wherever they are in time.
    """
    if snapshot.window == window:
        return snapshot, ()
    inside = tuple(m for m in snapshot.meetings if m.key in known or window.overlaps(m.start, m.end))
    kept = {m.key for m in inside}
    beyond = tuple(m.start for m in snapshot.meetings if m.key not in kept and not m.cancelled)
    return replace(snapshot, window=window, meetings=inside), beyond


async def next_wake(
    route: Route,
    capabilities: Capabilities,
    ledger: Ledger,
    links: Iterable[Link],
    beyond: Iterable[datetime],
    settle_after: timedelta,
    now: datetime,
) -> datetime | None:
    """The first instant after `now` at which there is something to do though nothing has changed: a meeting enters the
    window (`beyond`: starts after it), a step is tried again, a lost call is looked for, a personal link is made, an
    artifact is looked for, a mail or a write to the source is tried again. None when there is no such instant."""
    at: list[datetime | None] = [start - route.ahead for start in beyond]
    for link in links:
        at += _of_link(link, capabilities, now)
    for intent in await ledger.open_intents(route.name):
        seen = intent.opened_at if intent.action == WATCH else intent.looked_at
        at.append(seen + settle_after if seen else None)
    at.append(await ledger.occurrences.next_look(route.name, now))
    at.append(await ledger.mails.next_try(route.name, now))
    at.append(await ledger.write_backs.next_try(route.name, now))
    return min((instant for instant in at if instant is not None and instant > now), default=None)


def _of_link(link: Link, capabilities: Capabilities, now: datetime) -> Iterable[datetime | None]:
    if link.state is not LinkState.QUARANTINED:
        yield link.retry_at
    if capabilities.mints_links and capabilities.limits.link_life and link.has_session and link.end > now:
        yield link.start - capabilities.limits.link_life
