"""What people read of a drift check: a line or two a finding."""

from rich.console import Console
from rich.text import Text

from daemon.render import printable
from sync.drift import DriftReport
from sync.ledger.drift import Drift

LONGEST = 200
"""Characters of a value that are shown: what stands at a vendor may be of any length."""

_KINDS = {
    "missing": "session {session} is gone at the vendor",
    "changed": "session {session} was changed at the vendor",
    "join_link": "the join link of session {session} is another one now",
    "double": "session {session} is a second one of the same meeting",
    "leftover": "session {session} was removed, and is still there",
    "orphan": "session {session} is ours",
}
_OUTCOMES = {
    ("missing", "repaired"): "it is made anew, with a new join link",
    ("missing", "suspected"): "the next check decides whether to believe it",
    ("missing", "reported"): "the meeting is set aside (drift = report)",
    ("changed", "repaired"): "it is changed back",
    ("changed", "reported"): "it stays so",
    ("changed", "returned"): "it was changed back and is so again: it stays so",
    ("join_link", "repaired"): "the new one is taken over",
    ("double", "repaired"): "it is removed",
    ("double", "reported"): "it is left alone",
    ("leftover", "repaired"): "it is removed once more",
    ("leftover", "reported"): "it is left alone",
    ("orphan", "adopted"): "its meeting has none and takes it over",
    ("orphan", "reported"): "no meeting of the ledger has it, and it is left alone",
}


def show_drift(console: Console, report: DriftReport) -> None:
    """One route's check."""
    head = Text.assemble(("Drift ", "bold"), (report.route, "bold cyan"), f": {report.vendor}, {_summary(report)}")
    console.print(head, soft_wrap=True)
    for reason in (report.problem, report.held_reason):
        if reason:
            console.print(Text(printable(f"  ! {reason}"), style="yellow"), soft_wrap=True)
    for one in report.found:
        _show_one(console, one)
    console.print()


def words(one: Drift) -> str:
    """What was found and what is done about it, in one sentence."""
    return (
        f"{_KINDS[one.kind].format(session=one.session)}; {_OUTCOMES.get((one.kind, one.outcome), 'it is held back')}"
    )


def _summary(report: DriftReport) -> str:
    if report.note:
        return report.note
    if report.problem and not report.compared:
        return "not compared"
    found = len(report.found)
    compared = f"{report.compared} session{'s' * (report.compared != 1)} compared"
    return f"{compared}, {found or 'no'} difference{'s' * (found != 1)}"


def _show_one(console: Console, one: Drift) -> None:
    text = f"  ! {one.title}: {words(one)}" if one.title else f"  ! {words(one)}"
    style = "green" if one.outcome in ("repaired", "adopted") else "yellow"
    console.print(Text(printable(text), style=style), soft_wrap=True)
    if one.key:
        console.print(Text(printable(f"      {one.key}"), style="dim"), soft_wrap=True)
    for diff in one.fields:
        values = f"{_cut(diff.before or '')} → {_cut(diff.after or '')}"
        console.print(Text(printable(f"      {diff.name}  {values}")), soft_wrap=True)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
