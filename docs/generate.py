"""Writes docs/logs.md, docs/metrics.md, the table in docs/vendors.md and the alert rules for log lines: `make docs`. A
test fails when they are stale."""

import json
from collections.abc import Mapping
from pathlib import Path

import yaml

from daemon.capabilities import capability_rows
from daemon.metricbook import LABELS, MEASURES, PROCESS
from daemon.settings import vendor_plugins
from sync.logbook import LINES, Line

HEAD = """\
# Log lines

Every line on stderr is one of these. Under systemd (and wherever stderr is no terminal) it is one JSON object a line
with `ts` (ISO 8601, UTC), `level`, `event` and the fields below; on a terminal it is readable text.
`--log-format json|text` decides otherwise. The names and fields are stable; new fields may be added.

The first failure and the recovery are logged, not each repetition in between. Secrets, and everything of a URL
behind its host, are left out of every field. Long texts are cut, and what is no plain character (a control character,
one that turns the writing around) is escaped.

The alerts are rules of [monitoring/alerts.yml](monitoring/alerts.yml), on the metrics of [metrics.md](metrics.md).

| event | level | fields | meaning | what to do | alert |
|---|---|---|---|---|---|
"""


def logs_page(alerts: str) -> str:
    """The page. `alerts` is the text of the alert rules."""
    rules = expressions(alerts)
    rows = [
        f"| `{event}` | {line.level} | {' '.join(f'`{name}`' for name in line.fields)} "
        f"| {line.meaning} | {line.action} | {_alert(event, line, rules)} |"
        for event, line in LINES.items()
    ]
    return HEAD + "\n".join(rows) + "\n"


def _alert(event: str, line: Line, rules: Mapping[str, str]) -> str:
    if line.alert == "no":
        return "no"
    name = rule_name(event) if line.alert == "any" else line.alert
    return f"{name}: `{rules[name]}`".replace("|", "\\|")


def expressions(alerts: str) -> dict[str, str]:
    """The expression of each rule, by its name."""
    return {rule["alert"]: rule["expr"] for group in yaml.safe_load(alerts)["groups"] for rule in group["rules"]}


def rule_name(event: str) -> str:
    """The name of the rule for a log line each of which is worth an alert."""
    return "Convener" + event.replace(".", "_").title().replace("_", "")


RULES_BEGIN, RULES_END = "# made by `make docs` from the log lines: begin\n", "# end\n"


def alerts_page(page: str) -> str:
    """The alert rules with those for log lines made anew."""
    rules = [_rule(event, line) for event, line in LINES.items() if line.alert == "any"]
    before, _, rest = page.partition(RULES_BEGIN)
    group = "  - name: convener-log-lines\n    rules:\n" + "\n".join(rules)
    return before + RULES_BEGIN + group + RULES_END + rest.partition(RULES_END)[2]


def _rule(event: str, line: Line) -> str:
    severity = "critical" if line.level == "error" else "warning"
    action = f"What to do: {line.action}. " if line.action != "nothing" else ""
    return f"""\
      - alert: {rule_name(event)}
        expr: sum by (event) (increase(convener_log_lines_total{{event="{event}"}}[15m])) > 0
        labels: {{severity: {severity}}}
        annotations:
          summary: {json.dumps(line.meaning)}
          description: {json.dumps(f"{action}Command: `journalctl -u convener | grep {event}`.")}
"""


METRICS_HEAD = """\
# Metrics

`convener run` answers at `/metrics` in Prometheus' text format. Names and labels are stable; new ones may be added.
Rules and a dashboard that use them are in [monitoring](monitoring/README.md). Counters begin at 0 with the process.
What comes from the database is read at each request: a restart loses nothing, and with several daemons on one database
each of them tells of all routes (take `max by (route)`, or `min`), while counters are each one's own (take `sum`).
What is taken out of the configuration disappears.

| metric | type | labels | unit | meaning |
|---|---|---|---|---|
"""


def metrics_page() -> str:
    """The page of metrics."""
    rows = [
        f"| `{name}` | {m.kind} | {' '.join(f'`{label}`' for label in m.labels)} | {m.unit} | {m.meaning} |"
        for name, m in (MEASURES | PROCESS).items()
    ]
    labels = [f"| `{label}` | {meaning} |" for label, meaning in LABELS.items()]
    table = "\n## Labels\n\nThey come from the configuration and from fixed sets.\n\n| label | values |\n|---|---|\n"
    return METRICS_HEAD + "\n".join(rows) + "\n" + table + "\n".join(labels) + "\n"


BEGIN, END = "<!-- made by `make docs` from the capabilities: begin -->", "<!-- end -->"


def vendors_page(page: str) -> str:
    """The page with its table made anew."""
    known = [plugin.capabilities for _, plugin in sorted(vendor_plugins().items())]
    rows = ["| | " + " | ".join(one.name for one in known) + " |", "|---" * (len(known) + 1) + "|"]
    rows += [f"| {label} | " + " | ".join(cells) + " |" for label, cells in capability_rows(known)]
    before, _, rest = page.partition(BEGIN)
    return before + BEGIN + "\n" + "\n".join(rows) + "\n" + END + rest.partition(END)[2]


if __name__ == "__main__":
    here = Path(__file__).parent
    alerts = here / "monitoring" / "alerts.yml"
    alerts.write_text(alerts_page(alerts.read_text(encoding="utf-8")), encoding="utf-8")
    (here / "logs.md").write_text(logs_page(alerts.read_text(encoding="utf-8")), encoding="utf-8")
    (here / "metrics.md").write_text(metrics_page(), encoding="utf-8")
    vendors = here / "vendors.md"
    vendors.write_text(vendors_page(vendors.read_text(encoding="utf-8")), encoding="utf-8")
