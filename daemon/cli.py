"""The command line: `convener COMMAND`. Exit codes and JSON documents are described in docs/cli.md."""

import os
import sys
from io import TextIOWrapper
from typing import NoReturn

import click

from daemon.commands import look, mend, passes, start
from daemon.commands.artifacts import artifacts
from daemon.commands.explain import explain
from daemon.commands.install import install_service
from daemon.commands.open import open_link
from daemon.commands.retry import retry
from daemon.commands.status import status
from daemon.commands.vendors import vendors
from daemon.console import say_error
from sync.report import Exit


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--config", "-c", metavar="FILE", help="The configuration file.")
@click.version_option(package_name="convener", prog_name="convener")
def cli(config: str | None) -> None:
    """Keeps web-conferencing vendors in step with a calendar or a CRM."""


for _command in (
    start.init,
    look.check,
    passes.plan,
    passes.reconcile,
    passes.run,
    status,
    explain,
    look.links,
    open_link,
    artifacts,
    retry,
    mend.adopt,
    mend.forget,
    mend.db,
    vendors,
    start.simulate,
    start.demo,
    install_service,
):
    cli.add_command(_command)


def main() -> None:
    """Entry point: nothing ends in a traceback."""
    as_json = "--json" in sys.argv
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - for the rest of the process
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a locale without arrows is no reason to stop
    try:
        cli(standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(int(Exit.USAGE))
    except (click.Abort, KeyboardInterrupt):
        click.echo("convener: interrupted", err=True)
        sys.exit(130)
    except Exception as error:  # noqa: BLE001 - the outermost fence; every error is told and ends the command
        _leave(say_error(error, as_json=as_json))


def _leave(code: Exit) -> NoReturn:
    """Exit without Python's complaint about output that cannot be written any more."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(int(code))


if __name__ == "__main__":
    main()
