"""status: how the routes stand."""

from typing import Any

import click
from rich.table import Table
from rich.text import Text

from daemon.console import Context, command
from daemon.render import printable
from daemon.views import status_document
from daemon.wiring import installation
from sync.report import Exit

_BESIDE = {
    "documents_refused": ("document not handed over", "documents not handed over"),
    "documents_in_doubt": ("document in doubt", "documents in doubt"),
    "artifacts_waiting": ("artifact to be fetched", "artifacts to be fetched"),
    "artifacts_given_up": ("artifact given up", "artifacts given up"),
    "looks_failed": ("look failed", "looks failed"),
    "mails_waiting": ("mail waiting", "mails waiting"),
    "mails_refused": ("mail refused", "mails refused"),
    "write_backs_waiting": ("write-back waiting", "write-backs waiting"),
    "write_backs_refused": ("write-back refused", "write-backs refused"),
}
"""Words for one and for several of what did not get where it should."""

_MOST_KEYS = 3
"""So many meetings are named; the others are in the JSON document."""


@click.command()
@click.argument("routes", nargs=-1)
@command
async def status(context: Context, routes: tuple[str, ...]) -> Exit:
    """Show how each route stands: last pass, last success, what waits for a person."""
    async with installation(context.settings(), log_format=context.log_format, locked=True) as inside:
        document = await status_document(inside, routes)
    if context.as_json:
        context.document(document)
        return Exit.DONE
    for row in document["routes"]:
        _show(context, row)
    return Exit.DONE


def _last_pass(row: dict[str, Any]) -> str:
    if not row["last_run"]:
        return "never"
    return f"{row['last_run']} ({'going on' if row['last_exit'] is None else 'exit ' + str(row['last_exit'])})"


def _first(keys: list[str]) -> Text:
    more = f" and {len(keys) - _MOST_KEYS} more" if len(keys) > _MOST_KEYS else ""
    return Text(printable(", ".join(keys[:_MOST_KEYS]) + more))


def _show(context: Context, row: dict[str, Any]) -> None:
    table = Table(box=None, pad_edge=False, show_header=False, title_justify="left")
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    meetings = ", ".join(f"{number} {state}" for state, number in row["meetings"].items() if number)
    table.add_row("last pass", _last_pass(row))
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
        table.add_row("", _first(row["beside_keys"]))
    if drift := ", ".join(f"{n} {outcome}" for outcome, n in row["drift"].items() if n):
        where = "by the last drift check: see `convener explain KEY`"
        table.add_row("at the vendor", Text(f"{drift} ({where})", style="yellow"))
        table.add_row("", _first(row["drift_keys"]))
    if number := row["open_intents"]:
        calls = "1 call has" if number == 1 else f"{number} calls have"
        table.add_row("unsettled", f"{calls} an unknown outcome; the next pass looks first")
    if row["meetings"]["quarantined"] or row["meetings"]["in_doubt"]:
        table.add_row("release", "see `convener links`, then `convener retry KEY` (or `convener adopt KEY REF`)")
    context.out.print(Text.assemble((row["route"], "bold cyan"), f": {row['source']} → {row['vendor']}"))
    context.out.print(table)
    context.out.print()
