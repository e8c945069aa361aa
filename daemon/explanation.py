"""How one meeting stands and why: the document that `explain` prints and that the service serves under /api."""

from dataclasses import dataclass, replace
from typing import Any

from daemon.documents import explanation_row
from daemon.wiring import Installation
from sync.errors import ConfigurationError
from sync.ledger.records import Link
from sync.model import MeetingKey
from sync.reconcile import Options
from sync.report import Exit, RouteReport, worst


async def explanation(inside: Installation, key: str) -> tuple[dict[str, Any], Exit]:
    """The document of the meeting with that key, and the exit code that goes with it. The sources are read anew, and
    nothing is written: `inside` is a locked installation. Raises ValueError for what is no key, ConfigurationError when
    no route reads its source."""
    asked = MeetingKey.parse(key)
    names = [n for n in inside.names(()) if inside.settings.routes[n].source == asked.source]
    if not names:
        raise ConfigurationError(f'no route reads a source called "{asked.source}"')
    reports = [await _planned(inside, name) for name in names]
    rows = [await _row(inside, report, asked) for report in reports]
    return {"key": key, "routes": rows}, worst(report.exit() for report in reports)


async def _planned(inside: Installation, route: str) -> RouteReport:
    async with inside.looking(route) as reconciler:
        return await reconciler.run(Options(mode="plan"))


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the meeting takes place on a route: in a session of its own or, `shared`, in the standing room of its
    series, which may also be what is asked for. `key` (as text) is the one that its link and its steps have."""

    key: str
    link: Link | None
    shared: bool = False


async def _row(inside: Installation, report: RouteReport, asked: MeetingKey) -> dict[str, Any]:
    ledger, name, now = inside.ledger, report.route, inside.clock.now()
    place = _place(inside, report, asked, {str(link.key): link for link in await ledger.links(name)})
    keys = {str(asked)}
    if place.link and place.link.session and place.key == str(asked):
        found = await ledger.occurrences.at(name, place.link.session)
        keys |= {str(one.key) for one in found if one.link == place.key}
    return explanation_row(
        report,
        now,
        verdict=_verdict(report, asked, place),
        key=place.key,
        link=place.link,
        intents=[one for one in await ledger.undecided(name) if one.key == place.key],
        documents=[one for one in await ledger.artifacts.pushed(name) if one.key == place.key],
        looks=await ledger.occurrences.named(name, keys),
        artifacts=[one for one in await ledger.artifacts.pulled(name) if one.key in keys],
        mails=[one for one in await ledger.mails.of_route(name) if one.key in keys],
        write_back=await ledger.write_backs.of_meetings(name, keys),
        drift=await ledger.drift.last(name),
    )


def _place(inside: Installation, report: RouteReport, asked: MeetingKey, links: dict[str, Link]) -> _Place:
    own, room = str(asked), str(replace(asked, recurrence_id=None))
    steps = {str(change.key) for change in report.changes}
    alone = own != room and (own in steps or (own in links and links[own].has_session))
    in_rooms = inside.settings.routes[report.route].series == "room"
    if in_rooms and not alone and (room in steps or room in links):
        return _Place(room, links.get(room), shared=True)
    return _Place(own, links.get(own))


def _verdict(report: RouteReport, asked: MeetingKey, place: _Place) -> str:
    """In one sentence, why the meeting stands as it does on this route."""
    link = place.link
    wanted = [m for m in report.snapshot.meetings if m.key == asked]
    if not wanted and place.shared and place.key == str(asked):
        wanted = [m for m in report.snapshot.meetings if replace(m.key, recurrence_id=None) == asked]
    left = next((f for k, f in report.left.items() if str(k) in (str(asked), place.key)), None)
    rejected = next((r for r in report.snapshot.rejected if link and r.uid == link.key.uid), None)
    if any(str(change.key) == place.key for change in report.changes):
        return "something is to be done for it"
    if rejected:
        return f"its calendar entry cannot be read ({rejected.reason}): its session is left alone"
    if left:
        return f"the route does not take it: {left.message}"
    if wanted and all(one.cancelled for one in wanted):
        return "the calendar has cancelled it"
    if wanted and link and link.has_session:
        return "it is in step"
    if wanted:
        return "it has ended or lies outside of the route's window: there is nothing to do"
    if not report.snapshot.complete:
        return f"the source could not be read whole ({report.snapshot.reason}), so nothing is known of it now"
    return "the source does not have it (within the route's window)"
