"""explain: how one meeting stands, and why."""

from typing import Any

import click
from rich.text import Text

from daemon.console import Context, command
from daemon.explanation import explanation
from daemon.render import printable, show_findings
from daemon.wiring import installation
from sync.model import Finding, MeetingKey
from sync.report import Exit


@click.command()
@click.argument("key")
@command
async def explain(context: Context, key: str) -> Exit:
    """Explain one meeting: what the source says, what the vendor holds, what would be done and why; and how its
    documents, its artifacts and its mails stand, and what its source got back."""
    _check(key)
    async with installation(context.settings(), log_format=context.log_format, locked=True) as inside:
        document, code = await explanation(inside, key)
    if context.as_json:
        context.document(document)
    else:
        for row in document["routes"]:
            _show(context, key, row)
    return code


def _show(context: Context, key: str, row: dict[str, Any]) -> None:
    out = context.out
    out.print(Text(printable(f"{key} on route {row['route']}: {row['verdict']}"), style="bold"), soft_wrap=True)
    if link := row["link"]:
        lines = [
            f"  {link['title']}, {link['start']} to {link['end']}, {link['state']}",
            f"  session {link['session'] or '(none)'} at {link['vendor']}, join link {link['join_url'] or '(none)'}",
        ]
        if link["key"] != key:
            lines.insert(0, f"  takes place in the standing room of {link['key']}:")
        for line in lines:
            out.print(Text(printable(line)), soft_wrap=True)
    if row["problem"]:
        out.print(Text(printable(f"  ! {row['problem']}"), style="yellow"), soft_wrap=True)
    for person in row["participants"]:
        stale = f" (the calendar says: {person['stale']})" if person["stale"] else ""
        out.print(Text(printable(f"  {person['role']}: {person['email']}{stale}")), soft_wrap=True)
    for name, wanted in row["stale"].items():
        text = f"  ! the vendor keeps the old {name}; the calendar says: {wanted}"
        out.print(Text(printable(text), style="yellow"), soft_wrap=True)
    for intent in row["intents"]:
        out.print(Text(f"  ! {intent['action']} of {intent['opened']} has an unknown outcome"), soft_wrap=True)
    for drift in row["drift"]:
        text = f"  ! drift check of {drift['checked']}: {drift['text']}"
        out.print(Text(printable(text), style="yellow"), soft_wrap=True)
    for text, problem in _beside(key, row):
        line = f"  ! {text}: {problem}" if problem else f"  {text}"
        out.print(Text(printable(line), style="yellow" if problem else ""), soft_wrap=True)
    for change in row["changes"]:
        who = f" {change['participant']}" if change["participant"] else ""
        text = f"  {change['action']}{who}: {change['reason']} ({change['result']}, join link {change['link']})"
        out.print(Text(printable(text)), soft_wrap=True)
        show_findings(out, [Finding(f["code"], f["message"]) for f in change["findings"]])


def _beside(key: str, row: dict[str, Any]) -> list[tuple[str, str | None]]:
    """A line for each document, look, artifact, mail and write-back, and what is wrong with it."""

    def of(one: dict[str, Any]) -> str:
        return "" if one["key"] == key else f" ({one['key']})"

    lines = [(f"document {one['name']}, {one['state']}", one["problem"]) for one in row["documents"]]
    for one in row["looks"]:
        later = f"the next look is due {one['next']}" if one["next"] else "there is no other look"
        lines.append((f"looked for what it left {_times(one['made'])}, {later}{of(one)}", one["problem"]))
    lines += [(f"{one['kind']} {one['name']}, {one['state']}{of(one)}", one["problem"]) for one in row["artifacts"]]
    for one in row["mails"]:
        lines.append((f"mail ({one['method']}) to {one['email']}, {one['state']}{of(one)}", one["problem"]))
    for one in row["write_back"]:
        what = f"link {one['link'] or '(none)'}" if one["what"] == "link" else f"artifact {one['name']}"
        lines.append((f"written back: {what}, {one['state']}{of(one)}", one["problem"]))
    return lines


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def _check(key: str) -> None:
    try:
        MeetingKey.parse(key)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
