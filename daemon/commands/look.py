"""check and links: looking without touching."""

import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import click
from rich.text import Text

from daemon.console import Context, command
from daemon.documents import links_document
from daemon.render import printable, show_findings, show_links, show_personal_links
from daemon.views import shown_links
from daemon.wiring import Installation, installation
from sync.errors import ConfigurationError, OutsideError
from sync.ledger.records import Link
from sync.model import Finding
from sync.report import Exit, worst


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
    code = worst(row.pop("exit") for row in rows)
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
        shown = await shown_links(inside, routes, everything=everything)
        now = inside.clock.now()
        lives = _link_lives(inside, shown) if personal else {}
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


async def _checked(kind: str, name: str, look: Callable[[], Awaitable[tuple[Finding, ...]]]) -> dict[str, Any]:
    try:
        row = {"ok": True, "reason": "", "findings": await look(), "exit": Exit.DONE}
    except ConfigurationError as error:  # what only the other side's answer shows to be wrong
        row = {"ok": False, "reason": str(error), "findings": (), "exit": Exit.USAGE}
    except OutsideError as error:
        row = {"ok": False, "reason": str(error), "findings": (), "exit": Exit.UNREACHABLE}
    return {"kind": kind, "name": name, **row}


def _chosen(kind: str, tables: Any, only: str | None, *, named: bool) -> list[str]:
    if only is None:
        return [] if named else list(tables)
    if only not in tables:
        raise ConfigurationError(f'no {kind} is called "{only}" (there are: {", ".join(tables) or "none"})')
    return [only]


def _plain(findings: Any) -> list[dict[str, str]]:
    return [{"code": finding.code, "message": finding.message} for finding in findings]
