"""init, simulate and demo: for the first hour with convener."""

import json
import os
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import click

from daemon.console import Context, command, print_json
from sync.errors import ConfigurationError
from sync.report import Exit

STARTER = """\
# convener's configuration. Every value can also be given in the environment
# (CONVENER_VENDORS__MAIN__PASSWORD) and as a systemd credential (vendors__main__password).
# Durations are written "90s", "5m", "1h", "30d". See docs/configuration.md.

database = "sqlite:///convener.db"
# archive    = "archive"                          # folder for recordings and documents that sessions leave
# secret_key = "…"                                # encrypts personal links in the database; better a credential

[sources.sales]
type = "ical"                                     # or caldav, odoo, hubspot, http-json, …: docs/sources.md
url  = "https://calendar.example.com/sales.ics"   # or webcal://, file:///path, or a plain path
poll = "5m"
# timezone = "Europe/Berlin"                      # for times without a zone; default UTC
# all_day  = false                                # true: all-day entries get a session too

[vendors.main]
type = "onstream"                                 # or openmeetings, isl-groop, idiligo, livedigital: docs/vendors.md
url  = "https://join.onstreammedia.com"
username = "acme"
password = "change-me"                            # better: environment or credential
timezone = "UTC"                                  # the account's own zone setting, daylight saving off

[routes.sales]
source = "sales"
vendor = "main"
ahead  = "30d"                                    # meetings that start within this time …
behind = "1d"                                     # … and ended less than this time ago
invite = "register"                               # register: no mail | none: not registered |
                                                  # email: the vendor mails, or convener with [mail] where it cannot
declined = "skip"                                 # skip | keep participants who declined
# max_delete_percent = 30                         # more removals than this at once are held back
# looks = ["5m", "30m", "2h", "6h", "1d", "3d"]   # after the end: when to look for recordings and documents

# [routes.sales.match]                            # all given ones must hold; none given = every meeting
# categories = ["Webinar"]
# summary    = "(?i)webinar"
# organizer  = ["@example.com"]

# [routes.sales.publish]
# feed = "sales.ics"                              # a calendar with the join links, in the folder feeds
# (With CalDAV or a CRM, write_back = true puts the join links into the meetings themselves.)

# [mail]                                          # invitations where the vendor does not mail (invite = "email")
# host = "smtp.example.com"
# from = "Meetings <meetings@example.com>"
# username = "meetings"                           # and password: better environment or credential
"""


@click.command()
@command
async def init(context: Context) -> Exit:
    """Write a commented starter configuration (./convener.toml, or --config FILE); never over an existing one."""
    path = Path(context.config or "convener.toml")
    try:
        # The file will hold a password: nobody else may read it.
        with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
            file.write(STARTER)
    except FileExistsError as error:
        raise ConfigurationError(f"{path}: exists already; it is left as it is") from error
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be written: {error.strerror}") from error
    if context.as_json:
        context.document({"written": str(path)})
    else:
        context.out.print(f"{path} written. Fill in your feed and account, then: convener check", soft_wrap=True)
    return Exit.DONE


def plain(function: Callable[..., None]) -> Callable[..., None]:
    """The common options for commands that need no configuration and no log."""
    function = click.option("--config", "-c", metavar="FILE", expose_value=False, help="Accepted; not used.")(function)
    return click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")(function)


@click.command()
@click.argument("vendor", type=click.Choice(sorted(entry_points(group="convener.simulators").names)))
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8480, show_default=True, type=int, help="0 takes a free one.")
@click.option("--username", default="acme", show_default=True)
@click.option("--password", default="secret", show_default=True)
@plain
def simulate(vendor: str, host: str, port: int, username: str, password: str, as_json: bool) -> None:
    """Run a stand-in server of a vendor, for trying a configuration without an account."""
    # Imported here: the service path never loads a simulator.
    from connectors.simulators.serve import loopback_port, run_forever

    simulator = entry_points(group="convener.simulators")[vendor].load()(username=username, password=password)
    try:
        with loopback_port(host, port) as listener:
            url = f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"
            if as_json:
                print_json({"vendor": vendor, "url": url, "username": username, "settings": simulator.table(url)})
            else:
                click.echo(f"{vendor} stand-in at {url} for user {username}; Ctrl-C ends it. To use it:\n")
                click.echo(toml_table(f"vendors.{vendor}", simulator.table(url)))
            sys.stdout.flush()
            run_forever(simulator.app, listener)
    except (OSError, OverflowError) as error:
        raise ConfigurationError(
            f"port {port} of {host} cannot be used: {getattr(error, 'strerror', error)}"
        ) from error
    except ValueError as error:
        raise ConfigurationError(str(error)) from error


def toml_table(name: str, table: Mapping[str, Any]) -> str:
    """The table as TOML; its values are strings, numbers, truth values and tables of these."""
    return "\n".join([f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in table.items())])


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(key)} = {_toml(one)}" for key, one in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)  # JSON's strings, numbers and truth values are TOML's


@click.command()
@click.option("--keep", is_flag=True, help="Keep the demo's folder.")
@click.option("--crm", is_flag=True, help="Meetings of a CRM instead of a calendar, and their links back in it.")
@plain
def demo(keep: bool, crm: bool, as_json: bool) -> None:
    """See it work in a minute: a calendar, a stand-in vendor, and everything convener does between them."""
    from daemon.demo import crm as with_crm
    from daemon.demo import vendors

    code = (with_crm if crm else vendors).run_demo(keep=keep, story_on_stderr=as_json)
    if as_json:
        print_json({"exit": code})
    raise SystemExit(code)
