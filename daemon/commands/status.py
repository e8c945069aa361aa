"""status: how the routes stand."""

from collections import Counter
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from daemon.console import Context, command
from daemon.render import printable
from daemon.wiring import Installation, installation
from sync.degrade import instant_text
from sync.ledger.records import Link, Mail, MailState, Pulled, PulledState, Pushed, PushedState
from sync.report import Exit

_BESIDE = {
    "documents_refused": ("document not handed over", "documents not handed over"),
    "documents_in_doubt": ("document in doubt", "documents in doubt"),
    "artifacts_waiting": ("artifact to be fetched", "artifacts to be fetched"),
    "artifacts_given_up": ("artifact given up", "artifacts given up"),
    "looks_failed": ("look failed", "looks failed"),
    "mails_waiting": ("mail waiting", "mails waiting"),
    "mails_refused": ("mail refused", "mails refused"),
}
"""What did not get where it should, beside the meetings themselves: words for one and for several."""

_MOST_KEYS = 3
"""So many meetings are named; the others are in the JSON document."""


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
        _show(context, row)
    return Exit.DONE


async def _status(inside: Installation, name: str) -> dict[str, Any]:
    route, now = inside.route(name), inside.clock.now()
    last = await inside.ledger.last_run(name)
    good = await inside.ledger.last_run(name, successful=True)
    source, vendor = await inside.ledger.source(route.source), await inside.ledger.vendor(route.vendor)
    known = await inside.ledger.links(name)
    states = Counter(link.shown_state(now) for link in known)
    upcoming = [link for link in known if link.has_session and link.end > now]
    beside = await _beside(inside, name, known)
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
        "beside": {what: len(keys) for what, keys in beside.items()},
        "beside_keys": sorted({key for keys in beside.values() for key in keys}),
    }


async def _beside(inside: Installation, route: str, links: list[Link]) -> dict[str, list[str]]:
    """The keys of what did not get where it should: documents and mails of meetings that have not ended, for nobody
    needs them any more afterwards, and what meetings left."""
    ledger, now = inside.ledger, inside.clock.now()
    ahead = {str(link.key) for link in links if link.end > now}
    found: dict[str, list[str]] = {name: [] for name in _BESIDE}
    for document in await ledger.artifacts.pushed(route):
        if document.key in ahead and (trouble := _of_document(document)):
            found[trouble].append(document.key)
    for artifact in await ledger.artifacts.pulled(route):
        if trouble := _of_artifact(artifact):
            found[trouble].append(artifact.key)
    found["looks_failed"] += [str(one.key) for one in await ledger.occurrences.troubled(route)]
    for mail in await ledger.mails.of_route(route):
        if mail.end > now and (trouble := _of_mail(mail)):
            found[trouble].append(mail.key)
    return found


def _of_document(one: Pushed) -> str | None:
    """A document whose new content could not be had counts as well, though the session has the old."""
    if one.state is PushedState.IN_DOUBT:
        return "documents_in_doubt"
    return "documents_refused" if one.state is PushedState.REFUSED or one.problem else None


def _of_artifact(one: Pulled) -> str | None:
    if one.state in (PulledState.LISTED, PulledState.STORING):
        return "artifacts_waiting"
    return "artifacts_given_up" if one.state is PulledState.GIVEN_UP else None


def _of_mail(one: Mail) -> str | None:
    if one.state in (MailState.WAITING, MailState.SENDING):
        return "mails_waiting"
    return "mails_refused" if one.state is MailState.REFUSED else None


def _show(context: Context, row: dict[str, Any]) -> None:
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
    beside = ", ".join(f"{n} {_BESIDE[what][n > 1]}" for what, n in row["beside"].items() if n)
    if beside:
        where = "see `convener explain KEY` and `convener artifacts`"
        table.add_row("beside", Text(f"{beside} ({where})", style="yellow"))
        keys = row["beside_keys"]
        more = f" and {len(keys) - _MOST_KEYS} more" if len(keys) > _MOST_KEYS else ""
        table.add_row("", Text(printable(", ".join(keys[:_MOST_KEYS]) + more)))
    if number := row["open_intents"]:
        calls = "1 call has" if number == 1 else f"{number} calls have"
        table.add_row("unsettled", f"{calls} an unknown outcome; the next pass looks first")
    if row["meetings"]["quarantined"] or row["meetings"]["in_doubt"]:
        table.add_row("release", "see `convener links`, then `convener retry KEY` (or `convener adopt KEY REF`)")
    context.out.print(Text.assemble((row["route"], "bold cyan"), f": {row['source']} → {row['vendor']}"))
    context.out.print(table)
    context.out.print()
