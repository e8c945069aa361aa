"""explain: how one meeting stands, and why."""

from dataclasses import dataclass, replace
from typing import Any

import click
from rich.text import Text

from daemon.console import Context, command
from daemon.documents import explanation_row
from daemon.render import printable, show_findings
from daemon.wiring import Installation, installation
from sync.errors import ConfigurationError
from sync.ledger.records import Link
from sync.model import Finding, MeetingKey
from sync.reconcile import Options
from sync.report import Exit, RouteReport, worst


@click.command()
@click.argument("key")
@command
async def explain(context: Context, key: str) -> Exit:
    """Explain one meeting: what the source says, what the vendor holds, what would be done and why; and how its
    documents, its artifacts and its mails stand."""
    asked = _key(key)
    async with installation(context.settings(), log_format=context.log_format, locked=True) as inside:
        names = [n for n in inside.names(()) if inside.settings.routes[n].source == asked.source]
        if not names:
            raise ConfigurationError(f'no route reads a source called "{asked.source}"')
        reports = [await inside.reconciler(name).run(Options(mode="plan")) for name in names]
        rows = [await _row(inside, report, asked) for report in reports]
    if context.as_json:
        context.document({"key": key, "routes": rows})
    else:
        for row in rows:
            _show(context, key, row)
    return worst(report.exit() for report in reports)


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


def _show(context: Context, key: str, row: dict[str, Any]) -> None:
    out = context.out
    out.print(Text(printable(f"{key} on route {row['route']}: {row['verdict']}"), style="bold"), soft_wrap=True)
    if link := row["link"]:
        lines = [
            f"  {link['title']}, {link['start']} to {link['end']}, {link['state']}",
            f"  session {link['session'] or '(none)'} at {link['vendor']}, join link {link['join_url'] or '(none)'}",
        ]
        if link["key"] != key:
            lines.insert(0, f"  takes place in the standing room of {link['key']}:")
        for line in lines:
            out.print(Text(printable(line)), soft_wrap=True)
    if row["problem"]:
        out.print(Text(printable(f"  ! {row['problem']}"), style="yellow"), soft_wrap=True)
    for person in row["participants"]:
        stale = f" (the calendar says: {person['stale']})" if person["stale"] else ""
        out.print(Text(printable(f"  {person['role']}: {person['email']}{stale}")), soft_wrap=True)
    for name, wanted in row["stale"].items():
        text = f"  ! the vendor keeps the old {name}; the calendar says: {wanted}"
        out.print(Text(printable(text), style="yellow"), soft_wrap=True)
    for intent in row["intents"]:
        out.print(Text(f"  ! {intent['action']} of {intent['opened']} has an unknown outcome"), soft_wrap=True)
    for text, problem in _beside(key, row):
        line = f"  ! {text}: {problem}" if problem else f"  {text}"
        out.print(Text(printable(line), style="yellow" if problem else ""), soft_wrap=True)
    for change in row["changes"]:
        who = f" {change['participant']}" if change["participant"] else ""
        text = f"  {change['action']}{who}: {change['reason']} ({change['result']}, join link {change['link']})"
        out.print(Text(printable(text)), soft_wrap=True)
        show_findings(out, [Finding(f["code"], f["message"]) for f in change["findings"]])


def _beside(key: str, row: dict[str, Any]) -> list[tuple[str, str | None]]:
    """A line for each document, look, artifact and mail, and what is wrong with it."""

    def of(one: dict[str, Any]) -> str:
        return "" if one["key"] == key else f" ({one['key']})"

    lines = [(f"document {one['name']}, {one['state']}", one["problem"]) for one in row["documents"]]
    for one in row["looks"]:
        later = f"the next look is due {one['next']}" if one["next"] else "there is no other look"
        lines.append((f"looked for what it left {_times(one['made'])}, {later}{of(one)}", one["problem"]))
    lines += [(f"{one['kind']} {one['name']}, {one['state']}{of(one)}", one["problem"]) for one in row["artifacts"]]
    for one in row["mails"]:
        lines.append((f"mail ({one['method']}) to {one['email']}, {one['state']}{of(one)}", one["problem"]))
    return lines


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def _key(text: str) -> MeetingKey:
    try:
        return MeetingKey.parse(text)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
