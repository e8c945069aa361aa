"""The documentation is complete: every command, option, setting, log line, finding and exit code is in it."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import click
import pytest
from pydantic import BaseModel

from connectors.mail import MailSettings
from connectors.settings import VendorSettings
from daemon.cli import cli
from daemon.metricbook import MEASURES, PROCESS
from daemon.settings import (
    DaemonSettings,
    MatchSettings,
    PublishSettings,
    RouteSettings,
    TopSettings,
    source_plugins,
    vendor_plugins,
)
from docs.generate import alerts_page, logs_page, metrics_page, vendors_page
from sync.logbook import LINES
from sync.report import COUNTS, Exit

ROOT = Path(__file__).parents[2]
CLI = (ROOT / "docs/cli.md").read_text()
CONFIGURATION = (ROOT / "docs/configuration.md").read_text()
PRODUCT = [file for folder in ("daemon", "sync", "connectors") for file in (ROOT / folder).rglob("*.py")]


ALERTS = (ROOT / "docs/monitoring/alerts.yml").read_text()


def rows_of(page: str) -> list[list[str]]:
    """The cells of the rows of a page's tables that begin with a name, without their backticks."""
    rows = [line.strip("| ") for line in (ROOT / page).read_text().splitlines() if line.startswith("| `")]
    return [[cell.strip(" ").replace("`", "") for cell in re.split(r"(?<!\\)\|", row)] for row in rows]


METRIC_ROWS = [row for row in rows_of("docs/metrics.md") if len(row) == 5]


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
        VendorSettings,
        DaemonSettings,
        RouteSettings,
        MatchSettings,
        PublishSettings,
        MailSettings,
        TopSettings,
    ]
    + [plugin.settings for plugin in (*vendor_plugins().values(), *source_plugins().values())],
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
    assert (ROOT / "docs/logs.md").read_text() == logs_page(ALERTS), "run `make docs`"


def test_the_page_of_log_lines_has_a_rule_for_each_alert() -> None:
    rows = {row[0]: row for row in rows_of("docs/logs.md")}
    assert set(rows) == set(LINES)
    for event, (_, level, fields, *_, alert) in rows.items():
        line = LINES[event]
        assert (level, tuple(fields.split())) == (line.level, line.fields)
        assert alert == "no" if line.alert == "no" else "convener_" in alert, event


def test_the_rules_for_log_lines_are_what_the_logbook_says() -> None:
    assert alerts_page(ALERTS) == ALERTS, "run `make docs`"


def test_the_page_of_metrics_is_what_the_list_says() -> None:
    assert (ROOT / "docs/metrics.md").read_text() == metrics_page(), "run `make docs`"


def test_the_page_of_metrics_names_each_with_its_type_and_labels_and_no_other() -> None:
    known = {name: (m.kind, m.labels, m.unit, m.meaning) for name, m in (MEASURES | PROCESS).items()}
    rows = {name: (kind, tuple(labels.split()), unit, meaning) for name, kind, labels, unit, meaning in METRIC_ROWS}
    assert rows == known


def test_the_table_of_vendors_is_what_their_capabilities_say() -> None:
    page = (ROOT / "docs/vendors.md").read_text()
    assert page == vendors_page(page), "run `make docs`"


@dataclass(frozen=True)
class Logged:
    """A place in the code that logs. `certain` fields are always given, `possible` ones in some cases; `chosen`: the
    event is one of several, each with its own of the possible fields."""

    event: str
    place: str
    certain: frozenset[str]
    possible: frozenset[str]
    chosen: bool = False


COMPOSED = {"f'vendor.{trouble}'": ("vendor.unreachable", "vendor.refused")}
"""Events whose names are put together where they are logged."""


def logged_in(file: Path) -> list[Logged]:
    """Every call that logs."""
    found = []
    functions = [
        n for n in ast.walk(ast.parse(file.read_text())) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    adding = {f.name: added for f in functions if (added := added_by(f)) is not None}
    for function in functions:
        for call in own_calls(function):
            events, chosen = events_of(call, function)
            name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            if name == "get" or not events:
                continue
            certain, possible = fields_of(call, function)
            more_certain, more_possible = adding.get(name, (frozenset(), frozenset()))
            place = f"{file.name}:{call.lineno}"
            found += [
                Logged(event, place, certain | more_certain, possible | more_possible, chosen)
                for event in sorted(events)
            ]
    return found


def own_calls(function: ast.AST) -> Iterator[ast.Call]:
    """The calls in a function, those in functions inside of it apart."""
    for node in ast.iter_child_nodes(function):
        if isinstance(node, ast.Call):
            yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from own_calls(node)


def events_of(call: ast.Call, function: ast.AST) -> tuple[set[str], bool]:
    """The events that a call may log, and whether it is one of several."""
    first = call.args[0] if call.args else None
    if isinstance(first, ast.JoinedStr):
        return set(COMPOSED.get(ast.unparse(first), ())), False
    if isinstance(first, ast.Name):  # chosen before, among names that stand in the same function
        chosen = [n.value for n in ast.walk(function) if isinstance(n, ast.Assign) and is_named(n.targets[0], first.id)]
        return {name for value in chosen for name in names_in(value)}, True
    if isinstance(first, ast.Constant | ast.IfExp):
        return names_in(first), False
    return set(), False


def names_in(value: ast.AST) -> set[str]:
    return {n.value for n in ast.walk(value) if isinstance(n, ast.Constant) and n.value in LINES}  # type: ignore[misc]


def is_named(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def fields_of(call: ast.Call, function: ast.AST) -> tuple[frozenset[str], frozenset[str]]:
    """The fields that stand at a call, those of tables (`**common`) made in the same function too."""
    certain, possible = {k.arg for k in call.keywords if k.arg}, set()
    for table in (k.value for k in call.keywords if k.arg is None and isinstance(k.value, ast.Name)):
        for node in ast.walk(function):
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            if is_named(targets[0], table.id) and isinstance(getattr(node, "value", None), ast.Dict):  # type: ignore[arg-type]
                certain |= {key.value for key in node.value.keys}  # type: ignore[attr-defined]
            if isinstance(targets[0], ast.Subscript) and is_named(targets[0].value, table.id):
                possible.add(targets[0].slice.value)  # type: ignore[attr-defined]
    return frozenset(certain), frozenset(possible)


def added_by(function: ast.FunctionDef | ast.AsyncFunctionDef) -> tuple[frozenset[str], frozenset[str]] | None:
    """The fields that a function adds which logs what it is told to; None for any other function."""
    if not function.args.kwarg or "event" not in {one.arg for one in (*function.args.posonlyargs, *function.args.args)}:
        return None
    for call in own_calls(function):
        if call.args and is_named(call.args[0], "event"):
            return fields_of(call, function)
    return None


@cache
def logged() -> tuple[Logged, ...]:
    """Every call in the product that logs."""
    naming = [file for file in PRODUCT if any(event in file.read_text() for event in (*LINES, "vendor.{"))]
    return tuple(one for file in naming if "simulators" not in file.parts for one in logged_in(file))


def test_every_log_line_of_the_logbook_is_logged_somewhere_and_no_other() -> None:
    assert {one.event for one in logged()} == set(LINES)


def test_no_log_line_has_another_name() -> None:
    unlisted = {}
    for file in PRODUCT:
        text = file.read_text()
        for node in ast.walk(ast.parse(text)) if re.search(r"(log|say)\(", text) else ():
            if isinstance(node, ast.Call) and re.search(r"(^|\.)_?(log|say)$", ast.unparse(node.func)) and node.args:
                first = node.args[0]
                if isinstance(first, ast.Constant) and first.value not in LINES:
                    unlisted[first.value] = f"{file.name}:{node.lineno}"
    assert unlisted == {}


@pytest.mark.parametrize("event", LINES)
def test_a_log_line_is_given_the_fields_that_are_listed(event: str) -> None:
    listed, given = set(LINES[event].fields), set()
    for one in (each for each in logged() if each.event == event):
        assert one.certain <= listed, f"{one.place}: not listed"
        assert one.chosen or one.possible <= listed, f"{one.place}: not listed"
        given |= one.certain | one.possible
    assert listed <= given, "listed, but never given"


def test_every_log_line_says_what_it_means_and_alerts_only_where_there_is_something_to_do() -> None:
    for event, line in LINES.items():
        assert re.fullmatch(r"[a-z]+\.[a-z_]+", event)
        assert line.meaning.endswith("."), event
        assert line.level != "error" or line.action != "nothing", event
        assert line.alert == "no" or line.action != "nothing" or event == "intent.unsettled", event


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
