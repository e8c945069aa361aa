"""What people read on a terminal: the plan as a list of steps with their reasons, tables for the rest."""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sync.change import Action, Change, LinkEffect, Result
from sync.ledger.records import Link, Registered
from sync.model import Finding
from sync.report import RouteReport

_SIGNS = {
    Action.CREATE: ("+", "green"),
    Action.UPDATE: ("~", "yellow"),
    Action.REPLACE: ("±", "magenta"),
    Action.CANCEL: ("-", "red"),
    Action.INVITE: ("+", "green"),
    Action.UNINVITE: ("-", "red"),
    Action.ROLE: ("~", "yellow"),
}
_LINKS = {
    LinkEffect.NEW: "new join link",
    LinkEffect.KEPT: "join link kept",
    LinkEffect.RETIRED: "join link retired",
    LinkEffect.NONE: "",
}
_COLOURS = {
    Result.DONE: "green",
    Result.HELD: "magenta",
    Result.FAILED: "red",
    Result.IN_DOUBT: "red",
    Result.DEFERRED: "yellow",
}
_OF_THE_STEP = {
    "guard-all", "guard-percent", "guard-freeze", "quarantined", "in-doubt", "backoff", "unsettled", "failed", "defect",
    "vanished", "vendor-trouble", "waits", "not-in-plan", "not-registered", "new-link", "update-unsupported",
    "uninvite-unsupported", "role-change-unsupported", "delete-unsupported", "new-personal-links",
    "personal-link-stays",
}  # fmt: skip
"""Findings that explain one step are shown on it; the others are gathered below."""


_FOLLOWED = (
    ("document.pushed", "document handed over", "documents handed over"),
    ("document.failed", "document not handed over", "documents not handed over"),
    ("document.in_doubt", "document in doubt", "documents in doubt"),
    ("artifact.stored", "artifact stored", "artifacts stored"),
    ("artifact.failed", "artifact not fetched", "artifacts not fetched"),
    ("artifact.given_up", "artifact given up", "artifacts given up"),
    ("looks.failed", "look failed", "looks failed"),
    ("looks.given_up", "meeting not looked at any more", "meetings not looked at any more"),
    ("archive.failed", "failure of the archive", "failures of the archive"),
    ("feed.failed", "feed not written", "feeds not written"),
    ("mail.sent", "mail sent", "mails sent"),
    ("mail.refused", "mail refused", "mails refused"),
    ("mail.failed", "failure of the mail server", "failures of the mail server"),
    ("link.written_back", "link written back", "links written back"),
    ("artifact.told", "artifact told to the source", "artifacts told to the source"),
    ("writeback.refused", "write-back refused", "write-backs refused"),
    ("writeback.failed", "failure of the source to take a write", "failures of the source to take a write"),
    ("guard.held", "refusal of the guard in a standing room", "refusals of the guard in standing rooms"),
)
"""What a pass did beside its plan, or could not: log line, and words for one and for several."""


def printable(text: str) -> str:
    """The text without control characters, which a terminal would obey, and without direction overrides."""
    return "".join(" " if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") else c for c in text)


def when(start: datetime, end: datetime | None = None) -> str:
    """`Tue 01 Dec 2026 09:00–10:00 UTC`."""
    text = f"{start:%a %d %b %Y %H:%M}"
    if end is not None:
        text += f"–{end:%H:%M}" if end.date() == start.date() else f" – {end:%a %d %b %H:%M}"
    return f"{text} UTC"


def size(count: int | None) -> str:
    """`1.4 MB`; "" when it is not known."""
    if count is None:
        return ""
    value, units = float(count), ["B", "kB", "MB", "GB"]
    while value >= 1000 and len(units) > 1:
        value, units = value / 1000, units[1:]
    return f"{value:.0f} {units[0]}" if units[0] == "B" else f"{value:.1f} {units[0]}"


def show_report(console: Console, report: RouteReport) -> None:
    """One route's plan or pass."""
    head = Text.assemble(("Route ", "bold"), (report.route, "bold cyan"), f": {report.source} → {report.vendor}")
    console.print(head, soft_wrap=True)
    _show_snapshot(console, report)
    # Participants' steps follow their meeting's own step: one block a meeting.
    for key, steps in groupby(report.changes, key=lambda change: change.key):
        _show_meeting(console, str(key), list(steps))
    _show_notes(console, report)
    console.print(Text("  " + _summary(report), style="bold"), soft_wrap=True)
    console.print()


def _show_snapshot(console: Console, report: RouteReport) -> None:
    snapshot = report.snapshot
    if not snapshot.complete:
        reason = snapshot.reason or "an entry without a readable UID"
        line = f"  ! {report.source} could not be read whole ({reason}): nothing is removed because of it"
        console.print(Text(printable(line), style="yellow"), soft_wrap=True)
    for item in snapshot.rejected:
        where = f", line {item.line}" if item.line else ""
        text = f"  ! rejected {item.uid or 'an entry'}{where}: {item.reason}; its session is left alone"
        console.print(Text(printable(text), style="yellow"), soft_wrap=True)
    if report.vendor_reason:
        text = f"  ! {report.vendor}: {report.vendor_reason}"
        console.print(Text(printable(text), style="red"), soft_wrap=True)
    if report.unresolved:
        left = Counter(one.outcome for one in report.unresolved)
        found = ", ".join(f"{number} {outcome}" for outcome, number in left.items())
        text = f"  ! {report.vendor}: the last drift check left {found} (`convener status`, `convener explain KEY`)"
        console.print(Text(printable(text), style="yellow"), soft_wrap=True)
    links = Counter(f.message for f in report.left.values() if f.code == "existing-link")
    for message, number in links.items():
        plural = "meeting is" if number == 1 else "meetings are"
        text = f"  · {number} {plural} left alone: {message} (existing_link)"
        console.print(Text(printable(text), style="dim"), soft_wrap=True)


def _show_meeting(console: Console, key: str, steps: list[Change]) -> None:
    """One meeting: its own step in the head line, its participants' steps below."""
    first = steps[0]
    own = first if first.person is None else None
    sign, colour = _SIGNS[own.action] if own else ("~", "yellow")
    head = Text.assemble("  ", (f"{sign} {own.action.value if own else 'people'}", f"bold {colour}"), "  ")
    head.append(printable(first.title), "bold")
    head.append(f" · {when(first.start)}")
    console.print()
    console.print(_with_result(head, own), soft_wrap=True)
    console.print(Text(f"      {printable(key)}", style="dim"), soft_wrap=True)
    for step in steps:
        if step is own:
            _show_own(console, step)
        else:
            _show_person(console, step)
        for finding in step.findings:
            if finding.code in _OF_THE_STEP:
                console.print(Text(f"      ! {printable(finding.message)}", style="yellow"), soft_wrap=True)


def _show_own(console: Console, step: Change) -> None:
    line = Text(f"      {printable(step.reason)}")
    if _LINKS[step.link]:
        line.append("; ")
        line.append(_LINKS[step.link], "default" if step.link is LinkEffect.KEPT else "bold")
    console.print(line, soft_wrap=True)
    width = max((len(diff.name) for diff in step.fields), default=0)
    for diff in step.fields:
        before = f"{printable(diff.before)} → " if diff.before is not None else ""
        console.print(Text(f"      {diff.name:<{width}}  {before}{printable(diff.after or '')}"), soft_wrap=True)


def _show_person(console: Console, step: Change) -> None:
    sign, colour = _SIGNS[step.action]
    person = step.person
    line = Text.assemble("      ", (f"{sign} {step.action.value}", colour))
    if person is not None:
        line.append(f" {printable(person.email)} ({person.role.value}): {printable(step.reason)}")
    console.print(_with_result(line, step), soft_wrap=True)


def _with_result(line: Text, step: Change | None) -> Text:
    if step is not None and step.unsupported and step.result in (Result.PLANNED, Result.DONE):
        line.append("  [not possible]", "yellow")
    elif step is not None and step.result in _COLOURS:
        line.append(f"  [{step.result.value}]", _COLOURS[step.result])
    return line


def _show_notes(console: Console, report: RouteReport) -> None:
    notes = Counter(f for change in report.changes for f in change.findings if f.code not in _OF_THE_STEP)
    if notes:
        console.print()
        console.print(Text("  Notes", style="bold"))
    for finding, number in notes.items():
        times = f" ({number} times)" if number > 1 else ""
        console.print(Text(f"    {printable(finding.message)}{times}  [{finding.code}]", style="dim"), soft_wrap=True)
    if report.changes:
        console.print()


def _summary(report: RouteReport) -> str:
    counts = report.counts
    done = report.mode == "apply"
    words = {
        "create": "created" if done else "to create",
        "update": "updated" if done else "to update",
        "replace": "replaced" if done else "to replace",
        "cancel": "cancelled" if done else "to cancel",
        "invite": "invited" if done else "to invite",
        "uninvite": "uninvited" if done else "to uninvite",
    }
    parts = [f"{counts[name]} {word}" for name, word in words.items() if counts[name]]
    through = [change for change in report.changes if change.result in (Result.PLANNED, Result.DONE)]
    roles = sum(change.action is Action.ROLE and not change.unsupported for change in through)
    parts += [f"{roles} role{'s' if roles > 1 else ''} {'changed' if done else 'to change'}"] if roles else []
    stay = sum(change.unsupported for change in through)
    parts += [f"{stay} that the vendor cannot make"] if stay else []
    parts += [f"{counts[n]} {w}" for n, w in (("held", "held back"), ("failed", "failed")) if counts[n]]
    parts += [f"{counts[n]} {n}" for n in ("deferred", "quarantined") if counts[n]]
    if not parts:
        parts = ["nothing to do"]
    for event, one, several in _FOLLOWED:
        if number := report.followed.get(event, 0):
            parts.append(f"{number} {several if number > 1 else one}")
    head = {"plan": "Plan", "dry-run": "Dry run, nothing written", "apply": "Done"}[report.mode]
    return f"{head}: {', '.join(parts)}; {counts['noop']} unchanged."


def show_links(console: Console, links: Iterable[Link], now: datetime) -> None:
    """A table of meetings and their join links."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("start", "title", "state", "route", "join link"):
        table.add_column(column, overflow="fold")
    for link in links:
        table.add_row(*(Text(printable(cell)) for cell in _cells(link, now)))
    console.print(table if table.row_count else Text("No meetings yet."))


def show_personal_links(
    console: Console, links: Sequence[Link], now: datetime, lives: Mapping[str, timedelta | None]
) -> None:
    """Each meeting in one line, and below it each participant's own way in, whole so that it can be copied.

    `lives` holds, by the name of the vendor, the longest life of the links that it makes on request.
    """
    for link in links:
        console.print(Text(printable("  ".join(filter(None, _cells(link, now)))), style="bold"), soft_wrap=True)
        for person in link.invitees:
            text = f"  {person.role.value}  {person.email}  {_way_in(person, link, now, lives.get(link.vendor))}"
            console.print(Text(printable(text)), soft_wrap=True)
    if not links:
        console.print(Text("No meetings yet."))


def _cells(link: Link, now: datetime) -> tuple[str, ...]:
    return (when(link.start), link.title, link.shown_state(now), link.route, link.join_url or "")


def _way_in(person: Registered, link: Link, now: datetime, life: timedelta | None) -> str:
    if person.personal_link:
        return person.personal_link + (f"  until {when(person.link_expires)}" if person.link_expires else "")
    if person.personal_link == "":
        return "refused by the vendor"
    if life is not None and link.has_session and link.start - life > now:
        return f"not yet: made from {when(link.start - life)} on"
    return "none"


def show_findings(console: Console, findings: Iterable[Finding]) -> None:
    """Findings, one a line."""
    for finding in findings:
        if finding.code == "mapped":  # what a source shows, and nothing to think about
            console.print(Text(f"    {printable(finding.message)}"), soft_wrap=True)
            continue
        console.print(Text(f"    ! {printable(finding.message)}  [{finding.code}]", style="yellow"), soft_wrap=True)
