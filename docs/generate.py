"""Writes docs/logs.md from the logbook: `make docs`. A test fails when the page is stale."""

from pathlib import Path

from sync.logbook import LINES

HEAD = """\
# Log lines

Every line on stderr is one of these. Under systemd (and wherever stderr is no terminal) it is one JSON object a line
with `ts` (ISO 8601, UTC), `level`, `event` and the fields below; on a terminal it is readable text.
`--log-format json|text` decides otherwise. The names and fields are stable; new fields may be added.

The first failure and the recovery are logged, not each repetition in between. Secrets, and everything of a URL
behind its host, are left out of every field.

| event | level | fields | meaning | what to do | alert |
|---|---|---|---|---|---|
"""


def logs_page() -> str:
    """The page."""
    rows = [
        f"| `{event}` | {line.level} | {' '.join(f'`{name}`' for name in line.fields)} "
        f"| {line.meaning} | {line.action} | {line.alert} |"
        for event, line in LINES.items()
    ]
    return HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    Path(__file__).with_name("logs.md").write_text(logs_page(), encoding="utf-8")
