"""What people read on the terminal at the end of a pass."""

import io

import pytest
from rich.console import Console

from daemon.render import show_report
from sync.logbook import LINES
from sync.report import RouteReport
from sync.snapshot import Snapshot
from tests.unit.builders import NOW, ROUTE

TROUBLES = [
    name
    for name, line in LINES.items()
    if line.level in ("warning", "error")
    and name.partition(".")[0] in ("document", "artifact", "looks", "archive", "feed", "mail")
]


def last_line(followed: dict[str, int]) -> str:
    snapshot = Snapshot("sales", ROUTE.window(NOW), ())
    report = RouteReport("sales", "sales", "main", "apply", snapshot, (), "", followed=followed)
    text = io.StringIO()
    show_report(Console(file=text, width=200), report)
    return text.getvalue().strip().splitlines()[-1].strip()


@pytest.mark.parametrize("event", TROUBLES)
def test_whatever_went_wrong_beside_the_plan_is_in_the_last_line(event: str) -> None:
    one, two = (last_line({event: number}).removeprefix("Done: nothing to do") for number in (1, 2))
    assert one.startswith(", 1 ")
    assert two.startswith(", 2 ")
    assert two.removeprefix(", 2 ") != one.removeprefix(", 1 "), "the plural"


def test_what_was_done_and_what_was_not_stand_side_by_side() -> None:
    told = last_line({"mail.sent": 3, "mail.refused": 1, "feed.failed": 1})
    assert told == "Done: nothing to do, 1 feed not written, 3 mails sent, 1 mail refused; 0 unchanged."
