"""check, status, explain and links: looking without touching."""

import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from daemon.console import Context, command
from daemon.documents import change_row, link_row, links_document
from daemon.render import printable, show_findings, show_links, show_personal_links
from daemon.wiring import Installation, installation
from sync.degrade import instant_text
from sync.errors import ConfigurationError, OutsideError
from sync.ledger.records import Link, LinkState, MailState, PulledState, PushedState, Registered
from sync.model import Finding, MeetingKey
from sync.reconcile import Options
from sync.report import Exit, RouteReport, worst


@click.command()
@click.option("--source", "only_source", metavar="NAME", help="Check this source only.")
@click.option("--vendor", "only_vendor", metavar="NAME", help="Check this vendor only.")
@command
async def check(context: Context, only_source: str | None, only_vendor: str | None) -> Exit:
    """Read every source and log in to every vendor once; write nothing."""
    settings = context.settings()
    named = only_source is not None or only_vendor is not None
    sources = _chosen("source", settings.sources, only_source, named=named)
    vendors = _chosen("vendor", settings.vendors, only_vendor, named=named)
    async with installation(settings, log_format=context.log_format, locked=True) as inside:
        rows = [await _checked("source", name, inside.source(name).check) for name in sources]
        rows += [await _checked("vendor", name, inside.connector(name).check) for name in vendors]
    code = worst(Exit.DONE if row["ok"] else Exit.UNREACHABLE for row in rows)
    if context.as_json:
        context.document({"checks": [{**row, "findings": _plain(row["findings"])} for row in rows], "exit": int(code)})
        return code
    for row in rows:
        mark = ("ok  ", "green") if row["ok"] else ("FAIL", "bold red")
        reason = printable(f": {row['reason']}") if row["reason"] else ""
        line = Text.assemble("  ", mark, f"  {row['kind']} {row['name']}{reason}")
        context.out.print(line, soft_wrap=True)
        show_findings(context.out, row["findings"])
    return code


@click.command()
@click.argument("routes", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Cancelled ones too.")
@click.option(
    "--personal",
    is_flag=True,
    help="Each participant's own link too. These are secrets: whoever has one is let in under that name.",
)
@command
async def links(context: Context, routes: tuple[str, ...], everything: bool, personal: bool) -> Exit:
    """List the meetings with their sessions and join links."""
    async with installation(context.settings(), log_format=context.log_format, locked=True) as inside:
        names = inside.names(routes)
        found = [link for name in names for link in await inside.ledger.links(name)]
        now = inside.clock.now()
        lives = _link_lives(inside, found) if personal else {}
    shown = [link for link in found if everything or link.state is not LinkState.CANCELLED]
    shown.sort(key=lambda link: (link.start, str(link.key), link.route))
    if personal and sys.stdout.isatty():
        click.echo("convener: personal links are secrets: whoever has one is let in under that name", err=True)
    if context.as_json:
        context.document(links_document(shown, now, personal=personal))
    elif personal:
        show_personal_links(context.out, shown, now, lives)
    else:
        show_links(context.out, shown, now)
    return Exit.DONE


def _link_lives(inside: Installation, found: list[Link]) -> dict[str, timedelta | None]:
    """How long personal links live at the vendors that make them on request; those that still are configured."""
    vendors = {link.vendor for link in found} & inside.settings.vendors.keys()
    able = {name: inside.connector(name).capabilities for name in vendors}
    return {name: can.limits.link_life for name, can in able.items() if can.mints_links}


@click.command()
@click.argument("routes", nargs=-1)
@command
async def status(context: Context, routes: tuple[str, ...]) -> Exit:
    """Show how each route stands: last pass, last success, what waits for a person."""
    async with installation(context.settings(), log_format=context.log_format, locked=True) as inside:
        rows = [await _status(inside, name) for name in inside.names(routes)]
    if context.as_json:
        context.document({"routes": rows})
        return Exit.DONE
    for row in rows:
        _show_status(context, row)
    return Exit.DONE


@click.command()
@click.argument("key")
@command
async def explain(context: Context, key: str) -> Exit:
    """Explain one meeting: what the source says, what the vendor holds, what would be done and why."""
    meeting = _key(key)
    async with installation(context.settings(), log_format=context.log_format, locked=True) as inside:
        names = [n for n in inside.names(()) if inside.settings.routes[n].source == meeting.source]
        if not names:
            raise ConfigurationError(f'no route reads a source called "{meeting.source}"')
        reports = [await inside.reconciler(name).run(Options(mode="plan")) for name in names]
        known = {link.route: link for link in await inside.ledger.links(key=key)}
        opened = {name: [i for i in await inside.ledger.undecided(name) if i.key == key] for name in names}
        now = inside.clock.now()
    rows = []
    for report in reports:
        link = known.get(report.route)
        intents = [{"action": i.action, "opened": instant_text(i.opened_at)} for i in opened[report.route]]
        row = {
            "route": report.route,
            "verdict": _verdict(report, key, link),
            "link": link_row(link, now) if link else None,
            "problem": link.problem if link else None,
            "participants": [_participant(p) for p in link.invitees] if link else [],
            "stale": dict(link.stale) if link else {},
            "intents": intents,
            "changes": [change_row(change) for change in report.changes if str(change.key) == key],
        }
        rows.append(row)
    if context.as_json:
        context.document({"key": key, "routes": rows})
    else:
        for row in rows:
            _show_explanation(context, key, row)
    return worst(report.exit() for report in reports)


def _participant(person: Registered) -> dict[str, str]:
    """A participant as the vendor has them; `stale` is what the calendar says and the vendor cannot change."""
    return {"email": person.email, "role": person.role.value, "stale": person.stale}


def _verdict(report: RouteReport, key: str, link: Link | None) -> str:
    """In one sentence, why the meeting stands as it does on this route."""
    wanted = next((m for m in report.snapshot.meetings if str(m.key) == key), None)
    left = next((f for k, f in report.left.items() if str(k) == key), None)
    rejected = next((r for r in report.snapshot.rejected if link and r.uid == link.key.uid), None)
    if any(str(change.key) == key for change in report.changes):
        return "something is to be done for it"
    if rejected:
        return f"its calendar entry cannot be read ({rejected.reason}): its session is left alone"
    if left:
        return f"the route does not take it: {left.message}"
    if wanted and wanted.cancelled:
        return "the calendar has cancelled it"
    if wanted and link and link.has_session:
        return "it is in step"
    if wanted:
        return "it has ended or lies outside of the route's window: there is nothing to do"
    if not report.snapshot.complete:
        return f"the source could not be read whole ({report.snapshot.reason}), so nothing is known of it now"
    return "the source does not have it (within the route's window)"


def _show_explanation(context: Context, key: str, row: dict[str, Any]) -> None:
    out = context.out
    out.print(Text(printable(f"{key} on route {row['route']}: {row['verdict']}"), style="bold"), soft_wrap=True)
    if link := row["link"]:
        lines = (
            f"  {link['title']}, {link['start']} to {link['end']}, {link['state']}",
            f"  session {link['session'] or '(none)'} at {link['vendor']}, join link {link['join_url'] or '(none)'}",
        )
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
    for change in row["changes"]:
        who = f" {change['participant']}" if change["participant"] else ""
        text = f"  {change['action']}{who}: {change['reason']} ({change['result']}, join link {change['link']})"
        out.print(Text(printable(text)), soft_wrap=True)
        show_findings(out, [Finding(f["code"], f["message"]) for f in change["findings"]])


async def _status(inside: Installation, name: str) -> dict[str, Any]:
    route, now = inside.route(name), inside.clock.now()
    last = await inside.ledger.last_run(name)
    good = await inside.ledger.last_run(name, successful=True)
    source, vendor = await inside.ledger.source(route.source), await inside.ledger.vendor(route.vendor)
    known = await inside.ledger.links(name)
    states = Counter(link.shown_state(now) for link in known)
    upcoming = [link for link in known if link.has_session and link.end > now]
    return {
        "route": name,
        "source": route.source,
        "vendor": route.vendor,
        "last_run": instant_text(last.started_at) if last else None,
        "last_success": instant_text(good.started_at) if good else None,
        "last_exit": last.exit if last else None,
        "held": last.counts.get("held", 0) if last else 0,
        "held_reason": last.reason if last else None,
        "source_problem": source.problem,
        "vendor_problem": vendor.problem,
        "open_intents": len(await inside.ledger.undecided(name)),
        "meetings": {
            name: states[name] for name in ("pending", "live", "ended", "cancelled", "quarantined", "in_doubt")
        },
        "next_start": instant_text(upcoming[0].start) if upcoming else None,
        "beside": await _beside(inside, name),
    }


async def _beside(inside: Installation, route: str) -> dict[str, int]:
    """What did not get where it should, beside the meetings themselves."""
    pulled = Counter(one.state for one in await inside.ledger.artifacts.pulled(route))
    pushed = Counter(one.state for one in await inside.ledger.artifacts.pushed(route))
    mails = Counter(one.state for one in await inside.ledger.mails.of_route(route))
    return {
        "documents_refused": pushed[PushedState.REFUSED],
        "documents_in_doubt": pushed[PushedState.IN_DOUBT],
        "artifacts_waiting": pulled[PulledState.LISTED] + pulled[PulledState.STORING],
        "artifacts_given_up": pulled[PulledState.GIVEN_UP],
        "looks_failed": len(await inside.ledger.occurrences.troubled(route)),
        "mails_waiting": mails[MailState.WAITING] + mails[MailState.SENDING],
        "mails_refused": mails[MailState.REFUSED],
    }


def _show_status(context: Context, row: dict[str, Any]) -> None:
    table = Table(box=None, pad_edge=False, show_header=False, title_justify="left")
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    meetings = ", ".join(f"{number} {state}" for state, number in row["meetings"].items() if number)
    table.add_row("last pass", f"{row['last_run']} (exit {row['last_exit']})" if row["last_run"] else "never")
    table.add_row("last success", row["last_success"] or "never")
    table.add_row("meetings", meetings or "none")
    table.add_row("next start", row["next_start"] or "-")
    for name in ("source_problem", "vendor_problem", "held_reason"):
        if row[name]:
            table.add_row(name.replace("_", " "), Text(printable(row[name]), style="yellow"))
    beside = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in row["beside"].items() if number)
    if beside:
        table.add_row("beside", Text(f"{beside} (see `convener artifacts`)", style="yellow"))
    if row["open_intents"]:
        table.add_row("unsettled", f"{row['open_intents']} calls have an unknown outcome; the next pass looks first")
    if row["meetings"]["quarantined"] or row["meetings"]["in_doubt"]:
        table.add_row("release", "see `convener links`, then `convener retry KEY` (or `convener adopt KEY REF`)")
    context.out.print(Text.assemble((row["route"], "bold cyan"), f": {row['source']} → {row['vendor']}"))
    context.out.print(table)
    context.out.print()


async def _checked(kind: str, name: str, look: Callable[[], Awaitable[tuple[Finding, ...]]]) -> dict[str, Any]:
    try:
        return {"kind": kind, "name": name, "ok": True, "reason": "", "findings": await look()}
    except OutsideError as error:
        return {"kind": kind, "name": name, "ok": False, "reason": str(error), "findings": ()}


def _chosen(kind: str, tables: Any, only: str | None, *, named: bool) -> list[str]:
    if only is None:
        return [] if named else list(tables)
    if only not in tables:
        raise ConfigurationError(f'no {kind} is called "{only}" (there are: {", ".join(tables) or "none"})')
    return [only]


def _plain(findings: Any) -> list[dict[str, str]]:
    return [{"code": finding.code, "message": finding.message} for finding in findings]


def _key(text: str) -> MeetingKey:
    try:
        return MeetingKey.parse(text)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
