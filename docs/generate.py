"""Writes docs/logs.md and the table in docs/vendors.md: `make docs`. A test fails when they are stale."""

from pathlib import Path

from daemon.capabilities import capability_rows
from daemon.settings import vendor_plugins
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
    (here / "logs.md").write_text(logs_page(), encoding="utf-8")
    vendors = here / "vendors.md"
    vendors.write_text(vendors_page(vendors.read_text(encoding="utf-8")), encoding="utf-8")
