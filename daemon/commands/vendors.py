"""vendors: what each vendor can do, from the capabilities that the planner works with."""

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from daemon.capabilities import capabilities_document, capability_rows
from daemon.commands.start import plain
from daemon.console import print_json
from daemon.settings import vendor_plugins


@click.command()
@plain
def vendors(as_json: bool) -> None:
    """Show what each vendor can hold and do, and so what becomes of your meetings there."""
    known = {name: plugin.capabilities for name, plugin in sorted(vendor_plugins().items())}
    if as_json:
        print_json({"vendors": [capabilities_document(name, one) for name, one in known.items()]})
        return
    table = Table(box=None, pad_edge=False, show_lines=True, padding=(0, 2, 0, 0))
    table.add_column("", style="dim")
    for one in known.values():
        table.add_column(one.name, overflow="fold", ratio=1)
    for label, cells in capability_rows(list(known.values())):
        table.add_row(label, *(Text(cell) for cell in cells))
    Console(highlight=False, markup=False, emoji=False).print(table)
