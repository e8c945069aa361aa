"""The documentation is complete: every command, option, setting, log line, finding and exit code is in it."""

import ast
import re
from pathlib import Path

import click
import pytest
from pydantic import BaseModel

from connectors.mail import MailSettings
from connectors.settings import VendorSettings
from connectors.sources.ical import IcalSettings
from daemon.cli import cli
from daemon.settings import DaemonSettings, MatchSettings, PublishSettings, RouteSettings, TopSettings, vendor_plugins
from docs.generate import logs_page, vendors_page
from sync.logbook import LINES
from sync.report import COUNTS, Exit

ROOT = Path(__file__).parents[2]
CLI = (ROOT / "docs/cli.md").read_text()
CONFIGURATION = (ROOT / "docs/configuration.md").read_text()
PRODUCT = [file for folder in ("daemon", "sync", "connectors") for file in (ROOT / folder).rglob("*.py")]


def commands(group: click.Group = cli, prefix: str = "") -> list[tuple[str, click.Command]]:
    found = []
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            found += commands(command, f"{prefix}{name} ")
        else:
            found.append((prefix + name, command))
    return found


@pytest.mark.parametrize(("name", "command"), commands(), ids=[name for name, _ in commands()])
def test_every_command_and_option_is_documented(name: str, command: click.Command) -> None:
    assert f"`{name}" in CLI
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert any(option in CLI for option in parameter.opts), parameter.opts


@pytest.mark.parametrize(
    "model",
    [
        IcalSettings,
        VendorSettings,
        DaemonSettings,
        RouteSettings,
        MatchSettings,
        PublishSettings,
        MailSettings,
        TopSettings,
    ]
    + [plugin.settings for plugin in vendor_plugins().values()],
)
def test_every_setting_is_documented(model: type[BaseModel]) -> None:
    for key, field in model.model_fields.items():
        if key not in ("match", "publish"):
            assert f"`{field.alias or key}`" in CONFIGURATION, key


def test_every_exit_code_and_count_is_documented() -> None:
    for code in Exit:
        assert f"| {code.value} |" in CLI
    for name in COUNTS:
        assert f'"{name}":' in CLI


def test_the_page_of_log_lines_is_what_the_logbook_says() -> None:
    assert (ROOT / "docs/logs.md").read_text() == logs_page(), "run `make docs`"


def test_the_table_of_vendors_is_what_their_capabilities_say() -> None:
    page = (ROOT / "docs/vendors.md").read_text()
    assert page == vendors_page(page), "run `make docs`"


def events_in_the_code() -> dict[str, set[str]]:
    """Every log line's name in the code, with the fields that stand at the call."""
    found: dict[str, set[str]] = {}
    for file in PRODUCT:
        if file.name == "logbook.py":
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in LINES:
                found.setdefault(node.value, set())
            if isinstance(node, ast.JoinedStr) and ast.unparse(node).startswith("f'vendor."):
                found |= {name: set() for name in LINES if name.startswith("vendor.")}
    return found


def test_every_log_line_of_the_logbook_is_logged_somewhere() -> None:
    assert set(events_in_the_code()) == set(LINES)


def test_every_finding_is_documented() -> None:
    codes = set()
    for file in PRODUCT:
        if "simulators" in file.parts:
            continue
        codes |= set(re.findall(r'(?:Finding\(|Result\.[A-Z_]+, )\s*"([a-z-]+)"', file.read_text()))
    everything = CLI + (ROOT / "docs/vendors.md").read_text() + (ROOT / "docs/sources.md").read_text()
    assert len(codes) > 15
    for code in codes:
        assert f"`{code}`" in everything, code


def test_links_between_the_pages_lead_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
