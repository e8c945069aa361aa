"""The alert rules and the dashboard speak of metrics and labels that exist, and fire when they are to."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from daemon.metricbook import MEASURES, PROCESS, Measure
from docs.generate import expressions, rule_name
from sync.logbook import LINES

FOLDER = Path(__file__).parents[2] / "docs/monitoring"
ALERTS = (FOLDER / "alerts.yml").read_text()
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "dashboard.json").read_text())
KNOWN = MEASURES | PROCESS
TARGET = {"job", "instance"}
"""Labels that Prometheus adds to every series."""

RULES: list[dict[str, Any]] = [rule for group in yaml.safe_load(ALERTS)["groups"] for rule in group["rules"]]
PANELS: list[dict[str, Any]] = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = [(panel["title"], target["expr"]) for panel in PANELS for target in panel["targets"]]

_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_SELECTED = re.compile(r'([a-z_]\w*)\{((?:[^}"]|"(?:[^"\\]|\\.)*")*)\}')
_GROUPED = re.compile(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)")


def measure(name: str) -> Measure:
    """The metric behind a series: a histogram's has an ending."""
    known = KNOWN.get(name) or KNOWN.get(re.sub(r"_(bucket|sum|count)$", "", name))
    assert known, f"no such metric: {name}"
    return known


def labels_of(name: str) -> set[str]:
    return set(measure(name).labels) | TARGET | ({"le"} if name.endswith("_bucket") else set())


def unsound(expression: str) -> list[str]:
    """What is wrong with the names in an expression."""
    bare = _QUOTED.sub('""', expression)
    series = set(re.findall(r"\b(?:convener|process)_\w+", bare))
    wrong = [] if series else ["no metric"]
    everything = set().union(*(labels_of(name) for name in series))
    for name, selected in _SELECTED.findall(expression):
        used = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", _QUOTED.sub('""', selected)))
        wrong += [f"{name} has no {label}" for label in used - labels_of(name)]
    for grouped in _GROUPED.findall(bare):
        wrong += [f"nothing has {label}" for label in re.findall(r"\w+", grouped) if label not in everything]
    return wrong


@pytest.mark.parametrize(
    "expression",
    [
        "up == 0",
        'convener_pending{vendor="x"} > 0',
        'sum by (route) (convener_vendor_requests_total{status="200"})',
        "convener_changes_total > 0 and on (event) convener_alive",
    ],
)
def test_a_wrong_name_would_be_found(expression: str) -> None:
    assert unsound(expression)


def test_an_unknown_metric_would_be_found() -> None:
    with pytest.raises(AssertionError, match="convener_nonsense"):
        unsound("convener_nonsense > 0")


class TestRules:
    @pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])
    def test_a_rule_uses_what_exists_and_says_what_it_means_and_what_helps(self, rule: dict[str, Any]) -> None:
        assert unsound(rule["expr"]) == []
        assert rule["labels"]["severity"] in ("critical", "warning")
        notes = rule["annotations"]
        assert set(notes) == {"summary", "description"}
        assert re.search(r"Command: `(convener|journalctl|systemctl) [^`]+`", notes["description"])
        grouped = {label for group in _GROUPED.findall(rule["expr"]) for label in re.findall(r"\w+", group)}
        for label in re.findall(r"\$labels\.(\w+)", notes["summary"] + notes["description"]):
            assert label in grouped | TARGET, "the alert does not have that label"

    def test_no_two_rules_have_one_name(self) -> None:
        assert len(expressions(ALERTS)) == len(RULES)

    def test_every_alert_of_a_log_line_is_a_rule(self) -> None:
        known = expressions(ALERTS)
        for event, line in LINES.items():
            if line.alert != "no":
                assert (rule_name(event) if line.alert == "any" else line.alert) in known, f"{event}: {line.alert}"

    def test_a_rule_about_a_log_line_names_one_that_exists(self) -> None:
        for rule in RULES:
            for named in re.findall(r'event=~?"([^"]+)"', rule["expr"]):
                assert {name.replace("[.]", ".") for name in named.split("|")} <= set(LINES)

    def test_every_route_source_and_vendor_is_told_of_once_however_many_daemons_there_are(self) -> None:
        for rule in RULES:
            expression = _QUOTED.sub('""', rule["expr"])
            for name in re.findall(r"\bconvener_\w+", expression):
                if set(measure(name).labels) & {"route", "source", "vendor"}:
                    by = r"(sum|max|min) by \((route|source|vendor)[^()]*\) \([^()]*\(?"
                    assert re.search(by + name, expression), name


class TestDashboard:
    def test_it_is_a_dashboard_whose_rows_cover_everything(self) -> None:
        assert DASHBOARD["schemaVersion"] == 39
        rows = [panel["title"] for panel in DASHBOARD["panels"] if panel["type"] == "row"]
        assert {"Routes", "Vendors", "Changes", "Artifacts, documents and mails"} <= set(rows)

    @pytest.mark.parametrize(("title", "expression"), QUERIES)
    def test_a_panel_shows_what_exists(self, title: str, expression: str) -> None:
        assert unsound(expression) == []

    @pytest.mark.parametrize("panel", PANELS, ids=[panel["title"] for panel in PANELS])
    def test_legends_name_labels_that_the_query_leaves(self, panel: dict[str, Any]) -> None:
        for target in panel["targets"]:
            left = {label for group in _GROUPED.findall(target["expr"]) for label in re.findall(r"\w+", group)}
            if " by " not in target["expr"]:
                left |= set().union(*(labels_of(n) for n in re.findall(r"\b(?:convener|process)_\w+", target["expr"])))
            assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= left, target["expr"]

    def test_no_two_panels_have_one_number_or_one_place(self) -> None:
        panels = DASHBOARD["panels"]
        assert len({panel["id"] for panel in panels}) == len(panels)
        cells = [
            (place["x"] + x, place["y"] + y)
            for panel in panels
            for place in [panel["gridPos"]]
            for x in range(place["w"])
            for y in range(place["h"])
        ]
        assert len(set(cells)) == len(cells)
        assert max(x for x, _ in cells) < 24

    def test_its_variables_ask_for_labels_that_exist(self) -> None:
        used = set(re.findall(r"\$(\w+)", " ".join(expression for _, expression in QUERIES))) - {"__rate_interval"}
        variables = {one["name"]: one for one in DASHBOARD["templating"]["list"]}
        assert used <= set(variables)
        for one in variables.values():
            if one["type"] == "query":
                name, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", one["definition"]).groups()  # type: ignore[union-attr]
                assert label in measure(name).labels


class TestPromtool:
    """Prometheus itself reads them."""

    @pytest.fixture
    def promtool(self) -> str:
        found = shutil.which("promtool")
        if found is None:
            pytest.skip("promtool (of Prometheus) is not installed")
        return found

    @staticmethod
    def run(*command: str | Path, given: str | None = None) -> None:
        done = subprocess.run(command, input=given, capture_output=True, text=True, check=False, cwd=FOLDER)
        assert done.returncode == 0, done.stdout + done.stderr

    def test_the_rules_are_sound_and_fire_when_they_are_to(self, promtool: str) -> None:
        self.run(promtool, "check", "rules", "alerts.yml")
        self.run(promtool, "test", "rules", "alerts_test.yml")

    def test_the_queries_of_the_dashboard_are_sound(self, promtool: str, tmp_path: Path) -> None:
        rules = [
            {"record": f"q:{number}", "expr": re.sub(r"\$__\w+", "5m", expression)}
            for number, (_, expression) in enumerate(QUERIES)
        ]
        (tmp_path / "queries.yml").write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
        self.run(promtool, "check", "rules", tmp_path / "queries.yml")


def test_every_rule_of_ours_is_tried_out() -> None:
    cases = (FOLDER / "alerts_test.yml").read_text()
    for group in yaml.safe_load(ALERTS)["groups"]:
        if group["name"] == "convener":
            for rule in group["rules"]:
                assert cases.count(rule["alert"]) >= 2, f"{rule['alert']}: a case that fires and one that does not"
