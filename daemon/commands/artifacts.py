"""artifacts: what meetings were given and what they left."""

from collections.abc import Iterable
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from daemon.console import Context, command
from daemon.render import printable, size
from daemon.views import artifacts_document
from daemon.wiring import installation
from sync.report import Exit


@click.command()
@click.argument("routes", nargs=-1)
@click.option("--route", "more", metavar="NAME", multiple=True, help="Only this route (as the argument; repeatable).")
@command
async def artifacts(context: Context, routes: tuple[str, ...], more: tuple[str, ...]) -> Exit:
    """List the documents that went to sessions, and what sessions left: recordings, documents, reports."""
    async with installation(context.settings(), log_format=context.log_format, locked=True) as inside:
        document = await artifacts_document(inside, (*routes, *more))
    if context.as_json:
        context.document(document)
    else:
        _show(context, document["artifacts"])
    return Exit.DONE


def _show(context: Context, rows: Iterable[dict[str, Any]]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("", "route", "meeting", "kind", "state", "size"):
        table.add_column(column, justify="right" if column == "size" else "left")
    table.add_column("file", overflow="fold")
    for row in rows:
        sign = "→" if row["direction"] == "pushed" else "←"
        shown = row["path"] or row["name"] or row["id"] or ""
        shown += f" ({row['note']})" if row["note"] else ""
        cells = (sign, row["route"], row["title"], row["kind"], row["state"], size(row["size"]), shown)
        table.add_row(*(Text(printable(cell)) for cell in cells))
    context.out.print(table if table.row_count else Text("No artifacts yet."))
