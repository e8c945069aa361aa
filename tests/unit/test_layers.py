"""The shape of the code: time is handed in, files stay short, what is public is explained."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LONGEST = 350
FILES = sorted(path for top in ("daemon", "sync", "connectors") for path in (ROOT / top).rglob("*.py"))
SYNC = [path for path in FILES if path.is_relative_to(ROOT / "sync")]
CLOCKS = {
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
    "time": {"time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "sleep", "gmtime", "localtime"},
    "asyncio": {"sleep", "timeout", "wait_for"},
}


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def clocks(module: ast.Module) -> Iterator[str]:
    """Every use of a wall clock or a sleep, however it was imported."""
    for node in ast.walk(module):
        if isinstance(node, ast.Attribute):
            owner = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", None)
            if node.attr in CLOCKS.get(str(owner), ()):
                yield f"line {node.lineno}: {owner}.{node.attr}"
        elif isinstance(node, ast.ImportFrom) and node.module in ("time", "asyncio"):
            forbidden = CLOCKS[node.module] & {alias.name for alias in node.names}
            yield from (f"line {node.lineno}: from {node.module} import {found}" for found in sorted(forbidden))
        elif isinstance(node, ast.Import):
            yield from (f"line {node.lineno}: import time" for alias in node.names if alias.name == "time")


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("from datetime import datetime\ndatetime.now(UTC)", 1),
        ("import datetime\ndatetime.datetime.utcnow()", 1),
        ("import time", 1),
        ("from time import monotonic as m", 1),
        ("import asyncio\nawait asyncio.sleep(1)", 1),
        ("from asyncio import sleep", 1),
        ("self.clock.now()\nawait self.clock.sleep(1)", 0),
    ],
)
def test_the_search_for_clocks_finds_them(code: str, found: int) -> None:
    assert len(list(clocks(ast.parse(code)))) == found


@pytest.mark.parametrize("path", SYNC, ids=name)
def test_nothing_in_sync_looks_at_a_wall_clock_or_sleeps(path: Path) -> None:
    assert list(clocks(tree(path))) == []


@pytest.mark.parametrize("path", FILES, ids=name)
def test_a_file_stays_short_enough_to_be_read_at_once(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST


Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def public(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, Definition]]:
    """Classes and functions without an underscore, methods of public classes included."""
    for node in body:
        if isinstance(node, Definition) and not node.name.startswith("_"):
            yield prefix + node.name, node
            if isinstance(node, ast.ClassDef):
                yield from public(node.body, f"{prefix}{node.name}.")


@pytest.mark.parametrize("path", FILES, ids=name)
def test_everything_public_says_what_it_is_for(path: Path) -> None:
    module = tree(path)
    assert [found for found, node in public(module.body) if not ast.get_docstring(node)] == []
    assert ast.get_docstring(module) or not module.body, "the file says what it is about"
