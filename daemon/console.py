"""What all commands share: their options, where output goes, and how errors end them."""

import asyncio
import functools
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

import click
from rich.console import Console
from sqlalchemy.exc import SQLAlchemyError

from daemon.documents import json_text
from daemon.settings import Settings, find_file, load
from daemon.telemetry import PRIORITIES, Format, is_journal
from sync.errors import ConfigurationError, ConvenerError, LedgerError, OutsideError, Refused
from sync.report import Exit


@dataclass(frozen=True, slots=True)
class Context:
    """The options that every command takes."""

    config: str | None
    as_json: bool
    log_format: Format

    def settings(self) -> Settings:
        """The configuration. Raises ConfigurationError."""
        return load(find_file(self.config))

    @property
    def out(self) -> Console:
        """For people, on stdout; colour only on a terminal (NO_COLOR honoured)."""
        return Console(highlight=False, markup=False, emoji=False)

    def document(self, value: Any) -> None:
        """The one JSON document of a command, on stdout."""
        print_json(value)


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    sys.stdout.write(json_text(value))
    sys.stdout.flush()


def command(function: Callable[..., Coroutine[Any, Any, Exit | None]]) -> Callable[..., None]:
    """Give an async function the common options; its result is the exit code."""

    @click.option("--config", "-c", metavar="FILE", help="The configuration file.")
    @click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout, logs on stderr.")
    @click.option("--log-format", type=click.Choice(["auto", "json", "text"]), default="auto", show_default=True)
    @functools.wraps(function)
    def run(config: str | None, as_json: bool, log_format: str, **options: Any) -> None:
        given = config or click.get_current_context().find_root().params.get("config")
        context = Context(given, as_json, cast("Format", log_format))
        sys.exit(int(asyncio.run(function(context, **options)) or Exit.DONE))

    return run


def exit_of(error: Exception) -> Exit:
    """The exit code of an error that reached the top."""
    if isinstance(error, (click.UsageError, ConfigurationError, LedgerError, Refused)):
        return Exit.USAGE
    if isinstance(error, OutsideError):
        return Exit.UNREACHABLE
    return Exit.DEFECT


def say_error(error: Exception, *, as_json: bool) -> Exit:
    """Tell people (and with --json, programs) what went wrong, in at most three lines, without a traceback."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, SQLAlchemyError):  # a full disk, a server that went away
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        error = LedgerError(f"the database cannot be used: {reason[:200]}")
    code = exit_of(error)
    if isinstance(error, click.ClickException):
        message = error.format_message()
    elif isinstance(error, ConvenerError):
        message = str(error)
    else:
        message = f"unexpected error: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    message = "\n".join(message.splitlines()[:3])
    with suppress(OSError, ValueError, AttributeError):  # there may be nobody left to tell
        lines = f"convener: {message}".splitlines()
        priority = PRIORITIES["error"] if is_journal(sys.stderr) else ""
        click.echo("\n".join(priority + line for line in lines), err=True)
    if as_json:
        with suppress(OSError, ValueError):
            print_json({"error": message})
    return code
