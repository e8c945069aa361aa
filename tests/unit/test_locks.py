"""One process at a time on each route of an SQLite database; and what services and commands see of that."""

import asyncio
import json
import os
import signal
import sqlite3
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from daemon import sharing
from daemon.cli import main
from daemon.sharing import Held
from sync.errors import LedgerError, LockTaken
from tests.calendars import Entry
from tests.unit.sharing_scene import Process, child, processes
from tests.world import World

ODD_NAMES = ["", "sales", "Sales", "../../etc/passwd", "a\0b", "ü" * 500, "\udcff", "-", "sales\n"]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/convener.db"


async def test_a_second_holder_waits_until_the_first_is_done(url: str) -> None:
    order: list[str] = []
    inside = asyncio.Event()
    async with processes(url, 2) as (one, other):

        async def second() -> None:
            await inside.wait()
            async with other.sharing.at_work("sales"):
                order.append("second")

        async def first() -> None:
            async with one.sharing.at_work("sales"):
                inside.set()
                await asyncio.wait([waiting], timeout=0.3)
                order.append("first")

        waiting = asyncio.create_task(second())
        await first()
        await waiting
    assert order == ["first", "second"]


async def test_who_waits_in_vain_is_told_and_the_first_goes_on(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "LOCK_PATIENCE", 0.3)
    async with processes(url, 2) as (one, other):
        async with one.sharing.at_work("sales"):
            with pytest.raises(LockTaken, match='another convener process is working on route "sales"'):
                async with other.sharing.at_work("sales"):
                    pytest.fail("two at once")
            with pytest.raises(LockTaken):
                async with one.sharing.at_work("sales", patience=0):
                    pytest.fail("two at once")
        async with other.sharing.at_work("sales", patience=0):
            pass


async def test_other_routes_and_other_work_are_not_in_the_way(url: str) -> None:
    async with processes(url, 2) as (one, other), one.sharing.at_work("sales"):
        for route in ODD_NAMES:
            if route != "sales":
                async with other.sharing.at_work(route, patience=0), one.sharing.at_work(route, "harvest", 0):
                    with pytest.raises(LockTaken):
                        async with one.sharing.at_work(route, patience=0):
                            pytest.fail("two at once")
        async with other.sharing.at_work("sales", "harvest", patience=0):
            pass


async def test_an_error_in_the_work_is_told_as_it_is_and_lets_go(url: str) -> None:
    async with processes(url, 1) as (one,):
        with pytest.raises(TimeoutError, match="of the pass"):
            async with one.sharing.at_work("sales"):
                raise TimeoutError("of the pass")
        async with one.sharing.at_work("sales", patience=0):
            pass


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
async def test_a_killed_process_blocks_nobody_and_a_stopped_one_keeps_its_route(url: str, number: int) -> None:
    async with processes(url, 1) as (one,):
        with child(url, "sales") as holder:
            with pytest.raises(LockTaken):
                async with one.sharing.at_work("sales", patience=0):
                    pytest.fail("two at once")
            holder.send_signal(number)
            if number == signal.SIGKILL:
                async with one.sharing.at_work("sales", patience=10):
                    pass
            else:
                with pytest.raises(LockTaken):
                    async with one.sharing.at_work("sales", patience=0.2):
                        pytest.fail("two at once")


async def test_commands_on_several_routes_in_any_order_do_not_wait_for_each_other_for_ever(url: str) -> None:
    done: list[Held] = []
    async with processes(url, 2) as made:

        async def work(one: Process, *routes: str) -> None:
            for _ in range(5):
                async with one.sharing.all_at_work(routes) as held:
                    await asyncio.sleep(0)
                    done.append(held)

        async with asyncio.timeout(20):
            await asyncio.gather(work(made[0], "a", "b", "c", "a"), work(made[1], "c", "b", "a"))
        assert len(done) == 10
        assert all(held.lost() is None and not held.leases for held in done)


async def test_the_patience_is_for_all_routes_together(url: str) -> None:
    async with processes(url, 2) as (one, other), one.sharing.at_work("b"):
        with pytest.raises(LockTaken, match='"b"'):
            async with asyncio.timeout(5), other.sharing.all_at_work(["a", "b", "c"], patience=0.2):
                pytest.fail("two at once")
        async with one.sharing.at_work("a", patience=0):
            pass


async def test_a_service_has_all_routes_and_hears_hints_at_once(url: str) -> None:
    async with processes(url, 1) as (one,):
        await one.sharing.start(["sales", "news"])
        assert one.ours == {"sales", "news"}
        assert one.sharing.holds("sales")
        assert one.sharing.owner("sales") == ""
        assert not one.sharing.shared
        await one.sharing.tell(["sales", "other"], "a hook")
        assert one.looks == [("sales", "a hook")]
        await one.sharing.start(["news", "more"])
        assert one.ours == {"sales", "news", "more"}
        assert one.log == []


async def test_the_lock_is_a_private_file_of_no_length_beside_the_database(url: str, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        async with processes(url, 1) as (one,), one.sharing.at_work("sales"):
            (path,) = tmp_path.iterdir()
    finally:
        os.umask(before)
    assert path.name == "convener.db.lock"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.stat().st_size == 0


async def test_a_place_where_no_lock_can_be_is_told(tmp_path: Path) -> None:
    async with processes(f"sqlite:///{tmp_path}/missing/convener.db", 1) as (one,):
        with pytest.raises(LedgerError, match="cannot be made"):
            async with one.sharing.at_work("sales"):
                pass


async def test_a_database_in_memory_makes_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for url in ("sqlite://", "sqlite:///:memory:"):
        async with processes(url, 1) as (one,), one.sharing.at_work("sales"):
            pass
    assert list(tmp_path.iterdir()) == []


async def test_the_locks_are_not_the_databases_own(url: str, tmp_path: Path) -> None:
    """Closing any opening of a file drops a process's own (not its open file description's) locks on it."""
    async with processes(url, 2) as (one, other), one.sharing.at_work("sales"):
        sqlite3.connect(tmp_path / "convener.db").close()
        (tmp_path / "convener.db.lock").read_bytes()
        with pytest.raises(LockTaken):
            async with other.sharing.at_work("sales", patience=0):
                pytest.fail("two at once")


class TestCommands:
    """What people see of it: another process works on the route `sales`, and `news` is free."""

    @pytest.fixture
    def two_routes(self, world: World, monkeypatch: pytest.MonkeyPatch) -> World:
        monkeypatch.setattr(sharing, "LOCK_PATIENCE", 0.3)
        more = '[routes.news]\nsource = "sales"\nvendor = "main"\nmatch = {summary = "News"}\n'
        world.configure(route=f'match = {{summary = "Sales"}}\n{more}')
        start = datetime.now(UTC) + timedelta(days=1)
        world.entries = {name: Entry(f"{name}@example.com", start, title=name) for name in ("Sales", "News")}
        world.publish()
        return world

    @pytest.fixture
    def run(
        self, two_routes: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> Callable[..., tuple[int, str, str]]:
        """Run a command as a person does: exit code, standard output, standard error."""

        def run(*arguments: str) -> tuple[int, str, str]:
            monkeypatch.setattr("sys.argv", ["convener", *arguments, "--config", f"{two_routes.folder}/convener.toml"])
            with pytest.raises(SystemExit) as ended:
                main()
            return int(ended.value.code or 0), *capsys.readouterr()

        return run

    def test_reconcile_makes_the_passes_of_the_other_routes_and_ends_2(
        self, two_routes: World, run: Callable[..., tuple[int, str, str]]
    ) -> None:
        with child(f"sqlite:///{two_routes.folder}/convener.db", "sales"):
            code, out, err = run("reconcile")
            assert (code, two_routes.topics()) == (2, ["News"])
            assert 'another convener process is working on route "sales"' in err
            assert "news" in out
            assert run("reconcile", "news")[0] == 0
            assert list(json.loads(run("reconcile", "--json")[1])) == ["error"]
            assert run("plan")[0] == 0
        assert run("reconcile")[0] == 0
        assert two_routes.topics() == ["News", "Sales"]

    def test_other_commands_take_the_routes_that_they_change(
        self, two_routes: World, run: Callable[..., tuple[int, str, str]]
    ) -> None:
        assert run("reconcile")[0] == 0
        changing = (["retry"], ["forget", "sales:Sales@example.com"], ["db", "forget-links"])
        adopt = ["adopt", "sales:News@example.com", "1"]
        with child(f"sqlite:///{two_routes.folder}/convener.db", "sales"):
            for taken in (*changing, [*adopt, "--route", "sales"]):
                code, _, err = run(*taken)
                assert (code, taken) == (2, taken)
                assert 'route "sales"' in err
            assert 'route "sales"' not in run(*adopt, "--route", "news")[2]
            assert run("forget", "sales:News@example.com")[0] == 0
        assert [run(*free)[0] for free in changing] == [0, 0, 0]
