"""artifacts: what meetings were given and what they left."""

from collections.abc import Iterable
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from daemon.console import Context, command
from daemon.render import printable
from daemon.wiring import installation
from sync.degrade import instant_text
from sync.ledger.records import Pulled, PulledState, Pushed
from sync.report import Exit


@click.command()
@click.argument("routes", nargs=-1)
@click.option("--route", "more", metavar="NAME", multiple=True, help="Only this route (as the argument; repeatable).")
@command
async def artifacts(context: Context, routes: tuple[str, ...], more: tuple[str, ...]) -> Exit:
    """List the documents that went to sessions, and what sessions left: recordings, documents, reports."""
    async with installation(context.settings(), log_format=context.log_format, locked=True) as inside:
        ledger, rows = inside.ledger, []
        for name in inside.names((*routes, *more)):
            titles = {str(link.key): link.title for link in await ledger.links(name)}
            pulled = await ledger.artifacts.pulled(name)
            held = {str(o.key): o.title for o in await ledger.occurrences.named(name, {p.key for p in pulled})}
            rows += [_pushed_row(one, titles) for one in await ledger.artifacts.pushed(name)]
            rows += [_pulled_row(one, {**titles, **held}) for one in pulled]
    if context.as_json:
        context.document({"artifacts": rows})
    else:
        _show(context, rows)
    return Exit.DONE


def _pulled_row(one: Pulled, titles: dict[str, str]) -> dict[str, Any]:
    there = one.state is PulledState.STORED
    return {
        "direction": "pulled",
        "key": one.key,
        "route": one.route,
        "vendor": one.vendor,
        "session": one.session,
        "title": titles.get(one.key, ""),
        "kind": one.kind,
        "id": one.ref,
        "name": one.name,
        "state": one.state.value,
        "path": one.path if there else None,
        "media_type": one.media_type or None,
        "size": one.size,
        "sha256": one.sha256 or None,
        "created": instant_text(one.created) if one.created else None,
        "at": instant_text(one.stored_at) if one.stored_at else None,
        "note": one.problem or one.more or one.status or None,
    }


def _pushed_row(one: Pushed, titles: dict[str, str]) -> dict[str, Any]:
    return {
        "direction": "pushed",
        "key": one.key,
        "route": one.route,
        "vendor": one.vendor,
        "session": one.session,
        "title": titles.get(one.key, ""),
        "kind": "document",
        "id": one.ref or None,
        "name": one.name,
        "state": one.state.value,
        "path": None,
        "media_type": one.media_type or None,
        "size": one.size,
        "sha256": one.sha256 or None,
        "created": None,
        "at": instant_text(one.pushed_at) if one.pushed_at else None,
        "note": one.problem or None,
    }


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


def size(count: int | None) -> str:
    """`1.4 MB`; "" when it is not known."""
    if count is None:
        return ""
    value, units = float(count), ["B", "kB", "MB", "GB"]
    while value >= 1000 and len(units) > 1:
        value, units = value / 1000, units[1:]
    return f"{value:.0f} {units[0]}" if units[0] == "B" else f"{value:.1f} {units[0]}"
