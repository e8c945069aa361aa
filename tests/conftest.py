"""Fixtures that all tests share, and the closing words on which parts of the machine were used."""

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.world import World, a_world

PARTS = ("postgresql", "kills", "systemd", "chromium", "caldav")


def pytest_configure(config: pytest.Config) -> None:
    for part in PARTS:
        config.addinivalue_line("markers", f"{part}: needs {part}")


def pytest_collection_finish() -> None:
    """Thousands of tests are known by now: the search for garbage need not look through them each time."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish() -> None:
    """What plugins load at the end looks for itself among the objects that the collector knows."""
    gc.unfreeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which of the parts that need something of the machine ran, and which were skipped."""
    for part in PARTS:
        counts = {
            word: sum(part in report.keywords for report in terminalreporter.stats.get(word, []))
            for word in ("passed", "failed", "skipped")
        }
        shown = ", ".join(f"{number} {word}" for word, number in counts.items() if number) or "did not run"
        terminalreporter.write_line(f"part {part}: {shown}")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path) as made:
        yield made
