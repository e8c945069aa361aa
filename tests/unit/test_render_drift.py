"""What people read of a drift check."""

import io
from typing import get_args

import pytest
from rich.console import Console

from daemon.render_drift import LONGEST, show_drift, words
from sync.change import FieldDiff
from sync.drift import DriftReport
from sync.ledger.drift import Drift, Kind
from sync.report import Exit


def shown(report: DriftReport) -> list[str]:
    text = io.StringIO()
    show_drift(Console(file=text, width=200), report)
    return text.getvalue().rstrip().splitlines()


@pytest.mark.parametrize("kind", get_args(Kind))
def test_each_kind_says_what_was_found_and_what_is_done_about_it(kind: Kind) -> None:
    told = {words(Drift(kind, "sales:x", "7", outcome=one)) for one in ("repaired", "reported", "held")}
    assert all("session 7" in one and "; " in one for one in told)
    assert len(told) >= 2


def test_a_finding_is_shown_with_its_meeting_and_its_fields() -> None:
    diff = FieldDiff("title", "Review", "By \x1b[31mhand\n" + "x" * 999)
    drift = Drift("changed", "sales:x", "7", "Review", "repaired", (diff,))
    lines = shown(DriftReport("sales", "main", 5, (drift,)))
    assert lines[:3] == [
        "Drift sales: main, 5 sessions compared, 1 difference",
        "  ! Review: session 7 was changed at the vendor; it is changed back",
        "      sales:x",
    ]
    assert lines[3].startswith("      title  Review → By  [31mhand xxx")
    assert len(lines[3]) < LONGEST + 60
    assert len(lines) == 4


def test_nothing_found_and_nothing_to_compare_are_one_line() -> None:
    assert shown(DriftReport("a", "main", 1)) == ["Drift a: main, 1 session compared, no differences"]
    assert shown(DriftReport("a", "main", note="It shows nothing.")) == ["Drift a: main, It shows nothing."]


def test_what_could_not_be_looked_at_and_what_is_held_back_is_said_and_counts() -> None:
    failed = DriftReport("a", "main", problem="down", unreachable=True)
    assert shown(failed) == ["Drift a: main, not compared", "  ! down"]
    assert failed.exit() is Exit.UNREACHABLE
    assert DriftReport("a", "main", problem="asks to wait").exit() is Exit.PARTIAL
    missing = Drift("missing", "a:x", "7", outcome="held")
    held = DriftReport("a", "main", 2, (missing,), held_reason="2 of 2 sessions are gone at once")
    assert shown(held)[1:3] == [
        "  ! 2 of 2 sessions are gone at once",
        "  ! session 7 is gone at the vendor; it is held back",
    ]
    assert held.exit() is Exit.HELD


@pytest.mark.parametrize(
    ("outcome", "code"),
    [("repaired", 0), ("adopted", 0), ("suspected", 0), ("reported", 4), ("returned", 4)],
)
def test_only_what_is_left_to_a_person_is_not_done(outcome: str, code: int) -> None:
    drift = Drift("changed", "a:x", "7", outcome=outcome)  # type: ignore[arg-type]
    assert DriftReport("a", "main", 1, (drift,)).exit() == code
